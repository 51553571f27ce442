"""Locks: the exact wheels for one target, as values and as PEP 751 `pylock.toml`."""

from __future__ import annotations

from wheelhouse.lock.codec import BadLock, dump, parse
from wheelhouse.lock.model import Lock, LockedHeldBack, LockedPackage, LockedWheel

__all__ = ["BadLock", "Lock", "LockedHeldBack", "LockedPackage", "LockedWheel", "dump", "parse"]
