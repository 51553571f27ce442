"""PyTorch's builds: which torch a set has, for which CUDA, and for which GPUs there is code in it.

The table is wheelhouse/data/torch_builds.json. What it does not hold is unknown and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

from msgspec import Struct
from packaging.version import Version

from wheelhouse.compat.cuda import Capability, Cuda, architecture, capability
from wheelhouse.compat.model import Subject
from wheelhouse.data import table

# What pins tell of torch's CUDA where its version does not: the version of these is CUDA's (core metadata of torch)
PROOFS = (
    "nvidia-cuda-runtime-cu11",
    "nvidia-cuda-runtime-cu12",
    "nvidia-cuda-runtime-cu13",
    "cuda-toolkit",
    "nvidia-cuda-runtime",
)


class Code(Enum):
    """Whether a build holds code for a GPU."""

    CUBIN = "cubin"  # compiled for it, or for an older minor of the same major
    PTX = "ptx"  # the driver compiles it at first use, if it understands that PTX
    NO = "no"  # "no kernel image is available for execution on the device"
    DOUBTFUL = "doubtful"  # none is expected, but nobody looked into this build
    UNKNOWN = "unknown"


class Release(Struct, frozen=True, kw_only=True):
    """One torch version: who offers it for which CUDA, and what was released with it. None: our table has no fact."""

    version: Version
    default: str | None  # the channel whose build PyPI's Linux x86_64 wheels are; None: their pins prove none
    channels: Mapping[str, tuple[str, ...]]  # "linux-x86_64", "linux-aarch64", "windows-x86_64" → cuNNN channels
    pythons: frozenset[str]  # "3.10", "3.13t": with wheels for Linux x86_64
    requires_python: str
    glibc: tuple[int, int]  # what its wheels on PyPI really need
    triton: str | None  # a version, or a specifier such as "~=3.8.0"
    torchvision: Version | None
    torchaudio: Version | None
    numpy2: bool  # works beside NumPy 2
    source: str


class Build(Struct, frozen=True, kw_only=True):
    """One minor version of torch from one channel, for one platform."""

    torch: tuple[int, int]
    channel: str
    cuda: Cuda
    capabilities: tuple[Capability, ...]  # with code; empty: unknown for this platform
    ptx: Capability | None  # GPUs from this one on may compile the code themselves
    cudnn: str | None
    cxx11_abi: bool
    glibc: tuple[int, int]
    expected: bool  # the capabilities are taken from its neighbours: nobody looked
    source: str


class TorchBuild(Struct, frozen=True, kw_only=True):
    """The torch of a set. `cuda` None: a build for the CPU, or for another maker's GPUs."""

    version: Version
    channel: str | None  # "cu121", "cpu", "rocm6.0"; None: nothing tells
    cuda: Cuda | None
    build: Build | None = None  # None: not in our table
    release: Release | None = None

    def __str__(self) -> str:
        return f"torch {self.version}"

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """The GPUs that it has code for; empty: unknown, or none."""
        return () if self.build is None else self.build.capabilities

    @property
    def ptx(self) -> Capability | None:
        """GPUs from this capability on may compile the code themselves; None: there is no such code."""
        return None if self.build is None else self.build.ptx

    def code_for(self, value: Capability) -> Code:
        """Whether it has code for a GPU; `UNKNOWN` for a build without CUDA."""
        return Code.UNKNOWN if self.cuda is None else code_for(self.build, self.cuda, value)


def torch_build(subject: Subject) -> TorchBuild | None:
    """What the set's torch is; None where it has none.

    Its CUDA: from the local version (`+cu121`), else proven by the pinned CUDA runtime or toolkit, else the target's.
    """
    version = subject.version("torch")
    if version is None:
        return None
    target = subject.target
    channel = (version.local or "").partition(".")[0] or None
    if channel is not None and not channel.startswith(("cu", "cpu", "rocm", "xpu")):
        channel = None  # somebody's own build, or an NGC container's
    if channel is None:
        proven = proven_cuda(subject)
        channel = proven.channel if proven is not None else target.accelerator
    cuda = Cuda.of_channel(channel)
    return TorchBuild(
        version=version,
        channel=channel,
        cuda=cuda,
        build=build(version, channel, os=target.os, arch=target.arch) if cuda is not None else None,
        release=release(version),
    )


