"""What one mirror carries to another: as little as the other side lacks, and enough to be judged there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from packaging.utils import NormalizedName

from wheelhouse.digests import Digest
from wheelhouse.lock import LockedWheel
from wheelhouse.lock.times import written
from wheelhouse.mirroring.description import Described, described, one_line
from wheelhouse.mirroring.names import CHANNEL, LOCK, METADATA, Address, file_key, file_of, lock_of, project, wheel
from wheelhouse.mirroring.record import Entry, Record, is_moment
from wheelhouse.mirroring.state import FORMAT, BadState, State, mirror_id

MANIFEST = "export.json"
SUMS = "SHA256SUMS"
KIND = "export of a mirror"
_WHAT = "an export of a mirror"
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


class CarriedFile(msgspec.Struct, frozen=True, rename={"upload_time": "upload-time"}, omit_defaults=True):
    """A file of a page: what its bytes do not say themselves."""

    filename: str
    sha256: str
    size: int
    locks: tuple[str, ...]
    added: str
    upload_time: str | None = None
    yanked: str | None = None


class CarriedPage(msgspec.Struct, frozen=True):
    channel: str
    project: str
    files: tuple[CarriedFile, ...]

    @property
    def address(self) -> Address:
        return Address(self.channel, NormalizedName(self.project))


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`export.json`. `since` is the id of the mirror whose state was heeded; None: everything was carried."""

    format: int = FORMAT
    kind: str = KIND
    mirror: str
    since: str | None = None
    tool: str = ""
    locks: Mapping[str, str | None]  # when each came in, by `<label>/<sha256>`
    pages: tuple[CarriedPage, ...] = ()

    def text(self) -> str:
        return json.dumps(msgspec.to_builtins(self), indent=1) + "\n"

    @classmethod
    def parse(cls, content: bytes, source: str) -> Manifest:
        """Raises `BadState`, and `BadName` for a name that a mirror does not take."""
        try:
            found = msgspec.json.decode(content, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadState(source, _WHAT, str(error)) from error
        if found.kind != KIND or found.format != FORMAT:
            raise BadState(source, _WHAT, "it has another kind or format; a newer wheelhouse may have written it")
        mirror_id(found.mirror, source, _WHAT)
        if found.since is not None:
            mirror_id(found.since, source, _WHAT)
        for lock, moment in found.locks.items():
            if not LOCK.fullmatch(lock) or (moment is not None and not is_moment(moment)):
                raise BadState(source, _WHAT, f"{lock[:100]!r} is no lock")
        for page in found.pages:
            _judge(page, found, source)
        if len({page.address for page in found.pages}) != len(found.pages):
            raise BadState(source, _WHAT, "a page stands there twice")
        return found


def _judge(page: CarriedPage, manifest: Manifest, source: str) -> None:
    name = project(page.project)
    if name != page.project or (page.channel and not CHANNEL.fullmatch(page.channel)):
        raise BadState(source, _WHAT, f"{page.channel[:50]!r} {page.project[:80]!r} is no page")
    for file in page.files:
        wheel(file.filename, name)
        try:
            Digest(file.sha256)
        except ValueError as error:
            raise BadState(source, _WHAT, str(error)) from None
        moments = [file.added, *([] if file.upload_time is None else [file.upload_time])]
        if file.size < 0 or not all(map(is_moment, moments)):
            raise BadState(source, _WHAT, f"what it says of `{file.filename}` cannot be")
        if not file.locks or not set(file.locks) <= manifest.locks.keys():
            raise BadState(source, _WHAT, f"`{file.filename}` is of a lock that is not in it")


def delta(
    records: Iterable[Record],
    locks: Mapping[str, str | None],
    *,
    mirror: str,
    since: State | None,
    tool: str,
) -> Manifest:
    """What the other side lacks: the locks that it has not, and what these have of each page.

    `locks`: when each lock came in. A project that was taken off here is not carried.
    """
    known = frozenset[str]() if since is None else since.locks
    new = {lock: moment for lock, moment in sorted(locks.items()) if lock not in known}
    pages = (each.only(new.keys()) for each in sorted(records, key=lambda record: record.address))
    return Manifest(
        mirror=mirror,
        since=None if since is None else since.mirror,
        tool=tool,
        locks=new,
        pages=tuple(
            CarriedPage(each.address.channel, each.address.project, tuple(map(_carried, each.entries)))
            for each in pages
            if each.entries
        ),
    )


def _carried(entry: Entry) -> CarriedFile:
    return CarriedFile(
        filename=entry.filename,
        sha256=entry.digest.hex,
        size=entry.size,
        locks=entry.locks,
        added=entry.added,
        upload_time=entry.upload_time,
        yanked=entry.yanked,
    )


def of_lock(wheel: LockedWheel, size: int, *, lock: str, added: str) -> CarriedFile:
    """A wheel of a lock, of which the lock is all that is told; `size` is what it has."""
    return CarriedFile(
        filename=wheel.filename,
        sha256=wheel.digest.hex,
        size=size,
        locks=(lock,),
        added=added,
        upload_time=None if wheel.upload_time is None else written(wheel.upload_time),
        yanked=wheel.yanked,
    )


def entry(file: CarriedFile, address: Address, content: bytes) -> tuple[Entry, str]:
    """The entry, and the summary, that a file of a page becomes; `content` is the wheel's METADATA.

    Raises `BadMetadata`.
    """
    told: Described = described(
        content, filename=file.filename, project=address.project, version=wheel(file.filename, address.project)
    )
    found = Entry(
        filename=file.filename,
        version=wheel(file.filename),
        digest=Digest(file.sha256),
        size=file.size,
        metadata=told.metadata,
        requires_python=told.requires_python,
        upload_time=file.upload_time,
        yanked=None if file.yanked is None else one_line(file.yanked),
        requires=told.requires,
        locks=tuple(sorted(set(file.locks))),
        added=file.added,
    )
    return found, told.summary


def key_of(file: CarriedFile) -> str:
    return file_key(Digest(file.sha256), file.filename)


def sums(digests: Mapping[str, Digest]) -> str:
    """`SHA256SUMS` of the other files, as `sha256sum -c` reads it."""
    return "".join(f"{digest.hex}  {name}\n" for name, digest in sorted(digests.items()))


def parse_sums(content: bytes, source: str) -> dict[str, Digest]:
    """What `sums` wrote, every name one that an export may hold and that fits its digest. Raises `BadState`."""
    found: dict[str, Digest] = {}
    *lines, end = content.decode("ascii", errors="replace").split("\n")
    for line in [*lines, *([end] if end else [])]:
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise BadState(source, "a list of digests", f"a line of it reads {line[:100]!r}")
        digest, name = Digest(parts[1]), parts[2]
        if name in found:
            raise BadState(source, "a list of digests", f"`{name}` stands there twice")
        if not _fits(name, digest):
            raise BadState(source, "a list of digests of an export", f"it names {name[:200]!r}")
        found[name] = digest
    if MANIFEST not in found:
        raise BadState(source, "a list of digests of an export", f"it does not name `{MANIFEST}`")
    return found


def _fits(name: str, digest: Digest) -> bool:
    if name == MANIFEST or (name.endswith(METADATA) and file_of(name) is not None):
        return True
    file, lock = file_of(name), lock_of(name)
    return (file is not None and file[0] == digest) or (lock is not None and lock.endswith(f"/{digest.hex}"))


def facts(manifest: Manifest) -> dict[str, Any]:
    """What `--json` tells of an export."""
    names = {key_of(file) for page in manifest.pages for file in page.files}
    return {"mirror": manifest.mirror, "since": manifest.since, "locks": sorted(manifest.locks), "files": len(names)}
