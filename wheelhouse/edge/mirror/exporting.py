"""Crossing the wall, this side: what the other one lacks, as a folder or a tar file."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct

from wheelhouse.digests import Check, Digest
from wheelhouse.edge import files
from wheelhouse.edge.mirror import derived, tree
from wheelhouse.edge.mirror.blobs import each
from wheelhouse.edge.mirror.look import locks_of, records_of
from wheelhouse.edge.mirror.storage import Gone, Storage
from wheelhouse.errors import UsageError
from wheelhouse.mirroring.catalog import pair
from wheelhouse.mirroring.export import MANIFEST, SUMS, Manifest, delta, key_of, sums
from wheelhouse.mirroring.names import METADATA, file_key, lock_key
from wheelhouse.mirroring.publication import republished
from wheelhouse.mirroring.state import State


class Exported(Struct, frozen=True, kw_only=True):
    """What was written. Sizes are in bytes."""

    manifest: Manifest
    files: int  # wheels
    size: int


def export(storage: Storage, output: Path, since: State | None) -> Exported:
    """Write what the other side lacks to a folder, or to one tar file where `output` ends with `.tar`.

    Every byte is verified on the way. Raises `UsageError` where `output` exists, `Gone` and `DigestMismatch` where the
    mirror itself is damaged.
    """
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UsageError(f"`{output}` is there already", hint="name a new folder or tar file, or move this one away")
    known = tree.identity(storage)
    texts = locks_of(storage)
    rows = derived.read_catalog(storage).locks
    moments = {lock: row.added if (row := rows.get(pair(lock))) is not None else None for lock in texts}
    manifest = delta(records_of(storage), moments, mirror=known.id, since=since, tool=tree.TOOL)
    wheels: dict[str, Digest] = {key_of(file): Digest(file.sha256) for page in manifest.pages for file in page.files}
    for lock in manifest.locks:
        published = republished(texts[lock], lock_key(lock)).lock
        wheels |= {file_key(wheel.digest, wheel.filename): wheel.digest for wheel in published.wheels()}
    if since is not None:
        wheels = {key: digest for key, digest in wheels.items() if not since.has(digest)}
    small = {f"{key}{METADATA}": small_file(storage, f"{key}{METADATA}") for key in sorted(wheels)}
    small |= {lock_key(lock): texts[lock].encode() for lock in manifest.locks}
    small[MANIFEST] = manifest.text().encode()
    digests = {**wheels, **{name: Digest.of(content) for name, content in small.items()}}
    small[SUMS] = sums(digests).encode()
    sizes = dict(zip(wheels, each(partial(_size, storage), wheels), strict=True))
    write = _write_tar if output.suffix == ".tar" else _write_folder
    try:
        write(output, storage, small, wheels, sizes)
    except OSError as error:
        raise files.CannotWrite(output, (error.strerror or str(error)).lower()) from error
    return Exported(manifest=manifest, files=len(wheels), size=sum(sizes.values()))


def small_file(storage: Storage, key: str) -> bytes:
    """All of a lock or a metadata file. Raises `Gone`."""
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
