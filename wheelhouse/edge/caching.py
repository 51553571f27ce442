"""The cache folder, shown and emptied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from wheelhouse.digests import Digest
from wheelhouse.edge.cache import Cache
from wheelhouse.edge.files import readable
from wheelhouse.edge.locks import read
from wheelhouse.edge.places import cache_folder
from wheelhouse.edge.store import Store

_BUILDS = ("sdists", "builds")


def info(cache_dir: Path | None) -> Iterator[str]:
    """Where the cache is and what it holds, a line each."""
    root = cache_folder(cache_dir)
    count, size = Cache(root).size()
    wheels = Store(root / "wheels").info()
    yield f"folder: {root}"
    yield f"wheels: {wheels.count} ({readable(wheels.size)})"
    yield f"unfinished: {wheels.partials} ({readable(wheels.partial_size)})"
    yield f"pages and metadata: {count} ({readable(size)})"
    yield f"sdists and what was built of them: {readable(_size(root))}"


def facts(cache_dir: Path | None) -> dict[str, object]:
    """What `info` tells, for machines; sizes in bytes."""
    root = cache_folder(cache_dir)
    count, size = Cache(root).size()
    wheels = Store(root / "wheels").info()
    return {
        "folder": str(root),
        "wheels": {"count": wheels.count, "size": wheels.size},
        "unfinished": {"count": wheels.partials, "size": wheels.partial_size},
        "pages": {"count": count, "size": size},
        "sdists": {"size": _size(root)},
    }


def prune(cache_dir: Path | None, lock_dir: Path | None) -> Iterator[str]:
    """Remove all but the wheels that the locks of `lock_dir` name (all of them where it is None); tells what went.

    A wheel that was built is built again when it is wanted next.

    Raises `BadLock` and `Unreadable` before anything is removed: a lock that cannot be read may name wheels.
    """
    root = cache_folder(cache_dir)
    paths = sorted(lock_dir.glob("pylock.*.toml")) if lock_dir is not None else []
    keep: frozenset[Digest] = frozenset(wheel.digest for path in paths for wheel in read(path).wheels())
    count, size = Cache(root).clear()
    gone = Store(root / "wheels").prune(keep)
    yield f"removed {gone.count} wheels ({readable(gone.size)}), {gone.partials} unfinished"
    yield f"removed {count} pages and metadata files ({readable(size)})"
    size = _size(root)
    for name in _BUILDS:
        shutil.rmtree(root / name, ignore_errors=True)
    yield f"removed sdists and what was built of them ({readable(size)})"


def _size(root: Path) -> int:
    """Bytes of the sdists, of the wheels that were built of them, and of logs."""
    return sum(path.stat().st_size for name in _BUILDS for path in (root / name).rglob("*") if path.is_file())
