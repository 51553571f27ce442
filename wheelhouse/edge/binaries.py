"""The shared libraries of stored wheels, read once and kept by the wheel's digest.

A wheel is not unpacked: each ELF member is inflated once, piece by piece, while its strings are looked through. What
the dynamic linker reads lies at both ends of a file, so the inflater's state is kept every few megabytes and ranges
are inflated again from there. Measured: docs/decisions/0016-link-check.md.
"""

from __future__ import annotations

import json
import operator
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from pathlib import Path, PurePosixPath
from typing import IO

from msgspec.structs import replace

from wheelhouse.compat.binaries import BadElf, Elf, Names, Strings, WheelBinaries, read_elf, record, restored
from wheelhouse.compat.binaries.elf import MAGIC
from wheelhouse.compat.binaries.model import DAMAGED
from wheelhouse.digests import Digest
from wheelhouse.edge.places import cache_folder
from wheelhouse.edge.store import Store
from wheelhouse.edge.workers import Workers
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Listener, Noted, ignore
from wheelhouse.lock import LockedWheel

_FORMAT = 1  # to be raised with every change of what is read
_JOBS = 2
_PIECE = 4 << 20  # bytes that are inflated at once
_INPUT = 256 << 10
_KEPT = 4 << 20  # between two kept states of the inflater, each of some 50 kB
_STATES = 512
_LARGEST = 16 << 30  # bytes of one member
_LOCAL = struct.Struct("<4s22xHH")  # a member's own header: lengths of its name and extra field
# Never ELF, and most of the members of a wheel; looking at each one's first bytes takes longer than the rest
_TEXT = re.compile(
    r"\.(py|pyi|pyc|h|hpp|hxx|cuh|cu|cpp|c|cc|inc|txt|md|rst|json|yaml|yml|toml|cmake|html|css|js|svg|png|jpg|gif|ttf"
    r"|npy|npz|csv|gz|pxd|pyx|ipynb|typed|pem|xml|cfg|ini)",
    re.IGNORECASE,
)


class NotFetched(WheelhouseError):
    """A wheel that is to be read is not in the store."""

    hint = "run `wheelhouse fetch` first"

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.filename = filename

    def __str__(self) -> str:
        return f"`{self.filename}` is not fetched, so what is inside it cannot be read"


def facts(
    wheels: Sequence[LockedWheel],
    store: Store,
    cache_dir: Path | None,
    *,
    jobs: int = _JOBS,
    listen: Listener = ignore,
) -> Mapping[str, WheelBinaries]:
    """Every wheel's ELF files by its file name; `jobs` wheels are read at once, largest first.

    What was read is kept below the cache folder by the wheel's digest. A damaged wheel or library is a fact of its own
    (`WheelBinaries.unreadable`), never an error. Raises `NotFetched`.
    """
    for wheel in wheels:
        if not store.has(wheel.digest, wheel.size):
            raise NotFetched(wheel.filename)
    root = cache_folder(cache_dir) / "binaries"
    found: dict[str, WheelBinaries] = {}
    waiting = []
    for wheel in wheels:
        kept = _kept(root, wheel.digest)
        if kept is None:
            waiting.append(wheel)
        else:
            found[wheel.filename] = replace(kept, filename=wheel.filename)
    waiting.sort(key=lambda wheel: (-store.path(wheel.digest).stat().st_size, wheel.filename))
    with Workers(jobs, "binaries") as workers:
        tasks = [(wheel, workers.submit(read, store.path(wheel.digest), wheel.filename)) for wheel in waiting]
        for wheel, task in tasks:
            found[wheel.filename] = binaries = task.result()
            _keep(root, wheel.digest, binaries)
            listen(Noted(f"the binaries of `{wheel.filename}` were read: {len(binaries.elves)}"))
    return found


def is_kept(wheel: LockedWheel, cache_dir: Path | None) -> bool:
    """Whether an earlier run has read the wheel."""
    return _path(cache_folder(cache_dir) / "binaries", wheel.digest).exists()


def read(path: Path, filename: str) -> WheelBinaries:
    """The ELF files of the wheel at `path`. What cannot be read is told in the value."""
    elves: list[Elf] = []
    unreadable: list[tuple[str, str]] = []
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.is_dir() or info.file_size < 64 or _TEXT.fullmatch(PurePosixPath(info.filename).suffix):
                    continue
                try:
                    elf = _elf(file, info)
                except zlib.error as error:
                    unreadable.append((info.filename, f"{DAMAGED} ({error})"))
                except (BadElf, OverflowError) as error:
                    unreadable.append((info.filename, str(error)))
                else:
                    if elf is not None:
                        elves.append(elf)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        unreadable.append(("", str(error)))
    return WheelBinaries(
        filename=filename, elves=_from_outside(sorted(elves, key=lambda elf: elf.path)), unreadable=tuple(unreadable)
    )


