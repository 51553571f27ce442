"""Crossing the wall, the other side: an export is judged as a whole, then published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from wheelhouse.digests import Digest
from wheelhouse.edge.mirror import tree
from wheelhouse.edge.mirror.blobs import Blob, each, missing
from wheelhouse.edge.mirror.exporting import small_file
from wheelhouse.edge.mirror.look import locks_of
from wheelhouse.edge.mirror.reading import BadExport, Reader, opened
from wheelhouse.edge.mirror.storage import Storage
from wheelhouse.edge.mirror.tree import Change
from wheelhouse.errors import WheelhouseError
from wheelhouse.metadata import read_metadata
from wheelhouse.mirroring.catalog import LockRow
from wheelhouse.mirroring.channels import placed
from wheelhouse.mirroring.export import MANIFEST, Manifest, entry, key_of
from wheelhouse.mirroring.names import METADATA, Address, file_key, file_of, lock_key
from wheelhouse.mirroring.publication import Publication, republished
from wheelhouse.mirroring.record import Entry, Record


class ForeignExport(WheelhouseError):
    """The export is of a mirror that this one has never taken anything of."""

    hint = "`--from-any` takes it all the same, and what comes from there later"

    def __init__(self, path: Path, origin: str, name: str) -> None:
        super().__init__(path, origin, name)
        self.path, self.origin, self.name = path, origin, name

    def __str__(self) -> str:
        return f"`{self.path}` comes from the mirror {self.origin}, of which `{self.name}` has taken nothing so far"


class Imported(Struct, frozen=True, kw_only=True):
    """What was taken. `new` counts wheels that were not there."""

    locks: int
    files: int
    new: int
    pages: int


def take(storage: Storage, path: Path, *, from_any: bool = False) -> Imported:
    """Verify every byte of an export, then publish it: all of it, or, where anything is wrong, nothing.

    Raises `BadExport` with everything that is wrong, `ForeignExport`, and what publishing raises.
    """
    with opened(path) as reader:
        manifest = reader.verified()
        _judge_origin(storage, manifest, path, from_any)
        locks = {lock: _lock(reader, lock, path) for lock in manifest.locks}
        blobs, sizes = _blobs(storage, reader, manifest, locks, path)
        pages = _pages(storage, reader, manifest, locks, sizes, path)
        known = tree.made(storage)
        absent = missing(storage, blobs)
        change = Change(
            pages=sorted(pages),
            edit=partial(_merged, pages),
            locks={lock: found.text for lock, found in locks.items()},
            rows=[_row(lock, found, manifest, sizes) for lock, found in sorted(locks.items())],
            origin=None if known.knows(manifest.mirror) else manifest.mirror,
        )
        changes = tree.commit(storage, change, blobs)
    carried = {key_of(file) for page in manifest.pages for file in page.files}
    return Imported(
        locks=len(locks),
        files=len(carried),
        new=sum(not blob.key.endswith(METADATA) for blob in absent),
        pages=changes.pages,
    )


def _judge_origin(storage: Storage, manifest: Manifest, path: Path, from_any: bool) -> None:
    """An empty place takes any mirror's export; one with locks those of the mirrors that it knows."""
    try:
        known = tree.identity(storage)
    except tree.NoMirror:
        return
    if not from_any and not known.knows(manifest.mirror) and (known.origins or any(locks_of(storage))):
        raise ForeignExport(path, manifest.mirror, storage.name)


def _lock(reader: Reader, lock: str, path: Path) -> Publication:
    try:
        found = republished(reader.small(lock_key(lock)).decode(), lock_key(lock))
    except (WheelhouseError, UnicodeDecodeError, KeyError) as error:
        raise BadExport(path, (f"`{lock_key(lock)}`: {error}",)) from error
    if found.reference != lock:
        raise BadExport(path, (f"`{lock_key(lock)}` is a lock of `{found.lock.label}`",))
    return found


