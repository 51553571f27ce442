"""The command line as a person meets it: an exit code, what is on stdout, what is on stderr."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock


@dataclass(frozen=True)
class Ran:
    """What a command left behind. `err` holds neither colour nor bars where it is no terminal."""

    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def wheelhouse(*args: str | Path, cwd: Path, terminal: bool = False, **variables: str) -> Ran:
    """Run `wheelhouse ARGS` in `cwd`; its cache is `cwd/cache` unless an argument says otherwise.

    `terminal`: stderr is one.
    """
    from wheelhouse.cli import main

    out, err = io.StringIO(), Terminal() if terminal else io.StringIO()
    environment = {"WHEELHOUSE_CACHE_DIR": str(cwd / "cache"), **variables}
    argv = ["wheelhouse", *(str(arg) for arg in args)]
    code: int | str | None = 0
    with (
        _inside(cwd),
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", argv),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int | None)
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return Ran(code or 0, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
