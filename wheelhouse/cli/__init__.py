"""The command line: parse what was typed, call the workflow, print what it says."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code; Ctrl-C counts from the first import on."""
    try:
        from wheelhouse.cli.commands import run

        sys.exit(run())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what was complete is kept\n")
        sys.exit(130)
