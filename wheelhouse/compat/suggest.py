"""Which of PyTorch's channels can work on a machine, best first, and why the others cannot."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from typing import Any

from msgspec import Struct
from packaging.version import Version

from wheelhouse.compat import builds
from wheelhouse.compat.builds import Code, Release, TorchBuild
from wheelhouse.compat.cuda import Capability, Cuda, Driver, How, Running, architecture, floor, runs, spoken
from wheelhouse.compat.machine import Machine
from wheelhouse.compat.server import Gpu

# A channel whose newest torch is older comes last: torch 2.1 is the first that runs on Python 3.12's generation of
# packages, and the first with a CUDA 12 build. The old channels still count for machines that can take nothing else.
RECENT = Version("2.1")


class Option(Struct, frozen=True, kw_only=True):
    """One channel on one machine. `versions`: the torch versions of it that can work there, oldest first."""

    channel: str
    versions: tuple[Version, ...] = ()
    running: Running | None = None  # None for `cpu`, and where nobody named a driver
    plain: bool = False  # a plain `torch` does: the newest that the machine's Python can take is one of `versions`
    reason: str = ""  # why it cannot work, or why the newest one cannot: one short phrase
    label: str | None = None  # of a target that takes it

    @property
    def works(self) -> bool:
        return bool(self.versions)

    @property
    def native(self) -> bool:
        """Whether the driver is as new as the build."""
        return self.running is not None and self.running.how is How.NATIVE

    @property
    def span(self) -> str:
        """`2.0.0 to 2.7.1`"""
        if not self.versions:
            return ""
        oldest, newest = self.versions[0], self.versions[-1]
        return str(newest) if oldest == newest else f"{oldest} to {newest}"


class Suggestions(Struct, frozen=True, kw_only=True):
    """What a machine can take: `options` best first, `refused` newest CUDA first, `default` what PyPI's own build does.

    `default` holds each known torch of PyPI with why it cannot work ("" where it can), oldest first; it is empty where
    PyPI has builds for the CPU only.
    """

    machine: Machine
    options: tuple[Option, ...]
    refused: tuple[Option, ...]
    default: tuple[tuple[Version, str], ...] = ()

    @property
    def best(self) -> Option | None:
        return self.options[0] if self.options else None

    @property
    def undecided(self) -> bool:
        """Whether a driver decides which is best, and nobody named one."""
        return self.machine.driver is None and self.best is not None and self.best.channel != "cpu"


@cache
def channels() -> tuple[str, ...]:
    """Every CUDA channel that our table knows, newest CUDA first."""
    found = {channel for release in builds.releases() for names in release.channels.values() for channel in names}
    return tuple(sorted(found, key=lambda channel: Cuda.of_channel(channel) or Cuda(0, 0), reverse=True))


def suggest(machine: Machine) -> Suggestions:
    """Every known channel on the machine. A driver that nobody named is not judged; one that a probe missed is.

    Best first: channels from which a plain `torch` works, then those that the driver runs natively, then newest CUDA;
    channels with nothing since torch 2.1 after the others, and `cpu` last.
    """
    asked = [_option(machine, channel) for channel in channels()]
    working = sorted((each for each in asked if each.works), key=_worse)
    cpu = _cpu(machine)
    return Suggestions(
        machine=machine,
        options=tuple(working) + ((cpu,) if cpu.works else ()),
        refused=tuple(each for each in asked if not each.works) + (() if cpu.works else (cpu,)),
        default=tuple(_default(machine)),
    )


def best_channel(
    *,
    os: str = "linux",
    driver: str | None = None,
    capabilities: Iterable[Capability] = (),
    arch: str = "x86_64",
    python: str | None = None,
    libc: tuple[str, tuple[int, int]] | None = None,
) -> str:
    """The channel to take on such a machine: `cu118`, …; `cpu` without a driver, or with one too old for any."""
    machine = Machine(
        os=os,
        arch=arch,
        libc=libc,
        python=python,
        driver=Driver.parse(driver),
        driverless=driver is None,
        gpus=tuple(Gpu(name="", capability=value) for value in capabilities),
    )
    best = suggest(machine).best
    return "cpu" if best is None else best.channel


def judged(machine: Machine, release: Release, channel: str) -> str:
    """Why a torch of a channel cannot work on the machine, in one short phrase; empty where it can.

    What our tables do not know of a GPU is no reason, but on Linux x86_64, where they know nearly every build.
    """
    return _driver(machine, channel) or _gpu(machine, release, channel) or _system(machine, release, channel)


def _worse(option: Option) -> tuple[bool, bool, bool, tuple[int, int]]:
    cuda = Cuda.of_channel(option.channel) or Cuda(0, 0)
    return (option.versions[-1] < RECENT, not option.plain, not option.native, (-cuda.major, -cuda.minor))


def _option(machine: Machine, channel: str) -> Option:
    cuda = Cuda.of_channel(channel)
    assert cuda is not None
    offered = [each for each in builds.releases() if channel in each.channels.get(machine.platform, ())]
    label = machine.with_accelerator(channel)
    if not offered:
        return Option(channel=channel, reason=f"has no wheels for {machine.platform}", label=label)
    running = None if machine.driver is None else runs(cuda, machine.driver, machine.os)
    judgements = [(release, judged(machine, release, channel)) for release in offered]
    fitting = [(release, why) for release, why in judgements if not _system(machine, release, channel)]
    newest = (fitting or judgements)[-1][1]
    return Option(
        channel=channel,
        versions=tuple(release.version for release, why in judgements if not why),
        running=running,
        plain=not newest,
        reason=newest,
        label=label,
    )


def _cpu(machine: Machine) -> Option:
    """PyTorch's builds for the CPU: every release has them, for the same Pythons and C libraries."""
    reasons = [(release.version, _system(machine, release, "cpu")) for release in builds.releases()]
    versions = tuple(version for version, why in reasons if not why)
    reason = "" if versions else reasons[-1][1]
    label = machine.with_accelerator("cpu")
    return Option(channel="cpu", versions=versions, plain=bool(versions), reason=reason, label=label)


