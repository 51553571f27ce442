"""Why a version is not in a lock: what refuses its files, what in the lock excludes it, and what it would need."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.lock import Lock
from wheelhouse.metadata import CoreMetadata
from wheelhouse.outputs.tree import asker
from wheelhouse.resolve.refusals import Refusal, nearness
from wheelhouse.resolve.view import View
from wheelhouse.resolve.wants import asks_for_pre

_SHOWN = 6  # different reasons: a project such as numpy has fifty files a version


class Excluded(Struct, frozen=True):
    """A requirement of the lock that the version does not meet. `by` as in `required_by`; `version` is that of `by`."""

    by: str
    version: Version | None
    requirement: str


class Unmet(Struct, frozen=True):
    """Something that the version requires and that the lock has otherwise, or not at all (None)."""

    requirement: str
    locked: Version | None


class WhyNot(Struct, frozen=True, kw_only=True):
    """The answer for one lock. `listed` are the index's versions that were meant, newest first."""

    name: NormalizedName
    version: Version
    locked: Version | None
    listed: tuple[Version, ...]
    refused: tuple[Refusal, ...] = ()  # nearest to being taken first; empty where a file would do
    excluded: tuple[Excluded, ...] = ()
    needs: tuple[Unmet, ...] = ()
    note: str | None = None

    def lines(self) -> Iterator[str]:
        """The answer for people."""
        if self.locked in self.listed:
            yield f"{self.name} {self.locked} is in the lock"
            return
        has = f"the lock has {self.locked}" if self.locked is not None else "the lock does not have the project"
        yield f"{self.name} {self.version} is not taken; {has}"
        alike: dict[str, list[Refusal]] = {}
        for refusal in self.refused:
            alike.setdefault(str(refusal.reason), []).append(refusal)
        for first, *others in list(alike.values())[:_SHOWN]:
            beside = f" (so do {len(others)} more files)" if len(others) > 1 else " (so does another)" if others else ""
            yield f"  {first}{beside}"
        if len(alike) > _SHOWN:
            rest = sum(len(each) for each in list(alike.values())[_SHOWN:])
            yield f"  … and {rest} more {'file' if rest == 1 else 'files'}"
        for each in self.excluded:
            who = "" if each.version is None else f" ({each.by.partition('[')[0]} {each.version} is in the lock)"
            yield f"  {asker(f'{each.by}: {each.requirement}')}{who}"
        for need in self.needs:
            other = "the lock has no such project" if need.locked is None else f"the lock has {need.locked}"
            yield f"  it requires `{need.requirement}`; {other}"
        if self.note is not None:
            yield f"  {self.note}"

    def facts(self) -> dict[str, object]:
        """The answer for machines."""
        return {
            "locked": None if self.locked is None else str(self.locked),
            "listed": [str(each) for each in self.listed],
            "refused": [{"file": each.filename, "reason": str(each.reason)} for each in self.refused],
            "excluded-by": [
                {
                    "by": None if each.by == "(asked for)" else each.by,
                    "version": None if each.version is None else str(each.version),
                    "requirement": each.requirement,
                }
                for each in self.excluded
            ],
            "needs": [
                {"requirement": each.requirement, "locked": None if each.locked is None else str(each.locked)}
                for each in self.needs
            ],
            "note": self.note,
        }


def why_not(view: View, lock: Lock, name: NormalizedName, version: Version) -> WhyNot:
    """Why the lock does not have the version. A version without a local part stands for all of its builds.

    Raises what `view`'s catalog raises, and `NeedsAccelerator`.
    """
    pin = lock.package(name)
    locked = None if pin is None else pin.version
    project = view.project(name)
    if project is None:
        return WhyNot(name=name, version=version, locked=locked, listed=(), note=f"no index lists `{name}`")
    listed = tuple(each for each in project.versions if version in (each, None if each.local is None else _bare(each)))
    if not listed:
        newest = f"; the newest that it lists is {project.versions[0]}" if project.versions else ""
        note = f"the index does not list this version{newest}"
        return WhyNot(name=name, version=version, locked=locked, listed=(), note=note)
    if locked in listed:
        return WhyNot(name=name, version=version, locked=locked, listed=listed)
    refused: list[Refusal] = []
    needs: tuple[Unmet, ...] = ()
    taken: Version | None = None
    for each in listed:
        offer = project.offer(each)
        usable = None if offer.candidate is None else view.usable(offer.candidate)
        if offer.candidate is not None and isinstance(usable, CoreMetadata):
            taken, needs = (
                each,
                tuple(_unmet(view, lock, [want.text for want in view.dependencies(offer.candidate, frozenset())])),
            )
            break
        if offer.candidate is not None and not isinstance(usable, CoreMetadata) and usable is not None:
            refused.append(Refusal(offer.candidate.file.filename, usable))
        refused += offer.refusals
    judged = listed[0] if taken is None else taken
    excluded = tuple(_excluded(lock, name, judged))
    return WhyNot(
        name=name,
        version=version,
        locked=locked,
        listed=listed,
        refused=()
        if taken is not None
        else tuple(sorted(refused, key=lambda each: (-nearness(each.reason), each.filename))),
        excluded=excluded,
        needs=needs,
        note=None if taken is None else _note(view, lock, name, taken, free=not excluded and not needs),
    )


def _bare(version: Version) -> Version:
    return Version(version.public)


def _excluded(lock: Lock, name: NormalizedName, version: Version) -> Iterator[Excluded]:
    pin = lock.package(name)
    for line in () if pin is None else pin.required_by:
        who, _, text = line.partition(": ")
        requirement = _requirement(text)
        if requirement is None or requirement.specifier.contains(version, prereleases=True):
            continue
        asking = None if who.startswith("(") else lock.package(canonicalize_name(who.partition("[")[0]))
        yield Excluded(who, None if asking is None else asking.version, text)


def _unmet(view: View, lock: Lock, texts: list[str]) -> Iterator[Unmet]:
    for text in texts:
        requirement = _requirement(text)
        if requirement is None:
            continue
        pin = lock.package(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin.version, prereleases=True):
            yield Unmet(text, None if pin is None else pin.version)


def _note(view: View, lock: Lock, name: NormalizedName, version: Version, *, free: bool) -> str | None:
    """What keeps a usable version away though no requirement does."""
    pin = lock.package(name)
    asked = [_requirement(line.partition(": ")[2]) for line in (() if pin is None else pin.required_by)]
    if version.is_prerelease and not view.pre and not any(each and asks_for_pre(each.specifier) for each in asked):
        return "it is a pre-release, and none is asked for: `--pre`, or name it with `==`"
    if not free:
        return None
    if pin is None:
        return "nothing refuses it: nobody asks for the project"
    if version > pin.version:
        return f"nothing refuses it: an earlier lock may keep {pin.version}; `--upgrade-package {name}` forgets that"
    return f"nothing refuses it: a newer version was there; to take it, ask for `{name}=={version}`"


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text.removesuffix(" (undeclared)"))
    except InvalidRequirement:
        return None
