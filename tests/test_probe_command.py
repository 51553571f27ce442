"""`wheelhouse probe`, `--target auto:FILE` and `wheelhouse targets suggest`, as people see them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_server import LABEL, PROBED
from world import FakeIndex, build_wheel, pip_wheel
from world.cli import Ran, wheelhouse
from world.project import Project

from wheelhouse.cli.machines import machine_of, servers_of
from wheelhouse.compat.server import parse
from wheelhouse.edge import probing
from wheelhouse.errors import UsageError
from wheelhouse.target.checkdigits import with_check


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine on paper for the probe of this machine: a Red Hat without a Python and without a GPU."""
    root = tmp_path / "paper"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "os-release").write_text('PRETTY_NAME="Red Hat Enterprise Linux 8.9 (Ootpa)"\nID="rhel"\n')
    monkeypatch.setenv("WHEELHOUSE_PROBE_ROOT", str(root))
    monkeypatch.setenv("PATH", str(root / "bin"))
    monkeypatch.setenv("HOME", str(root))
    probing.here.cache_clear()
    yield root
    probing.here.cache_clear()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with `probe.json` in it."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "probe.json").write_text(json.dumps(PROBED))
    return folder


def ran_well(ran: Ran) -> str:
    assert (ran.code, ran.err) == (0, "")
    return ran.out


# wheelhouse probe


def test_the_probe_of_this_machine_shows_its_page_and_ends_with_a_line_to_type(paper: Path, tmp_path: Path) -> None:
    out = ran_well(wheelhouse("probe", cwd=tmp_path))
    assert "Red Hat Enterprise Linux 8.9 (Ootpa)" in out
    assert max(map(len, out.splitlines())) <= 80
    label, _, _ = out.split()[-1].rpartition("-ck")
    assert out.split()[-1] == with_check(label)
    shown = ran_well(wheelhouse("targets", out.split()[-1], cwd=tmp_path))
    assert shown.splitlines()[0] == label


def test_the_probes_json_is_printed_and_written_alike(paper: Path, tmp_path: Path) -> None:
    folder = tmp_path / "measured"
    folder.mkdir()
    ran = wheelhouse("probe", "--json", "--output", "seen.json", "--dir", folder, cwd=tmp_path)
    found = json.loads(ran_well(ran))
    assert found["system"]["distribution"] == "Red Hat Enterprise Linux 8.9 (Ootpa)"
    assert [each["path"] for each in found["space"] if each["what"] == "named"][-1] == str(folder)
    assert json.loads((tmp_path / "seen.json").read_text()) == found
    assert parse(ran.out, "seen.json").label == found["label"]


