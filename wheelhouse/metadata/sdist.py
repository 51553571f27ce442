"""What the name of an sdist says."""

from __future__ import annotations

from packaging.utils import InvalidSdistFilename, NormalizedName, parse_sdist_filename
from packaging.version import Version

from wheelhouse.metadata.core import BadMetadata

SUFFIXES = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz")  # PEP 625 knows the first, older releases the others


def project_and_version(filename: str) -> tuple[NormalizedName, Version]:
    """What an sdist's file name says. Raises `BadMetadata` for one that is no sdist's name."""
    suffix = next((suffix for suffix in SUFFIXES if filename.lower().endswith(suffix)), None)
    if suffix is None:
        raise BadMetadata(filename, f"an sdist ends in one of {', '.join(SUFFIXES)}")
    try:
        return parse_sdist_filename(filename[: -len(suffix)] + ".tar.gz")
    except InvalidSdistFilename:
        raise BadMetadata(filename, "the file name does not say which project and version it is") from None
