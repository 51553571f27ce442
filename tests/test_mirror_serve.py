"""What clients get from a mirror: the same from the embedded server and, where it is installed, from nginx."""

from __future__ import annotations

import gzip
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from world.mirror_servers import Served, embedded, find_nginx, nginx
from world.mirror_tree import CATALOG, LOCK, PAGE, SCRIPT, lock_key, mirror_tree, write
from world.wheels import build_wheel

from wheelhouse.mirroring.names import file_key

JSON, HTML = "application/vnd.pypi.simple.v1+json", "text/html; charset=utf-8"
TORCH = build_wheel("torch", "2.1.2+cu121", requires=["numpy"], padding=300_000)
NUMPY = build_wheel("numpy", "1.26.4", requires_python=">=3.9")
APP = build_wheel("my.App", "1.0", requires=["torch"])
FILE = file_key(TORCH.digest, TORCH.filename)
SERVERS = ["embedded", *(["nginx"] if find_nginx() else [])]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mirror_tree(tmp_path_factory.mktemp("mirror"), {"": [NUMPY, APP], "cu121": [TORCH, NUMPY]})


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = embedded(root) if request.param == "embedded" else nginx(root, tmp_path_factory.mktemp("nginx"))
    with running as served:
        yield served


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def raw(server: Served, request: bytes) -> bytes:
    """What comes back for these bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def status(server: Served, target: str, *, method: str = "GET", more: str = "") -> int:
    """The status of a request whose target is sent as it stands: clients' libraries would tidy it up."""
    answer = raw(server, f"{method} {target} HTTP/1.1\r\nHost: mirror\r\n{more}Connection: close\r\n\r\n".encode())
    return int(answer.split(b" ", 2)[1])


def test_a_project_page_is_json_for_who_asks_for_it(client: httpx.Client) -> None:
    answer = client.get("simple/numpy/", headers={"Accept": JSON})
    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
    page = answer.json()
    assert (page["meta"], page["name"], page["versions"]) == ({"api-version": "1.1"}, "numpy", ["1.26.4"])
    assert page["files"][0]["hashes"] == {"sha256": NUMPY.digest.hex}
    assert page["files"][0]["requires-python"] == ">=3.9"
    assert answer.headers["cache-control"] == "no-cache"
    assert "Accept" in [word.strip() for word in answer.headers["vary"].split(",")]


