"""Crossing the wall: what is written for the other side, and what is taken from there."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wheelhouse.digests import Check, Digest
from wheelhouse.edge import files
from wheelhouse.edge.mirror import tree
from wheelhouse.edge.mirror.look import locks_of, records_of
from wheelhouse.edge.mirror.reading import BadExport, Reader, opened
from wheelhouse.edge.mirror.storage import Gone, Storage
from wheelhouse.edge.mirror.tree import TOOL, Blob, Change
from wheelhouse.errors import UsageError, WheelhouseError
from wheelhouse.metadata import read_metadata
from wheelhouse.mirroring.catalog import LockRow
from wheelhouse.mirroring.channels import placed
from wheelhouse.mirroring.export import MANIFEST, SUMS, Manifest, delta, entry, key_of, sums
from wheelhouse.mirroring.names import METADATA, Address, file_key, file_of, lock_key
from wheelhouse.mirroring.publication import Publication, republished
from wheelhouse.mirroring.record import Entry, Record
from wheelhouse.mirroring.state import State


class ForeignExport(WheelhouseError):
    """The export is of a mirror that this one has never taken anything of."""

    hint = "`--from-any` takes it all the same, and what comes from there later"

    def __init__(self, path: Path, origin: str, name: str) -> None:
        super().__init__(path, origin, name)
        self.path, self.origin, self.name = path, origin, name

    def __str__(self) -> str:
        return f"`{self.path}` comes from the mirror {self.origin}, of which `{self.name}` has taken nothing so far"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written. Sizes are in bytes."""

    manifest: Manifest
    files: int  # wheels
    size: int


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was taken. `new` counts wheels that were not there."""

    locks: int
    files: int
    new: int
    pages: int


def export(storage: Storage, output: Path, since: State | None) -> Exported:
    """Write what the other side lacks to a folder, or to one tar file where `output` ends with `.tar`.

    Every byte is verified on the way. Raises `UsageError` where `output` exists, `Gone` and `DigestMismatch` where the
    mirror itself is damaged.
    """
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UsageError(f"`{output}` is there already", hint="name a new folder or tar file, or move this one away")
    known = tree.identity(storage)
    texts = locks_of(storage)
    rows = tree.read_catalog(storage).locks
    moments = {lock: row.added if (row := rows.get(_pair(lock))) is not None else None for lock in texts}
    manifest = delta(records_of(storage), moments, mirror=known.id, since=since, tool=TOOL)
    wheels: dict[str, Digest] = {key_of(file): Digest(file.sha256) for page in manifest.pages for file in page.files}
    for lock in manifest.locks:
        published = republished(texts[lock], lock_key(lock)).lock
        wheels |= {file_key(wheel.digest, wheel.filename): wheel.digest for wheel in published.wheels()}
    if since is not None:
        wheels = {key: digest for key, digest in wheels.items() if not since.has(digest)}
    small = {f"{key}{METADATA}": _small(storage, f"{key}{METADATA}") for key in sorted(wheels)}
    small |= {lock_key(lock): texts[lock].encode() for lock in manifest.locks}
    small[MANIFEST] = manifest.text().encode()
    digests = {**wheels, **{name: Digest.of(content) for name, content in small.items()}}
    small[SUMS] = sums(digests).encode()
    sizes = dict(zip(wheels, tree.each(partial(_size, storage), wheels), strict=True))
    write = _write_tar if output.suffix == ".tar" else _write_folder
    try:
        write(output, storage, small, wheels, sizes)
    except OSError as error:
        raise files.CannotWrite(output, (error.strerror or str(error)).lower()) from error
    return Exported(manifest=manifest, files=len(wheels), size=sum(sizes.values()))


def _pair(lock: str) -> tuple[str, str]:
    label, _, sha256 = lock.partition("/")
    return label, sha256


def _small(storage: Storage, key: str) -> bytes:
    held = storage.read(key)
    if held is None:
        raise Gone(storage.name, key)
    return held.content


def _size(storage: Storage, key: str) -> int:
    size = storage.size(key)
    if size is None:
        raise Gone(storage.name, key)
    return size


def _verified(storage: Storage, key: str, digest: Digest, size: int) -> Iterator[bytes]:
    check = Check(key.rpartition("/")[2], expected=digest, size=size)
    for chunk in storage.stream(key):
        check.update(chunk)
        yield chunk
    check.finish()


def _write_folder(
    output: Path,
    storage: Storage,
    small: Mapping[str, bytes],
    wheels: Mapping[str, Digest],
    sizes: Mapping[str, int],
) -> None:
    """Beside its place, then there in one step."""
    fresh = files.beside(output)
    try:
        for name, digest in sorted(wheels.items()):
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                for chunk in _verified(storage, name, digest, sizes[name]):
                    file.write(chunk)
        for name, content in sorted(small.items()):
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if output.exists():
            output.rmdir()
        fresh.rename(output)
    finally:
        if fresh.exists():
            shutil.rmtree(fresh, ignore_errors=True)


class _Chunks:
    """Chunks as `tarfile` reads a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int = -1, /) -> bytes:
        taken = bytearray(self._rest)
        while size < 0 or len(taken) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            taken += chunk
        size = len(taken) if size < 0 else size
        self._rest = bytes(taken[size:])
        return bytes(taken[:size])


def _write_tar(
    output: Path,
    storage: Storage,
    small: Mapping[str, bytes],
    wheels: Mapping[str, Digest],
    sizes: Mapping[str, int],
) -> None:
    """An uncompressed tar (wheels are compressed), the same bytes for the same content; digests come first."""
    temporary = files.beside(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:

            def put(name: str, size: int, content: io.BytesIO | _Chunks) -> None:
                info = tarfile.TarInfo(name)
                info.size = size
                archive.addfile(info, content)

            for name in sorted(small, key=lambda name: (name != SUMS, name != MANIFEST, name)):
                put(name, len(small[name]), io.BytesIO(small[name]))
            for name, digest in sorted(wheels.items()):
                chunks = _verified(storage, name, digest, sizes[name])
                put(name, sizes[name], _Chunks(chunks))
                for _ in chunks:  # the verdict comes behind the last byte
                    pass
        files.settle(temporary, output)
    finally:
        files.remove(temporary)


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
        absent = tree.missing(storage, blobs)
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
    there = dict(zip(elsewhere, tree.each(storage.size, elsewhere), strict=True))
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
                    told[key] = _small(storage, f"{key}{METADATA}")
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
    for each, summary in pages[record.address]:
        record = record.merged([each], summary)
    return record


def _row(lock: str, found: Publication, manifest: Manifest, sizes: Mapping[str, int]) -> LockRow:
    label, sha256 = _pair(lock)
    keys = {file_key(wheel.digest, wheel.filename) for wheel in found.lock.wheels()}
    return LockRow(
        label=label,
        sha256=sha256,
        files=len(keys),
        size=sum(sizes[key] for key in keys),
        added=manifest.locks[lock],
    )
