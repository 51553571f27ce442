"""What a page tells of a wheel's core metadata, and strangers' texts made fit for a page."""

from __future__ import annotations

from msgspec import Struct
from packaging.metadata import parse_email
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse import metadata
from wheelhouse.digests import Digest
from wheelhouse.simple.links import plain

LONGEST_SUMMARY = 512  # characters; the core metadata says "a one-line summary" and no limit


class Described(Struct, frozen=True, kw_only=True):
    """What a wheel's core metadata says, as far as a page tells it."""

    metadata: Digest
    requires_python: str | None
    requires: tuple[str, ...]
    summary: str


def described(content: bytes, *, filename: str, project: NormalizedName, version: Version) -> Described:
    """What METADATA (`content`) says of the wheel. Raises `BadMetadata`, also where it is that of another wheel."""
    metadata.parse(content, filename=filename, name=project, version=version)
    raw, _ = parse_email(content)
    return Described(
        metadata=Digest.of(content),
        requires_python=requires_python(raw.get("requires_python")),
        requires=tuple(one_line(line) for line in raw.get("requires_dist", ())),
        summary=one_line(raw.get("summary", ""))[:LONGEST_SUMMARY],
    )


def requires_python(text: str | None) -> str | None:
    """Requires-Python on one line; None, which admits all, where it cannot be read."""
    line = one_line(text or "")
    return line if metadata.specifiers(line) is not None else None


def one_line(text: str) -> str:
    """A stranger's text without control characters, blanks and line ends made one blank."""
    return " ".join(plain(text).split())
