"""Locks: the exact wheels for one target, as values and as PEP 751 `pylock.toml`."""

from __future__ import annotations

from wheelhouse.lock.model import (
    Lock,
    LockedBuild,
    LockedHeldBack,
    LockedPackage,
    LockedSdist,
    LockedSource,
    LockedWheel,
)
from wheelhouse.lock.reading import BadLock, parse
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
