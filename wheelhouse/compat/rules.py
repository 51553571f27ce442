"""Every rule by name, and all of them asked at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from wheelhouse.compat import (
    cuda_extras,
    cudnn,
    downloads,
    driver,
    family,
    fit,
    glibc,
    gpu,
    mixing,
    ngc,
    numpy_abi,
    nvjitlink,
    system,
)
from wheelhouse.compat.collisions import collisions
from wheelhouse.compat.model import Finding, Subject

RULES: Mapping[str, str] = {
    "machine": "the probed server's system and architecture against the target's",
    "python-version": "the probed server's Pythons against the target's",
    "driver": "the NVIDIA driver against the CUDA that the wheels were built with",
    "gpu": "the GPU against the architectures that the build holds code for",
    "cuda-mix": "libraries of several CUDA majors in one set",
    "cudnn": "cuDNN 8 against cuDNN 9",
    "cuda-extra": "a package whose CUDA libraries come with an extra only",
    "nvjitlink": "nvJitLink against the CUDA libraries that link to it",
    "torch-family": "torch, torchvision, torchaudio, xformers and triton of one build",
    "numpy-abi": "binaries built for NumPy 1 beside NumPy 2",
    "collision": "distributions that write the same files",
    "glibc": "the C library that the binaries really need",
    "desktop-library": "libraries of a desktop that servers lack",
    "program": "programs that a package starts",
    "compiler": "a compiler that a package needs at run time",
    "ngc": "an NGC container, which brings its own torch",
    "download": "models and data that a package downloads at first use",
    "binary": "symbols and libraries that the set's own binaries lack",
}

_ASKED: tuple[Callable[[Subject], Iterable[Finding]], ...] = (
    fit.findings,
    driver.findings,
    gpu.findings,
    mixing.findings,
    cudnn.findings,
    cuda_extras.findings,
    nvjitlink.findings,
    family.findings,
    numpy_abi.findings,
    collisions,
    glibc.findings,
    system.findings,
    ngc.findings,
    downloads.findings,
)


def findings(subject: Subject) -> tuple[Finding, ...]:
    """What all rules say of a set, each finding once, `in_order`."""
    return in_order(each for ask in _ASKED for each in ask(subject))


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once: the worst first, then in the order of `RULES`, then by project."""
    order = {rule: at for at, rule in enumerate(RULES)}
    return tuple(
        sorted(dict.fromkeys(found), key=lambda each: (-each.severity, order[each.rule], each.projects, each.what))
    )
