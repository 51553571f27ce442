"""The catalog of a mirror: what the page for people searches, and who requires whom.

Two files, both derived from the project pages: `catalog.json`, which the page loads at once, and `page/requires.json`,
which it loads with the first project that is opened. Publishing one lock replaces the rows of its own projects only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Struct, field
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.errors import WheelhouseError
from wheelhouse.mirroring.record import Entry, Record

CATALOG = "catalog.json"
REQUIRES = "page/requires.json"
LONGEST_SUMMARY = 120  # characters; longer ones are cut, so that 10,000 rows stay near 1 MB
_EXTRA = re.compile(r"\bextra\b")


class BadCatalog(WheelhouseError):
    """A catalog that no wheelhouse wrote, or a damaged one."""

    hint = "run `wheelhouse mirror verify --repair` on the mirror, which writes it anew from the project pages"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"`{CATALOG}` of the mirror cannot be read: {self.problem}"


class ProjectRow(Struct, frozen=True, kw_only=True):
    """One project as the catalog knows it. Texts are sorted and without doubles."""

    newest: str  # without its local part (`+cu121`); a final release before others, one that is not yanked before those
    files: int  # distinct by SHA-256, over all its pages
    size: int  # bytes of those files
    targets: tuple[str, ...]  # labels
    channels: tuple[str, ...]  # pages below whl/ that have it; not in `simple/` where `simple` is False
    simple: bool
    summary: str
    requires: tuple[NormalizedName, ...]  # what any file of the newest version requires without an extra
    optional: tuple[NormalizedName, ...]  # what it requires for an extra only


class LockRow(Struct, frozen=True, kw_only=True):
    """One published lock, `locks/<label>/pylock.<sha256>.toml`."""

    label: str
    sha256: str
    files: int
    size: int  # bytes of its files
    added: str | None  # moment (ISO 8601, UTC) at which it came in here; None where that is not known

    @classmethod
    def of(cls, reference: str, sizes: Mapping[str, int], added: str | None) -> LockRow:
        """The row of `<label>/<sha256>`; `sizes` are those of its files, by key."""
        label, sha256 = pair(reference)
        return cls(label=label, sha256=sha256, files=len(sizes), size=sum(sizes.values()), added=added)


def pair(reference: str) -> tuple[str, str]:
    """Label and SHA-256 of `<label>/<sha256>`: what the catalog calls a lock."""
    label, _, sha256 = reference.partition("/")
    return label, sha256


class Catalog(Struct, frozen=True, kw_only=True):
    """All rows. The same rows give the same text, whatever the order in which they came."""

    projects: Mapping[NormalizedName, ProjectRow] = field(default_factory=dict)
    locks: Mapping[tuple[str, str], LockRow] = field(default_factory=dict)  # by label and SHA-256

    @classmethod
    def of(cls, projects: Mapping[NormalizedName, ProjectRow], locks: Iterable[LockRow]) -> Catalog:
        return cls(projects=dict(projects), locks={(row.label, row.sha256): row for row in locks})

    def replaced(
        self,
        projects: Mapping[NormalizedName, ProjectRow | None],
        locks: Mapping[tuple[str, str], LockRow | None] | None = None,
    ) -> Catalog:
        """This catalog with some rows put in the place of what was there; None takes a row out."""
        return Catalog(
            projects={name: row for name, row in {**self.projects, **projects}.items() if row is not None},
            locks={key: row for key, row in {**self.locks, **(locks or {})}.items() if row is not None},
        )

    def text(self) -> str:
        """`catalog.json`. Labels and channels are numbers into two lists, which keeps 10,000 projects near 1 MB.

        A project's row: name, newest version, files, targets, channels, bytes, whether it is in `simple/`, summary.
        """
        rows = sorted(self.projects.items())
        targets = sorted({label for _, row in rows for label in row.targets} | {key[0] for key in self.locks})
        channels = sorted({channel for _, row in rows for channel in row.channels})
        at = {label: number for number, label in enumerate(targets)}
        on = {channel: number for number, channel in enumerate(channels)}
        projects = [
            [
                name,
                row.newest,
                row.files,
                [at[label] for label in row.targets],
                [on[channel] for channel in row.channels],
                row.size,
                int(row.simple),
                row.summary,
            ]
            for name, row in rows
        ]
        locks = [[at[row.label], row.sha256, row.files, row.size, row.added] for _, row in sorted(self.locks.items())]
        return _dump({"format": 1, "targets": targets, "channels": channels}, projects=projects, locks=locks)

    def requires_text(self) -> str:
        """`page/requires.json`: name, what it requires, what it requires for an extra; only projects that require."""
        rows = sorted(self.projects.items())
        return _dump(
            {"format": 1},
            requires=[[name, row.requires, row.optional] for name, row in rows if row.requires or row.optional],
        )

    @classmethod
    def parse(cls, catalog: str | bytes, requires: str | bytes) -> Catalog:
        """The catalog that `text` and `requires_text` wrote. Raises `BadCatalog`."""
        try:
            told, needed = _catalog.decode(catalog), _requires.decode(requires)
            if (told.format, needed.format) != (1, 1):
                raise BadCatalog("it has another format than 1; a newer wheelhouse may have written it")
            needs = {name: (tuple(always), tuple(optional)) for name, always, optional in needed.requires}
            projects = {}
            for name, newest, files, targets, channels, size, simple, summary in told.projects:
                always, optional = needs.get(name, ((), ()))
                projects[NormalizedName(name)] = ProjectRow(
                    newest=newest,
                    files=files,
                    size=size,
                    targets=tuple(told.targets[number] for number in targets),
                    channels=tuple(told.channels[number] for number in channels),
                    simple=bool(simple),
                    summary=summary,
                    requires=always,
                    optional=optional,
                )
            locks = [
                LockRow(label=told.targets[number], sha256=sha256, files=files, size=size, added=added)
                for number, sha256, files, size, added in told.locks
            ]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError) as error:
            raise BadCatalog(str(error)) from error
        return cls.of(projects, locks)


_Number = Annotated[int, msgspec.Meta(ge=0)]


class _Catalog(msgspec.Struct):
    format: int
    targets: list[str]
    channels: list[str]
    projects: list[tuple[str, str, _Number, list[_Number], list[_Number], _Number, _Number, str]]
    locks: list[tuple[_Number, str, _Number, _Number, str | None]]


class _Requires(msgspec.Struct):
    format: int
    requires: list[tuple[str, list[NormalizedName], list[NormalizedName]]]


_catalog = msgspec.json.Decoder(_Catalog)
_requires = msgspec.json.Decoder(_Requires)


def project_row(records: Collection[Record]) -> ProjectRow | None:
    """What the catalog says of a project that these pages have; None where they have no file of it."""
    held = sorted(((record.address.channel, entry) for record in records for entry in record.entries), key=_place)
    if not held:
        return None
    entries = {entry.digest: entry for _, entry in held}.values()
    offered = {Version(entry.version.public) for entry in entries if entry.yanked is None}
    versions = {Version(entry.version.public) for entry in entries}
    newest = max(versions, key=lambda version: (not version.is_prerelease, version in offered, version))
    always: set[NormalizedName] = set()
    optional: set[NormalizedName] = set()
    for entry in entries:
        if entry.version.public == newest.public:
            for name, is_optional in filter(None, map(_required, entry.requires)):
                (optional if is_optional else always).add(name)
    channels = {channel for channel, _ in held}
    return ProjectRow(
        newest=newest.public,
        files=len(entries),
        size=sum(entry.size for entry in entries),
        targets=tuple(sorted({label for _, entry in held for label in entry.targets})),
        channels=tuple(sorted(channels - {""})),
        simple="" in channels,
        summary=_summary(records),
        requires=tuple(sorted(always)),
        optional=tuple(sorted(optional - always)),
    )


def _summary(records: Collection[Record]) -> str:
    """That of `simple/`, or of the first channel that has one."""
    ordered = sorted(records, key=lambda record: record.address)
    summary = next((record.summary for record in ordered if record.summary), "")
    return summary if len(summary) <= LONGEST_SUMMARY else summary[: LONGEST_SUMMARY - 1] + "…"


def _place(held: tuple[str, Entry]) -> tuple[str, str]:
    return held[0], held[1].filename


def _required(line: str) -> tuple[NormalizedName, bool] | None:
    """Name, and whether only an extra asks for it."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None
    return canonicalize_name(requirement.name), bool(_EXTRA.search(str(requirement.marker or "")))


def _dump(head: Mapping[str, Any], **lists: list[Any]) -> str:
    """JSON in ASCII with each row on a line of its own, so that two catalogs can be compared by eye."""
    parts = [json.dumps(head, separators=(",", ":"))[1:-1]]
    for key, rows in lists.items():
        body = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
        parts.append(f'"{key}":[\n{body}\n]' if rows else f'"{key}":[]')
    return "{" + ",\n".join(parts) + "}\n"
