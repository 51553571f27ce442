"""`wheelhouse mirror nginx-conf`: the text, which is read without an nginx; what it does is in test_mirror_serve.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world.cli import wheelhouse
from world.mirror_tree import mirror_tree

from wheelhouse.errors import UsageError
from wheelhouse.mirroring.nginx import Site, configuration
from wheelhouse.mirroring.routes import MEDIA_TYPES

JSON = "application/vnd.pypi.simple.v1+json"


def test_the_command_prints_it_and_nothing_else(tmp_path: Path) -> None:
    root = mirror_tree(tmp_path / "my mirror", {"": []})
    ran = wheelhouse("mirror", "nginx-conf", "my mirror", "--listen", "127.0.0.1:81", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == configuration(Site(root=str(root), listen="127.0.0.1:81"))


def test_a_configuration_says_what_is_promised() -> None:
    text = configuration(Site(root="/srv/mirror", listen="[::1]:8443", server_name="wheels.example.org"))
    for line in (
        "listen [::1]:8443;",
        "server_name wheels.example.org;",
        'root "/srv/mirror";',
        "autoindex off;",
        "disable_symlinks on from=$document_root;",
        "max_ranges 1;",
        "gzip on;",
        "absolute_redirect off;",
        'add_header Cache-Control "public, max-age=31536000, immutable";',
        'add_header Cache-Control "no-cache";',
        "add_header Vary Accept;",
        f"default_type {JSON};",
    ):
        assert re.search(rf"^\s+{re.escape(line)}$", text, re.MULTILINE), line
    assert "proxy_pass" not in text  # nothing that is missing here is asked elsewhere
    assert "auth_basic_user_file" not in text
    assert "ssl" not in text


def test_tls_and_users_are_told_when_they_are_given() -> None:
    text = configuration(Site(root="/srv/mirror", listen="443", cert="/c.pem", key="/k.pem", users="/users"))
    for line in (
        "listen 443 ssl;",
        'ssl_certificate "/c.pem";',
        'ssl_certificate_key "/k.pem";',
        "ssl_protocols TLSv1.2 TLSv1.3;",
        'auth_basic_user_file "/users";',
        'add_header Cache-Control "private, max-age=31536000, immutable";',
        'add_header Cache-Control "private, no-cache";',
    ):
        assert re.search(rf"^\s+{re.escape(line)}$", text, re.MULTILINE), line
    assert '"public' not in text


def test_every_ending_that_is_served_has_its_type() -> None:
    text = configuration(Site(root="/srv/mirror"))
    for ending, media_type in MEDIA_TYPES.items():
        assert f"        {media_type.partition(';')[0]} {ending};" in text


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "html"),
        ("*/*", "html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),
        (f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01", "json"),
        (f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01", "json"),
        (f"text/html, {JSON};q=0.5", "html"),
        (f"{JSON};q=0.5", "json"),
        (f"{JSON};q=0", "html"),
        ("application/vnd.pypi.simple.latest+html", "v1html"),
        ("application/json", "html"),
    ],
)
def test_the_map_gives_clients_the_form_they_want(accept: str, form: str) -> None:
    block = configuration(Site(root="/srv/mirror")).partition("$wheelhouse_accepted {")[2].partition("\n}")[0]
    rules = re.findall(r'"~\*(.*)" (\w+);', block)
    assert len(rules) == 5
    assert next((to for pattern, to in rules if re.search(pattern, accept, re.IGNORECASE)), "html") == form


@pytest.mark.parametrize("path", ["/a$b", '/a"b', "/a\\b", "/a\nb", "/a\x7fb"])
def test_a_path_that_nginx_could_not_read_is_refused(path: str) -> None:
    for site in (Site(root=path), Site(root="/srv", cert=path, key="/k"), Site(root="/srv", users=path)):
        with pytest.raises(UsageError, match="cannot be written in a configuration of nginx"):
            configuration(site)


@pytest.mark.parametrize("listen", ["", "80;", "80 ssl", "127.0.0.1", "a b:80", "[::1]", "80\n}", "http://x:80"])
def test_an_address_is_an_address(listen: str) -> None:
    with pytest.raises(UsageError, match="is not `ADDRESS:PORT`"):
        configuration(Site(root="/srv", listen=listen))


def test_a_name_is_a_name() -> None:
    with pytest.raises(UsageError, match="is no host name"):
        configuration(Site(root="/srv", server_name="a; evil"))


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_nothing_that_is_given_adds_a_line(root: str, listen: str, name: str) -> None:
    plain = configuration(Site(root="/srv")).count("\n")
    try:
        text = configuration(Site(root="/" + root, listen=listen, server_name=name))
    except UsageError:
        return
    assert text.count("\n") == plain


def test_a_bucket_is_not_for_nginx(tmp_path: Path) -> None:
    ran = wheelhouse("mirror", "nginx-conf", "s3://bucket/mirror", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[0] == "error: nginx reads folders, and `s3://bucket/mirror` is a bucket"
