"""The command line: parse what was typed, call the workflow, print what it says."""

from __future__ import annotations

import gc
import io
import os
import sys


def main() -> None:
    """Run the command line and exit with its code; Ctrl-C counts from the first import on."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a code page without `├` shows `?`; it is no reason to fail
            stream.reconfigure(errors="replace")
    if sys.argv[1:] in (["--version"], ["-V"]):  # scripts ask for it; the answer needs no command (nor click)
        from wheelhouse import __version__

        try:
            sys.stdout.write(f"wheelhouse {__version__}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(1)
        return
    # What a search makes stays: an ordinary lock need not look for garbage at all (0.04 s of 2 s were for nothing)
    gc.set_threshold(300_000, 20, 100)
    try:
        from wheelhouse.cli.commands import run

        sys.exit(run())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what was complete is kept\n")
        sys.exit(130)


def program() -> None:
    """What the console script runs: `main`, then the process ends at once.

    Everything is closed by then. Python would still take apart all that was made, piece by piece, before the system
    takes the memory back in one: 0.03 s after a small lock, 0.11 s after a large one.
    """
    try:
        main()
        code = 0
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        code = end.code or 0
    if sys.gettrace() is not None or sys.getprofile() is not None or _others_work():
        sys.exit(code)
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # nobody reads any more, or it is closed: Python knows what to say
        sys.exit(code)
    os._exit(code)


def _others_work() -> bool:
    """Whether a thread is left that Python would wait for."""
    threading = sys.modules.get("threading")
    if threading is None:
        return False
    return any(not each.daemon for each in threading.enumerate() if each is not threading.main_thread())
