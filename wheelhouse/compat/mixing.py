"""`cuda-mix`: libraries of several CUDA majors in one set. Table: `cuda_builds.json`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations, groupby

from msgspec import Struct
from packaging.utils import NormalizedName

from wheelhouse.compat.majors import built, cuda, listed, severity, sorted_pins
from wheelhouse.compat.model import Finding, Pinned, Severity, Subject
from wheelhouse.data import table

RULE = "cuda-mix"


class Library(Struct, frozen=True):
    """A pinned NVIDIA library, its name without the suffix, and the CUDA major that it is for."""

    pin: Pinned
    stem: str
    major: int


def findings(subject: Subject) -> Iterator[Finding]:
    """What mixes CUDA majors; nothing where the target is no Linux with CUDA."""
    own = cuda(subject)
    if own is None or subject.target.os != "linux":
        return
    libraries = tuple(_libraries(subject))
    yield from _same_files(subject, libraries)
    yield from _strangers(subject, libraries, own[0])
    yield from _builds_for_another(subject, own[0])
    yield from _several_cupy(subject)


def _libraries(subject: Subject) -> Iterator[Library]:
    toolkit = set(table("cuda_builds.json")["toolkit"]["projects"])
    for pin in sorted_pins(subject):
        if match := re.fullmatch(r"nvidia-(.+)-cu([0-9]{2})", pin.name):
            yield Library(pin, match[1], int(match[2]))
        elif pin.name in toolkit and pin.version.major >= 11:
            yield Library(pin, pin.name.removeprefix("nvidia-"), pin.version.major)


def _same_files(subject: Subject, libraries: tuple[Library, ...]) -> Iterator[Finding]:
    stems = table("cuda_builds.json")["same_files"]["stems"]
    by_stem = sorted((each for each in libraries if each.stem in stems), key=lambda each: (each.stem, each.major))
    for stem, group in groupby(by_stem, key=lambda each: each.stem):
        for one, other in combinations(group, 2):
            yield Finding(
                rule=RULE,
                severity=severity(stems[stem]) or Severity.ERROR,
                what=f"`{one.pin}` for CUDA {one.major} and `{other.pin}` for CUDA {other.major} write the same files",
                why=f"whichever is installed last wins, and the other's users load a {stem} of the wrong CUDA"
                + (": `CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH`" if stem == "cudnn" else ""),
                way_out="\n".join(_keep(subject, each.pin) for each in (one, other)),
                projects=(one.pin.name, other.pin.name),
            )


def _keep(subject: Subject, pin: Pinned) -> str:
    who = [each.name for each in sorted_pins(subject) if pin.name in each.dependencies]
    if not who:
        return f"leave out `{pin.name}`"
    brought = listed(f"`{name}`" for name in who)
    return f"leave out `{pin.name}`: {brought} without it, or an override of `{who[0]}` that drops it"


def _strangers(subject: Subject, libraries: tuple[Library, ...], major: int) -> Iterator[Finding]:
    majors = {each.major for each in libraries}
    if "torch" not in subject.pins and len(majors) < 2:
        return  # one major alone, whatever the label says: a newer driver runs it
    stems = set(table("cuda_builds.json")["same_files"]["stems"])
    paired = {stem for stem in stems if len({each.major for each in libraries if each.stem == stem}) > 1}
    strangers = [each for each in libraries if each.major != major and each.stem not in paired]
    for other in sorted({each.major for each in strangers}):
        names = [each.pin.name for each in strangers if each.major == other]
        harmless = all(name in subject.roots or name.startswith("nvidia-nccl-") for name in names)
        whose = "torch" if "torch" in subject.pins else "the target"
        bringing = {pin.name for pin in sorted_pins(subject) if not set(names).isdisjoint(pin.dependencies)}
        who = sorted(bringing.difference(names))
        come = "comes" if len(names) == 1 else "come"
        yield Finding(
            rule=RULE,
            severity=Severity.NOTE if harmless else Severity.WARNING,
            what=f"{_count(names)} for CUDA {other} {come} beside CUDA {major} of {whose}",
            why="two CUDA runtimes in one process: more memory, and libraries of one that are found by the other",
            way_out=f"versions of {listed(f'`{name}`' for name in who)} for CUDA {major}" if who else "one CUDA major",
            projects=tuple(names),
        )


def _count(names: list[NormalizedName]) -> str:
    shown = listed(f"`{name}`" for name in names[:3])
    return shown if len(names) <= 3 else f"{', '.join(f'`{name}`' for name in names[:2])} and {len(names) - 2} more"


def _builds_for_another(subject: Subject, major: int) -> Iterator[Finding]:
    torch = "torch" in subject.pins
    for pin, build in built(subject):
        if not build.cuda or major in build.cuda or (build.with_torch and not torch):
            continue
        weight = build.severity if torch else min(build.severity, Severity.WARNING)
        provided = any(f"nvidia-cublas-cu{each}" in subject.pins for each in build.cuda)
        if provided and pin.name != "bitsandbytes":
            weight = Severity.NOTE  # the library is there; finding it is a matter of LD_LIBRARY_PATH
        builds = listed(str(each) for each in build.cuda)
        yield Finding(
            rule=RULE,
            severity=weight,
            what=f"`{pin}` is built for CUDA {builds}, and {'torch' if torch else 'the target'} has CUDA {major}",
            why=build.seen,
            way_out=dict(build.fits).get(major, f"a build of `{pin.name}` for CUDA {major}, or another target"),
            projects=tuple(sorted({pin.name, NormalizedName("torch") if torch else pin.name})),
        )


def _several_cupy(subject: Subject) -> Iterator[Finding]:
    cupys = [pin for pin in sorted_pins(subject) if re.fullmatch(r"cupy(-cuda[0-9a-z]+|-rocm[0-9-]+)?", pin.name)]
    if len(cupys) > 1:
        yield Finding(
            rule=RULE,
            severity=Severity.ERROR,
            what=f"{listed(f'`{pin}`' for pin in cupys)} are all the package `cupy`",
            why="they write the same files; whichever is installed last wins, in parts",
            way_out="ask for one of them",
            projects=tuple(pin.name for pin in cupys),
        )
