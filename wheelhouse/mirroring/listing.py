"""What `mirror list` shows: lines for people, values for programs. Sizes are in bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from packaging.utils import NormalizedName

from wheelhouse.mirroring.catalog import Catalog
from wheelhouse.mirroring.record import Entry, Record


class Listing(Struct, frozen=True):
    """The same twice."""

    lines: tuple[str, ...]
    facts: Mapping[str, object]


def projects(catalog: Catalog) -> Listing:
    """Every project: newest version, count of files, the targets and channels that have it."""
    rows = sorted(catalog.projects.items())
    lines = [
        f"{name} {row.newest}  {_count(row.files, 'file')}  {' '.join((*row.targets, *row.channels))}".rstrip()
        for name, row in rows
    ]
    facts = [
        {
            "name": name,
            "newest": row.newest,
            "files": row.files,
            "size": row.size,
            "targets": list(row.targets),
            "channels": list(row.channels),
            "simple": row.simple,
        }
        for name, row in rows
    ]
    return Listing(tuple(lines), {"projects": facts})


def locks(references: Sequence[str], catalog: Catalog) -> Listing:
    """Every published lock: its name, and when it came in."""
    lines, facts = [], []
    for reference in references:
        label, _, sha256 = reference.partition("/")
        row = catalog.locks.get((label, sha256))
        files, size, added = (None, None, None) if row is None else (row.files, row.size, row.added)
        told = [reference, *([] if files is None else [_count(files, "file")]), *([added] if added else [])]
        lines.append("  ".join(told))
        facts.append({"lock": reference, "target": label, "files": files, "size": size, "added": added})
    return Listing(tuple(lines), {"locks": facts})


def project(name: NormalizedName, records: Sequence[Record]) -> Listing:
    """Every file of a project, by version: its digest, and the pages that have it."""
    held: dict[tuple[str, str], tuple[Entry, list[str]]] = {}
    for record in records:
        for entry in record.entries:
            held.setdefault((entry.filename, entry.digest.hex), (entry, []))[1].append(record.address.folder)
    rows = sorted(held.values(), key=lambda row: (row[0].version, row[0].filename, row[0].digest))
    lines = [f"{entry.filename}  {entry.digest}  {' '.join(sorted(pages))}" for entry, pages in rows]
    facts = [
        {
            "file": entry.filename,
            "version": str(entry.version),
            "sha256": entry.digest.hex,
            "size": entry.size,
            "requires-python": entry.requires_python,
            "upload-time": entry.upload_time,
            "yanked": entry.yanked,
            "added": entry.added,
            "targets": list(entry.targets),
            "locks": list(entry.locks),
            "pages": sorted(pages),
        }
        for entry, pages in rows
    ]
    return Listing(tuple(lines), {"name": name, "files": facts})


def _count(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
