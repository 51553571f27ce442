"""Who may come in, and over what: basic authentication and TLS, on the embedded server and in nginx's file."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import httpx
import pytest
import trustme
from world.cli import wheelhouse
from world.mirror_servers import embedded, find_nginx, nginx
from world.mirror_tree import mirror_tree
from world.wheels import build_wheel

from wheelhouse.edge.mirror.serving import passwords
from wheelhouse.edge.mirror.serving.app import Busy
from wheelhouse.edge.mirror.serving.passwords import BadPasswords, Passwords
from wheelhouse.edge.mirror.serving.server import CannotServe, MirrorServer, Settings
from wheelhouse.edge.mirror.serving.source import Folder
from wheelhouse.mirroring.names import file_key

SMALL = build_wheel("small", "1.0")
FILE = file_key(SMALL.digest, SMALL.filename)


def hashed(password: str, cost: int = 8) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mirror_tree(tmp_path_factory.mktemp("mirror"), {"": [SMALL]})


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    # `$2y$` is how htpasswd writes the same hash
    path.write_text(f"# the team\n\nanna:{hashed('geheim')}\nbernd:{hashed('zwei:teile').replace('$2b$', '$2y$')}\n")
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, ssl.SSLContext]]:
    """A certificate, its key, and what trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(folder / "cert.pem"), append=True)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    yield folder / "cert.pem", folder / "key.pem", context


def test_without_the_right_password_nothing_is_told(root: Path, users: Path) -> None:
    with (
        embedded(root, gate=passwords.read(users)) as served,
        httpx.Client(base_url=served.url, trust_env=False) as client,
    ):
        for path in ("simple/nothing/", FILE, "..%2fetc"):
            for pair in (None, "anna:falsch", "anna:", "carla:geheim", "anna", ":", "anna:geheim\0", "bernd:zwei"):
                answer = client.get(path, headers={} if pair is None else {"Authorization": basic(pair)})
                assert (answer.status_code, answer.text) == (401, "a user name and a password are needed\n")
                assert answer.headers["www-authenticate"] == 'Basic realm="wheelhouse mirror", charset="UTF-8"'
        for header in ("Basic !!!", "Bearer x", "Basic", "Basic " + "a" * 5000, "Basic /w=="):
            assert client.get("simple/small/", headers={"Authorization": header}).status_code == 401


def test_with_it_everything_is_there_and_not_kept_where_others_see_it(root: Path, users: Path) -> None:
    with (
        embedded(root, gate=passwords.read(users)) as served,
        httpx.Client(base_url=served.url, trust_env=False) as client,
    ):
        for pair in ("anna:geheim", "bernd:zwei:teile"):
            answer = client.get(FILE, headers={"Authorization": basic(pair)})
            assert (answer.status_code, answer.content) == (200, SMALL.content)
            assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
            assert client.get("simple/small/", headers={"Authorization": basic(pair)}).headers["cache-control"] == (
                "private, no-cache"
            )
        assert client.get("healthz").status_code == 200
        assert [line.split()[2] for line in served.lines(5)] == ["anna", "anna", "bernd", "bernd", "-"]


def test_a_password_is_checked_once_and_then_known() -> None:
    users = Passwords({"anna": hashed("geheim").encode()})
    asked: list[bytes] = []
    check = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        asked.append(password)
        return check(password, hashed)

    async def visits() -> list[str | None]:
        at_once = await asyncio.gather(*(users.user(basic("anna:geheim")) for _ in range(50)))
        later = [await users.user(basic("anna:geheim")), await users.user(basic("anna:falsch"))]
        return [*at_once, *later, await users.user(basic("anna:falsch"))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords.bcrypt, "checkpw", counted)
        assert asyncio.run(visits()) == ["anna"] * 51 + [None, None]
    assert asked == [b"geheim", b"falsch", b"falsch"]


def test_a_name_that_is_not_there_costs_the_same_work() -> None:
    users = Passwords({"anna": hashed("geheim", 9).encode()})
    seen: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords.bcrypt, "checkpw", lambda password, hashed: bool(seen.append(hashed)))
        asyncio.run(users.user(basic("nobody:geheim")))
        asyncio.run(users.user(basic("anna:falsch")))
    assert [each[:7] for each in seen] == [b"$2b$09$", b"$2b$09$"]
    assert seen[0] != seen[1]


