"""The Pythons of this machine: one that a target's wheels can be built with, and what machine this is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from wheelhouse.target import Target

_PATIENCE = 20  # seconds; a Python on a cold network disk may take several
_ARCHS = {"x86_64": "x86_64", "amd64": "x86_64", "x64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}

# Runs on Python 3.6 and newer. `platform.libc_ver` is not asked: before 3.8 it guesses from the executable's bytes.
_PROBE = """
import json, os, platform, struct, sys, sysconfig
libc = None
try:
    name, _, version = os.confstr("CS_GNU_LIBC_VERSION").partition(" ")
    libc = [name, [int(part) for part in version.split(".")[:2]]]
except (AttributeError, OSError, TypeError, ValueError):
    if sys.platform.startswith("linux") and "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "musl"):
        libc = ["musl", [1, 0]]
print("WHEELHOUSE" + json.dumps({
    "executable": sys.executable, "version": list(sys.version_info[:3]), "implementation": sys.implementation.name,
    "system": sys.platform, "machine": platform.machine(), "bits": 8 * struct.calcsize("P"), "libc": libc,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "debug": bool(sysconfig.get_config_var("Py_DEBUG")),
}))
"""


class Interpreter(Struct, frozen=True, kw_only=True):
    """A CPython of this machine. `os` and `arch` are written as in a target, the machine's own words where unknown."""

    path: Path
    version: tuple[int, int, int]
    os: str
    arch: str
    bits: int  # 32 on a 64-bit machine happens
    libc: tuple[str, tuple[int, int]] | None  # ("glibc", (2, 36)), on Linux alone; musl's version is not told
    free_threaded: bool
    debug: bool

    def __str__(self) -> str:
        return "{}.{}.{}".format(*self.version) + "t" * self.free_threaded

    def has_abi_of(self, target: Target) -> bool:
        """Whether what is compiled for this Python has the ABI tag that the target's Python takes."""
        same = (self.version[:2], self.free_threaded) == (target.python, target.free_threaded)
        return same and not self.debug

    def has_platform_of(self, target: Target) -> bool:
        """Whether this Python runs on the target's operating system, architecture and kind of C library."""
        kind = None if self.libc is None else self.libc[0]
        wanted = None if target.libc is None else target.libc.name
        return (self.os, self.arch, kind, self.bits) == (target.os, target.arch, wanted, 64)


def find(target: Target) -> Interpreter | None:
    """A CPython of the target's minor version and ABI on this machine, None where there is none.

    Looked for, in this order: the Python that runs us, PATH, pyenv, uv, conda, the system's own places, on Windows the
    `py` launcher. One of the target's patch level and platform is the best, then one of its platform, then the first.
    """
    best: tuple[int, Interpreter] | None = None
    seen: set[str] = set()
    for command in _commands(target):
        real = str(Path(command[0]).resolve()) if len(command) == 1 else " ".join(command)
        if real in seen:
            continue
        seen.add(real)
        found = probe(command)
        if found is None or not found.has_abi_of(target):
            continue
        platform = found.has_platform_of(target)
        if platform and target.patch in (None, found.version[2]):
            return found
        rank = 2 * platform + (target.patch in (None, found.version[2]))
        if best is None or rank > best[0]:
            best = rank, found
    return None if best is None else best[1]


def running() -> Interpreter:
    """The Python that runs us."""
    found = probe([sys.executable])
    if found is None:
        raise RuntimeError("the Python that runs wheelhouse does not answer")
    return found


def is_platform_of(target: Target) -> bool:
    """Whether this machine has the target's operating system, architecture and kind of C library.

    Nothing is said of versions: what is compiled here may still need a newer C library than the target has.
    """
    return running().has_platform_of(target)


