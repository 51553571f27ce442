"""A lock as a mirror publishes it: PEP 751, its wheels named by their place in the mirror."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError
from wheelhouse.lock import Lock, LockedPackage, dump, parse
from wheelhouse.mirroring.names import file_key, lock_key, wheel
from wheelhouse.urls import redact

_ROOT = Path("/mirror")  # any: only the way from the lock to the wheel is written
_FILE = re.compile(r"files/[0-9a-f]{2}/([0-9a-f]{64})/")


class NotBuilt(WheelhouseError):
    """The lock has source distributions whose wheels are not built yet."""

    hint = "run `wheelhouse fetch` first: it builds them"

    def __init__(self, label: str, names: tuple[str, ...]) -> None:
        super().__init__(label, names)
        self.label, self.names = label, names

    def __str__(self) -> str:
        return f"the lock of `{self.label}` has no wheel yet of {', '.join(f'`{name}`' for name in self.names)}"


class Publication(Struct, frozen=True):
    """A lock, and the text that stands for it in the mirror."""

    lock: Lock
    text: str

    @property
    def reference(self) -> str:
        """`<label>/<sha256 of the text>`: what pages call the lock."""
        return f"{self.lock.label}/{Digest.of(self.text.encode()).hex}"

    @property
    def key(self) -> str:
        return lock_key(self.reference)


def publication(lock: Lock) -> Publication:
    """The lock with every wheel named as `../../files/…`: the same text wherever the lock was made.

    Nothing of where the wheels came from is told but their index, and that without credentials. Raises `NotBuilt`, and
    `BadName` for a file name that a mirror does not take.
    """
    if lock.sources:
        raise NotBuilt(lock.label, tuple(source.name for source in lock.sources))
    here = replace(
        lock,
        packages=tuple(_here(pin) for pin in lock.packages),
        installer=None if lock.installer is None else _here(lock.installer),
    )
    return Publication(lock, dump(here, folder=_ROOT / "locks" / lock.label))


def _here(pin: LockedPackage) -> LockedPackage:
    wheel(pin.wheel.filename, pin.name)
    url = f"file://{_ROOT.as_posix()}/{quote(file_key(pin.wheel.digest, pin.wheel.filename))}"
    return replace(
        pin,
        wheel=replace(pin.wheel, url=url),
        index=None if pin.index is None else redact(pin.index),
    )


def republished(text: str, source: str) -> Publication:
    """A published lock, read again. Raises `BadLock`."""
    return Publication(parse(text, source=source, folder=_ROOT / "locks" / "label"), text)


def named(text: str) -> frozenset[str]:
    """The SHA-256 of every file that a published lock's text names; quick, for thousands of them."""
    return frozenset(_FILE.findall(text))
