"""Small promises about files: names that lead nowhere else, writes that are whole or not there, room on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wheelhouse.errors import WheelhouseError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Reserved on Windows with any ending; a bundle may be carried through one
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class BadFileName(WheelhouseError):
    """A lock or index gives a file name that is no wheel's, or that would lead elsewhere."""

    hint = "the lock or the index is damaged or hostile; do not use it"

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.filename = filename

    def __str__(self) -> str:
        return f"`{self.filename.encode('unicode_escape').decode()}` is not a wheel's file name"


class NoSpace(WheelhouseError):
    """The disk under `path` is too small. `needed` is what is still to write and `free` what there is, in bytes."""

    hint = "free some space, or name another place with `--cache-dir`; what was fetched is kept"

    def __init__(self, path: Path, *, needed: int, free: int) -> None:
        super().__init__(path, needed, free)
        self.path, self.needed, self.free = path, needed, free

    def __str__(self) -> str:
        return f"`{self.path}` has {readable(self.free)} free, but {readable(self.needed)} are needed"


class CannotWrite(WheelhouseError):
    """The system refuses to write or read a file. `reason` is the system's."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"`{self.path}` cannot be written: {self.reason}"


def wheel_filename(filename: str) -> str:
    """`filename` if it can only ever name a wheel in the folder it is put into. Raises `BadFileName`."""
    plain = filename.isprintable() and not set(filename) & set('/\\:*?"<>|') and not filename.startswith((".", "-"))
    if not plain or not filename.endswith(".whl") or len(filename.encode()) > 255 or _RESERVED.fullmatch(filename):
        raise BadFileName(filename)
    return filename


def readable(size: int) -> str:
    """`size` bytes for people: "1.2 GB", powers of 1000."""
    from rich.filesize import decimal

    return decimal(size)


def free_space(path: Path) -> int:
    """Bytes that we may still write under `path`, which need not exist yet."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def is_full(error: OSError) -> bool:
    """Whether the disk, or our share of it, is at its end."""
    return error.errno in _FULL


def path_of(url: str) -> Path:
    """The local path of a `file:` URL. Raises `ValueError` for one that names another host."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ValueError(f"not a local file: {url}")
    if sys.platform == "win32":
        from urllib.request import url2pathname  # with it come http.client and ssl

        return Path(url2pathname(parts.path))
    return Path(unquote(parts.path))


def local_path(url: str) -> Path | None:
    """The path that a `file:` URL names on this machine; None for any other URL."""
    try:
        return path_of(url) if url.startswith("file:") else None
    except ValueError:  # it names another host
        return None


def settle(temporary: Path, final: Path) -> None:
    """Give a written file its name, for good: fsync, one rename, fsync of the folder."""
    descriptor = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    rename(temporary, final)
    if sys.platform != "win32":
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # some network file systems cannot
                os.fsync(folder)
        finally:
            os.close(folder)


def rename(source: Path, target: Path) -> None:
    """`source` becomes `target` in one step; Windows wants a read-only target made writable first."""
    try:
        source.replace(target)
    except PermissionError:
        if sys.platform != "win32" or not target.exists():
            raise
        target.chmod(0o644)
        source.replace(target)


def remove(path: Path) -> None:
    """`path` is gone; it need not have been there."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if sys.platform != "win32":
            raise
        path.chmod(0o644)
        path.unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """`path` holds all of `content`, or what it held before; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        temporary.write_bytes(content)
        settle(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def put(path: Path, content: bytes) -> None:
    """`write_atomically`, but a file of ours that holds `content` already stays: a flush costs some 10 ms."""
    with contextlib.suppress(OSError):
        if not path.is_symlink() and path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    write_atomically(path, content)


def beside(path: Path) -> Path:
    """A name in the same folder that nobody has, and that no wheel has."""
    return path.with_name(f".{uuid.uuid4().hex}.tmp")
