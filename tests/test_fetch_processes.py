"""Killed, interrupted, or twice at once: nothing that was complete is lost, and nothing looks complete that is not."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from world import FakeIndex, Slow

from wheelhouse.digests import Digest
from wheelhouse.edge.download import fetch
from wheelhouse.edge.http import Http, HttpSettings
from wheelhouse.edge.store import Store
from wheelhouse.lock import LockedWheel
from wheelhouse.plan import plan

MIB = 1 << 20
PROGRAM = """
import sys
from pathlib import Path
from wheelhouse.digests import Digest
from wheelhouse.edge.download import fetch
from wheelhouse.edge.http import Http, HttpSettings
from wheelhouse.edge.store import Store
from wheelhouse.lock import LockedWheel
from wheelhouse.plan import FetchPlan

store, *wheels = sys.argv[1:]
plan = FetchPlan(tuple(
    LockedWheel(filename=name, url=url, digest=Digest(digest), size=int(size))
    for name, url, digest, size in (wheel.split("|") for wheel in wheels)
))
with Http(HttpSettings()) as http:
    try:
        fetch(plan, Store(Path(store)), http)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def add(index: FakeIndex, filename: str, size: int) -> LockedWheel:
    content = hashlib.shake_128(filename.encode()).digest(size)
    listed = index.add((filename, content))
    return LockedWheel(filename=filename, url=listed.url, digest=Digest.of(content), size=size)


def start(store: Store, *wheels: LockedWheel) -> subprocess.Popen[bytes]:
    told = [f"{wheel.filename}|{wheel.url}|{wheel.digest.hex}|{wheel.size}" for wheel in wheels]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(store.root), *told])


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def go_on(store: Store, *wheels: LockedWheel) -> None:
    with Http(HttpSettings()) as http:
        fetch(plan(wheels, store.present(wheels)), store, http)


def first_bytes(index: FakeIndex) -> list[int]:
    return sorted(int(request.headers["range"][6:].split("-")[0]) for request in index.asked(".whl"))


def test_after_kill_9_only_the_rest_is_asked(index: FakeIndex, tmp_path: Path) -> None:
    store = Store(tmp_path)
    done, wheel = add(index, "done-1-py3-none-any.whl", 1000), add(index, "torch-2.5.1-py3-none-any.whl", 30 * MIB)
    index.fault("torch", Slow(4 * MIB), times=None)
    process = start(store, wheel, done)
    wait_for(lambda: store.slot(wheel.digest).size() > 2 * MIB and store.has(done.digest))
    process.kill()
    process.wait()

    left = store.slot(wheel.digest).size()
    assert store.names() == (done.digest,)
    index.heal()
    index.reset()
    go_on(store, wheel, done)
    assert left <= first_bytes(index)[0]
    assert {request.headers["if-range"][0] for request in index.requests} == {'"'}
    assert hashlib.sha256(store.path(wheel.digest).read_bytes()).hexdigest() == wheel.digest.hex
    asked = sum(
        int(last) - int(first) + 1 if last else 30 * MIB - int(first)
        for first, last in (request.headers["range"][6:].split("-") for request in index.requests)
    )
    assert asked == 30 * MIB - left


def test_ctrl_c_ends_a_fetch_that_would_take_hours(index: FakeIndex, tmp_path: Path) -> None:
    store = Store(tmp_path)
    wheel = add(index, "torch-2.5.1-py3-none-any.whl", 30 * MIB)
    index.fault(".whl", Slow(1000), times=None)
    process = start(store, wheel)
    wait_for(lambda: store.slot(wheel.digest).size() > 0)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert store.names() == ()
    assert store.slot(wheel.digest).size() > 0


def test_two_runs_at_once_share_the_work(index: FakeIndex, tmp_path: Path) -> None:
    store = Store(tmp_path)
    wheels = [add(index, f"w{number}-1-py3-none-any.whl", MIB) for number in range(8)]
    index.fault(".whl", Slow(2 * MIB), times=None)
    runs = [start(store, *wheels), start(store, *reversed(wheels))]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    assert set(store.names()) == {wheel.digest for wheel in wheels}
    assert len(index.requests) == 8
    assert store.info().partials == 0
    for wheel in wheels:
        assert hashlib.sha256(store.path(wheel.digest).read_bytes()).hexdigest() == wheel.digest.hex
