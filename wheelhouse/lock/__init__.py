"""Locks: the exact wheels for one target, as values and as PEP 751 `pylock.toml`."""

from __future__ import annotations

from pathlib import Path

from wheelhouse.lock.model import (
    BadLock,
    Lock,
    LockedBuild,
    LockedHeldBack,
    LockedPackage,
    LockedSdist,
    LockedSource,
    LockedWheel,
)
from wheelhouse.lock.writing import dump

__all__ = [
    "BadLock",
    "Lock",
    "LockedBuild",
    "LockedHeldBack",
    "LockedPackage",
    "LockedSdist",
    "LockedSource",
    "LockedWheel",
    "dump",
    "parse",
]


def parse(text: str, *, source: str, folder: Path) -> Lock:
    """The lock that `text` holds; `folder` is the absolute folder of its file, `source` its name for messages.

    Raises `BadLock` for what is no PEP 751 lock, for one that wheelhouse did not write, and for hostile file names.
    """
    from wheelhouse.lock import reading  # 5 ms, where there is a lock to read

    return reading.parse(text, source=source, folder=folder)
