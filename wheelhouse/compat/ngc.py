"""`ngc`: an NGC container, which brings a torch of its own."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName

from wheelhouse.compat.model import Finding, Severity, Subject
from wheelhouse.data import table

RULE = "ngc"


def findings(subject: Subject) -> Iterator[Finding]:
    """A set with torch for a server that was probed inside an NGC container."""
    if subject.server is None or subject.server.ngc is None:
        return
    family = [NormalizedName(name) for name in table("torch_family.json")["labelled"] if name in subject.pins]
    if not family:
        return
    torch = subject.pins[family[0]]
    yield Finding(
        rule=RULE,
        severity=Severity.WARNING,
        what=f"the server is NVIDIA's container {subject.server.ngc}, which has a torch of its own, and the set"
        f" brings `{torch}`",
        why="the container's torch is like `2.6.0a0+df5bbc09d1.nv24.12`, a pre-release that no `torch==2.6.0` and"
        " no `torch>=2.6` takes: in a venv two torch are there, in the container's own Python this one replaces it",
        way_out="install into a venv and leave the container's Python alone, as `install.sh` does"
        "\nor a plain CUDA image in place of the container",
        projects=tuple(sorted(family)),
    )
