"""Where a mirror lies: what every storage promises, and the directory."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from wheelhouse.digests import Check, Digest
from wheelhouse.edge import files
from wheelhouse.edge.store import Store
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Event, Listener, Said
from wheelhouse.mirroring.names import is_key

CHUNK = 1 << 20
LOCK = ".lock"  # held by the one process that changes pages
SILENT_WAIT = 2.0  # seconds for another writer before a person is told
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def silent(event: Event) -> None:
    """Nobody listens."""


class Held(Struct, frozen=True):
    """What a key holds. `version` changes with every write."""

    content: bytes
    version: str


class Listed(Struct, frozen=True):
    """A key that is there. `modified` is in seconds since 1970, by the storage's own clock."""

    key: str
    size: int
    modified: float


class Storage(Protocol):
    """Bytes by key. Every write is whole or not there; methods may be called from any thread.

    A key that `is_key` does not know raises `ValueError` everywhere.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    def read(self, key: str) -> Held | None:
        """All of a small file; None where there is none."""

    def write(self, key: str, content: bytes, *, over: Held | None = None) -> None:
        """`key` holds `content`. With `over`: if it still holds that, where the storage can tell; else `Changed`."""

    def size(self, key: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def put_file(self, key: str, source: Path, digest: Digest) -> None:
        """`key` is a wheel of the store. Every byte is read; raises `DigestMismatch`."""

    def put_stream(self, key: str, chunks: Iterable[bytes], digest: Digest, size: int) -> None:
        """`key` holds these bytes. Where they are not `size` bytes with `digest`, nothing is written, and it raises."""

    def stream(self, key: str) -> Iterator[bytes]:
        """The bytes of a file. Raises `Gone` where there is none."""

    def listed(self, prefix: str = "") -> Iterator[Listed]:
        """Every file below `prefix`, which is "" or ends with `/`; in no order, strays too."""

    def remove(self, keys: Iterable[str]) -> None:
        """These are gone; they need not have been there."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Nobody else changes pages meanwhile; waits for whoever does. Not to be entered twice."""


class Changed(WheelhouseError):
    """Somebody else wrote the page between our reading and our writing."""

    hint = "run the same command again"

    def __init__(self, name: str, key: str) -> None:
        super().__init__(name, key)
        self.name, self.key = name, key

    def __str__(self) -> str:
        return f"`{self.key}` of `{self.name}` was changed by somebody else meanwhile"


class Gone(WheelhouseError):
    """A file that a page names is not there."""

    hint = "`wheelhouse mirror verify` says what else is wrong"

    def __init__(self, name: str, key: str) -> None:
        super().__init__(name, key)
        self.name, self.key = name, key

    def __str__(self) -> str:
        return f"`{self.name}` has no `{self.key}`"


class Linked(WheelhouseError):
    """A symbolic link stands where the mirror has a folder or a file of its own."""

    hint = "remove the link: a mirror holds its files itself"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"`{self.path}` is a symbolic link, and a mirror follows none"


class CannotStore(WheelhouseError):
    """The storage refuses. `reason` is its own."""

    def __init__(self, name: str, reason: str, *, hint: str = "") -> None:
        super().__init__(name, reason)
        self.name, self.reason, self.hint = name, reason, hint

    def __str__(self) -> str:
        return f"`{self.name}` cannot be read or written: {self.reason}"


