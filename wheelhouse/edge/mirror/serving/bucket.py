"""A mirror in an S3-compatible bucket as the server reads it: streamed, nothing is kept on disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from typing import TYPE_CHECKING

from wheelhouse.edge.mirror.serving.source import CHUNK, PAGE_LIMIT, Opened

if TYPE_CHECKING:
    from obstore.store import S3Store

_BLOCK = 1 << 19  # bytes that are asked for at a time; a client holds two blocks at most
_MOST_SIZES = 50_000  # wheels never change: their sizes are asked for once
_SIZES_FOR = 600.0  # seconds; a wheel that `gc` took away is missed after that at the latest


class Objects:
    """A mirror below the prefix of `store`. A bucket that cannot be reached raises OSError."""

    fresh_for = 2.0  # seconds: a look at a bucket is a question over the network

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._sizes: dict[str, tuple[int, float]] = {}
        self._parts = Parts(store)

    async def stamp(self, key: str) -> Hashable | None:
        from obstore.exceptions import BaseError

        try:
            found = await self._store.head_async(key)
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise OSError(str(error)) from error
        return found.get("e_tag"), found["size"], found["last_modified"], found.get("version")

    async def read(self, key: str) -> bytes | None:
        from obstore.exceptions import BaseError

        try:
            found = await self._store.get_async(key)
            if found.meta["size"] > PAGE_LIMIT:
                raise OSError(f"`{key}` is larger than a page can be")
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise OSError(str(error)) from error

    async def open(self, key: str) -> Opened | None:
        from obstore.exceptions import BaseError

        known = self._sizes.get(key)
        if known is not None and time.monotonic() - known[1] < _SIZES_FOR:
            return _Object(self._parts, key, known[0])
        try:
            size = (await self._store.head_async(key))["size"]
        except FileNotFoundError:
            self._sizes.pop(key, None)
            return None
        except BaseError as error:
            raise OSError(str(error)) from error
        self._sizes[key] = size, time.monotonic()
        if len(self._sizes) > _MOST_SIZES:
            self._sizes.pop(next(iter(self._sizes)))
        return _Object(self._parts, key, size)

    def close(self) -> None:
        """Nothing is held."""


class Parts:
    """Parts of objects. Some servers answer a range with the right bytes and the wrong status (200 for 206: rclone's
    `serve s3` 1.75), which the library refuses: these are asked for the whole object, and what is before is passed by.
    """

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._ranges = True

    async def block(self, key: str, start: int, end: int) -> bytes | None:
        """The bytes from `start` to `end`; None where the server cannot do it."""
        from obstore.exceptions import BaseError

        if not self._ranges:
            return None
        try:
            return bytes(await self._store.get_range_async(key, start=start, end=end))
        except (BaseError, FileNotFoundError) as error:
            if "non-partial" in str(error):
                self._ranges = False
                return None
            raise OSError(str(error)) from error

    async def streamed(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The same bytes, out of the whole object."""
        from obstore.exceptions import BaseError

        at = 0
        try:
            found = await self._store.get_async(key)
            async for piece in found.stream(min_chunk_size=CHUNK):
                part = bytes(memoryview(piece)[max(0, start - at) : max(0, end - at)])
                at += len(piece)
                for begin in range(0, len(part), CHUNK):
                    yield part[begin : begin + CHUNK]
                if at >= end:
                    return
        except (BaseError, FileNotFoundError) as error:
            raise OSError(str(error)) from error
        raise OSError("the object ended before its size")


class _Object:
    def __init__(self, parts: Parts, key: str, size: int) -> None:
        self._parts = parts
        self._key = key
        self.size = size

    async def chunks(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Block by block, the next one while a block is sent: no question takes as long as a slow client."""
        end = start + length
        ahead = self._asked(start, end)
        try:
            while start < end:
                block = await ahead
                if block is None:
                    async with aclosing(self._parts.streamed(self._key, start, end)) as rest:
                        async for piece in rest:
                            yield piece
                    return
                if not block:
                    raise OSError("the object ended before its size")
                start += len(block)
                if start < end:
                    ahead = self._asked(start, end)
                for at in range(0, len(block), CHUNK):
                    yield block[at : at + CHUNK]
        finally:
            ahead.cancel()

    def _asked(self, start: int, end: int) -> asyncio.Task[bytes | None]:
        return asyncio.create_task(self._parts.block(self._key, start, min(end, start + _BLOCK)))

    def close(self) -> None:
        """Nothing is held."""
