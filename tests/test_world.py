"""The test world is what the tests believe: these are the few things about it that must be true of the real one."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import (
    ChangeETag,
    Corrupt,
    FakeIndex,
    FakeProxy,
    FakePyTorch,
    Fault,
    IgnoreRange,
    NoLength,
    Redirect,
    Replace,
    Reset,
    Slow,
    Stall,
    Status,
    Truncate,
    build_sdist,
    build_wheel,
    fake_pypi,
    pip_wheel,
)

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; an HTTP error is an answer like any other, redirects are followed."""
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


# Wheels


def test_a_wheel_is_the_same_bytes_every_time_and_every_file_in_it_is_recorded() -> None:
    wheel = build_wheel("Foo.Bar", "1.0", requires=("dep>=1",), padding=5000, scripts=("foo = foo_bar:main",))
    build_wheel.__globals__["_build_wheel"].cache_clear()
    again = build_wheel("Foo.Bar", "1.0", requires=("dep>=1",), padding=5000, scripts=("foo = foo_bar:main",))
    assert again.content == wheel.content
    assert wheel.filename == "Foo_Bar-1.0-py3-none-any.whl"
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        record = archive.read("Foo_Bar-1.0.dist-info/RECORD").decode()
        assert sorted(line.split(",")[0] for line in record.splitlines()) == sorted(archive.namelist())
        assert archive.read("Foo_Bar-1.0.dist-info/METADATA") == wheel.metadata
    assert len(wheel.content) > 5000


def test_pip_installs_what_the_world_makes_wheels_sdists_and_pip_itself(index: FakeIndex, tmp_path: Path) -> None:
    index.add(build_wheel("foo", "1.0", requires=("bar>=2", "pip"), tag="py3-none-any"))
    index.add(build_sdist("bar", "2.0", requires_python=">=3.6"))
    index.add(pip_wheel())
    done = pip("install", "--index-url", index.simple, "--target", str(tmp_path), "foo")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "foo" / "__init__.py").read_text() == '__version__ = "1.0"\n'
    assert (tmp_path / "bar" / "__init__.py").read_text() == '__version__ = "2.0"\n'
    ran = subprocess.run([sys.executable, "-I", str(tmp_path / "pip"), "--version"], capture_output=True, text=True)
    assert ran.stdout.startswith(f"pip {pip_wheel().filename.split('-')[1]} from ")


def test_a_wheel_with_a_native_tag_has_its_code_under_platlib() -> None:
    wheel = build_wheel("torch", "2.1.2+cu121", tag="cp310-cp310-linux_x86_64")
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        assert archive.read("torch-2.1.2+cu121.dist-info/WHEEL").decode() == (
            "Wheel-Version: 1.0\nGenerator: world\nRoot-Is-Purelib: false\nTag: cp310-cp310-linux_x86_64\n"
        )


# PyPI


@pytest.mark.parametrize(
    ("form", "accept", "expected"),
    [
        ("both", JSON, JSON),
        ("both", f"{JSON}, {HTML};q=0.2, text/html;q=0.01", JSON),
        ("both", "*/*", "text/html; charset=UTF-8"),
        ("both", HTML, HTML),
        ("html", f"{JSON}, {HTML};q=0.2, text/html;q=0.01", HTML),
        ("html", JSON, "text/html; charset=UTF-8"),
        ("json", "text/html", JSON),
        ("html-only", f"{JSON}, {HTML};q=0.2", "text/html; charset=UTF-8"),
    ],
)
def test_pages_come_in_the_form_that_the_index_offers_and_the_client_accepts(
    form: str, accept: str, expected: str
) -> None:
    with FakeIndex(form=form) as index:  # type: ignore[arg-type]
        index.add(build_wheel("foo", "1.0"))
        _, headers, _ = get(f"{index.simple}/foo/", Accept=accept)
    assert headers["Content-Type"] == expected


def test_the_json_page_says_what_pypi_says(index: FakeIndex) -> None:
    wheel = build_wheel("foo", "1.0", requires_python=">=3.8,<4")
    listed = index.add(wheel, yanked="broken")
    page = json.loads(get(f"{index.simple}/foo/", Accept=JSON)[2])
    assert page == {
        "alternate-locations": [],
        "files": [
            {
                "core-metadata": {"sha256": _sha256(wheel.metadata)},
                "filename": "foo-1.0-py3-none-any.whl",
                "hashes": {"sha256": wheel.digest.hex},
                "requires-python": ">=3.8,<4",
                "size": len(wheel.content),
                "upload-time": "2024-01-01T00:00:00.000000Z",
                "url": listed.url,
                "yanked": "broken",
            }
        ],
        "meta": {"_last-serial": 1, "api-version": "1.4"},
        "name": "foo",
        "project-status": {"status": "active"},
        "versions": ["1.0"],
    }
    assert get(listed.url)[2] == wheel.content
    assert get(f"{listed.url}.metadata")[2] == wheel.metadata


