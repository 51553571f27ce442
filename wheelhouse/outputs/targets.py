"""A target for people to read, and the parts of a label."""

from __future__ import annotations

from collections.abc import Iterator

from wheelhouse.target import Target

_TAGS = 6  # shown of each end


def explained(target: Target) -> Iterator[str]:
    """What a label stands for, a line each."""
    newest, oldest = target.environments[-1], target.environments[0]
    yield target.label
    yield f"  lock file      {target.lock_name}"
    span = oldest["python_full_version"]
    if len(target.environments) > 1:
        span += f" to {newest['python_full_version']}"
    yield f"  Python         {span}{' (free-threaded)' if target.free_threaded else ''}"
    if target.libc is not None:
        yield f"  libc           {target.libc.name} {target.libc.version[0]}.{target.libc.version[1]} or newer"
    if target.macos is not None:
        yield f"  macOS          {target.macos[0]}.{target.macos[1]} or newer"
    yield f"  accelerator    {target.accelerator or 'none: no project of the torch family'}"
    if target.driver is not None:
        yield f"  driver         {target.driver} or newer"
    if target.gpu is not None:
        yield f"  GPU            {target.gpu}"
    yield f"  tags           {len(target.tags)}, best first:"
    for tag in target.tags[:_TAGS]:
        yield f"                 {tag}"
    yield "                 …"
    yield f"                 {target.tags[-1]}"


PARTS = {
    "OS": "linux, windows, macos (macos14)",
    "ARCH": "x86_64 (amd64), aarch64 (arm64)",
    "ACCELERATOR": "cpu, cu118, cu121, cu124, … (any CUDA), rocm6.0, xpu; needed for PyTorch's projects",
    "PYTHON": "py310 (cp310, py3.10), with a patch level: py3.10.12, free-threaded: py313t",
    "LIBC": "glibc2.28 (the default), manylinux_2_28, musl1.2, or a system: rhel8.9, ubuntu22.04, rocky9",
    "DRIVER": "driver515.65",
    "GPU": "sm80, or a model: a100, t4, rtx4090",
}


def parts() -> Iterator[str]:
    """How a label is put together, a line each."""
    yield "OS-ARCH-ACCELERATOR-PYTHON[-LIBC][-DRIVER][-GPU], in any order:"
    for part, values in PARTS.items():
        yield f"  {part:<14} {values}"
    yield ""
    yield "such as linux-x86_64-cu121-py310, linux-aarch64-cpu-py312-ubuntu22.04, windows-x86_64-cu124-py311"
