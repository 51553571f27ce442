"""A project page of the Simple Repository API, as values: what an index says about a project's files."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from packaging.utils import NormalizedName

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError
from wheelhouse.urls import redact


class File(Struct, frozen=True, kw_only=True):
    """One distribution file as its index lists it; nothing here was checked against the file itself.

    Two files are equal when every field is; the hash is that of `url` alone, so that sets and dicts of files are cheap.
    """

    filename: str  # never holds a separator or a control character, at most 255 bytes; otherwise not parsed
    url: str  # absolute (http, https or file), without fragment and without user name and password
    digest: Digest | None = None  # SHA-256 only: other algorithms do not count
    size: int | None = None  # bytes; PEP 700, so in JSON only
    requires_python: str | None = None  # as the page says it: unescaped, not parsed
    yanked: str | None = None  # the reason, "" where none was given; None: not yanked (PEP 592)
    upload_time: datetime | None = None  # aware, UTC
    metadata: bool = False  # the core metadata is offered at `metadata_url` (PEP 658, PEP 714)
    metadata_digest: Digest | None = None  # of that metadata file

    def __hash__(self) -> int:
        return hash(self.url)

    @property
    def metadata_url(self) -> str:
        """Where the metadata file is if `metadata`: the file's URL with `.metadata` behind its path (PEP 658)."""
        path, separator, query = self.url.partition("?")
        return f"{path}.metadata{separator}{query}"


class Page(Struct, frozen=True, kw_only=True):
    """What one index lists for one project, in the page's order. No files is an answer too: an empty project."""

    project: NormalizedName
    url: str  # where it was read from, after redirects; without user name and password
    files: tuple[File, ...]


class NotAPage(WheelhouseError):
    """An index answered, but not with a project page. `url` holds no credentials; `found` says what came instead."""

    hint = "open the URL in a browser; a proxy, a captive portal or a wrong index URL answers like this"

    def __init__(self, url: str, found: str) -> None:
        self.url, self.found = redact(url), found
        super().__init__(self.url, found)

    def __str__(self) -> str:
        return f"`{self.url}` is not a project page of a package index: {self.found}"