def _default(machine: Machine) -> Iterator[tuple[Version, str]]:
    if machine.platform != "linux-x86_64" or machine.driver is None:
        return
    for release in builds.releases():
        if release.default is not None:
            why = judged(machine, release, release.default)
            yield release.version, f"{release.default} {_as_verb(why)}" if why else ""


def _as_verb(why: str) -> str:
    """`no code for …` as `has no code for …`, to stand behind a name."""
    return f"has {why}" if why.startswith("no ") else why


def _driver(machine: Machine, channel: str) -> str:
    cuda = Cuda.of_channel(channel)
    if cuda is None:
        return ""
    if machine.driver is None:
        return "no NVIDIA driver was seen" if machine.driverless else ""
    running = runs(cuda, machine.driver, machine.os)
    return running.reason if running.how is How.NO else ""


def _gpu(machine: Machine, release: Release, channel: str) -> str:
    """One GPU with code is enough: a second, older one may be there for the screen alone."""
    cuda = Cuda.of_channel(channel)
    known = sorted({gpu.capability for gpu in machine.gpus if gpu.capability is not None}, reverse=True)
    if cuda is None or not known:
        return ""
    build = builds.build(release.version, channel, os=machine.os, arch=machine.arch)
    names = " or ".join(spoken(value) for value in known)
    reason = f"no code for compute capability {names}"
    for value in known:
        code, generation = builds.code_for(build, cuda, value), architecture(value)
        if code in (Code.NO, Code.DOUBTFUL) or (generation is not None and generation.first_cuda > cuda):
            continue
        if code is not Code.UNKNOWN or machine.platform != "linux-x86_64":
            return ""
        reason = f"is not known for compute capability {names}"
    return reason


def _system(machine: Machine, release: Release, channel: str) -> str:
    """C library and Python."""
    if machine.libc is not None and machine.libc[0] == "musl":
        return "no wheels for musl"
    build = builds.build(release.version, channel, os=machine.os, arch=machine.arch)
    needed = release.glibc if build is None else build.glibc
    if machine.os == "linux" and machine.libc is not None and machine.libc[1] < needed:
        return f"needs glibc {needed[0]}.{needed[1]}"
    if machine.python is not None and machine.python not in release.pythons:
        return f"no wheels for Python {machine.python}"
    return ""


