"""Core metadata of one wheel: what its METADATA says, and how to read that from a few ranges of the wheel's bytes."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import BinaryIO, overload

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.errors import WheelhouseError

LARGEST_METADATA = 16 * 2**20  # bytes, unpacked; the largest on PyPI are below 1 MiB
_LARGEST_RANGE = 64 * 2**20  # bytes asked for at once; torch's central directory has 2 MiB

# The headers that decide; all others (the description may be one of them) are not even parsed.
_HEADER = re.compile(
    rb"^(?:metadata-version|name|version|requires-dist|requires-python|provides-extra)[ \t]*:.*(?:\n[ \t].*)*",
    re.IGNORECASE | re.MULTILINE,
)
_ABSURD = re.compile(r"\d{1000}")  # Python makes no number of more than 4,300 digits: `ValueError` where it is compared
_FOLD = re.compile(r"\n[ \t]*")  # RFC 822: a header may go on in the next line, behind a blank


class BadMetadata(WheelhouseError):
    """The core metadata of one file cannot be used: a refusal of that file, never the end."""

    def __init__(self, filename: str, reason: str) -> None:
        super().__init__(filename, reason)
        self.filename, self.reason = filename, reason

    def __str__(self) -> str:
        return f"the metadata of `{self.filename}` cannot be used: {self.reason}"


class Requires(Sequence[Requirement]):
    """What a wheel requires, in its file's order, each made of its line when somebody looks at it.

    Requirements are shared between wheels: never change one. Most lines of most wheels stand for an extra that nobody
    asks for, and a requirement costs 30 µs.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, at: int) -> Requirement: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Requirement, ...]: ...
    def __getitem__(self, at: int | slice) -> Requirement | tuple[Requirement, ...]:
        if isinstance(at, slice):
            return tuple(_requirement(line) for line in self.lines[at])
        return _requirement(self.lines[at])

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.lines)

    @cached_property
    def without_extras(self) -> tuple[Requirement, ...]:
        """Those that may hold where no extra is asked for."""
        return tuple(_requirement(line) for line in self.lines if not is_of_an_extra(line))


@dataclass(frozen=True, kw_only=True)
class CoreMetadata:
    """What one wheel says of itself, as far as it decides what else is needed."""

    name: NormalizedName
    version: Version
    requires: Sequence[Requirement]
    requires_python: SpecifierSet | None  # None: admits all, also when what stands there cannot be read
    extras: frozenset[NormalizedName]

    def requires_for(self, extras: Collection[str]) -> Sequence[Requirement]:
        """What it requires, as far as that can hold with these extras."""
        if not extras and isinstance(self.requires, Requires):
            return self.requires.without_extras
        return self.requires

    def requires_on(self, projects: Container[str]) -> Iterator[Requirement]:
        """What it requires of these projects, with whatever extras."""
        if not isinstance(self.requires, Requires):
            yield from (each for each in self.requires if canonicalize_name(each.name) in projects)
            return
        for line in self.requires.lines:
            name = _NAME.match(line)
            if name is not None and _normalized(name[0]) in projects:
                yield _requirement(line)


_NAME = re.compile(r"[A-Za-z0-9._-]+")
_normalized = lru_cache(maxsize=4096)(canonicalize_name)

# A line that holds with its extra only, in the ways that build tools write it; such a line can always be read
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}"
_VERSION = rf"{_NUMBER}(?:(?:a|b|rc)[0-9]{{1,4}})?(?:\.post[0-9]{{1,4}})?(?:\.dev[0-9]{{1,4}})?"
_CLAUSE = rf"(?:[=!]= ?(?:{_VERSION}|{_NUMBER}\.\*)|[<>]=? ?{_VERSION}|~= ?[0-9]{{1,9}}\.{_NUMBER})"
_CLAUSES = rf"{_CLAUSE}(?: ?, ?{_CLAUSE})*"
_EXTRA = r"""extra ?== ?(?:'[A-Za-z0-9._-]+'|"[A-Za-z0-9._-]+")"""
_PYTHON = rf"""python_(?:full_)?version ?(?:[<>=!]=|[<>]) ?(?:'{_NUMBER}'|"{_NUMBER}")"""
_SYSTEM = r"""(?:sys_platform|os_name|platform_(?:system|machine|python_implementation)|implementation_name) ?[!=]= ?"""
_SYSTEM += r"""(?:'[A-Za-z0-9_]+'|"[A-Za-z0-9_]+")"""
_TERM = rf"(?:\((?:{_EXTRA}|{_PYTHON}|{_SYSTEM})\)|{_EXTRA}|{_PYTHON}|{_SYSTEM})"
_OF_AN_EXTRA = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?: ?\[[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*\])?"
    rf" ?(?:\({_CLAUSES}\)|{_CLAUSES})? ?; ?(?:{_TERM} and ){{0,4}}\(?{_EXTRA}\)?(?: and {_TERM}){{0,4}}"
)


@lru_cache(maxsize=16384)
def is_of_an_extra(line: str) -> bool:
    """Whether a `Requires-Dist` is one that can be read, and that holds with an extra only."""
    if "extra" not in line or len(line) > 300:
        return False
    if line.count("(") != line.count(")"):
        return False
    return _OF_AN_EXTRA.fullmatch(line) is not None


