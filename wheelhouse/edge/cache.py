"""What indexes said before, on disk: pages with their validators; core metadata and contents by the wheel's digest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from wheelhouse.digests import Digest
from wheelhouse.edge.workers import Dropped, Workers
from wheelhouse.simple.listing import Bytes
from wheelhouse.urls import origin

_MAX_AGE = re.compile(r"max-age=(\d{1,9})")
_FORMAT = "2"
_KINDS = ("pages", "metadata", "contents", "binaries")


class CachedPage(Struct, frozen=True, kw_only=True):
    """An index's answer as it was: `url` after redirects; `body` None for "no such project"."""

    url: str
    content_type: str
    body: Bytes | None
    etag: str | None
    last_modified: str | None
    expires: float  # seconds since the epoch

    def is_fresh(self) -> bool:
        """Whether the index said that it need not be asked again yet."""
        return time.time() < self.expires

    def conditions(self) -> dict[str, str]:
        """Request headers that let the index answer "not modified" (RFC 9110, section 13.1)."""
        conditions = {}
        if self.etag is not None:
            conditions["If-None-Match"] = self.etag
        if self.last_modified is not None:
            conditions["If-Modified-Since"] = self.last_modified
        return conditions


def lifetime(headers: Mapping[str, str]) -> float:
    """How long, in seconds, an answer may be used unasked: `max-age` less `Age`; 0 with `no-cache` or `no-store`.

    `no-store` pages are kept all the same, to be asked about every time: `--offline` must have something to stand on.
    """
    control = headers.get("cache-control", "").lower()
    if "no-cache" in control or "no-store" in control:
        return 0
    match = _MAX_AGE.search(control)
    age = headers.get("age", "")
    return max(0, int(match[1]) - (int(age[:9]) if age.isdecimal() else 0)) if match else 0


