"""One way to the web: retries, redirects, credentials, and an own name for each way to fail."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world import FakeIndex, Redirect, Replace, Reset, Stall, Status, Truncate

from wheelhouse import __version__
from wheelhouse.edge.http import Http, HttpSettings, read_netrc, retry_after
from wheelhouse.edge.http_errors import (
    BadUrl,
    CutOff,
    HttpError,
    Refused,
    ServerFailed,
    Stalled,
    TlsFailed,
    TooLarge,
    TooManyRedirects,
    Unreachable,
    UnsafeRedirect,
)
from wheelhouse.edge.trust import UnreadableCertificate
from wheelhouse.events import Event, Noted

QUICK = HttpSettings(connect_timeout=2, read_timeout=0.2, attempts=3, max_wait=0.01)


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(QUICK) as http:
        yield http


@pytest.fixture
def page(index: FakeIndex) -> str:
    index.files["/page"] = b"hello"
    return f"{index.url}/page"


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def test_an_answer_is_whole_and_decoded_once(http: Http, index: FakeIndex) -> None:
    index.fault("/page", Status(200, {"Content-Encoding": "gzip"}, gzip.compress(b"hello" * 1000)))
    answer = http.get(f"{index.url}/page")
    assert answer.content == b"hello" * 1000
    assert answer.headers["content-encoding"] == "gzip"  # of the wire


def test_connections_are_kept(http: Http, page: str) -> None:
    with http.stream(page) as answer:
        port = b"".join(answer.iter_raw())
    assert port == b"hello"
    opened: list[object] = []
    connect = socket.socket.connect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            socket.socket, "connect", lambda sock, address: (opened.append(address), connect(sock, address))[1]
        )
        for _ in range(5):
            http.get(page)
    assert opened == []


def test_we_say_who_we_are(http: Http, index: FakeIndex, page: str) -> None:
    http.get(page)
    assert index.requests[0].headers["user-agent"] == f"wheelhouse/{__version__}"


def test_a_streamed_body_is_asked_for_as_it_is_stored(http: Http, index: FakeIndex, page: str) -> None:
    with http.stream(page) as answer:
        answer.read()
    assert index.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [404, 401, 403, 410])
def test_an_answer_for_good_is_given_to_the_caller(http: Http, index: FakeIndex, status: int) -> None:
    index.fault("/page", Status(status), times=None)
    assert http.get(f"{index.url}/page").status_code == status
    assert len(index.requests) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_asked_again(http: Http, index: FakeIndex, page: str, status: int) -> None:
    index.fault("/page", Status(status), times=2)
    assert http.get(page).content == b"hello"
    assert len(index.requests) == 3


@pytest.mark.parametrize("fault", [Reset(), Reset(after=2), Truncate(after=2), Stall(after=2, seconds=1)])
def test_a_broken_answer_is_asked_again(http: Http, index: FakeIndex, page: str, fault: Reset) -> None:
    index.fault("/page", fault, times=2)
    assert http.get(page).content == b"hello"
    assert len(index.requests) == 3


def test_each_retry_is_noted(index: FakeIndex, page: str) -> None:
    events: list[Event] = []
    index.fault("/page", Status(503))
    with Http(QUICK, listen=events.append) as http:
        http.get(page)
    here = index.url.removeprefix("http://")
    assert events == [Noted(f"`{here}` failed: 503 Service Unavailable for `{page}`; attempt 2 follows")]


def test_a_head_has_no_body_and_keeps_its_length(http: Http, page: str) -> None:
    answer = http.head(page)
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "5", b"")


def test_a_server_that_keeps_failing_is_named(http: Http, index: FakeIndex, page: str) -> None:
    index.fault("/page", Status(503), times=None)
    with pytest.raises(ServerFailed) as failure:
        http.get(page)
    assert (failure.value.status, failure.value.unreachable) == (503, False)
    assert len(index.requests) == 3


def test_a_stall_is_a_stall(http: Http, index: FakeIndex, page: str) -> None:
    index.fault("/page", Stall(seconds=1), times=None)
    with pytest.raises(Stalled) as failure:
        http.get(page)
    assert not failure.value.unreachable


def test_a_cut_off_answer_is_never_taken_for_a_whole_one(http: Http, index: FakeIndex, page: str) -> None:
    index.fault("/page", Truncate(after=2), times=None)
    with pytest.raises(CutOff):
        http.get(page)


def test_a_refused_connection_is_unreachable(http: Http) -> None:
    port = closed_port()
    with pytest.raises(Unreachable) as failure:
        http.get(f"http://127.0.0.1:{port}/simple/")
    assert str(failure.value) == f"`127.0.0.1:{port}` cannot be reached: connection refused"
    assert failure.value.unreachable


def test_a_name_that_does_not_resolve_is_unreachable(http: Http) -> None:
    with pytest.raises(Unreachable, match="name resolution"):
        http.get("http://nowhere.invalid/simple/")


def test_a_connect_timeout_is_unreachable(http: Http) -> None:
    with pytest.raises(Unreachable, match="connect timeout"):
        http.get("http://192.0.2.1/simple/")


def test_a_host_that_was_given_up_is_not_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for: list[str] = []
    resolve = socket.getaddrinfo

    def counted(host: str, *rest: Any, **more: Any) -> Any:
        looked_for.append(host)
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    with Http(QUICK) as http:
        for number in range(20):
            with pytest.raises(Unreachable) as failure:
                http.get(f"http://nowhere.invalid/{number}")
            assert failure.value.url == f"http://nowhere.invalid/{number}"
    assert looked_for == ["nowhere.invalid"] * 3  # the attempts of the first question


def test_a_page_without_end_is_refused(http: Http, index: FakeIndex) -> None:
    index.fault("/page", Replace(b"x" * 100_000))
    with pytest.raises(TooLarge) as failure:
        http.get(f"{index.url}/page", limit=99_999)
    assert failure.value.limit == 99_999
    assert len(index.requests) == 1


def test_a_small_answer_that_unpacks_without_end_is_refused(http: Http, index: FakeIndex) -> None:
    index.fault("/page", Status(200, {"Content-Encoding": "gzip"}, gzip.compress(b"0" * 10_000_000)))
    with pytest.raises(TooLarge):
        http.get(f"{index.url}/page", limit=1_000_000)


def test_a_body_that_cannot_be_decoded_is_cut_off(http: Http, index: FakeIndex) -> None:
    index.fault("/page", Status(200, {"Content-Encoding": "gzip"}, b"not gzip at all"), times=None)
    with pytest.raises(CutOff):
        http.get(f"{index.url}/page")


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("/page?token=a%2Fb&x=1#part", "/page?token=a%2Fb&x=1"),
        ("/a/./b/../page", "/a/page"),
        ("", "/"),
        ("?x=1", "/?x=1"),
        ("/gr\u00f6\u00dfe", "/gr%C3%B6%C3%9Fe"),
    ],
)
def test_a_server_is_asked_for_path_and_query_and_nothing_else(
    http: Http, index: FakeIndex, told: str, asked: str
) -> None:
    http.get(f"{index.url}{told}")
    assert [request.path for request in index.requests] == [asked]


def test_redirects_are_followed_and_the_last_place_is_told(http: Http, index: FakeIndex, page: str) -> None:
    index.fault("/start", Redirect("/middle"))
    index.fault("/middle", Redirect(page, status=308))
    answer = http.get(f"{index.url}/start")
    assert (answer.content, str(answer.url)) == (b"hello", page)


def test_a_redirect_loop_ends(http: Http, index: FakeIndex) -> None:
    index.fault("/loop", Redirect("/loop"), times=None)
    with pytest.raises(TooManyRedirects):
        http.get(f"{index.url}/loop")
    assert len(index.requests) == 11


def test_a_redirect_from_https_to_http_is_refused(index: FakeIndex, page: str) -> None:
    with FakeIndex(tls=True) as secure:
        secure.fault("/page", Redirect(page))
        with Http(HttpSettings(ca_file=secure.ca_file)) as http, pytest.raises(UnsafeRedirect):
            http.get(f"{secure.url}/page")
    assert index.requests == []


def test_a_redirect_to_a_local_file_is_refused(http: Http, index: FakeIndex) -> None:
    index.fault("/page", Redirect("file:///etc/passwd"))
    with pytest.raises(UnsafeRedirect):
        http.get(f"{index.url}/page")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "not a url", "https://[::1/", ""])
def test_what_is_no_web_address_is_refused(http: Http, url: str) -> None:
    with pytest.raises(BadUrl):
        http.get(url)


# Credentials


def test_credentials_of_the_url_are_sent_and_not_shown() -> None:
    with FakeIndex(auth=("user", "se:cret")) as index, Http(QUICK) as http:
        index.files["/page"] = b"hello"
        answer = http.get(index.url.replace("://", "://user:se%3Acret@") + "/page")
        assert (answer.status_code, str(answer.url)) == (200, f"{index.url}/page")


def test_credentials_by_origin_win_over_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password wrong\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with FakeIndex(auth=("user", "secret")) as index:
        index.files["/page"] = b"hello"
        with Http(HttpSettings(credentials={index.url: ("user", "secret")})) as http:
            assert http.get(f"{index.url}/page").status_code == 200


def test_netrc_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with FakeIndex(auth=("user", "secret")) as index, Http(QUICK) as http:
        index.files["/page"] = b"hello"
        assert http.get(f"{index.url}/page").status_code == 200


@pytest.mark.parametrize("content", [b"machine", b"\xff\xfe\x00", b"machine h login u password\n", b"nonsense here\n"])
def test_a_broken_netrc_is_no_more_than_noted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "netrc"
    file.write_bytes(content)
    assert read_netrc({"NETRC": str(file)}) == {}
    assert read_netrc({"NETRC": str(tmp_path)}) == {}


def test_credentials_do_not_travel_to_another_origin(index: FakeIndex, page: str) -> None:
    with FakeIndex(auth=("user", "secret")) as first:
        first.fault("/page", Redirect(page))
        with Http(HttpSettings(credentials={first.url: ("user", "secret")})) as http:
            http.get(f"{first.url}/page")
        assert "authorization" in first.requests[0].headers
    assert "authorization" not in index.requests[0].headers


def test_no_error_shows_a_password(http: Http, index: FakeIndex) -> None:
    index.fault("/loop", Redirect("/loop"), times=None)
    index.fault("/fail", Status(500), times=None)
    index.fault("/away", Redirect("ftp://user:secret@host/x"), times=None)
    own = index.url.replace("://", "://user:secret@")
    asked = [f"{own}/loop", f"{own}/fail", f"{own}/away", "http://user:secret@nowhere.invalid/", "ftp://user:secret@h/"]
    for url in asked:
        with pytest.raises(HttpError) as failure:
            http.get(url)
        told = f"{failure.value} {failure.value!r} {failure.value.hint} {failure.value.args}"
        assert "secret" not in told, url
    assert "secret" not in str(Refused(f"{own}/x", 401, proxy="http://user:secret@proxy:3128"))


# TLS


def test_an_unknown_authority_is_a_tls_failure() -> None:
    with FakeIndex(tls=True) as index, Http(QUICK) as http:
        with pytest.raises(TlsFailed) as failure:
            http.get(f"{index.url}/page")
        assert not failure.value.unreachable
        assert "--cert" in failure.value.hint
        assert "SSL_CERT_FILE" in failure.value.hint
        assert "self-signed certificate" in failure.value.reason or "local issuer" in failure.value.reason


def test_an_own_authority_is_trusted() -> None:
    with FakeIndex(tls=True) as index, Http(HttpSettings(ca_file=index.ca_file)) as http:
        index.files["/page"] = b"hello"
        assert http.get(f"{index.url}/page").content == b"hello"


def test_ssl_cert_file_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeIndex(tls=True) as index:
        monkeypatch.setenv("SSL_CERT_FILE", str(index.ca_file))
        index.files["/page"] = b"hello"
        with Http(QUICK) as http:
            assert http.get(f"{index.url}/page").content == b"hello"


def test_a_certificate_for_another_host_is_a_tls_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeIndex(tls=True) as index, Http(HttpSettings(ca_file=index.ca_file, attempts=1)) as http:
        resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: resolve("127.0.0.1", *rest, **more))
        with pytest.raises(TlsFailed, match=r"other\.invalid"):
            http.get(f"https://other.invalid:{index.port}/page")


def test_plain_http_behind_an_https_url_is_a_tls_failure(http: Http, index: FakeIndex) -> None:
    with pytest.raises(TlsFailed):
        http.get(f"https://127.0.0.1:{index.port}/page")


@pytest.mark.parametrize("content", [None, b"no certificate in here\n"])
def test_an_unreadable_ca_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "company.pem"
    if content is not None:
        file.write_bytes(content)
    with Http(HttpSettings(ca_file=file)) as http, pytest.raises(UnreadableCertificate, match=r"company\.pem"):
        http.get("https://127.0.0.1:9/")


# Waiting


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after("7", now=0) == 7
    assert retry_after("Thu, 01 Jan 1970 00:01:40 GMT", now=90) == 10
    assert retry_after("Thu, 01 Jan 1970 00:00:00 GMT", now=90) == 0
    assert retry_after("soon", now=0) is None
    assert retry_after(None, now=0) is None


def test_a_server_that_says_when_is_asked_no_earlier_and_waits_no_longer_than_the_cap() -> None:
    with Http(HttpSettings(max_wait=30)) as http:
        assert http.pause(1, ServerFailed("https://h/", 429, retry_after=20)) == 20
        assert http.pause(1, ServerFailed("https://h/", 429, retry_after=86400)) == 30
        assert 0.25 <= http.pause(1) <= 0.75
        assert http.pause(50) == 30


def test_what_retry_after_says_reaches_the_error(http: Http, index: FakeIndex) -> None:
    index.fault("/page", Status(429, {"Retry-After": "120"}), times=None)
    with pytest.raises(ServerFailed) as failure:
        http.get(f"{index.url}/page")
    assert failure.value.retry_after == 120


def test_closing_wakes_whoever_waits(index: FakeIndex) -> None:
    index.fault("/page", Status(503, {"Retry-After": "3600"}), times=None)
    http: Http = Http(HttpSettings(max_wait=3600), listen=lambda event: http.close())
    outcome: list[BaseException] = []

    def ask() -> None:
        try:
            http.get(f"{index.url}/page")
        except HttpError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(20)
    assert [type(error) for error in outcome] == [CutOff]
    assert len(index.requests) == 1
