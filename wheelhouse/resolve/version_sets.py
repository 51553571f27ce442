"""Sets of a project's versions, for the solver that asks them a million times: an int, a bit for each version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct
from nab_resolver.types import RangeRelation
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.view import View


class Choices:
    """A project's versions, each with the bit of its place in the list, the newest the lowest.

    What a version offers is asked when it may be chosen, for most never are.
    """

    def __init__(self, view: View, name: NormalizedName) -> None:
        project = view.project(name)
        self._view, self._name, self._project = view, name, project
        self.versions: Sequence[Version] = project.versions if project is not None else ()
        self._end = len(self.versions)  # the bits above are of sets that hold no version
        self._possible = self._span(view.constrained(name, SpecifierSet()))
        self._made: dict[int, Choice | None] = {}
        self._of: dict[str, Versions] = {}  # by specifier
        preferred = view.preferred.get(name)
        self._first = 0
        if project is not None and preferred is not None and preferred in project.versions:
            self._first = 1 << project.versions.place(preferred)

    def within(self, specifier: SpecifierSet) -> Versions:
        """The versions in the set. One that holds none has a bit of its own, so that proofs still name it."""
        text = str(specifier)
        found = self._of.get(text)
        if found is None:
            bits = self._span(specifier) & self._possible
            found = Versions(bits, self, text, pre=specifier.prereleases is True) if bits else self.none(text)
            self._of[text] = found
        return found

    def none(self, text: str) -> Versions:
        """A set without a version, and yet not empty: proofs name it by `text`."""
        self._end += 1
        return Versions(1 << self._end - 1, self, text)

    def _span(self, specifier: SpecifierSet) -> int:
        if self._project is None:
            return 0
        start, end, holes, others = self._project.span(specifier)
        bits = (1 << end) - (1 << start)
        for hole_start, hole_end in holes:
            bits &= ~((1 << hole_end) - (1 << hole_start))
        if others:
            admitted = [each.contains for each in others]
            bits = sum(
                1 << at for at in _each(bits) if all(ask(self.versions[at], prereleases=True) for ask in admitted)
            )
        return bits

    def choices(self, versions: Versions) -> Iterator[Choice]:
        """What may be chosen of the set, in the order in which it is: finals, then pre-releases, then yanked ones."""
        asked = versions.pre or self._view.pre
        rest = versions.bits & self._possible
        pre = yanked = 0
        for at in self._ordered(rest):
            if not asked and self.versions[at].is_prerelease:
                pre |= 1 << at
                continue
            choice = self._at(at)
            if choice is not None and choice.is_yanked:
                yanked |= 1 << at
            elif choice is not None:
                yield choice
        yanked_pre = 0
        for at in self._ordered(pre):
            choice = self._at(at)
            if choice is not None and choice.is_yanked:
                yanked_pre |= 1 << at
            elif choice is not None:
                yield choice
        for at in (*self._ordered(yanked), *self._ordered(yanked_pre)):
            choice = self._at(at)
            assert choice is not None
            yield choice

    def _ordered(self, bits: int) -> Iterator[int]:
        """The places in the set, the preferred version's before the rest."""
        if bits & self._first:
            yield from _each(self._first)
            bits &= ~self._first
        yield from _each(bits)

    def _at(self, at: int) -> Choice | None:
        """The candidate of that place, always as the same object; None where the version has none."""
        if at not in self._made:
            candidate = self._view.offered(self._name, self.versions[at])
            self._made[at] = None if candidate is None else Choice(candidate, at, self)
            if candidate is None:
                self._possible &= ~(1 << at)
        return self._made[at]

    def named(self, bits: int) -> list[tuple[str, bool]]:
        """The versions that may be chosen, oldest first, and whether each is in the set.

        All that are listed, where none in the set may be chosen.
        """
        able = self._able
        if not any(bits >> at & 1 for at in able):
            able = range(len(self.versions))
        return [(str(self.versions[at]), bool(bits >> at & 1)) for at in reversed(able)]

    @cached_property
    def _able(self) -> Sequence[int]:
        """The places of all that may be chosen."""
        return [at for at in range(len(self.versions)) if self._possible >> at & 1 and self._at(at) is not None]