def test_the_html_page_escapes_its_attributes_and_spells_metadata_both_ways(index: FakeIndex) -> None:
    wheel = build_wheel("foo", "1.0", requires_python=">=3.8,<4")
    index.links = "relative"
    index.add(wheel, metadata="both", yanked=True)
    path = f"../../files/{wheel.digest.hex[:2]}/{wheel.digest.hex[2:4]}/{wheel.digest.hex[4:]}"
    assert get(f"{index.simple}/foo/")[2].decode() == (
        "<!DOCTYPE html>\n<html>\n  <head>\n"
        '    <meta name="pypi:repository-version" content="1.4">\n'
        "    <title>Links for foo</title>\n  </head>\n  <body>\n    <h1>Links for foo</h1>\n"
        f'<a href="{path}/foo-1.0-py3-none-any.whl#sha256={wheel.digest.hex}" data-requires-python="&gt;=3.8,&lt;4" '
        f'data-dist-info-metadata="sha256={_sha256(wheel.metadata)}" '
        f'data-core-metadata="sha256={_sha256(wheel.metadata)}" data-yanked="">foo-1.0-py3-none-any.whl</a><br />\n'
        "</body>\n</html>\n<!--SERIAL 1-->"
    )


def test_what_a_page_leaves_out_or_gets_wrong_is_as_told(index: FakeIndex) -> None:
    wheel = build_wheel("foo", "1.0", requires_python=">=3.8")
    index.add(wheel, digest=False, metadata=False, size=False, upload_time=None, requires_python=None)
    index.add(
        build_wheel("foo", "2.0"), digest="0" * 64, metadata_digest="1" * 64, url="https://elsewhere.test/foo.whl"
    )
    first, second = json.loads(get(f"{index.simple}/foo/", Accept=JSON)[2])["files"]
    assert first == {
        "core-metadata": False,
        "filename": "foo-1.0-py3-none-any.whl",
        "hashes": {},
        "requires-python": None,
        "url": index.listed("foo-1.0-py3-none-any.whl").url,
        "yanked": False,
    }
    assert get(first["url"] + ".metadata")[0] == 404
    assert (second["hashes"], second["core-metadata"]) == ({"sha256": "0" * 64}, {"sha256": "1" * 64})
    assert second["url"] == "https://elsewhere.test/foo.whl"


def test_a_page_that_did_not_change_is_304_and_a_changed_one_is_not(index: FakeIndex) -> None:
    index.add(build_wheel("foo", "1.0"))
    _, headers, _ = get(f"{index.simple}/foo/")
    assert headers["Cache-Control"] == "max-age=600, public"
    assert get(f"{index.simple}/foo/", If_None_Match=headers["ETag"])[::2] == (304, b"")
    index.add(build_wheel("foo", "2.0"))
    assert get(f"{index.simple}/foo/", If_None_Match=headers["ETag"])[0] == 200


def test_unnormalized_names_are_redirected_and_unknown_ones_are_404(index: FakeIndex) -> None:
    index.add(build_wheel("Foo.Bar", "1.0"))
    assert get(f"{index.simple}/Foo.Bar")[0] == 200
    assert [request.path for request in index.requests] == ["/simple/Foo.Bar", "/simple/foo-bar/"]
    assert get(f"{index.simple}/nothing/")[0] == 404


def test_ranges_are_served_as_a_file_host_does(index: FakeIndex) -> None:
    wheel = build_wheel("foo", "1.0", padding=1000)
    url, size = index.add(wheel).url, len(wheel.content)
    status, headers, body = get(url, Range="bytes=10-19")
    assert (status, headers["Content-Range"], body) == (206, f"bytes 10-19/{size}", wheel.content[10:20])
    assert get(url, Range="bytes=-7")[::2] == (206, wheel.content[-7:])
    assert get(url, Range=f"bytes={size - 3}-")[::2] == (206, wheel.content[-3:])
    status, past, _ = get(url, Range=f"bytes={size}-")
    assert (status, past["Content-Range"]) == (416, f"bytes */{size}")
    assert get(url, Range="bytes=10-19", If_Range=headers["ETag"])[0] == 206
    assert get(url, Range="bytes=10-19", If_Range='"another"')[::2] == (200, wheel.content)
    index.ranges = False
    assert get(url, Range="bytes=10-19")[::2] == (200, wheel.content)


