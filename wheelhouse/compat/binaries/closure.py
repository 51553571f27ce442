"""The binaries of a closed set together: who brings which library, and which files an import cannot do without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from typing import Any

from msgspec import Struct
from packaging.utils import NormalizedName

from wheelhouse.compat.binaries.model import Elf, WheelBinaries
from wheelhouse.compat.model import Subject
from wheelhouse.data import table

_OTHER_PYTHON = re.compile(r"\.cpython-(\d)(\d+)t?-")
_LIBRARY = re.compile(r"lib([A-Za-z_]+)\.so\.(\d{1,3})")
_VARIANT = re.compile(r"\d+")


class Owned(Struct, frozen=True):
    """A binary and the project whose wheel brings it."""

    project: NormalizedName
    elf: Elf


class Closure:
    """The ELF files of a closed set that are for its target's machine, each by its project; decides nothing."""

    def __init__(self, subject: Subject, binaries: Mapping[NormalizedName, WheelBinaries]) -> None:
        self.subject = subject
        self.files = tuple(
            Owned(project, elf)
            for project, wheel in sorted(binaries.items())
            if project in subject.pins
            for elf in wheel.elves
            if elf.machine == subject.target.arch
        )
        self.complete = all(project in binaries for project in subject.pins)
        self._brought: dict[str, list[Owned]] = {}
        for each in self.files:
            for name in {each.elf.soname, each.elf.name} - {""}:
                self._brought.setdefault(name, []).append(each)
        self._of_project: dict[NormalizedName, list[Owned]] = {}
        for each in self.files:
            self._of_project.setdefault(each.project, []).append(each)
        self._entries = {
            project: tuple(each for each in owned if self._is_entry(each))
            for project, owned in self._of_project.items()
        }
        self._required = frozenset(
            (each.project, each.elf.path)
            for owned in self._entries.values()
            for entry in owned
            for each in self.reach(entry)
        )

    def of(self, project: NormalizedName) -> tuple[Owned, ...]:
        """The binaries of one project, by path."""
        return tuple(self._of_project.get(project, ()))

    def brought(self, library: str) -> tuple[Owned, ...]:
        """Who brings the library with this SONAME or file name; several wheels may."""
        return tuple(self._brought.get(library.rpartition("/")[2], ()))

    def providers(self, user: Owned, library: str) -> tuple[Owned, ...]:
        """As `brought`, but its own wheel's alone where that has one."""
        every = self.brought(library)
        return tuple(each for each in every if each.project == user.project) or every

    def is_required(self, each: Owned) -> bool:
        """Whether an import needs the file: an extension module, or what one is linked to; else it is a plugin."""
        return (each.project, each.elf.path) in self._required

    def families(self) -> Mapping[str, Mapping[str, tuple[Owned, ...]]]:
        """CUDA family → major version → who brings it: `cublas` → `12` → …"""
        found: dict[str, dict[str, list[Owned]]] = {}
        for each in self.files:
            told = family_of(each.elf.soname)
            if told is not None and each.elf.name.startswith(each.elf.soname):  # else nobody finds it by that name
                found.setdefault(told[0], {}).setdefault(told[1], []).append(each)
        return {family: {major: tuple(owners) for major, owners in majors.items()} for family, majors in found.items()}

    def variants(self, each: Owned) -> Iterator[Owned]:
        """Its siblings in the wheel whose paths differ by digits alone: the same for other versions of something."""
        stem = _VARIANT.sub("#", each.elf.path)
        return (other for other in self.of(each.project) if _VARIANT.sub("#", other.elf.path) == stem)

    def entries(self) -> Mapping[NormalizedName, tuple[Owned, ...]]:
        """Each project's files that are loaded on their own: extension modules, and programs among its scripts."""
        return self._entries

    def reach(self, entry: Owned) -> tuple[Owned, ...]:
        """The file and everything that the loader brings in with it."""
        found = {(entry.project, entry.elf.path): entry}
        waiting = [entry]
        while waiting:
            each = waiting.pop()
            for library in each.elf.needed:
                for provider in self.providers(each, library):
                    key = (provider.project, provider.elf.path)
                    if key not in found:
                        found[key] = provider
                        waiting.append(provider)
        return tuple(found.values())

    def _is_entry(self, each: Owned) -> bool:
        if ".data/scripts/" in each.elf.path:
            return True
        if not each.elf.module or is_optional(each):
            return False
        other = _OTHER_PYTHON.search(each.elf.name)
        return other is None or (int(other[1]), int(other[2])) == self.subject.target.python


def is_optional(each: Owned) -> bool:
    """Whether its project does without it: one of several builds, or tried and given up quietly."""
    return bool(_optional(each))


def is_quiet(each: Owned) -> bool:
    """Whether nothing at all is said of it: it is imported only by those who use that part of its project."""
    return any(row.get("quiet") for row in _optional(each))


def _optional(each: Owned) -> list[Mapping[str, Any]]:
    return [
        row
        for row in table("link.json")["optional"]
        if fnmatch(each.project, row["project"]) and any(fnmatch(each.elf.path, path) for path in row["paths"])
    ]


@cache
def family_of(library: str) -> tuple[str, str] | None:
    """(family, major version) of a CUDA library's SONAME: `libcublasLt.so.12` is ("cublas", "12")."""
    match = _LIBRARY.match(library)
    if match is None:
        return None
    for row in table("link.json")["families"]:
        if re.fullmatch(row["library"], match[1]):
            return row["family"], match[2]
    return None


def names_of(projects: Iterable[NormalizedName]) -> tuple[NormalizedName, ...]:
    """Each once, sorted: `Finding.projects`."""
    return tuple(sorted(set(projects)))
