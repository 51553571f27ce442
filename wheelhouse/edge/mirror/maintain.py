"""Looking after a mirror: what is wrong with it, and what nothing names any more."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from packaging.utils import NormalizedName

from wheelhouse.digests import Digest
from wheelhouse.edge import files
from wheelhouse.edge.mirror import tree
from wheelhouse.edge.mirror.publish import metadata_blob, now
from wheelhouse.edge.mirror.storage import LOCK, Gone, Listed, Storage, is_temporary
from wheelhouse.edge.store import Store
from wheelhouse.errors import WheelhouseError
from wheelhouse.metadata import BadMetadata, read_metadata
from wheelhouse.mirroring.catalog import CATALOG, REQUIRES, BadCatalog, Catalog, LockRow, project_row
from wheelhouse.mirroring.channels import placed
from wheelhouse.mirroring.export import CarriedFile, entry
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
from wheelhouse.mirroring.publication import named, republished
from wheelhouse.mirroring.record import BadRecord, Record

_STALE = 24 * 3600.0  # seconds after which an unfinished file is of nobody who still runs


class Unsound(WheelhouseError):
    """One thing that is wrong with a mirror; `tried`: a repair could not mend it."""

    def __init__(self, problem: str, tried: bool) -> None:
        super().__init__(problem, tried)
        self.problem = problem
        mend = "`wheelhouse mirror verify --repair` makes whole what can be"
        again = "`wheelhouse fetch` the locks that have it, and repair again; or take it off with `mirror remove`"
        self.hint = again if tried else mend

    def __str__(self) -> str:
        return self.problem


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """What nothing names. Sizes are in bytes; a file and its metadata count as two keys and one file."""

    keys: tuple[str, ...] = ()
    files: int = 0
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Seen:
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
            return tree.record(storage, address)[1]
        except BadRecord as error:
            damaged[address] = error
            return None

    records = {address: found for address, found in zip(addresses, tree.each(read, addresses), strict=True) if found}
    texts = tree.each(lambda key: storage.read(key), locks)
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


def garbage(storage: Storage, *, at: float | None = None) -> Garbage:
    """What `gc` would remove: files that no page and no published lock names, and what a crash left unfinished.

    Raises `BadRecord` for a damaged page: what it named is not known.
    """
    tree.identity(storage)
    return _garbage(seen(storage), time.time() if at is None else at)


def gc(storage: Storage, *, at: float | None = None) -> Garbage:
    """Remove it, while nobody else can publish a file that is about to go."""
    tree.identity(storage)
    with storage.exclusive():
        found = seen(storage)
        waste = _garbage(found, time.time() if at is None else at)
        for record in found.records.values():  # an HTML that a crash left behind may name more than its JSON
            tree.derive(storage, record)
        storage.remove(waste.keys)
    return waste


def _garbage(found: Seen, at: float) -> Garbage:
    if found.damaged:
        raise next(iter(found.damaged.values()))
    live = {each.digest.hex for record in found.records.values() for each in record.entries}
    for text in found.locks.values():
        live |= named(text)
    dead = {key: size for key, size in found.files.items() if (file := file_of(key)) and file[0].hex not in live}
    left = {each.key: each.size for each in found.others if is_temporary(each.key) and at - each.modified > _STALE}
    wheels = [key for key in dead if not key.endswith(METADATA)]
    return Garbage(
        keys=tuple(sorted({**dead, **left})), files=len(wheels), size=sum(dead.values()) + sum(left.values())
    )


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a verification found: a sentence for each thing that is wrong."""

    files: int
    size: int  # bytes that were read
    problems: tuple[str, ...]
    repaired: tuple[str, ...] = ()


def verify(storage: Storage, *, quick: bool = False) -> Verified:
    """Read every byte of the mirror; with `quick`, judge files by their size."""
    tree.identity(storage)
    found = seen(storage)
    told, size = _judged(storage, found, quick)
    return Verified(files=len(told), size=size, problems=tuple(_problems(storage, found, told)))


def repair(storage: Storage, store: Store, *, quick: bool = False) -> Verified:
    """As `verify`, and make whole what can be: derived pages from the truth, a page from the locks that were published,
    a damaged wheel from the store, metadata from its wheel.
    """
    tree.identity(storage)
    with storage.exclusive():
        found = seen(storage)
        told, size = _judged(storage, found, quick)
        before = tuple(_problems(storage, found, told))
        if not before:
            return Verified(files=len(told), size=size, problems=())
        _mend_files(storage, found, {key for key, problem in told.items() if problem}, store)
        _mend_pages(storage, found)
        again = seen(storage)
        mended = {key for key, problem in told.items() if problem}
        told = {**told, **_judged(storage, again, quick, only=mended)[0]}
        after = tuple(_problems(storage, again, told))
    gone = tuple(problem for problem in before if problem not in after)
    return Verified(files=len(told), size=size, problems=after, repaired=gone)


