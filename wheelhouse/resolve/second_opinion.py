"""nab's PubGrub over the same view: a solution that backjumping missed, or a proof that there is none.

resolvelib can claim "impossible" wrongly (its issue 206), so its word alone is never printed. This is the only
module that knows nab-resolver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nab_resolver.errors import ResolutionError, ResolutionTerminatedError
from nab_resolver.resolver import BaseProvider, Resolver
from nab_resolver.types import RootRequirement
from packaging.ranges import VersionRange
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.refusals import Reason
from wheelhouse.resolve.view import View, Want, is_exact

MAX_STEPS = 50_000


class Node(NamedTuple):
    """A project, or one extra of it: `foo[bar]` wants exactly the same `foo`."""

    project: NormalizedName
    extra: str = ""

    def __str__(self) -> str:
        return f"{self.project}[{self.extra}]" if self.extra else self.project


class Proof(Exception):
    """There is no solution; `lines` derive it, one step a line."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__(lines)
        self.lines = lines


class OutOfSteps(Exception):
    """Neither a solution nor a proof was found in `steps` steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(steps)
        self.steps = steps


class _Relation(NamedTuple):
    is_subset: bool
    is_disjoint: bool


class Versions:
    """packaging's `VersionRange` in the form that nab asks for: the same sets, with `relation` added."""

    __slots__ = ("_range",)

    def __init__(self, range_: VersionRange) -> None:
        self._range = range_

    @classmethod
    def of(cls, specifier: SpecifierSet) -> Versions:
        """Every version the set names; which pre-releases are taken is the provider's to say."""
        return cls(SpecifierSet(str(specifier), prereleases=True).to_range())

    @classmethod
    def empty(cls) -> Versions:
        return cls(VersionRange.empty(prereleases=True))

    @classmethod
    def full(cls) -> Versions:
        return cls(SpecifierSet("", prereleases=True).to_range())

    @classmethod
    def singleton(cls, version: Version | str) -> Versions:
        return cls(VersionRange.singleton(version, prereleases=True))

    @property
    def is_empty(self) -> bool:
        return self._range.is_empty

    def __contains__(self, version: Version, /) -> bool:
        return self._range.contains(version, prereleases=True)

    def __and__(self, other: object) -> Versions:
        return Versions(self._range & _inner(other))

    def __or__(self, other: object) -> Versions:
        return Versions(self._range | _inner(other))

    def __invert__(self) -> Versions:
        return Versions(~self._range)

    def __sub__(self, other: object) -> Versions:
        return Versions(self._range - _inner(other))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Versions) and self._range == other._range

    def __hash__(self) -> int:
        return hash(self._range)

    def is_subset(self, other: Versions) -> bool:
        return self._range.is_subset(other._range)

    def is_superset(self, other: Versions) -> bool:
        return self._range.is_superset(other._range)

    def is_disjoint(self, other: Versions) -> bool:
        return self._range.is_disjoint(other._range)

    def relation(self, other: Versions) -> _Relation:
        return _Relation(self.is_subset(other), self.is_disjoint(other))

    def __str__(self) -> str:
        specifiers = self._range.to_specifier_set()
        return str(self._range) if specifiers is None else str(specifiers)


def _inner(other: object) -> VersionRange:
    assert isinstance(other, Versions)
    return other._range


class _Provider(BaseProvider[Node, Version]):
    def __init__(self, view: View, roots: Sequence[Want]) -> None:
        self._view = view
        self._direct = {want.project for want in roots}
        self._exact: dict[NormalizedName, set[Version]] = {}  # named by `==`: a yanked file may be taken
        self._note(roots)

    def _note(self, wants: Sequence[Want]) -> None:
        for want in wants:
            if is_exact(want.specifier):
                project = self._view.project(want.project)
                for version in project.versions if project is not None else ():
                    if self._view.contains(want.specifier, version):
                        self._exact.setdefault(want.project, set()).add(version)

    def find(self, package: Node, versions: Versions) -> Candidate | None:
        """The best usable candidate in the set: finals first, then what `==` names, then any pre-release (PEP 440)."""
        name = package.project
        prereleases: list[Candidate] = []
        constraint = self._view.constrained(name, SpecifierSet())
        for candidate in self._view.versions(name, SpecifierSet()):
            if candidate.version not in versions or not self._view.contains(constraint, candidate.version):
                continue
            if candidate.version.is_prerelease and not self._view.pre:
                prereleases.append(candidate)
            elif self._is_usable(candidate):
                return candidate
        for version in sorted(self._exact.get(name, ()), reverse=True):
            if version in versions:
                for candidate in self._view.matching(name, SpecifierSet(f"=={version}")):
                    return candidate
        return next((candidate for candidate in prereleases if self._is_usable(candidate)), None)

    def _is_usable(self, candidate: Candidate) -> bool:
        return not isinstance(self._view.usable(candidate), Reason)

    def choose_version(self, package: Node, version_range: Any) -> Version | None:
        found = self.find(package, version_range)
        return found.version if found is not None else None

    def has_satisfying_version(self, package: Node, version_range: Any) -> bool:
        return self.find(package, version_range) is not None

    def get_dependencies(self, package: Node, version: Version) -> Mapping[Node, Any]:
        candidate = self.find(package, Versions.singleton(version))
        assert candidate is not None
        plain = self._view.dependencies(candidate, frozenset())
        if not package.extra:
            wants = plain
            found: dict[Node, Any] = {}
        else:
            wants = self._view.dependencies(candidate, frozenset({NormalizedName(package.extra)}))
            found = {Node(package.project): Versions.singleton(version)}
        self._note(wants)
        for want in wants:
            for node in nodes(want):
                versions = Versions.of(want.specifier)
                found[node] = found[node] & versions if node in found else versions
        return found

    def prioritize(
        self,
        package: Node,
        version_range: Any,
        conflict_counts: Mapping[Node, int],
        culprit_counts: Mapping[Node, int] | None = None,
    ) -> Any:
        return (-conflict_counts.get(package, 0), package.project not in self._direct, str(package))

    def widen_decision(self, package: Node, version: Version) -> None:
        return None


def nodes(want: Want) -> list[Node]:
    """The project that is wanted, and each extra of it."""
    return [Node(want.project), *(Node(want.project, extra) for extra in sorted(want.extras))]


def ask(view: View, roots: Sequence[Want], *, max_steps: int = MAX_STEPS) -> dict[NormalizedName, Candidate]:
    """A solution over the same view.

    Raises `Proof` when there is none, and `OutOfSteps` when `max_steps` decided nothing.
    """
    provider = _Provider(view, roots)
    resolver: Resolver[Node, Version] = Resolver(
        provider, max_iterations=max_steps, range_type=Versions, root_version="1", format_range=str
    )
    requirements = [
        RootRequirement(node, Versions.of(want.specifier), want.text) for want in roots for node in nodes(want)
    ]
    constraints = {Node(name): Versions.of(specifier) for name, specifier in view.constraints.items()}
    try:
        pins = resolver.resolve(requirements, constraints)
    except ResolutionTerminatedError:
        raise OutOfSteps(max_steps) from None
    except ResolutionError as error:
        raise Proof(tuple(line.rstrip() for line in str(error).splitlines() if line.strip())) from None
    found: dict[NormalizedName, Candidate] = {}
    for node, version in pins.items():
        candidate = provider.find(node, Versions.singleton(version))
        assert candidate is not None
        found[node.project] = candidate
    return found
