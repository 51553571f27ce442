"""What a person asks for: requirements files in pip's syntax, constraints, and requirements of the command line."""

from wheelhouse.requirements.file import parse
from wheelhouse.requirements.line import asked, requirement
from wheelhouse.requirements.model import (
    COMMAND_LINE,
    IndexOptions,
    LocalProject,
    NotText,
    RequirementError,
    RequirementsFile,
    Root,
)
from wheelhouse.requirements.text import decode

__all__ = [
    "COMMAND_LINE",
    "IndexOptions",
    "LocalProject",
    "NotText",
    "RequirementError",
    "RequirementsFile",
    "Root",
    "asked",
    "decode",
    "parse",
    "requirement",
]
