"""The command line: parse what was typed, call the workflow, print what it says."""

from __future__ import annotations

from wheelhouse.cli.commands import main

__all__ = ["main"]
