"""A Python of the target's version is found where people keep them, and asked what it is."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from wheelhouse.edge import interpreters
from wheelhouse.edge.interpreters import Interpreter, find, is_platform_of, probe, running
from wheelhouse.target import Target

OWN = f"py{sys.version_info[0]}{sys.version_info[1]}"


def fake(path: Path, version: str, /, **changes: object) -> Path:
    """An executable that answers the question as a Python of that version on Linux x86_64 would."""
    told: dict[str, object] = {
        "executable": str(path),
        "version": [int(part) for part in version.split(".")],
        "implementation": "cpython",
        "system": "linux",
        "machine": "x86_64",
        "bits": 64,
        "libc": ["glibc", [2, 31]],
        "free_threaded": False,
        "debug": False,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\ncat <<'END'\nWHEELHOUSE" + json.dumps(told | changes) + "\nEND\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Python but ours and those that the test makes."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME", "CONDA_EXE", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return home


# py37 and py36 are on no machine's system path any more
TARGET = Target.parse("linux-x86_64-py37")


def path_of(target: Target) -> Path | None:
    found = find(target)
    return None if found is None else found.path


def test_nothing_is_found_where_there_is_none(home: Path) -> None:
    assert find(TARGET) is None


def test_the_python_that_runs_us_is_found_and_asked(home: Path) -> None:
    found = find(Target.parse(f"linux-x86_64-{OWN}"))
    assert found is not None
    assert found.version == sys.version_info[:3]
    assert str(found) == "{}.{}.{}".format(*sys.version_info[:3])
    assert (found.bits, found.free_threaded, found.debug) == (64, False, False)
    assert found == running()


@pytest.mark.parametrize(
    "place",
    [
        "bin/python3.7",
        "home/.pyenv/versions/3.7.16/bin/python",
        "home/.local/share/uv/python/cpython-3.7.16-linux-x86_64-gnu/bin/python",
        "home/miniconda3/bin/python",
        "home/miniforge3/envs/old/bin/python",
    ],
)
def test_a_python_is_found_where_people_keep_it(home: Path, place: str) -> None:
    path = fake(home.parent / place, "3.7.16")
    assert path_of(TARGET) == path


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("PYENV_ROOT", "roots/pyenv", "roots/pyenv/versions/3.7.16/bin/python"),
        ("UV_PYTHON_INSTALL_DIR", "roots/uv", "roots/uv/cpython-3.7.16-linux/bin/python"),
        ("XDG_DATA_HOME", "roots/data", "roots/data/uv/python/cpython-3.7.16-linux/bin/python"),
        ("CONDA_EXE", "roots/conda/bin/conda", "roots/conda/envs/old/bin/python"),
    ],
)
def test_a_root_that_the_environment_names_is_searched(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, place: str
) -> None:
    path = fake(home.parent / place, "3.7.16")
    monkeypatch.setenv(variable, str(home.parent / value))
    assert path_of(TARGET) == path


def test_an_environment_that_conda_lists_is_searched(home: Path) -> None:
    path = fake(home.parent / "elsewhere" / "bin" / "python", "3.7.1")
    (home / ".conda").mkdir()
    (home / ".conda" / "environments.txt").write_text(f"{home / 'gone'}\n{path.parent.parent}\n")
    assert path_of(TARGET) == path


def test_the_newest_of_pyenv_is_taken_but_a_named_patch_level_wins(home: Path) -> None:
    old = fake(home / ".pyenv/versions/3.7.9/bin/python", "3.7.9")
    new = fake(home / ".pyenv/versions/3.7.16/bin/python", "3.7.16")
    assert path_of(TARGET) == new
    assert path_of(Target.parse("linux-x86_64-py3.7.9")) == old
    assert path_of(Target.parse("linux-x86_64-py3.7.3")) == new


def test_one_of_the_targets_platform_is_preferred(home: Path) -> None:
    fake(home.parent / "bin/python3.7", "3.7.16", libc=["musl", [1, 2]])
    glibc = fake(home / ".pyenv/versions/3.7.9/bin/python", "3.7.9")
    assert path_of(TARGET) == glibc


@pytest.mark.parametrize(
    "changes",
    [
        {"implementation": "pypy"},
        {"free_threaded": True},
        {"debug": True},
        {"version": [3, 8, 1]},
        {"version": "3.7"},
        {"libc": 5},
    ],
    ids=["PyPy", "free-threaded", "debug", "another version", "nonsense", "more nonsense"],
)
def test_a_python_of_another_kind_is_passed_over(home: Path, changes: dict[str, object]) -> None:
    fake(home.parent / "bin/python3.7", "3.7.16", **changes)
    assert find(TARGET) is None


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 127\n", "#!/bin/sh\necho WHEELHOUSE{\n", "not a program"])
def test_a_shim_that_leads_nowhere_is_passed_over(home: Path, text: str) -> None:
    shim = home.parent / "bin" / "python3.7"
    shim.parent.mkdir()
    shim.write_text(text)
    shim.chmod(0o755)
    real = fake(home / ".pyenv/versions/3.7.16/bin/python", "3.7.16")
    assert path_of(TARGET) == real


def test_a_python_that_does_not_answer_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "_PATIENCE", 0.2)
    slow = home.parent / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    assert probe([slow]) is None


def test_settings_of_python_do_not_reach_the_question(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "json.py").write_text("raise SystemExit('planted')\n")
    monkeypatch.setenv("PYTHONPATH", str(home))
    monkeypatch.setenv("PYTHONHOME", str(home))
    assert running().version == sys.version_info[:3]


LINUX = Interpreter(
    path=Path("/usr/bin/python3.10"),
    version=(3, 10, 13),
    os="linux",
    arch="x86_64",
    bits=64,
    libc=("glibc", (2, 36)),
    free_threaded=False,
    debug=False,
)


@pytest.mark.parametrize(
    ("label", "platform", "abi"),
    [
        ("linux-x86_64-py310", True, True),
        ("linux-x86_64-cu121-py310-rhel8.9", True, True),
        ("linux-x86_64-py311", True, False),
        ("linux-aarch64-py310", False, True),
        ("linux-x86_64-py310-musl1.2", False, True),
        ("windows-x86_64-py310", False, True),
        ("macos-x86_64-py310", False, True),
        ("linux-x86_64-py313t", True, False),
    ],
)
def test_platform_and_abi_are_two_questions(label: str, platform: bool, abi: bool) -> None:
    target = Target.parse(label)
    assert (LINUX.has_platform_of(target), LINUX.has_abi_of(target)) == (platform, abi)


def test_this_machine_is_of_one_platform() -> None:
    every = [f"{system}-{arch}-py310" for system in ("linux", "macos", "windows") for arch in ("x86_64", "aarch64")]
    labels = [*every, "linux-x86_64-py310-musl1.2", "linux-aarch64-py310-musl1.2"]
    assert len([label for label in labels if is_platform_of(Target.parse(label))]) == 1
