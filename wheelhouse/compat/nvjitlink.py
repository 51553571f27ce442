"""`nvjitlink`: nvJitLink older than the CUDA libraries that link to it.

libcusparse and libcusolver of CUDA 12.N ask for the symbols `__nvJitLink…_12_N`; libnvJitLink.so.12 of 12.M has those
up to 12_M (measured: 12.0.140, 12.1.105, 12.9.86). Its version node is `libnvJitLink.so.12` in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import NormalizedName

from wheelhouse.compat.majors import cuda
from wheelhouse.compat.model import Finding, Pinned, Severity, Subject

RULE = "nvjitlink"
_SUFFIXES = ("-cu12", "")  # CUDA 13's have none
_LINKED = ("nvidia-cusparse", "nvidia-cusolver")


def findings(subject: Subject) -> Iterator[Finding]:
    """An nvJitLink of the set, or of the server's LD_LIBRARY_PATH, that is too old for the set's other libraries."""
    if cuda(subject) is None:
        return
    for suffix in _SUFFIXES:
        pins = subject.pins
        runtime = pins.get(NormalizedName(f"nvidia-cuda-runtime{suffix}"))
        linked = tuple(NormalizedName(f"{name}{suffix}") for name in _LINKED if f"{name}{suffix}" in pins)
        if runtime is None or not linked:
            continue
        nvjitlink = pins.get(NormalizedName(f"nvidia-nvjitlink{suffix}"))
        if nvjitlink is not None and _older(_minor(nvjitlink), _minor(runtime)):
            yield _finding(
                runtime,
                what=f"`{nvjitlink}` is older than CUDA {_text(runtime)} of `{linked[0]}`, which links to it",
                way_out=f"`{nvjitlink.name}>={_text(runtime)},<{runtime.version.major + 1}`",
                projects=(*linked, nvjitlink.name),
            )
        yield from _shadow(subject, runtime, linked)


def _shadow(subject: Subject, runtime: Pinned, linked: tuple[NormalizedName, ...]) -> Iterator[Finding]:
    """The server's own nvJitLink: LD_LIBRARY_PATH comes before the RUNPATH of libcusparse (measured)."""
    for library, path, by in subject.server.shadows if subject.server is not None else ():
        if library != f"libnvJitLink.so.{runtime.version.major}" or by != "LD_LIBRARY_PATH":
            continue
        toolkit = re.search(r"cuda-([0-9]+)\.([0-9]+)", path)
        known = (int(toolkit[1]), int(toolkit[2])) if toolkit else None
        if known is None or _older(known, _minor(runtime)):
            yield _finding(
                runtime,
                severity=Severity.WARNING if known is None else Severity.ERROR,
                what=f"the server's LD_LIBRARY_PATH puts `{path}` before the set's own nvJitLink {_text(runtime)}",
                way_out="`unset LD_LIBRARY_PATH` on the server before Python starts",
                projects=linked,
            )


def _finding(
    runtime: Pinned,
    *,
    what: str,
    way_out: str,
    projects: tuple[NormalizedName, ...],
    severity: Severity = Severity.ERROR,
) -> Finding:
    major, minor = _minor(runtime)
    return Finding(
        rule=RULE,
        severity=severity,
        what=what,
        why=f"`import torch` fails: `undefined symbol: __nvJitLinkAddData_{major}_{minor}`",
        way_out=way_out,
        projects=tuple(sorted(projects)),
    )


def _minor(pin: Pinned) -> tuple[int, int]:
    return pin.version.major, pin.version.minor


def _older(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Older within one major; another major is another file."""
    return one[0] == other[0] and one[1] < other[1]


def _text(pin: Pinned) -> str:
    return f"{pin.version.major}.{pin.version.minor}"
