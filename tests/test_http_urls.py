"""URLs as values: no password is ever shown."""

from __future__ import annotations

import pytest

from wheelhouse.urls import host, origin, redact, split_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host/simple/", "https://host/simple/"),
        ("https://token@host:8080/simple/?q=1#f", "https://host:8080/simple/?q=1#f"),
        ("https://us%40er:se%3Acret@host/", "https://host/"),
        ("https://user:sec@ret@host/", "https://host/"),
        ("https://host/a@b", "https://host/a@b"),
        ("file:///a/b.whl", "file:///a/b.whl"),
        ("https://user:secret@[::1/", "[::1/"),
    ],
)
def test_a_redacted_url_holds_no_credentials(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_credentials_are_unquoted() -> None:
    assert split_credentials("https://us%40er:p%3Aw@host/x") == ("https://host/x", ("us@er", "p:w"))
    assert split_credentials("https://host/x") == ("https://host/x", None)
    assert split_credentials("https://token@host/x") == ("https://host/x", ("token", ""))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://Host/x", "https://host:443"),
        ("http://host:8080/x", "http://host:8080"),
        ("https://u:p@[::1]/x", "https://[::1]:443"),
    ],
)
def test_an_origin_always_names_its_port(url: str, place: str) -> None:
    assert origin(url) == place


def test_a_host_is_shown_without_credentials() -> None:
    assert host("https://user:secret@Host:8080/x") == "host:8080"
