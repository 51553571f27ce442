"""What a server of a mirror answers with at a path: one of few shapes, or nothing.

Every part of a path is matched against what can stand there, so that no request names anything else: no folder, no file
that begins with a dot, nothing outside of the mirror, however it is encoded.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from wheelhouse.mirroring import names
from wheelhouse.mirroring.names import BadName

HTML = "text/html; charset=utf-8"
JSON = "application/json"
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"  # PEP 691
SIMPLE_HTML = "application/vnd.pypi.simple.v1+html"
# By the ending of a document's name. What is not here is not served.
MEDIA_TYPES = {
    "html": HTML,
    "json": JSON,
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "toml": "application/toml",
}
# What an HTML page may do in a browser: nothing but what comes from the mirror. (Content Security Policy, Level 3)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WHEEL = "application/octet-stream"
METADATA = "text/plain; charset=utf-8"

_INDEX = rf"(?:simple|whl/{names.CHANNEL.pattern})"
_BARE = re.compile(rf"{_INDEX}/?")
_PROJECT = re.compile(rf"({_INDEX})/([^/]+)(/?)(index\.html|index\.json)?")
_LONGEST = 4096  # characters of a path: more than any key has


class Page(Struct, frozen=True):
    """A page in two forms: `key` is the folder that has `index.html` and `index.json`."""

    key: str
    project: str | None  # None: the page that lists the projects


class Document(Struct, frozen=True):
    """One small file that may change: a page in the form that was named, what the page for people needs, a lock."""

    key: str
    media_type: str


class File(Struct, frozen=True):
    """A wheel, or the metadata of one. Its bytes never change: `etag` is made of the wheel's digest."""

    key: str
    media_type: str
    etag: str


class Redirect(Struct, frozen=True):
    """Another path says the same. `location` is relative to the path that was asked for."""

    location: str


class Health(Struct, frozen=True):
    """Not of the mirror: whether the server is there."""


Place = Page | Document | File | Redirect | Health


def route(raw_path: str) -> Place | None:
    """What lies at the path of a URL, as the request wrote it (percent-encoded, without the query); None: nothing.

    PEP 503: "All URLs which respond with an HTML5 page MUST end with a / and the repository SHOULD redirect the URLs
    without a / to add a / to the end"; names that are not normalized may be redirected to the normalized one.
    """
    path = _decoded(raw_path)
    if path is None:
        return None
    if path == "":
        return Document("index.html", HTML)
    if path == "healthz":
        return Health()
    if names.is_key(path):
        return _of_key(path)
    if path.startswith(("simple/", "whl/")) and names.is_key(f"{path}index.json"):
        address = names.address_of(f"{path}index.json")
        return Page(path.rstrip("/"), None if address is None else address.project)
    if _BARE.fullmatch(path):
        return Redirect(f"{path.rpartition('/')[2]}/")
    return _normalized(path)


def _of_key(key: str) -> Place | None:
    if (found := names.file_of(key)) is not None:
        digest = found[0].hex
        if key.endswith(names.METADATA):
            return File(key, METADATA, f'"{digest}-metadata"')
        return File(key, WHEEL, f'"{digest}"')
    if key == names.MIRROR or key.startswith(names.LEASES):
        return None  # for those who write to the mirror
    if key.startswith(("simple/", "whl/")) and key.endswith(".json"):
        return Document(key, SIMPLE_JSON)
    media_type = MEDIA_TYPES.get(key.rpartition(".")[2])
    return None if media_type is None else Document(key, media_type)


def _normalized(path: str) -> Redirect | None:
    """To the normalized name of a project, and to the `/` behind it."""
    found = _PROJECT.fullmatch(path)
    if found is None or (found[4] and not found[3]):
        return None
    try:
        name = names.project(found[2])
    except BadName:
        return None
    return Redirect(f"../{name}/{found[4] or ''}" if found[3] else f"{name}/")


def _decoded(raw_path: str) -> str | None:
    """The path without its first `/`; None if a part of it is encoded to hide something."""
    if not raw_path.startswith("/"):
        return None
    path = raw_path[1:]
    if "%" in path:
        try:
            parts = [unquote_to_bytes(part).decode("ascii") for part in path.split("/")]
        except UnicodeDecodeError:
            return None
        if any("/" in part for part in parts):
            return None
        path = "/".join(parts)
    return path if len(path) <= _LONGEST else None
