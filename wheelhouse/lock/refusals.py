"""Why someone else's lock, or a package in it, cannot be taken for a target: a sentence each, and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct

from wheelhouse.errors import WheelhouseError
from wheelhouse.simple.links import plain

BUILD = "build a wheel of it, put it in a folder, and lock anew: `wheelhouse lock -r FILE --find-links FOLDER`"
_SHOWN = 4  # tags in one sentence: a project such as numpy has forty


class PackageReason(Struct, frozen=True):
    """Why a package cannot be taken; `str` ends the sentence "`numpy` 1.26.4 …"."""

    hint: ClassVar[str] = ""


class NoWheel(PackageReason, frozen=True):
    """No wheel fits. `tags` are those of the wheels that there are, the nearest first; `sdist`: there is one beside."""

    tags: tuple[str, ...]
    sdist: bool

    @property
    def hint(self) -> str:  # type: ignore[override]
        if self.tags:
            return (
                "lock anew for this machine: `wheelhouse lock -r FILE --target LABEL`, or with the tool that wrote it"
            )
        return BUILD

    def __str__(self) -> str:
        if not self.tags:
            return "has only a source distribution" if self.sdist else "has no wheel"
        shown = ", ".join(f"`{plain(each)}`" for each in self.tags[:_SHOWN])
        more = len(self.tags) - _SHOWN
        beside = " and a source distribution" if self.sdist else ""
        return f"has no wheel that fits, only {shown}{f' and {more} more' if more > 0 else ''}{beside}"


class NoDigest(PackageReason, frozen=True):
    """The wheel that fits is recorded without a SHA-256, or with one that is none."""

    filename: str
    hint: ClassVar[str] = "lock anew from an index that gives SHA-256: no file is taken that cannot be checked"

    def __str__(self) -> str:
        return f"has no SHA-256 for `{plain(self.filename)}`"


class NotAWheel(PackageReason, frozen=True):
    """The package comes from a place that holds no wheel; `what` is `a repository`, `a folder` or `an archive`."""

    what: str
    place: str
    hint: ClassVar[str] = BUILD

    def __str__(self) -> str:
        return f"comes from {self.what} (`{plain(self.place)}`), not from a wheel"


class BadFile(PackageReason, frozen=True):
    """The lock names a file that can be no wheel of this package."""

    filename: str
    problem: str

    def __str__(self) -> str:
        return f"names the file `{plain(self.filename)[:120]}`, {self.problem}"


class BadMarker(PackageReason, frozen=True):
    """A marker that decides about the package cannot be judged."""

    marker: str
    problem: str

    def __str__(self) -> str:
        return f"stands under the marker `{plain(self.marker)[:120]}`, which cannot be judged: {plain(self.problem)}"


class NeedsPython(PackageReason, frozen=True):
    """The lock says that the package does not run on the target's newest patch level."""

    requires_python: str

    def __str__(self) -> str:
        return f"needs Python {self.requires_python}"


class SeveralPins(PackageReason, frozen=True):
    """More than one entry counts. `by_patch`: each at other patch levels of the target's Python."""

    versions: tuple[str, ...]
    by_patch: bool

    def __str__(self) -> str:
        pins = " and ".join(f"`{plain(each)}`" for each in self.versions)
        if self.by_patch:
            return f"is pinned at {pins}, depending on the patch level of Python"
        return f"is pinned more than once: at {pins}"

    @property
    def hint(self) -> str:  # type: ignore[override]
        if self.by_patch:
            return "name the patch level in the target, for example `py3.10.12`"
        return "choose one of the extras or groups that exclude each other: `--extra NAME`, `--group NAME`"


class OtherBuild(PackageReason, frozen=True):
    """PyTorch's build in the lock is not the target's. `found` is a channel (`cu118`), None where nothing proves it."""

    found: str | None
    accelerator: str

    def __str__(self) -> str:
        found = f"is the `{self.found}` build" if self.found else "is a build that says nothing of its accelerator"
        return f"{found}, and the target takes `{self.accelerator}`"

    @property
    def hint(self) -> str:  # type: ignore[override]
        if self.found:
            return f"name `{self.found}` in the target, or lock PyTorch anew from its channel `{self.accelerator}`"
        return f"lock PyTorch anew from its channel `{self.accelerator}`"


class RefusedPackage(Struct, frozen=True):
    """A package of the lock that cannot be taken, and why. `version` is None where the lock tells none."""

    name: str
    version: str | None
    reason: PackageReason

    def __str__(self) -> str:
        return f"`{self.name}`{f' {self.version}' if self.version else ''} {self.reason}"


class CannotAdopt(WheelhouseError):
    """Packages of someone else's lock cannot be taken for the target; all of them are told, a line each."""

    def __init__(self, source: str, label: str, refused: Sequence[RefusedPackage]) -> None:
        super().__init__(source, label, *refused)
        self.source, self.label, self.refused = source, label, tuple(refused)
        self.hint = "\n".join(dict.fromkeys(each.reason.hint for each in refused if each.reason.hint))

    def __str__(self) -> str:
        head = f"`{self.source}` cannot be taken for `{self.label}`"
        if len(self.refused) == 1:
            return f"{head}: {self.refused[0]}"
        return "\n".join((f"{head}, for {len(self.refused)} reasons:", *(f"  {each}" for each in self.refused)))


class OtherMachine(WheelhouseError):
    """The whole lock was made for other machines or Pythons than the target."""

    def __init__(self, source: str, label: str, problem: str, *, hint: str) -> None:
        super().__init__(source, label, problem)
        self.source, self.label, self.problem, self.hint = source, label, problem, hint

    def __str__(self) -> str:
        return f"`{self.source}` is not for `{self.label}`: {self.problem}"


class NotALock(WheelhouseError):
    """A file that is neither a `pylock.toml` (PEP 751) nor a `uv.lock` that can be read."""

    def __init__(self, source: str, problem: str, *, hint: str = "") -> None:
        super().__init__(source, problem)
        self.source, self.problem = source, plain(problem)
        self.hint = hint or "name a `pylock.toml` (PEP 751) or a `uv.lock`"

    def __str__(self) -> str:
        return f"`{self.source}` cannot be read as a lock: {self.problem}"
