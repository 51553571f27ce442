"""One target's lock: what is asked for, the attempts at it, and what is recorded."""

from __future__ import annotations

from wheelhouse.locking.attempt import PIP
from wheelhouse.locking.one import installer_for, lock_target, view_for
from wheelhouse.locking.wanted import Wanted

__all__ = ["PIP", "Wanted", "installer_for", "lock_target", "view_for"]
