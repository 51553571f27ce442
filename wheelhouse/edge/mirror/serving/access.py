"""The access log: a line for each visit, in the format that programs for web servers' logs read."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\]')
_LONGEST = 512  # characters of what a client wrote
_WAITING = 10_000  # lines that wait to be written; while nobody takes them, more are counted and left out
_LAST_WAIT = 3.0  # seconds


class Visit(Struct, frozen=True, kw_only=True):
    """One request and what became of it. `size` is the bytes of body that were sent."""

    client: str
    user: str | None
    method: str
    target: str
    version: str
    status: int
    size: int
    agent: str | None
    seconds: float

    def line(self, now: datetime) -> str:
        """The line of the combined log format, with the seconds behind it. What a client wrote cannot end a line."""
        return (
            f"{_safe(self.client)} - {_safe(self.user or '-')} [{now:%d/%b/%Y:%H:%M:%S %z}]"
            f' "{_safe(self.method)} {_safe(self.target)} HTTP/{_safe(self.version)}" {self.status} {self.size}'
            f' "-" "{_safe(self.agent or "-")}" {self.seconds:.3f}'
        )


class AccessLog:
    """Collects lines and hands them to `write` together, from a thread of its own: a slow log holds up no client."""

    def __init__(self, write: Callable[[str], None], now: Callable[[], datetime], *, every: float = 0.5) -> None:
        self._write = write
        self._now = now
        self._every = every
        self._lines: deque[str] = deque()
        self._left_out = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror-log", daemon=True)
        self._thread.start()

    def __call__(self, visit: Visit) -> None:
        if len(self._lines) < _WAITING:
            self._lines.append(visit.line(self._now()))
        else:
            self._left_out += 1

    def close(self) -> None:
        """Writes what is left; whoever does not take it within a few seconds does not get it."""
        self._over.set()
        self._thread.join(timeout=_LAST_WAIT)

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = [f"{self._lines.popleft()}\n" for _ in range(len(self._lines))]
        left_out, self._left_out = self._left_out, 0
        if left_out:
            lines.append(f"# {left_out} lines left out: nobody took them\n")
        if lines:
            self._write("".join(lines))


def _safe(text: str) -> str:
    """`text` with quotes, backslashes and all that is not printable ASCII as `\\xHH`, as nginx writes them."""
    return _UNSAFE.sub(lambda found: f"\\x{min(ord(found[0]), 0xFF):02X}", text[:_LONGEST])
