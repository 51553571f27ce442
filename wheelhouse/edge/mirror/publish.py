"""Publishing locks into a mirror, and taking them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from msgspec import Struct
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.digests import Digest, DigestMismatch
from wheelhouse.edge import files
from wheelhouse.edge.mirror import derived, tree
from wheelhouse.edge.mirror.blobs import Blob, missing
from wheelhouse.edge.mirror.derived import published
from wheelhouse.edge.mirror.storage import Storage
from wheelhouse.edge.mirror.tree import Change, Changes
from wheelhouse.edge.store import Store
from wheelhouse.edge.verification import Damaged, NotFetched
from wheelhouse.errors import UsageError, WheelhouseError
from wheelhouse.lock import LockedPackage, LockedWheel
from wheelhouse.lock.times import written
from wheelhouse.metadata import read_metadata
from wheelhouse.mirroring.catalog import LockRow
from wheelhouse.mirroring.channels import placed
from wheelhouse.mirroring.description import Described, described, one_line
from wheelhouse.mirroring.names import METADATA, Address, file_key, lock_key, wheel
from wheelhouse.mirroring.publication import Publication, republished
from wheelhouse.mirroring.record import Entry, Record


class Added(Struct, frozen=True, kw_only=True):
    """What publishing did. Sizes are in bytes, of wheels; each file counts once."""

    locks: tuple[str, ...]
    files: int  # that the locks name
    size: int
    new: int  # of these, that were not there
    new_size: int
    pages: int  # that changed


class _Wheel(Struct, frozen=True):
    wheel: LockedWheel
    size: int
    content: bytes  # of its METADATA
    described: Described


def now() -> str:
    """This moment as pages write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def add(storage: Storage, publications: Sequence[Publication], store: Store, *, added: str) -> Added:
    """Publish locks, all of whose wheels the store has; `added` is the moment that new entries tell.

    Raises `NotFetched` and `BadMetadata` before anything is written, `NameTaken` and `BadRecord` before a page is.
    """
    wheels = _wheels(publications, store)
    tree.made(storage)
    blobs = [blob for found in wheels.values() for blob in _blobs(found, store)]
    absent = {blob.key for blob in missing(storage, blobs)}
    pages: dict[Address, list[tuple[Entry, str]]] = {}
    for each in publications:
        for address, pins in placed(each.lock).items():
            pages.setdefault(address, []).extend(_entry(pin, wheels, each.reference, added) for pin in pins)
    change = Change(
        pages=sorted(pages),
        edit=partial(_merged, pages),
        locks={each.reference: each.text for each in publications},
        rows=[_row(each, wheels, added) for each in publications],
    )
    changes = tree.commit(storage, change, blobs)
    new = [found for found in wheels.values() if file_key(found.wheel.digest, found.wheel.filename) in absent]
    return Added(
        locks=tuple(each.reference for each in publications),
        files=len(wheels),
        size=sum(found.size for found in wheels.values()),
        new=len(new),
        new_size=sum(found.size for found in new),
        pages=changes.pages,
    )


def _wheels(publications: Iterable[Publication], store: Store) -> dict[str, _Wheel]:
    """Every wheel of the locks, by its key, each read once."""
    found: dict[str, _Wheel] = {}
    for each in publications:
        pins = [*each.lock.packages, *([each.lock.installer] if each.lock.installer is not None else [])]
        absent = [pin.wheel.filename for pin in pins if not store.has(pin.wheel.digest, pin.wheel.size)]
        if absent:
            raise NotFetched(each.lock.label, tuple(absent))
        for pin in pins:
            key = file_key(pin.wheel.digest, pin.wheel.filename)
            if key not in found:
                found[key] = _read(pin, store)
    return found


def _read(pin: LockedPackage, store: Store) -> _Wheel:
    path, filename = store.path(pin.wheel.digest), pin.wheel.filename
    with path.open("rb") as file:
        content = read_metadata(file, filename)
    told = described(content, filename=filename, project=pin.name, version=wheel(filename, pin.name))
    return _Wheel(pin.wheel, path.stat().st_size, content, told)


