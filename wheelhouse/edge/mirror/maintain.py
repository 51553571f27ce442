"""Looking after a mirror: removing what nothing names any more, verifying, repairing."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from contextlib import suppress

from msgspec import Struct

from wheelhouse.digests import Digest
from wheelhouse.edge import files
from wheelhouse.edge.mirror import derived, tree
from wheelhouse.edge.mirror.inspection import (
    Seen,
    catalog_there,
    differs,
    everything_derived,
    judged,
    problems,
    seen,
)
from wheelhouse.edge.mirror.publish import metadata_blob, now
from wheelhouse.edge.mirror.storage import Storage, is_temporary
from wheelhouse.edge.store import Store
from wheelhouse.errors import WheelhouseError
from wheelhouse.metadata import BadMetadata, read_metadata
from wheelhouse.mirroring.channels import placed
from wheelhouse.mirroring.export import entry, of_lock
from wheelhouse.mirroring.names import METADATA, Address, file_key, file_of
from wheelhouse.mirroring.publication import named, republished
from wheelhouse.mirroring.record import Record

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


class Garbage(Struct, frozen=True, kw_only=True):
    """What nothing names. Sizes are in bytes; a file and its metadata count as two keys and one file."""

    keys: tuple[str, ...] = ()
    files: int = 0
    size: int = 0


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
            derived.html(storage, record)
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


class Verified(Struct, frozen=True, kw_only=True):
    """What a verification found: a sentence for each thing that is wrong."""

    files: int
    size: int  # bytes that were read
    problems: tuple[str, ...]
    repaired: tuple[str, ...] = ()


def verify(storage: Storage, *, quick: bool = False) -> Verified:
    """Read every byte of the mirror; with `quick`, judge files by their size."""
    tree.identity(storage)
    found = seen(storage)
    told, size = judged(storage, found, quick)
    return Verified(files=len(told), size=size, problems=tuple(problems(storage, found, told)))


def repair(storage: Storage, store: Store, *, quick: bool = False) -> Verified:
    """As `verify`, and make whole what can be: derived pages from the truth, a page from the locks that were published,
    a damaged wheel from the store, metadata from its wheel.
    """
    tree.identity(storage)
    with storage.exclusive():
        found = seen(storage)
        told, size = judged(storage, found, quick)
        before = tuple(problems(storage, found, told))
        if not before:
            return Verified(files=len(told), size=size, problems=())
        _mend_files(storage, found, {key for key, problem in told.items() if problem}, store)
        _mend_pages(storage, found)
        again = seen(storage)
        mended = {key for key, problem in told.items() if problem}
        told = {**told, **judged(storage, again, quick, only=mended)[0]}
        after = tuple(problems(storage, again, told))
    gone = tuple(problem for problem in before if problem not in after)
    return Verified(files=len(told), size=size, problems=after, repaired=gone)


def _mend_pages(storage: Storage, found: Seen) -> None:
    """Damaged and lost pages come again from the locks; all that is derived is written anew; HTML of nobody goes.

    A page is lost where its HTML is there without its JSON: a removal takes the HTML first.
    """
    for address in (*found.damaged, *_lost(found)):
        rebuilt = _rebuilt(storage, found, address)
        if rebuilt is not None:
            storage.write(address.json, rebuilt.text().encode())
            found.records[address] = rebuilt
    derived = dict(everything_derived(found, catalog_there(storage)))
    for key, text in derived.items():
        if differs(storage, key, text):
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
                file = of_lock(pin.wheel, found.files[key], lock=reference, added=moment)
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
