"""Lock files on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wheelhouse.edge import files
from wheelhouse.errors import UsageError, WheelhouseError
from wheelhouse.lock import Lock, dump, parse
from wheelhouse.target import Target


class Unreadable(WheelhouseError):
    """A file that was named cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"`{self.path}` cannot be read: {self.reason}"


def read(path: Path) -> Lock:
    """The lock in a file. Raises `Unreadable` and `BadLock`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreadable(path, reason.lower()) from error
    return parse(text, source=str(path), folder=path.absolute().parent)


def previous(folder: Path, target: Target) -> Lock | None:
    """The lock that an earlier run wrote for the target, if there is one. Raises as `read`."""
    path = folder / target.lock_name
    return read(path) if path.exists() else None


def write(lock: Lock, folder: Path, target: Target) -> Path:
    """Write the lock under its name; a file that says the same already is left as it is."""
    path = folder / target.lock_name
    content = dump(lock, folder=folder.absolute()).encode()
    try:
        if not path.is_file() or path.read_bytes() != content:
            files.write_atomically(path, content)
    except OSError as error:
        raise files.CannotWrite(path, (error.strerror or str(error)).lower()) from error
    return path


def find(paths: Sequence[Path], folder: Path, targets: Sequence[Target]) -> tuple[tuple[Path, Lock], ...]:
    """The locks that were named, else those of the targets, else every lock in the folder; by file name.

    Raises `UsageError` where there is none.
    """
    if not paths:
        every = sorted(folder.glob("pylock.*.toml"))
        paths = [folder / target.lock_name for target in targets] if targets else every
        missing = [path for path in paths if not path.is_file()]
        if missing or not paths:
            what = f"there is no lock `{missing[0]}`" if missing else f"there is no lock in `{folder}`"
            raise UsageError(what, hint="run `wheelhouse lock` first, or name the lock")
    return tuple((path, read(path)) for path in paths)
