"""The pages of a mirror, read and written under the storage's exclusive right, so that every page is always true.

Files, then locks, then each project's JSON (its commit point) and HTML, then the lists of projects and the catalog. A
crash at any moment leaves pages that name only what is there; the same command again completes them.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from packaging.utils import NormalizedName

from wheelhouse import __version__
from wheelhouse.digests import Digest
from wheelhouse.edge.mirror.storage import LOCK, CannotStore, Changed, Full, Held, Storage, is_temporary
from wheelhouse.errors import WheelhouseError
from wheelhouse.mirroring.catalog import CATALOG, REQUIRES, BadCatalog, Catalog, LockRow, ProjectRow, project_row
from wheelhouse.mirroring.names import LEASES, MIRROR, Address, address_of, lock_key, place
from wheelhouse.mirroring.page import page_files
from wheelhouse.mirroring.pages import project_html, projects_of, root_html, root_json
from wheelhouse.mirroring.record import Record
from wheelhouse.mirroring.state import Identity

_T = TypeVar("_T")
_R = TypeVar("_R")
_WORKERS = 16  # small files at a time: a flush of a disk and an answer of a server are both waited for
_LARGE = 8 << 20  # bytes
_PAUSE = 1.0  # seconds at most between two attempts at a file
_TRIES = 5  # of a commit that somebody disturbs, where a lease ran out
TOOL = f"wheelhouse {__version__}"


class NoMirror(WheelhouseError):
    """There is no mirror at the place that was named."""

    hint = "`wheelhouse mirror add --to MIRROR` makes one"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"there is no mirror in `{self.name}`"


class NotEmpty(WheelhouseError):
    """A mirror was to be made among files of somebody else."""

    hint = "name an empty or new place"

    def __init__(self, name: str, stray: str) -> None:
        super().__init__(name, stray)
        self.name, self.stray = name, stray

    def __str__(self) -> str:
        return f"`{self.name}` is no mirror, and it holds `{self.stray}`"


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """A file that pages name: a wheel, or its metadata. `put` writes it and verifies every byte."""

    key: str
    digest: Digest
    size: int
    put: Callable[[Storage], None]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to become of pages and locks. `edit` decides; it may be called again with fresher records."""

    pages: Sequence[Address]
    edit: Callable[[Record], Record]
    locks: Mapping[str, str] = field(default_factory=dict)  # text by `<label>/<sha256>`, to be published
    gone: Sequence[str] = ()  # locks that are taken back
    rows: Sequence[LockRow] = ()
    origin: str | None = None  # the mirror that this comes from


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a commit wrote. `files` and `size` (bytes) are entries that came or went, each file once."""

    pages: int
    came: frozenset[str]
    went: frozenset[str]


def each(function: Callable[[_T], _R], items: Iterable[_T], *, workers: int = _WORKERS) -> list[_R]:
    """`function` of every item, several at a time, in order; the first error ends it."""
    every = list(items)
    if len(every) < 2:
        return [function(item) for item in every]
    with ThreadPoolExecutor(min(workers, len(every))) as pool:
        tasks = [pool.submit(function, item) for item in every]
        try:
            return [task.result() for task in tasks]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def identity(storage: Storage) -> Identity:
    """Which mirror this is. Raises `NoMirror`, and `BadState` for a damaged `mirror.json`."""
    held = storage.read(MIRROR)
    if held is None:
        raise NoMirror(storage.name)
    return Identity.parse(held.content, f"{storage.name}/{MIRROR}")


def made(storage: Storage) -> Identity:
    """Which mirror this is; a new one where there is none. Raises `NotEmpty` where other files lie."""
    try:
        return identity(storage)
    except NoMirror:
        _judge_empty(storage)  # before a lock is written among files of somebody else
    with storage.exclusive():
        try:
            return identity(storage)
        except NoMirror:
            _judge_empty(storage)
            fresh = Identity(id=uuid.uuid4().hex)
            storage.write(MIRROR, fresh.text(TOOL).encode())
            return fresh


def _judge_empty(storage: Storage) -> None:
    """Raises `NotEmpty`, unless a mirror was made in between."""
    stray = next((found.key for found in storage.listed() if not _is_leftover(found.key)), None)
    if stray is not None and storage.read(MIRROR) is None:
        raise NotEmpty(storage.name, stray) from None


def _is_leftover(key: str) -> bool:
    """Our lock, a lease, what a crash left; not any name with a dot before it: `.git` is somebody's."""
    return key == LOCK or key.startswith(LEASES) or is_temporary(key)


