"""Parts of a file that a client asks for, and whether it has the file already (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re

from msgspec import Struct

_RANGE = re.compile(r"(\d*)-(\d*)", re.ASCII)
_DIGITS = 18  # more of them name a byte beyond every file; reading them is not worth it
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Span(Struct, frozen=True):
    """Bytes of a file: `length` of them from `start`."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """The value of `Content-Range` in an answer with this part of a file of `size` bytes."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


class Unsatisfiable(ValueError):
    """The range begins behind the end of the file, or is none: status 416."""


def span(header: str | None, size: int) -> Span | None:
    """The part of a file of `size` bytes that a `Range` header asks for; None: all of it.

    Several ranges, and other units than bytes, are answered with the whole file, which RFC 9110 (14.2) allows and
    nginx does by `max_ranges 1`: what an answer costs stays bounded. Raises `Unsatisfiable`.
    """
    if header is None:
        return None
    unit, equals, ranges = header.partition("=")
    if not equals or unit.strip().lower() != "bytes" or "," in ranges:
        return None
    found = _RANGE.fullmatch(ranges.strip())
    if found is None or ranges.strip() == "-":
        raise Unsatisfiable(ranges)
    first, last = found[1], found[2]
    if not first:  # the last so many bytes
        count = min(_number(last), size)
        if count == 0:
            raise Unsatisfiable(ranges)
        return Span(size - count, count)
    start = _number(first)
    end = min(_number(last), size - 1) if last else size - 1
    if start >= size or (last and _number(last) < start):
        raise Unsatisfiable(ranges)
    return Span(start, end - start + 1)


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names the entity tag: status 304. Compared weakly (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return etag.removeprefix("W/") in _TAG.findall(if_none_match[:4096])


def is_unchanged(if_range: str | None, etag: str) -> bool:
    """Whether `Range` counts beside this `If-Range`: the tag must be the same and strong (RFC 9110, 13.1.5)."""
    return if_range is None or if_range.strip() == etag


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _DIGITS else 10**_DIGITS
