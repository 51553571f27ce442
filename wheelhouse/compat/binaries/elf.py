"""An ELF file read as the dynamic linker reads it: by its program headers and PT_DYNAMIC, never by what it need not.

Source: System V ABI, chapters 4 and 5; `elf.h` and the "Symbol Versioning" appendix of the Linux Standard Base.
Every length and count comes from the file, so each is bounded before it is believed. A file may be of gigabytes, so
it is asked for ranges only. `Elf.versioned` and `.undefined` still hold what the wheel's other files define.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple
from zlib import crc32

from msgspec import Struct

from wheelhouse.compat.binaries.model import Elf, Level, Names
from wheelhouse.data import table

MAGIC = b"\x7fELF"
Read = Callable[[int, int], bytes]
"""`read(offset, count)`: that range of the file, shorter at its end."""

_MACHINES = {62: "x86_64", 183: "aarch64"}
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 4, 5, 6, 10, 14, 15, 29
_DT_GNU_HASH, _DT_VERSYM, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF
_SHT_DYNSYM = 11
_WEAK_VERSION = 2  # VER_FLG_WEAK: the linker only warns when it is missing
_SYMBOL = struct.Struct("<IBBHQQ")  # st_name, st_info, st_other, st_shndx, st_value, st_size
_LARGEST = {"strings": 128 << 20, "symbols": 3_000_000, "dynamic": 4096, "headers": 4096, "versions": 65536}
_LONGEST_NAME = 64 << 10
_STEP = 64 << 10  # symbols read at once
# glibc 2.36 understands DT_RELR; `GLIBC_ABI_DT_RELR` is its version node for that
_RELR = (2, 36)


class BadElf(ValueError):
    """A file that begins like an ELF file and is none that the linker would take. Says what is wrong."""


class _Segment(Struct, frozen=True):
    kind: int
    offset: int
    address: int
    size: int


class _Version(Struct, frozen=True):
    library: str
    name: str
    weak: bool


def read_elf(path: str, read: Read) -> Elf | None:
    """What the linker reads of the file; None for one that is not for a machine we know, such as a GPU's code.

    `mentions` and `numpy` are left empty: they stand in the file's strings, wherever those are. Raises `BadElf`.
    """
    header = read(0, 64)
    if len(header) < 64 or header[:4] != MAGIC:
        raise BadElf("it is cut off")
    if header[4:6] != b"\x02\x01":  # ELFCLASS64, little-endian
        return None
    kind, machine = struct.unpack_from("<HH", header, 16)
    if machine not in _MACHINES or kind not in (2, 3):  # ET_EXEC, ET_DYN
        return None
    try:
        return _read(path, read, header, _MACHINES[machine])
    except struct.error as error:
        raise BadElf("a table is cut off") from error


def _read(path: str, read: Read, header: bytes, machine: str) -> Elf:
    segments = tuple(_segments(read, header))
    dynamic = next((segment for segment in segments if segment.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return Elf(path=path, machine=machine)  # linked statically
    entries = tuple(_dynamic(_exactly(read, dynamic.offset, min(dynamic.size, 16 * _LARGEST["dynamic"]))))
    tags = dict(reversed(entries))  # the first of each
    strings = _Strings(b"")
    if _DT_STRTAB in tags:
        size = _bounded(tags.get(_DT_STRSZ, 0), "strings")
        strings = _Strings(_exactly(read, _offset(segments, tags[_DT_STRTAB]), size))
    versions = dict(_versions(read, segments, tags, strings))
    symbols = _symbols(read, header, segments, tags, strings, versions)
    levels = {name: _highest(versions, name) for name in ("GLIBC", "GLIBCXX", "CXXABI")}
    return Elf(
        path=path,
        machine=machine,
        soname=strings.at(tags[_DT_SONAME]) if _DT_SONAME in tags else "",
        needed=tuple(strings.at(value) for tag, value in entries if tag == _DT_NEEDED),
        rpath=strings.at(tags[_DT_RPATH]) if _DT_RPATH in tags else "",
        runpath=strings.at(tags[_DT_RUNPATH]) if _DT_RUNPATH in tags else "",
        glibc=levels["GLIBC"],
        glibcxx=levels["GLIBCXX"],
        cxxabi=levels["CXXABI"],
        versioned=symbols.versioned,
        undefined=symbols.undefined,
        exports=symbols.exports,
        module=symbols.module,
    )


class _Strings:
    """A string table. A name that is not in it raises `BadElf`."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def at(self, start: int) -> str:
        text = self.bytes_at(start).decode("latin-1")
        return text if text.isascii() and text.isprintable() else text.encode("unicode_escape").decode()

    def bytes_at(self, start: int) -> bytes:
        end = self.content.find(b"\0", start, start + _LONGEST_NAME)
        if end < 0:
            raise BadElf("a name is not in its string table")
        return self.content[start:end]


