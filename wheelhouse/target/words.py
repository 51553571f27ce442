"""The words of a label: what each spelling means, part by part, and which known word is nearest to an unknown one.

A word comes in normalised (`normalise`): lower case, blanks and `_` turned into `.`. Each reader gives its value, None
when the word is not of its kind, or raises `TargetError` when it is of its kind but cannot be meant (`py27`, `rhel11`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Literal, TypeAlias

from msgspec import Struct

from wheelhouse.data import table
from wheelhouse.errors import UsageError

OLDEST_PYTHON = (3, 6)  # install.py runs from here on
FREE_THREADED_SINCE = (3, 13)  # PEP 703
DEFAULT_MACOS = (13, 0)
LONGEST_WORD = 48
OTHER_ARCHS = {
    "x86",
    "i386",
    "i686",
    "win32",
    "armv7l",
    "armv8l",
    "ppc64",
    "ppc64le",
    "s390x",
    "riscv64",
    "loongarch64",
}


class TargetError(UsageError):
    """A label that names no target. `hint` holds the nearest right spelling, or a whole right label."""


class Libc(Struct, frozen=True, order=True):
    """The C library of a Linux, as a floor: `glibc` 2.5 to 2.99, or `musl` 1.0 to 1.9."""

    name: Literal["glibc", "musl"]
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.name}{self.version[0]}.{self.version[1]}"


DEFAULT_LIBC = Libc("glibc", (2, 28))


class System(Struct, frozen=True):
    """An operating system; `version` for macOS alone, None where the label does not name it."""

    name: Literal["linux", "windows", "macos"]
    version: tuple[int, int] | None = None


class Python(Struct, frozen=True):
    """A CPython: minor version, patch level where one is named, and whether it is the free-threaded build."""

    version: tuple[int, int]
    patch: int | None = None
    free_threaded: bool = False

    def __str__(self) -> str:
        threaded = "t" if self.free_threaded else ""
        if self.patch is None:
            return f"py{self.version[0]}{self.version[1]}{threaded}"
        return f"py{self.version[0]}.{self.version[1]}.{self.patch}{threaded}"


Value: TypeAlias = System | Python | Libc | str


def normalise(text: str) -> str:
    return re.sub(r"[\s_.]+", ".", text.lower()).strip(".")


def system(word: str) -> System | None:
    if word in {"linux", "linux64"}:
        return System("linux")
    if word in {"windows", "win", "win64", "windows10", "windows11", "win10", "win11"}:
        return System("windows")
    if word == "darwin":
        return System("macos")
    if re.fullmatch(r"darwin\.?[0-9.]+", word):
        raise TargetError(
            f"`{word}` is the version of a kernel", hint="name the version of macOS, for example `macos14`"
        )
    match = re.fullmatch(r"(?:macosx|macos|mac|osx)(?:\.?([0-9]{1,2})(?:\.([0-9]{1,2}))?(?:\.[0-9]{1,2})?)?", word)
    if match is None:
        return None
    if match[1] is None:
        return System("macos")
    version = int(match[1]), int(match[2] or 0)
    if version < (10, 6):  # the oldest macOS that Python 3.6's installers ran on
        raise TargetError(
            f"`{word}` is too old for any Python 3", hint="for example `macos10.15`, `macos13` or `macos14`"
        )
    return System("macos", version)


def arch(word: str) -> Literal["x86_64", "aarch64"] | None:
    if word in {"x86.64", "amd64", "x64"}:
        return "x86_64"
    if word in {"aarch64", "arm64"}:
        return "aarch64"
    if word in OTHER_ARCHS:
        raise TargetError(f"`{word}` is an architecture that no target can have", hint="write `x86_64` or `aarch64`")
    return None


def accelerator(word: str) -> str | None:
    """PyTorch's name of a build, which is also the name of its channel: `cu121`, `rocm6.0`, `cpu`, `xpu`."""
    if word in {"cpu", "xpu"}:
        return word
    if match := re.fullmatch(r"(?:cu|cuda)\.?([0-9]{3}|[6-9][0-9])", word):
        return f"cu{match[1]}"
    if match := re.fullmatch(r"(?:cu|cuda)\.?([0-9]{1,2})\.([0-9])(?:\.[0-9]{1,3})?", word):
        return f"cu{int(match[1])}{match[2]}"
    if match := re.fullmatch(r"(?:cu|cuda)\.?(1[0-9])?", word):
        near = [build for build in BUILDS if build.startswith(f"cu{match[1] or 12}")]
        spelled = ", ".join(f"`{build}`" for build in near or ["cu118", "cu121"])
        raise TargetError(f"`{word}` does not say which CUDA build", hint=f"name one, for example {spelled}")
    if match := re.fullmatch(r"rocm\.?([0-9]{1,2}(?:\.[0-9]{1,2}){1,2})", word):
        return f"rocm{match[1]}"
    if re.fullmatch(r"rocm\.?[0-9]{0,2}", word):
        raise TargetError(f"`{word}` does not say which ROCm build", hint="name one, for example `rocm6.0`")
    return None


