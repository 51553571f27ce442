"""The root of every error that wheelhouse tells a person, and of none that it does not."""

from __future__ import annotations

from collections.abc import Sequence


class WheelhouseError(Exception):
    """One sentence for a person (`str(error)`), and a hint that says what to type.

    Subclasses hold facts as attributes and build their sentence in `__str__`: names in backticks, no full stop.
    `hint` may have several lines; each is printed behind its own `hint:`.
    """

    hint: str = ""
    exit_code: int = 1  # 1: the job cannot be done, 2: wrong usage


class UsageError(WheelhouseError):
    """What was typed cannot be meant: wrong label, unreadable requirement, option that does not fit."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Failures(WheelhouseError):
    """Several errors that are told together; the exit code is the highest of theirs."""

    def __init__(self, errors: Sequence[WheelhouseError]) -> None:
        super().__init__(*errors)
        self.errors = tuple(errors)
        self.exit_code = max((error.exit_code for error in errors), default=1)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)
