"""`torch-family`: torch and what is compiled against it are of one build. Table: `torch_family_pairs.json`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.compat.builds import torch_build
from wheelhouse.compat.majors import cuda, holds, listed, severity
from wheelhouse.compat.model import Finding, Pinned, Severity, Subject
from wheelhouse.data import table

RULE = "torch-family"
# flash-attn's wheels and those built after its manner: `2.8.3+cu12torch2.8cxx11abiTRUE` (file names on GitHub)
_NAMED = re.compile(r"cu([0-9]{2})[0-9]?torch([0-9]+\.[0-9]+)(?:cxx11abi(true|false))?")


def findings(subject: Subject) -> Iterator[Finding]:
    """Companions of another torch, and wheels of several accelerators; nothing where the set has no torch."""
    torch = subject.pins.get(NormalizedName("torch"))
    yield from _labels(subject)
    if torch is None:
        return
    gpu = cuda(subject) is not None
    for row in table("torch_family_pairs.json")["rows"]:
        pin = subject.pins.get(row["project"])
        if pin is None or (row.get("gpu") and not gpu):
            continue
        built = _built_for(row["project"], pin.version)
        if built and _minor(torch.version) not in built:
            yield _finding(
                torch,
                pin,
                built=f"torch {' or '.join(built)}",
                weight=severity(row["severity"]) or Severity.ERROR,
                seen=row["seen"],
                way_out="\n".join(_ways(row["project"], torch, built)),
            )
    for row in table("torch_family_pairs.json")["since"]:
        pin = subject.pins.get(row["project"])
        if pin is None or not holds(row["versions"], pin.version) or torch.version.release >= _release(row["torch"]):
            continue
        yield _finding(
            torch,
            pin,
            built=f"torch {row['torch']} or newer",
            weight=severity(row["severity"]) or Severity.ERROR,
            seen=row["seen"],
            way_out="\n".join(_ways(row["project"], torch, ())) or f"`torch>={row['torch']}`",
        )
    if gpu:
        yield from _named(subject, torch)


def _named(subject: Subject, torch: Pinned) -> Iterator[Finding]:
    """Wheels whose local version names the torch, CUDA and C++ ABI that they are built for: all are to be the set's."""
    build, minor = torch_build(subject), _minor(torch.version)
    for pin in subject.pins.values():
        named = _NAMED.fullmatch(pin.version.local or "")
        if named is None:
            continue
        module = pin.name.replace("-", "_")
        seen, right = f"`import {module}` fails with undefined symbols", ""
        if named[2] != minor:
            built, right = f"torch {named[2]}", f"torch{minor}"
        elif build is not None and build.cuda is not None and build.cuda.major != int(named[1]):
            built, right = f"CUDA {named[1]}", f"cu{build.cuda.major}"
            seen = f"`import {module}` fails: `libcudart.so.{named[1]}` cannot be opened"
        elif named[3] and build is not None and build.build and build.build.cxx11_abi != (named[3] == "true"):
            built = "the C++11 ABI" if named[3] == "true" else "the C++ ABI from before C++11"
            right = f"cxx11abi{str(build.build.cxx11_abi).upper()}"
        if right:
            way_out = f"the wheel of that release with `{right}` in its name"
            yield _finding(torch, pin, built=built, weight=Severity.ERROR, seen=seen, way_out=way_out)


def _finding(torch: Pinned, pin: Pinned, *, built: str, weight: Severity, seen: str, way_out: str) -> Finding:
    return Finding(
        rule=RULE,
        severity=weight,
        what=f"`{pin}` is built for {built}, and the set has `{torch}`",
        why=seen,
        way_out=way_out,
        projects=tuple(sorted((torch.name, pin.name))),
    )


def _built_for(project: str, version: Version) -> tuple[str, ...]:
    """The minor versions of torch that this version is built for; empty where the table does not know."""
    for row in table("torch_family_pairs.json")["rows"]:
        if row["project"] == project:
            exact: dict[str, str] = row.get("torch_by_exact_version", {})
            minors: dict[str, str] = row.get("torch_by_version", {})
            return tuple((exact.get(version.public) or minors.get(_minor(version)) or "").split())
    return ()


@cache
def _fitting(project: str, torch: str) -> tuple[str, ...]:
    """The versions of a companion for a minor version of torch, oldest first; empty where the table has none."""
    found: list[str] = []
    for row in table("torch_family_pairs.json")["rows"]:
        if row["project"] == project:
            found += [key for key, minors in row.get("torch_by_version", {}).items() if torch in minors.split()]
            found += [key for key, minors in row.get("torch_by_exact_version", {}).items() if torch in minors.split()]
    return tuple(found)


def _ways(project: str, torch: Pinned, built: tuple[str, ...]) -> Iterator[str]:
    fitting = _fitting(project, _minor(torch.version))
    if fitting:
        exact = "" if fitting[-1].count(".") > 1 else ".*"
        yield f"`{project}=={fitting[-1]}{exact}`, built for torch {_minor(torch.version)}"
    if built:
        yield f"{'or ' if fitting else ''}`torch=={built[-1]}.*`"


def _labels(subject: Subject) -> Iterator[Finding]:
    """Every wheel of the family names one accelerator, the target's (`2.1.2+cu121`)."""
    accelerator = subject.target.accelerator
    labelled: dict[str, list[Pinned]] = {}
    for name in table("torch_family_pairs.json")["labelled"]:
        pin = subject.pins.get(name)
        if pin is not None and re.fullmatch(r"cpu|cu[0-9]+|rocm[0-9.]+|xpu", pin.version.local or ""):
            labelled.setdefault(pin.version.local or "", []).append(pin)
    if len(labelled) > 1:
        pins = [pin for group in labelled.values() for pin in group]
        yield Finding(
            rule=RULE,
            severity=Severity.ERROR,
            what=f"{listed(f'`{pin}`' for pin in pins)} are builds for different accelerators",
            why="undefined symbols at import, or two CUDA runtimes in one process",
            way_out=f"all of them for one, such as `{accelerator or next(iter(labelled))}`, from that channel alone",
            projects=tuple(sorted(pin.name for pin in pins)),
        )
        return
    for label, pins in labelled.items():
        if accelerator is not None and label != accelerator:
            cpu = label == "cpu" and cuda(subject) is not None
            yield Finding(
                rule=RULE,
                severity=Severity.ERROR,
                what=f"{listed(f'`{pin}`' for pin in pins)}: built for `{label}`, and the target is `{accelerator}`",
                why="`torch.cuda.is_available()` is False: it is a CPU build"
                if cpu
                else f"what is checked for `{accelerator}`, driver and GPU, does not hold for it",
                way_out=f"the version without `+{label}`, or the target with `{label}` in place of `{accelerator}`",
                projects=tuple(sorted(pin.name for pin in pins)),
            )


def _minor(version: Version) -> str:
    return f"{version.major}.{version.minor}"


def _release(text: str) -> tuple[int, ...]:
    return Version(text).release