def python(word: str) -> Python | None:
    match = re.fullmatch(r"(?:py|cp|cpython|python)?\.?3\.([0-9]{1,3})(?:\.([0-9]{1,3}))?(t?)", word)
    compact = re.fullmatch(r"(?:py|cp|cpython|python)\.?3([0-9]{1,3})()(t?)", word)
    bare = re.fullmatch(r"3([6-9]|[12][0-9])()(t?)", word)  # `310`; no other part of a label is a bare number
    match = match or compact or bare
    newest = max(newest_patches())
    if match is None:
        if re.fullmatch(r"(?:py|cp|cpython|python)\.?[23]?(?:\.?[0-9.]*)t?", word):
            raise TargetError(
                f"`{word}` is not a Python that a target can have",
                hint=f"name a minor version from `py36` to `{Python(newest)}`, for example `py310` or `py3.10.12`",
            )
        return None
    version = 3, int(match[1])
    patch = int(match[2]) if match[2] else None
    if not OLDEST_PYTHON <= version <= (3, newest[1] + 5):
        near = _nearest(f"py3{match[1]}", ["py310", *(str(Python(known)) for known in newest_patches())])
        raise TargetError(f"`{word}` is not a known Python", hint=f"did you mean `{near or Python(newest)}`?")
    if match[3] and version < FREE_THREADED_SINCE:
        raise TargetError(
            f"`{word}` does not exist: the free-threaded build came with Python 3.13",
            hint=f"write `{Python(version, patch)}`, or `py313t`",
        )
    return Python(version, patch, bool(match[3]))


def libc(word: str) -> Libc | None:
    """glibc by its version, a manylinux policy (PEP 513, 571, 599, 600) or a distribution; musl likewise (PEP 656)."""
    legacy = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
    if word in legacy:
        return Libc("glibc", legacy[word])
    if match := re.fullmatch(r"(?:glibc|manylinux)\.?2\.([0-9]{1,2})", word):
        if int(match[1]) < 5:
            raise TargetError(f"`{word}` is older than any wheel", hint="the oldest is `glibc2.5`")
        return Libc("glibc", (2, int(match[1])))
    if match := re.fullmatch(r"(?:musl|musllinux)\.?1\.([0-9])(?:\.[0-9]{1,2})?", word):
        return Libc("musl", (1, int(match[1])))
    if word in {"musl", "musllinux", "alpine"}:
        return Libc("musl", (1, 2))
    if re.fullmatch(r"(?:glibc|manylinux|musl|musllinux)\.?[0-9.]*", word):
        raise TargetError(f"`{word}` is not a version of a C library", hint="for example `glibc2.28` or `musl1.2`")
    return _distribution(word)


def _distribution(word: str) -> Libc | None:
    match = re.fullmatch(r"([a-z][a-z.]*?)\.?(v?[0-9][0-9.]*(?:sp[0-9]+)?|)(?:lts)?", word.replace(".sp", "sp"))
    if match is None:
        return None
    name, version = match[1].replace(".", ""), match[2].strip(".")
    known = {versions: value for (known_name, versions), value in distributions().items() if known_name == name}
    if not known:
        return None
    tried = version
    while tried:
        for spelling in (tried, f"{tried}.0"):
            if spelling in known:
                return known[spelling]
        tried = tried.rpartition(".")[0]
    message = f"the C library of `{word}` is not known" if version else f"`{word}` does not say which version"
    named = ", ".join(f"`{name}{version}`" for version in known)
    raise TargetError(message, hint=f"known are {named}; else name it as `ldd --version` does there: `glibc2.28`")


def driver(word: str) -> str | None:
    """An NVIDIA driver's version, such as `515.65` or `515.65.01`."""
    if match := re.fullmatch(r"driver\.?([0-9]{3,4}(?:\.[0-9]{1,3}){0,2})", word):
        return match[1]
    if re.fullmatch(r"driver[0-9.]*", word):
        raise TargetError(f"`{word}` is not a driver's version", hint="as `nvidia-smi` says it: `driver515.65`")
    return None


