"""What a wheel requires: lines of core metadata that become values when somebody looks at them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, cached_property, lru_cache
from typing import overload

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

_ABSURD = re.compile(r"\d{1000}")  # Python makes no number of more than 4,300 digits: `ValueError` where it is compared


class Requires(Sequence[Requirement]):
    """What a wheel requires, in its file's order, each made of its line when somebody looks at it.

    Requirements are shared between wheels: never change one. Most lines of most wheels stand for an extra that nobody
    asks for, and a requirement costs 30 µs.
    """

    def __init__(self, lines: Sequence[str], plain: Sequence[int] | None = None) -> None:
        """`plain`: the positions of the lines that may hold where no extra is asked for; found out where None."""
        self.lines = tuple(lines)
        self.plain = tuple(at for at, line in enumerate(lines) if not is_of_an_extra(line)) if plain is None else plain

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, at: int) -> Requirement: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Requirement, ...]: ...
    def __getitem__(self, at: int | slice) -> Requirement | tuple[Requirement, ...]:
        if isinstance(at, slice):
            return tuple(requirement(line) for line in self.lines[at])
        return requirement(self.lines[at])

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.lines)

    @cached_property
    def without_extras(self) -> tuple[Requirement, ...]:
        """Those that may hold where no extra is asked for."""
        return tuple(requirement(self.lines[at]) for at in self.plain)


@lru_cache(maxsize=16384)
def is_of_an_extra(line: str) -> bool:
    """Whether a `Requires-Dist` is one that can be read, and that holds with an extra only, as build tools write it."""
    if "extra" not in line or len(line) > 300:
        return False
    before, _, marker = line.partition(";")
    terms = [_term().fullmatch(term) for term in marker.strip(" ").split(" and ")]
    return any(term and term["extra"] for term in terms) and all(terms) and _readable().fullmatch(before) is not None


_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}"


@cache
def _readable() -> re.Pattern[str]:
    """What stands before a marker: a name, with an extra or without, and clauses, in brackets or without."""
    name = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?: ?\[[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*\])?"
    version = rf"{_NUMBER}(?:(?:a|b|rc)[0-9]{{1,4}})?(?:\.post[0-9]{{1,4}})?(?:\.dev[0-9]{{1,4}})?"
    clause = rf"(?:[=!]= ?{_NUMBER}\.\*|(?:[=!<>]=|[<>]|~=(?= ?[0-9]+\.[0-9])) ?{version})"
    another = r"(?: ?, ?(?=[<>=!~])|(?= ?\)| ?$))"
    return re.compile(rf"{name} ?(?:(\()?(?:{clause}{another})+(?(1)\)))? ?")


@cache
def _term() -> re.Pattern[str]:
    """One comparison of a marker, in brackets or without, that can be evaluated."""
    extra = r"""(?P<extra>extra) ?== ?(?:'[A-Za-z0-9._-]+'|"[A-Za-z0-9._-]+")"""
    python = rf"""python_(?:full_)?version ?(?:[<>=!]=|[<>]) ?(?:'{_NUMBER}'|"{_NUMBER}")"""
    system = r"(?:sys_platform|os_name|platform_(?:system|machine|python_implementation)|implementation_name) ?[!=]= ?"
    system += r"""(?:'[A-Za-z0-9_]+'|"[A-Za-z0-9_]+")"""
    return re.compile(rf"(\()?(?:{extra}|{python}|{system})(?(1)\))")


# The wheels of one project repeat each other's lines, and a requirement costs 30 µs.
@lru_cache(maxsize=16384)
def requirement(line: str) -> Requirement:
    if _ABSURD.search(line):
        raise InvalidRequirement("a number in it has thousands of digits")
    return Requirement(line)


@lru_cache(maxsize=4096)
def specifiers(text: str) -> SpecifierSet | None:
    """The set that a Requires-Python writes; None, which admits all, for an empty or unreadable one."""
    try:
        return SpecifierSet(text) if text.strip() and not _ABSURD.search(text) else None
    except InvalidSpecifier:
        return None
