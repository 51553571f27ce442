"""Requirements and constraints files from disk, and the ones that count when nobody names any."""

from __future__ import annotations

import os
from pathlib import Path

from wheelhouse.edge.locks import Unreadable
from wheelhouse.errors import UsageError
from wheelhouse.requirements import RequirementsFile, decode, parse

DEFAULTS = ("requirements.in", "requirements.txt")


def read(path: Path) -> RequirementsFile:
    """The file and all that it includes, `${NAME}` taken from the environment.

    Raises `Unreadable`, and what `requirements.parse` raises.
    """
    return parse(_text(path), str(path), _load, environ=os.environ)


def default(folder: Path) -> Path:
    """The requirements file that counts in a folder when none is named. Raises `UsageError` where there is none."""
    for name in DEFAULTS:
        if (folder / name).is_file():
            return folder / name
    raise UsageError(
        "nothing to lock: no requirement is named, and there is no `requirements.in` or `requirements.txt` here",
        hint="`wheelhouse lock -r FILE --target LABEL`, or `wheelhouse lock torch==2.1.2 --target LABEL`",
    )


def _load(path: str, including: str) -> tuple[str, str]:
    found = Path(including).parent / path
    return _text(found), os.path.normpath(found)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(path, (error.strerror or str(error)).lower()) from error
    return decode(content, str(path))
