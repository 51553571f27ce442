"""What an index lists for a project, and the one wheel that a target takes of a version, as values."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property

from msgspec import Struct
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.indexes import Index
from wheelhouse.resolve.refusals import (
    BadName,
    Reason,
    Refusal,
    SdistOnly,
    nearness,
)
from wheelhouse.simple.listing import Listing
from wheelhouse.simple.model import File

ACCELERATOR = re.compile(r"(?:cpu|cu\d{2,3}|rocm\d[\d.]*|xpu)(?=$|\.)")
BUILDABLE = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz")


class Candidate(Struct, frozen=True, eq=False):
    """One wheel that fits the target, or an sdist that may be built into one.

    Compared by identity: a project gives the same object each time.
    """

    project: NormalizedName
    version: Version
    file: File
    index: Index
    is_sdist: bool = False

    def __str__(self) -> str:
        return f"{self.project} {self.version}"


class Listed(Struct, frozen=True):
    """A file on a project page, and the index that lists it. `only_any`: it must be a `none-any` wheel."""

    file: File
    index: Index
    only_any: bool = False


class Source(Struct, frozen=True):
    """What one index lists for a project; `only_any` as in `Listed`."""

    listing: Listing
    index: Index
    only_any: bool = False


class Offer:
    """What one version offers: the wheel to take, if any, and every file that was left out."""

    def __init__(self, candidate: Candidate | None, refused: Callable[[], tuple[Refusal, ...]]) -> None:
        """`refused` is asked once, when somebody wants to know: most files never are."""
        self.candidate, self._refused = candidate, refused

    @cached_property
    def refusals(self) -> tuple[Refusal, ...]:
        """Every file that was left out, with its reason, in the order of indexes and pages."""
        return self._refused()

    def reason(self) -> Reason | None:
        """Why the version has no candidate: the reason of the file that came nearest; None when it has one.

        A source distribution speaks only for a version without any wheel.
        """
        reasons = [refusal.reason for refusal in self.refusals if not isinstance(refusal.reason, BadName)]
        wheels = [reason for reason in reasons if not isinstance(reason, SdistOnly)]
        return max(wheels or reasons, key=nearness, default=None) if self.candidate is None else None