def _blobs(found: _Wheel, store: Store) -> tuple[Blob, Blob]:
    key, digest = file_key(found.wheel.digest, found.wheel.filename), found.wheel.digest

    def put(storage: Storage) -> None:
        try:
            storage.put_file(key, store.path(digest), digest)
        except DigestMismatch as error:
            files.remove(store.path(digest))  # else `fetch` would take it for the wheel
            problem = f"`{found.wheel.filename}` was damaged and is removed"
            raise Damaged(store.root, (problem,), hint="run `wheelhouse fetch`") from error

    return Blob(key=key, digest=digest, size=found.size, put=put), metadata_blob(key, found.content)


def metadata_blob(key: str, content: bytes) -> Blob:
    """The core metadata beside the wheel at `key` (PEP 658)."""
    beside, digest = f"{key}{METADATA}", Digest.of(content)

    def put(storage: Storage) -> None:
        storage.put_stream(beside, [content], digest, len(content))

    return Blob(key=beside, digest=digest, size=len(content), put=put)


def _entry(pin: LockedPackage, wheels: Mapping[str, _Wheel], lock: str, added: str) -> tuple[Entry, str]:
    found = wheels[file_key(pin.wheel.digest, pin.wheel.filename)]
    entry = Entry(
        filename=pin.wheel.filename,
        version=wheel(pin.wheel.filename),
        digest=pin.wheel.digest,
        size=found.size,
        metadata=found.described.metadata,
        requires_python=found.described.requires_python,
        upload_time=None if pin.wheel.upload_time is None else written(pin.wheel.upload_time),
        yanked=None if pin.wheel.yanked is None else one_line(pin.wheel.yanked),
        requires=found.described.requires,
        locks=(lock,),
        added=added,
    )
    return entry, found.described.summary


def _merged(pages: Mapping[Address, Sequence[tuple[Entry, str]]], record: Record) -> Record:
    for entry, summary in pages[record.address]:
        record = record.merged([entry], summary)
    return record


def _row(each: Publication, wheels: Mapping[str, _Wheel], added: str) -> LockRow:
    keys = {file_key(wheel.digest, wheel.filename) for wheel in each.lock.wheels()}
    return LockRow.of(each.reference, {key: wheels[key].size for key in keys}, added)


def remove_lock(storage: Storage, reference: str) -> Changes:
    """Take back what only this lock has; the files stay until `gc`."""
    tree.identity(storage)
    held = storage.read(lock_key(reference))
    if held is None:
        raise UsageError(f"`{storage.name}` has no lock `{reference}`", hint="`wheelhouse mirror list` shows them")
    change = Change(
        pages=_pages_of(storage, reference, held.content),
        edit=lambda record: record.without_lock(reference),
        gone=[reference],
    )
    return tree.commit(storage, change)


def _pages_of(storage: Storage, reference: str, content: bytes) -> list[Address]:
    """The pages that a published lock has wheels on; of a damaged one they are not known: every page."""
    try:
        if Digest.of(content).hex == reference.partition("/")[2]:
            return sorted(placed(republished(content.decode(), lock_key(reference)).lock))
    except (WheelhouseError, UnicodeDecodeError):
        pass
    return sorted(derived.addresses(storage))


def remove_project(storage: Storage, project: NormalizedName, version: Version | None) -> Changes:
    """Take a project, or one version of it, off every page; locks that pin it keep their text and their files.

    Raises `UsageError` where no page has it.
    """
    tree.identity(storage)
    every = derived.pages_of(storage, project)
    change = Change(pages=every, edit=lambda record: record.without_version(version))
    changes = tree.commit(storage, change) if every else None
    if changes is None or not changes.pages:
        what = f"`{project}`" if version is None else f"`{project}` {version}"
        raise UsageError(f"`{storage.name}` has no {what}", hint="`wheelhouse mirror list` shows what it has")
    return changes


def naming(storage: Storage, filenames: Iterable[str]) -> tuple[str, ...]:
    """The published locks that name one of these files."""
    names = set(filenames)
    found = []
    for reference in published(storage):
        held = storage.read(lock_key(reference))
        if held is not None and any(name.encode() in held.content for name in names):
            found.append(reference)
    return tuple(found)
