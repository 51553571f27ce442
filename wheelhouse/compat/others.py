"""CUDA code in wheels other than torch's, as far as somebody looked into them (wheelhouse/data/cuda.json, `wheels`)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from msgspec import Struct
from packaging.specifiers import SpecifierSet

from wheelhouse.compat.cuda import Capability, Isa, capability
from wheelhouse.compat.model import Pinned, Subject
from wheelhouse.data import table


class CudaWheel(Struct, frozen=True, kw_only=True):
    """The Linux x86_64 wheels of some versions of a project, which bring their own CUDA code."""

    project: str
    versions: str  # a specifier: ">=4.0,<4.6.3"
    cuda: int  # the major that they are built for
    capabilities: tuple[Capability, ...]
    ptx: Capability | None  # GPUs from here on compile the code themselves
    isa: Isa | None  # the PTX that it is; None: nobody read it

    def covers(self, value: Capability) -> bool:
        """Whether code for this GPU is in it, ready to run."""
        return any(major == value[0] and minor <= value[1] for major, minor in self.capabilities)

    def compiles(self, value: Capability) -> bool:
        """Whether this GPU needs its PTX, and can take it."""
        return not self.covers(value) and self.ptx is not None and self.ptx <= value


def pinned(subject: Subject) -> Iterator[tuple[Pinned, CudaWheel]]:
    """The set's pins of which we know the CUDA code; none but for Linux x86_64, where it was measured."""
    if (subject.target.os, subject.target.arch) != ("linux", "x86_64"):
        return
    for wheel in known():
        pin = next((pin for name, pin in subject.pins.items() if name == wheel.project), None)
        if pin is not None and SpecifierSet(wheel.versions).contains(pin.version, prereleases=True):
            yield pin, wheel


def instead(wheel: CudaWheel, fits: Iterator[CudaWheel]) -> str:
    """Versions of the same project that would do, newest first, ready to type; empty where none is known."""
    return next((f"`{each.project}{each.versions}`" for each in fits if each.project == wheel.project), "")


@cache
def known() -> tuple[CudaWheel, ...]:
    """Every row of the table, newest versions of a project first."""
    rows = [
        CudaWheel(
            project=row["project"],
            versions=row["versions"],
            cuda=row["cuda"],
            capabilities=tuple(value for each in row["archs"] if (value := capability(each)) is not None),
            ptx=capability(row.get("ptx")),
            isa=capability(row.get("isa")),
        )
        for row in table("cuda.json")["wheels"]
    ]
    return tuple(reversed(rows))
