"""Why a file is not a candidate: values with a sentence each, in the order in which they are asked.

The order: yanked, too new, Requires-Python, interpreter or ABI tag, platform tag, build, sdist only.
`nearness` turns it into a number: the file that passed the most questions tells why a version is missing.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from msgspec import Struct


class Reason(Struct, frozen=True):
    """Why a file was left out; `str` ends the sentence "… is left out: it …"."""

    nearness: ClassVar[int] = 0


class BadName(Reason, frozen=True):
    """The file name is no wheel's or sdist's of this project."""

    def __str__(self) -> str:
        return "has a name that is no wheel's or sdist's of this project"


class Yanked(Reason, frozen=True):
    """PEP 592: only an exact `==` may still take it."""

    reason: str
    nearness: ClassVar[int] = 1

    def __str__(self) -> str:
        return f"was yanked ({self.reason})" if self.reason else "was yanked"


class TooNew(Reason, frozen=True):
    """Uploaded at or after `--exclude-newer`, or at a time that the index does not tell (None)."""

    upload_time: datetime | None
    nearness: ClassVar[int] = 2

    def __str__(self) -> str:
        if self.upload_time is None:
            return "has no upload time, which `--exclude-newer` needs"
        return f"was uploaded on {self.upload_time:%Y-%m-%d}, after `--exclude-newer`"


class RequiresPython(Reason, frozen=True):
    """The project says that it does not run on the target's Python."""

    specifier: str
    nearness: ClassVar[int] = 3

    def __str__(self) -> str:
        return f"needs Python {self.specifier}"


class WrongTag(Reason, frozen=True):
    """The wheel is for another interpreter, ABI or platform; `tags` as in the file name."""

    tags: str
    part: str  # "interpreter", "abi" or "platform"

    @property
    def rank(self) -> int:
        """Interpreter and ABI are asked before the platform."""
        return 5 if self.part == "platform" else 4

    def __str__(self) -> str:
        return {
            "interpreter": f"is for another Python (`{self.tags}`)",
            "abi": f"is for another Python ABI (`{self.tags}`)",
            "platform": f"is for another platform (`{self.tags}`)",
        }[self.part]


class WrongBuild(Reason, frozen=True):
    """The wheel's local version names another accelerator than the target's, or none where one is due."""

    local: str
    accelerator: str
    nearness: ClassVar[int] = 6

    def __str__(self) -> str:
        return f"is the `{self.local or 'unlabelled'}` build, not `{self.accelerator}`"


class NotAny(Reason, frozen=True):
    """Another index may give only platform-independent wheels of this project."""

    nearness: ClassVar[int] = 6

    def __str__(self) -> str:
        return "is not from PyTorch's channel, and only a `none-any` wheel may come from elsewhere"


class WrongDigest(Reason, frozen=True):
    """The requirement names the digests that count (`--hash`), and this file's is none of them, or unknown."""

    nearness: ClassVar[int] = 6

    def __str__(self) -> str:
        return "has none of the digests that `--hash` names"


class NoBinary(Reason, frozen=True):
    """A wheel of a project that `--no-binary` names."""

    nearness: ClassVar[int] = 6

    def __str__(self) -> str:
        return "is a wheel, and `--no-binary` wants it built"


class SdistOnly(Reason, frozen=True):
    """A source distribution: it would have to be built."""

    nearness: ClassVar[int] = 7

    def __str__(self) -> str:
        return "is a source distribution"


class NotProven(Reason, frozen=True):
    """A stand-in for PyTorch's channel whose core metadata does not prove the target's CUDA build."""

    found: str
    accelerator: str
    nearness: ClassVar[int] = 8

    def __str__(self) -> str:
        return f"{self.found}, which does not prove a `{self.accelerator}` build"


class BadMetadata(Reason, frozen=True):
    """The wheel's core metadata cannot be used: broken, or it lies about its name or version."""

    problem: str
    nearness: ClassVar[int] = 9

    def __str__(self) -> str:
        return f"has unusable core metadata: {self.problem}"


class Needs(Reason, frozen=True):
    """The wheel is good, but something that it requires has no wheel for the target, for the reason that is given."""

    text: str
    reason: Reason

    def __str__(self) -> str:
        return f"needs `{self.text}`, which {self.reason}"


def nearness(reason: Reason) -> int:
    """How many questions the file passed before it was left out; more is nearer to being taken."""
    return reason.rank if isinstance(reason, WrongTag) else reason.nearness


class Refusal(Struct, frozen=True):
    """A file that was left out, and why."""

    filename: str
    reason: Reason

    def __str__(self) -> str:
        return f"`{self.filename}` {self.reason}"
