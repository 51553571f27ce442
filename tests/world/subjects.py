"""Sets for the rules of `wheelhouse.compat`: pins in a line each, and the stacks that scripts/stacks recorded."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.compat.model import Pinned, Subject
from wheelhouse.compat.server import Server
from wheelhouse.target import Target

STACKS = Path(__file__).resolve().parents[1] / "stacks"


def pinned(text: str) -> Pinned:
    """`torch==2.5.1 nvidia-cudnn-cu12 numpy`: a pin and what it requires; `file=NAME` names another file."""
    pin, *words = text.split()
    name, _, version = pin.partition("==")
    files = [word.removeprefix("file=") for word in words if word.startswith("file=")]
    return Pinned(
        name=NormalizedName(name),
        version=Version(version),
        filename=files[0] if files else f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
        dependencies=tuple(canonicalize_name(word) for word in words if not word.startswith("file=")),
    )


def subject(target: str, *pins: str, roots: Iterable[str] = (), server: Server | None = None) -> Subject:
    """A set for a target; without `roots` nothing is known to have been asked for."""
    return Subject(
        target=Target.parse(target),
        pins={pin.name: pin for pin in map(pinned, pins)},
        roots=tuple(NormalizedName(name) for name in roots),
        server=server,
    )


def server(**seen: object) -> Server:
    """A server of which only what is given is known."""
    values: Mapping[str, object] = {"label": "linux-x86_64-py310", "os": "linux", "arch": "x86_64", **seen}
    return Server(**values)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One recorded stack; `bad` names the rules that must object to it."""

    name: str
    bad: tuple[str, ...]
    subject: Subject


def stacks() -> tuple[Stack, ...]:
    """Every recorded stack, by name."""
    return tuple(_stack(path) for path in sorted(STACKS.glob("*.toml")))


def _stack(path: Path) -> Stack:
    text = tomllib.loads(path.read_text(encoding="utf-8"))
    pins = []
    for line in text["pins"]:
        name = line.partition("==")[0]
        pins.append(" ".join((line, f"file={text['files'][name]}", *text["dependencies"].get(name, ()))))
    return Stack(name=path.stem, bad=tuple(text["bad"]), subject=subject(text["target"], *pins, roots=text["roots"]))
