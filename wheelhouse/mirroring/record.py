"""What a mirror knows of one project on one page: a value, its JSON (the one truth), merging and removing.

The JSON is the page that clients read (PEP 691, 700, 714). What is ours has a `_` before its name: "Keys … starting
with an underscore are reserved as private keys … for index server use" (PEP 691).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError
from wheelhouse.indexes import is_labelled
from wheelhouse.mirroring.description import one_line, requires_python
from wheelhouse.mirroring.names import LOCK, Address, BadName, file_url, wheel
from wheelhouse.resolve.candidates import ACCELERATOR
from wheelhouse.simple.links import plain
from wheelhouse.target import Target, TargetError

FORMAT = 1
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z")


class BadRecord(WheelhouseError):
    """A page of the mirror that cannot be read as one of ours."""

    hint = "run `wheelhouse mirror verify` on the mirror"

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(key, problem)
        self.key, self.problem = key, " ".join(problem.split())

    def __str__(self) -> str:
        return f"`{self.key}` is not a page of a mirror of wheelhouse: {self.problem}"


class NameTaken(WheelhouseError):
    """Two files of one name on one page: installers could not tell them apart."""

    def __init__(self, address: Address, filename: str, *, there: Digest, new: Digest) -> None:
        super().__init__(address, filename, there, new)
        self.address, self.filename, self.there, self.new = address, filename, there, new
        self.hint = (
            f"`wheelhouse mirror remove --project {address.project}=={wheel(filename)}` takes the old one off the pages"
        )

    def __str__(self) -> str:
        return f"`{self.address.folder}` has a `{self.filename}` of {self.there}, and this one is {self.new}"


class Entry(Struct, frozen=True, kw_only=True):
    """One wheel on a page. Times are ISO 8601 in UTC with `Z`."""

    filename: str
    version: Version
    digest: Digest
    size: int  # bytes
    metadata: Digest | None = None  # of the `.metadata` file beside it
    requires_python: str | None = None
    upload_time: str | None = None  # as the index recorded it that the wheel came from
    yanked: str | None = None  # the reason, "" where none was given; None: not yanked
    requires: tuple[str, ...] = ()  # Requires-Dist, each on one line
    locks: tuple[str, ...] = ()  # `<label>/<sha256>`, sorted
    added: str  # when it came in here

    @property
    def targets(self) -> tuple[str, ...]:
        """The labels of the locks that have it, sorted."""
        return tuple(sorted({lock.partition("/")[0] for lock in self.locks}))


class Record(Struct, frozen=True, kw_only=True):
    """A page: its entries by version, then file name. Without entries the project is no longer listed."""

    address: Address
    entries: tuple[Entry, ...] = ()
    summary: str = ""  # of the newest version that came in

    def merged(self, entries: Iterable[Entry], summary: str = "") -> Record:
        """With these entries too. One that is there already keeps its time and gains locks.

        The same answer whatever the order in which several merges happen. Raises `NameTaken`.
        """
        held = {entry.filename: entry for entry in self.entries}
        newest = _newest(self.entries)
        for entry in entries:
            there = held.get(entry.filename)
            if there is not None and there.digest != entry.digest:
                raise NameTaken(self.address, entry.filename, there=there.digest, new=entry.digest)
            held[entry.filename] = entry if there is None else _both(there, entry)
        found = _sorted(held.values())
        # who brings the newest version brings the summary
        taken = summary if summary and (not self.summary or newest is None or newest != _newest(found)) else ""
        return replace(self, entries=found, summary=taken or self.summary)

    def without_lock(self, lock: str) -> Record:
        """Without what only this lock has."""
        kept = (
            entry if lock not in entry.locks else replace(entry, locks=tuple(e for e in entry.locks if e != lock))
            for entry in self.entries
            if entry.locks != (lock,)
        )
        return replace(self, entries=tuple(kept))

    def without_version(self, version: Version | None) -> Record:
        """Without the files of a version; None: of every version."""
        return replace(
            self, entries=tuple(each for each in self.entries if version is not None and each.version != version)
        )

    def only(self, locks: Collection[str]) -> Record:
        """What these locks have of it, and nothing of the others."""
        kept = (
            replace(entry, locks=tuple(lock for lock in entry.locks if lock in locks))
            for entry in self.entries
            if not set(entry.locks).isdisjoint(locks)
        )
        return replace(self, entries=tuple(kept))

    @property
    def stand_in(self) -> str | None:
        """The channel of this page, if PyPI's builds stand in for it here.

        They do where a lock for it has a wheel that the channel would have labelled (`2.1.2+cu121`), and that is not.
        """
        channel, name = self.address.channel, self.address.project
        if not channel or not is_labelled(name):
            return None
        unlabelled = [entry for entry in self.entries if not ACCELERATOR.match(entry.version.local or "")]
        labels = {label for entry in unlabelled for label in entry.targets}
        return channel if any(_takes_labelled(label, channel) for label in labels) else None

    def facts(self) -> dict[str, Any]:
        """The page as JSON values."""
        stood_in = {} if self.stand_in is None else {"_stand-in": self.stand_in}
        return {
            "meta": {"api-version": "1.1"},  # PEP 700
            "name": self.address.project,
            "versions": [str(version) for version in sorted({entry.version for entry in self.entries})],
            "files": [_facts(self.address, entry) for entry in self.entries],
            "_format": FORMAT,
            "_summary": self.summary,
            **stood_in,
        }

    def text(self) -> str:
        """The page's JSON, ASCII, a file a line; the same for the same record."""
        facts = self.facts()
        files = ",\n".join(json.dumps(each, separators=(",", ":")) for each in facts["files"])
        facts["files"] = []
        whole = json.dumps(facts, separators=(",", ":"))
        return whole.replace('"files":[]', f'"files":[\n{files}\n]' if files else '"files":[]', 1) + "\n"

    @classmethod
    def parse(cls, address: Address, content: bytes | str) -> Record:
        """The record that `text` wrote. Raises `BadRecord` for whatever else stands there."""
        try:
            page = _decoder.decode(content)
            if page.format != FORMAT:
                raise BadRecord(address.json, f"it has format {page.format}; a newer wheelhouse may have written it")
            if page.name != address.project:
                raise BadRecord(address.json, f"it is that of `{plain(page.name)[:80]}`")
            entries = tuple(entry_of(address, each) for each in page.files)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, BadName) as error:
            raise BadRecord(address.json, str(error)) from error
        if len({entry.filename for entry in entries}) != len(entries):
            raise BadRecord(address.json, "a file stands there twice")
        return cls(address=address, entries=_sorted(entries), summary=one_line(page.summary))


