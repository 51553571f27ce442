"""Which of a project's versions a set of specifiers admits, in a few steps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version


class Span(NamedTuple):
    """Of a project's versions, newest first, those from place `start` to before `end`, but for `holes` like it.

    `others` are specifiers that have to be asked about each of them.
    """

    start: int
    end: int
    holes: Sequence[tuple[int, int]]
    others: Sequence[Specifier]


class Spans:
    """The stretches of `versions`, newest first, that specifiers admit; each found once, by its text."""

    def __init__(self, versions: Sequence[Version]) -> None:
        self._versions = versions
        self._cuts: dict[str, tuple[int, int]] = {}

    def within(self, specifiers: SpecifierSet) -> Iterator[Version]:
        """The versions in the set, newest first, looked at as far as somebody asks."""
        start, end, holes, others = self.of(specifiers)
        places = (at for at in range(start, end) if not any(a <= at < b for a, b in holes))
        admitted = (self._versions[at] for at in places)
        if not others:
            return admitted
        return (each for each in admitted if all(one.contains(each, prereleases=True) for one in others))

    def of(self, specifiers: SpecifierSet) -> Span:
        """Each of `>=`, `>`, `<`, `<=`, `==` and `~=` admits one stretch of the versions, and `!=` all but one."""
        start, end = 0, len(self._versions)
        holes, others = [], []
        for specifier in specifiers:
            lowest = _lowest(specifier)
            if specifier.operator in (">=", ">"):
                end = min(end, self._cut(specifier, newest=True))
            elif specifier.operator in ("<", "<="):
                start = max(start, self._cut(specifier, newest=False))
            elif lowest is not None:
                newest, oldest = self._stretch(specifier, lowest)
                start, end = max(start, newest), min(end, oldest)
            elif specifier.operator == "!=":
                without = Specifier(f"=={specifier.version}")
                holes.append(self._stretch(without, _lowest(without)))
            else:
                others.append(specifier)
        return Span(start, max(start, end), holes, others)

    def _cut(self, specifier: Specifier, *, newest: bool) -> int:
        """Where the versions, newest first, stop being admitted (`newest`: the newest are), or begin to be."""
        text = str(specifier)
        found = self._cuts.get(text)
        if found is None:
            found = self._cuts[text] = (
                bisect_left(
                    range(len(self._versions)),
                    True,
                    key=lambda at: specifier.contains(self._versions[at], prereleases=True) != newest,
                ),
                0,
            )
        return found[0]

    def _stretch(self, specifier: Specifier, lowest: Version | None) -> tuple[int, int]:
        """From where to where the versions, newest first, are admitted by a `==` or `~=`; `lowest` they admit."""
        assert lowest is not None
        text = str(specifier)
        found = self._cuts.get(text)
        if found is None:
            last = bisect_left(range(len(self._versions)), True, key=lambda at: self._versions[at] < lowest)
            first = bisect_left(
                range(last), True, key=lambda at: specifier.contains(self._versions[at], prereleases=True)
            )
            found = self._cuts[text] = first, last
        return found


def _lowest(specifier: Specifier) -> Version | None:
    """The lowest version that a `==` or `~=` can admit; None for other operators."""
    if specifier.operator == "==":
        text = specifier.version
        return Version(f"{text[:-2]}.dev0" if text.endswith(".*") else text)
    return Version(specifier.version) if specifier.operator == "~=" else None
