"""Which storage a name on the command line means."""

from __future__ import annotations

import re
from pathlib import Path

from wheelhouse.edge.mirror.storage import Directory, Storage, silent
from wheelhouse.errors import UsageError
from wheelhouse.events import Listener

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # two letters and more: `C:/` is a drive of Windows


def opened(place: str, *, endpoint: str | None = None, listen: Listener = silent) -> Storage:
    """The storage at `place`: `s3://bucket/prefix`, else a folder. `listen` is told of a long wait for others.

    Raises `UsageError`, and `Missing` for a bucket where obstore is not installed.
    """
    if place.lower().startswith("s3://"):
        from wheelhouse.edge.mirror.s3 import Bucket

        return Bucket(place, endpoint=endpoint, listen=listen)
    if not place or _SCHEME.match(place):  # no folder `s3:`, and not this one where a shell's variable was empty
        raise UsageError(
            f"`{place}` is no place that a mirror can be in", hint="name a folder, or `s3://bucket/prefix`"
        )
    return Directory(Path(place), listen=listen)
