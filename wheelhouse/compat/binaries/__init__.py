"""The binaries of a closure: what each wheel's shared libraries need and bring, and whether that fits together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.utils import NormalizedName

from wheelhouse.compat.binaries.closure import Closure
from wheelhouse.compat.binaries.elf import BadElf, read_elf
from wheelhouse.compat.binaries.families import numpy_interface, other_majors
from wheelhouse.compat.binaries.model import DAMAGED, Elf, Names, WheelBinaries, record, restored
from wheelhouse.compat.binaries.strings import Strings
from wheelhouse.compat.binaries.symbols import missing_symbols
from wheelhouse.compat.binaries.system import glibc, missing_libraries
from wheelhouse.compat.model import Finding, Severity, Subject

__all__ = ["BadElf", "Elf", "Names", "Strings", "WheelBinaries", "findings", "read_elf", "record", "restored"]

_RULES = (missing_symbols, other_majors, numpy_interface, glibc, missing_libraries)


# What metadata can tell too, under a name of its own
_SAID_AS = {"binary": ("nvjitlink", "torch-family")}


def findings(
    subject: Subject, binaries: Mapping[NormalizedName, WheelBinaries], known: Iterable[Finding] = ()
) -> tuple[Finding, ...]:
    """What the binaries of a closed set say against it, worst first, then by rule and project.

    `binaries` may lack projects: what is not known is not judged. Only Linux targets have ELF files. The rules are
    `binary`, `cudnn`, `cuda-mix`, `numpy-abi`, `glibc` and `desktop-library`. `known` are findings from metadata, which
    know better ways out: what repeats one of at least the same weight is left out.
    """
    if subject.target.os != "linux":
        return ()
    closure = Closure(subject, binaries)
    found = [finding for rule in _RULES for finding in rule(closure)]
    found += _unreadable(subject, binaries)
    said = [(each, frozenset(each.projects)) for each in known]
    found = [each for each in found if not any(_repeats(each, other, projects) for other, projects in said)]
    return tuple(sorted(found, key=lambda each: (-each.severity, each.rule, each.projects, each.what)))


def _repeats(found: Finding, known: Finding, projects: frozenset[NormalizedName]) -> bool:
    """Whether a finding says again what is known: the same rule, of a project that it is about."""
    if known.rule not in (found.rule, *_SAID_AS.get(found.rule, ())) or known.severity < found.severity:
        return False
    about = [project for project in found.projects if project != "numpy" and not project.startswith("nvidia-")]
    return bool(projects.intersection(about or found.projects))


def _unreadable(subject: Subject, binaries: Mapping[NormalizedName, WheelBinaries]) -> list[Finding]:
    """A wheel that no installer can unpack is a warning. A file that only begins like an ELF file may be meant so."""
    found = []
    for project in sorted(set(binaries) & set(subject.pins)):
        for path, reason in binaries[project].unreadable:
            broken = not path or reason.startswith(DAMAGED)
            wheel = binaries[project].filename
            found.append(
                Finding(
                    rule="binary",
                    severity=Severity.WARNING if broken else Severity.NOTE,
                    what=f"`{path or wheel}` of `{subject.pins[project]}` cannot be read: {reason}",
                    why="pip stops at it when it unpacks the wheel" if broken else "what it needs was not checked",
                    way_out=f"unpack it here first: `python -m zipfile -t {wheel}`\nor ask for another version of"
                    f" `{project}`"
                    if broken
                    else "",
                    projects=(project,),
                )
            )
    return found
