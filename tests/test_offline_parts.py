"""The judging parts of install.py, as plain functions of values."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from world.bundles import OFFLINE

from wheelhouse.offline import install

TARGET = {
    "label": "linux-x86_64-py310",
    "os": "linux",
    "arch": "x86_64",
    "libc": {"name": "glibc", "version": [2, 28]},
    "macos": None,
    "python": "3.10",
    "python-patches": [[0, None]],
    "requires-python": "==3.10.*",
    "free-threaded": False,
}
FACTS = {
    "version": [3, 10, 12],
    "implementation": "cpython",
    "free_threaded": False,
    "os": "linux",
    "machine": "x86_64",
    "bits": 64,
    "glibc": [2, 28],
    "musl": None,
    "macos": None,
    "missing": [],
    "executable": "/opt/python",
    "base": "/opt/python",
    "site": [],
}
MUSL = {"libc": {"name": "musl", "version": [1, 2]}}
MAC = {"os": "macos", "arch": "aarch64", "libc": None, "macos": [14, 0]}


@pytest.mark.parametrize(
    ("facts", "target", "expected"),
    [
        ({}, {}, []),
        ({"glibc": [2, 39]}, {}, []),
        ({"machine": "amd64"}, {}, []),
        ({"machine": "arm64"}, {"arch": "aarch64"}, []),
        ({"glibc": None, "musl": [1, 2]}, MUSL, []),
        ({"os": "macos", "machine": "arm64", "glibc": None, "macos": [14, 2]}, MAC, []),
        ({"os": "macos", "machine": "arm64", "glibc": None, "macos": [10, 16]}, MAC, []),
        ({"os": "windows", "machine": "amd64", "glibc": None}, {"os": "windows", "libc": None}, []),
        ({"free_threaded": True}, {"free-threaded": True}, []),
        (
            {"version": [3, 9, 18]},
            {},
            [("python-version", "`/opt/python` is Python 3.9.18, but the wheels are for Python 3.10")],
        ),
        (
            {"version": [3, 10, 5]},
            {"python-patches": [[0, 4], [6, None]], "requires-python": "!=3.10.5,==3.10.*"},
            [("requires-python", "`/opt/python` is Python 3.10.5, but the wheels need !=3.10.5,==3.10.*")],
        ),
        (
            {"implementation": "pypy"},
            {},
            [("implementation", "`/opt/python` is pypy, but the wheels are for CPython")],
        ),
        (
            {"free_threaded": True},
            {},
            [("abi", "`/opt/python` is a free-threaded build, but the wheels are for the ordinary one")],
        ),
        (
            {},
            {"free-threaded": True},
            [("abi", "`/opt/python` is an ordinary build, but the wheels are for the free-threaded one")],
        ),
        (
            {"machine": "aarch64"},
            {},
            [("machine", "`/opt/python` runs on linux aarch64 (64 bit), but the wheels are for linux x86_64")],
        ),
        (
            {"bits": 32},
            {},
            [("machine", "`/opt/python` runs on linux x86_64 (32 bit), but the wheels are for linux x86_64")],
        ),
        ({"glibc": [2, 17]}, {}, [("glibc", "this system has glibc 2.17, but the wheels need glibc 2.28 or newer")]),
        (
            {"glibc": None, "musl": [1, 2]},
            {},
            [("glibc", "this system has musl 1.2, but the wheels are for glibc 2.28")],
        ),
        ({}, MUSL, [("glibc", "this system has glibc 2.28, but the wheels are for musl 1.2")]),
        (
            {"glibc": None, "musl": [1, 1]},
            MUSL,
            [("glibc", "this system has musl 1.1, but the wheels need musl 1.2 or newer")],
        ),
        (
            {"os": "macos", "machine": "arm64", "macos": [13, 6]},
            MAC,
            [("macos-version", "this is macOS 13.6, but the wheels need 14.0 or newer")],
        ),
        (
            {"missing": ["venv", "zlib"]},
            {},
            [("python-modules", "`/opt/python` lacks the standard library's `venv`, `zlib`")],
        ),
        (
            {"version": [3, 6, 8], "machine": "aarch64", "glibc": [2, 17]},
            {},
            [
                ("machine", "`/opt/python` runs on linux aarch64 (64 bit), but the wheels are for linux x86_64"),
                ("python-version", "`/opt/python` is Python 3.6.8, but the wheels are for Python 3.10"),
                ("glibc", "this system has glibc 2.17, but the wheels need glibc 2.28 or newer"),
            ],
        ),
    ],
)
def test_an_interpreter_is_judged_against_the_target(
    facts: dict[str, object], target: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    findings = install.judge_python(FACTS | facts, TARGET | target)
    assert [(finding.rule, finding.what) for finding in findings] == expected


@pytest.mark.parametrize(
    ("named", "here", "expected"),
    [
        (None, None, []),
        (None, "515.65.01", []),
        ("535.104", "535.104.05", []),
        ("535.104", "550.54.14", []),
        (
            "535.104",
            None,
            [("warning", "this machine's NVIDIA driver cannot be seen, but the wheels were chosen for 535.104")],
        ),
        (
            "535.104",
            "515.65.01",
            [("error", "the NVIDIA driver is 515.65.01, but the wheels were chosen for 535.104 or newer")],
        ),
        (
            "515.65",
            "515.48.07",
            [("error", "the NVIDIA driver is 515.48.07, but the wheels were chosen for 515.65 or newer")],
        ),
    ],
)
def test_where_the_floor_is_not_known_the_driver_of_the_target_is(
    named: str | None, here: str | None, expected: list[tuple[str, str]]
) -> None:
    found = install.judge_driver(TARGET | {"driver": named}, here)
    assert [(finding.severity, finding.what) for finding in found] == expected


def test_space_is_told_in_words() -> None:
    assert install.judge_space("/data/venv", 4_739_000_000, 4_739_000_000) == []
    (finding,) = install.judge_space("/data/venv", 4_739_000_000, 3_100_000)
    assert finding.rule == "space"
    assert finding.what == "installing needs 4.7 GB in `/data/venv`, but 3.1 MB are free"


def test_the_folder_for_temporary_files_needs_64_mib() -> None:
    assert install.judge_tmp("/tmp", 64 * 1024 * 1024) == []
    (finding,) = install.judge_tmp("/tmp", 20_000_000)
    assert (finding.rule, finding.what) == ("tmp-space", "`/tmp` has 20.0 MB free, but 67.1 MB are needed")


def test_windows_paths_end_at_259_characters_unless_long_ones_are_allowed() -> None:
    assert install.judge_long_path("C:\\venv", 200, False) == []
    assert install.judge_long_path("C:\\Users\\someone\\project\\venv", 230, True) == []
    (finding,) = install.judge_long_path("C:\\Users\\someone\\project\\venv", 230, False)
    assert finding.what == (
        "a file would get a path of 278 characters under `C:\\Users\\someone\\project\\venv`, but Windows allows 259"
    )


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["torch/__init__.py", "torch/nn/__init__.py", "torchgen/__init__.py", "functorch/__init__.py"],
         ["functorch", "torch", "torchgen"]),
        (["six.py", "six-1.16.0.dist-info/METADATA"], ["six"]),
        (["regex/__init__.py", "regex/_regex.cpython-310-x86_64-linux-gnu.so"], ["regex"]),
        (["ujson.cpython-310-x86_64-linux-gnu.so"], ["ujson"]),
        (["nvidia/cublas/__init__.py", "nvidia/cublas/lib/__init__.py", "nvidia/cublas/lib/libcublas.so.12"],
         ["nvidia.cublas"]),
        (["google/protobuf/__init__.py", "google/protobuf/internal/__init__.py"], ["google.protobuf"]),
        (["yaml/__init__.py", "_yaml/__init__.py", "tests/__init__.py", "conftest.py"], ["yaml"]),
        (["_cffi_backend.cpython-310-x86_64-linux-gnu.so"], ["_cffi_backend"]),
        (["../../../bin/ninja", "ninja-1.11.dist-info/RECORD"], []),
        (["foo-stubs/__init__.pyi", "__editable___foo_finder.py", "../../../etc/x.py"], []),
        ([], []),
    ],
)  # fmt: skip
def test_what_is_imported_of_a_project_comes_from_its_record(paths: list[str], names: list[str]) -> None:
    assert install.module_names(paths) == names


def test_what_can_be_accepted_and_what_never() -> None:
    assert not set(install.ACCEPTABLE) & set(install.UNACCEPTABLE)
    assert {"digest", "missing-file", "foreign-file"} <= set(install.UNACCEPTABLE)


def test_an_old_python_can_at_least_parse_the_file() -> None:
    source = (OFFLINE / "install.py").read_text(encoding="ascii")
    ast.parse(source, feature_version=(3, 4))
    for python in sorted(Path(install.os.environ.get("PYENV_ROOT", "/nonexistent")).glob("versions/2.7*/bin/python")):
        done = subprocess.run([python, OFFLINE / "install.py"], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "error[python-version]: install.py runs on Python 3.6 or newer, but this is Python 2.7; "
            "nothing was changed\n"
            "  hint: type `sh install.sh`, which looks for one, or `python3 install.py`\n"
        )


def test_only_the_standard_library_is_imported() -> None:
    tree = ast.parse((OFFLINE / "install.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
