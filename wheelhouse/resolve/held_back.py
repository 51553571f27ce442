"""What the filters kept away, where that pushed a pin back (DESIGN §4, "held back")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.errors import WheelhouseError
from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve.refusals import NotAny, NotProven, Reason, SdistOnly, WrongBuild, WrongTag
from wheelhouse.resolve.view import View


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A pin that is older than it had to be: `newer` is what the requirements admit and a filter kept away."""

    project: NormalizedName
    pinned: Version
    newer: Version
    reason: Reason
    filename: str  # one file of `newer` that shows the reason

    @property
    def is_error(self) -> bool:
        """Newer releases that exist only as source distributions stop the lock; the rest is a warning or a detail."""
        return isinstance(self.reason, SdistOnly)

    @property
    def is_warning(self) -> bool:
        """Newer releases have wheels, but not for this platform or build."""
        return isinstance(self.reason, WrongBuild | NotAny | NotProven) or (
            isinstance(self.reason, WrongTag) and self.reason.part == "platform"
        )

    def __str__(self) -> str:
        if self.is_error:
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
            "to take the new one: build its wheel yourself and give its folder with `--find-links`"
        )

    def __str__(self) -> str:
        return "\n".join(str(each) for each in self.held)


def held_back(view: View, pins: Iterable[tuple[NormalizedName, Version, SpecifierSet]]) -> tuple[HeldBack, ...]:
    """Per pin (project, version, all that is required of it): the newest release that a filter kept away, if any.

    A pin that the solver or an earlier lock keeps below a usable release was not pushed back by a filter. A
    pre-release is never the newer release of a final one.
    """
    found = []
    for name, pinned, specifier in pins:
        each = _newest_refused(view, name, pinned, view.constrained(name, specifier))
        if each is not None:
            found.append(each)
    return tuple(sorted(found, key=lambda held: held.project))


def _newest_refused(view: View, name: NormalizedName, pinned: Version, specifier: SpecifierSet) -> HeldBack | None:
    project = view.project(name)
    if project is None:
        return None
    ruled_out = view.refusals.get(name, {})
    newest: HeldBack | None = None
    for version in project.versions:
        if version <= pinned or version.public == pinned.public:
            break
        if not view.contains(specifier, version) or (version.is_prerelease and not pinned.is_prerelease):
            continue
        offer = project.offer(version)
        candidate = offer.candidate
        reason: Reason | None
        if candidate is not None:
            reason = ruled_out.get(candidate.file.filename)
            filename = candidate.file.filename
            if reason is None:
                if version.is_prerelease or not isinstance(view.usable(candidate), CoreMetadata):
                    continue
                return None  # usable: the solver or the previous lock chose the older one
        else:
            reason = offer.reason()
            filename = next((each.filename for each in offer.refusals if each.reason == reason), "")
        if reason is not None and (newest is None or _weight(reason) > _weight(newest.reason)):
            newest = HeldBack(name, pinned, version, reason, filename)
    return newest


def _weight(reason: Reason) -> int:
    """Errors before warnings before details; within one weight the newest release speaks."""
    if isinstance(reason, SdistOnly):
        return 2
    if isinstance(reason, WrongBuild | NotAny | NotProven) or (
        isinstance(reason, WrongTag) and reason.part == "platform"
    ):
        return 1
    return 0
