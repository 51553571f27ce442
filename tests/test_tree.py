"""A lock for people: the tree, and why a project is there."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.lock import Lock, LockedHeldBack, LockedPackage, LockedWheel
from wheelhouse.outputs.tree import tree, why


def package(name: str, version: str, *dependencies: str, required_by: Sequence[str] = ()) -> LockedPackage:
    filename = f"{name}-{version}-py3-none-any.whl"
    return LockedPackage(
        name=canonicalize_name(name),
        version=Version(version),
        wheel=LockedWheel(filename=filename, url=f"https://files.test/{filename}", digest=Digest.of(name.encode())),
        dependencies=tuple(canonicalize_name(each) for each in dependencies),
        required_by=tuple(required_by),
    )


def lock_of(*packages: LockedPackage, roots: Sequence[str], held_back: Sequence[LockedHeldBack] = ()) -> Lock:
    return Lock(
        label="linux-x86_64-cu121-py310",
        requires_python=SpecifierSet("==3.10.*"),
        environment="",
        packages=packages,
        roots=tuple(canonicalize_name(root) for root in roots),
        held_back=tuple(held_back),
    )


VISION = lock_of(
    package("certifi", "2024.8.30", required_by=["requests: certifi>=2017"]),
    package("filelock", "3.13.1", required_by=["torch: filelock", "triton: filelock"]),
    package("requests", "2.32.3", "certifi", required_by=["torchvision: requests"]),
    package(
        "torch", "2.1.2+cu121", "filelock", "triton",
        required_by=["(asked for): torch==2.1.2", "torchvision: torch==2.1.2"],
    ),
    package("torchvision", "0.16.2+cu121", "requests", "torch", required_by=["(asked for): torchvision"]),
    package("triton", "2.1.0", "filelock", required_by=["torch: triton==2.1.0"]),
    roots=["torch", "torchvision"],
    held_back=[
        LockedHeldBack(
            name=NormalizedName("torchvision"),
            newer=Version("0.20.1+cu124"),
            reason="is the `cu124` build, not `cu121`",
        )
    ],
)  # fmt: skip


def test_the_tree_stands_below_what_was_asked_for_and_tells_no_branch_twice() -> None:
    assert "\n".join(tree(VISION)) == (
        "torch 2.1.2+cu121\n"
        "├── filelock 3.13.1\n"
        "└── triton 2.1.0\n"
        "    └── filelock 3.13.1\n"
        "torchvision 0.16.2+cu121\n"
        "├── requests 2.32.3\n"
        "│   └── certifi 2024.8.30\n"
        "└── torch 2.1.2+cu121 (*)"
    )


def test_a_circle_ends() -> None:
    circle = lock_of(package("torch", "2.0.0", "triton"), package("triton", "2.0.0", "torch"), roots=["triton"])
    assert list(tree(circle)) == ["triton 2.0.0", "└── torch 2.0.0", "    └── triton 2.0.0 (*)"]


def test_a_chain_of_two_thousand_projects_is_a_tree_too() -> None:
    chain = [package(f"p{at}", "1", *([f"p{at + 1}"] if at < 1999 else [])) for at in range(2000)]
    lines = list(tree(lock_of(*chain, roots=["p0"])))
    assert len(lines) == 2000
    assert lines[1999] == " " * 4 * 1998 + "└── p1999 1"


def test_a_lock_without_anything() -> None:
    assert list(tree(lock_of(roots=[]))) == []


def test_why_a_project_is_there() -> None:
    assert list(why(VISION, NormalizedName("filelock"))) == [
        "filelock 3.13.1",
        "  torch -> filelock",
        "  `torch` requires `filelock`",
        "  `triton` requires `filelock`",
    ]


def test_why_something_that_was_asked_for_is_there() -> None:
    assert list(why(VISION, NormalizedName("torch"))) == [
        "torch 2.1.2+cu121",
        "  torch",
        "  asked for as `torch==2.1.2`",
        "  `torchvision` requires `torch==2.1.2`",
    ]


def test_the_chain_is_the_shortest() -> None:
    assert list(why(VISION, NormalizedName("certifi")))[1] == "  torchvision -> requests -> certifi"


def test_why_tells_what_is_held_back() -> None:
    assert list(why(VISION, NormalizedName("torchvision")))[-1] == (
        "  held back: 0.20.1+cu124 is the `cu124` build, not `cu121`"
    )


def test_nothing_is_said_of_a_project_that_is_not_there() -> None:
    assert list(why(VISION, NormalizedName("numpy"))) == []