class Full(CannotStore):
    """The disk is at its end: trying again at once is of no use."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "no space is left on its disk", hint="free some space, and run it again")


class Directory:
    """A mirror in a folder, which need not exist yet. Symbolic links inside it are never followed."""

    def __init__(self, root: Path, *, listen: Listener = silent) -> None:
        self.root = root
        self._listen = listen

    @property
    def name(self) -> str:
        return str(self.root)

    def read(self, key: str) -> Held | None:
        path = self._inside(key)
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | _NOFOLLOW), "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._told(error, path) from error
        return Held(content, Digest.of(content).hex)

    def write(self, key: str, content: bytes, *, over: Held | None = None) -> None:
        path = self._inside(key)
        if over is not None and self.read(key) != over:
            raise Changed(self.name, key)
        with self._telling(path):
            files.write_atomically(path, content)

    def size(self, key: str) -> int | None:
        path = self._inside(key)
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def put_file(self, key: str, source: Path, digest: Digest) -> None:
        """A hard link where there can be one: the store never changes a wheel that it has."""
        path = self._inside(key)
        with self._telling(path):
            check = Check(path.name, expected=digest)
            with source.open("rb") as file:
                while chunk := file.read(CHUNK):
                    check.update(chunk)
            check.finish()
            # the store's own root is two folders above its wheels: sha256/ab/<hex>.whl
            try:
                Store(source.parent.parent.parent).place(digest, path)
            except files.NoSpace as error:  # its hint is of the store
                raise Full(self.name) from error

    def put_stream(self, key: str, chunks: Iterable[bytes], digest: Digest, size: int) -> None:
        path = self._inside(key)
        check = Check(path.name, expected=digest, size=size)
        with self._telling(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = files.beside(path)
            try:
                with temporary.open("xb") as file:
                    for chunk in chunks:
                        check.update(chunk)
                        file.write(chunk)
                check.finish()
                files.settle(temporary, path)
            finally:
                files.remove(temporary)

    def stream(self, key: str) -> Iterator[bytes]:
        path = self._inside(key)
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | _NOFOLLOW), "rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise Gone(self.name, key) from None
        except OSError as error:
            raise self._told(error, path) from error

    def listed(self, prefix: str = "") -> Iterator[Listed]:
        folders = [prefix]
        while folders:
            folder = folders.pop()
            try:
                entries = list(os.scandir(self.root / folder))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise self._told(error, self.root / folder) from error
            for entry in entries:
                key = f"{folder}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{key}/")
                    continue
                with suppress(FileNotFoundError):  # a temporary that got its name meanwhile
                    found = entry.stat(follow_symlinks=False)
                    # a hard link keeps the time of the wheel in the store: when it came in here is its ctime
                    yield Listed(key, found.st_size, max(found.st_mtime, found.st_ctime))

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            path = self._inside(key, removing=True)
            with self._telling(path):
                files.remove(path)
                for folder in path.parents:
                    if folder == self.root or self.root not in folder.parents:
                        break
                    try:
                        folder.rmdir()
                    except OSError:  # not empty
                        break

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        with self._telling(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / LOCK)
            try:
                lock.acquire(timeout=SILENT_WAIT)
            except Timeout:
                self._listen(Said(f"another process is changing `{self.name}`: waiting until it is done"))
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _inside(self, key: str, *, removing: bool = False) -> Path:
        """Where the key lies. Raises `Linked` where a link on the way would lead elsewhere."""
        if not is_key(key) and not (removing and is_temporary(key)):
            raise ValueError(f"not a key of a mirror: {key!r}")
        path = self.root
        for part in key.split("/"):
            path = path / part
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                break
            except NotADirectoryError as error:
                raise self._told(error, path) from error
            if stat.S_ISLNK(mode) and not (removing and path == self.root / key):
                raise Linked(path)
        return self.root / key

    @contextmanager
    def _telling(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._told(error, path) from error

    def _told(self, error: OSError, path: Path) -> WheelhouseError:
        if error.errno == errno.ELOOP:
            return Linked(path)
        if files.is_full(error):
            return Full(self.name)
        return CannotStore(str(path), (error.strerror or str(error)).lower())


def is_temporary(key: str) -> bool:
    """Whether a file of a directory is one that a crash left unfinished (`files.beside`)."""
    name = key.rpartition("/")[2]
    return ".." not in key.split("/") and name.startswith(".") and name.endswith(".tmp") and len(name) == 37
