"""`cudnn`: cuDNN 8 against cuDNN 9. Tables: `cuda_builds.json`, and `cudnn.json` for the ways out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.compat.majors import Build, built, cuda, holds, needed_by, sorted_pins
from wheelhouse.compat.model import Finding, Pinned, Severity, Subject
from wheelhouse.data import table

RULE = "cudnn"


def findings(subject: Subject) -> Iterator[Finding]:
    """Who needs another cuDNN than the set has; nothing where the target is no CUDA one or the set has none."""
    own = cuda(subject)
    if own is None or subject.target.os != "linux":
        return
    yield from _shadows(subject)
    found = _cudnn(subject, own[0])
    if found is None:
        return
    major, holder = found
    for pin, build in built(subject):
        if build.cudnn is None or build.cudnn == major or pin.name == holder.name:
            continue
        if own[0] not in build.cuda and build.cuda:
            continue  # it does not even load: `cuda-mix` says so
        if pin.name == "torch" and not _packaged(pin):
            continue  # its wheel holds its own cuDNN
        yield Finding(
            rule=RULE,
            severity=Severity.ERROR if pin.name == "torch" else build.severity,
            what=f"`{pin}` needs cuDNN {build.cudnn}, and the set has cuDNN {major} from `{holder}`",
            why=build.seen_cudnn or "the loader does not find the other's files, or symbols are missing",
            way_out="\n".join(_ways(subject, pin, build, major)),
            projects=tuple(sorted({pin.name, holder.name})),
        )


def _cudnn(subject: Subject, cuda_major: int) -> tuple[int, Pinned] | None:
    """The cuDNN that libraries find in the set, and the pin that holds it; torch comes first where it bundles one."""
    pins = [pin for pin in sorted_pins(subject) if re.fullmatch(r"nvidia-cudnn-cu[0-9]{2}", pin.name)]
    pins.sort(key=lambda pin: pin.name != f"nvidia-cudnn-cu{cuda_major}")
    packaged = (pins[0].version.major, pins[0]) if pins else None
    torch = subject.pins.get(NormalizedName("torch"))
    if torch is None or (packaged and (_packaged(torch) or not torch.dependencies)):
        return packaged
    bundled = next((build.cudnn for pin, build in built(subject) if pin is torch), None)
    return packaged if bundled is None else (bundled, torch)


def _packaged(torch: Pinned) -> bool:
    """Whether this torch takes cuDNN from a wheel of its own; those that do not hold it themselves."""
    return any(name.startswith("nvidia-cudnn") for name in torch.dependencies)


def _ways(subject: Subject, pin: Pinned, build: Build, major: int) -> Iterator[str]:
    if pin.name == "onnxruntime-gpu":
        if major == 9:
            yield "`onnxruntime-gpu>=1.19,<1.24`"
        else:  # an older onnxruntime-gpu takes cuDNN 8 and CUDA 11, which this set has not
            yield "`torch>=2.4`, which brings cuDNN 9"
            yield "or `onnxruntime`, which runs on the CPU too and is smaller"
        return
    if pin.name != "ctranslate2":
        yield f"versions that agree on cuDNN {build.cudnn}"
        return
    if build.cudnn == 9:
        yield "`ctranslate2>=4.6.3`, which needs no cuDNN"
        yield "or `ctranslate2<4.5`, the last with cuDNN 8"
        return
    rows = table("cudnn.json")["rows"]
    for row in rows:
        asking = subject.version(row["project"])
        if asking is not None and holds(row["versions"], asking):
            yield from row["ways"]
            return
    yield "`ctranslate2>=4.6.3`, which needs no cuDNN" + _against(subject, pin)
    known = table("cudnn.json")["torch_with_8"]
    torch = subject.version("torch")
    if torch is not None and torch >= Version("2.4"):
        channels = " or ".join(f"`{channel}`" for channel in known["channels"])
        yield f"or `torch=={known['newest']}`, the newest with cuDNN 8, for a {channels} target"


def _against(subject: Subject, pin: Pinned) -> str:
    who = needed_by(subject, pin.name)
    return f" (ctranslate2 comes with {who})" if who and who != "you" else ""


def _shadows(subject: Subject) -> Iterator[Finding]:
    """cuDNN of the server that LD_LIBRARY_PATH puts before the set's own (RUNPATH comes after it)."""
    seen = subject.server.shadows if subject.server is not None else ()
    named = [path for library, path, by in seen if library.startswith("libcudnn") and by == "LD_LIBRARY_PATH"]
    pins = tuple(pin.name for pin in sorted_pins(subject) if pin.name.startswith("nvidia-cudnn-cu"))
    if named and pins:
        yield Finding(
            rule=RULE,
            severity=Severity.WARNING,
            what=f"the server's LD_LIBRARY_PATH puts `{named[0]}` before the set's own cuDNN",
            why="parts of two cuDNN meet in one process: `CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH`",
            way_out="`unset LD_LIBRARY_PATH` on the server before Python starts",
            projects=pins,
        )