def ways_out(machine: Machine, torch: TorchBuild) -> list[str]:
    """What to type in place of a torch that cannot work on the machine, one way a line, best first."""
    version = Version(torch.version.public)
    cuda = [option for option in suggest(machine).options if option.channel != "cpu"]
    if machine.driver is None and torch.cuda is not None:  # nothing is known of a driver for a newer major
        major = torch.cuda.major
        cuda.sort(key=lambda option: (Cuda.of_channel(option.channel) or Cuda(0, 0)).major > major)
    own = next((option for option in cuda if option.channel == torch.channel), None)
    others = [option for option in cuda if option is not own and option.label is not None]
    same = next((option for option in others if version in option.versions), None)
    ways = []
    if same is not None:
        ways.append(f"`--target {same.label}`, which has torch {version} too")
    if own is not None:
        ways.append(f"torch {own.span} for this target")
    if same is None and others:
        ways.append(f"`--target {others[0].label}`, with torch {others[0].span}")
    if not ways and machine.label is not None:
        ways.append(f"`--target {machine.with_accelerator('cpu')}`, without the GPU")
    return ways


def lines(suggestions: Suggestions) -> list[str]:
    """What a person reads, in 80 columns."""
    told = [*textwrap.wrap(f"For {suggestions.machine}", 80, subsequent_indent="  ", break_on_hyphens=False), ""]
    for doubt in suggestions.machine.undriven:
        told += [*textwrap.wrap(f"! {doubt}", 80, subsequent_indent="  ", break_on_hyphens=False), ""]
    if suggestions.options:
        told.append("Can work:" if suggestions.undecided else "Can work, best first:")
        width = max(len(option.span) for option in suggestions.options)
        for option in suggestions.options:
            how = _how(option, suggestions.machine.os)
            told.append(f"  {option.channel:<6} torch {option.span:<{width}}  {how}".rstrip())
            if not option.plain:
                told.append(f"  {'':6} newer: {option.reason}")
        told.append("")
    if suggestions.refused:
        told.append("Cannot work:")
        told += [f"  {option.channel:<6} {option.reason}" for option in suggestions.refused]
        told.append("")
    if suggestions.default:
        told.append("PyPI's own builds:")
        told += [f"  {said}" for said in _spans(suggestions.default)]
        told.append("")
    best = suggestions.best
    if suggestions.undecided:
        told.append("The driver decides: name it, such as `--driver 535.104`")
    elif best is not None and best.label is not None:
        told.append(f"Take `--target {best.label}`")
    return told if told[-1] else told[:-1]


def _how(option: Option, os: str) -> str:
    if option.running is None:
        unasked = Cuda.of_channel(option.channel)
        return "without a GPU" if unasked is None else f"CUDA {unasked}, with driver {floor(unasked, os)} or newer"
    cuda = option.running.cuda
    return f"CUDA {cuda}" if option.native else f"CUDA {cuda}, by minor-version compatibility"


def _spans(default: tuple[tuple[Version, str], ...]) -> Iterator[str]:
    """Neighbours with the same fate told together: `torch 2.11.0 to 2.14.1  cu130 needs driver 580 or newer`."""
    spans = []
    for why, group in groupby(default, key=lambda pair: pair[1]):
        versions = [version for version, _ in group]
        spans.append((str(versions[0]) if len(versions) == 1 else f"{versions[0]} to {versions[-1]}", why))
    width = max(len(span) for span, _ in spans)
    for span, why in spans:
        yield f"torch {span:<{width}}  {why or 'can work'}"


def facts(suggestions: Suggestions) -> dict[str, Any]:
    """What `--json` prints; keys stay."""
    machine = suggestions.machine
    return {
        "machine": {
            "os": machine.os,
            "arch": machine.arch,
            "libc": None if machine.libc is None else f"{machine.libc[0]}{machine.libc[1][0]}.{machine.libc[1][1]}",
            "python": machine.python,
            "driver": None if machine.driver is None else str(machine.driver),
            "gpus": [
                {"name": gpu.name or None, "compute-capability": spoken(gpu.capability) if gpu.capability else None}
                for gpu in machine.gpus
            ],
        },
        "options": [_facts(option) for option in suggestions.options],
        "refused": [{"channel": option.channel, "reason": option.reason} for option in suggestions.refused],
        "pypi": [{"torch": str(version), "works": not why, "reason": why} for version, why in suggestions.default],
    }


def _facts(option: Option) -> dict[str, Any]:
    return {
        "channel": option.channel,
        "target": option.label,
        "torch": [str(version) for version in option.versions],
        "native": None if option.running is None else option.native,
        "plain": option.plain,
        "reason": option.reason,
    }