def test_guessing_fills_no_queue() -> None:
    users = Passwords({"anna": hashed("geheim").encode()})

    async def guesses() -> list[object]:
        return await asyncio.gather(*(users.user(basic(f"anna:{n}")) for n in range(100)), return_exceptions=True)

    found = asyncio.run(guesses())
    assert [type(each) for each in found if each is not None] == [Busy] * 36


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "`{}` names no user"),
        ("# nobody\n", "`{}` names no user"),
        ("anna\n", "line 1 of `{}` is no `NAME:HASH`"),
        (":x\n", "line 1 of `{}` is no `NAME:HASH`"),
        ("anna:geheim\n", "line 1 of `{}` holds no bcrypt hash for `anna`"),
        ("\nanna:$apr1$abc$def\n", "line 2 of `{}` holds no bcrypt hash for `anna`"),
        ("anna:$2b$31$" + "a" * 53, "line 1 of `{}` holds a hash of cost 31 for `anna`, outside of 8 to 15"),
        ("a:$2b$10${0}\na:$2b$10${0}".format("a" * 53), "line 2 of `{}` names `a` again"),
    ],
)
def test_a_file_of_users_that_cannot_be_used_says_where(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "users"
    path.write_text(text)
    with pytest.raises(BadPasswords) as failed:
        passwords.read(path)
    assert str(failed.value) == sentence.format(path)


def test_a_file_of_users_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadPasswords) as failed:
        passwords.read(tmp_path / "none")
    assert str(failed.value) == f"`{tmp_path / 'none'}` cannot be read: no such file or directory"


def test_a_line_that_we_write_is_one_that_we_read(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(passwords.line("anna", "geheim") + "\n")
    assert asyncio.run(passwords.read(path).user(basic("anna:geheim"))) == "anna"


@pytest.mark.parametrize(
    ("name", "password"), [("", "x"), ("a:b", "x"), ("#a", "x"), ("a\n", "x"), ("a", ""), ("a", "x" * 73)]
)
def test_a_user_that_could_not_come_in_is_not_written(name: str, password: str) -> None:
    with pytest.raises(ValueError, match=r"user's name|password has"):
        passwords.line(name, password)


def test_tls_is_served_with_the_certificate_that_was_given(
    root: Path, certificate: tuple[Path, Path, ssl.SSLContext]
) -> None:
    cert, key, trust = certificate
    with embedded(root, cert=cert, key=key) as served:
        assert served.url.startswith("https://")
        answer = httpx.get(f"{served.url}{FILE}", verify=trust, trust_env=False)
        assert (answer.status_code, answer.content) == (200, SMALL.content)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{served.url}{FILE}", trust_env=False)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"http://127.0.0.1:{served.port}/{FILE}", trust_env=False)


def test_old_versions_of_tls_are_refused(root: Path, certificate: tuple[Path, Path, ssl.SSLContext]) -> None:
    cert, key, _ = certificate
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE  # what counts is the version, and it comes first
    with pytest.warns(DeprecationWarning):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with embedded(root, cert=cert, key=key) as served, pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}healthz", verify=old, trust_env=False)


def test_a_certificate_that_cannot_be_used_is_one_sentence(
    root: Path, tmp_path: Path, certificate: tuple[Path, Path, ssl.SSLContext]
) -> None:
    cert, key, _ = certificate
    other = trustme.CA().issue_cert("127.0.0.1")
    other.private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    (tmp_path / "nonsense.pem").write_text("nonsense")
    for settings, reason in (
        (Settings(port=0, cert=cert, key=tmp_path / "other.pem"), "key values mismatch"),
        (Settings(port=0, cert=cert, key=tmp_path / "none.pem"), "no such file or directory"),
        (Settings(port=0, cert=tmp_path / "nonsense.pem", key=key), "no start line"),
    ):
        with pytest.raises(CannotServe) as failed:
            MirrorServer(Folder(root), settings)
        assert str(failed.value).startswith(f"`{settings.cert}` cannot be used for TLS: ")
        assert reason in str(failed.value) or "pem" in str(failed.value).lower()


def test_nginx_takes_the_same_users_and_certificates(
    root: Path, users: Path, tmp_path: Path, certificate: tuple[Path, Path, ssl.SSLContext]
) -> None:
    cert, key, trust = certificate
    if find_nginx() is None:  # its text is tested without it
        assert find_nginx() is None
        return
    with (
        nginx(root, tmp_path / "nginx", cert=str(cert), key=str(key), users=str(users)) as served,
        httpx.Client(base_url=served.url, verify=trust, trust_env=False) as client,
    ):
        assert client.get(FILE).status_code == 401
        assert client.get("simple/small/").status_code == 401
        assert client.get("healthz").status_code == 200
        answer = client.get(FILE, headers={"Authorization": basic("bernd:zwei:teile")})
        assert (answer.status_code, answer.content) == (200, SMALL.content)
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_a_key_without_a_certificate_is_wrong_usage(root: Path, tmp_path: Path) -> None:
    ran = wheelhouse("mirror", "serve", root, "--key", "key.pem", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: `--key` is of a certificate, and there is none\n\nhint: name it by `--cert`\n"


def test_a_folder_that_is_no_mirror_is_not_served(tmp_path: Path) -> None:
    ran = wheelhouse("mirror", "serve", tmp_path, cwd=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[0] == f"error: there is no mirror in `{tmp_path}`"
