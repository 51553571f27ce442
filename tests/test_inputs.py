"""What was typed, put together with requirements files and pip's configuration: who wins, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from wheelhouse.cli.inputs import inputs_of, network_settings
from wheelhouse.errors import UsageError
from wheelhouse.events import Event, ignore
from wheelhouse.indexes import PYTORCH_URL, Index

LABEL = "linux-x86_64-cu121-py310"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(**changes: Any) -> dict[str, Any]:
    """The options as click gives them when nothing but a requirement and a target is typed."""
    options: dict[str, Any] = {
        "requirement": ("app",), "requirement_files": (), "constraint_files": (), "labels": (LABEL,),
        "index_url": None, "extra_index_urls": (), "find_links": (), "no_index": False, "pytorch_url": PYTORCH_URL,
        "torch_index": "auto", "exclude_newer": None, "pre": False, "allow_older": (), "upgrade": False,
        "upgrade_packages": (), "cert": None, "client_cert": None, "proxy": None, "cache_dir": None, "no_cache": False,
        "offline": False,
    }  # fmt: skip
    return options | changes


def default(**changes: Any) -> Index | None:
    return inputs_of(given(**changes), ignore).wanted.default_index


def test_the_default_index_is_what_was_typed_then_written_then_configured(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://configured.test/simple")
    assert default() == Index("https://configured.test/simple")
    (here / "r.txt").write_text("-i https://written.test/simple\n")
    assert default(requirement_files=(Path("r.txt"),)) == Index("https://written.test/simple")
    typed = "https://typed.test/simple"
    assert default(requirement_files=(Path("r.txt"),), index_url=typed) == Index(typed)


def test_of_two_files_the_later_one_counts_as_for_pip(here: Path) -> None:
    (here / "a.txt").write_text("-i https://a.test/simple\n")
    (here / "b.txt").write_text("-i https://b.test/simple\n")
    assert default(requirement_files=(Path("a.txt"), Path("b.txt"))) == Index("https://b.test/simple")


def test_without_an_index_there_is_none(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default(no_index=True) is None
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert default() is None
    assert default(index_url="https://typed.test/simple") == Index("https://typed.test/simple")
    monkeypatch.delenv("PIP_NO_INDEX")
    (here / "r.txt").write_text("--no-index\n")
    assert default(requirement_files=(Path("r.txt"),)) is None


def test_credentials_leave_the_url_and_are_kept_by_origin(here: Path) -> None:
    found = inputs_of(
        given(
            index_url="https://me:s%40x@one.test/simple",
            extra_index_urls=("http://you:two@Two.test:8080/simple",),
            find_links=("https://them@three.test/links",),
        ),
        ignore,
    )
    assert found.wanted.default_index == Index("https://one.test/simple")
    assert found.wanted.extra_indexes == ("http://Two.test:8080/simple",)
    assert found.wanted.find_links == (Index("https://three.test/links", find_links=True),)
    assert found.settings.credentials == {
        "https://one.test:443": ("me", "s@x"),
        "http://two.test:8080": ("you", "two"),
        "https://three.test:443": ("them", ""),
    }


def test_fetch_finds_the_credentials_of_the_configured_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@one.test/simple")
    monkeypatch.setenv("WHEELHOUSE_EXTRA_INDEX_URL", "https://a:b@two.test/simple https://plain.test/simple")
    settings = network_settings(given(), ignore)
    assert settings.credentials == {"https://one.test:443": ("me", "secret"), "https://two.test:443": ("a", "b")}


def test_own_channels_are_checked_per_target_and_never_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://configured.test/simple")
    wanted = inputs_of(given(index_url=f"{PYTORCH_URL}/cu121"), ignore).wanted
    assert wanted.default_index == Index("https://configured.test/simple")
    assert wanted.extra_indexes == (f"{PYTORCH_URL}/cu121",)


def test_indexes_and_links_count_once_in_the_order_given(here: Path) -> None:
    (here / "links").mkdir()
    (here / "r.txt").write_text("--extra-index-url https://a.test/simple\n--extra-index-url https://b.test/simple\n")
    wanted = inputs_of(
        given(
            requirement_files=(Path("r.txt"),),
            extra_index_urls=("https://b.test/simple",),
            find_links=("links", "links"),
        ),
        ignore,
    ).wanted
    assert wanted.extra_indexes == ("https://b.test/simple", "https://a.test/simple")
    assert wanted.find_links == (Index((here / "links").as_uri(), find_links=True),)


def test_extra_indexes_of_pips_configuration_are_not_followed_but_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://corp.test/simple")
    heard: list[Event] = []
    wanted = inputs_of(given(), heard.append).wanted
    assert wanted.extra_indexes == ()
    assert wanted.ignored_indexes == ("--extra-index-url https://corp.test/simple",)
    assert [str(event) for event in heard if "corp.test" in str(event)] != []


def test_pips_certificates_and_proxy_serve_unless_others_are_typed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.pem", "b.pem"):
        (here / name).write_text("")
    monkeypatch.setenv("PIP_CERT", str(here / "a.pem"))
    monkeypatch.setenv("PIP_PROXY", "http://corp.test:3128")
    settings = inputs_of(given(), ignore).settings
    assert (settings.ca_file, settings.proxy) == (here / "a.pem", "http://corp.test:3128")
    settings = inputs_of(given(cert=Path("b.pem"), proxy="http://mine.test:1"), ignore).settings
    assert (settings.ca_file, settings.proxy) == (Path("b.pem"), "http://mine.test:1")
    os.remove("a.pem")
    with pytest.raises(UsageError, match=r"the certificate file `.*a.pem` does not exist"):
        inputs_of(given(), ignore)


def test_constraints_have_no_extras_and_are_told_where(here: Path) -> None:
    (here / "c.txt").write_text("# limits\nrequests[socks]<3\n")
    with pytest.raises(UsageError) as caught:
        inputs_of(given(constraint_files=(Path("c.txt"),)), ignore)
    assert str(caught.value) == "line 2 of `c.txt`: a constraint cannot have extras"
    assert caught.value.hint == "write it without: `requests<3`"


def test_names_are_normalized_and_everything_is_a_name(here: Path) -> None:
    wanted = inputs_of(given(allow_older=("Deep_Speed", ":all:"), upgrade_packages=("Py.Yaml",)), ignore).wanted
    assert wanted.allow_older == {"deep-speed", ":all:"}
    assert wanted.upgrade_packages == {"py-yaml"}


def test_whoever_upgrades_wants_todays_pages(here: Path) -> None:
    assert not inputs_of(given(), ignore).settings.refresh
    assert inputs_of(given(upgrade=True), ignore).settings.refresh
    assert inputs_of(given(upgrade_packages=("app",)), ignore).settings.refresh