# What follows a model's name and never changes its chip: a form, a memory size that was sold, Ti and Super
VARIANT = re.compile(
    r"(?:ti|super|sxm[0-9]?|pcie|nvl|hbm[0-9]e?|gpu|laptop|maxq|edition|server|workstation|generation"
    r"|(?:4|6|8|10|11|12|16|20|24|32|40|48|64|80|94|96|120|141|144|180|192|288|480)gb)$"
)


def gpu(word: str) -> str | None:
    """A compute capability as `sm80`, named so, or by an NVIDIA model (wheelhouse/data/gpus.json)."""
    if match := re.fullmatch(r"(?:sm|compute)\.?([3-9][0-9]|1[0-9]{2})a?", word):
        return f"sm{match[1]}"
    if match := re.fullmatch(r"(?:sm|compute|cc)\.?([3-9]|1[0-9])\.([0-9])", word):
        return f"sm{match[1]}{match[2]}"
    models = gpus()
    name = re.sub(r"^(?:nvidia|tesla|geforce)+", "", word.replace(".", ""))
    if name.startswith("quadro") and name not in models:
        name = name.removeprefix("quadro")
    while name not in models and (shorter := VARIANT.sub("", name)) != name:
        name = shorter
    if name in {"rtx4000", "rtx5000", "rtx6000"}:
        raise TargetError(f"`{word}` names two GPUs", hint=f"write `quadro{name}` (sm75) or `{name}ada` (sm89)")
    return models.get(name)


# PyTorch's channels as of 2026-11, for hints alone: any cuNNN is understood
BUILDS = ("cpu", "cu118", "cu121", "cu124", "cu126", "cu128", "cu129", "cu130", "cu132", "rocm6.0", "rocm6.4", "xpu")

READERS: dict[str, Callable[[str], Value | None]] = {
    "OS": system,
    "ARCH": arch,
    "ACCELERATOR": accelerator,
    "PYTHON": python,
    "LIBC": libc,
    "DRIVER": driver,
    "GPU": gpu,
}


def nearest(word: str) -> str | None:
    """The known word that is written most like this one, None if none is alike."""
    known = ["linux", "windows", "macos", "macos14", "x86_64", "amd64", "aarch64", "arm64", *BUILDS]
    known += [str(Python(version)) for version in newest_patches()]
    known += ["glibc2.17", "glibc2.28", "glibc2.34", "manylinux2014", "manylinux_2_28", "musl1.2"]
    known += [f"{name}{version}" for name, version in distributions()]
    known += ["driver515.65", "sm80", "sm90", *gpus()]
    return _nearest(word, known)


def _nearest(word: str, known: list[str]) -> str | None:
    from difflib import get_close_matches  # for messages alone

    near = get_close_matches(word[:LONGEST_WORD], known, n=10)
    best = [one for one in known if one in near and _likeness(word, one) == _likeness(word, near[0])]
    return next(iter(best), None)


def _likeness(one: str, other: str) -> float:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, other, one).ratio()


@cache
def newest_patches() -> dict[tuple[int, int], int]:
    """The newest known patch level of each minor version of CPython, oldest version first."""
    rows = table("pythons.json")["pythons"]
    return {(3, int(row["python"].removeprefix("3."))): int(row["newest"]) for row in rows}


def newest_patch(version: tuple[int, int]) -> int:
    """The newest known patch level; for a minor version that came after our table, a bound that it will hardly pass."""
    return newest_patches().get(version, int(table("pythons.json")["assumed_newest"]))


@cache
def distributions() -> dict[tuple[str, str], Libc]:
    """(name, version) of a distribution to its C library."""
    known: dict[tuple[str, str], Libc] = {}
    for row in table("libc.json")["distributions"]:
        match = re.fullmatch(r"(glibc|musl)([0-9]+)\.([0-9]+)", row["libc"])
        assert match is not None
        value = Libc("glibc" if match[1] == "glibc" else "musl", (int(match[2]), int(match[3])))
        known |= {(name, version): value for name in row["names"] for version in row["versions"]}
    return known


@cache
def gpus() -> dict[str, str]:
    """The normalised name of a GPU model to its compute capability as `sm80`."""
    rows = table("gpus.json")["gpus"]
    return {name: "sm" + row["compute_capability"].replace(".", "") for row in rows for name in row["names"]}
