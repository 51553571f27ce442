"""What happened, as values: rooms report to a listener and never print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something a listener may show."""


@dataclass(frozen=True, slots=True)
class Said(Event):
    """A line of ordinary talk, shown unless `--quiet`."""

    message: str


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """A line shown with `--verbose` only."""

    message: str


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """Something that a person must see, with what to type."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Found(Event):
    """What a check found: `severity` is `error` or `warning`; `hint` says what to type, one way a line."""

    severity: str
    rule: str
    message: str
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Resolving(Event):
    """The solver has looked at one more thing: `pages` and `metadata` are counts so far."""

    pages: int
    metadata: int


@dataclass(frozen=True, slots=True)
class FetchStarted(Event):
    """Files are about to be fetched; `size` (bytes) is the sum of what is known."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class FileStarted(Event):
    """A file's transfer begins; `done` bytes of `size` were there from an earlier run."""

    filename: str
    size: int | None
    done: int


@dataclass(frozen=True, slots=True)
class FileAdvanced(Event):
    """`count` more bytes of the file are on disk."""

    filename: str
    count: int


@dataclass(frozen=True, slots=True)
class FileRestarted(Event):
    """What was on disk is given up and the file begins at byte 0."""

    filename: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileDone(Event):
    """The file is whole, verified and named."""

    filename: str


@dataclass(frozen=True, slots=True)
class FileFailed(Event):
    """The file could not be had; the error is told at the end."""

    filename: str
    message: str


@dataclass(frozen=True, slots=True)
class FetchFinished(Event):
    """All files were tried."""


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that shows nothing."""
