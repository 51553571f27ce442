"""CUDA versions, NVIDIA drivers and GPU architectures as values: which driver runs what (wheelhouse/data/cuda.json)."""

from __future__ import annotations

import re
from enum import Enum
from functools import cache, total_ordering
from typing import Any

from msgspec import Struct

from wheelhouse.data import table

Capability = tuple[int, int]  # a compute capability: (8, 0)
Isa = tuple[int, int]  # a version of the PTX instruction set: (8, 1)


class Cuda(Struct, frozen=True, order=True):
    """A CUDA version without its update: 12.1."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @classmethod
    def parse(cls, text: str) -> Cuda:
        """`12.1`, also with more parts behind (`12.1.105`). Raises `ValueError` for anything else."""
        match = re.match(r"([0-9]{1,3})\.([0-9]{1,3})(?![0-9])", text)
        if match is None:
            raise ValueError(f"{text!r} is no version of CUDA")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of_channel(cls, channel: str | None) -> Cuda | None:
        """The CUDA of a channel (`cu121`, `cu92`) or of a local version that begins so; None for `cpu` and others."""
        match = re.match(r"cu([0-9]{1,2})([0-9])(?![0-9])", channel or "")
        return None if match is None else cls(int(match[1]), int(match[2]))

    @property
    def channel(self) -> str:
        """PyTorch's name of its channel: `cu121`."""
        return f"cu{self.major}{self.minor}"


@total_ordering
class Driver(Struct, frozen=True, eq=False):
    """An NVIDIA driver's version, in as many parts as somebody told: `525`, `515.65`, `515.65.01`, `531.14`.

    Compared by its parts: `515.65.01` and `515.65.1` are one driver.
    """

    parts: tuple[int, ...]
    text: str

    def __eq__(self, other: object) -> bool:
        return self.parts == other.parts if isinstance(other, Driver) else NotImplemented

    def __lt__(self, other: Driver) -> bool:
        return self.parts < other.parts if isinstance(other, Driver) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.parts)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str | None) -> Driver | None:
        """None for None, and for a text that begins like no driver's version."""
        match = re.match(r"\s*([0-9]{2,4}(?:\.[0-9]{1,4}){0,2})(?![0-9])", text or "")
        return None if match is None else cls(tuple(int(part) for part in match[1].split(".")), match[1])

    @property
    def branch(self) -> int:
        """Its first part: R525 is 525."""
        return self.parts[0]

    def reaches(self, floor: Driver) -> bool:
        """Whether it is as new as `floor`. Only the parts that both tell are compared.

        So `525` (a branch) and `515.65` (typed by hand from 515.65.01) are taken to be new enough for 525.60.13 and
        515.65.01, and 580.65.06 for a floor of `580`: who tells less is never alarmed for what was not told.
        """
        shared = min(len(self.parts), len(floor.parts))
        return self.parts[:shared] >= floor.parts[:shared]


class How(Enum):
    """How a CUDA build runs on a driver."""

    NATIVE = "native"  # the driver is as new as the build
    MINOR = "minor"  # older than the build, within its CUDA major: minor-version compatibility
    NO = "no"
    UNKNOWN = "unknown"  # our tables do not say

    @property
    def works(self) -> bool:
        return self in (How.NATIVE, How.MINOR)


class Running(Struct, frozen=True, kw_only=True):
    """What becomes of a build for `cuda` on `driver`; `newest` is the CUDA that the driver has, None: older than 11."""

    how: How
    cuda: Cuda
    driver: Driver
    floor: Driver | None
    newest: Cuda | None

    @property
    def reason(self) -> str:
        """One short phrase."""
        if self.how is How.NATIVE:
            return f"driver {self.driver} has CUDA {self.newest}"
        if self.how is How.MINOR:
            return f"minor-version compatibility: driver {self.driver} has CUDA {self.newest}"
        if self.how is How.NO:
            return f"needs driver {self.floor} or newer"
        return f"nothing is known of CUDA {self.cuda} on driver {self.driver}"


class Architecture(Struct, frozen=True, kw_only=True):
    """A GPU generation: the CUDA versions that compile for it, and the driver branches that drive it."""

    name: str
    first: Capability
    last: Capability
    first_cuda: Cuda
    last_cuda: Cuda | None  # None: the newest still does
    last_branch: int | None
    first_branch: int | None = None  # of the driver, None: nobody says