class Choice(Struct, frozen=True, eq=False):
    """One version that may be chosen; compared by identity."""

    candidate: Candidate
    at: int
    choices: Choices

    @property
    def is_yanked(self) -> bool:
        return self.candidate.file.yanked is not None


class _Root(NamedTuple):
    at: int = 0
    choices: None = None


ROOT = _Root()  # what was asked for, which nab treats as a version of its root


class Versions:
    """A set of a project's versions, a bit each: an int below zero holds every version but those whose bit is 0.

    Sets of what is there are what counts, and they are quick where PEP 440 ranges with hundreds of holes are not
    (a ladder of 400 versions: 141 s with `packaging.ranges`). `pre`: one of the specifiers it was made of names a
    pre-release, so that they stand in their order; nab carries such a refinement along.
    """

    __slots__ = ("_choices", "_text", "bits", "pre")

    def __init__(self, bits: int, choices: Choices | None, text: str | None = None, *, pre: bool = False) -> None:
        self.bits, self._choices, self._text, self.pre = bits, choices, text, pre

    @classmethod
    def empty(cls) -> Versions:
        return cls(0, None)

    @classmethod
    def full(cls) -> Versions:
        return cls(-1, None)

    @classmethod
    def singleton(cls, version: Choice | _Root) -> Versions:
        return cls(1 << version.at, version.choices)

    @property
    def is_empty(self) -> bool:
        return self.bits == 0

    def __contains__(self, version: Choice, /) -> bool:
        return bool(self.bits >> version.at & 1)

    def __and__(self, other: object) -> Versions:
        assert isinstance(other, Versions)
        bits, pre = self.bits & other.bits, self.pre or other.pre
        for each in (self, other):
            if bits == each.bits and pre == each.pre:
                return each
        return Versions(bits, self._choices or other._choices, pre=pre)

    def __or__(self, other: object) -> Versions:
        assert isinstance(other, Versions)
        bits = self.bits | other.bits
        for each in (self, other):
            if bits == each.bits:
                return each  # as it was written
        return Versions(bits, self._choices or other._choices)

    def __invert__(self) -> Versions:
        return Versions(~self.bits, self._choices)

    def __sub__(self, other: object) -> Versions:
        assert isinstance(other, Versions)
        bits = self.bits & ~other.bits
        return self if bits == self.bits else Versions(bits, self._choices or other._choices, pre=self.pre)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Versions) and self.bits == other.bits and self.pre == other.pre

    def __hash__(self) -> int:
        return hash(self.bits)

    def is_subset(self, other: Versions) -> bool:
        return not self.bits & ~other.bits

    def is_superset(self, other: Versions) -> bool:
        return not other.bits & ~self.bits

    def is_disjoint(self, other: Versions) -> bool:
        return not self.bits & other.bits

    def relation(self, other: Versions) -> RangeRelation:
        common = self.bits & other.bits
        if common == self.bits:
            return RangeRelation.SUBSET if common else RangeRelation.EMPTY
        return RangeRelation.OVERLAPPING if common else RangeRelation.DISJOINT

    def __str__(self) -> str:
        """The specifier as it was written, else the versions, oldest first: `1.0 to 1.4, 2.0`."""
        if self._text is not None:
            return self._text
        runs = []
        for held, run in groupby(self._choices.named(self.bits) if self._choices else (), key=lambda each: each[1]):
            if held:
                versions = [version for version, _ in run]
                runs.append(versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}")
        return ", ".join(runs)


def _each(bits: int) -> Iterator[int]:
    """The places of the bits, lowest first."""
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1
