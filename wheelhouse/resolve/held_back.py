"""What the filters kept away, where that pushed a pin back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.errors import WheelhouseError
from wheelhouse.indexes import in_torch_family
from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.refusals import Needs, NotAny, NotProven, Reason, SdistOnly, WrongBuild, WrongTag
from wheelhouse.resolve.view import View


class HeldBack(Struct, frozen=True):
    """A pin that is older than it had to be: `newer` is what the requirements admit and a filter kept away."""

    project: NormalizedName
    pinned: Version
    newer: Version
    reason: Reason
    filename: str  # one file of `newer` that shows the reason

    @property
    def is_error(self) -> bool:
        """Newer releases that exist only as source distributions stop the lock; the rest is a warning or a detail."""
        return _weight(self.reason) == 2

    @property
    def is_warning(self) -> bool:
        """Newer releases have wheels, but not for this platform or build."""
        return _weight(self.reason) == 1

    def __str__(self) -> str:
        if isinstance(self.reason, SdistOnly):
            return (
                f"`{self.project}` {self.newer} is only a source distribution; {self.pinned} is the newest with a wheel"
            )
        return f"`{self.project}` is held back at {self.pinned}: {self.newer} {self.reason}"


class OnlyOlder(WheelhouseError):
    """Pins that are old only because every newer release is a source distribution."""

    def __init__(self, held: tuple[HeldBack, ...]) -> None:
        super().__init__(held)
        self.held = held
        names = " ".join(f"--allow-older {each.project}" for each in held)
        self.hint = (
            f"to take the old release anyway: `{names}`\n"
            f"to build the new one, which runs its code here: `{' '.join(dict.fromkeys(map(_allowing, held)))}`"
        )

    def __str__(self) -> str:
        return "\n".join(str(each) for each in self.held)


def _allowing(held: HeldBack) -> str:
    """The option that lets what stands in the way be built: the project itself, or what its newer release needs."""
    name = str(held.project)
    reason = held.reason
    while isinstance(reason, Needs):
        name, reason = re.split(r"[^\w.-]", reason.text, maxsplit=1)[0], reason.reason
    return f"--from-sdist {name}"


def held_back(view: View, pins: Iterable[tuple[NormalizedName, Version, SpecifierSet]]) -> tuple[HeldBack, ...]:
    """Per pin (project, version, all that is required of it): the newest release that a filter kept away, if any.

    A pin that the solver or an earlier lock keeps below a usable release was not pushed back by a filter. A
    pre-release is never the newer release of a final one.
    """
    found = []
    bounded = [(name, pinned, view.constrained(name, specifier)) for name, pinned, specifier in pins]
    deciding = (_newest_unread(view, *pin) for pin in bounded)
    view.expect_metadata([candidate for candidate in deciding if candidate is not None])
    for name, pinned, specifier in bounded:
        each = _newest_refused(view, name, pinned, specifier)
        if each is not None:
            found.append(each)
    return tuple(sorted(found, key=lambda held: held.project))


def _newest_unread(view: View, name: NormalizedName, pinned: Version, specifier: SpecifierSet) -> Candidate | None:
    """The candidate whose core metadata decides: the newest above the pin, where a lock's version came first."""
    project = view.project(name)
    if project is None:
        return None
    newer = itertools.takewhile(lambda version: version > pinned, project.versions)
    counted = (version for version in newer if pinned.is_prerelease or not version.is_prerelease)
    offered = (project.offer(version).candidate for version in counted if view.contains(specifier, version))
    return next((each for each in offered if each is not None), None)


def _newest_refused(view: View, name: NormalizedName, pinned: Version, specifier: SpecifierSet) -> HeldBack | None:
    project = view.project(name)
    if project is None:
        return None
    newest: HeldBack | None = None
    for version in project.versions:
        if version <= pinned or version.public == pinned.public:
            break
        if not view.contains(specifier, version) or (version.is_prerelease and not pinned.is_prerelease):
            continue
        if newest is not None and project.is_too_new(version):
            continue  # a detail, and one is told already
        offer = project.offer(version)
        candidate = offer.candidate
        reason: Reason | None
        if candidate is not None:
            filename, usable = candidate.file.filename, view.usable(candidate)
            reason = _lacking(view, candidate) if isinstance(usable, CoreMetadata) else usable
            if reason is None:
                return None  # usable: the solver or the previous lock chose the older one
        else:
            reason = offer.reason()
            filename = next((each.filename for each in offer.refusals if each.reason == reason), "")
        if reason is not None and (newest is None or _weight(reason) > _weight(newest.reason)):
            newest = HeldBack(name, pinned, version, reason, filename)
    return newest


def _lacking(view: View, candidate: Candidate) -> Needs | None:
    """What the candidate requires that has not one wheel for the target, though the index has files of it."""
    for want in view.dependencies(candidate, frozenset()):
        if in_torch_family(want.project) and view.target.accelerator is None:
            continue
        if next(view.matching(want.project, want.specifier), None) is None:
            specifier = view.constrained(want.project, want.specifier)
            refused = [reason for _, reason, _ in view.refused(want.project, specifier)]
            if refused:
                return Needs(want.text, min(refused, key=_weight))
    return None


def _weight(reason: Reason) -> int:
    """2 for an error, 1 for a warning, 0 for a detail; within one weight the newest release speaks."""
    match reason:
        case Needs():
            return _weight(reason.reason)
        case SdistOnly():
            return 2
        case WrongBuild() | NotAny() | NotProven() | WrongTag(part="platform"):
            return 1
    return 0
