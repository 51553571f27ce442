"""The mirror's pages in memory, compressed once: read again when the file changed, within a bound of bytes."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import time
from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from wheelhouse.edge.mirror.serving.source import Source

_WORTH_IT = 512  # bytes; below that gzip saves no packet
_LEVEL = 6
_NAMES = 4096  # pages that are remembered at most, those that are not there included


class Kept(Struct, frozen=True):
    """A page as it is sent. `etag` is of its bytes; the compressed form has one of its own (RFC 9110, 8.8.3.3)."""

    content: bytes
    packed: bytes | None
    etag: str

    @property
    def packed_etag(self) -> str:
        return f'{self.etag[:-1]}-gzip"'

    @property
    def cost(self) -> int:
        return len(self.content) + len(self.packed or b"") + 512


class _Entry(Struct):
    stamp: Hashable
    kept: Kept
    checked: float


class Pages:
    """Pages of one source. `limit` is in bytes; a page that would take more than a quarter of it is not kept."""

    def __init__(self, source: Source, *, limit: int = 1 << 27) -> None:
        self._source = source
        self._limit = limit
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._total = 0
        self._reading: dict[str, asyncio.Task[Kept | None]] = {}
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="mirror-gzip")

    async def get(self, key: str) -> Kept | None:
        """The page as it is now; None: there is none. Raises OSError."""
        entry = self._entries.get(key)
        if entry is not None and time.monotonic() - entry.checked < self._source.fresh_for:
            self._entries.move_to_end(key)
            return entry.kept
        stamp = await self._source.stamp(key)
        if stamp is None:
            self._drop(key)
            return None
        if entry is not None and entry.stamp == stamp:
            entry.checked = time.monotonic()
            if key in self._entries:
                self._entries.move_to_end(key)
            return entry.kept
        # Many clients ask at once for a page that just changed: it is read once
        task = self._reading.get(key)
        if task is None:
            task = asyncio.create_task(self._read(key, stamp))
            self._reading[key] = task
            task.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(task)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, key: str, stamp: Hashable) -> Kept | None:
        content = await self._source.read(key)
        if content is None:
            self._drop(key)
            return None
        small = len(content) <= self._limit // 4
        if small:
            kept = await asyncio.get_running_loop().run_in_executor(self._threads, _kept, content)
        else:
            kept = Kept(content, None, _etag(content))
        self._drop(key)
        if small:
            self._entries[key] = _Entry(stamp, kept, time.monotonic())
            self._total += kept.cost
            while self._total > self._limit or len(self._entries) > _NAMES:
                self._drop(next(iter(self._entries)))
        return kept

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._total -= entry.kept.cost


def _kept(content: bytes) -> Kept:
    packed = gzip.compress(content, _LEVEL, mtime=0) if len(content) >= _WORTH_IT else None
    if packed is not None and len(packed) >= len(content):
        packed = None
    return Kept(content, packed, _etag(content))


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
