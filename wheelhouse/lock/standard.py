"""`pylock.toml` (PEP 751) of any tool, read for one target."""

from __future__ import annotations

import os.path
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from packaging.pylock import Package, Pylock, PylockValidationError
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from wheelhouse.errors import UsageError
from wheelhouse.lock.record import ROOT
from wheelhouse.lock.refusals import NotALock
from wheelhouse.lock.selection import Judge, Selected, Selection, Unjudged
from wheelhouse.target import Target


def read(
    table: Mapping[str, Any], *, source: str, target: Target, extras: Collection[str], groups: Collection[str]
) -> Selection:
    """What the lock selects with these extras, and these groups beside its default ones.

    `Pylock.select` does the same for one environment, but ends at the first package that fails. The project itself
    (the folder `.`) is left out. Raises `NotALock`, and `UsageError` for an extra or a group that it does not have.
    """
    try:
        pylock = Pylock.from_dict(table)
    except PylockValidationError as error:
        raise NotALock(source, str(error).partition("\n")[0]) from error
    defaults = pylock.default_groups or ()
    _check_known(extras, pylock.extras or (), "extra", source)
    _check_known(groups, (*(pylock.dependency_groups or ()), *defaults), "group", source)
    judge = Judge(target, extras=extras, groups=(*defaults, *groups))
    kept = [package for package in pylock.packages if not _is_the_project(package)]
    needed_by: dict[NormalizedName, list[str]] = {}
    for package in kept:
        for name in _depends_on(package):
            needed_by.setdefault(name, []).append(f"{package.name}: {name}")
    return Selection(
        selected=tuple(_selected(package, judge, needed_by.get(package.name, [])) for package in kept),
        requires_python=pylock.requires_python or SpecifierSet(),
        environments=tuple(map(str, pylock.environments or ())),
    )


def _selected(package: Package, judge: Judge, needed_by: Sequence[str]) -> Selected:
    required_by = tuple(sorted(set(needed_by))) or (f"{ROOT}: {package.name}",)
    try:
        where = judge.where(None if package.marker is None else str(package.marker))
    except Unjudged as unjudged:
        return Selected(package=package, where=0, problem=unjudged.reason)
    return Selected(package=package, where=where, dependencies=_depends_on(package), required_by=required_by)


def _depends_on(package: Package) -> tuple[NormalizedName, ...]:
    names = [each.get("name") for each in package.dependencies or ()]
    return tuple(dict.fromkeys(canonicalize_name(name) for name in names if isinstance(name, str)))


def _check_known(names: Collection[str], known: Iterable[str], kind: str, source: str) -> None:
    spelled = {canonicalize_name(each): each for each in known}
    for name in names:
        if canonicalize_name(name) not in spelled:
            shown = ", ".join(f"`{each}`" for each in sorted(spelled.values()))
            choose = f"it has {shown}" if shown else f"leave out `--{kind}`: it was chosen when the lock was written"
            raise UsageError(f"`{source}` has no {kind} `{name}`", hint=choose)


def _is_the_project(package: Package) -> bool:
    return package.directory is not None and os.path.normpath(package.directory.path or ".") == "."
