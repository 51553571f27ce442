"""The command line: parse what was typed, call the workflow, print what it says."""

from __future__ import annotations

import gc
import io
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
    gc.set_threshold(50_000, 20, 100)  # a large search makes much that stays: 0.9 s, then 0.8 s of CPU
    try:
        from wheelhouse.cli.commands import run

        sys.exit(run())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what was complete is kept\n")
        sys.exit(130)
