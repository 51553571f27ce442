"""What object stores do differently: conditional writes, found out before they are relied on, and refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from world.objects import Kind, Objects, objects

from wheelhouse.edge.mirror.s3 import Bucket
from wheelhouse.edge.mirror.storage import CannotStore, Changed

PAGE = "simple/numpy/index.json"


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    kind: Kind = request.param
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    with objects(kind) as server:
        yield server


def _bucket(server: Objects) -> Bucket:
    return Bucket("s3://bucket/mirror", endpoint=server.endpoint)


@pytest.mark.parametrize("server", ["s3", "ceph", "swift", "rclone"], indirect=True)
def test_a_page_is_written_over_on_every_kind_of_store(server: Objects) -> None:
    bucket = _bucket(server)
    with bucket.exclusive():
        bucket.write(PAGE, b"1")
        bucket.write(PAGE, b"2", over=bucket.read(PAGE))
    assert server.held == {f"mirror/{PAGE}": b"2"}


@pytest.mark.parametrize("server", ["s3", "ceph"], indirect=True)
def test_what_somebody_else_wrote_is_not_written_over_where_the_store_can_tell(server: Objects) -> None:
    bucket = _bucket(server)
    with bucket.exclusive():
        bucket.write(PAGE, b"1")
        held = bucket.read(PAGE)
        _bucket(server).write(PAGE, b"2")
        with pytest.raises(Changed, match="was changed by somebody else meanwhile"):
            bucket.write(PAGE, b"3", over=held)
    assert server.held == {f"mirror/{PAGE}": b"2"}


@pytest.mark.parametrize("server", ["swift"], indirect=True)
def test_a_store_that_knows_no_conditions_is_not_asked_again_and_again(server: Objects) -> None:
    bucket = _bucket(server)
    for _ in range(3):
        with bucket.exclusive():
            pass
    assert server.asked.count(("PUT", 501)) == 2


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_a_lease_is_given_back_where_the_store_fails_once_it_is_held(
    server: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object) -> None:
        raise OSError("the network is down")

    monkeypatch.setattr("wheelhouse.edge.mirror.lease.Lease.condition", fails)
    with pytest.raises(CannotStore, match="the network is down"), _bucket(server).exclusive():
        pass
    assert server.held == {}


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_what_was_damaged_on_its_way_is_refused_with_the_words_of_the_store(server: Objects) -> None:
    server.damaged = True
    with pytest.raises(CannotStore, match=r"400 Bad Request \(XAmzContentSHA256Mismatch\)"):
        _bucket(server).write(PAGE, b"{}")
    assert server.held == {}


@pytest.mark.parametrize("server", ["swift"], indirect=True)
def test_only_one_at_a_time_changes_pages_where_listings_are_late(server: Objects) -> None:
    server.late = 2
    first, second = _bucket(server), _bucket(server)
    entered: list[str] = []

    def work() -> None:
        with second.exclusive():
            entered.append("second")

    with ThreadPoolExecutor(1) as pool:
        with first.exclusive():
            task = pool.submit(work)
            before = server.asked.count(("GET", 200))
            while not task.done() and server.asked.count(("GET", 200)) < before + 6:
                time.sleep(0.005)
            entered.append("first")
            server.late = 0
        task.result()
    assert entered == ["first", "second"]
