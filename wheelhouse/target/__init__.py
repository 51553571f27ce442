"""The machine a lock is for. Nothing here asks the machine we run on."""

from wheelhouse.target.model import MarkerError, Target
from wheelhouse.target.words import Libc, TargetError

__all__ = ["Libc", "MarkerError", "Target", "TargetError"]
