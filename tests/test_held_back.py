"""Held back: how the reasons are ordered, and that an ordinary world raises no alarm. The rest is in `scenarios`."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from world.cli import wheelhouse
from world.pytorch import FakePyTorch
from world.scenarios import LINUX, catalog_of, view_of
from world.server import FakeIndex

from wheelhouse.resolve.held_back import HeldBack, held_back
from wheelhouse.resolve.refusals import RequiresPython, SdistOnly, TooNew, WrongTag, Yanked
from wheelhouse.target import Target

TARGET = Target.parse(LINUX)
ORDINARY = (
    "requests jinja2 networkx sympy numpy pillow cryptography fsspec filelock mpmath"
    " attrs redis tqdm opt-einsum setuptools packaging"
)


def judged(**newer: object) -> list[HeldBack]:
    """What is said of `foo` 1.0 where 2.0 is as told."""
    catalog = catalog_of({"foo": {"1.0": [], "2.0": newer}}, TARGET)
    pin = (canonicalize_name("foo"), Version("1.0"), SpecifierSet())
    return list(held_back(view_of(catalog, TARGET), [pin]))


def test_the_first_reason_in_the_order_of_the_questions_counts() -> None:
    everything = {
        "yanked": "oops",
        "python": ">=3.13",
        "wheels": ["cp313-cp313-win_amd64"],
        "sdist": True,
    }
    said = []
    for dropped in (None, "yanked", "python"):
        everything.pop(dropped or "", None)
        said.append(judged(**everything)[0].reason)
    said.append(judged(wheels=["cp311-cp311-win_amd64"], sdist=True)[0].reason)
    said.append(judged(wheels=[], sdist=True)[0].reason)
    assert said == [
        Yanked("oops"),
        RequiresPython(">=3.13"),
        WrongTag("cp313-cp313-win_amd64", "interpreter"),
        WrongTag("cp311-cp311-win_amd64", "platform"),
        SdistOnly(),
    ]


def test_the_file_that_came_nearest_speaks_for_its_version() -> None:
    (held,) = judged(wheels=["cp27-cp27m-win_amd64", "cp311-cp311-win_amd64", "cp312-cp312-manylinux_2_28_x86_64"])
    assert (held.reason, held.filename) == (
        WrongTag("cp311-cp311-win_amd64", "platform"),
        "foo-2.0-cp311-cp311-win_amd64.whl",
    )


@pytest.mark.parametrize(
    ("newer", "level"),
    [
        ({"wheels": [], "sdist": True}, "error"),
        ({"wheels": ["cp311-cp311-win_amd64"]}, "warning"),
        ({"wheels": ["cp311-cp311-manylinux_2_39_x86_64"], "sdist": True}, "warning"),
        ({"wheels": ["cp312-cp312-manylinux_2_17_x86_64"], "sdist": True}, "detail"),
        ({"wheels": [], "sdist": True, "python": ">=3.12"}, "detail"),
        ({"wheels": [], "sdist": True, "yanked": ""}, "detail"),
        ({"broken": "no"}, "detail"),
    ],
)
def test_how_loud_each_reason_is(newer: dict[str, object], level: str) -> None:
    (held,) = judged(**newer)
    assert (held.is_error, held.is_warning) == (level == "error", level == "warning")


def test_a_file_without_an_upload_time_has_its_own_words() -> None:
    assert str(TooNew(None)) == "has no upload time, which `--exclude-newer` needs"


def test_ordinary_requirements_raise_no_alarm(pypi: FakeIndex, tmp_path: Path) -> None:
    options = ["--target", "linux-x86_64-py310", "--target", "linux-x86_64-py311", "--index-url", pypi.simple]
    ran = wheelhouse("lock", *ORDINARY.split(), *options, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert "held back" not in ran.err
    assert len(list((tmp_path / "lockfiles").iterdir())) == 2


def test_an_ordinary_torch_raises_no_alarm(pypi: FakeIndex, pytorch: FakePyTorch, tmp_path: Path) -> None:
    indexes = ["--index-url", pypi.simple, "--pytorch-url", pytorch.base]
    target = ["--target", "linux-x86_64-cu124-py310"]
    ran = wheelhouse("lock", "torch", "torchvision", "torchaudio", "numpy", *target, *indexes, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert "held back" not in ran.err
