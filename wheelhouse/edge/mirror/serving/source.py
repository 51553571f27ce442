"""Where the server's bytes come from: a mirror in a folder, opened part by part so that no link leads out of it."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import sys
from collections.abc import AsyncGenerator, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from wheelhouse.edge.mirror.storage import Directory, Storage

CHUNK = 1 << 17  # bytes that are read at a time: what one download holds in memory
PAGE_LIMIT = 1 << 27  # bytes of the largest page that is read
_THREADS = 4  # that wait for the disk; whoever comes later queues
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)  # Linux: read what is in memory, do not wait for the disk
_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class Opened(Protocol):
    """A file of the mirror while it is sent."""

    size: int

    def chunks(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """`length` bytes from `start`, in pieces of at most `CHUNK` bytes. Raises OSError when the file ends early."""
        ...

    def close(self) -> None: ...


class Source(Protocol):
    """A mirror as the server reads it. Keys come from `mirroring.routes`: no other path is ever asked for."""

    fresh_for: float  # seconds for which a page that was read counts as current, without another look

    async def stamp(self, key: str) -> Hashable | None:
        """What changes when the bytes of `key` change; None: there is no such file."""
        ...

    async def read(self, key: str) -> bytes | None:
        """All bytes of a page; None: there is no such file. Raises OSError."""
        ...

    async def open(self, key: str) -> Opened | None:
        """The file to send parts of; None: there is none. Raises OSError."""
        ...

    def close(self) -> None: ...


class Folder:
    """A mirror in a folder. Symbolic links in it are not followed, not even to a place inside of it."""

    fresh_for = 0.0  # a look at a local file is quick: what was added is served at once

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mirror-disk")

    async def stamp(self, key: str) -> Hashable | None:
        try:
            found = os.lstat(f"{self._root}/{key}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    async def read(self, key: str) -> bytes | None:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, key)

    async def open(self, key: str) -> Opened | None:
        number = _open(self._root, key)
        return None if number is None else _File(number, self._threads)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read(self, key: str) -> bytes | None:
        number = _open(self._root, key)
        if number is None:
            return None
        with os.fdopen(number, "rb") as file:
            content = file.read(PAGE_LIMIT + 1)
        if len(content) > PAGE_LIMIT:
            raise OSError(f"`{key}` is larger than a page can be")
        return content


def source_of(storage: Storage) -> Source:
    """What the server reads of a mirror that lies in `storage`."""
    if isinstance(storage, Directory):
        return Folder(storage.root)
    from wheelhouse.edge.mirror.s3 import Bucket
    from wheelhouse.edge.mirror.serving.bucket import Objects

    assert isinstance(storage, Bucket)
    return Objects(storage.store)


class _File:
    def __init__(self, number: int, threads: ThreadPoolExecutor) -> None:
        self._number = number
        self._threads = threads
        self.size = os.fstat(number).st_size

    async def chunks(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        end = start + length
        while start < end:
            chunk = await self._chunk(start, min(CHUNK, end - start))
            if not chunk:
                raise OSError("the file ended before its size")
            yield chunk
            start += len(chunk)

    async def _chunk(self, start: int, length: int) -> bytes:
        """From memory at once where the system has it there, else by a thread that waits for the disk."""
        if _NOWAIT is not None:
            buffer = bytearray(length)
            with suppress(OSError):  # BlockingIOError: on the disk; others: a file system that cannot say
                count = os.preadv(self._number, [buffer], start, _NOWAIT)
                if count > 0:
                    return bytes(memoryview(buffer)[:count])
        return await asyncio.get_running_loop().run_in_executor(self._threads, _read_at, self._number, length, start)

    def close(self) -> None:
        os.close(self._number)


def _read_at(number: int, length: int, start: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(number, length, start)
    os.lseek(number, start, os.SEEK_SET)  # Windows: the number has one reader
    return os.read(number, length)


def _open(root: str, key: str) -> int | None:
    """A file descriptor of the regular file `key`; None if there is none, or a link stands where a name should."""
    *folders, name = key.split("/")
    try:
        if os.open not in os.supports_dir_fd or sys.platform == "win32":
            return _regular(_open_by_path(root, key))
        here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _LINKS, dir_fd=here)
                os.close(here)
                here = there
            return _regular(os.open(name, os.O_RDONLY | _LINKS, dir_fd=here))
        finally:
            os.close(here)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):  # a symbolic link (BSD: EMLINK); a socket
            return None
        raise


def _open_by_path(root: str, key: str) -> int:
    """Where files cannot be opened below an open folder (Windows): what the path resolves to must be the path."""
    path = Path(root).resolve().joinpath(*key.split("/"))
    if path.resolve() != path:
        raise FileNotFoundError(path)
    return os.open(path, os.O_RDONLY | _BINARY)


def _regular(number: int) -> int | None:
    if stat.S_ISREG(os.fstat(number).st_mode):
        return number
    os.close(number)
    return None
