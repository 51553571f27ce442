"""Requirements as the solvers see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from msgspec import Struct
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.data import table
from wheelhouse.resolve.candidates import Candidate


class Want(Struct, frozen=True, eq=False):
    """A requirement as the solver sees it; compared by identity. `text` is what a person wrote."""

    project: NormalizedName
    specifier: SpecifierSet
    extras: frozenset[NormalizedName]
    text: str

    @classmethod
    def of(cls, requirement: Requirement) -> Want:
        """The want of a requirement whose marker was judged already; the text leaves the marker out."""
        extras = frozenset(canonicalize_name(extra) for extra in requirement.extras)
        shown = f"[{','.join(sorted(extras))}]" if extras else ""
        return cls(
            canonicalize_name(requirement.name),
            requirement.specifier,
            extras,
            f"{requirement.name}{shown}{requirement.specifier}",
        )


class Conflict(Struct, frozen=True):
    """One of the wants that cannot all be met, and who has it: a candidate, or None for what was asked for directly."""

    want: Want
    parent: Candidate | None


def together(wants: Iterable[Want]) -> SpecifierSet:
    """All that is wanted of one project, in one set."""
    found = SpecifierSet()
    for want in wants:
        found &= want.specifier
    return found


def asks_for_pre(specifier: SpecifierSet) -> bool:
    """Whether a pre-release is named, so that pre-releases count like any other (PEP 440)."""
    return specifier.prereleases is True or is_exact(specifier)


def is_exact(specifier: SpecifierSet) -> bool:
    """Whether one version is named by `==` or `===`, which admits a yanked file (PEP 592) and a pre-release."""
    return any(
        each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*")) for each in specifier
    )


def undeclared_by(project: NormalizedName, version: Version) -> Iterator[Requirement]:
    """What a release is known to import without declaring it (`data/undeclared.json`, with its sources)."""
    for name, versions, requirement in _undeclared():
        if name == project and versions.contains(version, prereleases=True):
            yield requirement


@cache
def _undeclared() -> tuple[tuple[NormalizedName, SpecifierSet, Requirement], ...]:
    rows = table("undeclared.json")["rows"]
    return tuple(
        (canonicalize_name(row["project"]), SpecifierSet(row["versions"]), Requirement(row["requires"])) for row in rows
    )
