"""Libraries that are looked for by name when a program runs, which no metadata tells: CUDA's families, and numpy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from packaging.utils import NormalizedName

from wheelhouse.compat.binaries.closure import Closure, Owned, family_of, is_quiet, names_of
from wheelhouse.compat.model import Finding, Severity

_BUNDLED_CUDNN = re.compile(r"libcudnn-[0-9a-f]{6,}\.so\.(\d+)")


def other_majors(closure: Closure) -> Iterator[Finding]:
    """`cudnn`, `cuda-mix`: a library is linked to, or names, `libcudnn.so.8`, and the set brings another major version.

    Only for CUDA targets. That the set brings none is no finding: the server may. A file that names several is content
    with any; so is a wheel that has the same file for several CUDA versions (`libbitsandbytes_cuda118.so`, `…121.so`).
    """
    if not (closure.subject.target.accelerator or "").startswith("cu"):
        return
    families = closure.families()
    found: dict[tuple[NormalizedName, str], dict[str, tuple[Owned, str]]] = {}
    for each in closure.files:
        for family, library in _misfits(closure, each, families).items():
            if not all(family in _misfits(closure, other, families) for other in closure.variants(each)):
                continue
            named = found.setdefault((each.project, "cudnn" if family == "cudnn" else "cuda-mix"), {})
            if family not in named or (family_of(library) and not family_of(named[family][1])):
                named[family] = each, library  # a library's own name says more than that of a bundled part
    for (project, rule), misfits in sorted(found.items()):
        yield _finding(closure, project, rule, misfits, families)


def _misfits(closure: Closure, each: Owned, families: Mapping[str, Mapping[str, tuple[Owned, ...]]]) -> dict[str, str]:
    """Family → a library that the file wants, where the set brings the family in other major versions only."""
    if is_quiet(each):
        return {}
    wanted: dict[str, dict[str, str]] = {}
    for library in (*each.elf.needed, *each.elf.mentions, each.elf.name):
        told = family_of(library) or _shim(closure, each, library)
        if told is not None:
            wanted.setdefault(told[0], {}).setdefault(told[1], library)
    return {
        family: min(majors.items())[1]
        for family, majors in wanted.items()
        if family in families and not set(majors) & set(families[family])
    }


def _shim(closure: Closure, each: Owned, library: str) -> tuple[str, str] | None:
    """("cudnn", "8") of `libcudnn-463fd6d5.so.8.9.7` without its sub-libraries, which it looks for by their own names.

    cuDNN 8 and 9 are a thin library and sub-libraries that it opens when they are used; a wheel that bundles the thin
    one alone works with the same major version only (measured on ctranslate2 4.4.0 and 4.5.0).
    """
    match = _BUNDLED_CUDNN.match(library)
    if match is None or any(other.elf.name.startswith("libcudnn_") for other in closure.of(each.project)):
        return None
    return "cudnn", match[1]


def _finding(
    closure: Closure,
    project: NormalizedName,
    rule: str,
    misfits: Mapping[str, tuple[Owned, str]],
    families: Mapping[str, Mapping[str, tuple[Owned, ...]]],
) -> Finding:
    order = sorted(misfits)
    owners = names_of(owner.project for family in order for each in families[family].values() for owner in each)
    wanted = ", ".join(f"`{misfits[family][1]}`" for family in order)
    brought = ", ".join(f"`{_shortest(families[family])}`" for family in order)
    by = f" (`{closure.subject.pins[owners[0]]}`)" if len(owners) == 1 else ""
    user, library = misfits[order[0]]
    part = "" if family_of(library) else ", and that one the rest of its cuDNN,"
    fit = f"cuDNN {'/'.join(sorted(families['cudnn']))}" if rule == "cudnn" else _cuda(closure)
    return Finding(
        rule=rule,
        severity=Severity.ERROR,
        what=f"`{closure.subject.pins[project]}` looks for {wanted}, and the set brings {brought}{by}",
        why=f"`{user.elf.name}` opens `{library}`{part} when a GPU is used, and does not find it",
        way_out=f"a version of `{project}` that was built for {fit}",
        projects=names_of((project, *owners)),
    )


def _cuda(closure: Closure) -> str:
    """ "CUDA 12" of a `cu121` target."""
    return f"CUDA {(closure.subject.target.accelerator or '').removeprefix('cu')[:-1]}"


def _shortest(majors: Mapping[str, tuple[Owned, ...]]) -> str:
    """The SONAME that stands for a family: `libcudnn.so.9` before `libcudnn_ops.so.9`."""
    return min((owner.elf.soname for each in majors.values() for owner in each), key=lambda name: (len(name), name))


def numpy_interface(closure: Closure) -> Iterator[Finding]:
    """`numpy-abi`: compiled for numpy 1's C interface, and the set has numpy 2 or newer.

    numpy 2's headers compile the names of both into a binary, numpy 1's only `numpy.core` (NumPy 2.0 migration guide;
    measured on torch 2.1.2 to 2.11.0, scipy 1.11.4, onnxruntime-gpu 1.18.1 and 1.23.2, opencv-python 4.10).
    """
    numpy = closure.subject.version("numpy")
    if numpy is None or numpy.major < 2:
        return
    found: dict[NormalizedName, list[Owned]] = {}
    for each in closure.files:
        if each.elf.numpy == "1" and closure.is_required(each) and each.project != "numpy":
            found.setdefault(each.project, []).append(each)
    for project, files in sorted(found.items()):
        pin = closure.subject.pins[project]
        torch = project == "torch"
        refusal = "A module that was compiled using NumPy 1.x cannot be run in NumPy 2"
        yield Finding(
            rule="numpy-abi",
            severity=Severity.ERROR if torch else Severity.WARNING,
            what=f"`{pin}` was compiled for numpy 1, and the set has `numpy {numpy}`",
            why="what it exchanges with numpy fails: `RuntimeError: Numpy is not available`"
            if torch
            else f"`{files[0].elf.name}` may refuse to load: `{refusal}`",
            way_out=f"`numpy<2`, or a newer `{project}`",
            projects=names_of((project, NormalizedName("numpy"))),
        )
