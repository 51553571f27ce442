"""nab's PubGrub over the same view: a solution that backjumping missed, or a proof that there is none.

resolvelib can claim "impossible" wrongly (its issue 206), so its word alone is never printed. This is the only
module that knows nab-resolver.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import Any, NamedTuple

from nab_resolver.errors import ResolutionError, ResolutionTerminatedError
from nab_resolver.resolver import BaseProvider, Resolver
from nab_resolver.types import RootRequirement
from packaging.utils import NormalizedName

from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.refusals import Reason
from wheelhouse.resolve.view import WINDOW, View
from wheelhouse.resolve.wants import Want

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


class Listing:
    """A project's possible candidates, each with its bit; a specifier that names none of them gets a bit of its own."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.choices = tuple(Choice(candidate, at, self) for at, candidate in enumerate(candidates))
        self.named = sorted((choice.candidate.version, choice.at) for choice in self.choices if choice.candidate)
        self.of: dict[str, Versions] = {}  # by specifier
        self.bits = len(candidates)


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """One version that nab may choose; compared by identity."""

    candidate: Candidate | None  # None: what was asked for, which nab treats as a version of its root
    at: int
    listing: Listing


_ROOT = Choice(None, 0, Listing(()))


class Versions:
    """A set of a project's versions, a bit each: an int below zero holds every version but those whose bit is 0.

    Sets of what is there are what counts, and they are quick where PEP 440 ranges with hundreds of holes are not
    (a ladder of 400 versions: 141 s with `packaging.ranges`).
    """

    __slots__ = ("_bits", "_listing", "_text")

    def __init__(self, bits: int, listing: Listing, text: str | None = None) -> None:
        self._bits, self._listing, self._text = bits, listing, text

    @classmethod
    def empty(cls) -> Versions:
        return cls(0, _ROOT.listing)

    @classmethod
    def full(cls) -> Versions:
        return cls(-1, _ROOT.listing)

    @classmethod
    def singleton(cls, version: Choice) -> Versions:
        return cls(1 << version.at, version.listing)

    @property
    def is_empty(self) -> bool:
        return self._bits == 0

    def __contains__(self, version: Choice, /) -> bool:
        return bool(self._bits >> version.at & 1)

    def __and__(self, other: object) -> Versions:
        return self._with(self._bits & _bits(other), other)

    def __or__(self, other: object) -> Versions:
        return self._with(self._bits | _bits(other), other)

    def __invert__(self) -> Versions:
        return Versions(~self._bits, self._listing)

    def __sub__(self, other: object) -> Versions:
        return self._with(self._bits & ~_bits(other), other)

    def _with(self, bits: int, other: object) -> Versions:
        assert isinstance(other, Versions)
        if bits == self._bits:
            return self
        return other if bits == other._bits else Versions(bits, self._listing if self._listing.bits else other._listing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Versions) and self._bits == other._bits

    def __hash__(self) -> int:
        return hash(self._bits)

    def is_subset(self, other: Versions) -> bool:
        return not self._bits & ~other._bits

    def is_superset(self, other: Versions) -> bool:
        return not other._bits & ~self._bits

    def is_disjoint(self, other: Versions) -> bool:
        return not self._bits & other._bits

    def relation(self, other: Versions) -> _Relation:
        return _Relation(self.is_subset(other), self.is_disjoint(other))

    def __str__(self) -> str:
        """The specifier as it was written, else the versions, oldest first: `1.0 to 1.4, 2.0`."""
        if self._text is not None:
            return self._text
        inside = [bool(self._bits >> at & 1) for _, at in self._listing.named]
        runs = []
        for held, run in groupby(zip(self._listing.named, inside, strict=True), key=lambda each: each[1]):
            if held:
                versions = [str(version) for (version, _), _ in run]
                runs.append(versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}")
        return ", ".join(runs)


def _bits(other: object) -> int:
    assert isinstance(other, Versions)
    return other._bits


