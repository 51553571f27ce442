"""What is in a wheel, out of its central directory: how much it takes unpacked, and which code it writes where."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from zipfile import ZipInfo

BLOCK = 4096  # a file takes whole blocks; offline/install.py measures by the same rule
_MOST = 2**50  # bytes unpacked; a directory that states more is forged
_LIBRARIES = (".so", ".pyd", ".dll", ".dylib")
_ASIDE = frozenset({"tests", "test", "docs", "doc", "examples", "example", "samples", "benchmarks", "benchmark"})


class Contents(Struct, frozen=True, kw_only=True):
    """One wheel's members in short. `unpacked` is the sum of their bytes, `on_disk` what they take installed.

    `on_disk` counts whole blocks of 4 KiB: the files, for each `.py` a quarter more for the `.pyc` that pip writes, and
    the folders with their `__pycache__`. `longest` is the length of the longest path. `tops` are the folders and
    modules that the wheel puts into site-packages.
    """

    unpacked: int
    on_disk: int
    longest: int = 0
    tops: frozenset[str] = frozenset()
    marks: bytes = b""  # CRC-32 and size of each file of `names`, 8 bytes each
    names: bytes = b""  # paths in site-packages, a line each, deflated

    def code(self) -> dict[str, int]:
        """Modules and libraries by their path in site-packages, each with a mark that two different ones do not share.

        Left out is what no import needs: `.dist-info`, data, scripts, and folders of tests, documentation and examples.
        """
        if not self.names:
            return {}
        paths = zlib.decompress(self.names).decode().split("\n")
        return dict(zip(paths, struct.unpack(f"<{len(self.marks) // 8}Q", self.marks), strict=True))


def contents(members: Iterable[ZipInfo]) -> Contents:
    """The contents of a wheel with these members. Raises `ValueError` for sizes that cannot be."""
    unpacked = blocks = longest = 0
    folders: dict[str, int | None] = {}  # each with the length of what stands before its installed path, None: no code
    compiled = set()  # those with modules
    code: dict[str, int] = {}
    for member in members:
        path, size = member.filename, member.file_size
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = _before(folder)
        unpacked += size
        blocks += (size + BLOCK - 1) // BLOCK
        if len(path) > longest:
            longest = len(path)
        if name.endswith(".py"):
            blocks += (size * 5 // 4 + BLOCK - 1) // BLOCK
            compiled.add(folder)
        elif not name.endswith(_LIBRARIES) and ".so." not in name:
            continue
        before = folders[folder]
        if before is not None and "\n" not in path:
            code[path[before:]] = member.CRC << 32 | size & 0xFFFFFFFF
    every = folders.keys() | {f"{folder}/__pycache__" for folder in compiled}
    if unpacked > _MOST:
        raise ValueError(f"its directory states {unpacked} bytes")
    return Contents(
        unpacked=unpacked,
        on_disk=(blocks + len(every)) * BLOCK,
        longest=longest,
        tops=frozenset(path.partition("/")[0] for path in code),
        marks=struct.pack(f"<{len(code)}Q", *code.values()),
        names=zlib.compress("\n".join(code).encode(), 1) if code else b"",
    )


def _before(folder: str) -> int | None:
    """How much of a member's path in this folder is not its path below site-packages.

    None for a folder that goes elsewhere, or whose code no import needs. "{distribution}-{version}.data/" has a folder
    for each place (binary distribution format).
    """
    parts = folder.split("/")
    before = 0
    if parts[0].endswith(".data"):
        if parts[1:2] not in (["purelib"], ["platlib"]):
            return None
        before = len(parts[0]) + len(parts[1]) + 2
        parts = parts[2:]
    if (parts and parts[0].endswith(".dist-info")) or not _ASIDE.isdisjoint(parts):
        return None
    return before


def pack(contents: Contents) -> bytes:
    """The contents as bytes, for a cache."""
    head = [contents.unpacked, contents.on_disk, contents.longest, len(contents.marks), sorted(contents.tops)]
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + contents.marks + contents.names


def unpack(packed: bytes) -> Contents:
    """What was packed. Raises `ValueError` for other bytes."""
    head, _, rest = packed.partition(b"\n")
    try:
        unpacked, on_disk, longest, marks, tops = json.loads(head)
        return Contents(
            unpacked=int(unpacked),
            on_disk=int(on_disk),
            longest=int(longest),
            tops=frozenset(map(str, tops)),
            marks=rest[:marks],
            names=rest[marks:],
        )
    except TypeError as error:
        raise ValueError(str(error)) from error
