"""Machines that stand behind `auto:` in place of a label: `auto:probe.json`, or `auto:` for the one that runs us."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from wheelhouse.compat.cuda import Driver, capability
from wheelhouse.compat.machine import Machine
from wheelhouse.compat.server import BadProbe, Gpu, Server
from wheelhouse.edge import probing
from wheelhouse.errors import UsageError
from wheelhouse.target import Target, TargetError
from wheelhouse.target.label import read
from wheelhouse.target.words import driver, gpu, libc, nearest, normalise, python

T = TypeVar("T")
AUTO = "auto:"
EXAMPLE = "linux-x86_64-cpu-py310"
_SPOKEN = {"driver": "driver", "gpu": "GPU", "python": "Python", "libc": "C library"}


def is_probed(label: str) -> bool:
    """Whether a label names a probe in place of a target."""
    return label.strip().lower().startswith(AUTO)


def server_at(label: str) -> Server:
    """The server behind `auto:FILE`, and behind `auto:` this machine.

    Raises `UsageError` where the file is not there, `Unreadable`, `BadProbe`, `ProbeFailed`.
    """
    place = label.strip()[len(AUTO) :].strip()
    return probing.read(Path(place).expanduser()) if place else probing.here()


def target_of(label: str) -> Target:
    """The target that the probe behind `auto:FILE` proposes. Raises as `server_at`, and `UsageError` without one."""
    return _target(label, server_at(label))


def servers_of(labels: Sequence[str]) -> dict[str, Server]:
    """The probed servers among what was named, by the canonical label of their target.

    Raises as `target_of`, and `UsageError` for two servers that one target stands for.
    """
    found: dict[str, Server] = {}
    named: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        if not is_probed(label):
            continue
        server = server_at(label)
        target = _target(label, server).label
        if found.setdefault(target, server) != server:
            raise UsageError(
                f"`{named[target]}` and `{label}` are different machines for one target, `{target}`",
                hint="name one of them at a time",
            )
        named.setdefault(target, label)
    return found


def _target(label: str, server: Server) -> Target:
    if not server.label:
        lacking = _lacking(*_system(server), ("Python", server.pythons))
        what = f"the probe behind `{label}` proposes no target for that machine"
        hint = f"type the label of a target yourself, such as `--target {EXAMPLE}`"
        if not server.os or not server.arch:
            hint = f"{BadProbe.hint}\n{hint}"
        raise UsageError(f"{what}: it tells {lacking}" if lacking else what, hint=hint)
    try:
        return Target.parse(server.label)
    except TargetError as error:
        raise TargetError(f"the target that `{label}` proposes cannot be read: {error}", hint=error.hint) from error


def _lacking(*told: tuple[str, object]) -> str:
    """Which of these names nothing is told of, as `no architecture and no Python`."""
    *most, last = [f"no {what}" for what, value in told if not value] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _system(server: Server) -> tuple[tuple[str, object], ...]:
    return ("operating system", server.os), ("architecture", server.arch)


def _probed(label: str) -> Machine:
    """The machine behind a probe. Raises as `server_at`, and `UsageError` where it is not said what it is at all."""
    server = server_at(label)
    if not server.os or not server.arch:
        raise UsageError(
            f"the probe behind `{label}` tells {_lacking(*_system(server))}",
            hint=f"{BadProbe.hint}\n"
            "or name the machine in place of it: `wheelhouse targets suggest linux-x86_64-py310`",
        )
    return Machine.of_server(server)


def machine_of(label: str | None, told: Mapping[str, str | None]) -> Machine:
    """The machine behind a label or a probe; what is told beside it (`driver`, `gpu`, `python`, `libc`) counts first.

    Without a label it is a Linux on x86_64; it has a label of its own where a Python is told.
    Raises `UsageError` where nothing is named, `TargetError` for words that are no driver, GPU, Python or C library.
    """
    if label is None and not any(told.values()):
        raise UsageError(
            "no machine is named",
            hint="`wheelhouse targets suggest --driver 515.65 --gpu a100 --python py310`\n"
            "or a label, or `auto:probe.json` for a server that was probed, or `auto:` for this machine",
        )
    wanted_driver = _told("driver", told, lambda word: driver(f"driver{word.removeprefix('driver')}"))
    # as `nvidia-smi` names it, `NVIDIA A100-SXM4-80GB`, which no label could hold; and a bare compute capability
    wanted_gpu = _told("gpu", told, lambda word: gpu(word.replace("-", "")) or gpu(f"cc{word}"))
    wanted_python = _told("python", told, python)
    wanted_libc = _told("libc", told, lambda word: libc(f"glibc{word}" if word[:1].isdigit() else word))
    if label is None:
        machine = Machine.of_target(Target.parse(EXAMPLE))
        if wanted_python is None:  # no label then; with one, what it leaves out has a meaning
            machine = replace(machine, python=None, libc=None, label=None)
    else:
        machine = _probed(label) if is_probed(label) else Machine.of_target(Target.parse(label))
    if machine.label is not None:
        parts = read(machine.label)
        if wanted_libc is not None and parts.libc is None:
            parts = read(f"{machine.label}-{wanted_libc}")  # raises: no Linux
        parts = replace(
            parts,
            driver=wanted_driver or parts.driver,
            gpu=wanted_gpu or parts.gpu,
            python=wanted_python or parts.python,
            libc=wanted_libc or parts.libc,
        )
        machine = replace(machine, label=Target.parse(str(parts)).label)  # raises for parts that exclude each other
    if wanted_driver is not None:
        machine = replace(machine, driver=Driver.parse(wanted_driver), driverless=False)
    if wanted_gpu is not None:
        machine = replace(machine, gpus=(Gpu(name="", capability=capability(wanted_gpu)),))
    if wanted_python is not None:
        minor = "{}.{}".format(*wanted_python.version)
        machine = replace(machine, python=minor + "t" * wanted_python.free_threaded)
    if wanted_libc is not None:
        machine = replace(machine, libc=(wanted_libc.name, wanted_libc.version))
    return machine


def _told(name: str, told: Mapping[str, str | None], reader: Callable[[str], T | None]) -> T | None:
    """What an option says, None where it says nothing."""
    text = told.get(name)
    if not text:
        return None
    found = reader(normalise(text))
    if found is None:
        near = nearest(normalise(text))
        raise TargetError(
            f"`{text}` is not known as a {_SPOKEN[name]}",
            hint=f"did you mean `{near}`?" if near else "`wheelhouse targets` shows how each part is written",
        )
    return found
