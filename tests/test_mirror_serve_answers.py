"""What a server of a mirror decides: what lies at a path, in which form, which part of it. Plain functions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelhouse.mirroring.names import is_key
from wheelhouse.mirroring.negotiation import asked_form, page_form, takes_gzip
from wheelhouse.mirroring.ranges import Span, Unsatisfiable, is_known, is_unchanged, span
from wheelhouse.mirroring.routes import Document, File, Health, Page, Redirect, route

HEX = "ab" + "0" * 62
LOCK = f"locks/linux-x86_64-py310/pylock.{HEX}.toml"
WHEEL = f"/files/ab/{HEX}/torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl"
JSON, V1_HTML = "application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html"
HTML = "text/html"
PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
UV = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/", Document("index.html", "text/html; charset=utf-8")),
        ("/healthz", Health()),
        ("/catalog.json", Document("catalog.json", "application/json")),
        ("/page/app.js", Document("page/app.js", "text/javascript; charset=utf-8")),
        ("/simple/", Page("simple", None)),
        ("/simple/torch/", Page("simple/torch", "torch")),
        ("/simple/torch/index.json", Document("simple/torch/index.json", JSON)),
        ("/simple/torch/index.html", Document("simple/torch/index.html", "text/html; charset=utf-8")),
        ("/whl/cu121/", Page("whl/cu121", None)),
        ("/whl/rocm6.0/torch/", Page("whl/rocm6.0/torch", "torch")),
        (WHEEL, File(WHEEL[1:], "application/octet-stream", f'"{HEX}"')),
        (WHEEL.replace("+", "%2B"), File(WHEEL[1:], "application/octet-stream", f'"{HEX}"')),
        (f"{WHEEL}.metadata", File(f"{WHEEL[1:]}.metadata", "text/plain; charset=utf-8", f'"{HEX}-metadata"')),
        (f"/{LOCK}", Document(LOCK, "application/toml")),
    ],
)
def test_every_shape_of_the_tree_is_answered(path: str, place: object) -> None:
    assert route(path) == place


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/simple", "simple/"),
        ("/whl/cu121", "cu121/"),
        ("/simple/torch", "torch/"),
        ("/whl/cu121/torch", "torch/"),
        ("/simple/Foo_Bar", "foo-bar/"),
        ("/simple/Foo.Bar/", "../foo-bar/"),
        ("/whl/cpu/Foo--Bar/index.json", "../foo-bar/index.json"),
    ],
)
def test_a_missing_slash_and_a_name_that_is_not_normalized_are_redirected_relatively(path: str, location: str) -> None:
    assert route(path) == Redirect(location)


@pytest.mark.parametrize(
    "path",
    [
        "", "simple/", "//simple/", "/simple//", "/simple/torch//", "/whl", "/whl/", "/files/", "/files/ab/", "/locks/",
        "/page/", "/simple/../mirror.json", "/simple/%2e%2e/mirror.json", "/simple/%2e%2e%2fmirror.json",
        "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/simple/..%5c..%5cmirror.json", "/mirror.json",
        "/.lock", "/.lease/00000000000000000000000000000000", "/page/.secret.js", "/page/app.py", "/simple/torch/x.txt",
        "/simple%2ftorch/", "/simple/torch%00/", "/simple/a%0d%0aset-cookie:%20b/", "/simple/%ff/",
        "/simple/%E2%84%AA/",
        "/simple/-torch/", "/simple/tor ch/", "/whl/../simple/", "/whl/nightly/torch/", "/SIMPLE/torch/",
        WHEEL.replace("/ab/", "/ac/"), WHEEL.replace(".whl", ".tar.gz"), f"{WHEEL}.asc", "/" + "a" * 5000,
        f"/simple/{'a' * 300}/", "http://elsewhere.test/simple/",
    ],
)  # fmt: skip
def test_nothing_else_is_there(path: str) -> None:
    assert route(path) is None


@given(st.text(alphabet="/.%2eEfFaA0_-~\\\x00\r\nsimplewhcu1", max_size=40))
def test_no_path_names_anything_but_a_key_of_a_mirror(text: str) -> None:
    place = route("/" + text)
    if isinstance(place, Page):
        assert is_key(f"{place.key}/index.json")
    elif isinstance(place, Document | File):
        assert is_key(place.key)
    elif isinstance(place, Redirect):
        assert re.fullmatch(r"(?:\.\./)?[a-z0-9.-]+/(?:index\.(?:json|html))?", place.location)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", HTML),
        ("*/*", HTML),
        (PIP, JSON),
        (UV, JSON),
        (FIREFOX, HTML),
        (JSON, JSON),
        ("application/vnd.pypi.simple.latest+json", JSON),
        (V1_HTML, V1_HTML),
        (f"{HTML}, {JSON}", JSON),
        (f"{HTML}, {JSON};q=0.9", HTML),
        (f"{JSON};q=0.5, {HTML};q=0.9", HTML),
        (f"{JSON};q=0, */*", HTML),
        (f"{JSON};q=0", HTML),
        (f"{JSON.upper()} ; Q=1.000", JSON),
        (f"{JSON};q=nonsense, {V1_HTML};q=0.1", V1_HTML),
        ("application/json", HTML),
        (f"*/*, {JSON};q=0.1", HTML),
        (f"text/*;q=0.5, {JSON};q=0.9", JSON),
        (",;,;q=,=,", HTML),
    ],
)
def test_the_form_that_is_wanted_most_is_given_and_html_without_a_wish(accept: str, form: str) -> None:
    assert page_form(accept).partition(";")[0] == form


@given(st.text(max_size=200))
def test_no_accept_header_is_too_strange(header: str) -> None:
    assert page_form(header).partition(";")[0] in (JSON, V1_HTML, HTML)
    assert takes_gzip(header) in (True, False)


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("", None), ("x=1", None), ("format=json", JSON), ("a=b&format=html", HTML), (f"format={JSON}", JSON),
        ("format=application%2Fvnd.pypi.simple.v1%2Bjson", JSON), (f"format={V1_HTML}", V1_HTML),
    ],
)  # fmt: skip
def test_a_parameter_can_ask_for_a_form(query: str, form: str | None) -> None:
    found = asked_form(query)
    assert (None if found is None else found.partition(";")[0]) == form


def test_a_parameter_cannot_ask_for_another() -> None:
    with pytest.raises(KeyError):
        asked_form("format=xml")


@pytest.mark.parametrize(
    ("header", "takes"),
    [("", False), ("gzip", True), ("gzip, deflate, br", True), ("gzip;q=0", False), ("*", True), ("identity", False),
     ("*;q=0, gzip;q=0.1", True), ("gzip;q=0, *", False), ("GZIP", True)],
)  # fmt: skip
def test_gzip_is_for_who_takes_it(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=10-19", Span(10, 10)),
        ("bytes=90-", Span(90, 10)),
        ("bytes=90-1000", Span(90, 10)),
        ("bytes=-10", Span(90, 10)),
        ("bytes=-1000", Span(0, 100)),
        ("bytes=0-" + "9" * 10_000, Span(0, 100)),
        ("BYTES = 1-2", Span(1, 2)),
        ("bytes=0-1,3-4", None),
        ("bytes=" + ",".join(["0-1"] * 5000), None),
        ("lines=1-2", None),
        ("bytes", None),
    ],
)
def test_one_range_is_honoured_and_several_are_the_whole_file(header: str | None, part: Span | None) -> None:
    assert span(header, 100) == part


@pytest.mark.parametrize(
    "header",
    ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=-", "bytes=", "bytes=5-4", "bytes=a-b", "bytes=1-2-3",
     "bytes=" + "9" * 10_000 + "-", "bytes=\u0661-"],
)  # fmt: skip
def test_a_range_outside_of_the_file_or_unreadable_is_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        span(header, 100)


def test_an_empty_file_has_no_range() -> None:
    with pytest.raises(Unsatisfiable):
        span("bytes=0-", 0)
    assert span(None, 0) is None


@given(st.text(alphabet="bytes=0123456789-, ", max_size=30).map("bytes=".__add__), st.integers(0, 1000))
def test_a_part_never_leaves_the_file(header: str, size: int) -> None:
    try:
        part = span(header, size)
    except Unsatisfiable:
        return
    assert part is None or (part.length > 0 and part.start >= 0 and part.start + part.length <= size)


def test_a_part_says_where_it_belongs() -> None:
    assert Span(90, 10).content_range(100) == "bytes 90-99/100"


@pytest.mark.parametrize(
    ("header", "known"),
    [(None, False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("a", False),
     ('"a', False)],
)  # fmt: skip
def test_who_has_it_already_is_told_so(header: str | None, known: bool) -> None:
    assert is_known(header, '"a"') is known


def test_a_range_counts_only_for_the_file_it_was_begun_with() -> None:
    assert is_unchanged(None, '"a"')
    assert is_unchanged('"a"', '"a"')
    assert not is_unchanged('"b"', '"a"')
    assert not is_unchanged('W/"a"', '"a"')
    assert not is_unchanged("Sun, 22 Nov 2026 10:00:00 GMT", '"a"')