def proven_cuda(subject: Subject) -> Cuda | None:
    """The CUDA whose runtime libraries are pinned; None where none is."""
    for name in PROOFS:
        version = subject.version(name)
        if version is not None:
            return Cuda(version.major, version.minor)
    return None


def code_for(build: Build | None, cuda: Cuda, value: Capability) -> Code:
    """Whether a build for `cuda` has code for a GPU.

    Compiled code runs on GPUs of the same major with an equal or higher minor, PTX on any newer GPU (NVIDIA, CUDA C++
    Programming Guide, compute capabilities). A GPU that this CUDA cannot compile for any more has none in any build.
    """
    generation = architecture(value)
    if build is not None and build.capabilities:
        if any(major == value[0] and minor <= value[1] for major, minor in build.capabilities):
            return Code.CUBIN
        if build.ptx is not None and build.ptx <= value:
            return Code.PTX
        if not build.expected:
            return Code.NO
    if generation is not None and generation.last_cuda is not None and cuda > generation.last_cuda:
        return Code.NO
    if build is not None and build.expected and build.capabilities:
        return Code.NO if generation is not None and generation.first_cuda > cuda else Code.DOUBTFUL
    return Code.UNKNOWN


@cache
def releases() -> tuple[Release, ...]:
    """Every known release, oldest first."""
    return tuple(sorted((_release(row) for row in _table()["releases"]), key=lambda each: each.version))


@cache
def release(version: Version) -> Release | None:
    """What is known of a torch version (its local part does not count); None: nothing."""
    return next((each for each in releases() if each.version == Version(version.public)), None)


@cache
def build(version: Version, channel: str | None, *, os: str = "linux", arch: str = "x86_64") -> Build | None:
    """What is known of a torch version as a channel builds it; None: nothing. Pre-releases are not known."""
    row = None if version.is_prerelease else _builds().get((f"{version.major}.{version.minor}", channel or ""))
    if row is None:
        return None
    cuda = Cuda.of_channel(row["channel"])
    assert cuda is not None
    capabilities, ptx = row.get("archs", ()), row.get("ptx")
    if os == "windows":  # "+PTX available on linux builds only" (PyTorch RELEASE.md)
        capabilities, ptx = (capabilities if row.get("windows") else ()), None
    elif arch == "aarch64":
        capabilities = row.get("aarch64", ())
    return Build(
        torch=(version.major, version.minor),
        channel=row["channel"],
        cuda=cuda,
        capabilities=tuple(value for each in capabilities if (value := capability(each)) is not None),
        ptx=capability(ptx),
        cudnn=row.get("cudnn"),
        cxx11_abi=row["cxx11_abi"],
        glibc=_glibc(row["glibc"]),
        expected=row.get("expected", False),
        source=row["source"],
    )


def _release(row: Mapping[str, Any]) -> Release:
    return Release(
        version=Version(row["torch"]),
        default=row.get("default"),
        channels={
            "linux-x86_64": tuple(row.get("channels", ())),
            "linux-aarch64": tuple(row.get("aarch64", ())),
            "windows-x86_64": tuple(row.get("windows", ())),
        },
        pythons=frozenset(row["pythons"]),
        requires_python=row["requires_python"],
        glibc=_glibc(row["glibc"]),
        triton=row.get("triton"),
        torchvision=Version(row["torchvision"]) if "torchvision" in row else None,
        torchaudio=Version(row["torchaudio"]) if "torchaudio" in row else None,
        numpy2=row["numpy2"],
        source=row["source"],
    )


def _glibc(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


@cache
def _builds() -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(row["torch"], row["channel"]): row for row in _table()["builds"]}


def _table() -> Any:
    return table("torch_builds.json")