def missing(storage: Storage, blobs: Iterable[Blob]) -> list[Blob]:
    """Those that are not there, or of another size."""
    every = list({blob.key: blob for blob in blobs}.values())
    sizes = each(lambda blob: storage.size(blob.key), every)
    return [blob for blob, size in zip(every, sizes, strict=True) if size != blob.size]


def place_files(storage: Storage, blobs: Sequence[Blob]) -> None:
    """Write them: small ones many at a time, of the large ones a few, which fill disk and network anyway."""
    each(partial(_place, storage), (blob for blob in blobs if blob.size < _LARGE))
    each(partial(_place, storage), (blob for blob in blobs if blob.size >= _LARGE), workers=4)


def _place(storage: Storage, blob: Blob) -> None:
    """One file. Where another writer brings the same one at the same time, some servers end one of the two uploads
    (rclone: `NoSuchUpload`, as soon as the other is complete): then it is there, or the turn is ours again.
    """
    for turn in range(_TRIES):
        try:
            blob.put(storage)
            return
        except Full:
            raise
        except CannotStore:
            if storage.size(blob.key) == blob.size:
                return
            if turn == _TRIES - 1:
                raise
            time.sleep(_PAUSE * random.random())  # noqa: S311


def record(storage: Storage, address: Address) -> tuple[Held | None, Record]:
    """What a page says; an empty record where there is none. Raises `BadRecord`."""
    held = storage.read(address.json)
    return held, Record(address=address) if held is None else Record.parse(address, held.content)


def commit(storage: Storage, change: Change, blobs: Sequence[Blob] = ()) -> Changes:
    """Carry the change out; files come first, and are looked for again while nobody else can remove one.

    Raises what `change.edit` raises before anything but files was written.
    """
    place_files(storage, missing(storage, blobs))
    for turn in range(_TRIES):
        try:
            with storage.exclusive():
                place_files(storage, missing(storage, blobs))
                return _commit(storage, change)
        except Changed:
            if turn == _TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _commit(storage: Storage, change: Change) -> Changes:
    held = each(lambda address: record(storage, address), change.pages)
    edited = [(before, old, change.edit(old)) for before, old in held]
    if change.origin is not None:
        _adopt(storage, change.origin)
    for reference, text in sorted(change.locks.items()):
        _put(storage, lock_key(reference), text)
    kept = [page for page in edited if page[2].entries]
    each(lambda page: _write(storage, *page), kept)
    projects = {new.address.project for _, _, new in edited}
    _lists(storage, [new for _, _, new in edited])
    catalog(storage, {new.address: new for _, _, new in edited}, projects, change)
    emptied = [page for page in edited if not page[2].entries and page[0] is not None]
    for _, _, new in emptied:
        storage.remove([new.address.html])
        storage.remove([new.address.json])
    storage.remove([lock_key(reference) for reference in change.gone])
    assets(storage)
    before, after = _files(old for _, old, _ in edited), _files(new for _, _, new in edited)
    return Changes(
        pages=sum(old != new for _, old, new in edited), came=frozenset(after - before), went=frozenset(before - after)
    )


def _files(records: Iterable[Record]) -> set[str]:
    return {entry.filename for found in records for entry in found.entries}


def _adopt(storage: Storage, origin: str) -> None:
    held = storage.read(MIRROR)
    if held is None:
        raise NoMirror(storage.name)
    known = Identity.parse(held.content, f"{storage.name}/{MIRROR}")
    if known.with_origin(origin) != known:
        storage.write(MIRROR, known.with_origin(origin).text(TOOL).encode(), over=held)


def _write(storage: Storage, before: Held | None, old: Record, new: Record) -> None:
    """One page: the JSON, then what is derived from it, also where an earlier run came no further than the JSON."""
    text = new.text().encode()
    if before is None or before.content != text:
        storage.write(new.address.json, text, over=before)
        storage.write(new.address.html, project_html(new).encode())
    else:
        derive(storage, new)


def derive(storage: Storage, found: Record) -> None:
    """The HTML is what the record says."""
    _put(storage, found.address.html, project_html(found))


