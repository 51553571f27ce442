"""A torch that PyPI stood in for is locked again inside the wall, from the mirror's channel, with the same proof."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from packaging.utils import NormalizedName
from packaging.version import Version
from world import FakeIndex, build_wheel, pip_wheel
from world.mirror_servers import embedded
from world.mirroring import CUDA, MOMENT, published, stored
from world.project import Project

from wheelhouse.digests import Digest
from wheelhouse.edge.mirror import publish
from wheelhouse.edge.mirror.storage import Directory
from wheelhouse.indexes import Index
from wheelhouse.mirroring.names import Address
from wheelhouse.mirroring.record import Entry, Record
from wheelhouse.resolve.candidates import Source
from wheelhouse.resolve.project import Project as Seen
from wheelhouse.simple import Listing, listing
from wheelhouse.simple.json import parse
from wheelhouse.target import Target

TORCH = NormalizedName("torch")
PAGE = "https://mirror.test/whl/cu121/torch/"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not waited for."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def record(label: str, version: str = "2.1.2", *, name: NormalizedName = TORCH, channel: str = "cu121") -> Record:
    filename = f"{name}-{version}-py3-none-any.whl"
    entry = Entry(
        filename=filename, version=Version(version), digest=Digest.of(filename.encode()), size=1,
        locks=(f"{label}/{'1' * 64}",), added=MOMENT,
    )  # fmt: skip
    return Record(address=Address(channel, name), entries=(entry,))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (record(CUDA), "cu121"),
        (record("windows-x86_64-cu121-py310"), "cu121"),
        (record(CUDA, "2.1.2+cu121"), None),
        (record(CUDA, name=NormalizedName("numpy")), None),
        (record(CUDA, channel=""), None),
        (record(CUDA, channel="cu118"), None),
        (record("macos-arm64-cpu-py310", channel="cpu"), None),  # its wheels have no label on the channel either
        (record("no-such-machine"), None),
    ],
    ids=lambda each: f"{each.address.folder} {each.entries[0].filename}" if isinstance(each, Record) else "",
)
def test_the_page_of_a_channel_says_where_pypi_stood_in(found: Record, told: str | None) -> None:
    assert found.stand_in == told
    assert json.loads(found.text()).get("_stand-in") == told
    assert Record.parse(found.address, found.text()) == found
    page = listing(found.address.project, PAGE, "application/vnd.pypi.simple.v1+json", found.text().encode())
    kept = Listing.load(page.dump())
    assert kept is not None
    assert page.stand_in == kept.stand_in == told


@pytest.mark.parametrize(("label", "standing_in"), [(CUDA, True), ("linux-x86_64-cu118-py310", False)])
def test_only_the_channel_that_is_named_counts(label: str, standing_in: bool) -> None:
    page = listing(TORCH, PAGE, "application/json", record(CUDA).text().encode())
    assert Seen(TORCH, [Source(page, Index(PAGE))], Target.parse(label)).standing_in is standing_in


def test_other_readers_of_the_page_do_not_mind() -> None:
    assert len(parse(TORCH, PAGE, record(CUDA).text().encode()).files) == 1


def test_it_is_locked_again_from_the_mirror_alone(pypi: FakeIndex, tmp_path: Path) -> None:
    project = Project(tmp_path, pypi)
    assert project.lock("torch==2.1.2", "torchvision", "numpy<2", "--target", CUDA, "--torch-index", "pypi").code == 0
    assert project.run("fetch").code == 0
    assert project.run("mirror", "add", "--to", "mirror").code == 0
    with embedded(tmp_path / "mirror") as server:
        root = server.url.rstrip("/")
        inside = ("--index-url", f"{root}/simple", "--pytorch-url", f"{root}/whl", "--lock-dir", "inside")
        ran = project.run("lock", "torch", "torchvision", "--target", CUDA, *inside)
        assert ran.code == 0, ran.err
        assert ran.err.startswith(
            f"`cu121` of `127.0.0.1:{server.port}` has PyPI's own build of torch 2.1.2, torchvision 0.16.2,"
            " which stood in for the channel when it was locked for this mirror\n"
        )
    assert project.pins(CUDA, "inside") == project.pins(CUDA)
    assert project.locked(CUDA, "inside")["tool"]["wheelhouse"]["stand-in"] == "cu121"
    assert project.run("diff", project.path(CUDA), project.path(CUDA, "inside")).out == "no difference; 31 packages\n"


def test_a_page_that_claims_it_gets_nothing_in_without_the_proof(tmp_path: Path, index: FakeIndex) -> None:
    bare = build_wheel("torch", "2.1.2", tag="cp310-cp310-manylinux1_x86_64")
    pip = pip_wheel()
    mirror = Directory(tmp_path / "mirror")
    publish.add(mirror, [published(CUDA, [bare], pip=pip)], stored(tmp_path / "store", [bare, pip]), added=MOMENT)
    with embedded(tmp_path / "mirror") as server:
        root = server.url.rstrip("/")
        ran = Project(tmp_path, index).run(
            "lock", "torch", "--target", CUDA, "--index-url", f"{root}/simple", "--pytorch-url", f"{root}/whl"
        )
    assert ran.code == 1
    assert "`torch` 2.1.2: names no CUDA runtime, which does not prove a `cu121` build\n" in ran.err