def _exactly(read: Read, offset: int, count: int) -> bytes:
    content = read(offset, count)
    if len(content) < count:
        raise BadElf("a table is cut off")
    return content


def _bounded(value: int, what: str) -> int:
    if value > _LARGEST[what]:
        raise BadElf(f"its table of {what} would have {value} entries")
    return value


def _segments(read: Read, header: bytes) -> Iterator[_Segment]:
    (start,), (size, count) = struct.unpack_from("<Q", header, 32), struct.unpack_from("<HH", header, 54)
    if size < 56:
        raise BadElf("it has no program headers")
    content = _exactly(read, start, size * _bounded(count, "headers"))
    for at in range(0, size * count, size):
        kind, _, offset, address, _, in_file = struct.unpack_from("<IIQQQQ", content, at)
        if kind in (_PT_LOAD, _PT_DYNAMIC):
            yield _Segment(kind, offset, address, in_file)


def _offset(segments: tuple[_Segment, ...], address: int) -> int:
    """Where the file holds what is loaded at `address`."""
    for each in segments:
        if each.kind == _PT_LOAD and each.address <= address < each.address + each.size:
            return address - each.address + each.offset
    raise BadElf("a table lies outside of the file")


def _dynamic(content: bytes) -> Iterator[tuple[int, int]]:
    for tag, value in struct.iter_unpack("<QQ", content[: len(content) // 16 * 16]):
        if tag == 0:
            return
        yield tag, value


def _versions(
    read: Read, segments: tuple[_Segment, ...], tags: Mapping[int, int], strings: _Strings
) -> Iterator[tuple[int, _Version]]:
    """The version nodes that it needs, by their number in the table of symbol versions."""
    if _DT_VERNEED not in tags:
        return
    content = read(_offset(segments, tags[_DT_VERNEED]), 16 * _LARGEST["versions"])
    at, left = 0, _LARGEST["versions"]
    for _ in range(_bounded(tags.get(_DT_VERNEEDNUM, 0), "versions")):
        _, count, library, first, following = struct.unpack_from("<HHIII", content, at)
        own = at + first
        for _ in range(count):
            left -= 1
            if left < 0:
                raise BadElf("it needs too many versions")
            _, flags, number, name, step = struct.unpack_from("<IHHII", content, own)
            yield number & 0x7FFF, _Version(strings.at(library), strings.at(name), bool(flags & _WEAK_VERSION))
            if not step:
                break
            own += step
        if not following:
            return
        at += following


def _highest(versions: Mapping[int, _Version], family: str) -> Level | None:
    """The highest `FAMILY_x.y` that it does not load without, of the system's libraries: a bundled one has its own."""
    system = _system()
    levels = [
        level
        for each in versions.values()
        if not each.weak and each.library in system and (level := _level(each.name, family))
    ]
    return max(levels, default=None)


def _level(name: str, family: str) -> Level | None:
    if name == "GLIBC_ABI_DT_RELR" and family == "GLIBC":
        return _RELR
    match = re.fullmatch(rf"{family}_(\d{{1,4}}(?:\.\d{{1,4}}){{1,3}})", name)
    return tuple(int(part) for part in match[1].split(".")) if match else None


class _Symbols(NamedTuple):
    versioned: Mapping[str, tuple[str, ...]] = {}
    undefined: tuple[str, ...] = ()
    exports: Names = Names()
    module: bool = False


def _symbols(
    read: Read,
    header: bytes,
    segments: tuple[_Segment, ...],
    tags: Mapping[int, int],
    strings: _Strings,
    versions: Mapping[int, _Version],
) -> _Symbols:
    if _DT_SYMTAB not in tags:
        return _Symbols()
    count = _bounded(_count(read, header, segments, tags), "symbols")
    start = _offset(segments, tags[_DT_SYMTAB])
    numbers = b""
    if _DT_VERSYM in tags and versions:
        numbers = _exactly(read, _offset(segments, tags[_DT_VERSYM]), 2 * count)
    interesting = _interesting()
    system = _system()
    versioned: dict[str, list[str]] = {}
    undefined: list[str] = []
    exports: set[int] = set()
    module = False
    for begin in range(0, count, _STEP):
        these = min(_STEP, count - begin)
        content = _exactly(read, start + begin * _SYMBOL.size, these * _SYMBOL.size)
        for number, (name_at, info, other, section, _, _) in enumerate(_SYMBOL.iter_unpack(content), begin):
            binding = info >> 4
            if binding == 0 or name_at == 0:  # STB_LOCAL
                continue
            if section:
                if other & 3 in (0, 3):  # STV_DEFAULT, STV_PROTECTED
                    name = strings.bytes_at(name_at)
                    exports.add(crc32(name))
                    module = module or name.startswith(b"PyInit_")
                continue
            if binding == 2:  # STB_WEAK: it may stay undefined
                continue
            version = versions.get(int.from_bytes(numbers[2 * number : 2 * number + 2], "little") & 0x7FFF)
            if version is not None and version.library in system:
                continue
            name = strings.bytes_at(name_at)
            if not name.isascii():
                continue
            if version is not None:
                versioned.setdefault(version.library, []).append(name.decode("ascii"))
            elif interesting.match(name):
                undefined.append(name.decode("ascii"))
    return _Symbols(
        {library: tuple(sorted(names)) for library, names in sorted(versioned.items())},
        tuple(sorted(undefined)),
        Names.of_sums(exports),
        module,
    )


@cache
def _system() -> frozenset[str]:
    """The libraries that every Linux brings: what is wanted of them is told by version nodes."""
    return frozenset(table("link.json")["base"]["libraries"])


@cache
def _interesting() -> re.Pattern[bytes]:
    """Names that only a library of the closure can define: C++ outside of its standard library, CUDA's families."""
    families = "|".join(prefix for row in table("link.json")["families"] for prefix in row["symbols"])
    standard = r"N?K?S[tabsiod]|N9__gnu_cxx|N10__cxxabi"  # std::, and libstdc++'s own namespaces
    return re.compile(rf"_Z(?!n[wa]|d[la]|GV|TI[a-zP]|(?:T[VIST])?(?:{standard}))|(?:{families})".encode())


def _count(read: Read, header: bytes, segments: tuple[_Segment, ...], tags: Mapping[int, int]) -> int:
    """How many dynamic symbols there are: by the section headers where they are kept, else by a hash table."""
    (start,), (size, count) = struct.unpack_from("<Q", header, 40), struct.unpack_from("<HH", header, 58)
    if start and size >= 64:
        content = _exactly(read, start, size * _bounded(count, "headers"))
        for at in range(0, len(content), size):
            kind, address, length = (
                struct.unpack_from(form, content, at + place)[0] for form, place in (("<I", 4), ("<Q", 16), ("<Q", 32))
            )
            if kind == _SHT_DYNSYM and address == tags[_DT_SYMTAB]:
                return int(length // _SYMBOL.size)
    if _DT_HASH in tags:
        return int(struct.unpack("<II", read(_offset(segments, tags[_DT_HASH]), 8))[1])
    if _DT_GNU_HASH in tags:
        return _gnu_count(read, _offset(segments, tags[_DT_GNU_HASH]))
    return 0


def _gnu_count(read: Read, at: int) -> int:
    """One past the last symbol of a GNU hash table: its chains end with an odd number."""
    buckets, first, words, _ = struct.unpack("<IIII", read(at, 16))
    at += 16 + 8 * _bounded(words, "symbols")
    content = read(at, 4 * _bounded(buckets, "symbols"))
    last = max((each for (each,) in struct.iter_unpack("<I", content)), default=0)
    if last < first:
        return int(first)
    at += 4 * buckets + 4 * (last - first)
    for number in range(last, _LARGEST["symbols"], 1024):
        for step, (each,) in enumerate(struct.iter_unpack("<I", _whole(read(at + 4 * (number - last), 4096)))):
            if each & 1:
                return int(number + step + 1)
    raise BadElf("its hash table has no end")


def _whole(content: bytes) -> bytes:
    if len(content) < 4:
        raise BadElf("its hash table is cut off")
    return content[: len(content) // 4 * 4]