class Cache:
    """A folder that may be deleted at any time. A damaged or foreign entry counts as absent.

    One folder for each kind of entry, none below: of what keeping an entry costs, making folders was the larger part
    (decision 21).

    With `root` None nothing is read or kept (`--no-cache`).
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._writer = Workers(1, "keeper")

    def later(self, keep: Callable[[], None]) -> None:
        """Have `keep` called soon, by one thread for all: an answer that is there waits for no disk."""
        if self._root is not None:
            with suppress(Dropped):
                self._writer.submit(keep)

    def close(self) -> None:
        """Return when all that was to be kept later is kept; what comes after that is not."""
        with suppress(Dropped):
            if self._writer.busy:
                self._writer.submit(lambda: None).result()
        self._writer.close()

    def page(self, url: str) -> CachedPage | None:
        """The last answer for a page's URL (which holds no credentials)."""
        raw = self._read(self._page_path(url))
        if raw is None:
            return None
        end = raw.find(b"\n")
        body = memoryview(raw)[end + 1 :]  # megabytes, perhaps, that nobody has to copy
        try:
            fields = json.loads(raw[: max(end, 0)])
            if fields.pop("format") != _FORMAT or fields.pop("asked") != url:
                return None
            present = fields.pop("present")
            return CachedPage(body=body if present else None, **fields)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def keep_page(self, asked: str, page: CachedPage) -> None:
        """Remember an answer; failing to is no error."""
        head = {
            "format": _FORMAT,
            "asked": asked,
            "present": page.body is not None,
            "url": page.url,
            "content_type": page.content_type,
            "etag": page.etag,
            "last_modified": page.last_modified,
            "expires": page.expires,
        }
        self._write(self._page_path(asked), json.dumps(head).encode() + b"\n", page.body or b"")

    def metadata(self, digest: Digest, url: str) -> tuple[bytes, int | None] | None:
        """METADATA of the wheel with that digest, and the wheel's size in bytes where that was known.

        As the host of `url` told it: what one host says of a digest counts for no other, since the wheel itself was
        not read whole and could not be held against its digest.
        """
        raw = self._read(self._wheel_path("metadata", digest, url))
        if raw is None:
            return None
        head, _, content = raw.partition(b"\n")
        checksum, _, size = head.partition(b" ")
        if checksum != hashlib.sha256(content).hexdigest().encode():
            return None
        return content, int(size) if size.isdigit() else None

    def has_metadata(self, digest: Digest, url: str) -> bool:
        """Whether `metadata` would find something; it is not read."""
        path = self._wheel_path("metadata", digest, url)
        return path is not None and os.path.exists(path)  # noqa: PTH110 - asked of thousands

    def is_fresh(self, url: str) -> bool:
        """Whether a page's last answer may be used without asking; its body is not read."""
        path = self._page_path(url)
        if path is None:
            return False
        try:
            with path.open("rb") as file:
                head = file.readline(4096)
            return bool(json.loads(head)["expires"] > time.time())
        except (OSError, ValueError, TypeError, KeyError):
            return False

    def keep_metadata(self, digest: Digest, url: str, content: bytes, size: int | None) -> None:
        """Remember METADATA and the wheel's size for ever: a wheel's digest decides both."""
        head = hashlib.sha256(content).hexdigest() + (f" {size}" if size is not None else "")
        self._write_sealed(self._wheel_path("metadata", digest, url), head.encode() + b"\n" + content)

    def contents(self, digest: Digest, url: str) -> bytes | None:
        """What was kept of a wheel's directory, for the same host."""
        raw = self._read(self._wheel_path("contents", digest, url))
        head, _, packed = (raw or b"").partition(b"\n")
        return packed if head == _sealed(packed) else None

    def keep_contents(self, digest: Digest, url: str, packed: bytes) -> None:
        """Remember what a wheel's directory says, for ever."""
        self._write_sealed(self._wheel_path("contents", digest, url), _sealed(packed) + b"\n" + packed)

    def size(self) -> tuple[int, int]:
        """Number of entries and their bytes."""
        count = size = 0
        for path in self._entries():
            with suppress(OSError):
                size += path.stat().st_size
                count += 1
        return count, size

    def clear(self) -> tuple[int, int]:
        """Delete every entry; gives their number and bytes."""
        count, size = self.size()
        for path in self._entries():
            path.unlink(missing_ok=True)
        return count, size

    def _entries(self) -> list[Path]:
        if self._root is None:
            return []
        return [path for kind in _KINDS for path in (self._root / kind).rglob("*") if path.is_file()]

    def _page_path(self, url: str) -> Path | None:
        key = hashlib.sha256(url.encode()).hexdigest()
        return None if self._root is None else self._root / "pages" / key

    def _wheel_path(self, kind: str, digest: Digest, url: str) -> str | None:
        if self._root is None:
            return None
        return os.path.join(self._root, kind, f"{digest.hex}-{_place(url)}")  # noqa: PTH118 - 5 x

    @staticmethod
    def _read(path: Path | str | None) -> bytes | None:
        if path is None:
            return None
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path costs more than the reading
                return file.read()
        except OSError:
            return None

    @staticmethod
    def _write_sealed(path: str | None, content: bytes) -> None:
        """Write what a checksum stands in: torn, it counts as absent, so it needs no second name."""
        if path is None:
            return
        with suppress(OSError):  # a full or read-only disk makes us slower, not wrong
            try:
                file = open(path, "wb", buffering=0)  # noqa: PTH123, SIM115
            except FileNotFoundError:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                file = open(path, "wb", buffering=0)  # noqa: PTH123, SIM115
            with file:
                file.write(content)

    @staticmethod
    def _write(path: Path | None, head: bytes, body: Bytes) -> None:
        if path is None:
            return
        with suppress(OSError):
            try:
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(head)
                    file.write(body)  # megabytes, perhaps: they are not put behind the head first
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise


def _place(url: str) -> str:
    """The part of an entry's name that stands for the host that told it."""
    return _place_of(url[: url.find("/", url.find("//") + 2)])


@lru_cache(maxsize=1024)
def _place_of(start: str) -> str:
    return hashlib.sha256(origin(start).encode()).hexdigest()[:16]


def _sealed(packed: bytes) -> bytes:
    """What stands before contents: whatever is read otherwise, later, gets another number."""
    return b"1 " + hashlib.sha256(packed).hexdigest().encode()
