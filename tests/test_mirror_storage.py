"""Where a mirror lies: a directory and a bucket keep the same promises."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from world.buckets import BUCKET, SECRET, Buckets

from wheelhouse.digests import Digest, DigestMismatch, SizeMismatch
from wheelhouse.edge.files import NoSpace
from wheelhouse.edge.mirror import lease as lease_room
from wheelhouse.edge.mirror import s3 as s3_room
from wheelhouse.edge.mirror import storage as storage_room
from wheelhouse.edge.mirror.lease import LeaseLost
from wheelhouse.edge.mirror.places import opened
from wheelhouse.edge.mirror.s3 import Bucket
from wheelhouse.edge.mirror.storage import CannotStore, Changed, Directory, Gone, Linked, Storage
from wheelhouse.edge.mirror.tree import Blob, place_files
from wheelhouse.edge.store import Store
from wheelhouse.errors import UsageError, WheelhouseError
from wheelhouse.events import Event, Said

HEX = "ab" * 32
WHEEL = f"files/ab/{HEX}/torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl"
PAGE = "simple/numpy/index.json"


@pytest.fixture(params=["directory", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "directory":
        return opened(str(tmp_path / "mirror"))
    return _bucket(request)


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Bucket:
    return _bucket(request)


def _bucket(request: pytest.FixtureRequest, **more: float) -> Bucket:
    server: Buckets = request.getfixturevalue("s3")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    return Bucket(f"s3://{BUCKET}/{re.sub('[^a-z0-9]+', '-', request.node.name)}", **more)


def chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


def test_what_was_written_is_read_again(storage: Storage) -> None:
    assert storage.read(PAGE) is None
    assert storage.size(PAGE) is None
    storage.write(PAGE, b"{}")
    held = storage.read(PAGE)
    assert held is not None and held.content == b"{}"
    assert storage.size(PAGE) == 2
    assert b"".join(storage.stream(PAGE)) == b"{}"
    storage.write(PAGE, b"[]", over=held)
    assert storage.read(PAGE) != held
    storage.remove([PAGE, "simple/none/index.json"])
    assert storage.read(PAGE) is None
    with pytest.raises(Gone, match=re.escape("has no `simple/numpy/index.json`")):
        list(storage.stream(PAGE))


def test_a_page_that_somebody_else_wrote_is_not_written_over(tmp_path: Path) -> None:
    storage = Directory(tmp_path)
    storage.write(PAGE, b"1")
    held = storage.read(PAGE)
    storage.write(PAGE, b"2")
    with pytest.raises(Changed):
        storage.write(PAGE, b"3", over=held)
    assert storage.read(PAGE) == storage.read(PAGE)


@pytest.mark.parametrize("size", [0, 1, 5000, 20_000_000])
def test_a_stream_is_written_whole(storage: Storage, size: int) -> None:
    content = bytes(size)
    storage.put_stream(WHEEL, chunks(content) if size < 10_000 else [content], Digest.of(content), size)
    assert storage.size(WHEEL) == size
    assert b"".join(storage.stream(WHEEL)) == content


@pytest.mark.parametrize("size", [5000, 20_000_000])
def test_a_stream_that_is_not_what_was_promised_is_not_written(storage: Storage, size: int) -> None:
    content = bytes(size)
    with pytest.raises(DigestMismatch):
        storage.put_stream(WHEEL, [content], Digest.of(b"other"), size)
    with pytest.raises(SizeMismatch):
        storage.put_stream(WHEEL, [content[:-1]], Digest.of(content), size)
    with pytest.raises(SizeMismatch):
        storage.put_stream(WHEEL, [content, b"more"], Digest.of(content), size)
    assert [found.key for found in storage.listed()] == []


def test_a_damaged_wheel_of_the_store_is_not_published(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "store" / "sha256" / "ab" / f"{HEX}.whl"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"damaged")
    with pytest.raises(DigestMismatch):
        storage.put_file(WHEEL, source, Digest(HEX))
    assert storage.size(WHEEL) is None


def test_everything_below_a_prefix_is_listed(storage: Storage) -> None:
    for key in (PAGE, "simple/index.json", "simple/numpy-x/index.json", WHEEL):
        storage.write(key, b"x")
    assert sorted(found.key for found in storage.listed()) == sorted(
        [PAGE, "simple/index.json", "simple/numpy-x/index.json", WHEEL]
    )
    assert [found.key for found in storage.listed("simple/numpy/")] == [PAGE]
    assert [(found.key, found.size) for found in storage.listed("files/")] == [(WHEEL, 1)]
    assert list(storage.listed("whl/")) == []


@pytest.mark.parametrize(
    "key",
    [
        "../mirror.json",
        "simple/../../etc/index.json",
        "/etc/passwd",
        "files/ab/../x.whl",
        f"files/cd/{HEX}/a-1-py3-none-any.whl",
        f"files/ab/{HEX}/..",
        f"files/ab/{HEX}/.whl",
        "simple/Numpy/index.json",
        "simple/numpy/index.html/",
        "simple/numpy/index.php",
        "whl/cu121;x/index.json",
        "locks/../x.toml",
        "page/../index.html",
        "mirror.json\n",
        "",
    ],
)
def test_no_other_key_is_ever_touched(storage: Storage, key: str) -> None:
    for attempt in (
        lambda: storage.read(key),
        lambda: storage.write(key, b""),
        lambda: storage.size(key),
        lambda: storage.put_stream(key, [], Digest.of(b""), 0),
        lambda: list(storage.stream(key)),
        lambda: storage.remove([key]),
    ):
        with pytest.raises(ValueError, match="not a key of a mirror"):
            attempt()


def test_only_one_at_a_time_changes_pages(request: pytest.FixtureRequest, storage: Storage, tmp_path: Path) -> None:
    inside, most, entered = [0], [0], []

    def work(number: int) -> None:
        own = storage if isinstance(storage, Directory) else Bucket(storage.name)
        for _ in range(3):
            with own.exclusive():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.005)
                entered.append(number)
                inside[0] -= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert sorted(entered) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_several_may_bring_the_same_file_at_once(storage: Storage) -> None:
    content = os.urandom(20_000_000)
    digest = Digest.of(content)
    blob = Blob(
        key=f"files/{digest.hex[:2]}/{digest.hex}/big-1.0-py3-none-any.whl",
        digest=digest,
        size=len(content),
        put=lambda there: there.put_stream(blob.key, [content], digest, len(content)),
    )
    failed: list[WheelhouseError] = []

    def bring() -> None:
        try:
            place_files(storage, [blob])
        except WheelhouseError as error:
            failed.append(error)

    threads = [threading.Thread(target=bring) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert Digest.of(b"".join(storage.stream(blob.key))) == digest


# a directory


def test_no_link_inside_a_mirror_is_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "numpy").mkdir(parents=True)
    (elsewhere / "numpy" / "index.json").write_bytes(b"secret")
    root = tmp_path / "mirror"
    root.mkdir()
    (root / "simple").symlink_to(elsewhere)
    storage = Directory(root)
    for attempt in (
        lambda: storage.write(PAGE, b"x"),
        lambda: storage.read(PAGE),
        lambda: storage.put_stream(PAGE, [b"x"], Digest.of(b"x"), 1),
        lambda: list(storage.stream(PAGE)),
        lambda: storage.remove([PAGE]),
    ):
        with pytest.raises(Linked, match="is a symbolic link, and a mirror follows none"):
            attempt()
    assert (elsewhere / "numpy" / "index.json").read_bytes() == b"secret"
    assert [found.key for found in storage.listed()] == ["simple"]  # a stray, not a folder


def test_a_file_that_is_a_link_is_neither_read_nor_written(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    root = tmp_path / "mirror"
    (root / "simple" / "numpy").mkdir(parents=True)
    (root / PAGE).symlink_to(secret)
    storage = Directory(root)
    with pytest.raises(Linked):
        storage.read(PAGE)
    with pytest.raises(Linked):
        storage.write(PAGE, b"x")
    with pytest.raises(Linked):
        storage.size(PAGE)
    storage.remove([PAGE])
    assert secret.read_bytes() == b"secret"


def test_the_folder_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "mirror").symlink_to(tmp_path / "real")
    Directory(tmp_path / "mirror").write(PAGE, b"x")
    assert (tmp_path / "real" / PAGE).read_bytes() == b"x"


def test_a_folder_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mirror").write_bytes(b"a file")
    with pytest.raises(CannotStore, match="cannot be read or written: not a directory"):
        Directory(tmp_path / "mirror").write(PAGE, b"x")


def test_empty_folders_go_with_their_last_file(tmp_path: Path) -> None:
    storage = Directory(tmp_path / "mirror")
    storage.write(WHEEL, b"x")
    storage.write("simple/index.json", b"x")
    storage.remove([WHEEL])
    assert os.listdir(tmp_path / "mirror") == ["simple"]


# a bucket


def test_objects_say_what_they_are(bucket: Bucket) -> None:
    kinds = {
        PAGE: ("application/vnd.pypi.simple.v1+json", "no-cache"),
        "simple/numpy/index.html": ("text/html; charset=utf-8", "no-cache"),
        WHEEL: ("application/octet-stream", "public, max-age=31536000, immutable"),
    }
    for key in kinds:
        bucket.write(key, b"x")
    told = {key: bucket.store.get(key).attributes for key in kinds}
    assert {key: (each["Content-Type"], each["Cache-Control"]) for key, each in told.items()} == kinds


def test_who_stood_still_too_long_writes_no_more(request: pytest.FixtureRequest) -> None:
    bucket = _bucket(request, lease=600)
    with bucket.exclusive():
        bucket.write(PAGE, b"1")
        assert bucket._lease is not None
        bucket._lease._renewed -= 301
        with pytest.raises(LeaseLost, match="ran out while this command stood still"):
            bucket.write(PAGE, b"2")
    held = bucket.read(PAGE)
    assert held is not None and held.content == b"1"


def test_the_ticket_of_one_who_crashed_runs_out(request: pytest.FixtureRequest) -> None:
    bucket = _bucket(request, lease=0.3)
    bucket.store.put(".lease/" + "0" * 32, b"")
    with bucket.exclusive():
        bucket.write(PAGE, b"x")
    assert [found.key for found in bucket.listed()] == [PAGE]


def test_a_server_that_refuses_is_told_with_its_own_words(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(CannotStore, match="403 Forbidden") as caught:
        Bucket(bucket.name).read(PAGE)
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.hint
    assert SECRET not in str(caught.value) and "\n" not in str(caught.value)


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setattr(s3_room, "_RETRIES", {"max_retries": 0})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CannotStore) as caught:
            Bucket("s3://bucket/mirror", endpoint=server).read(PAGE)
    assert caught.value.reason.startswith(f"`{server}` does not answer (")


def test_a_bucket_that_is_not_there_is_told(bucket: Bucket) -> None:
    with pytest.raises(CannotStore, match=r"404 Not Found \(NoSuchBucket\)") as caught:
        Bucket("s3://nowhere/mirror").write(PAGE, b"x")
    assert caught.value.hint == "make the bucket first, with the tool of its store; wheelhouse makes none"
    with pytest.raises(CannotStore, match=r"404 Not Found \(NoSuchBucket\)"):
        Bucket("s3://nowhere/mirror").read(PAGE)


@pytest.mark.parametrize("url", ["s3://", "s3://UPPER/x", "s3://b/x", "s3://bucket/../x", "s3://user:pw@bucket/x"])
def test_what_is_no_place_in_a_bucket_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError, match="is no place in a bucket"):
        opened(url)


@pytest.mark.parametrize(
    "place", ["https://mirror.test/", "file:///srv/mirror", "file:/srv/mirror", "s3:/bucket/x", ""]
)
def test_another_scheme_is_wrong_usage(place: str) -> None:
    with pytest.raises(UsageError, match="is no place that a mirror can be in"):
        opened(place)


def test_a_drive_of_windows_is_a_folder() -> None:
    assert opened("C:/srv/mirror").name == str(Path("C:/srv/mirror"))


def test_who_waits_for_another_writer_is_told(
    request: pytest.FixtureRequest, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_room, "SILENT_WAIT", 0.0)
    monkeypatch.setattr(lease_room, "SILENT_WAIT", 0.0)
    told: list[str] = []

    def listen(event: Event) -> None:
        assert isinstance(event, Said)
        told.append(event.message)
        free.set()

    free = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with storage.exclusive():
            task = pool.submit(_hold, opened(storage.name, listen=listen))
            assert free.wait(30)
        task.result()
    (message,) = told
    assert message.endswith(("waiting until it is done", "for 60 seconds after it was heard of last"))
    assert f"is changing `{storage.name}`" in message


def _hold(storage: Storage) -> None:
    with storage.exclusive():
        pass


def test_a_full_disk_is_told_at_once_and_names_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def full(store: Store, digest: Digest, destination: Path) -> Path:
        tries.append(destination)
        raise NoSpace(destination.parent, needed=2, free=1)

    monkeypatch.setattr(Store, "place", full)
    source = tmp_path / "store" / "sha256" / "ab" / "x.whl"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"x")
    key = f"files/{Digest.of(b'x').hex[:2]}/{Digest.of(b'x').hex}/a-1-py3-none-any.whl"
    blob = Blob(key=key, digest=Digest.of(b"x"), size=1, put=lambda to: to.put_file(key, source, Digest.of(b"x")))
    with pytest.raises(CannotStore, match="no space is left on its disk") as caught:
        place_files(Directory(tmp_path / "mirror"), [blob])
    assert (len(tries), caught.value.hint) == (1, "free some space, and run it again")
