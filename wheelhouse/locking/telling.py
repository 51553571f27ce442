"""What a person must hear of a resolution that succeeded."""

from __future__ import annotations

from wheelhouse.edge.catalog import ChannelUnreachable
from wheelhouse.edge.index import shown
from wheelhouse.edge.session import Session
from wheelhouse.events import Said, Warned
from wheelhouse.indexes import Index, in_torch_family, is_labelled
from wheelhouse.locking.wanted import Wanted
from wheelhouse.resolve.candidates import ACCELERATOR
from wheelhouse.resolve.doubts import doubts
from wheelhouse.resolve.resolution import Resolution
from wheelhouse.resolve.view import View
from wheelhouse.target import Target


def tell_stand_in(target: Target, resolution: Resolution, error: ChannelUnreachable, session: Session) -> None:
    family = [str(pin.candidate) for pin in resolution.pins if in_torch_family(pin.candidate.project)]
    if family:
        proof = "whose metadata proves the same CUDA build"
        if target.accelerator == "cpu":
            proof = "whose metadata names no CUDA" if target.os == "linux" else "which has no other build there"
        session.listen(
            Warned(
                f"PyTorch's channel `{target.accelerator}` cannot be reached ({error}); PyPI stands in for it with"
                f" {', '.join(family)}, {proof}",
                hint="`--torch-index pytorch` forbids this",
            )
        )


def tell_stand_in_of_mirror(
    target: Target, resolution: Resolution, channel: Index | None, session: Session
) -> str | None:
    """The target's accelerator where PyPI's builds were taken from a mirror's page of the channel, which says so."""
    if channel is None or target.os == "macos" or target.arch != "x86_64":
        return None
    taken = [pin.candidate for pin in resolution.pins if pin.candidate.index == channel]
    builds = [each for each in taken if is_labelled(each.project) and not ACCELERATOR.match(each.version.local or "")]
    if not builds:
        return None
    builds_here = f"`{target.accelerator}` of `{shown(channel)}` has PyPI's own build of {', '.join(map(str, builds))}"
    session.listen(Said(f"{builds_here}, which stood in for the channel when it was locked for this mirror"))
    return target.accelerator


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
