"""resolvelib's five questions, answered from the view: what pip would say. The only module that knows resolvelib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from resolvelib import AbstractProvider, BaseReporter
from resolvelib.resolvers import RequirementInformation, Resolution, ResolutionImpossible, ResolutionTooDeep

from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.refusals import Reason
from wheelhouse.resolve.view import View
from wheelhouse.resolve.wants import Conflict, Want, is_exact

MAX_ROUNDS = 1_000  # it is asked where PubGrub found nothing, and has little to say after that (0.3 s)


class Pin(Struct, frozen=True, eq=False):
    """A candidate with the extras that are wanted of it; compared by identity."""

    candidate: Candidate
    extras: frozenset[NormalizedName]


class NoSolution(Exception):
    """resolvelib's claim that there is none. It can be wrong (resolvelib issue 206)."""

    def __init__(self, conflicts: tuple[Conflict, ...], *, proven: bool) -> None:
        super().__init__(conflicts)
        self.conflicts, self.proven = conflicts, proven


class Provider(AbstractProvider[Want, Pin, NormalizedName]):
    """One identifier a project: extras belong to the pin, so that a project can never have two versions."""

    def __init__(self, view: View, roots: Sequence[Want]) -> None:
        self._view = view
        self._direct = {want.project for want in roots}
        self._pins: dict[tuple[Candidate, frozenset[NormalizedName]], Pin] = {}
        self._sets: dict[frozenset[SpecifierSet], SpecifierSet] = {}

    def identify(self, requirement_or_candidate: Want | Pin) -> NormalizedName:
        if isinstance(requirement_or_candidate, Pin):
            return requirement_or_candidate.candidate.project
        return requirement_or_candidate.project

    def get_preference(
        self,
        identifier: NormalizedName,
        resolutions: Mapping[NormalizedName, Pin],
        candidates: Mapping[NormalizedName, Iterator[Pin]],
        information: Mapping[NormalizedName, Iterator[RequirementInformation[Want, Pin]]],
        backtrack_causes: Sequence[RequirementInformation[Want, Pin]],
    ) -> Any:
        """First what is direct and pinned, then names in recent conflicts, then name."""
        exact = any(is_exact(each.requirement.specifier) for each in information[identifier])
        direct = identifier in self._direct
        in_conflict = any(
            each.requirement.project == identifier
            or (each.parent is not None and each.parent.candidate.project == identifier)
            for each in backtrack_causes
        )
        return (not (direct and exact), not in_conflict, not exact, not direct, identifier)

    def find_matches(
        self,
        identifier: NormalizedName,
        requirements: Mapping[NormalizedName, Iterator[Want]],
        incompatibilities: Mapping[NormalizedName, Iterator[Pin]],
    ) -> Callable[[], Iterator[Pin]]:
        wants = list(requirements[identifier])
        specifier = self._together(frozenset(want.specifier for want in wants))
        extras = frozenset().union(*(want.extras for want in wants))
        refused: dict[Candidate, list[frozenset[NormalizedName]]] = {}
        for pin in incompatibilities[identifier]:
            refused.setdefault(pin.candidate, []).append(pin.extras)

        def matches() -> Iterator[Pin]:
            for candidate in self._view.matching(identifier, specifier):
                # what failed with some extras fails with more of them, and may do with fewer
                if not any(failed <= extras for failed in refused.get(candidate, ())):
                    yield self._pin(candidate, extras)

        return matches

    def _together(self, specifiers: frozenset[SpecifierSet]) -> SpecifierSet:
        found = self._sets.get(specifiers)
        if found is None:
            found = SpecifierSet()
            for specifier in sorted(specifiers, key=str):
                found &= specifier
            self._sets[specifiers] = found
        return found

    def _pin(self, candidate: Candidate, extras: frozenset[NormalizedName]) -> Pin:
        key = (candidate, extras)
        return self._pins.setdefault(key, Pin(candidate, extras))

    def is_satisfied_by(self, requirement: Want, candidate: Pin) -> bool:
        return requirement.extras <= candidate.extras and self._view.contains(
            requirement.specifier, candidate.candidate.version
        )

    def get_dependencies(self, candidate: Pin) -> Iterable[Want]:
        return self._view.dependencies(candidate.candidate, candidate.extras)


def propose(view: View, roots: Sequence[Want], *, max_rounds: int = MAX_ROUNDS) -> dict[NormalizedName, Candidate]:
    """The candidates that resolvelib proposes.

    Raises `NoSolution` with the wants that conflicted; `proven` only when a direct want has no candidate at all.
    """
    # Not `Resolver`, whose last step draws the graph: it never ends where a circle lost its way to the root (1.2.1).
    # Here pins that nobody wants any more may be left; `close` drops them.
    resolution: Resolution[Want, Pin, NormalizedName] = Resolution(Provider(view, roots), BaseReporter())
    try:
        state = resolution.resolve(roots, max_rounds=max_rounds)
    except ResolutionImpossible as error:
        conflicts = tuple(
            Conflict(cause.requirement, cause.parent and cause.parent.candidate) for cause in error.causes
        )
        raise NoSolution(conflicts, proven=_one_step(view, roots)) from None
    except ResolutionTooDeep:
        raise NoSolution((), proven=False) from None
    return {name: pin.candidate for name, pin in state.mapping.items()}


def _one_step(view: View, roots: Sequence[Want]) -> bool:
    """Whether what was asked for directly already excludes every candidate of some project: that is a proof.

    Yanked files count, since a requirement further down may name one.
    """
    together: dict[NormalizedName, SpecifierSet] = {}
    for want in roots:
        together[want.project] = together.get(want.project, SpecifierSet()) & want.specifier
    return not all(
        any(
            view.contains(specifier, candidate.version) and not isinstance(view.usable(candidate), Reason)
            for candidate in view.possible(name)
        )
        for name, specifier in together.items()
    )