def _put(storage: Storage, key: str, text: str | bytes) -> None:
    """Written unless it is there already."""
    content = text.encode() if isinstance(text, str) else text
    held = storage.read(key)
    if held is None or held.content != content:
        storage.write(key, content, over=held)


def _lists(storage: Storage, records: Iterable[Record]) -> None:
    """The lists of projects, with those of the records that have files and without the others."""
    by_channel: dict[str, dict[NormalizedName, bool]] = {"": {}}
    for found in records:
        by_channel.setdefault(found.address.channel, {})[found.address.project] = bool(found.entries)
    for channel, projects in sorted(by_channel.items()):
        held = storage.read(f"{place(channel)}/index.json")
        listed = None if held is None else projects_of(held.content)
        if listed is None:
            listed = frozenset() if held is None else frozenset(there.project for there in addresses(storage, channel))
        names = listed | {name for name, has in projects.items() if has}
        names -= {name for name, has in projects.items() if not has}
        write_list(storage, channel, names)


def write_list(storage: Storage, channel: str, names: Iterable[NormalizedName]) -> None:
    """One list of projects, in both forms; a channel without a project has none."""
    found = frozenset(names)
    if channel and not found:
        storage.remove([f"{place(channel)}/index.html", f"{place(channel)}/index.json"])
        return
    _put(storage, f"{place(channel)}/index.json", root_json(found))
    _put(storage, f"{place(channel)}/index.html", root_html(found))


def addresses(storage: Storage, channel: str | None = None) -> Iterator[Address]:
    """Every page that has a JSON; of one channel, or of all."""
    for prefix in [f"{place(channel)}/"] if channel is not None else ["simple/", "whl/"]:
        for found in storage.listed(prefix):
            address = address_of(found.key)
            if address is not None and found.key == address.json:
                yield address


def catalog(
    storage: Storage, known: Mapping[Address, Record], projects: Iterable[NormalizedName], change: Change
) -> None:
    """The catalog with fresh rows of these projects; their pages that are not `known` are read."""
    told = read_catalog(storage)
    others = [
        address for name in projects for address in _listed(told.projects.get(name), name) if address not in known
    ]
    every = {**known, **dict(zip(others, each(lambda address: record(storage, address)[1], others), strict=True))}
    pages: dict[NormalizedName, list[Record]] = {}
    for address, found in sorted(every.items()):
        pages.setdefault(address.project, []).append(found)
    rows = {name: project_row(found) for name, found in pages.items()}
    gone: dict[tuple[str, str], LockRow | None] = {_pair(reference): None for reference in change.gone}
    fresh = {(row.label, row.sha256): _earlier(row, told.locks.get((row.label, row.sha256))) for row in change.rows}
    write_catalog(storage, told.replaced(rows, {**gone, **fresh}))


def _earlier(row: LockRow, there: LockRow | None) -> LockRow:
    return row if there is None or there.added is None else there


def _pair(reference: str) -> tuple[str, str]:
    label, _, sha256 = reference.partition("/")
    return label, sha256


def _listed(row: ProjectRow | None, name: NormalizedName) -> list[Address]:
    if row is None:
        return []
    return [Address(channel, name) for channel in (*([""] if row.simple else []), *row.channels)]


def read_catalog(storage: Storage) -> Catalog:
    """The catalog; an empty one where there is none yet. Raises `BadCatalog`."""
    told, requires = storage.read(CATALOG), storage.read(REQUIRES)
    if told is None:  # `write_catalog` writes it last
        return Catalog()
    if requires is None:
        raise BadCatalog(f"`{REQUIRES}` beside it is missing")
    return Catalog.parse(told.content, requires.content)


def write_catalog(storage: Storage, told: Catalog) -> None:
    _put(storage, REQUIRES, told.requires_text())
    _put(storage, CATALOG, told.text())


def assets(storage: Storage) -> None:
    """The page for people: `index.html`, and what it loads from `page/`."""
    for key, content in page_files().items():
        _put(storage, key, content)


def pages_of(storage: Storage, project: NormalizedName) -> list[Address]:
    """The project's pages: in `simple/`, and in each channel where the catalog knows of it."""
    channels = {""}
    row = read_catalog(storage).projects.get(project)
    if row is not None:
        channels |= set(row.channels)
    addresses = [Address(channel, project) for channel in sorted(channels)]
    return [address for address in addresses if storage.size(address.json) is not None]
