"""What was accepted by name: by whom it is said, how long it holds, and which labels a way out names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import FakeIndex, FakePyTorch, build_wheel, pip_wheel
from world.project import Project

LABEL = "linux-x86_64-cu121-py310-driver515.65.01-sm80"
PLAIN = "linux-x86_64-cu121-py310"
FOR = ("--target", LABEL)
TOLD = "warning, accepted[driver]: `torch 2.1.2+cu121` needs driver 525.60.13 or newer"
REMEMBERED = "`driver` stays accepted, as the lock before says; `--upgrade` asks again"


@pytest.fixture
def project(tmp_path: Path, index: FakeIndex) -> Iterator[Project]:
    """torch 2.1.2 for CUDA 11.8 and 12.1, and an index that has pip."""
    index.add(pip_wheel())
    index.add(build_wheel("numpy", "1.26.4"))
    with FakePyTorch(empty=True) as pytorch:
        for channel in ("cu118", "cu121"):
            pytorch.add(build_wheel("torch", f"2.1.2+{channel}", tag="cp310-cp310-linux_x86_64"), channel=channel)
        yield Project(tmp_path, index, pytorch)


def accepted(project: Project, label: str = LABEL) -> list[str]:
    found: list[str] = project.locked(label)["tool"]["wheelhouse"].get("accepted", [])
    return found


# wheelhouse.toml


@pytest.mark.parametrize(
    ("name", "rule", "hint"),
    [
        ("wheelhouse.toml", "drivr", "did you mean `driver`?"),
        ("wheelhouse.toml", "CUDA_Mix", "did you mean `cuda-mix`?"),
        ("pyproject.toml", "glib", "did you mean `glibc`?"),
        ("wheelhouse.toml", "zzz", "rules are `machine`, `python-version`, `driver`, `gpu`, "),
    ],
)
def test_an_unknown_rule_of_the_configuration_is_told_with_its_file_and_key(
    project: Project, name: str, rule: str, hint: str
) -> None:
    table = "[tool.wheelhouse]\n" if name == "pyproject.toml" else ""
    (project.folder / name).write_text(f'{table}accept = ["gpu", "{rule}"]\n')
    ran = project.lock("torch", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error: `{name}`: `accept` names `{rule}`, which is no rule\n\nhint: {hint}")


def test_an_unknown_rule_that_is_typed_is_no_fault_of_the_configuration(project: Project) -> None:
    (project.folder / "wheelhouse.toml").write_text('accept = ["drivr"]\n')
    ran = project.lock("torch", *FOR, "--accept", "drive")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: there is no rule `drive`\n\nhint: did you mean `driver`?\n"


# A lock is locked again


def test_what_was_accepted_for_a_lock_stays_so_when_it_is_locked_again(project: Project) -> None:
    assert project.lock("torch==2.1.2", *FOR, "--accept", "driver").code == 0
    first = project.path(LABEL).read_bytes()
    again = project.lock("torch==2.1.2", *FOR)
    assert again.code == 0
    assert again.err.startswith(TOLD)
    assert REMEMBERED in again.err.splitlines()
    assert project.path(LABEL).read_bytes() == first


def test_an_upgrade_asks_again(project: Project) -> None:
    assert project.lock("torch==2.1.2", *FOR, "--accept", "driver").code == 0
    first = project.path(LABEL).read_bytes()
    ran = project.lock("torch==2.1.2", *FOR, "--upgrade")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("hint: to go on all the same: `--accept driver`\n")
    assert project.path(LABEL).read_bytes() == first
    ran = project.lock("torch==2.1.2", *FOR, "--upgrade", "--accept", "driver")
    assert ran.code == 0
    assert REMEMBERED not in ran.err


def test_another_rule_than_the_one_that_was_accepted_stops_it(project: Project) -> None:
    assert project.lock("torch==2.1.2", *FOR, "--accept", "driver").code == 0
    project.default.add(build_wheel("nvidia-cudnn-cu13", "9.20.0.48", tag="py3-none-manylinux2014_x86_64"))
    project.default.add(build_wheel("nvidia-cudnn-cu12", "8.9.2.26", tag="py3-none-manylinux2014_x86_64"))
    ran = project.lock("torch==2.1.2", "nvidia-cudnn-cu13", "nvidia-cudnn-cu12", *FOR)
    assert ran.code == 1
    assert TOLD in ran.err
    assert ran.err.endswith("hint: to go on all the same: `--accept cuda-mix`\n")


def test_what_no_longer_is_found_is_forgotten(project: Project) -> None:
    """The driver's error goes with torch, and an error that comes back later must be accepted anew."""
    assert project.lock("torch==2.1.2", *FOR, "--accept", "driver").code == 0
    ran = project.lock("numpy", *FOR)
    assert (ran.code, accepted(project)) == (0, [])
    assert REMEMBERED not in ran.err
    assert project.lock("torch==2.1.2", *FOR).code == 1
