"""One file's way into its `.partial`: asked for from where it stopped, appended and hashed in order."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from wheelhouse.digests import Check, Digest, SizeMismatch
from wheelhouse.edge import files
from wheelhouse.edge.http import Http
from wheelhouse.edge.http_errors import CutOff, HttpError, Refused, status_line
from wheelhouse.edge.store import Slot, Source
from wheelhouse.edge.window import IN_FLIGHT, Ahead, ContentRange, Pace, Window, strong_validator
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import FileAdvanced, FileRestarted, FileStarted, Listener
from wheelhouse.urls import redact

if TYPE_CHECKING:
    import httpx

_CHUNK = 1 << 20
_RESTARTS = 8  # of one file in one run; a server that answers something else each time is left then


class NotServed(WheelhouseError):
    """The host answers, but does not give the file. `reason` is its status line, or the system's word."""

    hint = "it may have been removed; run `wheelhouse lock` again"

    def __init__(self, filename: str, url: str, reason: str) -> None:
        super().__init__(filename, redact(url), reason)
        self.filename, self.url, self.reason = filename, redact(url), reason

    def __str__(self) -> str:
        return f"`{self.filename}` cannot be had from `{self.url}`: {self.reason}"


class Stopped(Exception):
    """The fetch is over; leave everything as it is."""