def _takes_labelled(label: str, channel: str) -> bool:
    """Whether the target takes builds of the channel, and the channel labels those for it."""
    try:
        target = Target.parse(label)
    except TargetError:
        return False
    return target.accelerator == channel and target.os != "macos" and target.arch == "x86_64"


class Row(msgspec.Struct, omit_defaults=True):
    """A file as the JSON writes it."""

    filename: str
    url: str
    hashes: dict[str, str]
    size: int
    requires_python: str | None = msgspec.field(name="requires-python", default=None)
    upload_time: str | None = msgspec.field(name="upload-time", default=None)
    yanked: bool | str = False
    core_metadata: dict[str, str] | bool = msgspec.field(name="core-metadata", default=False)
    targets: tuple[str, ...] = msgspec.field(name="_targets", default=())
    locks: tuple[str, ...] = msgspec.field(name="_locks", default=())
    added: str = msgspec.field(name="_added", default="")
    requires: tuple[str, ...] = msgspec.field(name="_requires", default=())


class _Page(msgspec.Struct):
    name: str
    files: list[Row]
    format: int = msgspec.field(name="_format")
    summary: str = msgspec.field(name="_summary", default="")


_decoder = msgspec.json.Decoder(_Page)


def entry_of(address: Address, row: Row) -> Entry:
    """The entry that a row says, every field of it judged. Raises `ValueError` and `BadName`."""
    version = wheel(row.filename, address.project)
    digest = Digest(row.hashes.get("sha256", ""))
    if row.url != file_url(address, digest, row.filename):
        raise ValueError(f"`{row.filename}` has another link than a mirror writes")
    if row.size < 0:
        raise ValueError(f"`{row.filename}` has a size below zero")
    for moment in (row.added, *([] if row.upload_time is None else [row.upload_time])):
        if not is_moment(moment):
            raise ValueError(f"`{row.filename}` has {plain(moment)[:40]!r} for a time")
    for lock in row.locks:
        if not LOCK.fullmatch(lock):
            raise ValueError(f"`{row.filename}` has {plain(lock)[:80]!r} for a lock")
    told = row.core_metadata.get("sha256") if isinstance(row.core_metadata, dict) else None
    yanked = None if row.yanked is False else "" if row.yanked is True else one_line(row.yanked)
    return Entry(
        filename=row.filename,
        version=version,
        digest=digest,
        size=row.size,
        metadata=None if told is None else Digest(told),
        requires_python=requires_python(row.requires_python),
        upload_time=row.upload_time,
        yanked=yanked,
        requires=tuple(one_line(line) for line in row.requires),
        locks=tuple(sorted(set(row.locks))),
        added=row.added,
    )


def _facts(address: Address, entry: Entry) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "filename": entry.filename,
        "url": file_url(address, entry.digest, entry.filename),
        "hashes": {"sha256": entry.digest.hex},
        "size": entry.size,
    }
    if entry.requires_python is not None:
        facts["requires-python"] = entry.requires_python
    if entry.upload_time is not None:
        facts["upload-time"] = entry.upload_time
    # "" does not yank (PEP 691: "a non-empty, but arbitrary length string")
    facts["yanked"] = False if entry.yanked is None else entry.yanked or True
    facts["core-metadata"] = False if entry.metadata is None else {"sha256": entry.metadata.hex}
    return {
        **facts,
        "_targets": list(entry.targets),
        "_locks": list(entry.locks),
        "_added": entry.added,
        "_requires": list(entry.requires),
    }


def _both(there: Entry, new: Entry) -> Entry:
    """What either knows: of two times the earlier, a reason for a yank before none."""
    return replace(
        there,
        locks=tuple(sorted({*there.locks, *new.locks})),
        added=min(there.added, new.added),
        upload_time=min(filter(None, (there.upload_time, new.upload_time)), key=_order, default=None),
        yanked=max((each for each in (there.yanked, new.yanked) if each is not None), default=None),
        metadata=there.metadata or new.metadata,
    )


def _order(moment: str) -> str:
    """Moments in UTC sort as texts once the `Z` is off: a fraction then comes behind its second."""
    return moment.removesuffix("Z")


def _sorted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.version, entry.filename)))


def _newest(entries: Iterable[Entry]) -> Version | None:
    """The newest version, finals before pre-releases."""
    return max(
        (entry.version for entry in entries), key=lambda version: (not version.is_prerelease, version), default=None
    )


def is_moment(text: str) -> bool:
    """Whether it is a time as pages write it (PEP 700), of a day that there is."""
    try:
        return _MOMENT.fullmatch(text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False
