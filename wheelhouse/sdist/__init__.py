"""An sdist read without running or unpacking it: its metadata where that is static, and what builds it."""

from wheelhouse.sdist.archive import Member, members, opened_tar
from wheelhouse.sdist.static import (
    LEGACY_BACKEND,
    BuildSystem,
    Dynamic,
    build_system,
    static_metadata,
)

__all__ = [
    "LEGACY_BACKEND",
    "BuildSystem",
    "Dynamic",
    "Member",
    "build_system",
    "members",
    "opened_tar",
    "static_metadata",
]