class _Provider(BaseProvider[Node, Choice]):
    def __init__(self, view: View, roots: Sequence[Want]) -> None:
        self._view = view
        self._direct = {want.project for want in roots}
        self._asked: defaultdict[NormalizedName, int] = defaultdict(int)
        self._listings: dict[NormalizedName, Listing] = {}
        self._requires: dict[tuple[Node, Choice], Mapping[Node, Versions]] = {}

    def listing(self, project: NormalizedName) -> Listing:
        """The project's candidates. Pre-releases and yanked files are among them, last.

        Which of them may be taken depends on all that is wanted in the end, and a set that grew while it is searched
        would make a false proof: the caller judges what comes out.
        """
        found = self._listings.get(project)
        if found is None:
            found = self._listings[project] = Listing(self._view.possible(project))
        return found

    def versions(self, want: Want) -> Versions:
        """What the want admits."""
        listing, text = self.listing(want.project), str(want.specifier)
        found = listing.of.get(text)
        if found is None:
            project = self._view.project(want.project)
            within = frozenset(project.within(want.specifier) if project is not None else ())
            bits = sum(
                1 << choice.at
                for choice in listing.choices
                if choice.candidate is not None and choice.candidate.version in within
            )
            if not bits:
                bits = 1 << listing.bits
                listing.bits += 1
            found = listing.of[text] = Versions(bits, listing, text)
        return found

    def choose_version(self, package: Node, version_range: Any) -> Choice | None:
        within = (choice for choice in self.listing(package.project).choices if choice in version_range)
        ahead = list(islice(within, 2 ** self._asked[package.project]))
        self._asked[package.project] = min(
            self._asked[package.project] + 1, WINDOW
        )  # 1, 2, 4 … at once, as in the view
        if len(ahead) > 1:
            self._view.expect_metadata([choice.candidate for choice in ahead if choice.candidate is not None])
        for choice in chain(ahead, within):
            assert choice.candidate is not None
            if not isinstance(self._view.usable(choice.candidate), Reason):
                return choice
        return None

    def has_satisfying_version(self, package: Node, version_range: Any) -> bool:
        return self.choose_version(package, version_range) is not None

    def get_dependencies(self, package: Node, version: Choice) -> Mapping[Node, Any]:
        found = self._requires.get((package, version))
        if found is None:
            found = self._requires[package, version] = self._depend(package, version)
        return found

    def _depend(self, package: Node, version: Choice) -> Mapping[Node, Versions]:
        assert version.candidate is not None
        extras = frozenset({NormalizedName(package.extra)}) if package.extra else frozenset[NormalizedName]()
        found = {Node(package.project): Versions.singleton(version)} if package.extra else {}
        for want in self._view.dependencies(version.candidate, extras):
            for node in nodes(want):
                versions = self.versions(want)
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

    def widen_decision(self, package: Node, version: Choice) -> None:
        return None


def nodes(want: Want) -> list[Node]:
    """The project that is wanted, and each extra of it."""
    return [Node(want.project), *(Node(want.project, extra) for extra in sorted(want.extras))]


def ask(view: View, roots: Sequence[Want], *, max_steps: int = MAX_STEPS) -> dict[NormalizedName, Candidate]:
    """A solution over the same view.

    Raises `Proof` when there is none, and `OutOfSteps` when `max_steps` decided nothing.
    """
    provider = _Provider(view, roots)
    resolver: Resolver[Node, Choice] = Resolver(
        provider, max_iterations=max_steps, range_type=Versions, root_version=_ROOT, format_range=str
    )
    requirements = [RootRequirement(node, provider.versions(want), want.text) for want in roots for node in nodes(want)]
    try:
        pins = resolver.resolve(requirements)
    except ResolutionTerminatedError:
        raise OutOfSteps(max_steps) from None
    except ResolutionError as error:
        raise Proof(tuple(line.rstrip() for line in str(error).splitlines() if line.strip())) from None
    return {node.project: choice.candidate for node, choice in pins.items() if choice.candidate is not None}
