"""The compatibility tags and marker environments of a machine, made from its description alone.

Every argument of `packaging.tags` is given: each of its defaults asks the machine that runs us.
"""

from __future__ import annotations

from collections.abc import Iterator

from packaging.markers import Environment
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

from wheelhouse.target.words import Libc, Python

# PEP 600: each legacy policy is another name of a glibc version
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
# The oldest policy: manylinux1 (PEP 513) had x86 only, 64-bit Arm came with manylinux2014 (PEP 599)
OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}


def linux_platforms(libc: Libc, arch: str) -> Iterator[str]:
    """Platform tags of a Linux, best first, down from its C library's version (PEP 600, PEP 656).

    `linux_<arch>` promises nothing about the C library: it comes last, and not at all on musl. (pip on the machine
    itself asks for it first; a wheel that states its floor is the better choice for a machine we cannot try.)
    """
    newest = libc.version[1]
    if libc.name == "musl":
        for minor in range(newest, -1, -1):
            yield f"musllinux_1_{minor}_{arch}"
        return
    for minor in range(newest, OLDEST_GLIBC[arch] - 1, -1):
        yield f"manylinux_2_{minor}_{arch}"
        if minor in LEGACY:
            yield f"{LEGACY[minor]}_{arch}"
    yield f"linux_{arch}"


def platforms(os: str, arch: str, *, libc: Libc | None, macos: tuple[int, int] | None) -> tuple[str, ...]:
    """Platform tags of any target, best first; never empty."""
    if libc is not None:
        return tuple(linux_platforms(libc, arch))
    if macos is not None:
        return tuple(mac_platforms(macos, _mac_arch(arch)))
    assert os == "windows"
    return ("win_amd64" if arch == "x86_64" else "win_arm64",)


def tags(python: Python, platforms: tuple[str, ...]) -> tuple[Tag, ...]:
    """Every tag that CPython takes on these platforms, best first, in the order of `packaging.tags.sys_tags`."""
    interpreter = f"cp{python.version[0]}{python.version[1]}"
    # until 3.7 the ABI names pymalloc, which every common build has (bpo-36707); PEP 703's builds have a `t`
    flags = "m" if python.version < (3, 8) else "t" if python.free_threaded else ""
    specific = cpython_tags(python.version, abis=[interpreter + flags], platforms=platforms)
    general = compatible_tags(python.version, interpreter=interpreter, platforms=platforms)
    return (*specific, *general)


def environment(os: str, arch: str, python: tuple[int, int], patch: int) -> Environment:
    """All eleven marker variables (PEP 508) of CPython at one patch level.

    `platform_release` and `platform_version` tell a kernel's build, which no target knows: empty.
    """
    version = f"{python[0]}.{python[1]}"
    machine, system, sys_platform, os_name = {
        "linux": (arch, "Linux", "linux", "posix"),
        "macos": (_mac_arch(arch), "Darwin", "darwin", "posix"),
        "windows": ("AMD64" if arch == "x86_64" else "ARM64", "Windows", "win32", "nt"),
    }[os]
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.{patch}",
        "os_name": os_name,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": f"{version}.{patch}",
        "python_version": version,
        "sys_platform": sys_platform,
    }


def _mac_arch(arch: str) -> str:
    return "arm64" if arch == "aarch64" else arch
