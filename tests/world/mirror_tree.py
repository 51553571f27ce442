"""A small mirror on disk, written without the commands that publish: what a server is given to serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from wheelhouse.digests import Digest
from wheelhouse.mirroring import pages
from wheelhouse.mirroring.names import Address, file_key, place
from wheelhouse.mirroring.record import Entry, Record
from world.wheels import WheelFile

ADDED = "2026-11-22T10:00:00Z"
PAGE = b"<!DOCTYPE html>\n<title>wheels</title>\n<p>for people</p>\n"
SCRIPT = b'"use strict";\n' + b"// a comment that compresses well\n" * 40
CATALOG = b'{"format":1,"projects":[]}\n'
LABEL = "linux-x86_64-cu121-py310"
LOCK = b'lock-version = "1.0"\n'


def mirror_tree(root: Path, wheels: Mapping[str, Sequence[WheelFile]]) -> Path:
    """A mirror at `root` with these wheels, by channel ("" is `simple/`)."""
    write(root, "mirror.json", b'{"format": 1, "id": "00000000000000000000000000000000", "tool": "wheelhouse"}\n')
    for channel, listed in wheels.items():
        projects: dict[NormalizedName, list[WheelFile]] = {}
        for wheel in listed:
            projects.setdefault(canonicalize_name(wheel.filename.split("-")[0]), []).append(wheel)
        for project, files in projects.items():
            for wheel in files:
                key = file_key(wheel.digest, wheel.filename)
                write(root, key, wheel.content)
                write(root, f"{key}.metadata", wheel.metadata)
            record = Record(address=Address(channel, project), entries=tuple(map(_entry, files)))
            write(root, record.address.json, record.text().encode())
            write(root, record.address.html, pages.project_html(record).encode())
        write(root, f"{place(channel)}/index.json", pages.root_json(projects).encode())
        write(root, f"{place(channel)}/index.html", pages.root_html(projects).encode())
    write(root, "index.html", PAGE)
    write(root, "page/app.js", SCRIPT)
    write(root, "catalog.json", CATALOG)
    write(root, lock_key(), LOCK)
    write(root, ".lock", b"")
    return root


def lock_key() -> str:
    """Where the one published lock lies."""
    return f"locks/{LABEL}/pylock.{Digest.of(LOCK).hex}.toml"


def write(root: Path, key: str, content: bytes) -> Path:
    """`key` holds `content`, in a file of its own."""
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path


def _entry(wheel: WheelFile) -> Entry:
    return Entry(
        filename=wheel.filename,
        version=parse_wheel_filename(wheel.filename)[1],
        digest=wheel.digest,
        size=len(wheel.content),
        metadata=Digest.of(wheel.metadata),
        requires_python=wheel.requires_python,
        locks=(f"{LABEL}/{Digest.of(LOCK).hex}",),
        added=ADDED,
    )
