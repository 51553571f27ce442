"""What a wheel of PyPI must prove where PyPI stands in for one of PyTorch's channels (docs/decisions/0010)."""

from __future__ import annotations

from wheelhouse.indexes import pinned_torch, proven_accelerator
from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.refusals import NotProven
from wheelhouse.target import Target


def unproven(candidate: Candidate, metadata: CoreMetadata, target: Target) -> NotProven | None:
    """Why the wheel may not stand in: torch must prove its CUDA, and the rest of the family must pin that torch."""
    accelerator = target.accelerator or ""
    if candidate.version.local == accelerator:
        return None  # a channel's own wheel, named by its URL
    requires = tuple(each for each in metadata.requires_for(()) if target.admits(each.marker))
    if candidate.project != "torch":
        return None if pinned_torch(requires) is not None else NotProven("pins no torch version", accelerator)
    proven = proven_accelerator(requires)
    if proven is None and accelerator == "cpu" and (target.os != "linux" or target.arch == "aarch64"):
        # PyPI has no other build there. On Linux aarch64 each of the 28 releases from 2.0 to 2.15 either holds no
        # CUDA library (to 2.10) or requires CUDA's runtime (from 2.11)
        return None
    if proven == accelerator:
        return None
    return NotProven(f"is a `{proven}` build" if proven else "names no CUDA runtime", accelerator)
