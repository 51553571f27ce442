"""Bundles on disk as `layout` makes them, and interpreters that say what a test wants."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, parse_wheel_filename

from wheelhouse.digests import Digest
from wheelhouse.lock import Lock, LockedPackage, LockedWheel
from wheelhouse.outputs.bundle import Entry, layout
from wheelhouse.target import Target
from world.wheels import WheelFile, build_wheel, pip_wheel

OFFLINE = Path(__file__).parents[2] / "wheelhouse" / "offline"


@dataclass(frozen=True)
class Interpreter:
    """A real Python and a pip wheel that runs on it."""

    path: str
    version: tuple[int, int]
    pip: WheelFile

    def __str__(self) -> str:
        return f"python{self.version[0]}.{self.version[1]}"


def here(python: tuple[int, int] = sys.version_info[:2]) -> str:
    """A label that fits this machine, whatever it is, with this Python."""
    arch = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin":
        return f"macos11-{arch}-py{python[0]}{python[1]}"
    return f"linux-{arch}-py{python[0]}{python[1]}-glibc2.17"


@cache
def interpreters() -> tuple[Interpreter, ...]:
    """The Python that runs the tests, and every other one that pyenv has and that brings a pip of its own."""
    found = {sys.version_info[:2]: Interpreter(sys.executable, sys.version_info[:2], pip_wheel())}
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for python in sorted(root.glob("versions/3.*/bin/python3")):
        version = tuple(int(part) for part in python.parents[1].name.split(".")[:2])
        bundled = python.parents[1].glob(f"lib/python3.{version[1]}/ensurepip/_bundled/pip-*.whl")
        wheels = sorted(bundled, key=lambda wheel: parse_wheel_filename(wheel.name)[1])
        if version >= (3, 6) and version not in found and wheels:
            wheel = WheelFile(wheels[-1].name, wheels[-1].read_bytes(), b"", None)
            found[version] = Interpreter(str(python), version, wheel)
    return tuple(found[version] for version in sorted(found))


def lock_of(
    label: str,
    wheels: Iterable[WheelFile],
    *,
    roots: Sequence[str] | None = None,
    pip: WheelFile | None = None,
    requires_python: str | None = None,
) -> Lock:
    """A lock of exactly these wheels; without `roots` every one was asked for."""
    packages = sorted(map(_package, wheels), key=lambda package: package.name)
    target = Target.parse(label)
    names = [package.name for package in packages] if roots is None else [NormalizedName(name) for name in roots]
    return Lock(
        label=target.label,
        requires_python=target.requires_python if requires_python is None else SpecifierSet(requires_python),
        environment=target.marker,
        packages=tuple(packages),
        installer=_package(pip or pip_wheel()),
        roots=tuple(names),
    )


def entries_of(
    lock: Lock,
    *,
    wheel_folder: str = "wheels/",
    unpacked: Mapping[str, int] | None = None,
    needs: Mapping[str, object] | None = None,
    probe: str | None = None,
) -> tuple[Entry, ...]:
    """The layout of a lock, with the real install.sh and install.py.

    `needs` is what the server must have; `probe` the text of probe.py, without which no machine is looked at.
    """
    scripts = {name: (OFFLINE / name).read_bytes() for name in ("install.sh", "install.py")}
    if probe is not None:
        scripts["probe.py"] = probe.encode()
    return layout(
        lock,
        Target.parse(lock.label),
        lock_toml='lock-version = "1.0"\n',
        unpacked=unpacked or {},
        needs=needs or {},
        scripts=scripts,
        tool="wheelhouse 0.1.0",
        wheel_folder=wheel_folder,
    )


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, and how to run its install.sh."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def install(
        self,
        *arguments: str,
        cwd: Path,
        command: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run it with this Python (`command` replaces the whole front of the line); never raises for its exit code."""
        front = list(command) or [sys.executable, "-I", str(self.folder / "install.py")]
        return subprocess.run(
            [*front, *arguments],
            cwd=cwd,
            env=environ(environment or {}),
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Change a text file, and its digest in SHA256SUMS with it, as one who builds a wrong bundle would."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        self.sum(name)

    def sum(self, name: str) -> None:
        """Write a file's present digest into SHA256SUMS."""
        digest = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
        sums = self.folder / "SHA256SUMS"
        pattern = rf"^[0-9a-f]{{64}}(?=  {re.escape(name)}$)"
        sums.write_text(re.sub(pattern, digest, sums.read_text(), flags=re.MULTILINE))


def write_bundle(
    folder: Path,
    wheels: Iterable[WheelFile],
    *,
    label: str | None = None,
    roots: Sequence[str] | None = None,
    pip: WheelFile | None = None,
    requires_python: str | None = None,
    wheel_folder: str = "wheels/",
    needs: Mapping[str, object] | None = None,
    probe: str | None = None,
) -> Bundle:
    """A whole bundle of these wheels in `folder`, for this machine and this Python unless `label` says else.

    `needs` and `probe` as in `entries_of`.
    """
    wheels = tuple(wheels)
    lock = lock_of(label or here(), wheels, roots=roots, pip=pip, requires_python=requires_python)
    contents = {wheel.filename: wheel.content for wheel in (*wheels, pip or pip_wheel())}
    for entry in entries_of(lock, wheel_folder=wheel_folder, needs=needs, probe=probe):
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[entry.wheel.filename] if entry.wheel is not None else entry.content or b"")
        if entry.executable:
            path.chmod(0o755)
    return Bundle(folder)


