"""Tiny ELF shared objects and wheels of them: what the dynamic linker reads, and nothing that could run."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from world.wheels import WheelFile

BASE = 0x10000  # where the file would be loaded: addresses are not offsets
_WEAK, _GLOBAL = 2, 1


def build_elf(
    *,
    soname: str = "",
    needed: Sequence[str] = (),
    rpath: str = "",
    runpath: str = "",
    exports: Sequence[str] = (),
    wants: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    undefined: Sequence[str] = (),
    weak: Sequence[str] = (),
    weak_versions: Sequence[str] = (),
    strings: Sequence[str] = (),
    padding: int = 0,
    machine: int = 62,
    symbol_count: Literal["sections", "hash", "gnu"] = "sections",
) -> bytes:
    """A 64-bit little-endian shared object.

    `wants` are versioned symbols, library → version node → names (which may be none); `undefined` and `weak` are
    without a version; `weak_versions` are version nodes that may be missing. `padding` bytes of zeros stand before the
    dynamic section. `symbol_count` says where the number of symbols can be found.
    """
    text = bytearray(b"\0")
    places: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in places:
            places[name] = len(text)
            text.extend(name.encode() + b"\0")
        return places[name]

    versions = {
        (library, version): number
        for number, (library, version) in enumerate(
            ((library, version) for library, nodes in (wants or {}).items() for version in nodes), 2
        )
    }
    rows = [(name, _GLOBAL, 0, 1) for name in undefined] + [(name, _WEAK, 0, 1) for name in weak]
    rows += [
        (name, _GLOBAL, 0, versions[library, version])
        for library, nodes in (wants or {}).items()
        for version, names in nodes.items()
        for name in names
    ]
    first_defined = len(rows) + 1
    rows += [(name, _GLOBAL, 1, 1) for name in exports]
    symbols = bytes(24) + b"".join(
        struct.pack("<IBBHQQ", place(name), binding << 4 | 2, 0, section, BASE * section, 0)
        for name, binding, section, _ in rows
    )
    numbers = b"\0\0" + b"".join(struct.pack("<H", number) for *_, number in rows)
    needs = _verneed(wants or {}, versions, place, weak_versions)
    dynamic = [(1, place(name)) for name in needed]
    dynamic += [(tag, place(name)) for tag, name in ((14, soname), (15, rpath), (29, runpath)) if name]

    content = bytearray(64 + 2 * 56)

    def add(part: bytes) -> int:
        content.extend(bytes(-len(content) % 8))
        at = len(content)
        content.extend(part)
        return at

    count = len(rows) + 1
    text_at, symbols_at, numbers_at, needs_at = add(bytes(text)), add(symbols), add(numbers), add(needs)
    dynamic += [(5, BASE + text_at), (10, len(text)), (6, BASE + symbols_at)]
    if needs:
        dynamic += [(0x6FFFFFF0, BASE + numbers_at), (0x6FFFFFFE, BASE + needs_at), (0x6FFFFFFF, len(wants or {}))]
    if symbol_count == "hash":
        dynamic.append((4, BASE + add(struct.pack("<II", 1, count) + bytes(4 * (1 + count)))))
    if symbol_count == "gnu":
        chain = [2 * at for at in range(len(exports))]
        chain[-1:] = [chain[-1] | 1] if chain else []
        head = struct.pack("<IIIIQI", 1, first_defined, 1, 0, 0, first_defined if exports else 0)
        dynamic.append((0x6FFFFEF5, BASE + add(head + struct.pack(f"<{len(chain)}I", *chain))))
    add(b"".join(each.encode() + b"\0" for each in strings))
    add(bytes(padding))
    table = b"".join(struct.pack("<QQ", tag, value) for tag, value in (*dynamic, (0, 0)))
    dynamic_at = add(table)
    sections_at = 0
    if symbol_count == "sections":
        sections_at = add(
            _section(0, 0, 0, 0)
            + _section(3, text_at, len(text), 0)
            + _section(11, symbols_at, len(symbols), 1, 24)
            + _section(6, dynamic_at, len(table), 1, 16)
        )
    struct.pack_into(
        "<16sHHIQQQIHHHHHH", content, 0, b"\x7fELF\x02\x01\x01", 3, machine, 1, 0, 64, sections_at, 0, 64, 56, 2,
        64, 4 if sections_at else 0, 0,
    )  # fmt: skip
    struct.pack_into("<IIQQQQQQ", content, 64, 1, 5, 0, BASE, BASE, len(content), len(content), 4096)
    struct.pack_into(
        "<IIQQQQQQ", content, 120, 2, 6, dynamic_at, BASE + dynamic_at, BASE + dynamic_at, len(table), len(table), 8
    )
    return bytes(content)


def build_elf_wheel(name: str, version: str, files: Mapping[str, bytes], *, stored: bool = False) -> WheelFile:
    """A wheel with these members, for Python 3.10 on Linux; it is read here, never installed."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in {**files, f"{stem}.dist-info/METADATA": metadata}.items():
            info = zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return WheelFile(f"{stem}-cp310-cp310-manylinux_2_17_x86_64.whl", buffer.getvalue(), metadata, None)


def _verneed(
    wants: Mapping[str, Mapping[str, Sequence[str]]],
    versions: Mapping[tuple[str, str], int],
    place: Callable[[str], int],
    weak_versions: Sequence[str],
) -> bytes:
    parts = []
    for at, (library, nodes) in enumerate(wants.items(), 1):
        size = 16 * (1 + len(nodes))
        parts.append(struct.pack("<HHIII", 1, len(nodes), place(library), 16, size if at < len(wants) else 0))
        for step, version in enumerate(nodes, 1):
            flags = 2 if version in weak_versions else 0
            number = versions[library, version]
            parts.append(struct.pack("<IHHII", 0, flags, number, place(version), 16 if step < len(nodes) else 0))
    return b"".join(parts)


def _section(kind: int, at: int, size: int, link: int, entry: int = 0) -> bytes:
    return struct.pack("<IIQQQQIIQQ", 0, kind, 2, BASE + at, at, size, link, 0, 8, entry)