def test_a_file_that_cannot_be_written_is_one_sentence(paper: Path, tmp_path: Path) -> None:
    ran = wheelhouse("probe", "--json", "--output", "nowhere/seen.json", cwd=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: the probe of this machine failed: `nowhere/seen.json` cannot be written: ")


def test_auto_alone_is_this_machine(paper: Path, tmp_path: Path) -> None:
    label = json.loads(ran_well(wheelhouse("probe", "--json", cwd=tmp_path)))["label"]
    assert ran_well(wheelhouse("targets", "auto:", cwd=tmp_path)).splitlines()[0] == label


def test_a_probe_that_fails_is_told_by_its_last_word(
    paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    ran = wheelhouse("probe", cwd=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: the probe of this machine failed: it ended with status 1\n\n"
        "hint: `wheelhouse probe --write DIR` gives the program itself: `python3 DIR/probe.py`\n"
    )


def test_the_probe_to_carry_is_written_into_a_folder_and_runs_there(paper: Path, tmp_path: Path) -> None:
    ran = wheelhouse("probe", "--write", "usb", cwd=tmp_path)
    assert (ran.code, ran.out) == (0, "usb/probe.py\nusb/probe.sh\n")
    assert ran.err == (
        "carry `usb` to the server and run `python3 probe.py` there; without a Python `sh probe.sh`\n"
        "then type its last line behind `--target` here\n"
        "or add `--output probe.json` there, bring that file back, and type `--target auto:probe.json`\n"
    )
    assert sorted(path.name for path in (tmp_path / "usb").iterdir()) == ["probe.py", "probe.sh"]
    assert all(path.stat().st_mode & stat.S_IXUSR for path in (tmp_path / "usb").iterdir())
    carried = subprocess.run(
        [sys.executable, "probe.py", "--output", "probe.json"], cwd=tmp_path / "usb", capture_output=True, check=True
    )
    assert carried.stderr == b""
    assert ran_well(wheelhouse("targets", "auto:usb/probe.json", cwd=tmp_path)).startswith("linux-")


def test_a_probe_of_an_earlier_version_is_replaced_and_another_file_is_not(tmp_path: Path) -> None:
    assert wheelhouse("probe", "--write", "usb", cwd=tmp_path).code == 0
    (tmp_path / "usb" / "probe.sh").write_text("# of wheelhouse, an old one\n")
    (tmp_path / "usb" / "probe.py").write_text("import rocket\n")
    ran = wheelhouse("probe", "--write", "usb", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == ("error: `usb/probe.py` is there and is no probe of wheelhouse\n\nhint: name another folder\n")
    assert (tmp_path / "usb" / "probe.py").read_text() == "import rocket\n"
    (tmp_path / "usb" / "probe.py").unlink()
    ran = wheelhouse("probe", "--write", "usb", "--quiet", "--json", cwd=tmp_path)
    assert json.loads(ran_well(ran)) == {"programs": ["usb/probe.py", "usb/probe.sh"]}
    assert "an old one" not in (tmp_path / "usb" / "probe.sh").read_text()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "usb").write_text("")
    ran = wheelhouse("probe", "--write", "usb/here", cwd=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: `usb/here/probe.py` cannot be written: ")


def test_what_came_back_is_shown(here: Path) -> None:
    out = ran_well(wheelhouse("probe", "--read", "probe.json", cwd=here))
    assert out.splitlines()[0] == LABEL
    assert "  driver         515.65.01, CUDA 11.7" in out.splitlines()
    assert json.loads(ran_well(wheelhouse("probe", "--read", "probe.json", "--json", cwd=here))) == PROBED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_an_editor_of_windows_wrote_again_is_read(here: Path, encoding: str) -> None:
    (here / "probe.json").write_text(json.dumps(PROBED), encoding)
    assert ran_well(wheelhouse("targets", "auto:probe.json", cwd=here)).splitlines()[0] == LABEL
    assert json.loads(ran_well(wheelhouse("probe", "--read", "probe.json", "--json", cwd=here))) == PROBED


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--write", "a", "--read", "b"), "error: `--write` and `--read` exclude each other"),
        (("--write", "a", "--output", "b"), "error: `--output` and `--dir` are for a probe of this machine"),
        (("--read", "a", "--dir", "b"), "error: `--output` and `--dir` are for a probe of this machine"),
        (("--read", "gone.json"), "error: `gone.json` is not there"),
        (("page.txt",), "error: got unexpected extra argument (page.txt)"),
    ],
)
def test_wrong_usage_of_probe(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    ran = wheelhouse("probe", *arguments, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(told)


# --target auto:FILE


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    index.add(build_wheel("app", "1.0", requires=["leaf"]))
    index.add(build_wheel("leaf", "1.0"))
    index.add(pip_wheel())
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "probe.json").write_text(json.dumps(PROBED))
    return Project(tmp_path, index)


def test_a_probe_stands_for_its_label_wherever_a_target_is_named(project: Project) -> None:
    auto = ("--target", "auto:server/probe.json")
    assert project.lock("app", *auto).code == 0
    assert project.pins(LABEL) == {"app": "1.0", "leaf": "1.0"}
    assert ran_well(project.run("tree", *auto)) == ran_well(project.run("tree", "--target", LABEL))
    assert project.run("fetch", *auto).out == f"wheels/{LABEL}\n"
    assert project.run("bundle", *auto).out == f"bundles/{LABEL}\n"
    assert project.build("app", "--target", f"{LABEL}-ck37878").out == f"bundles/{LABEL}\n"
    assert len(list((project.folder / "lockfiles").iterdir())) == 1


def test_the_configuration_names_a_probe_from_its_own_folder(project: Project) -> None:
    (project.folder / "server" / "wheelhouse.toml").write_text('targets = ["auto:probe.json"]\n')
    assert project.lock("app", "--config", "server/wheelhouse.toml").code == 0
    assert project.pins(LABEL) == {"app": "1.0", "leaf": "1.0"}


def test_a_variable_names_a_probe_too(project: Project) -> None:
    assert project.lock("leaf", WHEELHOUSE_TARGET="auto:server/probe.json").code == 0
    assert project.pins(LABEL) == {"leaf": "1.0"}


def test_a_probe_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    ran = wheelhouse("targets", "auto:usb/probe.json", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: `usb/probe.json` is not there\n\n"
        "hint: on the server: `python3 probe.py --output probe.json`\n"
        "hint: `wheelhouse probe --write DIR` gives the program to carry there\n"
    )


def test_a_file_that_is_no_probe_is_one_sentence(here: Path) -> None:
    (here / "page.txt").write_text("What wheelhouse sees on this machine\n")
    (here / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    for name, what in (("page.txt", "line 1 is not JSON"), ("image.png", "it is not text")):
        ran = wheelhouse("targets", f"auto:{name}", cwd=here)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == (
            f"error: `{name}` is no probe of a server: {what}\n\n"
            "hint: write it again on the server: `python3 probe.py --output probe.json`,"
            " or `sh probe.sh --output probe.json`\n"
        )
    ran = wheelhouse("targets", "auto:.", cwd=here)
    assert (ran.code, ran.err) == (1, "error: `.` cannot be read: is a directory\n")


def test_a_probe_without_a_target_asks_for_a_label(here: Path) -> None:
    (here / "probe.json").write_text(json.dumps({**PROBED, "label": None, "line": None}))
    ran = wheelhouse("targets", "auto:probe.json", cwd=here)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: the probe behind `auto:probe.json` proposes no target for that machine\n\n"
        "hint: type the label of a target yourself, such as `--target linux-x86_64-cpu-py310`\n"
    )


def test_a_probe_that_tells_nearly_nothing_is_refused_with_what_it_lacks(here: Path) -> None:
    (here / "probe.json").write_text('{"probe": 1}')
    again = "hint: write it again on the server: `python3 probe.py --output probe.json`, or `sh probe.sh --output"
    ran = wheelhouse("targets", "auto:probe.json", cwd=here)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(
        "error: the probe behind `auto:probe.json` proposes no target for that machine: it tells no operating system,"
        f" no architecture and no Python\n\n{again}"
    )
    assert ran.err.endswith("type the label of a target yourself, such as `--target linux-x86_64-cpu-py310`\n")
    ran = wheelhouse("targets", "suggest", "auto:probe.json", "--driver", "515.65", cwd=here)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(
        f"error: the probe behind `auto:probe.json` tells no operating system and no architecture\n\n{again}"
    )
    assert ran.err.endswith("or name the machine in place of it: `wheelhouse targets suggest linux-x86_64-py310`\n")


def test_a_probe_without_pythons_is_told_its_channels_all_the_same(here: Path) -> None:
    (here / "probe.json").write_text('{"probe": 1, "system": {"os": "linux", "machine": "x86_64"}}')
    ran = wheelhouse("targets", "auto:probe.json", cwd=here)
    assert ran.err.startswith(
        "error: the probe behind `auto:probe.json` proposes no target for that machine: it tells no Python\n"
    )
    out = ran_well(wheelhouse("targets", "suggest", "auto:probe.json", "--driver", "535", cwd=here))
    assert out.startswith("For linux-x86_64, driver 535 (CUDA 12.2)\n")


def test_a_probe_with_a_target_that_is_none_is_told_with_the_hint_of_the_label(here: Path) -> None:
    (here / "probe.json").write_text(json.dumps({**PROBED, "label": "linux-x86_64-cu118-py31o", "line": None}))
    ran = wheelhouse("targets", "auto:probe.json", cwd=here)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: the target that `auto:probe.json` proposes cannot be read: `py31o` is not")
    assert "did you mean `py310`?" in ran.err


def test_the_probed_servers_are_given_by_the_label_of_their_target(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    (here / "again.json").write_text(json.dumps(PROBED))
    found = servers_of(["linux-x86_64-py310", "auto:probe.json", " AUTO:again.json "])
    assert found == {LABEL: parse(json.dumps(PROBED), "")}
    assert servers_of([LABEL]) == {}
    (here / "other.json").write_text(json.dumps({**PROBED, "selinux": None}))
    with pytest.raises(UsageError) as told:
        servers_of(["auto:probe.json", "auto:other.json"])
    assert str(told.value) == (
        f"`auto:probe.json` and `auto:other.json` are different machines for one target, `{LABEL}`"
    )


# wheelhouse targets suggest


def suggested(*arguments: str, cwd: Path) -> list[tuple[str, str | None]]:
    """Channels that can work and their targets, best first."""
    found = json.loads(ran_well(wheelhouse("targets", "suggest", *arguments, "--json", cwd=cwd)))
    return [(each["channel"], each["target"]) for each in found["options"]]


def test_a_probed_server_is_told_its_channels_best_first(here: Path) -> None:
    out = ran_well(wheelhouse("targets", "suggest", "auto:probe.json", cwd=here))
    assert f"--target {LABEL}" in out
    assert "needs driver 525.60.13 or newer" in out  # why CUDA 12 does not
    assert suggested("auto:probe.json", cwd=here)[0] == ("cu118", LABEL)
    assert suggested(LABEL, cwd=here) == suggested("auto:probe.json", cwd=here)


def test_what_is_told_beside_a_probe_counts_first(here: Path) -> None:
    channel, label = suggested("auto:probe.json", "--driver", "570.86.10", "--python", "3.12", cwd=here)[0]
    assert (channel, label) == ("cu128", "linux-x86_64-cu128-py312-driver570.86.10-sm80")


@pytest.mark.parametrize("python", ["310", "3.10", "py310", "cp310", "CP3.10", "python3.10"])
def test_a_python_is_told_in_whatever_way_people_write_it(tmp_path: Path, python: str) -> None:
    told = {"driver": "550", "gpu": None, "python": python, "libc": None}
    assert machine_of(None, told).python == "3.10"


def test_a_machine_may_be_told_by_options_alone(tmp_path: Path) -> None:
    assert suggested("--driver", "515.65", "--gpu", "a100", cwd=tmp_path)[0] == ("cu118", None)
    assert suggested("--driver", "515.65", "--gpu", "a100", "--python", "py310", "--glibc", "rhel9", cwd=tmp_path)[
        0
    ] == ("cu118", "linux-x86_64-cu118-py310-glibc2.34-driver515.65-sm80")
    assert suggested("--driver", "driver515.65", "--glibc", "2.17", "--python", "py310", cwd=tmp_path)[0][1] == (
        "linux-x86_64-cu118-py310-glibc2.17-driver515.65"
    )
    out = ran_well(wheelhouse("targets", "suggest", "--driver", "515.65", cwd=tmp_path))
    assert out.endswith("\nname its Python for a whole label, such as `--python py310`\n")


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("NVIDIA A100-SXM4-80GB", "8.0"),
        ("Tesla V100-SXM2-16GB", "7.0"),
        ("NVIDIA GH200 480GB", "9.0"),
        ("NVIDIA GeForce RTX 4060 Ti", "8.9"),
        ("8.6", "8.6"),
    ],
)
def test_a_gpu_may_be_told_as_nvidia_smi_names_it(name: str, capability: str) -> None:
    told = {"driver": "550", "gpu": name, "python": None, "libc": None}
    (gpu,) = machine_of(None, told).gpus
    assert gpu.capability == tuple(map(int, capability.split(".")))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "error: no machine is named\n"),
        (("--gpu", "a1000000"), "error: `a1000000` is not known as a GPU\n"),
        (("--driver", "new"), "error: `new` is not known as a driver\n"),
        (("--driver", "5.1"), "error: `driver5.1` is not a driver's version\n"),
        (("--python", "jython"), "error: `jython` is not known as a Python\n"),
        (("--glibc", "templeos"), "error: `templeos` is not known as a C library\n"),
        (("linux-x86_64",), "error: target `linux-x86_64` names no Python\n"),
        (("windows-x86_64-py310", "--glibc", "2.28"), "error: target `windows-x86_64-py310-glibc2.28` cannot be: "),
        (("auto:gone.json",), "error: `gone.json` is not there\n"),
    ],
)
def test_wrong_usage_of_suggest(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    ran = wheelhouse("targets", "suggest", *arguments, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(told)
    assert "\nhint: " in ran.err


def test_targets_is_still_a_command_of_its_own(tmp_path: Path) -> None:
    first = ran_well(wheelhouse("targets", "linux-x86_64-py310", "--json", cwd=tmp_path))
    assert ran_well(wheelhouse("targets", "--json", "linux-x86_64-py310", cwd=tmp_path)) == first
    assert [each["label"] for each in json.loads(first)["targets"]] == ["linux-x86_64-py310"]
    assert ran_well(wheelhouse("targets", cwd=tmp_path)).startswith("OS-ARCH-")
    before = ran_well(wheelhouse("targets", "--json", "suggest", LABEL, cwd=tmp_path))
    assert ran_well(wheelhouse("targets", "suggest", LABEL, "--json", cwd=tmp_path)) == before
    out = ran_well(wheelhouse("targets", "--help", cwd=tmp_path))
    assert out.startswith("Usage: wheelhouse targets [OPTIONS] [LABEL]...\n")
    assert "  suggest  Show which channels" in out
    out = ran_well(wheelhouse("targets", "suggest", "--help", cwd=tmp_path))
    assert out.startswith("Usage: wheelhouse targets suggest [OPTIONS] [LABEL]\n")


def test_what_knows_servers_starts_without_the_network_and_the_solver(here: Path) -> None:
    watched = (
        "import sys\nfrom wheelhouse.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(sorted({'httpx', 'resolvelib', 'nab_resolver', 'urllib3'} & set(sys.modules)), file=sys.stderr)\n"
    )
    for arguments in (["targets", "auto:probe.json"], ["targets", "suggest", "auto:probe.json"]):
        ran = subprocess.run(
            [sys.executable, "-c", watched, *arguments], cwd=here, capture_output=True, text=True, env=dict(os.environ)
        )
        assert (ran.returncode, ran.stderr) == (0, "[]\n")