def _blobs(
    storage: Storage, reader: Reader, manifest: Manifest, locks: Mapping[str, Publication], path: Path
) -> tuple[list[Blob], dict[str, int]]:
    """Every file of the export, and those that only the mirror has; and the size of every wheel of its locks, by key.

    Raises `BadExport` where neither the export nor the mirror has one, and for a file that no lock of it names.
    """
    blobs = []
    for name, digest in reader.digests.items():
        if name.startswith("files/"):
            blobs.append(Blob(key=name, digest=digest, size=reader.size(name), put=partial(_put, reader, name, digest)))
    carried = {blob.key: blob.size for blob in blobs}
    wanted = {key_of(file) for page in manifest.pages for file in page.files}
    for found in locks.values():
        wanted |= {file_key(wheel.digest, wheel.filename) for wheel in found.lock.wheels()}
    elsewhere = sorted(wanted - carried.keys())
    there = dict(zip(elsewhere, each(storage.size, elsewhere), strict=True))
    lacking = [key for key, size in there.items() if size is None]
    if lacking:
        raise _lacking(storage, path, lacking)
    strays = sorted(key for key in carried if key.removesuffix(METADATA) not in wanted)
    if strays:
        raise BadExport(path, tuple(f"`{key}` is of no lock in it" for key in strays))
    held = {key: size for key, size in there.items() if size is not None}
    for key, size in held.items():  # looked for again while pages change: `gc` may take one until then
        blobs.append(Blob(key=key, digest=_digest(key), size=size, put=partial(_went, path, key)))
    return blobs, {**carried, **held}


def _lacking(storage: Storage, path: Path, keys: Sequence[str]) -> BadExport:
    problems = tuple(f"`{key}` is neither in it nor in `{storage.name}`" for key in keys)
    return BadExport(path, problems, hint="export again, `--since` the state that this mirror has now")


def _went(path: Path, key: str, storage: Storage) -> None:
    raise _lacking(storage, path, [key])


def _digest(key: str) -> Digest:
    file = file_of(key)
    assert file is not None
    return file[0]


def _put(reader: Reader, name: str, digest: Digest, storage: Storage) -> None:
    storage.put_stream(name, reader.chunks(name), digest, reader.size(name))


def _pages(
    storage: Storage,
    reader: Reader,
    manifest: Manifest,
    locks: Mapping[str, Publication],
    sizes: Mapping[str, int],
    path: Path,
) -> dict[Address, list[tuple[Entry, str]]]:
    """What comes onto each page. The wheels themselves, and the locks, say most of it; the export has to agree."""
    belongs = {
        (lock, address, pin.wheel.filename, pin.wheel.digest.hex)
        for lock, found in locks.items()
        for address, pins in placed(found.lock).items()
        for pin in pins
    }
    told, problems = _told(reader)
    found: dict[Address, list[tuple[Entry, str]]] = {}
    for page in manifest.pages:
        for file in page.files:
            try:
                if any((lock, page.address, file.filename, file.sha256) not in belongs for lock in file.locks):
                    problems.append(f"`{file.filename}` is not what its lock puts on `{page.address.folder}`")
                    continue
                key = key_of(file)
                if sizes[key] != file.size:
                    problems.append(f"`{file.filename}` has {sizes[key]} bytes, and `{MANIFEST}` says {file.size}")
                    continue
                if key not in told:
                    if key in reader.digests:
                        continue  # told as damaged
                    told[key] = small_file(storage, f"{key}{METADATA}")
                found.setdefault(page.address, []).append(entry(file, page.address, told[key]))
            except WheelhouseError as error:
                problems.append(str(error))
    if problems:
        raise BadExport(path, tuple(dict.fromkeys(problems)))
    return found


def _told(reader: Reader) -> tuple[dict[str, bytes], list[str]]:
    """The core metadata in every wheel of the export, by key, and what is wrong: the file beside it has to be the same,
    and none may be there without its wheel, in the place of one that the mirror has.
    """
    told: dict[str, bytes] = {}
    problems: list[str] = []
    for name in sorted(reader.digests):
        file, key = file_of(name), name.removesuffix(METADATA)
        if file is None:
            continue
        if key not in reader.digests:
            problems.append(f"`{name}` is there without its wheel")
        elif key == name:
            try:
                with reader.open(key) as wheel:
                    content = read_metadata(wheel, file[1])
            except WheelhouseError as error:
                problems.append(str(error))
                continue
            if reader.digests.get(f"{key}{METADATA}") != Digest.of(content):
                problems.append(f"`{key}{METADATA}` is not the metadata in the wheel")
            told[key] = content
    return told, problems


def _merged(pages: Mapping[Address, Sequence[tuple[Entry, str]]], record: Record) -> Record:
    for fresh, summary in pages[record.address]:
        record = record.merged([fresh], summary)
    return record


def _row(lock: str, found: Publication, manifest: Manifest, sizes: Mapping[str, int]) -> LockRow:
    keys = {file_key(wheel.digest, wheel.filename) for wheel in found.lock.wheels()}
    return LockRow.of(lock, {key: sizes[key] for key in keys}, manifest.locks[lock])
