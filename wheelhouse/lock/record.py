"""From a resolution to the lock that records it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from msgspec.structs import replace
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.indexes import in_torch_family
from wheelhouse.lock.model import (
    FileFacts,
    Lock,
    LockedHeldBack,
    LockedPackage,
    LockedSdist,
    LockedSource,
    LockedWheel,
)
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.resolution import Pin, Resolution
from wheelhouse.simple import File
from wheelhouse.target import Target

ROOT = "(asked for)"
CONSTRAINT = "(constraint)"


def record(
    resolution: Resolution,
    target: Target,
    *,
    installer: Candidate | None,
    inputs: Digest,
    stand_in: str | None,
    digests: Mapping[str, Digest],
    sizes: Mapping[str, int],
    constraints: Mapping[NormalizedName, SpecifierSet] | None = None,
    installed: Mapping[str, int] | None = None,
) -> Lock:
    """The lock of a resolution.

    `digests` and `sizes` (bytes) are by file URL and hold what no page told; `installed` is what wheels take on disk,
    by file URL, as far as known; `stand_in` is the channel that could not be reached, and is recorded only where PyPI's
    wheels really stand in.
    """
    pins, constraints, installed = resolution.pins, constraints or {}, installed or {}
    taken = [*(pin.candidate for pin in pins), *([] if installer is None else [installer])]
    stood_in = stand_in is not None and any(in_torch_family(pin.candidate.project) for pin in pins)
    return Lock(
        label=target.label,
        requires_python=narrowed(target, pins),
        environment=target.marker,
        packages=tuple(
            LockedPackage(
                wheel=LockedWheel(**_file(pin.candidate.file, digests, sizes)),
                installed=installed.get(pin.candidate.file.url),
                **_pin(pin, constraints),
            )
            for pin in pins
            if not pin.candidate.is_sdist
        ),
        sources=tuple(
            LockedSource(sdist=LockedSdist(**_file(pin.candidate.file, digests, sizes)), **_pin(pin, constraints))
            for pin in pins
            if pin.candidate.is_sdist
        ),
        installer=None
        if installer is None
        else LockedPackage(
            name=installer.project,
            version=installer.version,
            wheel=LockedWheel(**_file(installer.file, digests, sizes)),
            index=_index(installer),
        ),
        roots=resolution.roots,
        inputs=inputs,
        held_back=tuple(
            LockedHeldBack(name=each.project, newer=each.newer, reason=str(each.reason))
            for each in resolution.held_back
            if each.is_error or each.is_warning
        ),
        stand_in=stand_in if stood_in else None,
        computed_hashes=tuple(sorted({each.file.filename for each in taken if each.file.digest is None})),
    )


def with_known_times(found: Lock, before: Lock | None) -> Lock:
    """The lock with the upload times that the one before has of the same bytes, where no index told one now.

    PyPI tells times in JSON only, and many mirrors not at all: who locks through one of these does not forget what was
    known. What an index tells now counts before it; a yank is only what it says now, since it can be taken back.
    """
    known = {} if before is None else {file.digest: file.upload_time for file in _files(before) if file.upload_time}
    if not known:
        return found

    def timed(wheel: LockedWheel) -> LockedWheel:
        return wheel if wheel.upload_time else replace(wheel, upload_time=known.get(wheel.digest))

    def timed_sdist(sdist: LockedSdist) -> LockedSdist:
        return sdist if sdist.upload_time else replace(sdist, upload_time=known.get(sdist.digest))

    pip = found.installer
    return replace(
        found,
        packages=tuple(replace(pin, wheel=timed(pin.wheel)) for pin in found.packages),
        sources=tuple(replace(pin, sdist=timed_sdist(pin.sdist)) for pin in found.sources),
        installer=None if pip is None else replace(pip, wheel=timed(pip.wheel)),
    )


def _files(lock: Lock) -> Iterator[LockedWheel | LockedSdist]:
    yield from lock.wheels()
    yield from (source.sdist for source in lock.sources)


def narrowed(target: Target, pins: Sequence[Pin]) -> SpecifierSet:
    """The target's Python, less the patch levels that some pin does not run on."""
    allowed = target.requires_python
    for pin in pins:
        required = pin.metadata.requires_python
        if required is not None and target.excluded(required):
            allowed &= required
    return allowed


def _index(candidate: Candidate) -> str | None:
    return None if candidate.index.find_links else candidate.index.url


def _file(file: File, digests: Mapping[str, Digest], sizes: Mapping[str, int]) -> FileFacts:
    return {
        "filename": file.filename,
        "url": file.url,
        "digest": file.digest if file.digest is not None else digests[file.url],
        "size": file.size if file.size is not None else sizes.get(file.url),
        "upload_time": file.upload_time,
        "yanked": file.yanked,
    }


class _PinFacts(TypedDict):
    name: NormalizedName
    version: Version
    index: str | None
    dependencies: tuple[NormalizedName, ...]
    required_by: tuple[str, ...]


def _pin(pin: Pin, constraints: Mapping[NormalizedName, SpecifierSet]) -> _PinFacts:
    return {
        "name": pin.candidate.project,
        "version": pin.candidate.version,
        "index": _index(pin.candidate),
        "dependencies": pin.dependencies,
        "required_by": _required_by(pin, constraints),
    }


def _required_by(pin: Pin, constraints: Mapping[NormalizedName, SpecifierSet]) -> tuple[str, ...]:
    told = tuple(f"{who or ROOT}: {want.text}" for who, want in pin.wanted_by)
    constraint = constraints.get(pin.candidate.project)
    return told if constraint is None else (*told, f"{CONSTRAINT}: {pin.candidate.project}{constraint}")


def inputs_digest(facts: Mapping[str, object]) -> Digest:
    """A digest of everything that was asked for: it tells whether a lock belongs to these requirements."""
    return Digest.of(json.dumps(facts, sort_keys=True, ensure_ascii=True).encode())
