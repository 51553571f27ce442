"""File names of wheels and source distributions: which project and version they are of."""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar.Z", ".tar")
_TAGS = re.compile(r"[\w.]+-[\w.]+-[\w.]+")
BUILD = re.compile(r"(\d+)(.*)", re.ASCII)  # a wheel's build tag


def split(project: NormalizedName, filename: str) -> tuple[str, str | None] | None:
    """The version of a wheel or sdist of `project` as it is written, and a wheel's `build:tags`; None for other names.

    PEP 427 and 491 for wheels, PEP 625 and its forerunners for sdists. `version` makes a value of the text.
    """
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        if len(parts) not in (5, 6) or _project(parts[0]) != project:
            return None
        build = parts[2] if len(parts) == 6 else ""
        if len(parts) == 6 and not BUILD.fullmatch(build):
            return None
        if "__" in parts[0] or parts[1].strip() != parts[1] or version(parts[1]) is None:
            return None
        tags = "-".join(parts[-3:])
        return (parts[1], f"{build}:{tags}") if _readable(tags) else None
    suffix = next(filter(filename.endswith, _SDISTS), None)
    if suffix is None:
        return None
    stem = filename.removesuffix(suffix)
    at = stem.find("-")
    while at != -1:
        if _project(stem[:at]) == project and version(stem[at + 1 :]) is not None:
            return stem[at + 1 :], None
        at = stem.find("-", at + 1)
    return None


def belongs(filename: str, project: NormalizedName) -> bool:
    """Whether the name is that of a wheel or sdist of the project."""
    return split(project, filename) is not None


@lru_cache(maxsize=1 << 16)
def version(text: str) -> Version | None:
    """The version that the text says (PEP 440), None if it says none."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


@lru_cache(maxsize=1 << 14)
def _readable(tags: str) -> bool:
    """Whether tags can be those of an honest wheel; packaging refuses what would expand without bounds."""
    return _TAGS.fullmatch(tags) is not None and tags.count(".") < 40


@lru_cache(maxsize=4096)
def _project(text: str) -> NormalizedName:
    return canonicalize_name(text)
