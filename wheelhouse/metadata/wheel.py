"""Core metadata and members of a wheel, out of all its bytes or the few that are known."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from packaging.utils import canonicalize_name

from wheelhouse.metadata.core import BadMetadata

if TYPE_CHECKING:
    import zipfile

LARGEST_METADATA = 16 * 2**20  # bytes, unpacked; the largest on PyPI are below 1 MiB
_READABLE = (0, 8)  # stored and deflated (APPNOTE.TXT, 4.4.5)
_LARGEST_RANGE = 64 * 2**20  # bytes asked for at once; torch's central directory has 2 MiB


class Missing(Exception):  # not an error: the caller fetches the range and asks again
    """Bytes `start` to `end` (exclusive) of the file are needed and not there yet."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(start, end)
        self.start, self.end = start, end


class SparseFile(io.RawIOBase):
    """A file of `size` bytes of which some ranges are known; reading others raises `Missing` with the gap."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self._position = 0
        self._chunks: list[tuple[int, bytes]] = []  # sorted, neither overlapping nor touching

    @property
    def known(self) -> int:
        """How many of the bytes are known."""
        return sum(len(chunk) for _, chunk in self._chunks)

    def add(self, offset: int, content: bytes) -> None:
        """Make the bytes from `offset` on known; what was known there is replaced. Beyond the end: `ValueError`."""
        if offset < 0 or offset + len(content) > self.size:
            raise ValueError(f"bytes {offset} to {offset + len(content)} are outside a file of {self.size} bytes")
        kept = []
        for start, chunk in self._chunks:
            if start + len(chunk) < offset or start > offset + len(content):
                kept.append((start, chunk))
            else:  # it overlaps or touches: they become one
                content = chunk[: max(offset - start, 0)] + content + chunk[max(offset + len(content) - start, 0) :]
                offset = min(offset, start)
        self._chunks = sorted([*kept, (offset, content)])

    def require(self, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, cut at the end of the file. Raises `Missing` with all of the gap in that range."""
        start, end = min(start, self.size), min(end, self.size)
        missing_start, missing_end = start, end
        for offset, chunk in self._chunks:
            if offset <= missing_start < offset + len(chunk):
                missing_start = min(offset + len(chunk), end)
            if offset < missing_end <= offset + len(chunk):
                missing_end = max(offset, start)
        if missing_start < missing_end:
            if missing_end - missing_start > _LARGEST_RANGE:
                raise ValueError(f"its directory asks for {missing_end - missing_start} bytes at once")
            raise Missing(missing_start, missing_end)
        offset, chunk = next(((o, c) for o, c in self._chunks if o <= start < o + len(c)), (0, b""))
        return chunk[start - offset : end - offset]

    def read(self, size: int = -1, /) -> bytes:
        end = self.size if size is None or size < 0 else self._position + size
        content = self.require(self._position, end)
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence] + offset
        if position < 0:
            raise ValueError(f"seek before the start of the file: {position}")
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def read_metadata(wheel: SparseFile | BinaryIO, filename: str) -> bytes:
    """METADATA of the wheel, its CRC checked. `filename` is the wheel's: its `.dist-info` folder must fit it.

    With a `SparseFile` raises `Missing` for what is needed next: add that range and call again. There are few rounds:
    the end (two more with an archive comment), the central directory, METADATA (two more if its extra field is long).
    Raises `BadMetadata` for a damaged or hostile wheel.
    """
    with _opened(wheel, filename) as archive:
        project = canonicalize_name(filename.partition("-")[0])
        folders = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        folders = {folder for folder in folders if folder.endswith(".dist-info")}
        if len(folders) != 1:  # pip installs no such wheel
            raise BadMetadata(filename, f"the wheel holds {len(folders) or 'no'} `.dist-info` folders, not one")
        folder = folders.pop()  # "{distribution}-{version}.dist-info" (binary distribution format)
        if not canonicalize_name(folder).startswith(f"{project}-"):
            raise BadMetadata(filename, f"the wheel holds `{folder}`")
        try:
            entry = archive.getinfo(f"{folder}/METADATA")
        except KeyError:
            raise BadMetadata(filename, f"the wheel holds no `{folder}/METADATA`") from None
        if entry.file_size > LARGEST_METADATA:
            raise BadMetadata(filename, f"it has {entry.file_size} bytes")
        if entry.compress_type not in _READABLE:
            raise BadMetadata(filename, "it is neither stored nor deflated")
        if isinstance(wheel, SparseFile):
            # Ask for local header and content at once. The length of the header's extra field is not in the directory:
            # 256 bytes for it spare a round in life; where it is longer, zipfile asks for the rest.
            header = 30 + len(entry.filename.encode()) + 256
            wheel.require(entry.header_offset, entry.header_offset + header + entry.compress_size)
        with archive.open(entry) as stream:
            return stream.read(LARGEST_METADATA + 1)


def unpacked_size(wheel: SparseFile | BinaryIO, filename: str) -> int:
    """The sum of the sizes (bytes) that the wheel's directory states for its files. Raises as `read_metadata` does."""
    return sum(entry.file_size for entry in members(wheel, filename))


def members(wheel: SparseFile | BinaryIO, filename: str) -> list[zipfile.ZipInfo]:
    """What the wheel's directory lists, folders too. Raises as `read_metadata` does."""
    with _opened(wheel, filename) as archive:
        return archive.infolist()


@contextmanager
def _opened(wheel: SparseFile | BinaryIO, filename: str) -> Iterator[zipfile.ZipFile]:
    import zipfile

    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadMetadata(filename, f"the wheel is damaged: {error}") from error
    except (ValueError, RuntimeError, OverflowError, LookupError, MemoryError) as error:  # a forged directory
        raise BadMetadata(filename, f"the wheel cannot be read: {error}") from error
