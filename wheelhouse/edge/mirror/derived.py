"""What is made of the projects' pages: their HTML, the lists of projects, the catalog, the page for people.

Each function writes what differs and leaves alone what does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from packaging.utils import NormalizedName

from wheelhouse.edge.mirror.blobs import each
from wheelhouse.edge.mirror.storage import Held, Storage
from wheelhouse.errors import WheelhouseError
from wheelhouse.lock import Lock
from wheelhouse.mirroring.catalog import (
    CATALOG,
    REQUIRES,
    BadCatalog,
    Catalog,
    LockRow,
    ProjectRow,
    pair,
    project_row,
)
from wheelhouse.mirroring.channels import placed
from wheelhouse.mirroring.names import Address, address_of, file_key, lock_key, lock_of, place
from wheelhouse.mirroring.page import page_files
from wheelhouse.mirroring.pages import project_html, projects_of, root_html, root_json
from wheelhouse.mirroring.publication import republished
from wheelhouse.mirroring.record import BadRecord, Record


def record(storage: Storage, address: Address) -> tuple[Held | None, Record]:
    """What a page says; an empty record where there is none. Raises `BadRecord`."""
    held = storage.read(address.json)
    return held, Record(address=address) if held is None else Record.parse(address, held.content)


def addresses(storage: Storage, channel: str | None = None) -> Iterator[Address]:
    """Every page that has a JSON; of one channel, or of all."""
    for prefix in [f"{place(channel)}/"] if channel is not None else ["simple/", "whl/"]:
        for found in storage.listed(prefix):
            address = address_of(found.key)
            if address is not None and found.key == address.json:
                yield address


def published(storage: Storage) -> tuple[str, ...]:
    """`<label>/<sha256>` of every lock that the mirror has, sorted."""
    return tuple(sorted(lock for found in storage.listed("locks/") if (lock := lock_of(found.key)) is not None))


def pages_of(storage: Storage, project: NormalizedName) -> list[Address]:
    """The project's pages: in `simple/`, and in each channel where the catalog knows of it."""
    channels = {""}
    row = read_catalog(storage).projects.get(project)
    if row is not None:
        channels |= set(row.channels)
    addresses = [Address(channel, project) for channel in sorted(channels)]
    return [address for address in addresses if storage.size(address.json) is not None]


def html(storage: Storage, found: Record) -> None:
    """The HTML is what the record says."""
    put(storage, found.address.html, project_html(found))


def put(storage: Storage, key: str, text: str | bytes) -> None:
    """Written unless it is there already."""
    content = text.encode() if isinstance(text, str) else text
    held = storage.read(key)
    if held is None or held.content != content:
        storage.write(key, content, over=held)


def lists(storage: Storage, records: Iterable[Record]) -> None:
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
    put(storage, f"{place(channel)}/index.json", root_json(found))
    put(storage, f"{place(channel)}/index.html", root_html(found))


class Unfinished(Struct, frozen=True, kw_only=True):
    """What a command that was cut off left behind: locks that are published and not in the catalog, and their pages."""

    locks: Mapping[str, Lock]  # by `<label>/<sha256>`
    records: Sequence[Record]  # pages that have something; those that the present change edits are not among them

    def rows(self, storage: Storage, records: Iterable[Record]) -> Iterator[LockRow]:
        """Their rows of the catalog, as far as their files are there; when they came in, `records` say."""
        entries = [entry for record in records for entry in record.entries]
        for reference, lock in self.locks.items():
            keys = sorted({file_key(wheel.digest, wheel.filename) for wheel in lock.wheels()})
            sizes = {key: size for key, size in zip(keys, each(storage.size, keys), strict=True) if size is not None}
            if len(sizes) == len(keys):
                moments = [entry.added for entry in entries if reference in entry.locks]
                yield LockRow.of(reference, sizes, max(moments, default=None))


def unfinished(storage: Storage, told: Catalog, but: Collection[str], edited: Collection[Address]) -> Unfinished:
    """What was left behind, without these locks and these pages; what is damaged is left out: `verify` tells it.

    Locks are written before pages and the catalog last, so a lock without a row tells that a command was cut off.
    """
    locks: dict[str, Lock] = {}
    pages: set[Address] = set()
    for reference in published(storage):
        held = None if reference in but or pair(reference) in told.locks else storage.read(lock_key(reference))
        if held is not None:
            with suppress(WheelhouseError, UnicodeDecodeError):
                lock = republished(held.content.decode(), lock_key(reference)).lock
                pages |= placed(lock).keys()
                locks[reference] = lock

    def read(address: Address) -> Record | None:
        try:
            return record(storage, address)[1]
        except BadRecord:
            return None

    records = each(read, sorted(pages - set(edited)))
    return Unfinished(locks=locks, records=[found for found in records if found is not None and found.entries])


def catalog(
    storage: Storage, told: Catalog, records: Sequence[Record], *, rows: Iterable[LockRow], gone: Iterable[str]
) -> None:
    """The catalog with fresh rows of these records' projects, whose other pages are read, and of these locks."""
    known = {found.address: found for found in records}
    projects = sorted({found.address.project for found in records})
    others = [
        address for name in projects for address in _listed(told.projects.get(name), name) if address not in known
    ]
    every = {**known, **dict(zip(others, each(lambda address: record(storage, address)[1], others), strict=True))}
    pages: dict[NormalizedName, list[Record]] = {}
    for address, found in sorted(every.items()):
        pages.setdefault(address.project, []).append(found)
    fresh = {name: project_row(found) for name, found in pages.items()}
    locks: dict[tuple[str, str], LockRow | None] = {pair(reference): None for reference in gone}
    locks |= {(row.label, row.sha256): _earlier(row, told.locks.get((row.label, row.sha256))) for row in rows}
    write_catalog(storage, told.replaced(fresh, locks))


def _earlier(row: LockRow, there: LockRow | None) -> LockRow:
    return row if there is None or there.added is None else there


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
    put(storage, REQUIRES, told.requires_text())
    put(storage, CATALOG, told.text())


def assets(storage: Storage) -> None:
    """The page for people: `index.html`, and what it loads from `page/`."""
    for key, content in page_files().items():
        put(storage, key, content)
