"""Core metadata: what a wheel says of itself, and reading it from a few ranges of the wheel's bytes."""

from __future__ import annotations

import io
import struct
import zipfile
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelhouse import metadata
from wheelhouse.metadata import (
    BadMetadata,
    CoreMetadata,
    Missing,
    SparseFile,
    is_of_an_extra,
    pack,
    parse,
    read_metadata,
    unpack,
    unpacked_size,
)
from wheelhouse.target import Target

NAME = "torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl"
TORCH = b"""Metadata-Version: 2.1
Name: torch
Version: 2.1.2+cu121
Summary: Tensors and Dynamic neural networks in Python with strong GPU acceleration
Author: PyTorch Team \xec\x95\x88\xeb\x85\x95
Requires-Python: >=3.8.0
Requires-Dist: filelock
Requires-Dist: triton (==2.1.0) ; platform_system == "Linux" and platform_machine == "x86_64"
Requires-Dist: opt-einsum>=3.3 ; extra == 'opt-einsum'
Provides-Extra: opt_einsum

Name: not a header any more
"""
NOTHING = b"Metadata-Version: 2.1\nName: torch\nVersion: 1\n"


def wheel(*, folder: str = "torch-2.1.2+cu121.dist-info", content: bytes = TORCH, **options: int) -> bytes:
    """A wheel with a module of 10,000 bytes before its metadata."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", options.get("compression", zipfile.ZIP_DEFLATED)) as archive:
        archive.writestr("torch/blob.bin", bytes(i * i % 251 for i in range(10_000)), zipfile.ZIP_STORED)
        archive.writestr(f"{folder}/METADATA", content)
        archive.writestr(f"{folder}/RECORD", "")
    return stream.getvalue()


def fetched(content: bytes, tail: int, filename: str = NAME) -> tuple[bytes, list[tuple[int, int]]]:
    """What a client reads that begins with the last `tail` bytes, and the ranges that it asked for."""
    sparse, ranges = SparseFile(len(content)), list[tuple[int, int]]()
    sparse.add(len(content) - tail, content[len(content) - tail :])
    while len(ranges) < 8:
        try:
            return read_metadata(sparse, filename), ranges
        except Missing as missing:
            ranges.append((missing.start, missing.end))
            sparse.add(missing.start, content[missing.start : missing.end])
    raise AssertionError(f"still asking after {ranges}")


def refused(content: bytes, filename: str = NAME) -> str:
    with pytest.raises(BadMetadata) as raised:
        read_metadata(io.BytesIO(content), filename)
    assert raised.value.filename == filename
    return raised.value.reason


def test_a_wheel_says_what_it_needs() -> None:
    assert metadata.parse(
        TORCH, filename=NAME, name=canonicalize_name("torch"), version=Version("2.1.2+cu121")
    ) == CoreMetadata(
        name=canonicalize_name("torch"),
        version=Version("2.1.2+cu121"),
        requires=(
            Requirement("filelock"),
            Requirement('triton==2.1.0; platform_system == "Linux" and platform_machine == "x86_64"'),
            Requirement('opt-einsum>=3.3; extra == "opt-einsum"'),
        ),
        requires_python=SpecifierSet(">=3.8.0"),
        extras=frozenset({canonicalize_name("opt-einsum")}),
    )


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    assert metadata.parse(b"\xef\xbb\xbf" + TORCH.replace(b"\n", b"\r\n"), filename=NAME) == metadata.parse(
        TORCH, filename=NAME
    )


def test_a_folded_requirement_is_one() -> None:
    content = NOTHING + b'Requires-Dist: numpy\n  >=1.20;\n\tsys_platform == "linux"\n'
    assert metadata.parse(content, filename=NAME).requires == (Requirement('numpy>=1.20; sys_platform == "linux"'),)


def test_headers_that_do_not_decide_may_be_junk() -> None:
    content = b"Author: \xff\xfe\xed\xa0\x80 =?utf-8?b?x?=\nDescription: one\n    two\nno header\n" + NOTHING
    assert metadata.parse(content, filename=NAME).name == "torch"


def test_an_unreadable_requires_python_admits_all() -> None:
    for text in (b">=3.6.*.1", b"3", b"\xff", b"", b">=3.8\nRequires-Python: >=3.9", b">=3." + b"9" * 5000):
        assert metadata.parse(NOTHING + b"Requires-Python: " + text + b"\n", filename=NAME).requires_python is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "`Name` is None"),
        (b"<html>", "`Name` is None"),
        (b"Name: torch\n", "`Version` is None"),
        (b"Name: to rch\nVersion: 1\n", "`Name` is 'to rch'"),
        (b"Name: torch\nVersion: one\n", "`Version` is 'one'"),
        (b"Name: torch\nName: torch\nVersion: 1\n", "`Name` stands there twice or is not UTF-8"),
        (b"Name: torch\nVersion: 1\nRequires-Dist: \xff\n", "`Requires-Dist` stands there twice or is not UTF-8"),
        (b"Metadata-Version: 3.0\nName: torch\nVersion: 1\n", "`Metadata-Version` is 3.0, and 2.x is the newest known"),
        (b"Metadata-Version: new\nName: torch\nVersion: 1\n", "`Metadata-Version` is 'new'"),
        (b"Name: jax\nVersion: 1\n", "it is that of `jax`"),
        (b"Name: torch\nVersion: 2\n", "it is that of version 2"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(BadMetadata) as raised:
        metadata.parse(content, filename=NAME, name=canonicalize_name("torch"), version=Version("1.0"))
    assert str(raised.value) == f"the metadata of `{NAME}` cannot be used: {reason}"


@pytest.mark.parametrize(
    "line",
    [b"numpy (>=1", b"numpy >= 1.20 <2", b"x; " + b"(" * 50_000, b"x @", b"x; bogus == '1'", b"x>=" + b"9" * 5000],
)
def test_a_requirement_that_cannot_be_read_is_refused(line: bytes) -> None:
    with pytest.raises(BadMetadata, match="a `Requires-Dist` cannot be read: "):
        metadata.parse(NOTHING + b"Requires-Dist: " + line + b"\n", filename=NAME)


@given(
    content=st.binary()
    | st.lists(st.sampled_from(TORCH.splitlines(keepends=True)) | st.binary(max_size=9)).map(b"".join)
)
def test_any_bytes_are_metadata_or_bad_metadata(content: bytes) -> None:
    try:
        assert metadata.parse(content, filename=NAME).name
    except BadMetadata as error:
        assert error.reason


WHEEL = wheel()


@given(tail=st.integers(0, len(WHEEL)))
def test_any_tail_gives_the_same_metadata(tail: int) -> None:
    content, ranges = fetched(WHEEL, tail)
    assert content == TORCH
    assert len(ranges) <= 4
    assert sum(end - start for start, end in ranges) < 2_000


def test_a_long_enough_tail_is_one_request() -> None:
    assert fetched(WHEEL, 2_000) == (TORCH, [])


def test_no_byte_is_asked_for_twice() -> None:
    seen: set[int] = set(range(len(WHEEL) - 100, len(WHEEL)))
    for start, end in fetched(WHEEL, 100)[1]:
        assert seen.isdisjoint(range(start, end))
        seen.update(range(start, end))


def test_a_wheel_with_a_comment_is_read_too() -> None:
    stream = io.BytesIO(WHEEL)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = b"built on a Friday" * 100
    content, ranges = fetched(stream.getvalue(), 100)
    assert content == TORCH
    assert len(ranges) <= 4


def test_a_zip64_wheel_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    content = wheel()
    assert b"PK\x06\x06" in content
    assert fetched(content, 22)[0] == TORCH


def test_an_extra_field_beyond_the_guess_costs_more_rounds() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        entry = zipfile.ZipInfo("torch-2.1.2+cu121.dist-info/METADATA")
        entry.extra = struct.pack("<HH", 0xCAFE, 3_000) + bytes(3_000)
        archive.writestr(entry, TORCH)
        archive.writestr("torch-2.1.2+cu121.dist-info/RECORD", "x" * 10_000)
    content, ranges = fetched(stream.getvalue(), 22)
    assert content == TORCH
    assert 4 <= len(ranges) <= 5  # the end, the directory, the guess, METADATA; Python 3.11 reads the field first


def test_a_stored_entry_is_read_too() -> None:
    assert fetched(wheel(compression=zipfile.ZIP_STORED), 50)[0] == TORCH


def test_the_folder_may_be_written_in_another_way() -> None:
    content = wheel(folder="Foo.Bar_baz-1.0.dist-info")
    assert read_metadata(io.BytesIO(content), "foo_bar_baz-1.0-py3-none-any.whl") == TORCH


def test_the_unpacked_size_is_that_of_all_files() -> None:
    assert unpacked_size(io.BytesIO(WHEEL), NAME) == 10_000 + len(TORCH)
    sparse = SparseFile(len(WHEEL))
    with pytest.raises(Missing):
        unpacked_size(sparse, NAME)
    sparse.add(10_000, WHEEL[10_000:])
    assert unpacked_size(sparse, NAME) == 10_000 + len(TORCH)


def test_a_wheel_that_pip_would_not_install_is_refused() -> None:
    assert refused(wheel(folder="torch-2.1.2.data")) == "the wheel holds no `.dist-info` folders, not one"
    assert refused(wheel(folder="x/torch-2.1.2.dist-info")) == "the wheel holds no `.dist-info` folders, not one"
    assert refused(wheel(folder="jax-1.dist-info")) == "the wheel holds `jax-1.dist-info`"
    stream = io.BytesIO(WHEEL)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("jax-1.dist-info/METADATA", NOTHING)
    assert refused(stream.getvalue()) == "the wheel holds 2 `.dist-info` folders, not one"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("torch-2.1.2.dist-info/RECORD", "")
    assert refused(stream.getvalue()) == "the wheel holds no `torch-2.1.2.dist-info/METADATA`"


def test_a_damaged_wheel_is_refused() -> None:
    start = WHEEL.index(b"METADATA") + len("METADATA")
    assert refused(b"<html>no wheel</html>" * 10) == "the wheel is damaged: File is not a zip file"
    assert refused(b"") == "the wheel is damaged: File is not a zip file"
    assert "the wheel is damaged: " in refused(WHEEL[:start] + bytes(20) + WHEEL[start + 20 :])
    stored = wheel(compression=zipfile.ZIP_STORED)
    assert "Bad CRC-32" in refused(stored.replace(b"Name: torch", b"Name: porch"))


def test_a_zip_bomb_is_refused_before_it_unpacks() -> None:
    content = wheel(content=bytes(metadata.LARGEST_METADATA + 1))
    assert len(content) < 30_000
    assert refused(content) == "it has 16777217 bytes"
    # a directory that lies about the size gets no more than what it says, and that fails its checksum
    lie = content.replace(struct.pack("<L", metadata.LARGEST_METADATA + 1), struct.pack("<L", 100))
    assert "Bad CRC-32" in refused(lie)


def test_other_compressions_and_encryption_are_refused() -> None:
    assert refused(wheel(compression=zipfile.ZIP_LZMA)) == "it is neither stored nor deflated"
    directory = WHEEL.index(b"PK\x01\x02", WHEEL.index(b"PK\x01\x02") + 1)
    flags = WHEEL[directory + 8] | 1
    encrypted = WHEEL[: directory + 8] + bytes([flags]) + WHEEL[directory + 9 :]
    assert "is encrypted" in refused(encrypted)


def test_a_forged_directory_cannot_ask_for_the_whole_file() -> None:
    end = WHEEL.rindex(b"PK\x05\x06")
    size = 2 * 2**30
    sparse = SparseFile(size)
    forged = WHEEL[end : end + 12] + struct.pack("<LL", 2**30, 100) + WHEEL[end + 20 :]
    sparse.add(size - len(forged) - 20, bytes(20) + forged)
    with pytest.raises(BadMetadata, match="its directory asks for 1073741804 bytes at once"):
        read_metadata(sparse, NAME)


@given(data=st.data())
def test_a_wheel_with_any_damage_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(WHEEL[9_000:])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    sparse = SparseFile(len(WHEEL))
    sparse.add(9_000, bytes(content))
    try:
        assert len(read_metadata(sparse, NAME)) <= metadata.LARGEST_METADATA
        assert unpacked_size(sparse, NAME) >= 0
    except (BadMetadata, Missing):
        pass


@given(
    size=st.integers(0, 40),
    pieces=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40))),
    start=st.integers(0, 45),
    length=st.integers(0, 45),
)
def test_a_sparse_file_is_the_file_or_says_what_is_missing(
    size: int, pieces: list[tuple[int, int]], start: int, length: int
) -> None:
    whole = bytes(range(size))
    sparse, known = SparseFile(size), set[int]()
    for first, last in pieces:
        if first <= last <= size:
            sparse.add(first, whole[first:last])
            known.update(range(first, last))
    sparse.seek(start)
    wanted = range(min(start, size), min(start + length, size))
    gap = [position for position in wanted if position not in known]
    if gap:
        with pytest.raises(Missing) as raised:
            sparse.read(length)
        assert (raised.value.start, raised.value.end) == (gap[0], gap[-1] + 1)
    else:
        assert sparse.read(length) == whole[start : start + length]


def test_bytes_outside_the_file_are_not_taken() -> None:
    with pytest.raises(ValueError, match="bytes 9 to 11 are outside a file of 10 bytes"):
        SparseFile(10).add(9, b"xx")


FILE = "foo-1.0-py3-none-any.whl"
NAMES = st.sampled_from(["foo", "Foo_Bar", "a.b-c", "x[y]", "x[a,b]", "x [y]", "-x", "x "])
CLAUSES = st.sampled_from(
    ["", ">=1.0", "(>=1,<2)", " >= 1.0, < 2", "==1.*", ">=1.*", "~=1", "~=1.4", "(>1", "===x", "@ https://a/b"]
)
TERMS = st.sampled_from(
    [
        'extra == "dev"', "extra=='dev'", "(extra == 'dev')", 'python_version < "3.8"', "python_version ~= 'x'",
        "(extra == 'dev'", "sys_platform != 'win32'", "os_name < 'a'", "extra != 'dev'",
        'python_full_version >= "3.8.1"',
        "python_version in '3.8'",
    ]
)  # fmt: skip
LINES = st.builds(
    lambda name, clause, terms, word: f"{name}{clause}; {f' {word} '.join(terms)}" if terms else f"{name}{clause}",
    NAMES, CLAUSES, st.lists(TERMS, max_size=3), st.sampled_from(["and", "or"]),
)  # fmt: skip


@given(line=LINES)
def test_a_line_that_is_taken_for_an_extras_can_be_read_and_never_holds_without_one(line: str) -> None:
    if is_of_an_extra(line):
        marker = Requirement(line).marker
        assert marker is not None
        for target in ("linux-x86_64-py37", "windows-x86_64-py312"):
            assert not Target.parse(target).admits(marker)
            Target.parse(target).admits(marker, {"dev"})  # nor is it ever refused


@given(lines=st.lists(LINES, max_size=5))
def test_what_was_packed_is_what_is_unpacked(lines: list[str]) -> None:
    text = "Metadata-Version: 2.1\nName: Foo\nVersion: 1.0\nRequires-Python: >=3.8\nProvides-Extra: Dev_Tools\n"
    content = (text + "".join(f"Requires-Dist: {line}\n" for line in lines)).encode()
    try:
        found = parse(content, filename=FILE)
    except BadMetadata:
        return
    with mock.patch("wheelhouse.metadata.requires.is_of_an_extra", side_effect=AssertionError):  # that is kept too
        again = unpack(pack(found), filename=FILE, name=found.name, version=found.version)
        assert (again, list(again.requires_for(()))) == (found, list(found.requires_for(())))
    assert unpack(content, filename=FILE) == found  # METADATA as it is will do


def test_what_was_packed_must_be_of_the_file() -> None:
    packed = pack(parse(b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n", filename=FILE))
    with pytest.raises(BadMetadata, match="it is that of `foo`"):
        unpack(packed, filename=FILE, name=canonicalize_name("bar"))
    with pytest.raises(BadMetadata, match=r"it is that of version 1\.0"):
        unpack(packed, filename=FILE, version=Version("2.0"))
    with pytest.raises(BadMetadata, match="what was kept of it cannot be read"):
        unpack(packed[:-3], filename=FILE)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Requires-Dist", "requires-dist", "Provides-Extra", "Requires-Python", "Author", "X-Y"]),
        st.sampled_from([" ", "", "\t", "  "]),
        st.sampled_from(["foo", "foo>=1;\n  extra == 'x'", "a: b", "\xe9", "", ">=3.8", "foo\n\t\n", "x  "]),
    ),
    max_size=6,
)


@given(headers=HEADERS, ends=st.sampled_from(["\n", "\r\n"]), body=st.sampled_from(["", "\n\nRequires-Dist: body\n"]))
def test_headers_are_read_as_packaging_reads_them(headers: list[tuple[str, str, str]], ends: str, body: str) -> None:
    text = "".join(f"{name}:{blank}{value}\n" for name, blank, value in [("Name", " ", "Foo"), *headers]) + body
    raw, unparsed = parse_email(text.encode())
    told, unread = metadata.core._headers(text.replace("\n", ends).encode())
    assert unread == set()
    for name in ("requires-dist", "provides-extra", "requires-python", "name"):
        theirs = raw.get(name.replace("-", "_"), unparsed.get(name, []))
        theirs = [theirs] if isinstance(theirs, str) else theirs
        assert [each.split() for each in told.get(name, [])] == [each.split() for each in theirs]
