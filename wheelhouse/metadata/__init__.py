"""Core metadata of one wheel: what its METADATA says, and how to read that from a few ranges of the wheel's bytes."""

from wheelhouse.metadata.core import BadMetadata, CoreMetadata, pack, parse, unpack
from wheelhouse.metadata.requires import Requires, is_of_an_extra, specifiers
from wheelhouse.metadata.wheel import (
    LARGEST_METADATA,
    Missing,
    SparseFile,
    members,
    read_metadata,
    unpacked_size,
)

__all__ = [
    "LARGEST_METADATA",
    "BadMetadata",
    "CoreMetadata",
    "Missing",
    "Requires",
    "SparseFile",
    "is_of_an_extra",
    "members",
    "pack",
    "parse",
    "read_metadata",
    "specifiers",
    "unpack",
    "unpacked_size",
]
