"""From a resolution to the lock that records it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypedDict

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.indexes import in_torch_family
from wheelhouse.lock.model import Lock, LockedHeldBack, LockedPackage, LockedSdist, LockedSource, LockedWheel
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


class _Facts(TypedDict):
    filename: str
    url: str
    digest: Digest
    size: int | None


def _file(file: File, digests: Mapping[str, Digest], sizes: Mapping[str, int]) -> _Facts:
    digest = file.digest if file.digest is not None else digests[file.url]
    size = file.size if file.size is not None else sizes.get(file.url)
    return {"filename": file.filename, "url": file.url, "digest": digest, "size": size}


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
