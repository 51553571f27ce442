"""What an index lists, and its pages as PyPI serves them.

The Simple Repository API: PEP 503, 592, 629, 658, 691, 700 and 714.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from wheelhouse.digests import Digest

Form = Literal["json", "html", "both", "html-only"]
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN = "text/html"
VERSION = "1.4"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One file as its page tells it; None and False mean that the page is silent about it.

    `href` is where the page points, `url` where the bytes lie on this server: the same unless `add` was told otherwise.
    """

    filename: str
    url: str
    href: str
    content: bytes
    metadata: bytes | None  # what `<url>.metadata` holds
    digest: str | None  # hexadecimal SHA-256 as promised, true or not
    requires_python: str | None
    yanked: bool | str
    upload_time: str | None
    size: int | None
    core_metadata: bool | str  # False, True, or the hexadecimal SHA-256 as promised
    spelling: Literal["core", "dist-info", "both"]


def negotiated(form: Form, accept: str | None) -> str:
    """The content type to answer with; like PyPI, text/html where nothing asked for can be had."""
    if form == "html-only":
        return PLAIN
    offered = {"json": (JSON,), "html": (HTML, PLAIN), "both": (PLAIN, HTML, JSON)}[form]
    weights: dict[str, float] = {}
    for part in (accept or "*/*").split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((float(piece[2:]) for piece in parameters if piece.startswith("q=")), 1.0)
        weights[kind.replace("simple.latest+", "simple.v1+")] = quality
    best = max(offered, key=lambda kind: weights.get(kind, weights.get("*/*", 0.0)))
    if form != "json" and weights.get(best, weights.get("*/*", 0.0)) == 0.0:
        return PLAIN
    return best


def normalized(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project_of(filename: str) -> str:
    """The normalized project that a file's name speaks of, guessed for odd ones."""
    stem = re.sub(r"\.(tar\.gz|tar\.bz2|zip|whl|egg|exe|json)$", "", filename)
    if filename.endswith(".whl"):
        return normalized(stem.split("-")[0])
    return normalized(re.split(r"-(?=\d)", stem, maxsplit=1)[0])


def root_json(names: Iterable[str]) -> bytes:
    projects = [{"_last-serial": 1, "name": name} for name in names]
    return json.dumps({"meta": {"_last-serial": 1, "api-version": VERSION}, "projects": projects}).encode()


def root_html(names: Iterable[str]) -> bytes:
    links = "".join(f'    <a href="/simple/{name}/">{name}</a>\n' for name in names)
    return _framed("Simple index", links, heading=False)


def project_json(name: str, files: Iterable[Listed]) -> bytes:
    files = list(files)
    page = {
        "alternate-locations": [],
        "files": [_file_json(file) for file in files],
        "meta": {"_last-serial": 1, "api-version": VERSION},
        "name": name,
        "project-status": {"status": "active"},
        "versions": sorted({_version(file.filename) for file in files}),
    }
    return json.dumps(page).encode()


def project_html(name: str, files: Iterable[Listed]) -> bytes:
    return _framed(f"Links for {name}", "".join(_anchor(file) for file in files), heading=True)


def _file_json(file: Listed) -> dict[str, object]:
    told: object = {"sha256": file.core_metadata} if isinstance(file.core_metadata, str) else file.core_metadata
    entry: dict[str, object] = {
        "filename": file.filename,
        "hashes": {} if file.digest is None else {"sha256": file.digest},
        "requires-python": file.requires_python,
        "url": file.href,
        "yanked": file.yanked,
    }
    if file.spelling in ("core", "both"):
        entry["core-metadata"] = told
    if file.spelling in ("dist-info", "both"):
        entry["data-dist-info-metadata"] = told
    if file.size is not None:
        entry["size"] = file.size
    if file.upload_time is not None:
        entry["upload-time"] = file.upload_time
    return entry


def _anchor(file: Listed) -> str:
    href = file.href if file.digest is None else f"{file.href}#sha256={file.digest}"
    attributes = [("href", href)]
    if file.requires_python is not None:
        attributes.append(("data-requires-python", file.requires_python))
    if file.core_metadata:
        told = f"sha256={file.core_metadata}" if isinstance(file.core_metadata, str) else "true"
        if file.spelling in ("dist-info", "both"):
            attributes.append(("data-dist-info-metadata", told))
        if file.spelling in ("core", "both"):
            attributes.append(("data-core-metadata", told))
    if file.yanked is not False:
        attributes.append(("data-yanked", file.yanked if isinstance(file.yanked, str) else ""))
    text = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes)
    return f"<a {text}>{html.escape(file.filename)}</a><br />\n"


def _framed(title: str, links: str, *, heading: bool) -> bytes:
    h1 = f"    <h1>{title}</h1>\n" if heading else ""
    return (
        "<!DOCTYPE html>\n<html>\n  <head>\n"
        f'    <meta name="pypi:repository-version" content="{VERSION}">\n'
        f"    <title>{title}</title>\n  </head>\n  <body>\n{h1}{links}</body>\n</html>\n<!--SERIAL 1-->"
    ).encode()


def _version(filename: str) -> str:
    stem = re.sub(r"\.(tar\.gz|tar\.bz2|zip|whl|egg|exe)$", "", filename)
    parts = stem.split("-")
    return parts[1] if len(parts) > 1 and filename.endswith(".whl") else parts[-1]


def as_hex(digest: str | Digest) -> str:
    return digest.hex if isinstance(digest, Digest) else digest
