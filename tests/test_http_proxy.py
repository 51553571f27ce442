"""Through a company's proxy: by settings, by environment, with a password, and past it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from world import FakeIndex, FakeProxy

from wheelhouse.edge.http import Http, HttpSettings
from wheelhouse.edge.http_errors import ProxyRefused, TlsFailed


@pytest.fixture
def secure() -> Iterator[FakeIndex]:
    with FakeIndex(tls=True) as index:
        index.files["/page"] = b"hello"
        yield index


def test_https_goes_through_a_tunnel_and_stays_verified(secure: FakeIndex) -> None:
    with FakeProxy() as proxy:
        with Http(HttpSettings(proxy=proxy.url, ca_file=secure.ca_file)) as http:
            assert http.get(f"{secure.url}/page").content == b"hello"
        assert [request.method for request in proxy.requests] == ["CONNECT"]
        with Http(HttpSettings(proxy=proxy.url)) as http, pytest.raises(TlsFailed):
            http.get(f"{secure.url}/page")


def test_http_goes_through_the_proxy_too(index: FakeIndex) -> None:
    index.files["/page"] = b"hello"
    with FakeProxy() as proxy, Http(HttpSettings(proxy=proxy.url)) as http:
        assert http.get(f"{index.url}/page").content == b"hello"
        assert [request.path for request in proxy.requests] == [f"{index.url}/page"]


def test_a_name_that_only_the_proxy_knows_is_reached() -> None:
    with FakeIndex(tls=True) as index, FakeProxy(routes={"localhost:444": f"127.0.0.1:{index.port}"}) as proxy:
        index.files["/page"] = b"hello"
        with Http(HttpSettings(proxy=proxy.url, ca_file=index.ca_file)) as http:
            assert http.get("https://localhost:444/page").content == b"hello"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_environment_names_the_proxy(secure: FakeIndex, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with FakeProxy() as proxy:
        monkeypatch.setenv(name, proxy.url.removeprefix("http://"))
        with Http(HttpSettings(ca_file=secure.ca_file)) as http:
            assert http.get(f"{secure.url}/page").content == b"hello"
            assert http.proxy_for(f"{secure.url}/page") == proxy.url
        assert proxy.tunnels == 1


@pytest.mark.parametrize("value", ["127.0.0.1", "*", "other.test,127.0.0.0/8"])
def test_no_proxy_is_honoured(secure: FakeIndex, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NO_PROXY", value)
    with FakeProxy() as proxy:
        with Http(HttpSettings(proxy=proxy.url, ca_file=secure.ca_file)) as http:
            assert http.get(f"{secure.url}/page").content == b"hello"
        assert proxy.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_asks_for_a_password_is_given_it(index: FakeIndex, secure: FakeIndex, scheme: str) -> None:
    index.files["/page"] = b"hello"
    place = index.url if scheme == "http" else secure.url
    with FakeProxy(auth=("user", "p@ss")) as proxy:
        settings = HttpSettings(proxy=proxy.url.replace("://", "://user:p%40ss@"), ca_file=secure.ca_file)
        with Http(settings) as http:
            assert http.get(f"{place}/page").content == b"hello"
            assert http.proxy_for(f"{place}/page") == proxy.url


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_wrong_password_is_told_without_it(index: FakeIndex, secure: FakeIndex, scheme: str) -> None:
    place = index.url if scheme == "http" else secure.url
    with FakeProxy(auth=("user", "right")) as proxy:
        settings = HttpSettings(proxy=proxy.url.replace("://", "://user:wrong@"), ca_file=secure.ca_file)
        with Http(settings) as http, pytest.raises(ProxyRefused) as failure:
            http.get(f"{place}/page")
        here = place.partition("://")[2]
        assert str(failure.value) == (
            f"the proxy `{proxy.url}` does not lead to `{here}`: 407 Proxy Authentication Required"
        )
        assert "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT" in failure.value.hint
        assert "wrong" not in repr(failure.value)
        assert not failure.value.unreachable
        assert len(proxy.requests) == 1


def test_a_proxy_that_is_not_there_is_named() -> None:
    with Http(HttpSettings(proxy="http://user:secret@nowhere.invalid:3128", attempts=1)) as http:
        with pytest.raises(ProxyRefused) as failure:
            http.get("https://pypi.test/simple/")
        assert (
            str(failure.value)
            == "the proxy `http://nowhere.invalid:3128` does not lead to `pypi.test`: name resolution"
        )
        assert not failure.value.unreachable


def test_a_host_that_the_proxy_cannot_reach_is_the_proxys_failure() -> None:
    with FakeProxy() as proxy, Http(HttpSettings(proxy=proxy.url, attempts=2, max_wait=0.01)) as http:
        with pytest.raises(ProxyRefused, match="502 Bad Gateway"):
            http.get("https://nowhere.invalid/simple/")
        assert len(proxy.requests) == 2


def test_a_socks_proxy_is_refused_in_words() -> None:
    with (
        Http(HttpSettings(proxy="socks5://127.0.0.1:1080")) as http,
        pytest.raises(ProxyRefused, match="only http and"),
    ):
        http.get("https://pypi.test/simple/")
