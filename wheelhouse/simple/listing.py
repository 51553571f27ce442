"""A project page grouped by version: quick to make of a page, to keep on disk, to read again and to ask.

A page may list thousands of files, and a resolution looks at a few versions of them. So the files of a version become
values when somebody asks for that version, and version numbers when they are compared. (Measured on numpy's page, 4,400
files: 38 ms as a tuple of values; here 11 ms from JSON, and 0.5 ms from the cache.)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Self, overload

import msgspec
from msgspec.structs import astuple
from packaging.version import Version

from wheelhouse.simple.links import Links, digest, moment, plain
from wheelhouse.simple.model import File
from wheelhouse.simple.names import version


class Hashes(msgspec.Struct, frozen=True, gc=False):
    """The digests of a file, of which one counts; made in half the time of a dict, ten thousand times a page."""

    sha256: str = ""


Metadata = bool | Hashes | None
Bytes = bytes | bytearray | memoryview


class Entry(msgspec.Struct, gc=False):
    """One file as its page wrote it, by the names of PEP 691, 700 and 714; what is wrong in it is found later."""

    filename: str
    url: str  # as on the page, relative perhaps
    hashes: Hashes = Hashes()
    size: int | None = None
    requires_python: str | None = msgspec.field(name="requires-python", default=None)
    yanked: bool | str = False
    upload_time: str | None = msgspec.field(name="upload-time", default=None)
    core_metadata: Metadata = msgspec.field(name="core-metadata", default=None)
    dist_info_metadata: Metadata = msgspec.field(name="dist-info-metadata", default=None)
    tail: str | None = msgspec.field(name="_tail", default=None)  # `build:tags` of a wheel, None for an sdist

    @property
    def sha256(self) -> str:
        """The digest as it is written, empty where there is none."""
        return self.hashes.sha256

    @property
    def reason(self) -> str | None:
        """Why it is yanked, None where it is not ("" does not yank: PEP 691)."""
        return (self.yanked if isinstance(self.yanked, str) else "") if self.yanked else None

    @property
    def metadata(self) -> tuple[bool, str]:
        """Whether its core metadata is offered, and the digest of that as written (PEP 714: the new name counts)."""
        told = self.core_metadata if self.core_metadata is not None else self.dist_info_metadata
        return (True, told.sha256) if isinstance(told, Hashes) else (bool(told), "")


class Row(Entry, array_like=True, gc=False):
    """The same without names, as the cache keeps it."""


class _Kept(msgspec.Struct, array_like=True):
    base: str  # what relative links are joined to
    url: str
    versions: list[str]
    groups: list[msgspec.Raw]
    unnamed: list[str]
    stand_in: str | None = None
    untimed: bool = False
    days: list[str] = []


_encoder = msgspec.msgpack.Encoder()
_kept = msgspec.msgpack.Decoder(_Kept)
_rows = msgspec.msgpack.Decoder(list[Row])


class Versions(Sequence[Version]):
    """Versions, newest first, each made of its text when somebody looks at it."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._made: list[Version | None] = [None] * len(texts)
        self._places: dict[Version, int] = {}

    @classmethod
    def of(cls, versions: Sequence[Version], texts: Sequence[str]) -> Self:
        """The same of versions that are made already."""
        found = cls(texts)
        found._made = list(versions)
        found._places = {each: at for at, each in enumerate(versions)}
        return found

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, at: int) -> Version: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Version, ...]: ...
    def __getitem__(self, at: int | slice) -> Version | tuple[Version, ...]:
        if isinstance(at, slice):
            return tuple(self[each] for each in range(*at.indices(len(self))))
        found = self._made[at]
        if found is None:
            at %= len(self._texts)
            made = version(self._texts[at])
            assert made is not None  # nothing else is ever put in
            found = self._made[at] = made
            self._places[found] = at
        return found

    def __iter__(self) -> Iterator[Version]:
        return (self[at] for at in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __contains__(self, wanted: object) -> bool:
        if not isinstance(wanted, Version):
            return False
        try:
            self.place(wanted)
        except KeyError:
            return False
        return True

    def place(self, wanted: Version) -> int:
        """Where the version stands. Raises `KeyError` where it does not."""
        found = self._places.get(wanted)
        if found is not None:
            return found
        text = str(wanted)
        if text in self._texts:
            return self._texts.index(text)
        for _ in self:  # it may be written in another way
            pass
        return self._places[wanted]


class Listing:
    """What one index lists for one project. Safe to share between threads: whatever is made twice is equal."""

    def __init__(
        self,
        *,
        base: str,
        url: str,
        versions: Versions,
        groups: Sequence[Sequence[Entry] | msgspec.Raw],
        unnamed: Sequence[str],
        stand_in: str | None = None,
        untimed: bool = False,
        days: Sequence[str] = (),
    ) -> None:
        """What `grouping` makes.

        `stand_in`: the channel in whose place PyPI's builds are listed here, as a mirror of wheelhouse says it.

        `untimed`: some file has no time of upload. `days`: for each version the day (`2023-10-01`, UTC) before which
        none of its files was uploaded, empty where the page does not tell it clearly.
        """
        self.stand_in, self.untimed, self.days = stand_in, untimed, days or [""] * len(versions)
        self.url, self.versions, self.unnamed = url, versions, tuple(unnamed)
        self._base, self._groups = base, list(groups)
        self._links: Links | None = None
        self._rows: dict[int, Sequence[Entry]] = {}
        self._files: dict[tuple[int, int], File] = {}

    @classmethod
    def load(cls, raw: Bytes) -> Self | None:
        """What `dump` gave; None for anything else. The listing holds on to `raw`, and copies nothing of it."""
        content, checksum = memoryview(raw)[:-4], memoryview(raw)[-4:]
        if zlib.crc32(content).to_bytes(4, "big") != checksum:
            return None
        try:
            kept = _kept.decode(content)
        except msgspec.DecodeError:
            return None
        return cls(
            base=kept.base,
            url=kept.url,
            versions=Versions(kept.versions),
            groups=kept.groups,
            unnamed=kept.unnamed,
            stand_in=kept.stand_in,
            untimed=kept.untimed,
            days=kept.days,
        )

    def dump(self) -> bytearray:
        """The listing as bytes, with a checksum of its own behind it."""
        groups = [
            each if isinstance(each, msgspec.Raw) else msgspec.Raw(_encoder.encode(list(map(astuple, each))))
            for each in self._groups
        ]
        versions, unnamed = list(self.versions._texts), list(self.unnamed)
        kept = _Kept(self._base, self.url, versions, groups, unnamed, self.stand_in, self.untimed, list(self.days))
        content = bytearray()
        _encoder.encode_into(kept, content)
        content += zlib.crc32(content).to_bytes(4, "big")
        return content

    def rows(self, at: int) -> Sequence[Entry]:
        """The files of the version at that place as the page wrote them, in its order."""
        found = self._rows.get(at)
        if found is None:
            group = self._groups[at]
            rows = _rows.decode(group) if isinstance(group, msgspec.Raw) else group
            found = self._rows.setdefault(at, rows)
        return found

    def file(self, at: int, place: int) -> File:
        """One of `rows(at)` as a value."""
        found = self._files.get((at, place))
        if found is None:
            if self._links is None:
                self._links = Links(self._base, is_local=self._base[:5].lower() == "file:")
            found = self._files.setdefault((at, place), _file(self.rows(at)[place], self._links))
        return found

    def files(self, at: int) -> tuple[tuple[File, str | None], ...]:
        """The files of the version at that place, in the page's order, each with a wheel's `build:tags`."""
        return tuple((self.file(at, place), row.tail) for place, row in enumerate(self.rows(at)))

    def put(self, at: int, place: int, file: File) -> None:
        """What `file` would make is there already."""
        self._files[at, place] = file

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Listing):
            return NotImplemented
        same = (self.url, self.unnamed, self.stand_in) == (other.url, other.unnamed, other.stand_in)
        same = same and self.versions == other.versions
        return same and all(self.files(at) == other.files(at) for at in range(len(self.versions)))

    def __hash__(self) -> int:
        return hash(self.url)

    def every(self) -> Iterator[File]:
        """Every file of a version, newest version first."""
        return (file for at in range(len(self.versions)) for file, _ in self.files(at))


def _file(row: Entry, links: Links) -> File:
    link = links.resolve(row.url)
    assert link is not None  # it was looked at when the page was grouped
    offered, metadata_sha256 = row.metadata
    return File(
        filename=row.filename,
        url=link[0],
        digest=digest(row.sha256) if row.sha256 else None,
        size=row.size,
        requires_python=plain(row.requires_python) or None if row.requires_python else None,
        yanked=None if row.reason is None else plain(row.reason),
        upload_time=moment(row.upload_time) if row.upload_time else None,
        metadata=offered,
        metadata_digest=digest(metadata_sha256) if metadata_sha256 else None,
    )
