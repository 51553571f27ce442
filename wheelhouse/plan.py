"""What is still to fetch: locked wheels minus what the store has."""

from __future__ import annotations

from collections.abc import Iterable, Set

from msgspec import Struct

from wheelhouse.digests import Digest
from wheelhouse.lock import LockedWheel


class FetchPlan(Struct, frozen=True):
    """Downloads in the order in which they should begin, each digest once."""

    downloads: tuple[LockedWheel, ...] = ()

    @property
    def size(self) -> int:
        """Bytes to fetch, as far as sizes are known."""
        return sum(wheel.size or 0 for wheel in self.downloads)


def plan(wheels: Iterable[LockedWheel], present: Set[Digest]) -> FetchPlan:
    """What is still to fetch, largest first, each digest once.

    Largest first, so that no large file is left alone at the end. An unknown size comes before all: indexes that give
    none (PyTorch's channels) have the largest files. The digest is the identity: one digest under two names is one
    download, one name with two digests is two.
    """
    wanted: dict[Digest, LockedWheel] = {}
    for wheel in sorted(wheels, key=_order):
        if wheel.digest not in present:
            # Among equals the one with a size: it can be checked before the first byte
            known = wanted.get(wheel.digest)
            if known is None or (known.size is None and wheel.size is not None):
                wanted[wheel.digest] = wheel
    return FetchPlan(tuple(sorted(wanted.values(), key=_order)))


def _order(wheel: LockedWheel) -> tuple[bool, int, str, str]:
    return wheel.size is not None, -(wheel.size or 0), wheel.filename, wheel.url
