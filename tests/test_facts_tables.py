"""The tables of drivers and builds: whole, sorted and with their sources; and scripts/facts, which adds to them."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from world import FakeIndex, build_wheel

from wheelhouse.compat import builds, cuda, others
from wheelhouse.compat.cuda import Cuda, Driver
from wheelhouse.data import table

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "wheelhouse" / "data"
PAGE = Path(__file__).parent / "fixtures" / "facts" / "release_notes.html"
TABLES = {
    "cuda.json": ("floors", "toolkits", "branches", "ptx", "architectures", "data_center", "wheels"),
    "torch_builds.json": ("releases", "builds"),
}


@cache
def script() -> ModuleType:
    """scripts/facts as a module."""
    loader = SourceFileLoader("facts_script", str(ROOT / "scripts" / "facts"))
    spec = importlib.util.spec_from_loader("facts_script", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["facts_script"] = module  # its dataclasses look there for their annotations
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def rows(name: str, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table(name)[key]
    return found


def channel_key(channel: str) -> Cuda:
    found = Cuda.of_channel(channel)
    assert found is not None
    return found


# The tables


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in TABLES.items() for key in keys])
def test_every_row_has_a_source(name: str, key: str) -> None:
    assert rows(name, key)
    assert [row for row in rows(name, key) if not isinstance(row["source"], str) or len(row["source"]) < 10] == []


@pytest.mark.parametrize("name", TABLES)
def test_a_table_stands_as_the_script_writes_it(name: str) -> None:
    text = (DATA / name).read_text("utf-8")
    assert script().written(json.loads(text)) == text


def test_no_table_names_a_stored_copy_or_a_place_of_this_machine() -> None:
    for name in TABLES:
        assert re.findall(r"stored|file id|/work|/root|/tmp", (DATA / name).read_text("utf-8")) == []


def test_rows_are_sorted_and_none_is_there_twice() -> None:
    toolkits = [(Version(row["toolkit"]), row["update"]) for row in rows("cuda.json", "toolkits")]
    branches = [(row["branch"], Cuda.parse(row["cuda"])) for row in rows("cuda.json", "branches")]
    releases = [Version(row["torch"]) for row in rows("torch_builds.json", "releases")]
    built = [(Version(row["torch"]), channel_key(row["channel"])) for row in rows("torch_builds.json", "builds")]
    isas = [(Cuda.parse(row["cuda"]), cuda.capability(row["isa"])) for row in rows("cuda.json", "ptx")]
    majors = [row["cuda"] for row in rows("cuda.json", "floors")]
    firsts = [cuda.capability(row["first"]) for row in rows("cuda.json", "architectures")]
    for keys in (toolkits, branches, releases, built, isas, majors, firsts):
        assert keys == sorted(set(keys))  # type: ignore[type-var]


def test_a_toolkit_came_with_a_driver_of_its_branch_that_has_its_cuda() -> None:
    for row in rows("cuda.json", "toolkits"):
        driver = Driver.parse(row.get("linux", str(row["branch"])))
        assert driver is not None
        assert driver.branch == row["branch"]
        assert cuda.driver_cuda(driver) == Cuda.parse(row["toolkit"]), row
        assert cuda.runs(Cuda.parse(row["toolkit"]), driver).how is cuda.How.NATIVE


def test_windows_drivers_of_a_toolkit_have_its_cuda_too() -> None:
    for row in rows("cuda.json", "toolkits"):
        driver = Driver.parse(row.get("windows"))
        if driver is not None:
            assert cuda.driver_cuda(driver) == Cuda.parse(row["toolkit"]), row


def test_every_branch_reads_the_ptx_of_its_cuda_and_of_older_ones() -> None:
    read = [cuda.isa(Cuda.parse(row["cuda"])) for row in rows("cuda.json", "branches")]
    assert None not in read
    assert read == sorted(read)  # type: ignore[type-var]


def test_every_release_has_what_rules_ask_for() -> None:
    for release in builds.releases():
        assert release.default is not None
        assert Cuda.of_channel(release.default) is not None
        assert all(re.fullmatch(r"3\.\d+t?", python) for python in release.pythons)
        newest = max(python for python in release.pythons if not python.endswith("t"))
        assert SpecifierSet(release.requires_python).contains(f"{newest}.0")
        assert release.torchvision is not None
        assert release.torchaudio is not None
        for channels in release.channels.values():
            assert sorted(channels, key=channel_key) == list(channels)


def test_every_build_is_of_a_known_release_and_names_gpus_that_are_known() -> None:
    minors = {f"{each.version.major}.{each.version.minor}" for each in builds.releases()}
    for row in rows("torch_builds.json", "builds"):
        assert row["torch"] in minors
        for text in [*row["archs"], *row.get("aarch64", ()), *([row["ptx"]] if "ptx" in row else [])]:
            value = cuda.capability(text)
            assert value is not None
            generation = cuda.architecture(value)
            assert generation is not None
            compiled = channel_key(row["channel"])
            assert generation.first_cuda <= compiled, row
            assert generation.last_cuda is None or compiled <= generation.last_cuda, row


def test_no_build_is_called_expected_that_was_looked_into() -> None:
    expected = [(row["torch"], row["channel"]) for row in rows("torch_builds.json", "builds") if row.get("expected")]
    assert expected == [("2.6", "cu118"), ("2.6", "cu126"), ("2.7", "cu118")]


def test_a_generation_s_first_driver_branch_is_that_of_the_first_cuda_that_compiles_for_it() -> None:
    told = {(each.name, each.first): each.first_branch for each in cuda.architectures() if each.first_branch}
    assert told == {
        ("Ampere", (8, 0)): 450,
        ("Ada", (8, 9)): 520,
        ("Hopper", (9, 0)): 520,
        ("Blackwell", (10, 0)): 570,
        ("Blackwell", (12, 0)): 570,
    }
    for each in cuda.architectures():
        if each.first_branch is not None:
            has = cuda.driver_cuda(cuda.Driver((each.first_branch,), str(each.first_branch)))
            assert has == each.first_cuda, each


def test_other_wheels_ranges_do_not_overlap() -> None:
    for wheel in others.known():
        assert wheel.capabilities == tuple(sorted(wheel.capabilities))
        bounds = re.findall(r"[0-9][0-9.]*[0-9]", wheel.versions)
        for other in others.known():
            if other is not wheel and other.project == wheel.project:
                inside = [each for each in bounds if SpecifierSet(wheel.versions).contains(each)]
                assert [each for each in inside if SpecifierSet(other.versions).contains(each)] == []


# scripts/facts and NVIDIA's page


def test_new_toolkits_branches_and_floors_come_from_nvidia_s_page(capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads((DATA / "cuda.json").read_text("utf-8"))
    after = script().with_toolkits(before, PAGE.read_text("utf-8"), day="2027-01-02")
    source = "NVIDIA, 1. CUDA 14.0 Release Notes — Release Notes 14.0 documentation, read 2027-01-02"
    added = {key: [row for row in after[key] if row not in before[key]] for key in TABLES["cuda.json"]}
    assert added == {
        "floors": [{"cuda": 14, "linux": "640", "windows": "640", "source": source}],
        "toolkits": [
            {"toolkit": "14.0", "update": 0, "linux": "640.10.01", "branch": 640, "source": source},
            {"toolkit": "14.0", "update": 1, "linux": "640.21.03", "branch": 640, "source": source},
        ],
        "branches": [{"branch": 640, "cuda": "14.0", "source": source}],
        "ptx": [],
        "architectures": [],
        "data_center": [],
        "wheels": [],
    }
    # what the table says stays, and the difference is told
    assert capsys.readouterr().err == ("CUDA 12.9 Update 1: `linux` is 575.57.08 in the table, and 575.57.99 now\n")


def test_a_page_without_such_a_table_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.html").write_text("<p>sign in</p>")
    monkeypatch.setattr(sys, "argv", ["facts", "--nvidia-page", str(tmp_path / "page.html")])
    assert script().main() == 1
    assert capsys.readouterr().err == "error: the page has no table of CUDA toolkits and their drivers\n"


# scripts/facts and an index


def released(index: FakeIndex) -> None:
    """torch 2.16.0 and what was released with it; a pre-release and a yanked release beside them."""
    requires = (
        "filelock",
        "cuda-toolkit[cublas,cudart]==13.2.2; platform_system == 'Linux'",
        "nvidia-cudnn-cu13==9.30.0.1; platform_system == 'Linux'",
        "triton==3.10.0; platform_system == 'Linux'",
    )
    for python in ("cp311", "cp312", "cp313t"):
        tag = f"{python.rstrip('t')}-{python}-manylinux_2_28_x86_64"
        index.add(build_wheel("torch", "2.16.0", tag=tag, requires=requires, requires_python=">=3.11"))
    index.add(build_wheel("torch", "2.17.0", tag="cp312-cp312-manylinux_2_28_x86_64"), yanked="broken")
    index.add(build_wheel("torch", "2.18.0rc1", tag="cp312-cp312-manylinux_2_28_x86_64"))
    index.add(build_wheel("torch", "2.19.0", tag="cp312-cp312-win_amd64"))
    linux = "cp312-cp312-manylinux_2_28_x86_64"
    index.add(build_wheel("torchvision", "0.31.0", tag=linux, requires=("torch==2.16.0",)))
    index.add(build_wheel("torchvision", "0.30.0", tag=linux, requires=("torch==2.15.0",)))
    index.add(build_wheel("torchaudio", "2.11.0", tag=linux))
    index.add(build_wheel("torchaudio", "2.10.0", tag=linux, requires=("torch==2.10.0",)))


@pytest.fixture
def data(tmp_path: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tables, and pip configured for an index with a new torch."""
    released(index)
    monkeypatch.setenv("PIP_INDEX_URL", index.simple)
    for name in TABLES:
        (tmp_path / name).write_bytes((DATA / name).read_bytes())
    return tmp_path


