"""What a mirror holds, for those who ask: its locks, its pages, its state, and how it differs from another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from packaging.utils import NormalizedName

from wheelhouse.digests import Digest
from wheelhouse.edge.locks import Unreadable
from wheelhouse.edge.mirror import tree
from wheelhouse.edge.mirror.blobs import each
from wheelhouse.edge.mirror.derived import addresses, pages_of, published, read_catalog, record
from wheelhouse.edge.mirror.places import opened
from wheelhouse.edge.mirror.storage import Storage
from wheelhouse.errors import UsageError, WheelhouseError
from wheelhouse.mirroring.comparing import Contents
from wheelhouse.mirroring.listing import Listing, locks, project, projects
from wheelhouse.mirroring.names import METADATA, file_of, lock_key
from wheelhouse.mirroring.record import Record
from wheelhouse.mirroring.state import PREFIX, State


class DamagedLock(WheelhouseError):
    """A published lock that is no more what was published."""

    def __init__(self, storage: str, lock: str) -> None:
        super().__init__(storage, lock)
        self.storage, self.lock = storage, lock
        self.hint = f"`wheelhouse mirror remove {lock} --from {storage}` takes it back; then add the lock again"

    def __str__(self) -> str:
        return f"`{lock_key(self.lock)}` of `{self.storage}` is damaged"


def locks_of(storage: Storage) -> dict[str, str]:
    """The text of every published lock, by `<label>/<sha256>`. Raises `DamagedLock`."""
    found = published(storage)
    texts = each(lambda lock: storage.read(lock_key(lock)), found)
    held = {lock: text.content for lock, text in zip(found, texts, strict=True) if text is not None}
    for lock, content in held.items():
        if Digest.of(content).hex != lock.partition("/")[2]:
            raise DamagedLock(storage.name, lock)
    return {lock: content.decode() for lock, content in held.items()}


def records_of(storage: Storage) -> list[Record]:
    """Every page, in order. Raises `BadRecord`."""
    return each(lambda address: record(storage, address)[1], sorted(addresses(storage)))


def state(storage: Storage) -> State:
    """What the mirror has, as the one small file that an export is made from. Raises `NoMirror`."""
    known = tree.identity(storage)
    wheels = (digest for digest, name in _files(storage) if not name.endswith(METADATA))
    return State.of(known, wheels, published(storage))


def _files(storage: Storage) -> Iterator[tuple[Digest, str]]:
    for found in storage.listed("files/"):
        if (file := file_of(found.key)) is not None:
            yield file


def contents(place: str, *, endpoint: str | None = None) -> Contents:
    """What is in a mirror, or in what a state says of one."""
    if not place.lower().startswith("s3://") and Path(place).is_file():
        try:
            told = State.parse(Path(place).read_bytes(), place)
        except OSError as error:
            raise Unreadable(Path(place), (error.strerror or str(error)).lower()) from error
        return Contents(files={prefix: prefix for prefix in told.files}, locks=told.locks, pages=None)
    storage = opened(place, endpoint=endpoint)
    tree.identity(storage)
    files: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for found in storage.listed("files/"):
        if (file := file_of(found.key)) is not None and not file[1].endswith(METADATA):
            files[file[0].hex[:PREFIX]] = file[1]
            sizes[file[0].hex[:PREFIX]] = found.size
    pages = frozenset(
        (page.address.folder, entry.filename, entry.digest.hex)
        for page in records_of(storage)
        for entry in page.entries
    )
    return Contents(files=files, sizes=sizes, locks=frozenset(locks_of(storage)), pages=pages)


def listing(storage: Storage) -> Listing:
    """The projects, as the catalog knows them. Raises `NoMirror` and `BadCatalog`."""
    tree.identity(storage)
    return projects(read_catalog(storage))


def listing_of_locks(storage: Storage) -> Listing:
    """The published locks."""
    tree.identity(storage)
    return locks(published(storage), read_catalog(storage))


def listing_of(storage: Storage, name: NormalizedName) -> Listing:
    """The files of a project, and the pages that have each. Raises `UsageError` where no page has it."""
    tree.identity(storage)
    found = [record(storage, address)[1] for address in pages_of(storage, name)]
    if not any(page.entries for page in found):
        raise UsageError(f"`{storage.name}` has no `{name}`", hint="`wheelhouse mirror list` shows what it has")
    return project(name, found)
