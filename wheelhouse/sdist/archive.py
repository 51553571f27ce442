"""The files of an sdist as a stream, unpacked nowhere, with bounds on memory and time."""

from __future__ import annotations

import bz2
import calendar
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, cast

from msgspec import Struct

from wheelhouse.metadata import LARGEST_METADATA, BadMetadata
from wheelhouse.metadata.sdist import SUFFIXES

LARGEST_ARCHIVE = 4 * 2**30  # bytes, unpacked; the largest sdists on PyPI are far below it
MOST_MEMBERS = 200_000
_LARGEST_READ = LARGEST_METADATA + 2**20  # a header or a zip's directory that asks for more at once is forged


class Member(Struct, frozen=True):
    """A regular file in an sdist. `modified` is in seconds since 1970; `stream` is good until the next member."""

    path: str  # as written: it may lead anywhere
    size: int  # bytes
    modified: int
    executable: bool
    stream: IO[bytes]


@contextmanager
def members(content: BinaryIO | bytes, filename: str) -> Iterator[Iterator[Member]]:
    """Every regular file of an sdist, in its order.

    Memory and time are bounded (`LARGEST_ARCHIVE`, `MOST_MEMBERS`). Raises `BadMetadata` for what is no such archive,
    is damaged, or passes the bounds.
    """
    if filename.lower().endswith(".zip"):
        with _told(filename), zipfile.ZipFile(_Bounded(_stream(content), filename)) as opened:
            yield _zip_members(opened, filename)
    else:
        with opened_tar(content, filename) as tar:
            yield _tar_members(tar, filename)


@contextmanager
def opened_tar(content: BinaryIO | bytes, filename: str) -> Iterator[tarfile.TarFile]:
    """The tar archive of an sdist, to be passed once from its start. Raises as `members`; errors of a disk stay."""
    with _told(filename), _decompressed(_stream(content), filename) as stream:
        bounded = cast(IO[bytes], _Bounded(stream, filename, forward=True))
        with tarfile.open(fileobj=bounded, mode="r:") as opened:
            yield opened


@contextmanager
def _told(filename: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise BadMetadata(filename, f"the sdist is damaged: {error}") from error
    except OSError as error:
        if error.errno is not None:  # the disk's own
            raise
        raise BadMetadata(filename, f"the sdist is damaged: {error}") from error  # gzip's and bz2's
    except (ValueError, RuntimeError, OverflowError, LookupError, MemoryError) as error:  # a forged header
        raise BadMetadata(filename, f"the sdist cannot be read: {error}") from error


def _tar_members(opened: tarfile.TarFile, filename: str) -> Iterator[Member]:
    for count, member in enumerate(opened):
        if count >= MOST_MEMBERS:
            raise BadMetadata(filename, f"it holds more than {MOST_MEMBERS} members")
        if member.isreg():
            stream = opened.extractfile(member)
            assert stream is not None
            yield Member(member.name, member.size, int(member.mtime), bool(member.mode & 0o100), stream)


def _zip_members(opened: zipfile.ZipFile, filename: str) -> Iterator[Member]:
    infos = opened.infolist()
    if len(infos) > MOST_MEMBERS:
        raise BadMetadata(filename, f"it holds more than {MOST_MEMBERS} members")
    if sum(info.file_size for info in infos) > LARGEST_ARCHIVE:
        raise BadMetadata(filename, f"it unpacks to more than {LARGEST_ARCHIVE} bytes")
    for info in infos:
        if not info.is_dir():
            with opened.open(info) as stream:
                modified = calendar.timegm((*info.date_time, 0, 0, 0))
                executable = bool(info.external_attr >> 16 & 0o100)
                yield Member(info.filename, info.file_size, modified, executable, stream)


def _stream(content: BinaryIO | bytes) -> BinaryIO:
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    stream.seek(0)
    return stream


def _decompressed(stream: BinaryIO, filename: str) -> gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    lower = filename.lower()
    if lower.endswith((".tar.gz", ".tgz")):
        return gzip.GzipFile(fileobj=stream)
    if lower.endswith(".tar.bz2"):
        return bz2.BZ2File(stream)
    if lower.endswith(".tar.xz"):
        return lzma.LZMAFile(stream)
    raise BadMetadata(filename, f"an sdist ends in one of {', '.join(SUFFIXES)}")


class _Bounded(io.RawIOBase):
    """A stream that goes no further than `LARGEST_ARCHIVE` and gives no more than `_LARGEST_READ` at once.

    tarfile and zipfile read headers as large as these say they are, and skip as far. `forward`: no step back, for a tar
    with a negative size leads tarfile in a circle (CVE-2025-8194).
    """

    def __init__(self, stream: Any, filename: str, *, forward: bool = False) -> None:
        super().__init__()
        self._stream, self._filename, self._forward = stream, filename, forward

    def read(self, size: int = -1, /) -> bytes:
        if size is None or size < 0 or size > _LARGEST_READ:
            content: bytes = self._stream.read(_LARGEST_READ + 1)
            if len(content) > _LARGEST_READ:
                raise BadMetadata(self._filename, "it asks for too many bytes at once")
            return content
        self._check(self._stream.tell() + size)
        return cast(bytes, self._stream.read(size))

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_SET:
            self._check(offset)
            if self._forward and offset < self._stream.tell():
                raise BadMetadata(self._filename, "a header of the sdist leads backwards")
        return cast(int, self._stream.seek(offset, whence))

    def tell(self) -> int:
        return cast(int, self._stream.tell())

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def _check(self, position: int) -> None:
        if position > LARGEST_ARCHIVE:
            raise BadMetadata(self._filename, f"it unpacks to more than {LARGEST_ARCHIVE} bytes")
