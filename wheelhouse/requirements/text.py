"""The text of a requirements file, and its logical lines."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from wheelhouse.requirements.model import NotText

_COMMENT = re.compile(r"(?:^|\s+)#.*$")


def decode(data: bytes, source: str) -> str:
    """The text of a file: UTF-8, or UTF-16 with its byte order mark (PowerShell's `>`). Raises `NotText`."""
    encoding, name = "utf-8-sig", "UTF-8"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, name = "utf-16", "UTF-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        # the codec drops a UTF-8 byte order mark before it counts
        skipped = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
        raise NotText(source, name, error.start + skipped) from error
    if "\0" in text:  # UTF-16 without its mark, or no text at all
        raise NotText(source, "text", data.index(b"\0"))
    return text


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first line: `\\` at the end joins, comments and empty lines are gone."""
    first, parts = 0, list[str]()
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        first = first if parts else number
        comment = _COMMENT.match(line)  # as in pip it ends what was joined, and a `\` at its end joins nothing
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        logical = "".join((*parts, " " if comment else "", line))
        parts.clear()
        if logical := _COMMENT.sub("", logical).strip():
            yield first, logical
    if logical := _COMMENT.sub("", "".join(parts)).strip():
        yield first, logical
