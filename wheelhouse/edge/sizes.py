"""How large what was laid out is."""

from __future__ import annotations

import tarfile
from pathlib import Path


def wheels(path: Path) -> dict[str, int]:
    """The bytes of each wheel in a wheel folder, a bundle, or a bundle's tar file, by file name."""
    if path.is_dir():
        return {each.name: each.stat().st_size for each in sorted(path.rglob("*.whl"))}
    with tarfile.open(path, "r:") as archive:
        members = [member for member in archive if member.isfile() and member.name.endswith(".whl")]
    return {member.name.rpartition("/")[2]: member.size for member in members}
