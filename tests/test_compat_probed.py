"""A set against a server that was probed: the labels that findings name, and what an incomplete probe leaves open."""

from __future__ import annotations

import re

from world.subjects import server, subject

from wheelhouse.compat.model import Severity
from wheelhouse.compat.rules import findings
from wheelhouse.compat.server import Gpu, SeenPython, Server

TORCH = ("torch==2.1.2 nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime-cu12==12.1.105")
A100 = Gpu(name="NVIDIA A100-SXM4-80GB", capability=(8, 0))
PYTHON = SeenPython(path="/usr/bin/python3.10", version=(3, 10, 12))


def named(target: str, *pins: str, seen: Server) -> list[str]:
    """Every target that a way out names."""
    found = findings(subject(target, *pins, server=seen))
    return [label for each in found for label in re.findall(r"`--target (\S+)`", each.way_out)]


def test_a_way_out_names_the_whole_label_of_the_probe() -> None:
    label = "linux-x86_64-cu118-py310-glibc2.31-driver515.65.01-sm80"
    seen = server(label=label, driver="515.65.01", gpus=(A100,), pythons=(PYTHON,))
    assert named("linux-x86_64-cu121-py310", *TORCH, seen=seen) == [label]
    assert named("linux-x86_64-cu121-py310-glibc2.17", *TORCH, seen=seen) == [label]


def test_a_way_out_keeps_the_python_of_the_target() -> None:
    """The probe proposes the best of several Pythons; the set is for another one that is there."""
    label = "linux-x86_64-cu118-py310-driver515.65.01-sm80"
    seen = server(label=label, driver="515.65.01", gpus=(A100,))
    assert named("linux-x86_64-cu121-py311", *TORCH, seen=seen) == [label.replace("py310", "py311")]


def test_what_the_probe_did_not_see_stays_as_the_target_says() -> None:
    seen = server(label="linux-x86_64-cu118-py310-driver515.65.01", driver="515.65.01")
    assert named("linux-x86_64-cu121-py310-sm80", *TORCH, seen=seen) == [
        "linux-x86_64-cu118-py310-driver515.65.01-sm80"
    ]
    nothing = server(label="", driver="515.65.01")
    assert named("linux-x86_64-cu121-py310", *TORCH, seen=nothing) == ["linux-x86_64-cu118-py310"]


def test_what_a_probe_leaves_open_is_no_error() -> None:
    assert findings(subject("linux-x86_64-py310", server=Server(label="", os="", arch=""))) == ()
    (finding,) = findings(subject("linux-x86_64-py310", server=Server(label="", os="windows", arch="")))
    assert (finding.rule, finding.severity, finding.what) == (
        "machine",
        Severity.ERROR,
        "the server is windows, and the target is linux x86_64",
    )
    (finding,) = findings(subject("linux-x86_64-py310", server=Server(label="", os="", arch="aarch64")))
    assert finding.what == "the server is aarch64, and the target is linux x86_64"
