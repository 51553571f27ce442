"""Runs the tools in turn and measures them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.replaying import Replay
from benchmarks.sets import Machine, Set
from benchmarks.tools import Job, Tool, environment

CASES = ("cold", "warm", "relock", "six-cold", "six-warm")
SLOW = 30.0  # seconds; what takes longer is run once
LIMIT = 240  # seconds for one command
_LINES = 3


class Failed(Exception):
    """A command that ended with an error or not at all; in its own words."""


@dataclass(frozen=True)
class Run:
    """What a job took: seconds of wall time, and of CPU in the commands' own processes."""

    wall: float
    cpu: float


@dataclass
class Measurement:
    """The runs of one tool for one case and set; `failed` says why there are none."""

    case: str
    set: str
    tool: str
    runs: list[Run] = field(default_factory=list)
    failed: str | None = None


def timed(commands: Iterable[list[str]], folder: Path, *, code: int = 0) -> Run:
    """The commands one after the other, each in a fresh process, in `folder`.

    Raises `Failed` where one ends with another exit code than this.
    """
    wall = cpu = 0.0
    for command in commands:
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            around = environment(command, folder)
            begun = time.perf_counter()
            process = subprocess.Popen(command, cwd=folder, env=around, stdout=said, stderr=said, process_group=0)
            status, used = _wait(process.pid, begun + LIMIT)
            wall += time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != code:
                said.seek(0)
                lines = _telling(said.read().strip().splitlines())
                late = [f"stopped after {LIMIT} s"] if process.returncode == -signal.SIGKILL else []
                raise Failed(" / ".join([*late, *lines]))
        cpu += used.ru_utime + used.ru_stime
    return Run(wall, cpu)


def _telling(lines: list[str]) -> list[str]:
    """What a tool said from its first error on, else its last words; a few lines."""
    errors = [number for number, line in enumerate(lines) if line.lower().startswith(("error", "  cause:"))]
    return lines[errors[0] : errors[0] + _LINES] if errors else lines[-_LINES:]


def _wait(pid: int, until: float) -> tuple[int, object]:
    """Status and use of a process; it is killed when its time is up."""
    previous = signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, max(0.01, until - time.perf_counter()))
    try:
        _, status, used = os.wait4(pid, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    return status, used


class Bench:
    """The cases of one set after the other. Everything lies under `folder`."""

    def __init__(self, folder: Path, programs: Path, tools: Iterable[Tool], runs: int) -> None:
        self.folder, self.programs, self.tools, self.runs = folder, programs, tuple(tools), runs
        self.pins: dict[str, dict[str, dict[str, str]]] = {}  # by set, tool and project

    def measure(self, each: Set, cases: Iterable[str], slow: Replay, quick: Replay) -> Iterator[Measurement]:
        """`slow` delays its answers, `quick` does not. A first round, against `quick`, fills the caches only."""
        alone = self._fill(each, (each.machine,), self.tools, quick)
        self._remember_pins(each, *alone)
        six = (
            self._fill(each, each.six, [tool for tool in self.tools if tool.six], quick)
            if "six-warm" in cases
            else alone
        )
        for case in cases:
            tools = [tool for tool in self.tools if _takes_part(tool, case)]
            machines, (kept, failed) = (each.six, six) if case.startswith("six") else ((each.machine,), alone)
            index = slow if case.endswith("cold") else quick
            yield from self._rounds(each, case, machines, tools, index, kept, failed)

    def _rounds(
        self,
        each: Set,
        case: str,
        machines: tuple[Machine, ...],
        tools: list[Tool],
        index: Replay,
        caches: dict[str, Path],
        failed: dict[str, str],
    ) -> Iterator[Measurement]:
        """In turn, so that a busy moment of the machine meets all alike."""
        found = {tool.name: Measurement(case, each.name, tool.name, [], failed.get(tool.name)) for tool in tools}
        for number in range(self.runs):
            for tool in tools:
                mine = found[tool.name]
                if mine.failed or (number and mine.runs[0].wall > SLOW):
                    continue
                with self._fresh() as folder:
                    cache = folder / "cache" if case.endswith("cold") else caches[tool.name] / "cache"
                    output = caches[tool.name] / "output" if case == "relock" else folder / "output"
                    output.mkdir(exist_ok=True)
                    job = Job(set=each, machines=machines, index=index.index, cache=cache, folder=output)
                    try:
                        mine.runs.append(timed(tool.commands(job, self.programs), folder, code=int(each.impossible)))
                    except Failed as error:
                        mine.failed = str(error)
        yield from found.values()

    def _fill(
        self, each: Set, machines: tuple[Machine, ...], tools: Iterable[Tool], index: Replay
    ) -> tuple[dict[str, Path], dict[str, str]]:
        """Folders with a full cache and an output, by tool; and why some failed."""
        kept, failed = {}, {}
        for tool in tools:
            folder = self.folder / f"{each.name}-{len(machines)}-{tool.name}"
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "output").mkdir(parents=True)
            job = Job(set=each, machines=machines, index=index.index, cache=folder / "cache", folder=folder / "output")
            try:
                timed(tool.commands(job, self.programs), folder, code=int(each.impossible))
            except Failed as error:
                failed[tool.name] = str(error)
            kept[tool.name] = folder
        return kept, failed

    def _remember_pins(self, each: Set, kept: dict[str, Path], failed: dict[str, str]) -> None:
        for tool in self.tools:
            if tool.name not in failed and not each.impossible:
                job = Job(
                    set=each, machines=(each.machine,), index="", cache=self.folder, folder=kept[tool.name] / "output"
                )
                self.pins.setdefault(each.name, {})[tool.name] = tool.pins(job)

    @contextmanager
    def _fresh(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            yield Path(folder)


def start_up(folder: Path, programs: Path, runs: int) -> Iterator[Measurement]:
    """How long the programs take to start, in turn."""
    ours = [sys.executable, "-m", "wheelhouse"]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "wheelhouse --version": [*ours, "--version"],
        "wheelhouse --help": [*ours, "--help"],
        "uv --version": [str(programs / "uv"), "--version"],
        "nab --version": [str(programs / "nab"), "--version"],
        "pip --version": [str(programs / "pip"), "--version"],
    }
    found = {name: Measurement("start", name, name.partition(" ")[0]) for name in commands}
    for number in range(-1, runs):
        for name, command in commands.items():
            if not found[name].failed:
                try:
                    run = timed([command], folder)
                except (Failed, OSError) as error:
                    found[name].failed = str(error)
                else:
                    found[name].runs += [run] if number >= 0 else []
    yield from found.values()


def record(
    each: Set, tools: Iterable[Tool], programs: Path, index: str, folder: Path, say: Callable[[str], None]
) -> None:
    """Let every tool lock the set twice through the recorder at `index`: the second time it guesses at full speed."""
    for tool in tools:
        for machines in [(each.machine,), *([each.six] if tool.six else [])]:
            for number in range(2):
                with tempfile.TemporaryDirectory(dir=folder) as fresh:
                    job = Job(set=each, machines=machines, index=index, cache=Path(fresh, "cache"), folder=Path(fresh))
                    try:
                        took = timed(tool.commands(job, programs), Path(fresh), code=int(each.impossible))
                    except Failed as error:
                        say(f"{each.name}: {tool.name} failed: {error}")
                        break
                if number == 0:
                    say(f"{each.name}: {tool.name}, {len(machines)} targets: {took.wall:.1f} s")
                    if took.wall > SLOW and not tool.six:
                        break


def _takes_part(tool: Tool, case: str) -> bool:
    return tool.relock if case == "relock" else tool.six or not case.startswith("six")