def test_auth_is_asked_of_everything() -> None:
    with FakeIndex(auth=("user", "secret")) as index:
        url = index.add(build_wheel("foo", "1.0")).url
        assert get(f"{index.simple}/foo/")[0] == 401
        assert get(url)[0] == 401
        assert get(url, Authorization="Basic dXNlcjpzZWNyZXQ=")[0] == 200


# Faults


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (Status(503, {"Retry-After": "0"}, b"busy"), (503, b"busy")),
        (IgnoreRange(), (200, b"0123456789")),
        (Corrupt(at=4), (206, b"23\xcb5")),
        (Corrupt(at=9), (206, b"2345")),
        (NoLength(), (206, b"2345")),
        (Stall(after=2, seconds=0.01), (206, b"2345")),
        (Slow(bytes_per_second=1000), (206, b"2345")),
        (Replace(b"<h1>log in</h1>"), (200, b"<h1>log in</h1>")),
    ],
)
def test_a_fault_meets_one_request_and_then_all_is_well(index: FakeIndex, fault: Fault, seen: object) -> None:
    url = index.add(("foo-1.0.tar.gz", b"0123456789")).url
    index.fault("foo-1.0.tar.gz", fault)
    assert get(url, Range="bytes=2-5")[::2] == seen
    assert get(url, Range="bytes=2-5")[::2] == (206, b"2345")
    assert len(index.asked("foo-1.0")) == 2


def test_a_truncated_answer_promises_more_than_it_brings(index: FakeIndex) -> None:
    url = index.add(("foo-1.0.tar.gz", b"0123456789")).url
    index.fault(".tar.gz", Truncate(after=4))
    with pytest.raises(IncompleteRead) as caught:
        get(url)
    assert caught.value.partial == b"0123"


@pytest.mark.parametrize("after", [None, 0, 4])
def test_a_reset_is_a_reset(index: FakeIndex, after: int | None) -> None:
    url = index.add(("foo-1.0.tar.gz", b"0123456789")).url
    index.fault(".tar.gz", Reset(after=after))
    with pytest.raises(ConnectionResetError):
        get(url)
    assert get(url)[0] == 200


def test_a_changed_validator_spoils_a_resumption(index: FakeIndex) -> None:
    url = index.add(("foo-1.0.tar.gz", b"0123456789")).url
    etag = get(url)[1]["ETag"]
    index.fault(".tar.gz", ChangeETag(), times=None)
    status, headers, body = get(url, Range="bytes=5-", If_Range=etag)
    assert (status, body) == (200, b"0123456789")
    assert headers["ETag"] != etag
    assert get(url, Range="bytes=5-", If_Range=headers["ETag"])[0] == 200


def test_a_redirect_goes_on_and_a_loop_has_no_end(index: FakeIndex) -> None:
    url = index.add(("foo-1.0.tar.gz", b"0123456789")).url
    index.fault("/from/", Redirect(url))
    assert get(f"{index.url}/from/foo")[2] == b"0123456789"
    index.fault("/simple/loop/", Redirect("/simple/loop/"), times=None)
    assert get(f"{index.simple}/loop/")[0] == 302
    assert len(index.asked("/simple/loop/")) > 1


def test_faults_can_be_narrowed_to_an_end_and_a_method(index: FakeIndex) -> None:
    wheel = build_wheel("foo", "1.0+cu121")
    url = index.add(wheel).url
    index.fault("foo-1.0+cu121-py3-none-any.whl$", Status(500), method="GET", times=None)
    assert get(f"{url}.metadata")[0] == 200
    assert get(url)[0] == 500
    connection = HTTPConnection("127.0.0.1", index.port)
    connection.request("HEAD", url.removeprefix(index.url))
    assert connection.getresponse().getheader("Content-Length") == str(len(wheel.content))
    connection.close()
    index.heal()
    assert get(url)[0] == 200


def test_closing_the_server_ends_a_stall() -> None:
    with FakeIndex() as index:
        index.add(("foo-1.0.tar.gz", b"0123456789"))
        index.fault(".tar.gz", Stall(after=0, seconds=5))
        connection = HTTPConnection("127.0.0.1", index.port)
        connection.request("GET", index.listed("foo-1.0.tar.gz").url)
        answer = connection.getresponse()
    with pytest.raises((IncompleteRead, ConnectionResetError)):
        answer.read()
    connection.close()


def test_a_kept_connection_carries_many_requests(index: FakeIndex) -> None:
    index.add(build_wheel("foo", "1.0"))
    connection = HTTPConnection("127.0.0.1", index.port)
    ports = set()
    for _ in range(3):
        connection.request("GET", "/simple/foo/")
        connection.getresponse().read()
        ports.add(connection.sock.getsockname()[1])
    connection.close()
    assert (len(ports), len(index.requests)) == (1, 3)


