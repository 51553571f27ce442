"""Symbols that a library wants of another wheel's and that are not there: the dynamic linker stops with each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from packaging.utils import NormalizedName

from wheelhouse.compat.binaries.closure import Closure, Owned, names_of
from wheelhouse.compat.model import Finding, Severity
from wheelhouse.data import table

_SHOWN = 60  # characters of a symbol's name
_NVJITLINK = re.compile(r"__nvJitLink\w+?_(\d+)_(\d+)")


def missing_symbols(closure: Closure) -> Iterator[Finding]:
    """`binary`: what one wheel's libraries want of another's, by name.

    Version nodes alone do not tell: every libnvJitLink.so.12 defines the one node `libnvJitLink.so.12`, and only the
    newer ones `__nvJitLinkAddData_12_1` (measured on 12.0.140, 12.1.105 and 12.9.86).
    """
    found: dict[tuple[NormalizedName, NormalizedName], _Missing] = {}
    for each in closure.files:
        for library, names in (*_versioned(closure, each), *_unversioned(closure, each)):
            missing = found.setdefault((each.project, closure.brought(library)[0].project), _Missing([], {}))
            missing.users.append(each)
            missing.names.update(dict.fromkeys(names, library))
    for (project, provider), missing in sorted(found.items(), key=lambda item: item[0]):
        yield _finding(closure, project, provider, missing)


class _Missing(NamedTuple):
    """What one project's files want of another's and do not find; `names` are symbols with their library."""

    users: list[Owned]
    names: dict[str, str]


def _versioned(closure: Closure, each: Owned) -> Iterator[tuple[str, list[str]]]:
    for library, names in each.elf.versioned.items():
        owners = closure.brought(library)
        missing = [name for name in names if not any(name in owner.elf.exports for owner in owners)]
        if owners and missing:
            yield library, missing


def _unversioned(closure: Closure, each: Owned) -> Iterator[tuple[str, list[str]]]:
    """Names without a version may come from any library that is loaded: all of the closure's are asked.

    A library that is linked to something nobody knows may have them from there, and is not judged.
    """
    if not each.elf.undefined or any(not is_known(closure, library) for library in each.elf.needed):
        return
    others = [
        library
        for library in each.elf.needed
        if (owners := closure.brought(library)) and all(owner.project != each.project for owner in owners)
    ]
    near = closure.reach(each)[1:]
    missing = [
        name
        for name in each.elf.undefined
        if not any(name in other.elf.exports for other in near)
        and not any(name in other.elf.exports for other in closure.files)
    ]
    by_library: dict[str, list[str]] = {}
    for name in missing:
        library = _likely(name, others)
        if library is not None:
            by_library.setdefault(library, []).append(name)
    yield from sorted(by_library.items())


def _likely(name: str, libraries: Iterable[str]) -> str | None:
    """Of the other wheels' libraries that the file is linked to, the one that ought to define the name."""
    for row in table("link.json")["families"]:
        if any(re.match(prefix, name) for prefix in row["symbols"]):
            return next((each for each in libraries if re.match(rf"lib{row['library']}\.so\.", each)), None)
    if not name.startswith("_Z"):
        return None
    # C++: the namespace stands in the name, `_ZN3c10…` in libc10.so, `_ZN5torch…`, `_ZN2at…` in libtorch*.so
    plain = [each for each in libraries if not re.match(r"lib(cu|nv|nccl)", each)]
    space = re.match(r"_ZN?K?(\d+)(c10|torch|caffe2|at)", name)
    if space is not None and space[2] == "c10":
        plain.sort(key=lambda each: not each.startswith("libc10"))
    return plain[0] if plain else None


def is_known(closure: Closure, library: str) -> bool:
    """Whether the closure, every Linux or the driver brings it."""
    name = library.rpartition("/")[2]
    return name in _everywhere() or bool(closure.brought(name))


@cache
def _everywhere() -> frozenset[str]:
    told = table("link.json")
    return frozenset((*told["base"]["libraries"], *told["base"]["musl"], *told["driver"]["libraries"]))


def _finding(closure: Closure, project: NormalizedName, provider: NormalizedName, missing: _Missing) -> Finding:
    pins = closure.subject.pins
    first, *others = sorted(missing.names)
    more = f" and {len(others)} more symbols" if len(others) > 1 else " and another symbol" if others else ""
    lacks = "does not have them" if others else "does not have it"
    required = [each for each in missing.users if closure.is_required(each)]
    # a plugin counts where its project says that it is made for the other one (torchvision: torch==2.1.2)
    hard = required or provider in pins[project].dependencies
    shown = first if len(first) <= _SHOWN else first[: _SHOWN - 1] + "…"
    return Finding(
        rule="binary",
        severity=Severity.ERROR if hard else Severity.NOTE,
        what=f"`{pins[project]}` needs `{readable(first)}`{more} of `{missing.names[first]}`,"
        f" and `{pins[provider]}` {lacks}",
        why=f"`{(required or missing.users)[0].elf.name}` does not load: `undefined symbol: {shown}`",
        way_out=_way_out(project, provider, missing.names),
        projects=names_of((project, provider)),
    )


def readable(symbol: str) -> str:
    """A symbol for people: `at::_ops::zeros_like::call` of a C++ name, without its arguments; others as they are."""
    match = re.match(r"_ZNK?(?=\d)", symbol)
    parts: list[str] = []
    at = match.end() if match else len(symbol)
    while length := re.compile(r"\d{1,4}").match(symbol, at):
        at = length.end() + int(length[0])
        parts.append(symbol[length.end() : at])
    return "::".join(parts) or symbol


def _way_out(project: str, provider: str, missing: Iterable[str]) -> str:
    levels = [(int(match[1]), int(match[2])) for name in missing if (match := _NVJITLINK.fullmatch(name))]
    if levels:
        major, minor = max(levels)
        return f"`{provider}>={major}.{minor},<{major + 1}`"
    return f"versions of `{project}` and `{provider}` that were built for each other"
