"""A lock as a value: the exact wheels for one target."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.digests import Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedWheel:
    """One wheel, named by its digest. `size` is in bytes, None where no index told it.

    `url` never holds credentials; it is `https:`, `http:` or `file:`.
    """

    filename: str
    url: str
    digest: Digest
    size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPackage:
    """One pin: the project, its version, and the one wheel that the target takes."""

    name: NormalizedName
    version: Version
    wheel: LockedWheel
    index: str | None = None
    dependencies: tuple[NormalizedName, ...] = ()
    required_by: tuple[str, ...] = ()  # "(asked for): torch==2.1.2", "torchvision: torch==2.1.2"


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedHeldBack:
    """A pin that is older than its requirements admit, recorded with the reason."""

    name: NormalizedName
    newer: Version
    reason: str


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Everything one target needs, sorted by name."""

    label: str  # canonical target label
    requires_python: SpecifierSet
    environment: str  # a marker
    packages: tuple[LockedPackage, ...]
    installer: LockedPackage | None = None  # the pip of the offline side; never among `packages` unless asked for
    roots: tuple[NormalizedName, ...] = ()  # the projects asked for directly
    inputs: Digest | None = None  # of the requirements and options that decide the lock
    held_back: tuple[LockedHeldBack, ...] = ()
    stand_in: str | None = None  # the channel that PyPI's torch stands in for
    computed_hashes: tuple[str, ...] = ()  # wheels whose index gives no digest: ours was computed from a download

    def wheels(self) -> tuple[LockedWheel, ...]:
        """Every wheel that must be in the bundle, the installer's too, each once, by file name."""
        every = [package.wheel for package in self.packages]
        if self.installer is not None:
            every.append(self.installer.wheel)
        return tuple(sorted({wheel.filename: wheel for wheel in every}.values(), key=lambda wheel: wheel.filename))

    def package(self, name: NormalizedName) -> LockedPackage | None:
        """The pin of a project, None where the lock has none."""
        return next((package for package in self.packages if package.name == name), None)