def capability(text: str | None) -> Capability | None:
    """`8.0` and `sm80` as (8, 0), `sm120` as (12, 0); None for None and for anything else."""
    match = re.fullmatch(r"(?:sm_?)?([0-9]{1,2})\.?([0-9])a?", text or "")
    return None if match is None else (int(match[1]), int(match[2]))


def spoken(value: Capability) -> str:
    """`8.0`"""
    return f"{value[0]}.{value[1]}"


def floor(cuda: Cuda, os: str = "linux") -> Driver | None:
    """The oldest driver on which any build of this CUDA's major starts; None where our table does not know.

    NVIDIA's CUDA compatibility guide, minor-version compatibility (from CUDA 11 on).
    """
    return _floors().get((cuda.major, _system(os)))


def driver_cuda(driver: Driver) -> Cuda | None:
    """The CUDA that a driver has, which `nvidia-smi` shows: that of its branch; None before R450 (CUDA 11.0).

    A branch that we do not know counts as the newest known one before it, on Windows too (531.14 is of R530): at least
    that much it has.
    """
    known = [(branch, cuda) for branch, cuda in _branches() if branch <= driver.branch]
    return known[-1][1] if known else None


def runs(cuda: Cuda, driver: Driver, os: str = "linux") -> Running:
    """Whether a build for `cuda` starts on `driver`: backward, else minor-version compatibility, else not."""
    newest, lowest = driver_cuda(driver), floor(cuda, os)
    if newest is not None and newest >= cuda:
        how = How.NATIVE  # "A driver runs anything built for an equal or older CUDA version, any major"
    elif lowest is None:
        how = How.UNKNOWN
    else:
        how = How.MINOR if driver.reaches(lowest) else How.NO
    return Running(how=how, cuda=cuda, driver=driver, floor=lowest, newest=newest)


def isa(cuda: Cuda) -> Isa | None:
    """The PTX ISA that this CUDA writes and at most reads; of a version between two known ones that of the older."""
    known = [row for row in _isas() if row[0] <= cuda and row[0].major == cuda.major]
    return known[-1][1] if known else None


def oldest_reader(written: Isa) -> Driver | None:
    """The driver branch from which on PTX of this ISA is understood, as a floor; None where no known one does."""
    for branch, cuda in _branches():
        read = isa(cuda)
        if read is not None and read >= written:
            return Driver((branch,), str(branch))
    return None


def architecture(value: Capability) -> Architecture | None:
    """The generation of a compute capability, None for one that our table does not have."""
    return next((each for each in architectures() if each.first <= value <= each.last), None)


@cache
def architectures() -> tuple[Architecture, ...]:
    """Every known generation, oldest first."""
    return tuple(
        Architecture(
            name=row["name"],
            first=_capability(row["first"]),
            last=_capability(row["last"]),
            first_cuda=Cuda.parse(row["first_cuda"]),
            last_cuda=Cuda.parse(row["last_cuda"]) if "last_cuda" in row else None,
            last_branch=row.get("last_branch"),
            first_branch=row.get("first_branch"),
        )
        for row in _rows("architectures")
    )


def is_data_center(name: str, value: Capability | None) -> bool | None:
    """Whether NVIDIA's forward-compatibility packages (`cuda-compat-…`) work on a GPU; None: its name would tell.

    "Forward Compatibility is applicable only for systems with NVIDIA Data Center GPUs" (and some others). `name` is
    the GPU's as `nvidia-smi` says it, empty where only the capability is known.
    """
    words = set(re.split(r"[^A-Z0-9]+", name.upper()))
    rows = [row for row in _rows("data_center") if value is None or _capability(row["capability"]) == value]
    if value is not None and any(row["only"] for row in rows):
        return True
    if name:
        return any(words & set(row["names"]) for row in rows)
    return None if rows else False


def _rows(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table("cuda.json")[name]
    return rows


def _system(os: str) -> str:
    return "windows" if os == "windows" else "linux"


def _capability(text: str) -> Capability:
    found = capability(text)
    assert found is not None, text
    return found


@cache
def _floors() -> dict[tuple[int, str], Driver]:
    floors = {(row["cuda"], os): Driver.parse(row[os]) for row in _rows("floors") for os in ("linux", "windows")}
    return {key: driver for key, driver in floors.items() if driver is not None}


@cache
def _branches() -> tuple[tuple[int, Cuda], ...]:
    return tuple(sorted((row["branch"], Cuda.parse(row["cuda"])) for row in _rows("branches")))


@cache
def _isas() -> tuple[tuple[Cuda, Isa], ...]:
    return tuple(sorted((Cuda.parse(row["cuda"]), _capability(row["isa"])) for row in _rows("ptx")))
