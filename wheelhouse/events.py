"""What happened, as values: rooms report to a listener and never print."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Event(Struct, frozen=True):
    """Something a listener may show."""


class Said(Event, frozen=True):
    """A line of ordinary talk, shown unless `--quiet`."""

    message: str


class Noted(Event, frozen=True):
    """A line shown with `--verbose` only."""

    message: str


class Warned(Event, frozen=True):
    """Something that a person must see, with what to type."""

    message: str
    hint: str = ""


class Found(Event, frozen=True):
    """What a check found: `severity` is `error` or `warning`; `hint` says what to type, one way a line."""

    severity: str
    rule: str
    message: str
    why: str = ""
    hint: str = ""


class Resolving(Event, frozen=True):
    """The solver has looked at one more thing: `pages` and `metadata` are counts so far."""

    pages: int
    metadata: int


class FetchStarted(Event, frozen=True):
    """Files are about to be fetched; `size` (bytes) is the sum of what is known."""

    files: int
    size: int


class FileStarted(Event, frozen=True):
    """A file's transfer begins; `done` bytes of `size` were there from an earlier run."""

    filename: str
    size: int | None
    done: int


class FileAdvanced(Event, frozen=True):
    """`count` more bytes of the file are on disk."""

    filename: str
    count: int


class FileRestarted(Event, frozen=True):
    """What was on disk is given up and the file begins at byte 0."""

    filename: str
    reason: str


class FileDone(Event, frozen=True):
    """The file is whole, verified and named."""

    filename: str


class FileFailed(Event, frozen=True):
    """The file could not be had; the error is told at the end."""

    filename: str
    message: str


class FetchFinished(Event, frozen=True):
    """All files were tried."""


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that shows nothing."""
