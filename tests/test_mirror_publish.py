"""Publishing locks and taking them back: every page is true at every moment, whoever writes and whatever crashes."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import build_wheel
from world.buckets import BUCKET, Buckets
from world.mirroring import (
    CUDA,
    LATER,
    MOMENT,
    PLAIN,
    Crash,
    Crashing,
    files_in,
    publish_here,
    published,
    stored,
    untrue,
)
from world.wheels import WheelFile

from wheelhouse.edge.mirror import look, maintain, publish
from wheelhouse.edge.mirror.derived import published as published_in
from wheelhouse.edge.mirror.derived import read_catalog
from wheelhouse.edge.mirror.look import DamagedLock
from wheelhouse.edge.mirror.places import opened
from wheelhouse.edge.mirror.storage import Directory, Storage
from wheelhouse.edge.mirror.tree import NoMirror, NotEmpty
from wheelhouse.edge.store import Store
from wheelhouse.edge.verification import Damaged, NotFetched
from wheelhouse.errors import UsageError
from wheelhouse.mirroring.catalog import BadCatalog
from wheelhouse.mirroring.names import Address, project
from wheelhouse.mirroring.publication import Publication
from wheelhouse.mirroring.record import NameTaken

APP = build_wheel("app", "1.0", requires=["lib>=1"])
LIB = build_wheel("lib", "1.0", requires_python=">=3.8")
LIB2 = build_wheel("lib", "2.0")
TORCH = build_wheel("torch", "2.1.2+cu121", tag="cp310-cp310-linux_x86_64")
PIP = build_wheel("pip", "25.0")
EVERY = [APP, LIB, LIB2, TORCH, PIP]
ON_CUDA = published(CUDA, [APP, LIB], channel=[TORCH], pip=PIP)
ON_PLAIN = published(PLAIN, [APP, LIB2], pip=PIP)
Places = Callable[[str], Storage]


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    """An empty storage by its name."""
    if request.param == "directory":
        return lambda name: opened(str(tmp_path / name))
    return _in_a_bucket(request)


def _in_a_bucket(request: pytest.FixtureRequest) -> Places:
    server: Buckets = request.getfixturevalue("s3")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    return lambda name: opened(f"s3://{BUCKET}/{re.sub('[^a-z0-9]+', '-', request.node.name)}/{name}")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not waited for: a process that dies loses nothing that it wrote."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stored(tmp_path_factory.mktemp("store"), EVERY)


def add(storage: Storage, store: Store, *publications: Publication, added: str = MOMENT) -> publish.Added:
    return publish.add(storage, publications, store, added=added)


def names(storage: Storage, folder: str) -> list[str]:
    held = storage.read(f"{folder}/index.json")
    assert held is not None
    page = json.loads(held.content)
    return [each["filename"] for each in page["files"]] if "files" in page else [p["name"] for p in page["projects"]]


def file_of(wheel: WheelFile) -> str:
    return f"files/{wheel.digest.hex[:2]}/{wheel.digest.hex}/{wheel.filename}"


def test_a_lock_becomes_pages(place: Places, store: Store) -> None:
    mirror = place("mirror")
    added = add(mirror, store, ON_CUDA)
    assert (added.files, added.new, added.pages) == (4, 4, 6)
    assert names(mirror, "simple") == ["app", "lib", "pip"]
    assert names(mirror, "whl/cu121") == ["app", "lib", "torch"]
    assert names(mirror, "whl/cu121/torch") == [TORCH.filename]
    assert untrue(mirror) == []
    assert maintain.verify(mirror).problems == ()
    held = mirror.read("simple/lib/index.json")
    assert held is not None
    assert json.loads(held.content)["files"] == [
        {
            "filename": LIB.filename,
            "url": f"../../{file_of(LIB)}",
            "hashes": {"sha256": LIB.digest.hex},
            "size": len(LIB.content),
            "requires-python": ">=3.8",
            "yanked": False,
            "core-metadata": {"sha256": json.loads(held.content)["files"][0]["core-metadata"]["sha256"]},
            "_targets": [CUDA],
            "_locks": [ON_CUDA.reference],
            "_added": MOMENT,
            "_requires": [],
        }
    ]


def test_two_locks_share_their_files(place: Places, store: Store) -> None:
    mirror = place("mirror")
    add(mirror, store, ON_CUDA)
    again = add(mirror, store, ON_PLAIN, added=LATER)
    assert (again.files, again.new) == (3, 1)
    assert names(mirror, "simple/lib") == [LIB.filename, LIB2.filename]
    assert names(mirror, "whl/cu121/lib") == [LIB.filename]
    assert set(published_in(mirror)) == {ON_CUDA.reference, ON_PLAIN.reference}
    assert untrue(mirror) == []
    assert maintain.verify(mirror).problems == ()


def test_the_order_of_locks_makes_no_difference(tmp_path: Path, store: Store) -> None:
    trees = []
    for number, order in enumerate(([ON_CUDA, ON_PLAIN], [ON_PLAIN, ON_CUDA])):
        mirror = Directory(tmp_path / str(number))
        for each in order:
            add(mirror, store, each)
        trees.append(files_in(mirror))
    together = Directory(tmp_path / "together")
    add(together, store, ON_CUDA, ON_PLAIN)
    assert trees[0] == trees[1] == files_in(together)


def test_the_same_lock_again_changes_nothing(place: Places, store: Store) -> None:
    mirror = place("mirror")
    add(mirror, store, ON_CUDA)
    before = files_in(mirror)
    again = add(mirror, store, ON_CUDA, added=LATER)
    assert (again.new, again.pages) == (0, 0)
    assert files_in(mirror) == before


def test_a_wheel_of_a_directory_is_a_link_to_the_store(tmp_path: Path, store: Store) -> None:
    add(Directory(tmp_path / "mirror"), store, ON_CUDA)
    assert (tmp_path / "mirror" / file_of(APP)).samefile(store.path(APP.digest))


def test_a_lock_that_is_not_fetched_writes_nothing(place: Places, tmp_path: Path) -> None:
    mirror = place("mirror")
    with pytest.raises(NotFetched, match="not fetched yet") as caught:
        add(mirror, Store(tmp_path / "empty"), ON_CUDA)
    assert caught.value.hint == "run `wheelhouse fetch`"
    assert list(mirror.listed()) == []


def test_another_file_of_the_same_name_is_refused_before_a_page_changes(place: Places, tmp_path: Path) -> None:
    mirror = place("mirror")
    other = build_wheel("lib", "1.0", padding=10)
    both = stored(tmp_path / "store", [APP, LIB, other])
    add(mirror, both, published(PLAIN, [LIB]))
    before = files_in(mirror)
    with pytest.raises(NameTaken, match=f"`simple/lib` has a `{LIB.filename}` of {LIB.digest}, and this one is"):
        add(mirror, both, published(PLAIN, [APP, other]))
    after = files_in(mirror)
    assert {key: after[key] for key in before} == before
    assert {key.split("/")[0] for key in after.keys() - before.keys()} == {"files"}
    assert untrue(mirror) == []


def test_a_folder_of_somebody_else_is_no_mirror(tmp_path: Path, store: Store) -> None:
    (tmp_path / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(NotEmpty, match=r"is no mirror, and it holds `thesis\.txt`"):
        add(Directory(tmp_path), store, ON_CUDA)
    with pytest.raises(NoMirror):
        maintain.verify(Directory(tmp_path))
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_folder_with_hidden_files_of_somebody_else_is_no_mirror(tmp_path: Path, store: Store) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main", "utf-8")
    with pytest.raises(NotEmpty, match=r"is no mirror, and it holds `\.git/HEAD`"):
        add(Directory(tmp_path), store, ON_CUDA)
    assert os.listdir(tmp_path) == [".git"]


# crashes


def test_wherever_it_crashes_every_page_is_true_and_the_next_run_completes(place: Places, store: Store) -> None:
    small = published(CUDA, [LIB], channel=[TORCH])
    whole = place("whole")
    add(whole, store, ON_PLAIN)
    add(whole, store, small, added=LATER)
    wanted = files_in(whole)
    after = 0
    while True:
        mirror = place(f"crash{after}")
        add(mirror, store, ON_PLAIN)
        crashing = Crashing(mirror, after)
        try:
            add(crashing, store, small, added=LATER)
        except Crash:
            assert untrue(mirror) == [], f"after {after} writes"
            add(mirror, store, small, added=LATER)
        assert files_in(mirror) == wanted, f"after {after} writes"
        if not crashing.crashed:
            break
        after += 1
    assert after > 12


def test_a_crash_while_the_first_mirror_is_made_leaves_nothing_in_the_way(tmp_path: Path, store: Store) -> None:
    whole = Directory(tmp_path / "whole")
    add(whole, store, ON_CUDA)
    for after in range(30):
        mirror = Directory(tmp_path / str(after))
        with pytest.raises(Crash):
            add(Crashing(mirror, after), store, ON_CUDA)
        assert untrue(mirror) == []
        add(mirror, store, ON_CUDA)
        assert files_in(mirror) == files_in(whole)


def test_whatever_is_added_after_a_crash_completes_the_lists_and_the_catalog(tmp_path: Path, store: Store) -> None:
    """Before, `whl/cu121/lib` was on no list, and the catalog did not know of it, until its lock was added again."""
    for after in range(40):
        mirror = Directory(tmp_path / str(after))
        crashing = Crashing(mirror, after)
        try:
            add(crashing, store, ON_CUDA)
        except Crash:
            add(mirror, store, ON_PLAIN, added=LATER)
            assert maintain.verify(mirror).problems == (), f"after {after} writes"
        if not crashing.crashed:
            break
    assert 25 < after < 39


def test_what_a_crash_left_does_not_hold_up_others_where_it_is_damaged(tmp_path: Path, store: Store) -> None:
    mirror = Directory(tmp_path / "mirror")
    with pytest.raises(Crash):
        add(Crashing(mirror, 24), store, ON_CUDA)  # all pages are written, no list is
    mirror.write(ON_CUDA.key, b"damaged")
    add(mirror, store, ON_PLAIN, added=LATER)
    assert mirror.read("whl/cu121/index.json") is None
    mirror.write(ON_CUDA.key, ON_CUDA.text.encode())
    mirror.write("whl/cu121/app/index.json", b"{}")
    add(mirror, store, ON_PLAIN, added=LATER)
    assert names(mirror, "whl/cu121") == ["lib", "torch"]
    told = maintain.repair(mirror, store)
    assert told.problems == () and "whl/cu121/app/index.json" in told.repaired[0]


def test_a_removal_that_crashes_leaves_true_pages_and_can_be_run_again(place: Places, store: Store) -> None:
    wanted = place("wanted")
    add(wanted, store, ON_PLAIN, ON_CUDA)
    publish.remove_lock(wanted, ON_CUDA.reference)
    maintain.gc(wanted)
    after = 0
    while True:
        mirror = place(f"crash{after}")
        add(mirror, store, ON_PLAIN, ON_CUDA)
        crashing = Crashing(mirror, after)
        try:
            publish.remove_lock(crashing, ON_CUDA.reference)
            maintain.gc(crashing)
        except Crash:
            assert untrue(mirror) == [], f"after {after} writes"
            if ON_CUDA.reference in published_in(mirror):
                publish.remove_lock(mirror, ON_CUDA.reference)
            maintain.gc(mirror)
        assert files_in(mirror) == files_in(wanted), f"after {after} writes"
        if not crashing.crashed:
            break
        after += 1
    assert after > 10


# several writers


def test_processes_that_publish_at_once_lose_nothing(place: Places, tmp_path: Path) -> None:
    shared = build_wheel("shared", "1.0")
    own = [[shared, build_wheel("own", f"{number}.0"), build_wheel(f"only{number}", "1")] for number in range(4)]
    store = stored(tmp_path / "store", [wheel for wheels in own for wheel in wheels])
    mirror = place("mirror")
    context = multiprocessing.get_context("spawn")  # the library's threads do not survive a fork
    start = context.Barrier(len(own))
    processes = [context.Process(target=publish_here, args=(mirror.name, store.root, wheels, start)) for wheels in own]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert names(mirror, "simple") == ["only0", "only1", "only2", "only3", "own", "shared"]
    assert len(names(mirror, "simple/own")) == 4
    assert untrue(mirror) == []
    assert maintain.verify(mirror).problems == ()
    assert read_catalog(mirror).projects[project("own")].files == 4
    one_by_one = place("one-by-one")
    for wheels in own:
        publish.add(one_by_one, [published(PLAIN, wheels)], store, added=MOMENT)
    assert files_in(one_by_one) == files_in(mirror)


# removing


def test_a_lock_that_is_taken_back_takes_what_only_it_has(place: Places, store: Store) -> None:
    mirror, other = place("mirror"), place("other")
    add(mirror, store, ON_CUDA, ON_PLAIN)
    add(other, store, ON_PLAIN)
    changes = publish.remove_lock(mirror, ON_CUDA.reference)
    assert changes.went == {LIB.filename, TORCH.filename}
    assert names(mirror, "simple/lib") == [LIB2.filename]
    assert mirror.read("whl/cu121/index.json") is None
    assert untrue(mirror) == []
    assert file_of(TORCH) in files_in(mirror)
    waste = maintain.garbage(mirror)
    assert (waste.files, waste.size > 0) == (2, True)
    assert maintain.gc(mirror) == waste
    assert maintain.verify(mirror).problems == ()
    assert files_in(mirror) == files_in(other)


def test_a_project_that_is_taken_off_stays_while_a_lock_names_it(place: Places, store: Store) -> None:
    mirror = place("mirror")
    add(mirror, store, ON_CUDA, ON_PLAIN)
    changes = publish.remove_project(mirror, project("lib"), None)
    assert changes.went == {LIB.filename, LIB2.filename}
    assert mirror.read("simple/lib/index.json") is None
    assert mirror.read("whl/cu121/lib/index.html") is None
    assert names(mirror, "simple") == ["app", "pip"]
    assert publish.naming(mirror, [LIB.filename]) == (ON_CUDA.reference,)
    assert maintain.garbage(mirror).keys == ()
    assert untrue(mirror) == []
    assert maintain.verify(mirror).problems == ()
    publish.remove_lock(mirror, ON_CUDA.reference)
    assert file_of(LIB) in maintain.gc(mirror).keys
    assert untrue(mirror) == []


def test_what_is_not_there_cannot_be_removed(place: Places, store: Store) -> None:
    mirror = place("mirror")
    add(mirror, store, ON_PLAIN)
    with pytest.raises(UsageError, match="has no `torch`"):
        publish.remove_project(mirror, project("torch"), None)
    with pytest.raises(UsageError, match="has no lock"):
        publish.remove_lock(mirror, ON_CUDA.reference)


def test_what_a_crash_left_unfinished_goes_after_a_day(tmp_path: Path, store: Store) -> None:
    mirror = Directory(tmp_path / "mirror")
    add(mirror, store, ON_PLAIN)
    left = tmp_path / "mirror" / "files" / f".{'0' * 32}.tmp"
    left.write_bytes(b"half")
    assert maintain.garbage(mirror).keys == ()
    assert maintain.verify(mirror).problems == ()
    tomorrow = left.stat().st_mtime + 25 * 3600
    assert maintain.gc(mirror, at=tomorrow).keys == (f"files/.{'0' * 32}.tmp",)
    assert not left.exists()


_LOCKS = [
    published(PLAIN, [APP, LIB]),
    published(CUDA, [APP, LIB2], channel=[TORCH]),
    published(CUDA, [LIB]),
    published("linux-x86_64-cpu-py310", [LIB2], pip=PIP),
]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(["add", "remove", "gc"]), st.integers(0, 3)), max_size=7))
def test_whatever_was_done_the_pages_are_those_of_the_locks_that_are_left(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory, store: Store
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    mirror, held = Directory(folder / "mirror"), set()
    add(mirror, store, _LOCKS[0])
    held.add(0)
    for step, number in steps:
        if step == "add":
            add(mirror, store, _LOCKS[number])
            held.add(number)
        elif step == "remove" and number in held:
            publish.remove_lock(mirror, _LOCKS[number].reference)
            held.remove(number)
        elif step == "gc":
            maintain.gc(mirror)
        assert untrue(mirror) == []
    maintain.gc(mirror)
    fresh = Directory(folder / "fresh")
    for number in sorted(held):
        add(fresh, store, _LOCKS[number])
    if held:
        assert files_in(mirror) == files_in(fresh)
    assert maintain.verify(mirror).problems == ()


# verifying


def test_a_page_that_was_changed_by_hand_is_found_and_written_anew(place: Places, store: Store) -> None:
    mirror = place("mirror")
    add(mirror, store, ON_CUDA)
    before = files_in(mirror)
    for key in ("simple/lib/index.html", "simple/index.json", "catalog.json", "page/app.js", "whl/cu121/index.html"):
        mirror.write(key, b"<b>other</b>")
        assert maintain.verify(mirror).problems == (f"`{key}` is not what the pages of the projects say",)
        repaired = maintain.repair(mirror, store)
        assert (repaired.problems, len(repaired.repaired)) == ((), 1)
        assert files_in(mirror) == before or key == "catalog.json"  # when a lock came in, it alone knew


def test_a_lost_page_comes_again_from_the_locks(place: Places, store: Store) -> None:
    mirror = place("mirror")
    add(mirror, store, ON_CUDA, ON_PLAIN)
    before = files_in(mirror)
    mirror.write("simple/lib/index.json", b"{")
    (problem,) = [each for each in maintain.verify(mirror).problems if "is not a page of a mirror" in each]
    assert problem.startswith("`simple/lib/index.json` is not a page of a mirror of wheelhouse: ")
    assert maintain.repair(mirror, store).problems == ()
    assert names(mirror, "simple/lib") == [LIB.filename, LIB2.filename]
    after = files_in(mirror)
    assert {key for key in before if before[key] != after[key]} == {"simple/lib/index.json"}  # its `_added`


def test_a_page_whose_json_is_gone_comes_again_from_the_locks(place: Places, store: Store) -> None:
    """Its HTML is still there; a removal would have taken that first, and is not taken back."""
    mirror = place("mirror")
    add(mirror, store, ON_PLAIN)
    before = files_in(mirror)
    mirror.remove(["simple/lib/index.json"])
    assert maintain.verify(mirror).problems != ()
    assert maintain.repair(mirror, store).problems == ()
    after = files_in(mirror)
    assert {key for key in before if before[key] != after.get(key)} == {"simple/lib/index.json"}  # its `_added`
    mirror.remove(["simple/lib/index.html", "simple/lib/index.json"])
    assert maintain.repair(mirror, store).problems == ()
    assert "simple/lib/index.json" not in files_in(mirror)


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_a_damaged_wheel_comes_again_from_the_store(place: Places, store: Store, damage: bytes | None) -> None:
    mirror = place("mirror")
    add(mirror, store, ON_PLAIN)
    before = files_in(mirror)
    for key in (file_of(APP), f"{file_of(APP)}.metadata"):
        if damage is None:
            mirror.remove([key])
        else:
            mirror.write(key, damage * len(before[key]))
        (problem,) = maintain.verify(mirror).problems
        assert problem.startswith(f"`{key}` ")
        assert maintain.repair(mirror, store).problems == ()
        assert files_in(mirror) == before


def test_a_wheel_that_is_damaged_in_the_store_too_is_told_and_fetched_again(tmp_path: Path) -> None:
    store = stored(tmp_path / "store", [APP, LIB2, PIP])
    mirror = Directory(tmp_path / "mirror")
    add(mirror, store, ON_PLAIN)
    wheel = mirror.root / file_of(APP)
    wheel.chmod(0o644)
    wheel.write_bytes(bytes(len(APP.content)))  # the same file as the store's
    found = maintain.repair(mirror, store)
    assert len(found.problems) == 1 and "is damaged" in found.problems[0]
    assert not store.has(APP.digest)
    stored(tmp_path / "store", [APP])
    assert maintain.repair(mirror, store).problems == ()


def test_a_damaged_wheel_of_the_store_is_not_published_and_fetched_again(place: Places, tmp_path: Path) -> None:
    store = stored(tmp_path / "store", [APP, LIB2, PIP])
    damaged = bytearray(APP.content)
    damaged[40] ^= 1  # in the first member: the metadata is whole
    store.path(APP.digest).chmod(0o644)
    store.path(APP.digest).write_bytes(bytes(damaged))
    with pytest.raises(Damaged, match="was damaged and is removed") as caught:
        add(place("mirror"), store, ON_PLAIN)
    assert caught.value.hint == "run `wheelhouse fetch`"
    assert not store.has(APP.digest)
    assert untrue(place("mirror")) == []


def test_a_lock_that_is_damaged_can_be_taken_back(place: Places, store: Store) -> None:
    mirror, whole = place("mirror"), place("whole")
    add(whole, store, ON_PLAIN)
    add(mirror, store, ON_PLAIN, ON_CUDA)
    mirror.write(ON_CUDA.key, b"\xff no lock")
    with pytest.raises(DamagedLock, match="is damaged"):
        look.locks_of(mirror)
    publish.remove_lock(mirror, ON_CUDA.reference)
    maintain.gc(mirror)
    assert files_in(mirror) == files_in(whole)


def test_half_a_catalog_is_never_taken_for_an_empty_one(place: Places, store: Store) -> None:
    mirror = place("mirror")
    add(mirror, store, ON_PLAIN)
    before = files_in(mirror)
    mirror.remove(["page/requires.json"])
    with pytest.raises(BadCatalog, match=r"`page/requires\.json` beside it is missing"):
        add(mirror, store, ON_PLAIN)
    assert maintain.repair(mirror, store).problems == ()
    assert files_in(mirror) == before


def test_what_cannot_be_repaired_is_still_told(place: Places, store: Store, tmp_path: Path) -> None:
    mirror = place("mirror")
    add(mirror, store, ON_PLAIN)
    mirror.remove([file_of(APP)])
    found = maintain.repair(mirror, Store(tmp_path / "empty"))
    assert found.problems == (f"`{file_of(APP)}` is missing",)
    assert found.repaired == ()


def test_a_stray_file_is_told(tmp_path: Path, store: Store) -> None:
    mirror = Directory(tmp_path)
    add(mirror, store, ON_PLAIN)
    (tmp_path / "simple" / "notes.txt").write_text("mine", "utf-8")
    assert maintain.verify(mirror).problems == ("`simple/notes.txt` is no part of a mirror",)


def test_adding_touches_only_its_own_pages(tmp_path: Path, store: Store) -> None:
    mirror = Directory(tmp_path)
    add(mirror, store, ON_CUDA)

    class Counting(Crashing):
        def write(self, key: str, content: bytes, **more: object) -> None:
            written.append(key)
            super().write(key, content)

        def read(self, key: str) -> object:
            asked.append(key)
            return super().read(key)

    written: list[str] = []
    asked: list[str] = []
    add(Counting(mirror, 1000), store, published(PLAIN, [LIB2]))
    pages = [Address("", project("lib")), Address("cu121", project("lib"))]
    assert sorted(key for key in written if key.count("/") == 2 and "index" in key) == [pages[0].html, pages[0].json]
    assert {key for key in asked if key.endswith("lib/index.json")} == {pages[0].json, pages[1].json}
    assert not [key for key in asked if "/app/" in key or "/torch/" in key]
