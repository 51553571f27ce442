"""A lock as a value: the exact wheels for one target."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from msgspec import Struct
from msgspec.structs import replace
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError


class LockedWheel(Struct, frozen=True, kw_only=True):
    """One wheel, named by its digest. `size` is in bytes, None where no index told it.

    `url` never holds credentials; it is `https:`, `http:` or `file:`. `upload_time` is in UTC, None where no index told
    it. `yanked` is the reason why the index had taken it back when it was locked, "" where none was given, None where
    it was not (PEP 592).
    """

    filename: str
    url: str
    digest: Digest
    size: int | None = None
    upload_time: datetime | None = None
    yanked: str | None = None


class FileFacts(TypedDict):
    """The fields that a wheel and an sdist have in common."""

    filename: str
    url: str
    digest: Digest
    size: int | None
    upload_time: datetime | None
    yanked: str | None


class LockedSdist(Struct, frozen=True, kw_only=True):
    """A source distribution that is to be built; its fields are those of `LockedWheel`."""

    filename: str
    url: str
    digest: Digest
    size: int | None = None
    upload_time: datetime | None = None
    yanked: str | None = None


class LockedPackage(Struct, frozen=True, kw_only=True):
    """One pin: the project, its version, and the one wheel that the target takes.

    `installed` is what the wheel takes on disk once it is installed, in bytes; None where nobody could tell before the
    download.
    """

    name: NormalizedName
    version: Version
    wheel: LockedWheel
    index: str | None = None
    dependencies: tuple[NormalizedName, ...] = ()
    required_by: tuple[str, ...] = ()  # "(asked for): torch==2.1.2", "torchvision: torch==2.1.2"
    installed: int | None = None

    @property
    def file(self) -> LockedWheel:
        """The file that is fetched."""
        return self.wheel


class LockedSource(Struct, frozen=True, kw_only=True):
    """One pin whose wheel is still to be built from its sdist; its fields are those of `LockedPackage`."""

    name: NormalizedName
    version: Version
    sdist: LockedSdist
    index: str | None = None
    dependencies: tuple[NormalizedName, ...] = ()
    required_by: tuple[str, ...] = ()

    @property
    def file(self) -> LockedSdist:
        """The file that is fetched."""
        return self.sdist

    def built(self, wheel: LockedWheel) -> LockedPackage:
        """The pin with its wheel."""
        return LockedPackage(
            name=self.name,
            version=self.version,
            wheel=wheel,
            index=self.index,
            dependencies=self.dependencies,
            required_by=self.required_by,
        )


class LockedBuild(Struct, frozen=True, kw_only=True):
    """How a pin's wheel came about: from which sdist, with which build requirements (`name==version`) and Python."""

    name: NormalizedName
    sdist: str  # its file name
    digest: Digest  # of the sdist
    requires: tuple[str, ...]
    python: str  # "3.10.13"
    repeatable: bool | None = None  # whether a second build gave the same bytes; None: nobody asked


class LockedHeldBack(Struct, frozen=True, kw_only=True):
    """A pin that is older than its requirements admit, recorded with the reason."""

    name: NormalizedName
    newer: Version
    reason: str


class Lock(Struct, frozen=True, kw_only=True):
    """Everything one target needs, sorted by name."""

    label: str  # canonical target label
    requires_python: SpecifierSet
    environment: str  # a marker
    packages: tuple[LockedPackage, ...]
    sources: tuple[LockedSource, ...] = ()  # what `fetch` still has to build
    installer: LockedPackage | None = None  # the pip of the offline side; never among `packages` unless asked for
    roots: tuple[NormalizedName, ...] = ()  # the projects asked for directly
    inputs: Digest | None = None  # of the requirements and options that decide the lock
    held_back: tuple[LockedHeldBack, ...] = ()
    stand_in: str | None = None  # the channel that PyPI's torch stands in for
    builds: tuple[LockedBuild, ...] = ()  # of the wheels that were built here
    accepted: tuple[str, ...] = ()  # rules whose errors the user accepted by name, sorted
    computed_hashes: tuple[str, ...] = ()  # wheels whose index gives no digest: ours was computed from a download

    def wheels(self) -> tuple[LockedWheel, ...]:
        """Every wheel that must be in the bundle, the installer's too, each once, by file name."""
        every = [package.wheel for package in self.packages]
        if self.installer is not None:
            every.append(self.installer.wheel)
        return tuple(sorted({wheel.filename: wheel for wheel in every}.values(), key=lambda wheel: wheel.filename))

    def pins(self) -> tuple[LockedPackage | LockedSource, ...]:
        """Every pin, built or not, by name."""
        return tuple(sorted((*self.packages, *self.sources), key=lambda pin: pin.name))

    def package(self, name: NormalizedName) -> LockedPackage | LockedSource | None:
        """The pin of a project, None where the lock has none."""
        return next((pin for pin in self.pins() if pin.name == name), None)

    def with_built(self, wheels: Mapping[NormalizedName, LockedWheel], builds: tuple[LockedBuild, ...]) -> Lock:
        """The lock with these sources' wheels in place of their sdists, and how they came about."""
        built = (source.built(wheels[source.name]) for source in self.sources if source.name in wheels)
        return replace(
            self,
            packages=tuple(sorted((*self.packages, *built), key=lambda package: package.name)),
            sources=tuple(source for source in self.sources if source.name not in wheels),
            builds=tuple(sorted((*self.builds, *builds), key=lambda build: build.name)),
        )


class BadLock(WheelhouseError):
    """A file that is no lock of ours, or a damaged one."""

    hint = "run `wheelhouse lock` to write it anew"

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source, self.problem = source, " ".join(problem.split())  # some are told in several lines

    def __str__(self) -> str:
        return f"`{self.source}` is not a lock of wheelhouse: {self.problem}"
