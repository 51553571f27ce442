"""Which storage a name on the command line means."""

from __future__ import annotations

from pathlib import Path

from wheelhouse.edge.mirror.storage import Directory, Storage
from wheelhouse.errors import UsageError


def opened(place: str, *, endpoint: str | None = None) -> Storage:
    """The storage at `place`: `s3://bucket/prefix`, else a folder.

    Raises `UsageError`, and `Missing` for a bucket where obstore is not installed.
    """
    if place.lower().startswith("s3://"):
        from wheelhouse.edge.mirror.s3 import Bucket

        return Bucket(place, endpoint=endpoint)
    if "://" in place:
        raise UsageError(
            f"`{place}` is no place that a mirror can be in", hint="name a folder, or `s3://bucket/prefix`"
        )
    return Directory(Path(place))