def test_a_project_page_is_html_for_everybody_else(client: httpx.Client) -> None:
    answer = client.get("simple/numpy/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, HTML)
    assert f"#sha256={NUMPY.digest.hex}" in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_project_page_is_the_third_form_for_who_asks_for_that(client: httpx.Client) -> None:
    answer = client.get("simple/numpy/", headers={"Accept": "application/vnd.pypi.simple.latest+html"})
    assert answer.headers["content-type"] == "application/vnd.pypi.simple.v1+html; charset=utf-8"


def test_a_parameter_asks_for_a_form_too(client: httpx.Client) -> None:
    assert client.get("simple/?format=json").json()["projects"] == [{"name": "my-app"}, {"name": "numpy"}]
    answer = client.get("simple/", params={"format": JSON}, headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == JSON


def test_a_channel_is_an_index_of_its_own(client: httpx.Client) -> None:
    assert client.get("whl/cu121/?format=json").json()["projects"] == [{"name": "numpy"}, {"name": "torch"}]
    page = client.get("whl/cu121/torch/", headers={"Accept": JSON})
    link = page.json()["files"][0]["url"]
    assert link.startswith("../../../files/")
    assert client.get(page.url.join(link)).content == TORCH.content


def test_the_form_that_is_named_by_its_file_is_not_negotiated(client: httpx.Client) -> None:
    assert client.get("simple/numpy/index.json").headers["content-type"] == JSON
    assert client.get("simple/numpy/index.html", headers={"Accept": JSON}).headers["content-type"] == HTML


def test_a_missing_slash_is_redirected(client: httpx.Client) -> None:
    for path in ("simple", "simple/numpy", "whl/cu121", "whl/cu121/torch"):
        answer = client.get(path)
        assert answer.status_code == 301
        assert answer.url.join(answer.headers["location"]) == answer.url.join(f"/{path}/")
    answer = client.get("simple/numpy?format=json", follow_redirects=True)
    assert answer.headers["content-type"] == JSON


def test_a_project_that_is_not_here_is_nowhere_else(client: httpx.Client) -> None:
    for path in ("simple/requests/", "whl/cu121/my-app/", "whl/cu118/torch/", "whl/cu118/", "whl/", "simple/numpy/x/"):
        answer = client.get(path, headers={"Accept": JSON})
        assert (answer.status_code, answer.headers.get("location")) == (404, None)
        assert "immutable" not in answer.headers.get("cache-control", "")


def test_pages_are_compressed_for_who_takes_it(client: httpx.Client) -> None:
    with client.stream("GET", "simple/numpy/", headers={"Accept": JSON, "Accept-Encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    plain = client.get("simple/numpy/", headers={"Accept": JSON, "Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed) == plain.content
    assert plain.headers["etag"] != answer.headers["etag"]
    assert "Accept-Encoding" in plain.headers["vary"]


def test_who_has_a_page_gets_it_again_only_when_it_changed(client: httpx.Client) -> None:
    for encoding in ("gzip", "identity"):
        headers = {"Accept": JSON, "Accept-Encoding": encoding}
        tag = client.get("simple/numpy/", headers=headers).headers["etag"]
        again = client.get("simple/numpy/", headers={**headers, "If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        other = client.get("simple/numpy/", headers={**headers, "If-None-Match": '"other"'})
        assert other.status_code == 200


def test_a_page_that_changed_is_served_at_once(tmp_path: Path) -> None:
    root = mirror_tree(tmp_path / "mirror", {"": [NUMPY]})
    with embedded(root) as served, httpx.Client(base_url=served.url, trust_env=False) as client:
        assert client.get("simple/six/").status_code == 404
        before = client.get("simple/numpy/").headers["etag"]
        mirror_tree(root, {"": [NUMPY, build_wheel("numpy", "2.0.0"), build_wheel("six", "1.0")]})
        assert client.get("simple/six/").status_code == 200
        after = client.get("simple/numpy/", headers={"If-None-Match": before})
        assert (after.status_code, "2.0.0" in after.text) == (200, True)
        (root / "simple/six/index.html").unlink()
        assert client.get("simple/six/").status_code == 404


def test_a_wheel_is_whole_and_kept_for_ever(client: httpx.Client) -> None:
    answer = client.get(FILE)
    assert (answer.status_code, answer.content == TORCH.content) == (200, True)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-encoding" not in answer.headers
    assert client.get(FILE.replace("+", "%2B")).content == TORCH.content
    again = client.get(FILE, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_metadata_of_a_wheel_lies_beside_it(client: httpx.Client) -> None:
    answer = client.get(f"{FILE}.metadata")
    assert (answer.status_code, answer.content) == (200, TORCH.metadata)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["etag"] != client.head(FILE).headers["etag"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=299000-", 299_000, None), ("bytes=-50", -50, None),
     ("bytes=100-999999999", 100, None)],
)  # fmt: skip
def test_a_range_is_just_that_part(client: httpx.Client, asked: str, start: int, end: int | None) -> None:
    answer = client.get(FILE, headers={"Range": asked})
    assert (answer.status_code, answer.content == TORCH.content[start:end]) == (206, True)
    first = start % len(TORCH.content)
    last = first + len(answer.content) - 1
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(TORCH.content)}"


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=5-4", "bytes=-0", "bytes=99999999999999999998-"])
def test_a_range_behind_the_end_is_refused(client: httpx.Client, asked: str) -> None:
    answer = client.get(FILE, headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(TORCH.content)}")
    assert len(answer.content) < 1000


def test_many_ranges_cost_no_more_than_the_file(client: httpx.Client) -> None:
    answer = client.get(FILE, headers={"Range": "bytes=" + ",".join(["0-"] * 500)})
    assert (answer.status_code, len(answer.content)) == (200, len(TORCH.content))


def test_a_range_of_another_file_is_not_mixed_in(client: httpx.Client) -> None:
    answer = client.get(FILE, headers={"Range": "bytes=10-", "If-Range": '"another"'})
    assert (answer.status_code, len(answer.content)) == (200, len(TORCH.content))
    tag = answer.headers["etag"]
    assert client.get(FILE, headers={"Range": "bytes=10-", "If-Range": tag}).status_code == 206


def test_head_says_what_get_would_and_sends_nothing(client: httpx.Client) -> None:
    for path in (FILE, "simple/numpy/", "index.html", "simple/nothing/"):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        for name in ("content-type", "cache-control"):
            assert head.headers.get(name) == get.headers.get(name)
    assert client.head(FILE).headers["content-length"] == str(len(TORCH.content))


def test_a_mirror_is_only_read(client: httpx.Client, root: Path) -> None:
    before = (root / "simple/numpy/index.json").read_bytes()
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
        assert client.request(method, "simple/numpy/", content=b"x" * 100).status_code == 405
    assert (root / "simple/numpy/index.json").read_bytes() == before


def test_the_page_for_people_is_at_the_root(client: httpx.Client) -> None:
    answer = client.get("")
    assert (answer.content, answer.headers["content-type"]) == (PAGE, HTML)
    script = client.get("page/app.js")
    assert (script.content, script.headers["content-type"].partition(";")[0]) == (SCRIPT, "text/javascript")
    assert client.get("catalog.json").content == CATALOG
    lock = client.get(lock_key())
    assert (lock.content, lock.headers["content-type"]) == (LOCK, "application/toml")


def test_it_says_that_it_is_well(client: httpx.Client) -> None:
    assert (client.get("healthz").status_code, client.get("healthz").text) == (200, "ok\n")


HOSTILE = [
    "/../etc/passwd", "/simple/../../etc/passwd", "/simple/../mirror.json", "/%2e%2e/%2e%2e/etc/passwd",
    "/simple/%2e%2e/mirror.json", "/simple/..%2fmirror.json", "/simple/%2e%2e%2fmirror.json", "/..%5c..%5cetc/passwd",
    "/page/../mirror.json", "/page/%2e%2e/mirror.json", "/page/..%2f.lock", "/.lock", "/mirror.json",
    "/.form/json/simple/", "/.form/json/simple/json", "/.form/json/../../mirror.json",
    "/files/", f"/{FILE.rpartition('/')[0]}/", "/locks/", "/whl/", "/page/", "/files/../.lock", "/simple/%00/",
    f"/{FILE}%00.metadata", f"/{FILE}/", f"/{FILE}/../../../../mirror.json", "/simple/%c0%ae%c0%ae/mirror.json",
]  # fmt: skip


@pytest.mark.parametrize("target", HOSTILE)
def test_no_path_leads_out_of_the_mirror_or_lists_a_folder(server: Served, target: str) -> None:
    assert status(server, target) in (400, 404)


def test_no_request_writes_a_header_of_the_answer(server: Served) -> None:
    for target in (
        "/simple/a%0d%0aX-Evil:%201",
        "/simple/numpy%0d%0aX-Evil:%201",
        "/simple/numpy?format=%0d%0aX-Evil:1",
    ):
        answer = raw(server, f"GET {target} HTTP/1.1\r\nHost: mirror\r\nConnection: close\r\n\r\n".encode())
        assert not [line for line in answer.lower().splitlines() if line.startswith(b"x-evil")]


@pytest.mark.parametrize("request_", [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n"])
def test_nonsense_is_answered_and_ends(server: Served, request_: bytes) -> None:
    assert raw(server, request_)[9:12] == b"400"


def test_a_request_that_never_ends_is_refused(server: Served) -> None:
    answer = raw(server, b"GET / HTTP/1.1\r\nHost: mirror\r\nX-Long: " + b"a" * 60_000 + b"\r\n")
    assert answer[9:12] in (b"400", b"431", b"414")


@pytest.mark.parametrize("kind", SERVERS)
def test_symbolic_links_are_not_followed(kind: str, tmp_path: Path) -> None:
    root = mirror_tree(tmp_path / "mirror", {"": [NUMPY]})
    secret = write(tmp_path, "outside/index.html", b"secret")
    write(tmp_path, "outside/index.json", b'"secret"')
    write(tmp_path, "outside/numpy-9-py3-none-any.whl", b"secret")
    (root / "simple/linked").symlink_to(secret.parent)  # a folder
    (root / "simple/inside").symlink_to(root / "simple/numpy")  # one that does not even leave the mirror
    (root / "page/linked.js").symlink_to(secret)  # a file
    digest = "cd" + "0" * 62
    (root / "files/cd").mkdir()
    (root / "files/cd" / digest).symlink_to(secret.parent)  # the folder of a wheel
    (tmp_path / "link").symlink_to(root)  # the way to the mirror may be one
    running = embedded(tmp_path / "link") if kind == "embedded" else nginx(tmp_path / "link", tmp_path / "nginx")
    with running as served:
        assert status(served, "/simple/numpy/") == 200
        for path in (
            "simple/linked/",
            "simple/inside/",
            "page/linked.js",
            f"files/cd/{digest}/numpy-9-py3-none-any.whl",
        ):
            assert status(served, f"/{path}") == 404


def test_a_page_that_becomes_a_link_or_a_pipe_is_no_longer_served(tmp_path: Path) -> None:
    root = mirror_tree(tmp_path / "mirror", {"": [NUMPY]})
    page = root / "simple/numpy/index.html"
    with embedded(root) as served:
        assert status(served, "/simple/numpy/") == 200
        page.rename(tmp_path / "elsewhere.html")
        page.symlink_to(tmp_path / "elsewhere.html")
        assert status(served, "/simple/numpy/") == 404
        page.unlink()
        os.mkfifo(page)
        assert status(served, "/simple/numpy/") == 404
        wheel = root / file_key(NUMPY.digest, NUMPY.filename)
        wheel.unlink()
        os.mkfifo(wheel)
        assert status(served, f"/{file_key(NUMPY.digest, NUMPY.filename)}") == 404


def test_what_cannot_be_read_is_no_missing_project(tmp_path: Path) -> None:
    root = mirror_tree(tmp_path / "mirror", {"": [NUMPY]})
    (root / "mirror.json").unlink()
    with embedded(root) as served:
        assert status(served, "/healthz") == 503
        answer = httpx.get(f"{served.url}simple/numpy/?format=xml", trust_env=False)
        assert answer.status_code == 406
        assert json.loads(httpx.get(f"{served.url}simple/numpy/index.json", trust_env=False).text)["name"] == "numpy"
