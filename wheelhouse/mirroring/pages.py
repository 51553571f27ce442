"""The pages of a mirror: records to HTML (PEP 503, 592, 629, 658, 714), and the lists of projects.

Names come from strangers: the writer escapes, nobody else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape

from packaging.utils import NormalizedName

from wheelhouse.mirroring.names import file_url
from wheelhouse.mirroring.record import Entry, Record

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html; charset=utf-8"
_HEAD = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="pypi:repository-version" content="1.1">\n<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n'
)
_TAIL = "</body>\n</html>\n"


def project_html(record: Record) -> str:
    """The page of a project for clients that read HTML; the same for the same record."""
    lines = (f"{_anchor(record, entry)}<br>\n" for entry in record.entries)
    return _HEAD.format(title=f"Links for {escape(record.address.project)}") + "".join(lines) + _TAIL


def _anchor(record: Record, entry: Entry) -> str:
    attributes = {"href": f"{file_url(record.address, entry.digest, entry.filename)}#sha256={entry.digest.hex}"}
    if entry.requires_python is not None:
        attributes["data-requires-python"] = entry.requires_python
    if entry.metadata is not None:
        # PEP 714: the old spelling too, for pip before 23.2; in HTML it never confused anyone
        attributes["data-core-metadata"] = attributes["data-dist-info-metadata"] = f"sha256={entry.metadata.hex}"
    if entry.upload_time is not None:
        attributes["data-upload-time"] = entry.upload_time  # as PyTorch's index tells it; PEP 700 has it in JSON only
    if entry.yanked is not None:
        attributes["data-yanked"] = entry.yanked
    written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{escape(entry.filename)}</a>"


def root_json(projects: Iterable[NormalizedName]) -> str:
    """The list of projects (PEP 691), a project a line."""
    rows = ",\n".join(json.dumps({"name": name}, separators=(",", ":")) for name in sorted(projects))
    return '{"meta":{"api-version":"1.1"},"projects":[' + (f"\n{rows}\n" if rows else "") + "]}\n"


def root_html(projects: Iterable[NormalizedName]) -> str:
    """The list of projects (PEP 503)."""
    lines = (f'<a href="{escape(name)}/">{escape(name)}</a><br>\n' for name in sorted(projects))
    return _HEAD.format(title="Simple index") + "".join(lines) + _TAIL


def projects_of(content: bytes) -> frozenset[NormalizedName] | None:
    """The projects that `root_json` listed; None where they cannot be read, so that they are to be listed anew."""
    try:
        return frozenset(NormalizedName(str(each["name"])) for each in json.loads(content)["projects"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
