"""Pins that say themselves that they do not work together, where no requirement says it.

A project that can use another declares that in an extra of the same name: `torch>=2.6; extra == "torch"` of
transformers 5. Nobody asks for the extra, the other project is in the closure all the same, and the limit binds no
resolver. (Measured on 2026-11-22: with torch 2.1.2 transformers 5.20.2 switches PyTorch off, and says so at run time.)
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from packaging.utils import canonicalize_name

from wheelhouse.resolve.resolution import Pin
from wheelhouse.target import Target


class Doubt(Struct, frozen=True):
    """`pin` supports the other project within `supported` only, and the set has `found`."""

    pin: str  # "transformers 5.20.2"
    supported: str  # "torch>=2.6"
    found: str  # "torch 2.1.2"

    def __str__(self) -> str:
        return (
            f"`{self.pin}` supports `{self.supported}`, as its extra of that name says, and the lock has `{self.found}`"
        )


def doubts(pins: Sequence[Pin], target: Target) -> tuple[Doubt, ...]:
    """What the pins of a closed set say against each other, in the order of the pins."""
    others = {pin.candidate.project: pin for pin in pins}
    chosen = {project: pin.candidate for project, pin in others.items()}
    found = []
    for pin in pins:
        for requirement in pin.metadata.requires_on(chosen):
            name = canonicalize_name(requirement.name)
            other = chosen.get(name)
            if other is None or name in pin.extras or requirement.specifier.contains(other.version, prereleases=True):
                continue
            if any(each.operator == "==" for each in requirement.specifier):
                continue  # the one version that was tried (celery 5.7.0: `pydantic==2.14.1`), not the only that works
            if _asks(others.get(name), pin.candidate.project, target):
                continue  # it knows this one, and takes it (tensorflow 2.18: tensorflow-io-gcs-filesystem 0.37.1)
            if target.admits(requirement.marker, {name}) and not target.admits(requirement.marker):
                found.append(Doubt(str(pin.candidate), f"{name}{requirement.specifier}", str(other)))
    return tuple(dict.fromkeys(found))


def _asks(pin: Pin | None, project: str, target: Target) -> bool:
    """Whether a pin requires the project itself, whatever its extras say."""
    return pin is not None and any(target.admits(each.marker) for each in pin.metadata.requires_on({project}))
