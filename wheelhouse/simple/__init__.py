"""The Simple Repository API as values: what a project page says, in HTML or JSON.

What reads pages is imported where there is one to read: what the cache keeps needs none of it.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Literal

from packaging.utils import NormalizedName

from wheelhouse.simple.links import plain
from wheelhouse.simple.listing import Listing
from wheelhouse.simple.model import File, NotAPage, Page

if TYPE_CHECKING:
    from email.message import Message

__all__ = ["ACCEPT", "File", "Listing", "NotAPage", "Page", "listing", "listing_of", "parse_page"]

# PEP 691: the client says what it reads; JSON first, and plain HTML for servers that know nothing else
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"

_JSON = ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json", "application/json")
_HTML = (
    "application/vnd.pypi.simple.v1+html",
    "application/vnd.pypi.simple.latest+html",
    "text/html",
    "application/xhtml+xml",
)


def parse_page(project: NormalizedName, url: str, content_type: str, body: bytes) -> Page:
    """The project page that an index answered with.

    `url` is where the answer came from, after redirects: relative links are joined to it. `content_type` is the header
    as it came; "" (a file on disk) lets the first character decide. Whatever cannot be read as a page raises
    `NotAPage`, and nothing else is ever raised for any `body`.
    """
    if _kind(url, content_type, body) == "json":
        from wheelhouse.simple import json

        return json.parse(project, url, body)
    from wheelhouse.simple import html

    return html.parse(project, url, _decode(body, _charset(content_type)))


def listing(project: NormalizedName, url: str, content_type: str, body: bytes) -> Listing:
    """The same page grouped by version, as resolving asks for it."""
    if _kind(url, content_type, body) == "json":
        from wheelhouse.simple import json

        return json.listing(project, url, body)
    return listing_of(parse_page(project, url, content_type, body))


def listing_of(page: Page) -> Listing:
    """The listing of a page whose files are values already."""
    from wheelhouse.simple import grouping

    return grouping.listing_of(page)


def _kind(url: str, content_type: str, body: bytes) -> Literal["json", "html"]:
    kind = _header(content_type).get_content_type() if content_type.strip() else _guess(body)
    if kind in _JSON:
        return "json"
    if kind in _HTML:
        return "html"
    raise NotAPage(
        url, f"its type is `{plain(content_type)[:80]}`, not HTML or JSON" if kind else "neither HTML nor JSON"
    )


def _header(content_type: str) -> Message:
    from email.message import Message  # 12 ms, where a page is fetched

    header = Message()
    header["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    return header


def _charset(content_type: str) -> str:
    return str(_header(content_type).get_param("charset") or "utf-8")


def _guess(body: bytes) -> str:
    start = body.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    return {b"{": "application/json", b"<": "text/html"}.get(start, "")


def _decode(body: bytes, charset: str) -> str:
    """Text in the charset that the header names (UTF-8 where none is known); bytes that do not fit become U+FFFD."""
    try:
        text = body.decode(charset, errors="replace")
    except (LookupError, ValueError):  # unknown, or one of Python's codecs that is no charset
        text = body.decode(errors="replace")
    return text.removeprefix("\ufeff")
