"""`cuda-extra`: packages whose CUDA libraries come with an extra only, which was forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.compat.majors import cuda
from wheelhouse.compat.model import Finding, Pinned, Severity, Subject

RULE = "cuda-extra"
_TENSORFLOW_SINCE = Version("2.14")  # the first with the extra `and-cuda` (release notes of TensorFlow 2.14)


def findings(subject: Subject) -> Iterator[Finding]:
    """tensorflow and jax that will run on the CPU of a CUDA target; nothing on other targets."""
    own = cuda(subject)
    if own is None or subject.target.os != "linux":
        return
    libraries = any(name.startswith(("nvidia-cudnn", "nvidia-cuda-runtime")) for name in subject.pins)
    tensorflow = subject.pins.get(NormalizedName("tensorflow"))
    if tensorflow is not None and tensorflow.version >= _TENSORFLOW_SINCE and not libraries:
        yield _finding(
            subject,
            tensorflow,
            why="it runs on the CPU, and the log says `Cannot dlopen some GPU libraries`",
            way_out="`tensorflow[and-cuda]`",
        )
    jax = subject.pins.get(NormalizedName("jax"))
    if jax is not None and not any(name.startswith("jax-cuda") for name in subject.pins):
        yield _finding(
            subject,
            jax,
            why="`jax.devices()` lists the CPU alone",
            way_out=f"`jax[cuda{own[0]}]`",
        )
    ctranslate2 = subject.pins.get(NormalizedName("ctranslate2"))
    if ctranslate2 is not None and "torch" not in subject.pins and not libraries:
        yield _finding(
            subject,
            ctranslate2,
            severity=Severity.NOTE,  # a CUDA toolkit of the server will do
            why="without a CUDA toolkit on the server: `Library libcublas.so.12 is not found or cannot be loaded`",
            way_out="`nvidia-cublas-cu12` too, with its folder `nvidia/cublas/lib` in LD_LIBRARY_PATH on the server",
        )


def _finding(subject: Subject, pin: Pinned, *, why: str, way_out: str, severity: Severity | None = None) -> Finding:
    aside = "torch" in subject.pins and pin.name not in subject.roots  # came along, and torch does the work
    return Finding(
        rule=RULE,
        severity=severity or (Severity.NOTE if aside else Severity.WARNING),
        what=f"`{pin}` comes without CUDA libraries, and the target is `{subject.target.accelerator}`",
        why=why,
        way_out=way_out,
        projects=(pin.name,),
    )
