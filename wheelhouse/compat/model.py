"""What the rules speak of: a closed set of pins for one target, what is known of the server, and findings."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from msgspec import Struct, field
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.compat.server import Server
from wheelhouse.contents import Contents
from wheelhouse.target import Target


class Severity(IntEnum):
    """How much a finding weighs; errors stop `lock` and `bundle` unless the rule is accepted by name."""

    NOTE = 1  # good to know before the visit
    WARNING = 2  # it may well fail there
    ERROR = 3  # it will not work there

    def __str__(self) -> str:
        return self.name.lower()


class Finding(Struct, frozen=True, kw_only=True):
    """What one rule says of a set.

    `rule` is the stable name that `--accept` takes; `what` is one sentence without a full stop, names in backticks;
    `why` says what would be seen on the server; `way_out` says what to type or take along, one way a line.
    """

    rule: str
    severity: Severity
    what: str
    why: str = ""
    way_out: str = ""
    projects: tuple[NormalizedName, ...] = ()  # whom it is about, sorted


class Pinned(Struct, frozen=True, kw_only=True):
    """One pin as far as rules need it; `filename` is its wheel's, or its sdist's where it is still to be built."""

    name: NormalizedName
    version: Version
    filename: str
    dependencies: tuple[NormalizedName, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Subject(Struct, frozen=True, kw_only=True):
    """One target's closed set, by project, with what a probe told of the server (None: nobody asked it)."""

    target: Target
    pins: Mapping[NormalizedName, Pinned]
    roots: tuple[NormalizedName, ...] = ()
    server: Server | None = None
    contents: Mapping[NormalizedName, Contents] = field(default_factory=dict)  # of the wheels that are known so far

    def version(self, name: str) -> Version | None:
        """The pinned version of a project (its normalised name), None where the set has none."""
        pin = self.pins.get(NormalizedName(name))
        return None if pin is None else pin.version


class Need(Struct, frozen=True, kw_only=True):
    """Something that the server itself must have, for `install.sh --check` and for a probe that is at hand.

    One of `names` is enough. `kind`: `library` (a SONAME such as `libGL.so.1`) or `program` (`ffmpeg`, `cc`).
    """

    kind: str
    names: tuple[str, ...]
    rule: str
    severity: Severity  # where the server is known to lack it
    needed_by: str  # "opencv-python 4.10.0.84"
    why: str
    way_out: str
