"""What the shared libraries of a wheel say of themselves, as values; and how they are kept in a cache."""

from __future__ import annotations

import base64
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Self
from zlib import crc32

from msgspec import Struct, field
from msgspec.structs import fields

Level = tuple[int, ...]
"""A version node's number: (2, 28) of `GLIBC_2.28`."""


class Names(Struct, frozen=True):
    """A set of symbol names that can only be asked. A CRC-32 stands for each: 4 bytes where C++ names take a hundred.

    A name that is not in it is taken for one that is once in 2**32 / len: a fault may be missed, never invented.
    """

    sums: bytes = b""  # big-endian, sorted

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """The set of these names, which are ASCII."""
        return cls.of_sums({crc32(name.encode("ascii")) for name in names})

    @classmethod
    def of_sums(cls, sums: Iterable[int]) -> Self:
        """The set of names with these CRC-32s, each once."""
        return cls(b"".join(each.to_bytes(4, "big") for each in sorted(sums)))

    def __len__(self) -> int:
        return len(self.sums) // 4

    def __contains__(self, name: str) -> bool:
        wanted = crc32(name.encode("ascii")).to_bytes(4, "big")
        at = bisect_left(range(len(self)), wanted, key=self._sum)
        return at < len(self) and self._sum(at) == wanted

    def __and__(self, other: Names) -> Names:
        small, large = sorted((self, other), key=len)
        sums = set(small._every())
        return Names(b"".join(sorted(each for each in large._every() if each in sums)))

    def __or__(self, other: Names) -> Names:
        return Names(b"".join(sorted({*self._every(), *other._every()})))

    def _every(self) -> Iterator[bytes]:
        return (self._sum(at) for at in range(len(self)))

    def _sum(self, at: int) -> bytes:
        return self.sums[4 * at : 4 * at + 4]


class Elf(Struct, frozen=True, kw_only=True):
    """One shared library, extension module or program of a wheel, as the dynamic linker sees it."""

    path: str  # its member of the wheel
    machine: str = "x86_64"  # "x86_64", "aarch64", else the number of `e_machine`
    soname: str = ""
    needed: tuple[str, ...] = ()  # DT_NEEDED, in order
    rpath: str = ""  # searched before LD_LIBRARY_PATH; does not count where there is a runpath
    runpath: str = ""  # searched after LD_LIBRARY_PATH
    glibc: Level | None = None  # the highest that it does not start without
    glibcxx: Level | None = None
    cxxabi: Level | None = None
    versioned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # library → the symbols it must have
    undefined: tuple[str, ...] = ()  # symbols that some library must have: C++ names, and those of CUDA's families
    exports: Names = Names()  # what it defines for others
    mentions: tuple[str, ...] = ()  # CUDA libraries that its strings name, `libcublas.so.12`, sorted
    numpy: Literal["", "1", "2"] = ""  # the C interface it was compiled for; "" where it names none
    module: bool = False  # an extension module: it exports `PyInit_…`

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.rpartition("/")[2]


DAMAGED = "its member of the wheel is damaged"  # how the reason begins where no installer can unpack the member


class WheelBinaries(Struct, frozen=True, kw_only=True):
    """Every ELF file of one wheel, by path. `unreadable` are (path, reason); the path is "" for the wheel itself."""

    filename: str
    elves: tuple[Elf, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()


def record(binaries: WheelBinaries) -> dict[str, Any]:
    """What `restored` reads again; of JSON's types alone."""
    return {
        "filename": binaries.filename,
        "unreadable": [list(each) for each in binaries.unreadable],
        "elves": [_record(elf) for elf in binaries.elves],
    }


def restored(told: Mapping[str, Any]) -> WheelBinaries:
    """The value that `record` wrote. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    return WheelBinaries(
        filename=str(told["filename"]),
        unreadable=tuple((str(path), str(reason)) for path, reason in told["unreadable"]),
        elves=tuple(_restored(each) for each in told["elves"]),
    )


def _record(elf: Elf) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for each in fields(Elf):
        value = getattr(elf, each.name)
        if isinstance(value, Names):
            told[each.name] = base64.b64encode(value.sums).decode()
        elif value or each.name == "path":
            told[each.name] = value
    return told


def _restored(told: Mapping[str, Any]) -> Elf:
    return Elf(
        path=str(told["path"]),
        machine=str(told.get("machine", "")),
        soname=str(told.get("soname", "")),
        needed=_words(told.get("needed")),
        rpath=str(told.get("rpath", "")),
        runpath=str(told.get("runpath", "")),
        glibc=_level(told.get("glibc")),
        glibcxx=_level(told.get("glibcxx")),
        cxxabi=_level(told.get("cxxabi")),
        versioned={str(library): _words(names) for library, names in dict(told.get("versioned", {})).items()},
        undefined=_words(told.get("undefined")),
        exports=Names(base64.b64decode(told.get("exports", ""), validate=True)),
        mentions=_words(told.get("mentions")),
        numpy="1" if told.get("numpy") == "1" else "2" if told.get("numpy") == "2" else "",
        module=bool(told.get("module", False)),
    )


def _words(told: Any) -> tuple[str, ...]:
    return tuple(str(word) for word in told or ())


def _level(told: Any) -> Level | None:
    return tuple(int(part) for part in told) if told else None
