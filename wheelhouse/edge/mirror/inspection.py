"""Everything that a mirror holds, and what is wrong with it. Nothing is changed here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from msgspec import Struct, field
from packaging.utils import NormalizedName

from wheelhouse.digests import Digest
from wheelhouse.edge.mirror import blobs, derived
from wheelhouse.edge.mirror.storage import LOCK, Gone, Listed, Storage, is_temporary
from wheelhouse.errors import WheelhouseError
from wheelhouse.mirroring.catalog import CATALOG, REQUIRES, BadCatalog, Catalog, LockRow, pair, project_row
from wheelhouse.mirroring.names import (
    LEASES,
    METADATA,
    Address,
    address_of,
    file_key,
    file_of,
    is_key,
    lock_key,
    lock_of,
    place,
)
from wheelhouse.mirroring.page import page_files
from wheelhouse.mirroring.pages import project_html, root_html, root_json
from wheelhouse.mirroring.publication import republished
from wheelhouse.mirroring.record import BadRecord, Record


class Seen(Struct, frozen=True, kw_only=True):
    """Everything a mirror holds, by what it is."""

    files: dict[str, int] = field(default_factory=dict)  # size by key, metadata files too
    locks: dict[str, str] = field(default_factory=dict)  # text by `<label>/<sha256>`
    records: dict[Address, Record] = field(default_factory=dict)
    damaged: dict[Address, BadRecord] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()  # HTML pages, by key
    others: tuple[Listed, ...] = ()  # strays


def seen(storage: Storage) -> Seen:
    """All pages and locks read, all files listed."""
    listed = list(storage.listed())
    locks = [found.key for found in listed if lock_of(found.key) is not None]
    addresses = [address for found in listed if (address := address_of(found.key)) and found.key == address.json]
    damaged: dict[Address, BadRecord] = {}

    def read(address: Address) -> Record | None:
        try:
            return derived.record(storage, address)[1]
        except BadRecord as error:
            damaged[address] = error
            return None

    records = {address: found for address, found in zip(addresses, blobs.each(read, addresses), strict=True) if found}
    texts = blobs.each(lambda key: storage.read(key), locks)
    return Seen(
        files={found.key: found.size for found in listed if file_of(found.key) is not None},
        locks={
            str(lock_of(key)): held.content.decode(errors="replace")
            for key, held in zip(locks, texts, strict=True)
            if held is not None
        },
        records=records,
        damaged=damaged,
        derived=frozenset(found.key for found in listed if found.key.endswith("/index.html")),
        others=tuple(found for found in listed if not is_key(found.key) and found.key != LOCK),
    )


def judged(
    storage: Storage, found: Seen, quick: bool, only: set[str] | None = None
) -> tuple[dict[str, str | None], int]:
    """What is wrong with each file that a page names, by key: None where nothing is; and the bytes that were read."""
    expected: dict[str, tuple[Digest, int | None]] = {}
    for record in found.records.values():
        for each in record.entries:
            key = file_key(each.digest, each.filename)
            expected[key] = (each.digest, each.size)
            if each.metadata is not None:
                expected[f"{key}{METADATA}"] = (each.metadata, None)
    for reference, text in found.locks.items():
        for key, digest in _files_of(reference, text):
            expected.setdefault(key, (digest, None))
    if only is not None:
        expected = {key: value for key, value in expected.items() if key in only}
    read = [0]

    def judge(item: tuple[str, tuple[Digest, int | None]]) -> str | None:
        key, (digest, size) = item
        there = found.files.get(key)
        if there is None:
            return f"`{key}` is missing"
        if size is not None and there != size:
            return f"`{key}` has {there} bytes, and its page says {size}"
        if quick:
            return None
        check = hashlib.sha256()
        try:
            for chunk in storage.stream(key):
                check.update(chunk)
                read[0] += len(chunk)
        except Gone:
            return f"`{key}` is missing"
        return None if check.hexdigest() == digest.hex else f"`{key}` is damaged: its SHA-256 is {check.hexdigest()}"

    return dict(zip(expected, blobs.each(judge, expected.items()), strict=True)), read[0]


def _files_of(reference: str, text: str) -> list[tuple[str, Digest]]:
    try:
        lock = republished(text, lock_key(reference)).lock
    except WheelhouseError:
        return []  # told as damaged
    return [(file_key(wheel.digest, wheel.filename), wheel.digest) for wheel in lock.wheels()]


def problems(storage: Storage, found: Seen, told: dict[str, str | None]) -> Iterator[str]:
    yield from (problem for problem in told.values() if problem is not None)
    yield from (str(error) for error in found.damaged.values())
    for reference, text in sorted(found.locks.items()):
        if Digest.of(text.encode()).hex != reference.partition("/")[2]:
            yield f"`{lock_key(reference)}` is damaged: it has another SHA-256 than its name says"
    for address, record in sorted(found.records.items()):
        for each in record.entries:
            for lock in each.locks:
                if lock not in found.locks:
                    yield f"`{address.json}` names the lock `{lock}`, which is not there"
    derived = dict(everything_derived(found, catalog_there(storage)))
    wrong = blobs.each(lambda item: differs(storage, *item), derived.items())
    yield from (
        f"`{key}` is not what the pages of the projects say" for key, bad in zip(derived, wrong, strict=True) if bad
    )
    pages = {address.html for address in (*found.records, *found.damaged)} | derived.keys()
    yield from (f"`{key}` is no page of a project that is here" for key in sorted(found.derived - pages))
    for stray in sorted(found.others, key=lambda each: each.key):
        if not is_temporary(stray.key) and not stray.key.startswith(LEASES):
            yield f"`{stray.key}` is no part of a mirror"


def everything_derived(found: Seen, there: Catalog) -> Iterator[tuple[str, str]]:
    """Every page that others decide, with the text that it should have.

    When a lock came in, only the catalog that is `there` tells.
    """
    channels: dict[str, set[NormalizedName]] = {"": set()}
    for address, record in sorted(found.records.items()):
        yield address.html, project_html(record)
        channels.setdefault(address.channel, set()).update([address.project] if record.entries else [])
    for channel, names in channels.items():
        yield f"{place(channel)}/index.json", root_json(names)
        yield f"{place(channel)}/index.html", root_html(names)
    told = _catalog(found, there)
    yield CATALOG, told.text()
    yield REQUIRES, told.requires_text()
    for key, content in page_files().items():
        yield key, content.decode()


def catalog_there(storage: Storage) -> Catalog:
    try:
        return derived.read_catalog(storage)
    except BadCatalog:
        return Catalog()


def _catalog(found: Seen, there: Catalog) -> Catalog:
    by_project: dict[NormalizedName, list[Record]] = {}
    for address, record in sorted(found.records.items()):
        by_project.setdefault(address.project, []).append(record)
    projects = {name: row for name, records in by_project.items() if (row := project_row(records)) is not None}
    return Catalog.of(projects, [_lock_row(found, lock, text, there) for lock, text in sorted(found.locks.items())])


def _lock_row(found: Seen, reference: str, text: str, there: Catalog) -> LockRow:
    keys = {key for key, _ in _files_of(reference, text)}
    row = there.locks.get(pair(reference))
    told = {
        file_key(each.digest, each.filename): each.size
        for record in found.records.values()
        for each in record.entries
        if reference in each.locks
    }
    sizes = {**{key: found.files[key] for key in keys & found.files.keys()}, **told}  # what a page says is not damaged
    if row is not None and not keys <= sizes.keys():
        return row
    moments = [each.added for record in found.records.values() for each in record.entries if reference in each.locks]
    added = row.added if row is not None else max(moments, default=None)
    return LockRow.of(reference, {key: sizes.get(key, 0) for key in keys}, added)


def differs(storage: Storage, key: str, text: str) -> bool:
    held = storage.read(key)
    return held is None or held.content != text.encode()
