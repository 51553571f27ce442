"""What a person must hear of a resolution that succeeded."""

from __future__ import annotations

from wheelhouse.edge.catalog import ChannelUnreachable
from wheelhouse.edge.index import shown
from wheelhouse.edge.session import Session
from wheelhouse.events import Warned
from wheelhouse.indexes import in_torch_family
from wheelhouse.locking.wanted import Wanted
from wheelhouse.resolve.doubts import doubts
from wheelhouse.resolve.resolution import Resolution
from wheelhouse.resolve.view import View
from wheelhouse.target import Target


def tell_stand_in(target: Target, resolution: Resolution, error: ChannelUnreachable, session: Session) -> None:
    family = [str(pin.candidate) for pin in resolution.pins if in_torch_family(pin.candidate.project)]
    if family:
        proof = "whose metadata proves the same CUDA build"
        if target.accelerator == "cpu":
            proof = "which has no other build there"
        session.listen(
            Warned(
                f"PyTorch's channel `{target.accelerator}` cannot be reached ({error}); PyPI stands in for it with"
                f" {', '.join(family)}, {proof}",
                hint="`--torch-index pytorch` forbids this",
            )
        )


def tell_times(view: View, resolution: Resolution, wanted: Wanted, session: Session) -> None:
    """Once per index: files without an upload time are refused under `--exclude-newer`."""
    if wanted.exclude_newer is None:
        return
    for pin in resolution.pins:
        project = view.project(pin.candidate.project)
        for index in project.untimed() if project is not None else ():
            place = shown(index)
            session.tell_once(Warned(f"`{place}` lists files without an upload time, which `--exclude-newer` refuses"))


def tell_extras(resolution: Resolution, session: Session) -> None:
    """As pip and uv do: an extra that a release does not have is no error, but hardly what was meant."""
    for pin in resolution.pins:
        for extra in sorted(pin.extras - pin.metadata.extras):
            session.tell_once(Warned(f"`{pin.candidate}` has no extra named `{extra}`"))


def tell_doubts(resolution: Resolution, target: Target, session: Session) -> None:
    """Resolved is not tried: what the pins themselves say against each other is better heard before the visit."""
    for doubt in doubts(resolution.pins, target):
        project = doubt.pin.partition(" ")[0]
        session.tell_once(
            Warned(str(doubt), hint=f"ask for `{doubt.supported}`, or for another version of `{project}`")
        )
