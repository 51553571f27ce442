"""What a client takes: which form of a page (PEP 691), compressed or not (RFC 9110, 12.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from wheelhouse.mirroring.routes import HTML, SIMPLE_HTML, SIMPLE_JSON

# What a client may ask for, and what it is answered with. PEP 691: `latest` is never the type of an answer. The order
# decides between types that are named and wanted alike: the newest form of a page first.
_FORMS = {
    "application/vnd.pypi.simple.v1+json": SIMPLE_JSON,
    "application/vnd.pypi.simple.latest+json": SIMPLE_JSON,
    "application/vnd.pypi.simple.v1+html": f"{SIMPLE_HTML}; charset=utf-8",
    "application/vnd.pypi.simple.latest+html": f"{SIMPLE_HTML}; charset=utf-8",
    "text/html": HTML,
}
_SHORT = {"json": SIMPLE_JSON, "html": HTML}
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_LONGEST = 4096  # characters of a header that are read
_LIMIT = 64  # members of a header that are read


def asked_form(query: str) -> str | None:
    """The media type of the answer that `?format=` asks for, None without one. Raises `KeyError` for an unknown one.

    PEP 691 leaves "URL parameters" to the server; a `+` may be there as it is.
    """
    for part in query[:_LONGEST].split("&"):
        name, _, value = part.partition("=")
        if name == "format":
            value = value.replace("%2B", "+").replace("%2b", "+").replace("%2F", "/").replace("%2f", "/").lower()
            return _SHORT[value] if value in _SHORT else _FORMS[value]
    return None


@lru_cache(maxsize=256)
def page_form(accept: str) -> str:
    """The media type of the answer to an `Accept` header.

    HTML for a client that names no type that there is: PEP 691 allows a server to "return the default content type"
    then, as PyPI does.
    """
    best, best_quality = HTML, 0.0
    wanted = dict(_members(accept))
    for asked, answer in _FORMS.items():
        if (quality := wanted.get(asked, 0.0)) > best_quality:
            best, best_quality = answer, quality
    if "text/html" not in wanted and max(wanted.get("text/*", 0.0), wanted.get("*/*", 0.0)) > best_quality:
        return HTML
    return best


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client takes a page compressed by gzip."""
    wanted = dict(_members(accept_encoding))
    return _of(wanted, "gzip", "x-gzip", "*") > 0


def _of(wanted: Mapping[str, float], *names: str) -> float:
    return next((wanted[name] for name in names if name in wanted), 0.0)


def _members(header: str) -> Iterator[tuple[str, float]]:
    """Each member and its quality value from 0 to 1 (1 where none is given, 0 where it is unreadable)."""
    for member in header[:_LONGEST].split(",")[:_LIMIT]:
        name, *parameters = (part.strip() for part in member.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                quality = float(value.strip()) if _QUALITY.fullmatch(value.strip()) else 0.0
        if name:
            yield name.lower(), quality