def _judged(
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

    return dict(zip(expected, tree.each(judge, expected.items()), strict=True)), read[0]


def _files_of(reference: str, text: str) -> list[tuple[str, Digest]]:
    try:
        lock = republished(text, lock_key(reference)).lock
    except WheelhouseError:
        return []  # told as damaged
    return [(file_key(wheel.digest, wheel.filename), wheel.digest) for wheel in lock.wheels()]


def _problems(storage: Storage, found: Seen, told: dict[str, str | None]) -> Iterator[str]:
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
    derived = dict(_derived(found, _told(storage)))
    wrong = tree.each(lambda item: _differs(storage, *item), derived.items())
    yield from (
        f"`{key}` is not what the pages of the projects say" for key, bad in zip(derived, wrong, strict=True) if bad
    )
    pages = {address.html for address in (*found.records, *found.damaged)} | derived.keys()
    yield from (f"`{key}` is no page of a project that is here" for key in sorted(found.derived - pages))
    for stray in sorted(found.others, key=lambda each: each.key):
        if not is_temporary(stray.key) and not stray.key.startswith(LEASES):
            yield f"`{stray.key}` is no part of a mirror"


def _derived(found: Seen, there: Catalog) -> Iterator[tuple[str, str]]:
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


def _told(storage: Storage) -> Catalog:
    try:
        return tree.read_catalog(storage)
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
    label, _, sha256 = reference.partition("/")
    row = there.locks.get((label, sha256))
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
    return LockRow(
        label=label,
        sha256=sha256,
        files=len(keys),
        size=sum(sizes.get(key, 0) for key in keys),
        added=row.added if row is not None else max(moments, default=None),
    )


def _differs(storage: Storage, key: str, text: str) -> bool:
    held = storage.read(key)
    return held is None or held.content != text.encode()


def _mend_pages(storage: Storage, found: Seen) -> None:
    """Damaged and lost pages come again from the locks; all that is derived is written anew; HTML of nobody goes.

    A page is lost where its HTML is there without its JSON: a removal takes the HTML first.
    """
    for address in (*found.damaged, *_lost(found)):
        rebuilt = _rebuilt(storage, found, address)
        if rebuilt is not None:
            storage.write(address.json, rebuilt.text().encode())
            found.records[address] = rebuilt
    derived = dict(_derived(found, _told(storage)))
    for key, text in derived.items():
        if _differs(storage, key, text):
            storage.write(key, text.encode())
    kept = derived.keys() | {address.html for address in found.damaged}
    storage.remove(sorted(found.derived - kept))


def _lost(found: Seen) -> list[Address]:
    """Pages of published locks whose JSON is gone and whose HTML is not."""
    addresses: set[Address] = set()
    for reference, text in found.locks.items():
        with suppress(WheelhouseError):
            addresses |= placed(republished(text, reference).lock).keys()
    there = found.records.keys() | set(found.damaged)
    return sorted(each for each in addresses - there if each.html in found.derived)


def _rebuilt(storage: Storage, found: Seen, address: Address) -> Record | None:
    """The page as the published locks have it; None where they or the files do not tell.

    When its files came in is lost: the page says when it was repaired.
    """
    record, moment = Record(address=address), now()
    for reference, text in sorted(found.locks.items()):
        try:
            pins = placed(republished(text, reference).lock).get(address, ())
            for pin in pins:
                key = file_key(pin.wheel.digest, pin.wheel.filename)
                held = storage.read(f"{key}{METADATA}")
                if held is None or key not in found.files:
                    return None
                file = CarriedFile(
                    pin.wheel.filename, pin.wheel.digest.hex, found.files[key], locks=(reference,), added=moment
                )
                fresh, summary = entry(file, address, held.content)
                record = record.merged([fresh], summary)
        except WheelhouseError:
            return None
    return record if record.entries else None


def _mend_files(storage: Storage, found: Seen, wrong: Iterable[str], store: Store) -> None:
    for key in sorted(wrong):  # a wheel before its metadata
        file = file_of(key)
        if file is None:
            continue
        digest, filename = file
        if not filename.endswith(METADATA):
            if store.has(digest) and _is_whole(store, digest):
                storage.remove([key])
                storage.put_file(key, store.path(digest), digest)
        elif store.has(digest):
            try:
                with store.path(digest).open("rb") as wheel:
                    metadata_blob(key.removesuffix(METADATA), read_metadata(wheel, filename[: -len(METADATA)])).put(
                        storage
                    )
            except BadMetadata:
                continue


def _is_whole(store: Store, digest: Digest) -> bool:
    """Whether the store's wheel is what it should be. A damaged one goes, so that `fetch` brings it again: in a folder
    it may be the very file that the mirror has.
    """
    with store.path(digest).open("rb") as wheel:
        whole = hashlib.file_digest(wheel, "sha256").hexdigest() == digest.hex
    if not whole:
        files.remove(store.path(digest))
    return whole
