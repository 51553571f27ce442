"""What changed from one lock to another, as values, as a table and as facts."""

from __future__ import annotations

from msgspec.structs import replace
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.lock import Lock, LockedPackage, LockedSdist, LockedSource, LockedWheel
from wheelhouse.outputs.diff import diff, facts, lines
from wheelhouse.outputs.sizes import counted, readable, total

LABEL = "linux-x86_64-py310"


def package(name: str, version: str, size: int | None = 1000, build: str = "") -> LockedPackage:
    filename = f"{name}-{version}{build}-py3-none-any.whl"
    wheel = LockedWheel(
        filename=filename, url=f"https://files.test/{filename}", digest=Digest.of(filename.encode()), size=size
    )
    return LockedPackage(name=canonicalize_name(name), version=Version(version), wheel=wheel)


def lock_of(*packages: LockedPackage) -> Lock:
    return Lock(
        label=LABEL,
        requires_python=SpecifierSet("==3.10.*"),
        environment="",
        packages=packages,
        roots=tuple(each.name for each in packages),
    )


OLD = lock_of(
    package("down", "2.0", 5000), package("gone", "1.0", 2_000_000), package("same", "1.0"), package("up", "1.9", 1000)
)
NEW = lock_of(
    package("down", "1.0", 4000), package("new", "0.1", 500), package("same", "1.0", build="-1"),
    package("up", "1.10", 1_501_000),
)  # fmt: skip


def test_every_kind_of_change_is_told_by_name() -> None:
    assert [(change.name, change.kind) for change in diff(OLD, NEW)] == [
        ("down", "downgraded"),
        ("gone", "removed"),
        ("new", "added"),
        ("same", "rebuilt"),
        ("up", "upgraded"),
    ]


def test_the_table_lines_up_and_ends_with_the_sums() -> None:
    assert list(lines(OLD, NEW)) == [
        "downgraded  down  2.0  1.0   -1.0 kB",
        "removed     gone  1.0  -     -2.0 MB",
        "added       new   -    0.1   +500 bytes",
        "rebuilt     same  1.0  1.0",
        "upgraded    up    1.9  1.10  +1.5 MB",
        "4 packages, then 4; 2.0 MB, then 1.5 MB",
    ]


def test_equal_locks_have_no_difference() -> None:
    assert list(lines(OLD, OLD)) == ["no difference; 4 packages"]
    assert facts(OLD, OLD)["changes"] == []


def test_the_facts_hold_bytes_and_null_for_what_is_missing() -> None:
    assert facts(lock_of(), lock_of(package("new", "0.1", 500))) == {
        "old": {"target": LABEL, "packages": 0, "size": 0},
        "new": {"target": LABEL, "packages": 1, "size": 500},
        "changes": [
            {
                "name": "new",
                "kind": "added",
                "old": None,
                "new": {
                    "version": "0.1",
                    "file": "new-0.1-py3-none-any.whl",
                    "size": 500,
                    "sha256": Digest.of(b"new-0.1-py3-none-any.whl").hex,
                },
            }
        ],
    }


def test_a_size_that_no_index_tells_is_not_guessed() -> None:
    lock = lock_of(package("known", "1.0", 1500), package("unknown", "1.0", None))
    assert total(lock) is None
    assert counted(lock) == "2 packages, 1.5 kB and 1 of unknown size"
    assert counted(lock_of(package("unknown", "1.0", None))) == "1 package"
    assert list(lines(lock, lock_of(package("unknown", "2.0", 9)))) == [
        "removed   known    1.0  -    -1.5 kB",
        "upgraded  unknown  1.0  2.0",
        "2 packages, then 1",
    ]


def test_what_is_still_to_be_built_counts_by_its_sdist() -> None:
    sdist = LockedSdist(
        filename="up-1.9.tar.gz", url="https://files.test/up-1.9.tar.gz", digest=Digest.of(b"s"), size=9
    )
    source = LockedSource(name=canonicalize_name("up"), version=Version("1.9"), sdist=sdist)
    built = replace(lock_of(package("up", "1.9", 20)))
    before = replace(lock_of(), sources=(source,))
    assert [(change.name, change.kind) for change in diff(before, built)] == [("up", "rebuilt")]
    assert total(before) == 9


def test_sizes_are_read_in_powers_of_1000() -> None:
    assert [readable(size) for size in (0, 999, 1000, 670_200_000, 2_500_000_000)] == [
        "0 bytes", "999 bytes", "1.0 kB", "670.2 MB", "2.5 GB",
    ]  # fmt: skip