_FORM = b"\x00wheelhouse 1\n"


class _Kept(msgspec.Struct, array_like=True):
    name: str
    version: str
    requires: list[str]
    requires_python: str
    extras: list[str]


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Kept)


def pack(metadata: CoreMetadata) -> bytes:
    """What was parsed, in a form that `unpack` reads in a tenth of the time."""
    requires = metadata.requires
    lines = requires.lines if isinstance(requires, Requires) else [str(each) for each in requires]
    python = "" if metadata.requires_python is None else str(metadata.requires_python)
    kept = _Kept(metadata.name, str(metadata.version), list(lines), python, sorted(metadata.extras))
    return _FORM + _encoder.encode(kept)


def unpack(
    content: bytes, *, filename: str, name: NormalizedName | None = None, version: Version | None = None
) -> CoreMetadata:
    """What `pack` gave, or METADATA as it is. Raises as `parse`."""
    if not content.startswith(_FORM):
        return parse(content, filename=filename, name=name, version=version)
    try:
        kept = _decoder.decode(content[len(_FORM) :])
    except msgspec.DecodeError as error:
        raise BadMetadata(filename, f"what was kept of it cannot be read: {error}") from error
    found = version if version is not None and str(version) == kept.version else Version(kept.version)
    _agree(filename, name, version, NormalizedName(kept.name), found)
    return CoreMetadata(
        name=NormalizedName(kept.name),
        version=found,
        requires=Requires(kept.requires),
        requires_python=specifiers(kept.requires_python),
        extras=frozenset(NormalizedName(each) for each in kept.extras),
    )


def _agree(
    filename: str, name: NormalizedName | None, version: Version | None, own_name: NormalizedName, own_version: Version
) -> None:
    if name is not None and name != own_name:
        raise BadMetadata(filename, f"it is that of `{own_name}`")
    if version is not None and version != own_version:
        raise BadMetadata(filename, f"it is that of version {own_version}")


def parse(
    content: bytes, *, filename: str, name: NormalizedName | None = None, version: Version | None = None
) -> CoreMetadata:
    """What METADATA (`content`, all of it or its headers alone) says; `filename` is the wheel's, for messages.

    Where `name` and `version` are given (those of the file name), the metadata must agree with them. Raises
    `BadMetadata` for that, for a Name, Version or Requires-Dist that cannot be read, and for a Metadata-Version of 3 or
    more ("MUST fail" in the core metadata specification). A Requires-Python that cannot be read admits all.
    """
    text = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    headers = text.lstrip(b"\n").partition(b"\n\n")[0]
    from packaging.metadata import parse_email  # the email package takes 5 ms

    raw, unparsed = parse_email(b"\n".join(_HEADER.findall(headers)) + b"\n")
    for header in ("metadata-version", "name", "version", "requires-dist", "provides-extra"):
        if header in unparsed:
            raise BadMetadata(filename, f"`{header.title()}` stands there twice or is not UTF-8")
    try:
        own_name = canonicalize_name(raw.get("name", ""), validate=True)
        own_version = Version(raw.get("version", ""))
        if int(raw.get("metadata_version", "2").partition(".")[0]) > 2:
            raise BadMetadata(filename, f"`Metadata-Version` is {raw['metadata_version']}, and 2.x is the newest known")
        lines = [_FOLD.sub(" ", line) for line in raw.get("requires_dist", ())]
        for line in lines:
            if not is_of_an_extra(line):
                _requirement(line)  # so that what cannot be read is found here
        requires = Requires(lines)
    except InvalidName:
        raise BadMetadata(filename, f"`Name` is {raw.get('name')!r}") from None
    except InvalidVersion:
        raise BadMetadata(filename, f"`Version` is {raw.get('version')!r}") from None
    except (InvalidRequirement, InvalidSpecifier, RecursionError) as error:  # nested brackets in a marker recurse
        raise BadMetadata(filename, f"a `Requires-Dist` cannot be read: {' '.join(str(error).split())}") from error
    except ValueError:
        raise BadMetadata(filename, f"`Metadata-Version` is {raw.get('metadata_version')!r}") from None
    _agree(filename, name, version, own_name, own_version)
    return CoreMetadata(
        name=own_name,
        version=own_version,
        requires=requires,
        requires_python=specifiers(raw.get("requires_python", "")),
        extras=frozenset(canonicalize_name(extra) for extra in raw.get("provides_extra", ())),
    )


# The wheels of one project repeat each other's lines, and a requirement costs 30 µs.
@lru_cache(maxsize=16384)
def _requirement(line: str) -> Requirement:
    if _ABSURD.search(line):
        raise InvalidRequirement("a number in it has thousands of digits")
    return Requirement(line)


@lru_cache(maxsize=4096)
def specifiers(text: str) -> SpecifierSet | None:
    """The set that a Requires-Python writes; None, which admits all, for an empty or unreadable one."""
    try:
        return SpecifierSet(text) if text.strip() and not _ABSURD.search(text) else None
    except InvalidSpecifier:
        return None


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
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
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
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadMetadata(filename, f"the wheel is damaged: {error}") from error
    except (ValueError, RuntimeError, OverflowError, LookupError, MemoryError) as error:  # a forged directory
        raise BadMetadata(filename, f"the wheel cannot be read: {error}") from error