def probe(command: Sequence[str | Path]) -> Interpreter | None:
    """What the Python behind a command is; None where it does not answer or is no released 64- or 32-bit CPython 3."""
    environ = {name: value for name, value in os.environ.items() if not name.upper().startswith(("PYTHON", "__PYVENV"))}
    try:
        answer = subprocess.run(
            [*map(str, command), "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            env=environ,
        ).stdout.decode("utf-8", "replace")
        told = json.loads(answer.partition("WHEELHOUSE")[2])
        if told["implementation"] != "cpython":
            return None
        major, minor, patch = told["version"]
        libc = told["libc"]
        return Interpreter(
            path=Path(told["executable"]),
            version=(int(major), int(minor), int(patch)),
            os=_SYSTEMS.get(told["system"], str(told["system"])),
            arch=_ARCHS.get(told["machine"].lower(), str(told["machine"])),
            bits=int(told["bits"]),
            libc=None if libc is None else (str(libc[0]), (int(libc[1][0]), int(libc[1][1]))),
            free_threaded=bool(told["free_threaded"]),
            debug=bool(told["debug"]),
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _commands(target: Target) -> Iterator[list[str]]:
    """What may start such a Python, likely ones first; most of them need not exist."""
    minor = "{}.{}".format(*target.python)
    if sys.version_info[:2] == target.python:
        yield [sys.executable]
    name = f"python{minor}" + "t" * target.free_threaded
    for each in (name, "python3", "python"):
        if (found := shutil.which(each)) is not None:
            yield [found]
    for path in _places(minor, name):
        if path.is_file():
            yield [str(path)]
    if sys.platform == "win32" and (launcher := shutil.which("py")) is not None:
        yield [launcher, f"-{minor}" + "t" * target.free_threaded]


def _places(minor: str, name: str) -> Iterator[Path]:
    """Where pyenv, uv, conda and systems put a Python of this minor version."""
    compact = minor.replace(".", "")
    for root in _folders("PYENV_ROOT", ".pyenv"):
        for folder in (root / "versions", root / "pyenv-win" / "versions"):
            for home in _versions(folder, f"{minor}*"):
                yield from _executables(home)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    roaming = os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming"
    own = os.environ.get("UV_PYTHON_INSTALL_DIR")
    for folder in (*([Path(own)] if own else []), Path(data) / "uv" / "python", Path(roaming) / "uv" / "python"):
        for home in _versions(folder, f"cpython-{minor}*"):
            yield from _executables(home)
    for home in _conda():
        yield from _executables(home)
    yield Path(f"/usr/local/bin/{name}")
    yield Path(f"/usr/bin/{name}")
    yield Path(f"/opt/homebrew/bin/{name}")
    yield Path(f"/Library/Frameworks/Python.framework/Versions/{minor}/bin/{name}")
    for home in _versions(Path("/opt/python"), f"cp{compact}-cp{compact}*"):  # the manylinux and musllinux images
        yield from _executables(home)


def _conda() -> Iterator[Path]:
    """Every environment that conda knows of, and the usual roots."""
    roots = [Path(told).parent.parent for told in (os.environ.get("CONDA_EXE"),) if told]
    roots += [Path.home() / name for name in ("miniforge3", "miniconda3", "mambaforge", "anaconda3", "micromamba")]
    roots += [Path("/opt/conda")]
    for root in roots:
        yield root
        yield from _versions(root / "envs", "*")
    try:
        listed = (Path.home() / ".conda" / "environments.txt").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    yield from (Path(line.strip()) for line in listed if line.strip())


def _folders(variable: str, default: str) -> Iterator[Path]:
    if told := os.environ.get(variable):
        yield Path(told)
    yield Path.home() / default


def _versions(folder: Path, pattern: str) -> list[Path]:
    """The folders that fit, the newest version first."""

    def numbers(path: Path) -> tuple[int, ...]:
        digits = "".join(each if each.isdigit() else " " for each in path.name)
        return tuple(int(number) for number in digits.split())

    try:
        return sorted(folder.glob(pattern), key=lambda path: (numbers(path), path.name), reverse=True)
    except OSError:
        return []


def _executables(home: Path) -> tuple[Path, ...]:
    return home / "bin" / "python", home / "python.exe"