class Transfer:
    """Fills `slot.partial` with the file. The caller holds the slot's lock, and moves the finished file.

    `size` (bytes) and `digest` are the promises, None where there is none. Without a digest a prefix is only trusted
    while its strong validator holds: nothing else could tell two versions of the file apart.
    """

    def __init__(
        self,
        filename: str,
        url: str,
        slot: Slot,
        *,
        digest: Digest | None,
        size: int | None,
        http: Http,
        window: Window,
        listen: Listener,
        stopped: Callable[[], bool],
        free_space: Callable[[Path], int],
    ) -> None:
        self.filename, self.url, self.slot, self.digest, self.size = filename, url, slot, digest, size
        self.validator: str | None = None
        self._http, self._window, self._listen, self._stopped = http, window, listen, stopped
        self._free_space = free_space
        self._total = size
        self._in_ranges = True
        self._ended = False
        self._restarts = 0
        self._alone = False  # the last answer came fast enough without help
        self._check = Check(filename, expected=digest, size=size)
        self._aheads: deque[Ahead] = deque()
        self._file: FileIO

    def run(self, *, again: bool = False) -> Digest:
        """Go on from the prefix until the file is whole, and judge it.

        `again`: discard the prefix and ask for the whole. Raises `SizeMismatch` and `DigestMismatch`, which leave the
        prefix to the caller; `NotServed`, `Refused`, `HttpError` and `NoSpace`, after which it is good to go on from;
        `Stopped`.
        """
        self._in_ranges = not again
        self._total = self.size
        with self._opened(), self._window.file():
            if again:
                self._restart("its bytes are other than promised")
            else:
                self._take_up()
            self._fill()
            return self._check.finish()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        self.slot.partial.touch()
        try:
            with self.slot.partial.open("r+b", buffering=0) as self._file:
                yield
        finally:
            self._let_go()

    def _take_up(self) -> None:
        """Read the prefix once, to know its hash."""
        source = self.slot.source()
        if source is not None and source.url == redact(self.url):
            self.validator = source.validator
        left = self.slot.size()
        if left and ((self.digest is None and self.validator is None) or left > (self.size or left)):
            self._empty()
            left = 0
        self._listen(FileStarted(self.filename, self.size, left))
        while chunk := self._file.read(_CHUNK):
            self._proceed()
            self._check.update(chunk)

    def _fill(self) -> None:
        """Ask until all is there. Bounded are the failures in a row without a byte that was not there before."""
        failures, furthest, started_at = 0, self._check.count, self._check.count
        while not self._ended and (self._total is None or self._check.count < self._total):
            self._proceed()
            try:
                if not self._append_ahead():
                    self._ask()
            except HttpError as error:
                if self._check.count > furthest:
                    failures, furthest = 0, self._check.count
                failures += 1
                # Once the host has talked, it is worth waiting for through a longer break of the network
                attempts = self._http.settings.attempts * (2 if furthest > started_at else 1)
                if not self._http.worth_another(error) or failures >= attempts:
                    self._http.give_up(error)
                    raise
                if self.digest is None and self.validator is None and self._check.count:
                    self._restart("the connection broke, and nothing tells whether the file is still the same")
                self._http.wait(self._http.pause(failures, error))

    def _ask(self) -> None:
        """One question from where the file ends now, and its answer appended."""
        start, end = self._check.count, self._end_of_question()
        headers: dict[str, str] = {}
        if end is not None or start:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
            if self.validator is not None and start:
                headers["If-Range"] = self.validator
        with self._http.stream(self.url, headers=headers) as answer:
            if answer.status_code == 206:
                self._append_range(answer, start, end)
            elif answer.status_code == 200:
                self._append_whole(answer)
            elif answer.status_code == 416 and headers:
                self._in_ranges = False
                self._restart("the server does not know the rest of it")
            elif answer.status_code in (401, 403):
                raise Refused(self.url, answer.status_code, proxy=self._http.proxy_for(self.url))
            else:
                raise NotServed(self.filename, self.url, status_line(answer.status_code))

    def _end_of_question(self) -> int | None:
        """Where the next question's range ends (not included); None: with the file."""
        if not self._in_ranges:
            return None
        start, segment = self._check.count, self._window.segment
        if self._aheads:
            return self._aheads[0].start
        if self._total is None:
            return start + segment
        if self._total - start <= 2 * segment:
            return None
        return start + segment if self._window.open and not self._alone else self._total

    def _append_range(self, answer: httpx.Response, start: int, end: int | None) -> None:
        told = ContentRange.of(answer)
        validator = strong_validator(answer)
        if told is None or told.first != start:
            self._in_ranges = False
            self._restart("the server sends another part than was asked for")
            return
        if start and (_differ(self.validator, validator) or (self.size is None and _differ(self._total, told.total))):
            self._restart("the file changed on the server")
            return
        self._learn(answer, told.total)
        last = told.last + 1 if end is None else min(end, told.last + 1)
        ends = told.total is None and end is not None and last < end
        last = self._append_to(answer, last)
        if self._check.count < last:
            raise CutOff(self.url)
        self._ended = ends

    def _append_whole(self, answer: httpx.Response) -> None:
        if self._check.count:
            self._restart("the server sends it from its beginning")
        length = answer.headers.get("content-length", "")
        plain = "content-encoding" not in answer.headers and length.isdecimal() and len(length) <= 18
        self._learn(answer, int(length) if plain else None)
        for chunk in answer.iter_raw():
            self._proceed()
            if self._total is not None and self._check.count + len(chunk) > self._total:
                actual = self._check.count + len(chunk)
                raise SizeMismatch(self.filename, expected=self._total, actual=actual)
            self._write(memoryview(chunk))
        if self._total is not None and self._check.count < self._total:
            raise CutOff(self.url)
        self._ended = True

    def _learn(self, answer: httpx.Response, total: int | None) -> None:
        """Take what the first lines of an answer tell: the file's size and its validator."""
        if total is not None:
            if self.size is not None and total != self.size:
                raise SizeMismatch(self.filename, expected=self.size, actual=total)
            if self._total is None:
                self._total = total
                needed, free = total - self._check.count, self._free_space(self.slot.partial.parent)
                if needed > free:
                    raise files.NoSpace(self.slot.partial.parent, needed=needed, free=free)
        if self._check.count == 0 or self.validator is None:
            # An answer without a validator proves nothing about a prefix that came from an earlier one
            self.validator = strong_validator(answer) if self._check.count == 0 else self.validator
            self.slot.comes_from(Source(redact(self.url), self.validator))

    def _append_to(self, answer: httpx.Response, last: int) -> int:
        """The body, up to byte `last` of the file (not included) or to where segments ahead take over: that place."""
        pace = Pace(self._window.fast)
        last = self._helped(last, pace)
        for chunk in answer.iter_raw():
            self._proceed()
            self._write(memoryview(chunk)[: last - self._check.count])
            pace.count += len(chunk)
            last = self._helped(last, pace)
            if self._check.count >= last:
                break
        self._alone = self._window.fast is not None and not pace.is_slow()
        return last

    def _helped(self, last: int, pace: Pace) -> int:
        """Where the answer that is being read may end: where it is slow, what lies behind is fetched ahead."""
        if self._aheads or not self._window.open or not pace.is_slow():
            return last
        start = last
        if last == self._total and last - self._check.count > 2 * self._window.segment:
            start = self._check.count + self._window.segment
        self._look_ahead(start, IN_FLIGHT - 1)
        return start if self._aheads else last

    def _look_ahead(self, position: int, in_flight: int) -> None:
        """Have the next segments fetched, `in_flight` at a time, as far as the file goes and the window is open."""
        if not self._in_ranges or self._total is None:
            return
        headers = {} if self.validator is None else {"If-Range": self.validator}
        start = self._aheads[-1].end if self._aheads else position
        while len(self._aheads) < in_flight and start < self._total:
            end = min(start + self._window.segment, self._total)
            ahead = self._window.ahead(self.url, headers, start, end, total=self._total, validator=self.validator)
            if ahead is None:
                return
            self._aheads.append(ahead)
            start = end

    def _append_ahead(self) -> bool:
        """Append the segment that was fetched ahead, if that is the next one; False when the next must be asked for."""
        if not self._aheads or self._aheads[0].start != self._check.count:
            return False
        self._look_ahead(self._aheads[-1].end, IN_FLIGHT)
        ahead = self._aheads.popleft()
        try:
            piece = ahead.bytes()
            if piece:
                self._write(piece)
        finally:
            self._window.release(ahead)
        return bool(piece)

    def _write(self, piece: memoryview) -> None:
        try:
            written = 0
            while written < len(piece):
                written += self._file.write(piece[written:]) or 0
        except OSError as error:
            raise self._unwritable(error) from error
        self._check.update(piece)
        self._listen(FileAdvanced(self.filename, len(piece)))

    def _unwritable(self, error: OSError) -> WheelhouseError:
        if files.is_full(error):
            folder = self.slot.partial.parent
            needed = (self._total or self._check.count) - self._check.count
            return files.NoSpace(folder, needed=needed, free=self._free_space(folder))
        return files.CannotWrite(self.slot.partial, (error.strerror or str(error)).lower())

    def _restart(self, reason: str) -> None:
        """Give up the prefix and what was fetched ahead for it. Raises `NotServed` where that leads nowhere."""
        self._empty()
        self._restarts += 1
        if self._restarts > _RESTARTS:
            times = f"it had to begin again {self._restarts} times"
            raise NotServed(self.filename, self.url, f"{times}, at last because {reason}")
        self._listen(FileRestarted(self.filename, reason))

    def _empty(self) -> None:
        self._let_go()
        self._file.seek(0)
        self._file.truncate()
        self._check = Check(self.filename, expected=self.digest, size=self.size)
        self.validator, self._ended, self._total = None, False, self.size

    def _let_go(self) -> None:
        while self._aheads:
            self._window.release(self._aheads.pop())

    def _proceed(self) -> None:
        if self._stopped():
            raise Stopped


def _differ(one: object, other: object) -> bool:
    """Whether both are known and not the same."""
    return one is not None and other is not None and one != other
