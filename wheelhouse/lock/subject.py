"""A lock as the rules on drivers, GPUs and libraries see it."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import NormalizedName

from wheelhouse.compat.model import Pinned, Subject
from wheelhouse.compat.server import Server
from wheelhouse.contents import Contents
from wheelhouse.lock.model import Lock
from wheelhouse.target import Target


def subject_of(
    lock: Lock, *, server: Server | None = None, contents: Mapping[NormalizedName, Contents] | None = None
) -> Subject:
    """What the rules are asked about; `server` is the probed machine, `contents` what is known of the pins' wheels."""
    return Subject(
        target=Target.parse(lock.label),
        pins={
            pin.name: Pinned(
                name=pin.name, version=pin.version, filename=pin.file.filename, dependencies=pin.dependencies
            )
            for pin in lock.pins()
        },
        roots=lock.roots,
        server=server,
        contents=contents or {},
    )
