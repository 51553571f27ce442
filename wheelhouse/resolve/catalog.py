"""What the resolver asks of the world: projects and core metadata. In tests a dict, in life a prefetcher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.project import Project
from wheelhouse.resolve.refusals import BadMetadata


class Hint(Struct, frozen=True):
    """A project that will be asked about, the versions that are wanted of it, and the extras."""

    project: NormalizedName
    specifier: SpecifierSet
    extras: frozenset[NormalizedName] = frozenset()


class Catalog(Protocol):
    """Everything the resolver may know. Each answer is always the same object, however often it is asked."""

    def project(self, name: NormalizedName) -> Project | None:
        """The project as the target sees it; None where every index that may answer says it has none.

        Raises the index's `WheelhouseError` where one refuses, is silent or talks nonsense.
        """
        ...

    def metadata(self, candidate: Candidate) -> CoreMetadata | BadMetadata:
        """The core metadata of the candidate's own wheel; a broken wheel is a reason, never the end."""
        ...

    def expect(self, hints: Iterable[Hint]) -> None:
        """These will be asked about soon; returns at once and never changes an answer."""
        ...

    def expect_metadata(self, candidates: Sequence[Candidate]) -> None:
        """The core metadata of these, best first, will be asked for soon; returns at once."""
        ...

    def take(self, candidate: Candidate) -> None:
        """This one is taken for now: what else is asked of a pin may be fetched; returns at once."""
        ...


class FixedCatalog:
    """A catalog of values: what is in it is all there is."""

    def __init__(self, projects: Iterable[Project], metadata: Mapping[str, CoreMetadata | BadMetadata]) -> None:
        """`metadata` is by file name; a file without any counts as broken."""
        self._projects = {project.name: project for project in projects}
        self._metadata = metadata

    def project(self, name: NormalizedName) -> Project | None:
        return self._projects.get(canonicalize_name(name))

    def metadata(self, candidate: Candidate) -> CoreMetadata | BadMetadata:
        return self._metadata.get(candidate.file.filename, BadMetadata("the wheel has none"))

    def expect(self, hints: Iterable[Hint]) -> None:
        """Nothing to fetch."""

    def expect_metadata(self, candidates: Sequence[Candidate]) -> None:
        """Nothing to fetch."""

    def take(self, candidate: Candidate) -> None:
        """Nothing to fetch."""
