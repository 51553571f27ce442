"""Which pages name the wheels of a lock."""

from __future__ import annotations

from collections.abc import Mapping

from wheelhouse.indexes import in_torch_family
from wheelhouse.lock import Lock, LockedPackage
from wheelhouse.mirroring.names import CHANNEL, Address, channel_of, project
from wheelhouse.resolve.candidates import ACCELERATOR
from wheelhouse.target import Target


def channel(pin: LockedPackage) -> str | None:
    """The channel of PyTorch's index that a wheel came from, or is built for; None for an ordinary wheel.

    It came from one where its index ends with a channel's name (PyTorch's own, or a mirror of it). A project of the
    torch family tells its channel in the local version also: `2.1.2+cu121`.
    """
    found = channel_of(pin.index)
    if found is None and in_torch_family(pin.name):
        named = ACCELERATOR.match(pin.version.local or "")
        found = named[0] if named is not None and CHANNEL.fullmatch(named[0]) else None
    return found


def placed(lock: Lock) -> Mapping[Address, tuple[LockedPackage, ...]]:
    """The pages that the wheels of a lock belong on.

    A wheel from a channel is on the channel's page only: beside PyPI's file of the same name it could not be told apart
    (triton 3.3 is both). All others are in `simple/`. For a target with an accelerator every pin is on that channel
    too, as on PyTorch's index, so that `--index-url …/whl/cu121` needs no second index.
    """
    target = Target.parse(lock.label)
    found: dict[Address, dict[str, LockedPackage]] = {}

    def put(where: str, pin: LockedPackage) -> None:
        found.setdefault(Address(where, project(pin.name)), {})[pin.wheel.filename] = pin

    for pin in lock.packages:
        put(channel(pin) or "", pin)
        if target.accelerator is not None:
            put(target.accelerator, pin)
    if lock.installer is not None:
        put("", lock.installer)
    return {address: tuple(pins.values()) for address, pins in sorted(found.items())}