# TLS and proxies


def test_tls_is_trusted_with_the_ca_file_and_not_without() -> None:
    with FakeIndex(tls=True) as index:
        index.add(build_wheel("foo", "1.0"))
        trusting = ssl.create_default_context(cafile=str(index.ca_file))
        with urllib.request.urlopen(f"{index.simple}/foo/", context=trusting) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"{index.simple}/foo/", context=ssl.create_default_context())


def test_the_proxy_tunnels_https_to_a_name_that_only_it_knows() -> None:
    with FakeIndex(tls=True) as index, FakeProxy(routes={"pypi.test:443": f"127.0.0.1:{index.port}"}) as proxy:
        index.add(build_wheel("foo", "1.0"))
        trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(index.ca_file)))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": proxy.url}), trusting)
        with opener.open("https://pypi.test/simple/foo/") as answer:
            assert answer.status == 200
        assert [(request.method, request.path) for request in proxy.requests] == [("CONNECT", "pypi.test:443")]
        assert proxy.tunnels == 1
        assert proxy.passed > 0


def test_the_proxy_forwards_http_and_asks_for_its_password(index: FakeIndex) -> None:
    url = index.add(("foo-1.0.tar.gz", b"0123456789")).url
    with FakeProxy(auth=("user", "secret")) as proxy:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy.url}))
        with pytest.raises(urllib.error.HTTPError) as caught:
            opener.open(url)
        caught.value.close()
        assert caught.value.code == 407
        assert index.requests == []
        with_password = proxy.url.replace("//", "//user:secret@")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": with_password}))
        with opener.open(urllib.request.Request(url, headers={"Range": "bytes=2-5"})) as answer:
            assert (answer.status, answer.read()) == (206, b"2345")


# PyTorch's index


def test_a_channel_page_is_what_the_generator_prints() -> None:
    old = build_wheel("torch", "2.5.1+cu121", tag="cp39-cp39-linux_x86_64")
    new = build_wheel("torch", "2.6.0+cu121", tag="cp310-cp310-linux_x86_64")
    arm = build_wheel("torch", "2.6.0", tag="cp310-cp310-linux_aarch64")
    with FakePyTorch(empty=True, timestamp=1703347410) as pytorch:
        pytorch.add(old, channel="cu121")
        pytorch.add(new, channel="cu121", metadata=True)
        pytorch.add(arm, digest=False)
        status, headers, body = get(f"{pytorch.channel('cu121')}/torch/", Accept=JSON)
        assert (status, headers["Content-Type"]) == (200, "text/html")
        assert get(f"{pytorch.channel('cu124')}/torch/")[2].count(b"<a ") == 1
        assert get(f"{pytorch.base}/torch/")[2].count(b"<a ") == 3
        root = get(f"{pytorch.channel('cu121')}/")[2]
    metadata = _sha256(new.metadata)
    assert body.decode() == (
        "<!DOCTYPE html>\n"
        "<html>\n"
        "  <body>\n"
        "    <h1>Links for torch</h1>\n"
        f'    <a href="/whl/cu121/torch-2.5.1%2Bcu121-cp39-cp39-linux_x86_64.whl#sha256={old.digest.hex}">'
        "torch-2.5.1+cu121-cp39-cp39-linux_x86_64.whl</a><br/>\n"
        f'    <a href="/whl/cu121/torch-2.6.0%2Bcu121-cp310-cp310-linux_x86_64.whl#sha256={new.digest.hex}"'
        f' data-dist-info-metadata="sha256={metadata}" data-core-metadata="sha256={metadata}">'
        "torch-2.6.0+cu121-cp310-cp310-linux_x86_64.whl</a><br/>\n"
        '    <a href="/whl/torch-2.6.0-cp310-cp310-linux_aarch64.whl">'
        "torch-2.6.0-cp310-cp310-linux_aarch64.whl</a><br/>\n"
        "  </body>\n"
        "</html>\n"
        "<!--TIMESTAMP 1703347410-->"
    )
    assert root == (
        b'<!DOCTYPE html>\n<html>\n  <body>\n    <a href="torch/">torch</a><br/>\n  </body>\n</html>\n'
        b"<!--TIMESTAMP 1703347410-->"
    )