def _elf(file: IO[bytes], info: zipfile.ZipInfo) -> Elf | None:
    """What one member is to the linker; None where it is no ELF file of a machine we know."""
    member = _Member(file, info)
    if member.read(0, 4) != MAGIC:
        return None
    if info.file_size > _LARGEST:
        raise BadElf(f"it would have {info.file_size} bytes")
    strings = Strings()
    for piece in member.pieces():
        strings.update(piece)
    elf = read_elf(info.filename, member.read)
    return None if elf is None else replace(elf, mentions=strings.mentions(), numpy=strings.numpy())


def _from_outside(elves: Sequence[Elf]) -> tuple[Elf, ...]:
    """The files without those wants that another file of the same wheel meets."""
    names = {name for elf in elves for name in (elf.soname, elf.name)}
    wanted = Names.of(name for elf in elves for name in elf.undefined)
    met = reduce(operator.or_, (elf.exports & wanted for elf in elves), Names())
    return tuple(
        replace(
            elf,
            versioned={library: wanted for library, wanted in elf.versioned.items() if library not in names},
            undefined=tuple(name for name in elf.undefined if name not in met),
        )
        for elf in elves
    )


class _Member:
    """A member of a zip file that can be read anywhere. Its check sum is not computed: the store has the wheel's."""

    def __init__(self, file: IO[bytes], info: zipfile.ZipInfo) -> None:
        self._file, self._size, self._packed = file, info.file_size, info.compress_size
        file.seek(info.header_offset)
        magic, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
        if magic != b"PK\x03\x04" or info.flag_bits & 1:
            raise BadElf(f"{DAMAGED} or encrypted")
        self._start = info.header_offset + _LOCAL.size + name + extra
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadElf("its member of the wheel is packed in a way that installers do not know")
        self._stored = info.compress_type == zipfile.ZIP_STORED
        self._last = (0, b"")
        self._step = max(_KEPT, self._size // _STATES)
        self._states: list[tuple[int, int, bytes, zlib._Decompress]] = []  # (place, packed place, fed, inflater)
        if not self._stored:
            self._states.append((0, 0, b"", zlib.decompressobj(-zlib.MAX_WBITS)))

    def read(self, offset: int, count: int) -> bytes:
        """That range; shorter at the end."""
        count = min(count, self._size - offset)
        if count <= 0:
            return b""
        if self._stored:
            self._file.seek(self._start + offset)
            return self._file.read(count)
        place, piece = self._last
        if place <= offset and offset + count <= place + len(piece):
            return piece[offset - place : offset - place + count]
        content = bytearray()
        for place, piece in self._inflate(offset):
            self._last = (place, piece)
            content += piece[max(0, offset - place) :]
            if len(content) >= count:
                break
        return bytes(content[:count])

    def pieces(self) -> Iterator[bytes]:
        """All of it, in order."""
        if self._stored:
            for offset in range(0, self._size, _PIECE):
                yield self.read(offset, _PIECE)
            return
        for _, piece in self._inflate(0):
            yield piece

    def _inflate(self, offset: int) -> Iterator[tuple[int, bytes]]:
        """Pieces and their places from a kept state at or before `offset` to the end."""
        place, packed, fed, state = max((each for each in self._states if each[0] <= offset), key=lambda each: each[0])
        state = state.copy()
        while place < self._size and not state.eof:
            if not fed:
                self._file.seek(self._start + packed)
                fed = self._file.read(min(_INPUT, self._packed - packed))
                packed += len(fed)
                if not fed:
                    break
            piece = state.decompress(fed, min(_PIECE, self._size - place))
            fed = state.unconsumed_tail
            if not piece:
                continue
            yield place, piece
            place += len(piece)
            if place >= self._states[-1][0] + self._step:
                self._states.append((place, packed, fed, state.copy()))
        if place < self._size:
            raise BadElf("its member of the wheel is cut off")


def _path(root: Path, digest: Digest) -> Path:
    return root / digest.hex[:2] / f"{digest.hex}.json"


def _kept(root: Path, digest: Digest) -> WheelBinaries | None:
    """What an earlier run read; None for nothing, or anything odd."""
    try:
        told = json.loads(_path(root, digest).read_bytes())
        return restored(told["binaries"]) if told["format"] == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _keep(root: Path, digest: Digest, binaries: WheelBinaries) -> None:
    """Remember it; failing to is no error."""
    path = _path(root, digest)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"format": _FORMAT, "binaries": record(binaries)}, file)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
