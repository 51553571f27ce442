"""What builds are for: the CUDA of a set, and rows of tables that say what a version was built against."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.compat.model import Pinned, Severity, Subject
from wheelhouse.data import table


class Build(Struct, frozen=True, kw_only=True):
    """One row of `cuda_builds.json`: what the PyPI wheels of some versions of a project are built for."""

    project: NormalizedName
    versions: str
    cuda: tuple[int, ...]  # majors; empty: it says so itself
    cudnn: int | None  # None: needs none, or not known
    with_torch: bool = False  # means something only beside torch
    library: str = ""  # what the loader does not find beside another major
    severity: Severity = Severity.WARNING
    seen: str = ""
    seen_cudnn: str = ""
    fits: tuple[tuple[int, str], ...] = ()  # (CUDA major of the set, what to take there)


@cache
def _specifiers(versions: str) -> SpecifierSet:
    return SpecifierSet(versions)


def holds(versions: str, version: Version) -> bool:
    """Whether a table's versions (`>=4,<4.5`; empty: all) hold for a pinned one, pre-releases as well."""
    return _specifiers(versions).contains(version, prereleases=True)


@cache
def _builds() -> tuple[Build, ...]:
    return tuple(_build(row) for row in table("cuda_builds.json")["rows"])


def _build(row: dict[str, Any]) -> Build:
    return Build(
        project=row["project"],
        versions=row["versions"],
        cuda=tuple(row["cuda"]),
        cudnn=row["cudnn"],
        with_torch=row.get("with_torch", False),
        library=row.get("library", ""),
        severity=severity(row.get("severity")) or Severity.WARNING,
        seen=row.get("seen", ""),
        seen_cudnn=row.get("seen_cudnn", "") or row.get("seen", ""),
        fits=tuple((int(major), text) for major, text in row.get("fits", {}).items()),
    )


def built(subject: Subject) -> Iterator[tuple[Pinned, Build]]:
    """The pins whose builds are known, with what they are built for, in the table's order."""
    for build in _builds():
        pin = subject.pins.get(build.project)
        if pin is not None and holds(build.versions, pin.version):
            yield pin, build


def severity(word: str | None) -> Severity | None:
    """The severity that a table names; None where it names none: nothing is said."""
    return None if word is None else Severity[word.upper()]


def cuda_of(label: str | None) -> tuple[int, int] | None:
    """`cu121` as (12, 1); None for all other accelerators and local versions."""
    match = re.fullmatch(r"cu([0-9]{2})([0-9])", label or "")
    return None if match is None else (int(match[1]), int(match[2]))


def cuda(subject: Subject) -> tuple[int, int] | None:
    """The CUDA of a set, (12, 1): torch's own build label, else the target's; None where the target is no CUDA one."""
    accelerator = subject.target.accelerator
    torch = subject.version("torch")
    own = cuda_of(torch.local) if torch is not None else None
    return None if accelerator is not None and cuda_of(accelerator) is None else own or cuda_of(accelerator)


def needed_by(subject: Subject, name: NormalizedName) -> str:
    """Who wants a project, for a sentence: "`whisperx 3.4.2`"; "you" where it was asked for; empty: nobody known."""
    wanting = [f"`{pin}`" for pin in sorted_pins(subject) if name in pin.dependencies]
    return listed([*(["you"] if name in subject.roots else []), *wanting])


def sorted_pins(subject: Subject) -> tuple[Pinned, ...]:
    """All pins by name, so that findings do not hang on the order of a mapping."""
    return tuple(subject.pins[name] for name in sorted(subject.pins))


def listed(items: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = list(items) or [""]
    return f"{', '.join(most)} and {last}" if most else last
