"""Segments fetched ahead of where a file is being written, in a bounded number of buffers.

The buffers are the memory bound of a whole fetch: whoever finds none free simply goes on without. They are made once
and used again, because freed 8 MiB blocks do not always go back to the system. Connections are bounded too, and a fast
one is left alone: there segments bring nothing and cost a copy of each byte (docs/decisions, 17).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from wheelhouse.edge.http import Answer, Http
from wheelhouse.edge.http_errors import HttpError
from wheelhouse.edge.workers import Task, Workers

if TYPE_CHECKING:
    import httpx

SEGMENT = 8 << 20  # bytes
IN_FLIGHT = 4  # segments of one file, the one that is being appended included
FAST = 64 * 1000**2  # bytes a second of one connection; half of a link of 1 Gbit/s
BUFFERS = 6  # segments in memory at once, over all files: 48 MiB, which keeps the whole program under 150 MB

_MOMENT = 0.05  # seconds in which an answer's pace shows
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class ContentRange(Struct, frozen=True):
    """What a 206 holds: bytes `first` to `last`, both included, of `total` (None: not told). RFC 9110, 14.4."""

    first: int
    last: int
    total: int | None

    @classmethod
    def of(cls, answer: httpx.Response | Answer) -> ContentRange | None:
        """The range of `answer`; None where it tells none that can be understood."""
        if answer.status_code != 206:
            return None
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "").strip())
        if match is None:
            return None
        return cls(int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3]))


class Pace:
    """How fast an answer comes, of which `count` bytes are there. `fast`: bytes a second, or None: always slow."""

    def __init__(self, fast: float | None) -> None:
        self.count = 0
        self._fast, self._begun = fast, time.monotonic()

    def is_slow(self) -> bool:
        """Whether others may help. In its first moments nobody knows, so that it is not."""
        if self._fast is None:
            return True
        took = time.monotonic() - self._begun
        return took > _MOMENT and self.count < self._fast * took


class Ahead:
    """One segment on its way: bytes `start` to `end` (not included) of the file."""

    def __init__(self, start: int, end: int, buffer: bytearray) -> None:
        self.start, self.end, self.buffer = start, end, buffer
        self.wanted = True
        self.over = False  # nobody writes into the buffer any more
        self.task: Task[int]

    def bytes(self) -> memoryview:
        """What came of it, from `start` on and without a gap, perhaps nothing; waits until that is known."""
        return memoryview(self.buffer)[: self.task.result()]


class Window:
    """The buffers of one fetch. `peak` is the largest number that was in use at one time.

    `connections`: no more files and segments together are asked for at a time; None: the buffers alone decide. `fast`:
    bytes a second from which on an answer is slow no more, and nothing is fetched ahead of it; None: all are slow.
    """

    def __init__(
        self,
        http: Http,
        *,
        segment: int = SEGMENT,
        buffers: int = BUFFERS,
        connections: int | None = None,
        fast: float | None = None,
    ) -> None:
        self.segment, self.peak, self.fast = segment, 0, fast
        self._http, self._buffers, self._connections = http, buffers, connections
        self._files = 0
        self._free: list[bytearray] = []
        self._used = 0
        self._lock = threading.Lock()
        self._workers = Workers(buffers, "ahead")

    @contextmanager
    def file(self) -> Iterator[None]:
        """While a file is fetched: its own connection counts."""
        with self._lock:
            self._files += 1
        try:
            yield
        finally:
            with self._lock:
                self._files -= 1

    @property
    def open(self) -> bool:
        """Whether one more segment may be fetched ahead; another thread may be quicker to take it."""
        return self._used < self._buffers and (
            self._connections is None or self._files + self._used < self._connections
        )

    def ahead(
        self, url: str, headers: Mapping[str, str], start: int, end: int, *, total: int | None, validator: str | None
    ) -> Ahead | None:
        """Begin to fetch bytes `start` to `end` (not included); None when the window is not open.

        An answer that is not this very range of a file of `total` bytes with this `validator` counts as nothing.
        """
        with self._lock:
            if not self.open:
                return None
            buffer = self._free.pop() if self._free else bytearray(self.segment)
            self._used += 1
            self.peak = max(self.peak, self._used)
        segment = Ahead(start, end, buffer)
        headers = {**headers, "Range": f"bytes={start}-{end - 1}"}
        segment.task = self._workers.submit(self._fill, segment, url, headers, total, validator)
        return segment

    def release(self, segment: Ahead) -> None:
        """The segment is not wanted any more; its buffer is free as soon as nobody writes into it."""
        with self._lock:
            if not segment.wanted:
                return
            segment.wanted = False
            if segment.over:
                self._put_back(segment)

    def close(self) -> None:
        """Begin nothing more."""
        self._workers.close()

    def _fill(
        self, segment: Ahead, url: str, headers: Mapping[str, str], total: int | None, validator: str | None
    ) -> int:
        filled = 0
        try:
            with self._http.stream(url, headers=headers) as answer:
                told = ContentRange.of(answer)
                if told is None or told.first != segment.start or (told.total is not None and told.total != total):
                    return 0
                if validator is not None and strong_validator(answer) not in (None, validator):
                    return 0
                for chunk in answer.iter_raw():
                    piece = memoryview(chunk)[: segment.end - segment.start - filled]
                    segment.buffer[filled : filled + len(piece)] = piece
                    filled += len(piece)
                    if filled == segment.end - segment.start or not segment.wanted:
                        break
        except HttpError:
            pass  # whoever appends asks for the rest himself, and tells what goes wrong
        finally:
            with self._lock:
                segment.over = True
                if not segment.wanted:
                    self._put_back(segment)
        return filled

    def _put_back(self, segment: Ahead) -> None:
        self._used -= 1
        self._free.append(segment.buffer)


def strong_validator(answer: httpx.Response | Answer) -> str | None:
    """The answer's strong ETag: a weak one says nothing about bytes (RFC 9110, 8.8.1 and 13.1.5)."""
    told: str = answer.headers.get("etag", "")
    return told if len(told) > 2 and told.startswith('"') and told.endswith('"') else None
