"""Wheels arrive whole and verified, whatever the network does; what fails is told together."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from io import FileIO
from pathlib import Path

import pytest
from world import (
    ChangeETag,
    Corrupt,
    FakeIndex,
    IgnoreRange,
    NoLength,
    Redirect,
    Replace,
    Reset,
    Stall,
    Status,
    Truncate,
)
from world.faults import Fault, Request, Response

from wheelhouse.digests import Digest, DigestMismatch, SizeMismatch
from wheelhouse.edge.download import FetchFailed, fetch, fetch_unknown
from wheelhouse.edge.files import BadFileName, NoSpace
from wheelhouse.edge.http import Http, HttpSettings
from wheelhouse.edge.http_errors import CutOff, HttpError, Refused, ServerFailed, Stalled, TlsFailed, Unreachable
from wheelhouse.edge.store import Source, Store
from wheelhouse.edge.transfer import NotServed
from wheelhouse.edge.window import SEGMENT, Window
from wheelhouse.events import (
    Event,
    FetchFinished,
    FetchStarted,
    FileAdvanced,
    FileDone,
    FileFailed,
    FileRestarted,
    FileStarted,
)
from wheelhouse.lock import LockedWheel
from wheelhouse.plan import FetchPlan, plan

QUICK = HttpSettings(connect_timeout=2, read_timeout=0.2, attempts=3, max_wait=0.01)
NAME = "numpy-2.1.0-py3-none-any.whl"
KIB = 1024


def bytes_of(seed: str, size: int) -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size)


CONTENT = bytes_of(NAME, 100 * KIB)


class World:
    """An index, a store, and small segments, so that 100 KiB are a large file."""

    def __init__(self, index: FakeIndex, http: Http, root: Path) -> None:
        self.index, self.http, self.store = index, http, Store(root / "store")
        self.events: list[Event] = []
        self.window = Window(http, segment=8 * KIB, buffers=3)

    def add(self, filename: str = NAME, content: bytes = CONTENT, *, size: bool = True) -> LockedWheel:
        listed = self.index.add((filename, content))
        return LockedWheel(
            filename=filename, url=listed.url, digest=Digest.of(content), size=len(content) if size else None
        )

    def fetch(self, *wheels: LockedWheel, jobs: int = 4, free: Callable[[Path], int] = lambda path: 10**12) -> None:
        todo = plan(wheels, self.store.present(wheels))
        fetch(todo, self.store, self.http, jobs=jobs, listen=self.events.append, free_space=free, window=self.window)

    def failures(self, *wheels: LockedWheel) -> list[Exception]:
        with pytest.raises(FetchFailed) as failure:
            self.fetch(*wheels)
        return list(failure.value.errors)

    def begin(self, wheel: LockedWheel, prefix: bytes, source: Source | None = None) -> None:
        """As an earlier run left it."""
        slot = self.store.slot(wheel.digest)
        slot.stem.parent.mkdir(parents=True)
        slot.partial.write_bytes(prefix)
        if source is not None:
            slot.comes_from(source)

    def ranges(self) -> list[str | None]:
        return [request.headers.get("range") for request in self.index.asked(".whl")]

    def asked_bytes(self) -> set[int]:
        """The first bytes of all ranges that were asked."""
        return {int((told or "bytes=0-")[6:].split("-")[0]) for told in self.ranges()}

    def restarts(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, FileRestarted)]


@pytest.fixture
def world(index: FakeIndex, tmp_path: Path) -> Iterator[World]:
    with Http(QUICK) as http:
        yield World(index, http, tmp_path)


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


# What arrives


def test_a_small_wheel_is_one_plain_question(world: World) -> None:
    wheel = world.add(content=b"small")
    world.fetch(wheel)
    assert world.store.path(wheel.digest).read_bytes() == b"small"
    assert world.ranges() == [None]
    assert world.events == [
        FetchStarted(1, 5),
        FileStarted(NAME, 5, 0),
        FileAdvanced(NAME, 5),
        FileDone(NAME),
        FetchFinished(),
    ]


def test_a_large_wheel_comes_in_segments_and_each_byte_once(world: World) -> None:
    wheel = world.add()
    world.fetch(wheel)
    assert world.store.path(wheel.digest).read_bytes() == CONTENT
    assert sorted(world.asked_bytes()) == [place * 8 * KIB for place in range(13)]
    assert len(world.ranges()) == 13
    assert sum(event.count for event in world.events if isinstance(event, FileAdvanced)) == len(CONTENT)


def test_segments_after_the_first_ask_for_the_same_file(world: World) -> None:
    world.fetch(world.add())
    first, *others = sorted(
        world.index.asked(".whl"), key=lambda request: int(request.headers["range"][6:].split("-")[0])
    )
    assert "if-range" not in first.headers
    assert {request.headers["if-range"] for request in others} == {etag(CONTENT)}


def test_the_window_bounds_what_is_in_memory_over_all_files(world: World) -> None:
    wheels = [world.add(f"w{number}-1-py3-none-any.whl", bytes_of(str(number), 100 * KIB)) for number in range(6)]
    world.fetch(*wheels, jobs=6)
    assert 1 <= world.window.peak <= 3
    assert world.index.busiest <= 6 + 3
    assert len(world.store.names()) == 6


def test_a_segment_that_is_not_wanted_any_more_gives_its_buffer_back(world: World) -> None:
    wheel = world.add()
    window = Window(world.http, segment=8 * KIB, buffers=1)
    world.index.fault(".whl", Stall(after=100, seconds=0.1), times=1)
    segment = window.ahead(wheel.url, {}, 0, 8 * KIB, total=len(CONTENT), validator=None)
    assert segment is not None
    assert window.ahead(wheel.url, {}, 0, 8 * KIB, total=len(CONTENT), validator=None) is None
    window.release(segment)
    window.release(segment)
    segment.task.result()
    again = window.ahead(wheel.url, {}, 0, 8 * KIB, total=len(CONTENT), validator=None)
    assert again is not None
    assert again.buffer is segment.buffer
    assert bytes(again.bytes()) == CONTENT[: 8 * KIB]


def test_the_window_of_a_whole_fetch_is_48_mib() -> None:
    with Http(QUICK) as http:
        window = Window(http)
        assert (window.segment, SEGMENT, window._buffers) == (8 << 20, 8 << 20, 6)


def test_no_more_than_four_segments_of_one_file_are_in_flight(world: World) -> None:
    world.window = Window(world.http, segment=8 * KIB, buffers=20)
    world.fetch(world.add())
    assert world.window.peak <= 4
    assert world.index.busiest <= 4


def test_while_enough_files_come_at_a_time_each_is_one_question(world: World) -> None:
    world.window = Window(world.http, segment=8 * KIB, buffers=3, connections=2)
    wheel = world.add()
    with world.window.file():
        world.fetch(wheel)
    assert world.store.path(wheel.digest).read_bytes() == CONTENT
    assert world.ranges() == [f"bytes=0-{len(CONTENT) - 1}"]
    assert world.window.peak == 0


def test_when_the_other_files_are_done_the_rest_of_the_last_comes_in_segments(world: World) -> None:
    world.window = Window(world.http, segment=8 * KIB, buffers=3, connections=4)
    wheel = world.add()
    world.index.fault(".whl", Stall(after=20 * KIB, seconds=0.1), times=1)
    with contextlib.ExitStack() as others:
        for _ in range(3):
            others.enter_context(world.window.file())

        def listen(event: Event) -> None:
            world.events.append(event)
            if isinstance(event, FileAdvanced):
                others.close()

        fetch(plan([wheel], frozenset()), world.store, world.http, jobs=4, listen=listen, window=world.window)
    assert world.store.path(wheel.digest).read_bytes() == CONTENT
    first, *segments = world.ranges()
    assert first == f"bytes=0-{len(CONTENT) - 1}"
    assert len(segments) >= 9
    assert sum(event.count for event in world.events if isinstance(event, FileAdvanced)) == len(CONTENT)
    assert world.restarts() == []


def test_an_answer_that_comes_fast_is_left_alone(world: World) -> None:
    world.window = Window(world.http, segment=8 * KIB, buffers=3, fast=0)
    world.fetch(world.add())
    assert world.ranges() == ["bytes=0-8191", f"bytes=8192-{len(CONTENT) - 1}"]
    assert world.window.peak == 0


def test_an_answer_that_turns_slow_is_helped(world: World) -> None:
    world.window = Window(world.http, segment=8 * KIB, buffers=3, fast=float("inf"))
    wheel = world.add()
    world.index.fault(".whl", Stall(after=KIB, seconds=0.1), times=1)
    world.fetch(wheel)
    assert world.store.path(wheel.digest).read_bytes() == CONTENT
    assert world.window.peak >= 1


def test_four_segments_are_in_flight_once_a_file_comes_in_segments(world: World) -> None:
    world.window = Window(world.http, segment=8 * KIB, buffers=20)
    world.fetch(world.add())
    assert world.window.peak == 4


@pytest.mark.parametrize("size", [1, 8 * KIB, 16 * KIB, 16 * KIB + 1, 24 * KIB, 100 * KIB + 1])
@pytest.mark.parametrize("known", [True, False])
def test_every_size_arrives_whole(world: World, size: int, known: bool) -> None:
    wheel = world.add(content=bytes_of("x", size), size=known)
    world.fetch(wheel)
    assert world.store.path(wheel.digest).read_bytes() == bytes_of("x", size)


def test_what_the_store_has_is_not_asked_for(world: World) -> None:
    wheel = world.add()
    world.fetch(wheel)
    world.index.reset()
    world.events.clear()
    world.fetch(wheel)
    fetch(FetchPlan((wheel,)), world.store, world.http)
    assert world.index.requests == []
    assert world.events == []


def test_a_redirect_to_another_host_is_followed(world: World) -> None:
    wheel = world.add()
    with FakeIndex() as elsewhere:
        elsewhere.files["/there"] = CONTENT
        world.index.fault(".whl", Redirect(f"{elsewhere.url}/there"), times=None)
        world.fetch(wheel)
    assert world.store.has(wheel.digest, len(CONTENT))


def test_a_body_without_length_arrives(world: World) -> None:
    world.index.fault(".whl", NoLength(), times=None)
    for size in (True, False):
        wheel = world.add(f"w{size}-1-py3-none-any.whl", bytes_of(str(size), 50 * KIB), size=size)
        world.fetch(wheel)
        assert world.store.has(wheel.digest)


@pytest.mark.parametrize("validator", ["strong", "weak", "none"])
@pytest.mark.parametrize("ranges", [True, False])
def test_every_kind_of_server_will_do(tmp_path: Path, validator: str, ranges: bool) -> None:
    with FakeIndex(validator=validator, ranges=ranges) as index, Http(QUICK) as http:  # type: ignore[arg-type]
        world = World(index, http, tmp_path)
        wheel = world.add()
        world.fetch(wheel)
        assert world.store.has(wheel.digest, len(CONTENT))
        assert len(world.ranges()) == (13 if ranges else 1)


def test_a_local_file_is_copied_with_the_same_checks(world: World, tmp_path: Path) -> None:
    file = tmp_path / "find links" / NAME
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    good = LockedWheel(filename=NAME, url=file.as_uri(), digest=Digest.of(CONTENT), size=len(CONTENT))
    world.fetch(good)
    assert world.store.path(good.digest).read_bytes() == CONTENT
    bad = LockedWheel(filename=NAME, url=file.as_uri(), digest=Digest("0" * 64), size=len(CONTENT))
    gone = LockedWheel(filename=NAME, url=file.as_uri() + "x", digest=Digest("1" * 64))
    assert [type(error) for error in world.failures(bad, gone)] == [NotServed, DigestMismatch]
    assert world.store.names() == (good.digest,)


# Going on


def test_a_prefix_is_kept_and_only_the_rest_is_asked(world: World) -> None:
    wheel = world.add()
    world.begin(wheel, CONTENT[: 90 * KIB], Source(wheel.url, etag(CONTENT)))
    world.fetch(wheel)
    assert world.ranges() == [f"bytes={90 * KIB}-"]
    assert world.index.requests[0].headers["if-range"] == etag(CONTENT)
    assert world.events[1] == FileStarted(NAME, len(CONTENT), 90 * KIB)
    assert world.store.path(wheel.digest).read_bytes() == CONTENT


def test_without_a_validator_the_range_is_plain_and_the_digest_judges(world: World) -> None:
    wheel = world.add()
    world.begin(wheel, CONTENT[: 90 * KIB])
    world.fetch(wheel)
    assert world.ranges() == [f"bytes={90 * KIB}-"]
    assert "if-range" not in world.index.requests[0].headers


def test_a_validator_of_another_place_is_not_used(world: World) -> None:
    wheel = world.add()
    world.begin(wheel, CONTENT[: 90 * KIB], Source("https://mirror.invalid/x.whl", '"of the mirror"'))
    world.fetch(wheel)
    assert [(r.headers.get("range"), r.headers.get("if-range")) for r in world.index.requests] == [
        (f"bytes={90 * KIB}-", None)
    ]


def test_a_whole_prefix_is_only_verified(world: World) -> None:
    wheel = world.add()
    world.begin(wheel, CONTENT)
    world.fetch(wheel)
    assert world.index.requests == []
    assert world.store.names() == (wheel.digest,)


@pytest.mark.parametrize("prefix", [b"x" * 50 * KIB, CONTENT + b"x", b"x" * 100 * KIB])
def test_a_wrong_prefix_is_given_up(world: World, prefix: bytes) -> None:
    wheel = world.add()
    world.begin(wheel, prefix)
    world.fetch(wheel)
    assert world.store.path(wheel.digest).read_bytes() == CONTENT


def test_a_changed_file_begins_again_at_once(world: World) -> None:
    wheel = world.add()
    world.begin(wheel, b"x" * 90 * KIB, Source(wheel.url, '"of the old file"'))
    world.fetch(wheel)
    assert world.store.path(wheel.digest).read_bytes() == CONTENT
    assert world.restarts() == ["the server sends it from its beginning"]


def test_a_server_that_changes_its_validator_all_the_time_is_no_obstacle(world: World) -> None:
    wheel = world.add()
    world.index.fault(".whl", ChangeETag(), times=None)
    world.index.fault(".whl", Reset(after=3000), times=1)
    world.fetch(wheel)
    assert world.store.has(wheel.digest, len(CONTENT))


def test_a_server_that_ignores_ranges_sends_the_whole_file(world: World) -> None:
    wheel = world.add()
    world.begin(wheel, CONTENT[: 90 * KIB], Source(wheel.url, etag(CONTENT)))
    world.index.fault(".whl", IgnoreRange(), times=None)
    world.fetch(wheel)
    assert world.store.path(wheel.digest).read_bytes() == CONTENT
    assert len(world.ranges()) == 1


def test_a_server_that_does_not_know_the_range_is_asked_for_the_whole(world: World) -> None:
    wheel = world.add()
    world.begin(wheel, CONTENT[: 90 * KIB])
    world.index.fault(".whl", Status(416), times=1)
    world.fetch(wheel)
    assert world.ranges() == [f"bytes={90 * KIB}-", None]
    assert world.store.path(wheel.digest).read_bytes() == CONTENT


class OtherPart(Fault):
    """A 206 with other bytes than were asked for."""

    def answered(self, request: Request, response: Response) -> Response:
        headers = {**response.headers, "Content-Range": f"bytes 0-{KIB - 1}/{len(CONTENT)}"}
        return Response(206, headers, CONTENT[:KIB])


def test_another_part_than_was_asked_for_is_not_appended(world: World) -> None:
    wheel = world.add()
    world.begin(wheel, CONTENT[: 90 * KIB])
    world.index.fault(".whl", OtherPart(), times=1)
    world.fetch(wheel)
    assert world.restarts() == ["the server sends another part than was asked for"]
    assert world.store.path(wheel.digest).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "fault", [Reset(), Reset(after=3000), Truncate(after=3000), Status(503), Status(429, {"Retry-After": "9"})]
)
def test_a_broken_connection_goes_on_where_it_stopped(world: World, fault: Fault) -> None:
    wheel = world.add()
    world.index.fault(".whl", fault, times=2)
    world.fetch(wheel)
    assert world.store.path(wheel.digest).read_bytes() == CONTENT
    assert world.restarts() == []
    assert sum(event.count for event in world.events if isinstance(event, FileAdvanced)) == len(CONTENT)


def test_a_stall_goes_on_where_it_stopped(world: World) -> None:
    wheel = world.add(content=CONTENT[: 15 * KIB])
    world.index.fault(".whl", Stall(after=5000, seconds=2), times=1)
    world.fetch(wheel)
    assert world.ranges() == [None, "bytes=5000-"]
    assert world.restarts() == []


def test_progress_forgives_earlier_failures(world: World) -> None:
    wheel = world.add(content=CONTENT[: 15 * KIB])
    world.index.fault(".whl", Reset(after=1000), times=None)
    world.fetch(wheel)
    assert len(world.ranges()) == 16
    assert world.store.has(wheel.digest)


# What fails


def test_failures_without_progress_are_bounded(world: World) -> None:
    wheel = world.add(content=CONTENT[: 15 * KIB])
    world.index.fault(".whl", Reset(after=0), times=None)
    assert [type(error) for error in world.failures(wheel)] == [CutOff]
    assert len(world.ranges()) == 3


def test_a_server_that_ignores_ranges_and_always_breaks_is_given_up(world: World) -> None:
    wheel = world.add(content=CONTENT[: 15 * KIB])
    world.index.ranges = False
    world.index.fault(".whl", Truncate(after=5000), times=None)
    assert [type(error) for error in world.failures(wheel)] == [CutOff]
    assert world.store.names() == ()


def test_an_endless_stall_is_told_and_what_came_is_kept(world: World) -> None:
    wheel = world.add(content=CONTENT[: 15 * KIB])
    world.index.fault(".whl", Stall(after=5000, seconds=1), times=1)
    world.index.fault(".whl", Stall(after=0, seconds=1), times=None)
    assert [type(error) for error in world.failures(wheel)] == [Stalled]
    assert world.store.slot(wheel.digest).size() == 5000


def test_one_corrupted_byte_costs_one_more_whole_download(world: World) -> None:
    wheel = world.add(content=CONTENT[: 15 * KIB])
    world.index.fault(".whl", Corrupt(at=7), times=1)
    world.fetch(wheel)
    assert world.ranges() == [None, None]
    assert world.restarts() == ["its bytes are other than promised"]
    assert world.store.path(wheel.digest).read_bytes() == CONTENT[: 15 * KIB]


def test_a_corrupted_segment_costs_one_more_whole_download(world: World) -> None:
    wheel = world.add()
    world.index.fault(".whl", Corrupt(at=50 * KIB), times=9)
    world.fetch(wheel)
    assert world.ranges()[-1] is None
    assert world.store.path(wheel.digest).read_bytes() == CONTENT


def test_a_second_misfit_is_the_error_and_nothing_stays(world: World) -> None:
    wheel = world.add(content=CONTENT[: 15 * KIB])
    world.index.fault(".whl", Corrupt(at=7), times=None)
    (error,) = world.failures(wheel)
    assert isinstance(error, DigestMismatch)
    assert (error.filename, error.expected) == (NAME, wheel.digest)
    assert world.ranges() == [None, None]
    assert world.store.names() == ()
    assert world.store.slot(wheel.digest).size() == 0


@pytest.mark.parametrize("size", [10 * KIB, 200 * KIB])
def test_another_size_than_promised_is_the_error(world: World, size: int) -> None:
    wheel = world.add()
    wrong = LockedWheel(filename=wheel.filename, url=wheel.url, digest=wheel.digest, size=size)
    (error,) = world.failures(wrong)
    assert isinstance(error, SizeMismatch)
    assert (error.expected, error.actual) == (size, 100 * KIB)
    assert world.store.names() == ()


def test_a_captive_portal_is_not_a_wheel(world: World) -> None:
    wheel = world.add()
    world.index.fault(".whl", Replace(b"<html>please log in</html>"), times=None)
    assert [type(error) for error in world.failures(wheel)] == [SizeMismatch]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Status(404), NotServed), (Status(410), NotServed), (Status(403), Refused), (Status(401), Refused),
        (Status(500), ServerFailed), (Status(416), NotServed), (Redirect("ftp://h/x"), HttpError),
    ],
)  # fmt: skip
def test_each_way_to_fail_has_its_name(world: World, fault: Fault, error: type[Exception]) -> None:
    wheel = world.add(content=b"small")
    world.index.fault(".whl", fault, times=None)
    (told,) = world.failures(wheel)
    assert isinstance(told, error)


def test_one_broken_wheel_does_not_stop_the_others(world: World) -> None:
    good = [world.add(f"good{number}-1-py3-none-any.whl", bytes_of(str(number), 20 * KIB)) for number in range(4)]
    missing = world.add("missing-1-py3-none-any.whl", b"missing")
    spoilt = world.add("spoilt-1-py3-none-any.whl", b"spoilt")
    world.index.fault("missing-", Status(404), times=None)
    world.index.fault("spoilt-", Corrupt(), times=None)
    errors = world.failures(missing, *good, spoilt)
    assert [type(error) for error in errors] == [NotServed, DigestMismatch]
    assert set(world.store.names()) == {wheel.digest for wheel in good}
    assert {event.filename for event in world.events if isinstance(event, FileFailed)} == {
        "missing-1-py3-none-any.whl",
        "spoilt-1-py3-none-any.whl",
    }
    assert world.events[-1] == FetchFinished()


def test_a_host_that_is_not_there_is_told_once(world: World) -> None:
    wheels = [
        LockedWheel(filename=f"w{n}-1-py3-none-any.whl", url=f"https://nowhere.invalid/{n}", digest=Digest(f"{n:064}"))
        for n in range(30)
    ]
    (error,) = world.failures(*wheels)
    assert isinstance(error, Unreachable)
    assert str(error) == "`nowhere.invalid` cannot be reached: name resolution"


def test_an_unknown_authority_is_not_asked_twice(tmp_path: Path) -> None:
    with FakeIndex(tls=True) as index, Http(QUICK) as http:
        world = World(index, http, tmp_path)
        assert [type(error) for error in world.failures(world.add())] == [TlsFailed]


@pytest.mark.parametrize("name", ["../evil.whl", "/tmp/evil.whl", "evil.txt"])
def test_a_hostile_file_name_is_refused_before_anything_is_asked(world: World, name: str) -> None:
    wheel = world.add()
    hostile = LockedWheel(filename=name, url=wheel.url, digest=wheel.digest)
    with pytest.raises(BadFileName):
        fetch(FetchPlan((hostile,)), world.store, world.http)
    assert world.index.requests == []


def test_no_password_is_shown_or_kept(world: World) -> None:
    wheel = world.add()
    world.index.fault(".whl", Status(404), times=None)
    private = LockedWheel(
        filename=NAME, url=wheel.url.replace("://", "://user:secret@"), digest=wheel.digest, size=wheel.size
    )
    assert "secret" not in repr(world.failures(private)) + repr(world.events)
    world.index.heal()
    world.index.fault(".whl", Status(403), times=None)
    world.index.fault(".whl", Reset(after=100), times=1)
    assert "secret" not in repr(world.failures(private))
    kept = b"".join(path.read_bytes() for path in world.store.root.rglob("*.json"))
    assert b"secret" not in kept


NEVER_THAT = "it had to begin again 9 times, at last because the server sends another part than was asked for"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Status(206, {}, b"no range is told"), NEVER_THAT),
        (Status(206, {"Content-Range": "bytes 5-9/10"}, b"12345"), NEVER_THAT),
        (Status(416), f"416 {HTTPStatus(416).phrase}"),  # to a question without a range too
    ],
)
def test_a_server_that_never_sends_what_was_asked_for_is_not_asked_for_ever(
    world: World, answer: Fault, reason: str
) -> None:
    wheel = world.add()
    world.begin(wheel, CONTENT[:KIB])
    world.index.fault(".whl", answer, times=40)
    (error,) = world.failures(wheel)
    assert isinstance(error, NotServed)
    assert error.reason == reason
    assert len(world.index.asked(".whl")) <= 10


# Space


def test_space_is_checked_before_the_first_byte(world: World) -> None:
    one, two = world.add(), world.add("b-1-py3-none-any.whl", bytes_of("b", 50 * KIB))
    world.begin(one, CONTENT[: 90 * KIB])
    with pytest.raises(NoSpace) as failure:
        world.fetch(one, two, free=lambda path: 60 * KIB - 1)
    assert (failure.value.needed, failure.value.free) == (60 * KIB, 60 * KIB - 1)
    assert str(failure.value) == f"`{world.store.root}` has 61.4 kB free, but 61.4 kB are needed"
    assert world.index.requests == []
    world.fetch(one, two, free=lambda path: 60 * KIB)


def test_a_size_that_is_learnt_on_the_way_is_checked_too(world: World) -> None:
    wheel = world.add(size=False)
    with pytest.raises(FetchFailed) as failure:
        world.fetch(wheel, free=lambda path: 50 * KIB)
    assert [type(error) for error in failure.value.errors] == [NoSpace]


def test_a_full_disk_is_not_tried_again_with_every_other_file(world: World) -> None:
    wheels = [world.add(f"w{number}-1-py3-none-any.whl", bytes_of(str(number), KIB), size=False) for number in range(5)]
    with pytest.raises(FetchFailed):
        world.fetch(*wheels, jobs=1, free=lambda path: KIB - 1)
    assert len(world.index.requests) == 1


def test_a_disk_that_fills_up_ends_the_fetch_and_nothing_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = [world.add(f"w{number}-1-py3-none-any.whl", bytes_of(str(number), 100 * KIB)) for number in range(5)]
    left = [150 * KIB]
    lock = threading.Lock()
    open_file = Path.open

    class Full(FileIO):
        def write(self, piece: object) -> int:
            with lock:
                if left[0] < len(piece):  # type: ignore[arg-type]
                    raise OSError(errno.ENOSPC, "No space left on device")
                left[0] -= len(piece)  # type: ignore[arg-type]
            return super().write(piece)  # type: ignore[arg-type]

    def opened(path: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        return Full(path, "r+") if path.suffix == ".partial" else open_file(path, mode, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", opened)
    (error,) = world.failures(*wheels)
    assert isinstance(error, NoSpace)
    monkeypatch.undo()
    done = [wheel for wheel in wheels if world.store.has(wheel.digest)]
    written = sum(world.store.slot(wheel.digest).size() for wheel in wheels) + 100 * KIB * len(done)
    assert written == 150 * KIB - left[0]
    world.fetch(*wheels)
    assert len(world.store.names()) == 5


# Unknown digests


def test_a_wheel_without_a_digest_is_downloaded_once(world: World) -> None:
    url = world.add().url
    expected = Digest.of(CONTENT), len(CONTENT)
    assert fetch_unknown(NAME, url, world.store, world.http) == expected
    assert world.store.names() == (Digest.of(CONTENT),)
    world.index.reset()
    assert fetch_unknown(NAME, url, world.store, world.http) == expected
    assert [request.method for request in world.index.requests] == ["HEAD"]


def test_a_wheel_without_a_digest_that_changed_is_downloaded_again(world: World) -> None:
    listed = world.index.add((NAME, CONTENT))
    fetch_unknown(NAME, listed.url, world.store, world.http)
    path = next(path for path in world.index.files if path.endswith(NAME))
    world.index.files[path] = b"another"
    assert fetch_unknown(NAME, listed.url, world.store, world.http) == (Digest.of(b"another"), 7)


@pytest.mark.parametrize("validator", ["strong", "none"])
def test_without_a_digest_only_a_validator_lets_a_prefix_go_on(tmp_path: Path, validator: str) -> None:
    with FakeIndex(validator=validator) as index, Http(QUICK) as http:  # type: ignore[arg-type]
        world = World(index, http, tmp_path)
        wheel = world.add()
        index.fault(".whl", Reset(after=5000), times=1)
        events: list[Event] = []
        assert fetch_unknown(NAME, wheel.url, world.store, http, events.append)[0] == wheel.digest
        restarts = [event for event in events if isinstance(event, FileRestarted)]
        assert len(restarts) == (0 if validator == "strong" else 1)


def test_a_local_wheel_without_a_digest_is_hashed(world: World, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    told = fetch_unknown(NAME, (tmp_path / NAME).as_uri(), world.store, world.http)
    assert told == (Digest.of(CONTENT), len(CONTENT))
