"""The reader of indexes, question by question: what is asked, what is answered, and what is remembered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from world import (
    ChangeETag,
    FakeIndex,
    FakePyTorch,
    NoLength,
    Redirect,
    Replace,
    Request,
    Response,
    Status,
    WheelFile,
    build_wheel,
)
from world.caches import PromptCache
from world.faults import Fault
from world.pytorch import DENIED

from wheelhouse.edge.cache import Cache
from wheelhouse.edge.http import Http, HttpSettings
from wheelhouse.edge.http_errors import Refused, TooLarge, Unreachable
from wheelhouse.edge.index import NoFolder, PageReader, shown
from wheelhouse.edge.store import Store
from wheelhouse.edge.wheels import NotCached, WheelReader
from wheelhouse.events import Event, Listener, ignore
from wheelhouse.indexes import PYTORCH_URL, Index
from wheelhouse.metadata import BadMetadata
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.simple import File, NotAPage

APP = canonicalize_name("app")
WHEEL = build_wheel("app", "1.0", requires=["lib"])


class Reader:
    """Both readers as one, as a run has them."""

    def __init__(
        self,
        http: Http,
        cache: Cache,
        store: Store,
        *,
        offline: bool = False,
        refresh: bool = False,
        pytorch_url: str = PYTORCH_URL,
        listen: Listener = ignore,
    ) -> None:
        pages = PageReader(http, cache, offline=offline, refresh=refresh, pytorch_url=pytorch_url)
        wheels = WheelReader(http, cache, store, offline=offline, listen=listen)
        self.page = pages.page
        self.metadata, self.size, self.digest, self.sizes = wheels.metadata, wheels.size, wheels.digest, wheels.sizes


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(HttpSettings(max_wait=0, read_timeout=2)) as http:
        yield http


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache" / "wheels")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return PromptCache(tmp_path / "cache")


@pytest.fixture
def reader(http: Http, cache: Cache, store: Store, heard: list[Event]) -> Reader:
    return Reader(http, cache, store, listen=heard.append)


def first(reader: Reader, index: FakeIndex) -> Candidate:
    """The first wheel that the index lists for `app`."""
    page = reader.page(Index(index.simple), APP)
    assert page is not None
    return Candidate(APP, Version("1.0"), next(page.every()), Index(index.simple))


def test_a_page_names_its_files_by_absolute_urls(reader: Reader) -> None:
    with FakeIndex(links="relative") as index:
        listed = index.add(WHEEL)
        page = reader.page(Index(index.simple), APP)
    assert page is not None
    (file,) = page.every()
    assert (file.filename, file.url, file.size) == (WHEEL.filename, listed.url, len(WHEEL.content))


def test_absent_is_none_and_everything_else_is_an_error(reader: Reader, index: FakeIndex) -> None:
    place = Index(index.simple)
    assert reader.page(place, NormalizedName("nosuch")) is None
    index.add(WHEEL)
    for fault, error in (
        (Status(401), Refused),
        (Status(403), Refused),
        (Status(403, body=DENIED), Refused),
        (Status(400), Refused),
        (Replace(b"<html>log in</html>"), NotAPage),
        (Replace(b"{}", "application/vnd.pypi.simple.v1+json"), NotAPage),
        (Replace(b"{", "application/vnd.pypi.simple.v1+json"), NotAPage),
        (Replace(b"PK", "application/zip"), NotAPage),
    ):
        index.heal()
        index.fault("/simple/app/", fault)
        with pytest.raises(error):
            reader.page(place, APP)
    with pytest.raises(Unreachable):
        reader.page(Index("http://nobody.invalid/simple"), APP)


def test_access_denied_means_absent_on_pytorchs_index_alone(http: Http, cache: Cache, store: Store) -> None:
    with FakePyTorch(empty=True) as pytorch:
        channel = Index(pytorch.channel("cu121"))
        assert Reader(http, cache, store, pytorch_url=pytorch.base).page(channel, APP) is None
        with pytest.raises(Refused):
            Reader(http, Cache(None), store).page(channel, APP)


def test_a_stale_page_that_did_not_change_is_asked_with_what_was_told_last(reader: Reader, index: FakeIndex) -> None:
    """A 304 need not repeat the validator."""

    class Silent(Fault):
        def answered(self, request: Request, response: Response) -> Response:
            assert response.status == 304
            return Response(304, {})

    index.page_headers = {"Cache-Control": "no-cache"}
    index.add(WHEEL)
    pages = [reader.page(Index(index.simple), APP)]
    index.fault("/simple/app/", Silent(), times=2)
    pages += [reader.page(Index(index.simple), APP) for _ in range(3)]
    assert pages == [pages[0]] * 4
    tags = [request.headers.get("if-none-match") for request in index.requests]
    assert tags[0] is None
    assert tags[1] is not None
    assert tags[1:] == [tags[1]] * 3


def test_a_page_that_changed_is_the_new_one(reader: Reader, index: FakeIndex) -> None:
    index.page_headers = {"Cache-Control": "no-cache"}
    index.add(WHEEL)
    assert reader.page(Index(index.simple), APP) is not None
    index.add(build_wheel("app", "2.0"))
    index.fault("/simple/app/", ChangeETag())
    page = reader.page(Index(index.simple), APP)
    assert page is not None
    assert len(list(page.every())) == 2


def test_with_refresh_a_fresh_page_is_asked_again_and_offline_never(
    http: Http, cache: Cache, store: Store, index: FakeIndex
) -> None:
    index.add(WHEEL)
    place = Index(index.simple)
    readers = {
        (): 1,
        ("refresh",): 2,
        ("offline",): 2,
        ("offline", "refresh"): 2,
    }
    for switches, asked in readers.items():
        reader = Reader(http, cache, store, refresh="refresh" in switches, offline="offline" in switches)
        assert reader.page(place, APP) is not None
        assert len(index.requests) == asked
    with pytest.raises(NotCached) as caught:
        reader.page(place, NormalizedName("other"))
    assert str(caught.value) == (
        f"the page `{index.simple}/other/` is not in the cache, and `--offline` forbids to ask for it"
    )


def test_redirects_of_a_page_count_for_its_relative_links(reader: Reader, index: FakeIndex) -> None:
    with FakeIndex(links="relative") as other:
        listed = other.add(WHEEL)
        index.fault("/simple/app/", Redirect(f"{other.simple}/app/"), times=None)
        for _ in range(2):  # from the web, and from the cache
            page = reader.page(Index(index.simple), APP)
            assert page is not None
            assert next(page.every()).url == listed.url


# Core metadata


def requires(reader: Reader, candidate: Candidate) -> list[str]:
    return [str(requirement) for requirement in reader.metadata(candidate).requires]


@pytest.mark.parametrize(("form", "how"), [("json", "core"), ("html", "core"), ("html", "dist-info"), ("html", "both")])
def test_the_advertised_metadata_file_is_enough(reader: Reader, form: str, how: str) -> None:
    with FakeIndex(form=form) as index:  # type: ignore[arg-type]
        index.add(WHEEL, metadata=how)  # type: ignore[arg-type]
        candidate = first(reader, index)
        assert requires(reader, candidate) == ["lib"]
        asked = [request.path.rpartition("/")[2] for request in index.asked("/files/")]
        assert asked == [f"{WHEEL.filename}.metadata"]
        index.reset()
        assert requires(reader, candidate) == ["lib"]
        assert index.requests == []


@pytest.mark.parametrize(
    "fault", [Status(404), Status(403), Replace(b"Metadata-Version: 2.1\nName: app\nVersion: 1.0\n")]
)
def test_a_metadata_file_that_is_missing_or_lies_is_no_loss(
    reader: Reader, index: FakeIndex, heard: list[Event], fault: Fault
) -> None:
    index.add(WHEEL)
    index.fault(".metadata", fault, times=None)
    assert requires(reader, first(reader, index)) == ["lib"]
    assert len([event for event in heard if WHEEL.filename in str(event)]) == 1


def test_a_metadata_file_that_never_ends_is_not_the_end(
    reader: Reader, index: FakeIndex, heard: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wheelhouse.metadata.LARGEST_METADATA", 1000)
    index.add(WHEEL)
    index.fault(".metadata", Status(200, {}, b"x" * 2000))
    assert requires(reader, first(reader, index)) == ["lib"]
    assert [f"the metadata file of `{WHEEL.filename}` is not used" in str(event) for event in heard] == [True]


def test_metadata_promised_without_a_digest_is_believed(reader: Reader, index: FakeIndex) -> None:
    index.add(WHEEL, metadata_digest=True)
    assert requires(reader, first(reader, index)) == ["lib"]
    assert index.asked(".whl$") == []


@pytest.mark.parametrize("size", [0, 40_000, 2_000_000])
def test_the_tail_of_a_wheel_is_enough(reader: Reader, index: FakeIndex, size: int) -> None:
    wheel = build_wheel("app", "1.0", requires=["lib"], padding=size)
    index.add(wheel, metadata=False, size=False)
    candidate = first(reader, index)
    assert requires(reader, candidate) == ["lib"]
    (asked,) = index.asked(".whl")
    assert asked.headers["range"] == "bytes=-32768"
    assert asked.headers["accept-encoding"] == "identity"
    assert reader.size(candidate.file) == len(wheel.content)
    assert len(index.asked(".whl")) == 1  # its size came with the tail


def test_a_large_directory_is_fetched_in_more_than_one_piece(reader: Reader, index: FakeIndex) -> None:
    modules = {f"app/part{number:04}.py": f"x = {number}\n" for number in range(1200)}
    wheel = build_wheel("app", "1.0", requires=["lib"], modules=modules)
    index.add(wheel, metadata=False)
    assert requires(reader, first(reader, index)) == ["lib"]
    assert 1 < len(index.asked(".whl")) <= 6
    assert all("range" in request.headers for request in index.asked(".whl"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Range": "bytes 0-9/10"},
        {"Content-Range": "bytes */10"},
        {"Content-Range": "lines 1-2/3"},
        {"Content-Range": "bytes 5-1/3"},
        {"Content-Range": f"bytes 0-16/{'9' * 5000}"},
    ],
)
def test_a_partial_answer_that_does_not_add_up_is_not_used(
    reader: Reader, index: FakeIndex, headers: dict[str, str]
) -> None:
    index.add(WHEEL, metadata=False)
    index.fault(".whl$", Status(206, headers, b"not what it says"))
    assert requires(reader, first(reader, index)) == ["lib"]


def test_a_wheel_that_changes_between_two_pieces_is_read_whole(reader: Reader, index: FakeIndex) -> None:
    modules = {f"app/part{number:04}.py": f"x = {number}\n" for number in range(1200)}
    wheel = build_wheel("app", "1.0", requires=["lib"], modules=modules)

    class Larger(Fault):
        def answered(self, request: Request, response: Response) -> Response:
            told = response.headers.get("Content-Range", "")
            return Response(206, {**response.headers, "Content-Range": f"{told}0"}, response.body, response.offset)

    index.add(wheel, metadata=False)
    candidate = first(reader, index)
    index.fault(".whl$", Fault())
    index.fault(".whl$", Larger())
    assert requires(reader, candidate) == ["lib"]


def test_a_wheel_read_whole_must_be_the_listed_one(reader: Reader, index: FakeIndex) -> None:
    index.ranges = False
    index.add(WHEEL, metadata=False, digest="0" * 64)
    page = reader.page(Index(index.simple), APP)
    assert page is not None
    candidate = Candidate(APP, Version("1.0"), next(page.every()), Index(index.simple))
    index.fault(".whl$", Status(416))
    with pytest.raises(BadMetadata) as caught:
        reader.metadata(candidate)
    assert "but its index says sha256:000" in str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_wheel_that_is_refused_is_told_as_that(reader: Reader, index: FakeIndex, status: int) -> None:
    index.add(WHEEL, metadata=False)
    index.fault(".whl$", Status(status), times=None)
    with pytest.raises(Refused):
        reader.metadata(first(reader, index))


def test_a_wheel_that_the_store_has_is_not_asked_for(reader: Reader, store: Store, index: FakeIndex) -> None:
    index.add(WHEEL, metadata=False)
    candidate = first(reader, index)
    assert candidate.file.digest is not None
    path = store.path(candidate.file.digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(WHEEL.content)
    index.reset()
    assert requires(reader, candidate) == ["lib"]
    assert index.requests == []


@pytest.mark.parametrize("broken", ["zip", "no-metadata", "metadata", "wrong-name", "wrong-version", "two-dist-infos"])
def test_a_wheel_with_bad_metadata_cannot_be_used(reader: Reader, index: FakeIndex, broken: str) -> None:
    index.add(build_wheel("app", "1.0", broken=broken), metadata=False)  # type: ignore[arg-type]
    with pytest.raises(BadMetadata):
        reader.metadata(first(reader, index))


# Sizes and digests


def file_of(index: FakeIndex, wheel: WheelFile = WHEEL) -> File:
    return File(filename=wheel.filename, url=index.add(wheel).url)


def test_a_size_that_no_page_tells_is_asked_by_head(reader: Reader, index: FakeIndex) -> None:
    assert reader.size(file_of(index)) == len(WHEEL.content)
    assert [request.method for request in index.requests] == ["HEAD"]


def test_a_size_is_kept_with_the_metadata_though_nothing_is_written_yet(
    http: Http, store: Store, index: FakeIndex, tmp_path: Path
) -> None:
    index.add(WHEEL, size=False)
    written = threading.Event()
    cache = Cache(tmp_path / "slow")
    cache.later(lambda: written.wait() and None)  # a disk that takes its time
    reader = Reader(http, cache, store)
    candidate = first(reader, index)
    assert requires(reader, candidate) == ["lib"]
    assert reader.size(candidate.file) == len(WHEEL.content)
    written.set()
    cache.close()
    index.reset()
    again = Reader(http, Cache(tmp_path / "slow"), store)
    assert requires(again, candidate) == ["lib"]
    assert again.size(candidate.file) == len(WHEEL.content)
    assert index.requests == []


@pytest.mark.parametrize("fault", [Status(405), Status(403), NoLength(), Status(503)])
def test_a_size_that_nobody_tells_is_none(reader: Reader, index: FakeIndex, fault: Fault) -> None:
    file = file_of(index)
    index.fault(".whl$", fault, times=None)
    assert reader.size(file) is None


def test_a_digest_that_no_page_tells_is_computed(reader: Reader, store: Store, index: FakeIndex) -> None:
    file = file_of(index)
    assert reader.digest(file) == (WHEEL.digest, len(WHEEL.content))
    assert store.has(WHEEL.digest, len(WHEEL.content))
    index.reset()
    assert reader.digest(file) == (WHEEL.digest, len(WHEEL.content))
    assert [request.method for request in index.requests] == ["HEAD"]  # the same strong validator: not fetched again


# Folders and pages of links


def test_a_folder_of_wheels(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / WHEEL.filename).write_bytes(WHEEL.content)
    (tmp_path / "links" / "notes.txt").write_text("mine")
    place = Index((tmp_path / "links").as_uri(), find_links=True)
    page = reader.page(place, APP)
    assert page is not None
    assert [file.filename for file in page.every()] == [WHEEL.filename]
    candidate = Candidate(APP, Version("1.0"), next(page.every()), place)
    assert requires(reader, candidate) == ["lib"]
    assert reader.size(next(page.every())) == len(WHEEL.content)
    assert reader.page(place, NormalizedName("other")) is None
    assert shown(place) == str(tmp_path / "links")


def test_a_page_of_links(reader: Reader, index: FakeIndex, tmp_path: Path) -> None:
    index.add(WHEEL)
    text = f'<h1>Links</h1><a href="{index.listed(WHEEL.filename).url}">{WHEEL.filename}</a>'
    (tmp_path / "links.html").write_text(text)
    page = reader.page(Index((tmp_path / "links.html").as_uri(), find_links=True), APP)
    assert page is not None
    assert next(page.every()).url == index.listed(WHEEL.filename).url
    with pytest.raises(Refused):
        reader.page(Index(f"{index.url}/nowhere", find_links=True), APP)
    with pytest.raises(NoFolder):
        reader.page(Index((tmp_path / "nowhere").as_uri(), find_links=True), APP)


def test_an_answer_that_is_too_large_is_cut_short(
    reader: Reader, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wheelhouse.edge import index as module

    monkeypatch.setattr(module, "LARGEST_PAGE", 1000)
    index.fault("/simple/app/", Replace(b"<h1>Links</h1>" + b" " * 2000), times=None)
    with pytest.raises(TooLarge):
        reader.page(Index(index.simple), APP)
