"""The links of one page, made absolute: quick for ten thousand of them, and closed to hostile names."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from string import ascii_letters, digits, punctuation
from urllib.parse import quote, unquote, urljoin, urlsplit

from wheelhouse.digests import Digest
from wheelhouse.urls import redact

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PARENTS = re.compile(r"(?:\.\./)*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # C0, C1 (both can drive a terminal), lone surrogates
_NOT_PLAIN = re.compile(r"[^!-~]")  # what a URL must not hold as it is: blanks, anything but ASCII
_PLAIN = ascii_letters + digits + punctuation  # "%" too: what is quoted already stays as it is


class Links:
    """Reads what a page's links lead to. `base` is the page's URL, or what its `<base>` says.

    Only `http` and `https` are followed, and `file` from a page that is a file itself (`is_local`): no index names
    files of ours, in its `<base>` neither.
    """

    def __init__(self, base: str, *, is_local: bool) -> None:
        self.base = quote(redact(base), safe=_PLAIN, errors="replace")
        self._schemes = ("http", "https", "file") if is_local else ("http", "https")
        self._origins: dict[str, str | None] = {}
        self._parents: dict[str, str] = {}
        try:
            parts = urlsplit(self.base)
            self._root = f"{parts.scheme}://{parts.netloc}"
        except ValueError:
            self._root = ""

    def resolve(self, href: str) -> tuple[str, str, str] | None:
        """The absolute URL, the file name that it ends with, and the fragment; None for a link to nothing usable.

        The URL has no fragment and no user name; blanks and letters beyond ASCII are percent-encoded in it.
        """
        try:
            return self._resolve(href)
        except ValueError:  # from urllib: a bad IPv6 address, a bad port, bytes that are no UTF-8
            return None

    def _resolve(self, href: str) -> tuple[str, str, str] | None:
        target, _, fragment = href.strip().partition("#")
        if _NOT_PLAIN.search(target):
            if _CONTROL.search(target):
                return None
            target = quote(target, safe=_PLAIN)
        url = self._absolute(target)
        if url is None:
            return None
        name = url.partition("?")[0].rpartition("/")[2]
        if "%" in name:
            name = unquote(name, errors="strict")
        return (url, name, fragment) if is_safe(name) else None

    def _absolute(self, target: str) -> str | None:
        up = _PARENTS.match(target).end()  # type: ignore[union-attr]  # it matches the empty string too
        parents, rest = target[:up], target[up:]
        if target.startswith(("https://", "http://")):
            url = target
        elif "./" in rest or target.startswith("//") or _SCHEME.match(target):
            url = urljoin(self.base, target)  # right, but slow: 5 µs each
        elif target.startswith("/"):
            url = self._root + target
        else:  # mirrors of PyPI write "../../packages/…": join what these have in common once
            if parents not in self._parents:
                self._parents[parents] = urljoin(self.base, parents + "./")
            url = self._parents[parents] + rest
        end = url.find("/", url.find("//") + 2)
        if end < 0:
            return None
        origin = url[:end]
        if origin not in self._origins:
            self._origins[origin] = self._clean(origin)
        clean = self._origins[origin]
        return None if clean is None else clean + url[end:]

    def _clean(self, origin: str) -> str | None:
        """The origin without user name and password; None if it is none or of a scheme that is not followed."""
        parts = urlsplit(origin)
        if parts.scheme not in self._schemes or parts.path or "?" in origin:
            return None
        if parts.port == 0:  # asking raises ValueError where it is no number
            return None
        if parts.scheme != "file" and not parts.hostname:
            return None
        return redact(f"{parts.scheme}://{parts.netloc}")


def is_safe(filename: str) -> bool:
    """Whether a file of this name can lie in a folder of ours: one plain part of a path, at most 255 bytes."""
    if not filename or filename in (".", "..") or "/" in filename or "\\" in filename:
        return False
    if filename.isascii() and filename.isprintable():
        return len(filename) <= 255
    return not _CONTROL.search(filename) and len(filename.encode()) <= 255


def plain(text: str) -> str:
    """`text` of a stranger with what is not printable (control characters, changes of direction) as blanks."""
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


def digest(hexadecimal: str) -> Digest | None:
    """The SHA-256 digest that a page wrote, in either case; None if it is none."""
    try:
        return Digest(hexadecimal.lower())
    except ValueError:
        return None


def moment(text: str) -> datetime | None:
    """An ISO 8601 time as UTC, None if it is none. Without a zone it is taken as UTC (PEP 700 demands `Z`)."""
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
