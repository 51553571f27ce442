"""What people see while we work, on stderr only: bars on a terminal, lines elsewhere. stdout is never touched."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from wheelhouse.edge.files import readable
from wheelhouse.events import (
    Event,
    FetchFinished,
    FetchStarted,
    FileAdvanced,
    FileDone,
    FileFailed,
    FileRestarted,
    FileStarted,
    Found,
    Noted,
    Resolving,
    Said,
    Warned,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_RED, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"
_NAME = 30  # columns for a file name beside a bar: with size, speed and time it is 80


class Console:
    """A listener for people. Use it in a `with`: leaving it takes the bars away.

    `quiet` shows warnings only, `verbose` notes too. `no_color` (or NO_COLOR, or TERM=dumb) prints without colour, and
    without bars where the terminal is dumb.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        verbose: bool = False,
        no_color: bool = False,
        stream: TextIO | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        environment = os.environ if environment is None else environment
        self._stream = sys.stderr if stream is None else stream
        self._quiet, self._verbose = quiet, verbose
        dumb = environment.get("TERM") == "dumb"
        self._terminal = self._stream.isatty() and not dumb
        self.colored = self._color = self._terminal and not no_color and not environment.get("NO_COLOR")
        self._lock = threading.RLock()
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._sizes: dict[str, tuple[int, int | None]] = {}  # bytes by file name: so far, promised
        self._done = self._failed = self._bytes = 0
        self._busy = False  # a line without its end is on the terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """No bar and no unfinished line stays."""
        with self._lock:
            self._wipe()
            if self._progress is not None:
                self._progress.stop()
                self._progress = None

    def listen(self, event: Event) -> None:
        """Show `event`; from any thread."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            match event:
                case Warned():
                    self._warn(event)
                case Found():
                    self._found(event)
                case Noted(message):
                    if self._verbose and not self._quiet:
                        self._print(message)
                case _ if self._quiet:
                    pass
                case Said(message):
                    self._print(message)
                case Resolving():
                    self._resolving(event)
                case FetchStarted():
                    self._begin(event)
                case FetchFinished():
                    self._finish()
                case _:
                    self._file(event)

    def _warn(self, event: Warned) -> None:
        yellow, plain = (_YELLOW, _PLAIN) if self._color else ("", "")
        self._print(f"{yellow}warning:{plain} {event.message}")
        for line in event.hint.splitlines():
            self._print(f"hint: {line}")

    def _found(self, event: Found) -> None:
        color = _RED if event.severity == "error" else _YELLOW
        before, plain = (color, _PLAIN) if self._color else ("", "")
        self._print(f"{before}{event.severity}[{event.rule}]:{plain} {event.message}")
        if event.why:
            self._print(f"  why: {event.why}")
        for line in event.hint.splitlines():
            self._print(f"  hint: {line}")

    def _resolving(self, event: Resolving) -> None:
        if self._terminal:
            self._stream.write(f"\r\x1b[2Kresolving: {event.pages} projects, {event.metadata} metadata files")
            self._stream.flush()
            self._busy = True

    def _begin(self, event: FetchStarted) -> None:
        self._done = self._failed = self._bytes = 0
        self._sizes.clear()
        size = f", {readable(event.size)}" if event.size else ""
        self._print(f"fetching {_files(event.files)}{size}")
        if self._terminal:
            self._progress = _bars(self._stream, color=self._color)
            self._progress.start()

    def _finish(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        self._bars.clear()
        failed = f", {self._failed} failed" if self._failed else ""
        size = f", {readable(self._bytes)}" if self._bytes else ""
        self._print(f"fetched {_files(self._done)}{size}{failed}")

    def _file(self, event: Event) -> None:
        match event:
            case FileStarted(filename, size, done):
                self._sizes[filename] = done, size
                if self._progress is not None:
                    self._bars[filename] = self._progress.add_task(_short(filename), total=size, completed=done)
                elif done:
                    self._print(f"  {filename}: goes on after {readable(done)}")
            case FileAdvanced(filename, count):
                done, size = self._sizes.get(filename, (0, None))
                self._sizes[filename] = done + count, size
                self._bytes += count
                if self._progress is not None and filename in self._bars:
                    self._progress.advance(self._bars[filename], count)
            case FileRestarted(filename, reason):
                done, size = self._sizes.get(filename, (0, None))
                self._sizes[filename] = 0, size
                if self._progress is not None and filename in self._bars:
                    self._progress.reset(self._bars[filename], total=size)
                self._print(f"  {filename}: begins again: {reason}")
            case FileDone(filename):
                self._done += 1
                self._take_away(filename)
                done, _ = self._sizes.get(filename, (0, None))
                self._print(f"  {filename}  {readable(done)}" if done else f"  {filename}")
            case FileFailed(filename, message):
                self._failed += 1
                self._take_away(filename)
                self._print(f"  {filename}: failed: {message}")
            case _:
                pass

    def _take_away(self, filename: str) -> None:
        bar = self._bars.pop(filename, None)
        if bar is not None and self._progress is not None:
            self._progress.remove_task(bar)

    def _print(self, line: str) -> None:
        self._wipe()
        if self._progress is not None:
            # Through rich, so that the line comes above the bars; as it is, without markup or wrapping
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)
            return
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def _wipe(self) -> None:
        if self._busy:
            self._busy = False
            self._stream.write("\r\x1b[2K")
            self._stream.flush()


def _bars(stream: TextIO, *, color: bool) -> Progress:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn(f"{{task.description:<{_NAME}}}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=RichConsole(file=stream, no_color=not color, force_terminal=True),
        transient=True,
        refresh_per_second=5,
    )


def _short(filename: str) -> str:
    """The beginning of a file name (project and version stand there) in `_NAME` columns."""
    return filename if len(filename) <= _NAME else f"{filename[: _NAME - 3]}..."


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