def test_what_is_not_on_pytorchs_index_is_denied_by_s3(pytorch: FakePyTorch) -> None:
    status, headers, body = get(f"{pytorch.channel('cu121')}/redis/")
    assert (status, headers["Content-Type"]) == (403, "application/xml")
    assert b"<Code>AccessDenied</Code>" in body
    wheel = pytorch.listed("torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl", channel="cu121")
    assert get(f"{wheel.url}.metadata")[0] == 403
    assert get(f"{pytorch.channel('cu118')}/torch/")[0] == 200
    assert get(f"{pytorch.channel('cu999')}/torch/")[0] == 403


def test_pytorchs_files_can_be_read_by_ranges(pytorch: FakePyTorch) -> None:
    wheel = pytorch.listed("torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl", channel="cu121")
    assert wheel.href == "/whl/cu121/torch-2.5.1%2Bcu121-cp310-cp310-linux_x86_64.whl"
    status, headers, body = get(wheel.url, Range="bytes=-22")
    assert (status, headers["Content-Type"], body[:4]) == (206, "binary/octet-stream", b"PK\x05\x06")


def test_every_pin_of_every_torch_wheel_for_linux_is_on_pypi(pypi: FakeIndex, pytorch: FakePyTorch) -> None:
    pypi.complete()
    pytorch.complete()
    known = {tuple(entry.filename.split("-")[:2]) for entries in pypi.projects.values() for entry in entries}
    missing = set()
    for anchor in pytorch.projects["torch"]:
        if not anchor.filename.endswith("x86_64.whl"):
            continue
        with zipfile.ZipFile(io.BytesIO(pytorch.files[anchor.key.replace("%2B", "+")])) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
            lines = archive.read(name).decode().splitlines()
        for line in lines:
            requirement = line.removeprefix("Requires-Dist: ").partition(";")[0]
            if line.startswith("Requires-Dist: ") and "==" in requirement:
                project, _, version = requirement.strip().partition("==")
                if (project.replace("-", "_"), version) not in known:
                    missing.add(requirement)
    assert missing == set()


def test_pip_resolves_a_cuda_stack_for_another_machine(pypi: FakeIndex, pytorch: FakePyTorch, tmp_path: Path) -> None:
    platforms = [f"--platform={tag}" for tag in ("linux_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64")]
    done = pip(
        *("install", "--dry-run", "--quiet", "--report", "-", "--ignore-installed", "--target", str(tmp_path)),
        *("--only-binary=:all:", "--python-version=3.10", *platforms),
        *(
            "--index-url",
            pypi.simple,
            "--extra-index-url",
            pytorch.channel("cu121"),
            "torch==2.5.1+cu121",
            "torchvision",
        ),
    )
    assert done.returncode == 0, done.stderr
    chosen = {item["metadata"]["name"]: item["metadata"]["version"] for item in json.loads(done.stdout)["install"]}
    # pip judges markers by the Python that runs it, whatever `--python-version` says: these two depend on it
    chosen.pop("triton", None)
    chosen.pop("setuptools", None)
    assert chosen == {
        "MarkupSafe": "3.0.2",
        "filelock": "3.18.0",
        "fsspec": "2025.9.0",
        "jinja2": "3.1.6",
        "mpmath": "1.3.0",
        "networkx": "3.4.2",
        "numpy": "2.1.3",
        "nvidia-cublas-cu12": "12.1.3.1",
        "nvidia-cuda-cupti-cu12": "12.1.105",
        "nvidia-cuda-nvrtc-cu12": "12.1.105",
        "nvidia-cuda-runtime-cu12": "12.1.105",
        "nvidia-cudnn-cu12": "9.1.0.70",
        "nvidia-cufft-cu12": "11.0.2.54",
        "nvidia-curand-cu12": "10.3.2.106",
        "nvidia-cusolver-cu12": "11.4.5.107",
        "nvidia-cusparse-cu12": "12.1.0.106",
        "nvidia-nccl-cu12": "2.21.5",
        "nvidia-nvjitlink-cu12": "12.9.86",
        "nvidia-nvtx-cu12": "12.1.105",
        "pillow": "11.0.0",
        "sympy": "1.13.1",
        "torch": "2.5.1+cu121",
        "torchvision": "0.20.1+cu121",
        "typing_extensions": "4.15.0",
    }


def test_the_worlds_start_empty_handed_and_fill_by_project() -> None:
    with fake_pypi() as index:
        assert index.projects == {}
        get(f"{index.simple}/torch/")
        assert list(index.projects) == ["torch"]


# The walls


def test_a_test_cannot_leave_the_loopback() -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("nowhere.invalid", 443))
    with pytest.raises(TimeoutError):
        socket.create_connection(("192.0.2.1", 443))


@given(st.integers())
def test_the_walls_stand_round_property_tests_too(number: int) -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(f"host{number}.invalid", 443)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