def environ(changes: Mapping[str, str | None]) -> dict[str, str]:
    """This process's environment, with changes; None takes a variable away."""
    merged: dict[str, str | None] = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def fake_python(path: Path, **changes: object) -> str:
    """An executable that answers install.py's question as a fitting Python would, but for `changes`; its path."""
    version = [*sys.version_info[:3]]
    facts: dict[str, object] = {
        "version": version,
        "implementation": "cpython",
        "free_threaded": False,
        "os": "linux",
        "machine": "x86_64",
        "bits": 64,
        "glibc": [2, 36],
        "musl": None,
        "macos": None,
        "missing": [],
        "executable": os.fsencode(path).hex(),
        "base": os.fsencode(path).hex(),
        "site": [],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\ncat <<'END'\nWHEELHOUSE" + json.dumps(facts | changes) + "\nEND\n")
    path.chmod(0o755)
    return str(path)


def seen(**changes: object) -> dict[str, Any]:
    """What probe.py says of a Debian server with nothing of NVIDIA's, but for `changes`."""
    told: dict[str, Any] = {
        "probe": 1,
        "label": "linux-x86_64-cpu-py310-glibc2.36",
        "line": "linux-x86_64-cpu-py310-glibc2.36-ck00000",
        "system": {"os": "linux", "distribution": "Debian GNU/Linux 12 (bookworm)", "machine": "x86_64"},
        "libc": {"name": "glibc", "version": "2.36"},
        "pythons": [],
        "nvidia": {"driver": None, "cuda": None, "gpus": [], "devices": [], "libcuda": None, "problems": []},
        "environment": {},
        "libraries": {},
        "programs": {},
        "cuda": [],
        "cudnn": [],
        "shadows": [],
        "space": [],
        "selinux": None,
        "problems": [],
    }
    return told | changes


def nvidia(driver: str, cuda: str, *gpus: tuple[str, str]) -> dict[str, Any]:
    """What probe.py says of a server with this driver, the newest CUDA that it runs, and GPUs (name, capability)."""
    return {
        "driver": driver,
        "cuda": cuda,
        "gpus": [{"name": name, "compute_capability": capability, "memory": None} for name, capability in gpus],
        "devices": [f"/dev/nvidia{number}" for number in range(len(gpus))],
        "libcuda": "/usr/lib64/libcuda.so.1",
        "problems": [],
    }


def fake_probe(**changes: object) -> str:
    """The text of a probe.py that says this whatever the machine."""
    return f"import sys\nsys.stdout.write({json.dumps(seen(**changes))!r})\n"


@cache
def tiny_pip() -> WheelFile:
    """A pip that unpacks what requirements.txt names, where a test is not about pip: the real one takes a second."""
    main = """
import os, re, sys, sysconfig, zipfile
arguments = sys.argv[1:]
if "install" in arguments:
    folder = arguments[arguments.index("--find-links") + 1]
    with open(arguments[arguments.index("-r") + 1]) as file:
        wanted = re.findall(r"^(\\S+)==(\\S+)", file.read(), re.MULTILINE)
    for name, version in wanted:
        (found,) = [wheel for wheel in os.listdir(folder) if wheel.startswith(name + "-" + version + "-")]
        zipfile.ZipFile(os.path.join(folder, found)).extractall(sysconfig.get_path("purelib"))
"""
    return build_wheel("pip", "98.0", modules={"pip/__init__.py": "", "pip/__main__.py": main})


def _package(wheel: WheelFile) -> LockedPackage:
    name, version, _, _ = parse_wheel_filename(wheel.filename)
    url = f"https://index.test/files/{wheel.filename}"
    locked = LockedWheel(filename=wheel.filename, url=url, digest=Digest.of(wheel.content), size=len(wheel.content))
    return LockedPackage(name=name, version=version, wheel=locked)
