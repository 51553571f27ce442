"""What indexes said before, on disk: kept as it was, by the right name, and never believed when damaged."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from wheelhouse.digests import Digest
from wheelhouse.edge.cache import Cache, CachedPage, lifetime

URL = "https://index.test/simple/app/"
PAGE = CachedPage(
    url="https://elsewhere.test/app/",
    content_type="text/html",
    body=b"<h1>Links for app</h1>\n",
    etag='"abc"',
    last_modified="Mon, 01 Jan 2024 00:00:00 GMT",
    expires=1e12,
)
DIGEST = Digest("a" * 64)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def entries(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())


@pytest.mark.parametrize("body", [b"", b"\n", b"{}\n\n", None, bytes(range(256))])
def test_a_page_comes_back_as_it_was(cache: Cache, body: bytes | None) -> None:
    page = replace(PAGE, body=body)
    cache.keep_page(URL, page)
    assert cache.page(URL) == page
    assert cache.page(URL + "x") is None


def test_a_page_asks_with_the_validators_that_it_has(cache: Cache) -> None:
    assert PAGE.conditions() == {
        "If-None-Match": '"abc"',
        "If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT",
    }
    assert replace(PAGE, etag=None, last_modified=None).conditions() == {}


def test_a_page_is_fresh_until_it_expires() -> None:
    assert replace(PAGE, expires=time.time() + 60).is_fresh()
    assert not replace(PAGE, expires=time.time() - 1).is_fresh()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"cache-control": "max-age=600, public"}, 600),
        ({"cache-control": "max-age=600", "age": "599"}, 1),
        ({"cache-control": "max-age=600", "age": "700"}, 0),
        ({"cache-control": "max-age=600", "age": "soon"}, 600),
        ({"cache-control": "max-age=600", "age": "9" * 5000}, 0),
        ({"cache-control": "Max-Age=5"}, 5),
        ({"cache-control": "no-cache, max-age=600"}, 0),
        ({"cache-control": "no-store"}, 0),
        ({"cache-control": "public"}, 0),
        ({"cache-control": "max-age=-1"}, 0),
        ({}, 0),
    ],
)
def test_how_long_an_answer_may_be_used_unasked(headers: dict[str, str], seconds: int) -> None:
    assert lifetime(headers) == seconds


def test_metadata_and_size_are_kept_by_the_wheels_digest(cache: Cache) -> None:
    cache.keep_metadata(DIGEST, URL, b"Name: app\n", 42)
    assert cache.metadata(DIGEST, URL) == (b"Name: app\n", 42)
    cache.keep_metadata(DIGEST, URL, b"Name: app\n", None)
    assert cache.metadata(DIGEST, URL) == (b"Name: app\n", None)
    assert cache.metadata(Digest("b" * 64), URL) is None
    assert (
        cache.metadata(DIGEST, "https://elsewhere.example/simple/app/") is None
    )  # another host may lie about a digest


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(damage=st.binary(max_size=200), at=st.integers(0, 300))
def test_damaged_entries_count_as_absent_or_are_whole(tmp_path: Path, damage: bytes, at: int) -> None:
    cache = Cache(tmp_path / "cache")
    cache.keep_page(URL, PAGE)
    cache.keep_metadata(DIGEST, URL, b"Name: app\n", 42)
    for path in entries(tmp_path):
        content = path.read_bytes()
        path.write_bytes(content[:at] + damage + content[at + len(damage) :])
    page, metadata = cache.page(URL), cache.metadata(DIGEST, URL)
    assert page is None or isinstance(page.expires, float | int)
    assert metadata is None or metadata[0] == b"Name: app\n"
    if page is not None:
        assert page.is_fresh() in (True, False)
        assert all(isinstance(value, str) for value in page.conditions().values())


def test_an_entry_of_another_url_is_not_believed(cache: Cache, tmp_path: Path) -> None:
    cache.keep_page(URL, PAGE)
    (path,) = entries(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"index.test", b"other.test"))
    assert cache.page(URL) is None


def test_no_name_tells_what_was_asked(cache: Cache, tmp_path: Path) -> None:
    cache.keep_page("https://index.test/simple/secret-project/", PAGE)
    assert not any("secret" in str(path) for path in entries(tmp_path))


def test_each_kind_of_entry_lies_in_one_folder_of_its_own(cache: Cache, tmp_path: Path) -> None:
    cache.keep_page(URL, PAGE)
    cache.keep_metadata(DIGEST, URL, b"Name: app\n", 42)
    cache.keep_contents(DIGEST, URL, b"packed")
    folders = sorted(path.parent.relative_to(tmp_path / "cache").as_posix() for path in entries(tmp_path))
    assert folders == ["contents", "metadata", "pages"]


def test_a_cache_that_is_switched_off_keeps_and_gives_nothing(tmp_path: Path) -> None:
    cache = Cache(None)
    cache.keep_page(URL, PAGE)
    cache.keep_metadata(DIGEST, URL, b"", 0)
    assert (cache.page(URL), cache.metadata(DIGEST, URL), cache.size(), cache.clear()) == (None, None, (0, 0), (0, 0))


def test_it_is_counted_and_emptied(cache: Cache, tmp_path: Path) -> None:
    cache.keep_page(URL, PAGE)
    cache.keep_metadata(DIGEST, URL, b"Name: app\n", 42)
    (tmp_path / "cache" / "wheels").mkdir()
    (tmp_path / "cache" / "wheels" / "app.whl").write_bytes(b"not mine to count")
    size = sum(path.stat().st_size for path in entries(tmp_path)) - len(b"not mine to count")
    assert cache.size() == (2, size)
    assert cache.clear() == (2, size)
    assert [path.name for path in entries(tmp_path)] == ["app.whl"]


def test_what_is_kept_later_is_there_when_it_is_closed_and_nothing_after_that(cache: Cache) -> None:
    begin, kept = threading.Event(), []

    def keep(number: int) -> None:
        begin.wait()
        kept.append(number)

    for number in range(50):
        cache.later(partial(keep, number))
    assert kept == []  # nobody waits for it
    begin.set()
    cache.close()
    assert kept == list(range(50))
    cache.later(partial(keep, 50))
    cache.close()
    assert len(kept) == 50


def test_what_fails_to_be_kept_stops_nothing_else(cache: Cache) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    cache.later(fail)
    cache.later(lambda: cache.keep_page(URL, PAGE))
    cache.close()
    assert cache.page(URL) == PAGE


def test_a_cache_that_is_switched_off_starts_nothing_for_later() -> None:
    kept = []
    cache = Cache(None)
    cache.later(lambda: kept.append(1))
    cache.close()
    assert kept == []
