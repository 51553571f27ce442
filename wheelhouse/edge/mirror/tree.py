"""The one way in which a mirror changes, under the storage's exclusive right, so that every page is always true.

Files, then locks, then each project's JSON (its commit point) and HTML, then the lists of projects and the catalog. A
crash at any moment leaves pages that name only what is there; the next change completes what is made of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct, field

from wheelhouse import __version__
from wheelhouse.edge.mirror import derived
from wheelhouse.edge.mirror.blobs import Blob, each, missing, place_files
from wheelhouse.edge.mirror.derived import record
from wheelhouse.edge.mirror.storage import LOCK, Changed, Held, Storage, is_temporary
from wheelhouse.errors import WheelhouseError
from wheelhouse.mirroring.catalog import LockRow
from wheelhouse.mirroring.names import LEASES, MIRROR, Address, lock_key
from wheelhouse.mirroring.pages import project_html
from wheelhouse.mirroring.record import Record
from wheelhouse.mirroring.state import Identity

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


class Change(Struct, frozen=True, kw_only=True):
    """What is to become of pages and locks. `edit` decides; it may be called again with fresher records."""

    pages: Sequence[Address]
    edit: Callable[[Record], Record]
    locks: Mapping[str, str] = field(default_factory=dict)  # text by `<label>/<sha256>`, to be published
    gone: Sequence[str] = ()  # locks that are taken back
    rows: Sequence[LockRow] = ()
    origin: str | None = None  # the mirror that this comes from


class Changes(Struct, frozen=True, kw_only=True):
    """What a commit wrote. `files` and `size` (bytes) are entries that came or went, each file once."""

    pages: int
    came: frozenset[str]
    went: frozenset[str]


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
    told = derived.read_catalog(storage)
    held = each(lambda address: record(storage, address), change.pages)
    edited = [(before, old, change.edit(old)) for before, old in held]
    left = derived.unfinished(storage, told, {*change.locks, *change.gone}, set(change.pages))
    if change.origin is not None:
        _adopt(storage, change.origin)
    for reference, text in sorted(change.locks.items()):
        derived.put(storage, lock_key(reference), text)
    kept = [page for page in edited if page[2].entries]
    each(lambda page: _write(storage, *page), kept)
    each(lambda found: derived.html(storage, found), left.records)
    records = [*(new for _, _, new in edited), *left.records]
    derived.lists(storage, records)
    derived.catalog(storage, told, records, rows=[*change.rows, *left.rows(storage, records)], gone=change.gone)
    emptied = [page for page in edited if not page[2].entries and page[0] is not None]
    for _, _, new in emptied:
        storage.remove([new.address.html])
        storage.remove([new.address.json])
    storage.remove([lock_key(reference) for reference in change.gone])
    derived.assets(storage)
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
        derived.html(storage, new)
