"""Wheels by SHA-256: whole or not there, linked where they can be, shared by everybody."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from wheelhouse.digests import Check, Digest, DigestMismatch
from wheelhouse.edge import files
from wheelhouse.edge.files import BadFileName, NoSpace, free_space, path_of, readable, wheel_filename, write_atomically
from wheelhouse.edge.store import NotStored, Source, Store, StoreInfo
from wheelhouse.lock import LockedWheel

CONTENT = b"not really a wheel" * 1000
DIGEST = Digest.of(CONTENT)
NAME = "numpy-2.1.0-py3-none-any.whl"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def stored(store: Store, tmp_path: Path) -> Store:
    file = tmp_path / "original.whl"
    file.write_bytes(CONTENT)
    store.adopt(file, DIGEST)
    return store


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)


def folder(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_store_that_does_not_exist_is_empty(store: Store) -> None:
    assert store.names() == ()
    assert not store.has(DIGEST)
    assert store.info() == StoreInfo(count=0, size=0, partials=0, partial_size=0)
    assert store.prune() == StoreInfo(count=0, size=0, partials=0, partial_size=0)


def test_a_wheel_lies_under_its_digest_and_is_read_only(stored: Store) -> None:
    path = stored.path(DIGEST)
    assert path.relative_to(stored.root).as_posix() == f"sha256/{DIGEST.hex[:2]}/{DIGEST.hex}.whl"
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert stored.names() == (DIGEST,)


def test_a_wheel_of_another_size_does_not_count(stored: Store) -> None:
    assert stored.has(DIGEST, len(CONTENT))
    assert not stored.has(DIGEST, len(CONTENT) + 1)


def test_present_tells_which_wheels_need_no_fetch(stored: Store) -> None:
    here = LockedWheel(filename=NAME, url="https://h/a", digest=DIGEST, size=len(CONTENT))
    missing = LockedWheel(filename="x-1-py3-none-any.whl", url="https://h/b", digest=Digest("0" * 64))
    assert stored.present([here, missing]) == {DIGEST}


def test_adopting_a_file_leaves_it_as_it_was(stored: Store, tmp_path: Path) -> None:
    original = tmp_path / "original.whl"
    assert original.stat().st_nlink == 1
    assert os.access(original, os.W_OK)


def test_a_file_that_is_not_what_it_should_be_is_not_adopted(store: Store, tmp_path: Path) -> None:
    (tmp_path / "other.whl").write_bytes(b"other")
    with pytest.raises(DigestMismatch):
        store.adopt(tmp_path / "other.whl", DIGEST)
    assert store.names() == ()
    assert folder(store.path(DIGEST).parent) == []


def test_a_placed_wheel_is_a_link(stored: Store, tmp_path: Path) -> None:
    placed = stored.place(DIGEST, tmp_path / "wheels" / NAME)
    assert placed.samefile(stored.path(DIGEST))
    assert folder(tmp_path / "wheels") == [NAME]


def test_one_wheel_may_have_two_names(stored: Store, tmp_path: Path) -> None:
    stored.place(DIGEST, tmp_path / "wheels" / "a-1-py3-none-any.whl")
    stored.place(DIGEST, tmp_path / "wheels" / "b-1-py3-none-any.whl")
    assert folder(tmp_path / "wheels") == ["a-1-py3-none-any.whl", "b-1-py3-none-any.whl"]


@pytest.mark.usefixtures("no_links")
def test_where_no_link_can_be_there_is_a_copy(stored: Store, tmp_path: Path) -> None:
    placed = stored.place(DIGEST, tmp_path / "wheels" / NAME)
    assert placed.read_bytes() == CONTENT
    assert not placed.samefile(stored.path(DIGEST))
    assert os.access(placed, os.W_OK)
    assert folder(tmp_path / "wheels") == [NAME]


@pytest.mark.usefixtures("no_links")
def test_a_right_file_is_kept(stored: Store, tmp_path: Path) -> None:
    destination = tmp_path / NAME
    destination.write_bytes(CONTENT)
    before = destination.stat()
    stored.place(DIGEST, destination)
    assert destination.stat().st_ino == before.st_ino


@pytest.mark.usefixtures("no_links")
def test_a_copy_whose_size_and_time_stand_is_not_read_again(
    stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = stored.path(DIGEST)
    os.utime(kept, ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    placed = stored.place(DIGEST, tmp_path / NAME)
    assert placed.stat().st_mtime_ns == kept.stat().st_mtime_ns
    with monkeypatch.context() as blind:
        blind.setattr(Check, "update", lambda self, chunk: pytest.fail("it is read"))
        assert stored.place(DIGEST, placed) == placed


@pytest.mark.usefixtures("no_links")
@pytest.mark.parametrize("time", [1_700_000_000_000_000_000, 1_700_000_000_500_000_000])
def test_another_time_or_one_in_whole_seconds_proves_nothing(stored: Store, tmp_path: Path, time: int) -> None:
    kept = stored.path(DIGEST)
    os.utime(kept, ns=(1_700_000_000_000_000_000, 1_700_000_000_000_000_000))
    placed = stored.place(DIGEST, tmp_path / NAME)
    placed.write_bytes(CONTENT[:-1] + b"!")
    os.utime(placed, ns=(time, time))
    assert stored.place(DIGEST, placed).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"", CONTENT[:-1] + b"!"])
def test_a_wrong_file_is_replaced(stored: Store, tmp_path: Path, content: bytes) -> None:
    destination = tmp_path / NAME
    destination.write_bytes(content)
    assert stored.place(DIGEST, destination).read_bytes() == CONTENT


def test_a_symbolic_link_into_the_store_is_not_a_right_file(stored: Store, tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(stored.path(DIGEST))
    assert not stored.place(DIGEST, tmp_path / NAME).is_symlink()


def test_a_symbolic_link_is_replaced_and_not_followed(stored: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    stored.place(DIGEST, tmp_path / NAME)
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"
    assert not (tmp_path / NAME).is_symlink()


@pytest.mark.usefixtures("no_links")
def test_a_damaged_wheel_is_not_copied_and_leaves_the_store(stored: Store, tmp_path: Path) -> None:
    path = stored.path(DIGEST)
    path.chmod(0o644)
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(DigestMismatch):
        stored.place(DIGEST, tmp_path / "wheels" / NAME)
    assert folder(tmp_path / "wheels") == []
    assert stored.names() == ()


@pytest.mark.usefixtures("no_links")
def test_a_full_disk_elsewhere_takes_nothing_from_the_store(
    stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, destination: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "settle", full)
    (tmp_path / "wheels").mkdir()
    with pytest.raises(NoSpace):
        stored.place(DIGEST, tmp_path / "wheels" / NAME)
    assert folder(tmp_path / "wheels") == []
    assert stored.names() == (DIGEST,)


def test_a_wheel_that_is_not_there_cannot_be_placed(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotStored) as failure:
        store.place(DIGEST, tmp_path / NAME)
    assert str(failure.value) == f"the store has no wheel with {DIGEST}"


def test_a_kept_partial_is_a_wheel_and_leaves_nothing_behind(store: Store) -> None:
    slot = store.slot(DIGEST)
    with slot.locked():
        slot.partial.write_bytes(CONTENT)
        slot.comes_from(Source("https://h/x", '"tag"'))
        assert slot.source() == Source("https://h/x", '"tag"')
        store.keep(slot, DIGEST)
    assert store.names() == (DIGEST,)
    assert [name for name in folder(store.path(DIGEST).parent) if not name.endswith(".lock")] == [f"{DIGEST.hex}.whl"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"url": 1}', b"\xff"])
def test_a_spoilt_source_file_reads_as_unknown(store: Store, content: bytes) -> None:
    slot = store.slot(DIGEST)
    slot.stem.parent.mkdir(parents=True)
    slot.comes_from(Source("https://h/x", None))
    slot.stem.with_name(f"{DIGEST.hex}.source.json").write_bytes(content)
    assert slot.source() is None


def test_one_slot_has_one_writer(store: Store) -> None:
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.set()
        with store.slot(DIGEST).locked():
            order.append("second")

    thread = threading.Thread(target=second)
    with store.slot(DIGEST).locked():
        thread.start()
        entered.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_waiting_for_a_slot_can_be_given_up(store: Store) -> None:
    with store.slot(DIGEST).locked(), pytest.raises(InterruptedError), store.slot(DIGEST).locked(lambda: True):
        pass


def test_a_store_is_counted_and_pruned(stored: Store, tmp_path: Path) -> None:
    (tmp_path / "second").write_bytes(b"second")
    second = Digest.of(b"second")
    stored.adopt(tmp_path / "second", second)
    for slot in (stored.slot(Digest("0" * 64)), stored.incoming("https://h/x")):
        slot.stem.parent.mkdir(parents=True, exist_ok=True)
        slot.partial.write_bytes(b"part")
    assert stored.info() == StoreInfo(count=2, size=len(CONTENT) + 6, partials=2, partial_size=8)
    assert stored.prune({second}) == StoreInfo(count=1, size=len(CONTENT), partials=2, partial_size=8)
    assert stored.info() == StoreInfo(count=1, size=6, partials=0, partial_size=0)
    assert stored.names() == (second,)


def test_what_is_being_written_is_not_pruned(store: Store) -> None:
    slot = store.slot(DIGEST)
    with slot.locked():
        slot.partial.write_bytes(b"part")
        store.prune()
        assert slot.size() == 4


def test_a_foreign_file_in_the_store_is_left_alone(stored: Store) -> None:
    foreign = stored.path(DIGEST).with_name("README.whl")
    foreign.write_text("mine")
    stored.prune()
    assert stored.info().count == 0
    assert foreign.exists()


# Files


@pytest.mark.parametrize(
    "name",
    [
        "../evil-1-py3-none-any.whl", "/etc/evil.whl", "a\\b.whl", "C:evil.whl", "..", ".whl", ".hidden.whl", "",
        "x.txt", "a\0b.whl", "a\nb.whl", "nul.whl", "-rf.whl", "a/../b.whl", f"{'a' * 300}.whl", "x.whl/",
    ],
)  # fmt: skip
def test_a_file_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BadFileName):
        wheel_filename(name)


@pytest.mark.parametrize("name", [NAME, "torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl", "a-1!2-1-py3-none-any.whl"])
def test_an_honest_file_name_passes(name: str) -> None:
    assert wheel_filename(name) == name


def test_sizes_are_told_to_people() -> None:
    assert [readable(size) for size in (0, 999, 1000, 1_234_567_890)] == ["0 bytes", "999 bytes", "1.0 kB", "1.2 GB"]


def test_free_space_is_asked_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert free_space(tmp_path / "not" / "yet") > 0


def test_a_file_url_is_a_path() -> None:
    assert path_of("file:///a%20b/c%2B.whl") == Path("/a b/c+.whl")
    for url in ("file://server/share/x.whl", "https://h/x.whl"):
        with pytest.raises(ValueError, match="not a local file"):
            path_of(url)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lock.toml"
    write_atomically(file, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert folder(tmp_path) == ["lock.toml"]
