"""What of a machine decides whether a CUDA build runs on it: told by a target's label, or seen by a probe."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from wheelhouse.compat.cuda import Driver, architecture, capability, driver_cuda, spoken
from wheelhouse.compat.model import Subject
from wheelhouse.compat.server import Gpu, Server
from wheelhouse.target import Target, TargetError
from wheelhouse.target.label import read

_ACCELERATOR = re.compile(r"cu[0-9]+|cpu|xpu|rocm.*")


class Machine(Struct, frozen=True, kw_only=True):
    """A machine as far as CUDA is concerned. None and () mean that nobody told, but see `driverless`."""

    os: str = "linux"
    arch: str = "x86_64"
    libc: tuple[str, tuple[int, int]] | None = None  # ("glibc", (2, 28))
    python: str | None = None  # "3.10", "3.13t"
    driver: Driver | None = None
    gpus: tuple[Gpu, ...] = ()
    label: str | None = None  # of a target that is like it
    probed: bool = False  # somebody looked
    driverless: bool = False  # and saw no NVIDIA driver

    @classmethod
    def of_target(cls, target: Target) -> Machine:
        """What a label tells."""
        value = capability(target.gpu)
        return cls(
            os=target.os,
            arch=target.arch,
            libc=None if target.libc is None else (target.libc.name, target.libc.version),
            python=f"{target.python[0]}.{target.python[1]}{'t' if target.free_threaded else ''}",
            driver=Driver.parse(target.driver),
            gpus=() if value is None else (Gpu(name="", capability=value),),
            label=target.label,
        )

    @classmethod
    def of_server(cls, server: Server) -> Machine:
        """What a probe saw; of its Pythons the one that the probe's label proposes, else the newest CPython."""
        python = None
        try:
            target = Target.parse(server.label)
            python = f"{target.python[0]}.{target.python[1]}{'t' if target.free_threaded else ''}"
        except TargetError:
            seen = [each.version for each in server.pythons if each.implementation == "cpython"]
            python = f"{max(seen)[0]}.{max(seen)[1]}" if seen else None
        return cls(
            os=server.os,
            arch=server.arch,
            libc=server.libc,
            python=python,
            driver=Driver.parse(server.driver),
            gpus=server.gpus,
            label=server.label or None,
            probed=True,
            driverless=server.driver is None,
        )

    @classmethod
    def of(cls, subject: Subject) -> Machine:
        """The target's machine; driver and GPUs are the server's where one was probed, if it saw them."""
        told = cls.of_target(subject.target)
        if subject.server is None:
            return told
        seen = cls.of_server(subject.server)
        return cls(
            os=told.os,
            arch=told.arch,
            libc=told.libc,
            python=told.python,
            driver=seen.driver or told.driver,
            gpus=seen.gpus if any(gpu.capability is not None for gpu in seen.gpus) else told.gpus,
            label=_whole(subject.target, subject.server),
            probed=True,
            driverless=seen.driverless,
        )

    @property
    def place(self) -> str:
        """What to call it in a sentence: the target, or the server that was probed."""
        return "the server" if self.probed else "the target"

    @property
    def platform(self) -> str:
        """`linux-x86_64`"""
        return f"{self.os}-{self.arch}"

    @property
    def undriven(self) -> list[str]:
        """GPUs that the driver, as it was told, does not drive: a sentence for each generation.

        What a probe saw together works together. Windows numbers its drivers at or above their branch (531.14 is of
        R530), so that there only the first branch can be judged.
        """
        if self.driver is None or self.probed:
            return []
        found = []
        for each in {architecture(gpu.capability) for gpu in self.gpus if gpu.capability is not None} - {None}:
            assert each is not None
            told = f"driver {self.driver} does not drive {each.name} GPUs"
            if each.last_branch is not None and self.os == "linux" and self.driver.branch > each.last_branch:
                found.append(f"{told}: R{each.last_branch} was the last branch that did")
            if each.first_branch is not None and self.driver.branch < each.first_branch:
                found.append(f"{told}: R{each.first_branch} was the first branch that did")
        return sorted(found)

    def with_accelerator(self, accelerator: str) -> str | None:
        """Its label with another accelerator, ready to type behind `--target`; None where it has no label."""
        return None if self.label is None else relabelled(self.label, accelerator)

    def __str__(self) -> str:
        said = [self.platform]
        if self.driver is not None:
            has = driver_cuda(self.driver)
            said.append(f"driver {self.driver}" + (f" (CUDA {has})" if has is not None else ""))
        elif self.driverless:
            said.append("no NVIDIA driver")
        said += list(dict.fromkeys(gpu_spoken(gpu) for gpu in self.gpus))
        if self.libc is not None:
            said.append(f"{self.libc[0]} {self.libc[1][0]}.{self.libc[1][1]}")
        if self.python is not None:
            said.append(f"Python {self.python}")
        return ", ".join(said)


def _whole(target: Target, server: Server) -> str:
    """The target's label with what the probe's own label says beside it: driver, GPU and C library.

    So what a way out names is as good as the probe's label, whichever Python the target takes.
    """
    try:
        seen = read(server.label)
    except TargetError:
        return target.label
    told = read(target.label)
    if (seen.os, seen.arch) != (told.os, told.arch):
        return target.label
    return str(replace(told, driver=seen.driver or told.driver, gpu=seen.gpu or told.gpu, libc=seen.libc))


def gpu_spoken(gpu: Gpu) -> str:
    """`NVIDIA A100-SXM4-80GB (8.0)`, or `compute capability 8.0` where only that is known."""
    if gpu.capability is None:
        return gpu.name
    value = spoken(gpu.capability)
    return f"{gpu.name} ({value})" if gpu.name else f"compute capability {value}"


def relabelled(label: str, accelerator: str) -> str:
    """A target's label with another accelerator: `linux-x86_64-cu121-py310` and `cu118`."""
    parts = label.split("-")
    at = next((at for at, part in enumerate(parts) if _ACCELERATOR.fullmatch(part)), None)
    if at is None:
        return "-".join([*parts[:2], accelerator, *parts[2:]])
    return "-".join([*parts[:at], accelerator, *parts[at + 1 :]])