def run(data: Path, monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr(sys, "argv", ["facts", "--data", str(data), *args])
    code: int = script().main()
    return code


def test_a_new_torch_is_read_from_the_index_and_shown(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, monkeypatch) == 0
    told = capsys.readouterr()
    added = [line for line in told.out.splitlines() if line.startswith("+    ") and '"2.16' in line]
    assert len(added) == 2
    assert told.err == "torch_builds.json is left as it is: `--write` writes it\n"
    assert (data / "torch_builds.json").read_bytes() == (DATA / "torch_builds.json").read_bytes()


def test_a_written_row_says_what_was_read_and_where(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(data, monkeypatch, "--write") == 0
    after = json.loads((data / "torch_builds.json").read_text("utf-8"))
    release, build = after["releases"][-1], after["builds"][-1]
    source = release.pop("source")
    assert release == {
        "torch": "2.16.0",
        "default": "cu132",
        "channels": ["cu132"],
        "pythons": ["3.11", "3.12", "3.13t"],
        "requires_python": ">=3.11",
        "glibc": "2.28",
        "triton": "3.10.0",
        "torchvision": "0.31.0",
        "torchaudio": "2.11.0",
        "numpy2": True,
    }
    assert re.fullmatch(
        r"read from core metadata on PyPI \(torch-2\.16\.0-cp311-cp311-manylinux_2_28_x86_64\.whl and what is beside"
        r" it\), 20\d\d-\d\d-\d\d",
        source,
    )
    assert build.pop("source") == f"{source}; architectures expected as in 2.15 cu132"
    assert (build["torch"], build["channel"], build["cudnn"], build["expected"]) == ("2.16", "cu132", "9.30.0.1", True)
    assert build["archs"] == ["7.5", "8.0", "8.6", "9.0", "10.0", "12.0"]


def test_a_second_run_has_nothing_to_add(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, monkeypatch, "--write") == 0
    capsys.readouterr()
    assert run(data, monkeypatch, "--write") == 0
    assert capsys.readouterr() == ("", "torch_builds.json: nothing new\n")


def test_an_index_without_torch_is_an_error(
    data: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.simple}/elsewhere")
    assert run(data, monkeypatch) == 1
    assert capsys.readouterr().err == f"error: the index `{index.simple}/elsewhere` has no project `torch`\n"


def test_the_script_can_be_run() -> None:
    assert os.access(ROOT / "scripts" / "facts", os.X_OK)
