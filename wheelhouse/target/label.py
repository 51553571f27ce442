"""A label read into its parts, and written again in one canonical way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from wheelhouse.target.checkdigits import digits, slips, split
from wheelhouse.target.tags import OLDEST_GLIBC
from wheelhouse.target.words import (
    DEFAULT_LIBC,
    DEFAULT_MACOS,
    LONGEST_WORD,
    READERS,
    Libc,
    Python,
    System,
    TargetError,
    Value,
    arch,
    nearest,
    normalise,
)

EXAMPLE = "linux-x86_64-cu121-py310"
FORM = f"a target reads OS-ARCH-ACCELERATOR-PYTHON[-LIBC][-DRIVER][-GPU], for example `{EXAMPLE}`"
MANY_WORDS = 12
SPOKEN = {
    "OS": "operating system",
    "ARCH": "architecture",
    "ACCELERATOR": "accelerator",
    "PYTHON": "Python",
    "LIBC": "C library",
    "DRIVER": "driver",
    "GPU": "GPU",
}


class Parts(Struct, frozen=True, kw_only=True):
    """What a label says, defaults filled in; `str` is its canonical form."""

    os: Literal["linux", "windows", "macos"]
    arch: Literal["x86_64", "aarch64"]
    python: Python
    accelerator: str | None = None
    libc: Libc | None = None  # on Linux alone, and always there
    macos: tuple[int, int] | None = None  # on macOS alone, and always there
    driver: str | None = None
    gpu: str | None = None

    def __str__(self) -> str:
        system: str = self.os
        if self.macos is not None and self.macos != DEFAULT_MACOS:
            major, minor = self.macos
            system += f"{major}.{minor}" if minor else f"{major}"
        libc = None if self.libc in (None, DEFAULT_LIBC) else str(self.libc)
        driver = f"driver{self.driver}" if self.driver else None
        parts = (system, self.arch, self.accelerator, str(self.python), libc, driver, self.gpu)
        return "-".join(part for part in parts if part)


def read(label: str) -> Parts:
    """What the label says. A check group at its end (`-ck40713`) must fit; it is no part of the canonical form.

    Raises `TargetError`: a word that is not known, a part that is missing or told twice, parts that exclude each other,
    check digits that do not fit.
    """
    typed, found = split(label)
    if found is None:
        return _read(typed)
    try:
        parts = _read(typed)
    except TargetError as error:  # with the digits at hand there may be a better guess than the nearest word
        if digits(typed) != found and (meant := _meant(typed, found)):
            raise TargetError(str(error), hint=f"did you mean `{meant}`?") from None
        raise
    if found in (digits(typed), digits(str(parts))):  # also in another order, or with another spelling of a word
        return parts
    hint = "type it again from the probe's page; without `-ckNNNNN` nothing is checked"
    if meant := _meant(typed, found):
        hint = f"did you mean `{meant}`?\n{hint}"
    raise TargetError(
        f"the check digits of `{_short(typed)}` do not fit: a character of it, or a digit, was mistyped", hint=hint
    )


def _meant(typed: str, found: str) -> str | None:
    """The one label that is a single slip away and has these digits, or this one with its own; None for several."""
    likely = {str(parts) for text in slips(typed, found) if (parts := _readable(text)) is not None}
    own = digits(typed)
    unlike = [at for at in range(len(own)) if own[at] != found[at]]
    swapped = len(unlike) == 2 and unlike[1] == unlike[0] + 1 and sorted(own) == sorted(found)
    if (len(unlike) == 1 or swapped) and _readable(typed) is not None:
        likely.add(f"{typed}-ck{own}")  # the slip is in the digits
    return likely.pop() if len(likely) == 1 else None


def _readable(text: str) -> Parts | None:
    try:
        return _read(text)
    except TargetError:
        return None


def _read(label: str) -> Parts:
    words = _words(label)
    found: dict[str, tuple[str, Value]] = {}
    for word in words:
        kind, value = _recognise(word, words)
        if kind in found:
            first = found[kind][0]
            kept = _sketch(found)
            said = "twice" if found[kind][1] == value else f"as `{_short(first)}` and as `{_short(word)}`"
            raise TargetError(
                f"target `{_short(label)}` names its {SPOKEN[kind]} {said}", hint=f"name one, for example `{kept}`"
            )
        found[kind] = word, value
    missing = [SPOKEN[kind] for kind in ("OS", "ARCH", "PYTHON") if kind not in found]
    if missing:
        raise TargetError(
            f"target `{_short(label)}` names no {' and no '.join(missing)}",
            hint=f"for example `{_sketch(found)}`" if found else FORM,
        )
    return _fit(found, label)


def _words(label: str) -> list[str]:
    text = re.sub(r"x86-64", "x86_64", label.strip(), flags=re.IGNORECASE)
    if not text:
        raise TargetError("the target is empty", hint=FORM)
    words: list[str] = []
    for word in text.split("-", MANY_WORDS)[: MANY_WORDS + 1]:
        # a platform tag holds two parts: manylinux_2_28_x86_64, win_amd64
        tag = re.fullmatch(r"(.+?)[\s_.]+(x86[\s_.]+64|amd64|x64|aarch64|arm64)", word.strip(), flags=re.IGNORECASE)
        words += [tag[1], tag[2]] if tag else [word.strip()]
    if "" in words:
        raise TargetError(
            f"target `{_short(label)}` has an empty part", hint=_rewritten([each for each in words if each]) or FORM
        )
    if len(words) > MANY_WORDS:
        raise TargetError(f"target `{_short(label)}` has more than {MANY_WORDS} parts", hint=FORM)
    return words


def _recognise(word: str, words: list[str]) -> tuple[str, Value]:
    plain = normalise(word)
    if plain and len(word) <= LONGEST_WORD:
        for kind, reader in READERS.items():
            value = reader(plain)
            if value is not None:
                return kind, value
    message = f"`{_short(word)}` is not a part of a target that is known"
    if len(word) <= LONGEST_WORD and plain:
        if whole := _joined_otherwise(word, words):
            raise TargetError(message, hint=f"`-` stands between parts, never inside one: write {whole}")
        if near := nearest(plain):
            whole = _rewritten([near if one is word else one for one in words])
            raise TargetError(
                message, hint=f"did you mean `{near}`?" + (f" The target would be {whole}" if whole else "")
            )
    raise TargetError(message, hint=FORM)


def _joined_otherwise(word: str, words: list[str]) -> str | None:
    """The label, if it is one once `linux x86_64` is taken apart or `rtx-4090` put together."""
    at = next(place for place, one in enumerate(words) if one is word)
    attempts = [[*words[:at], *re.split(r"[\s,;/+]+", word), *words[at + 1 :]]]
    for length in (2, 3, 4):
        for start in range(max(0, at - length + 1), at + 1):
            attempts.append([*words[:start], "".join(words[start : start + length]), *words[start + length :]])
    return next((whole for each in attempts if (whole := _rewritten([one for one in each if one]))), None)


def _rewritten(words: Iterable[str]) -> str | None:
    """The canonical label of these words in backticks, if they make one."""
    found: dict[str, tuple[str, Value]] = {}
    try:
        for word in words:
            for kind, reader in READERS.items():
                value = reader(normalise(word)) if len(word) <= LONGEST_WORD else None
                if value is not None:
                    if kind in found:
                        return None
                    found[kind] = word, value
                    break
            else:
                return None
        return f"`{_fit(found, '')}`" if {"OS", "ARCH", "PYTHON"} <= found.keys() else None
    except TargetError:
        return None


def _sketch(found: dict[str, tuple[str, Value]]) -> str:
    """A whole right label with what was found, and likely parts for what was not."""
    likely: dict[str, tuple[str, Value]] = {
        "OS": ("", System("linux")),
        "ARCH": ("", "x86_64"),
        "PYTHON": ("", Python((3, 10))),
    }
    try:
        return str(_fit({**likely, **found}, ""))
    except TargetError:
        return EXAMPLE


def _fit(found: dict[str, tuple[str, Value]], label: str) -> Parts:
    """The parts with their defaults; raises `TargetError` where they exclude each other."""

    def value(kind: str) -> str | None:
        return str(found[kind][1]) if kind in found else None

    system, python = found["OS"][1], found["PYTHON"][1]
    assert isinstance(system, System)
    assert isinstance(python, Python)
    machine = arch(normalise(str(found["ARCH"][1])))
    assert machine is not None
    libc = found["LIBC"][1] if "LIBC" in found else None
    assert libc is None or isinstance(libc, Libc)
    accelerator = value("ACCELERATOR")

    def clash(message: str, *drop: str) -> TargetError:
        kept = {kind: each for kind, each in found.items() if kind not in drop}
        return TargetError(
            f"target `{_short(label)}` cannot be: {message}", hint=f"write `{_sketch(kept)}`, or name another system"
        )

    name = {"linux": "Linux", "windows": "Windows", "macos": "macOS"}[system.name]
    if libc is not None and system.name != "linux":
        raise clash(f"{libc} is a C library of Linux, not of {name}", "LIBC")
    if libc is not None and libc.name == "glibc" and libc.version[1] < OLDEST_GLIBC[machine]:
        raise clash(f"no wheel for {machine} is as old as {libc}", "LIBC")
    if accelerator not in (None, "cpu") and system.name == "macos":
        raise clash(f"there are no {accelerator} builds for macOS", "ACCELERATOR", "DRIVER", "GPU")
    if accelerator is not None and accelerator.startswith("rocm") and system.name == "windows":
        raise clash(f"there are no {accelerator} builds for Windows", "ACCELERATOR")
    for kind in ("DRIVER", "GPU"):
        if kind in found and (system.name == "macos" or (accelerator or "").startswith(("rocm", "xpu"))):
            other = "macOS" if system.name == "macos" else str(accelerator)
            raise clash(f"the {SPOKEN[kind]} `{_short(found[kind][0])}` is NVIDIA's and does not go with {other}", kind)
    macos = (system.version or DEFAULT_MACOS) if system.name == "macos" else None
    if macos is not None and machine == "aarch64" and macos < (11, 0):
        raise TargetError(
            f"target `{_short(label)}` cannot be: aarch64 came with macOS 11", hint="write `macos11` or later"
        )
    return Parts(
        os=system.name,
        arch=machine,
        python=python,
        accelerator=accelerator,
        libc=(libc or DEFAULT_LIBC) if system.name == "linux" else None,
        macos=macos,
        driver=value("DRIVER"),
        gpu=value("GPU"),
    )


def _short(text: str) -> str:
    """The text on one line and not too long, to stand in a message."""
    printable = "".join(each if each.isprintable() else "?" for each in text[: 2 * LONGEST_WORD])
    return printable if len(text) <= 2 * LONGEST_WORD else printable + "…"
