"""Fixtures of the test world, and the walls around it: no machine settings, no network but the loopback."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from world.browser import chromium
from world.buckets import Buckets, buckets
from world.pypi import fake_pypi
from world.pytorch import FakePyTorch, fake_pytorch
from world.server import FakeIndex

# Only a real browser can run these; what the page decides is tested without one, in test_mirror_page.py
collect_ignore = [] if chromium() else ["test_mirror_browser.py"]

# No test hangs on wall-clock time; a run that decides over a change meets no example that nobody has seen
settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")

# A run in the background (nohup, a shell's `&`) ignores signals, and what it starts would too
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

_SETTINGS = ("PIP_", "UV_", "WHEELHOUSE_", "SSL_CERT_", "XDG_", "AWS_")
_NAMES = {"NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "VIRTUAL_ENV"}
_UNROUTED = ipaddress.ip_network("192.0.2.0/24")  # RFC 5737: for documentation, never routed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if collect_ignore:
        terminalreporter.write_line(
            "no Chromium was found, so tests/test_mirror_browser.py was left out: `apt-get install chromium`, "
            "or CHROMIUM=/path/to/it"
        )


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    """An empty index of the test's own."""
    with FakeIndex() as index:
        yield index


@pytest.fixture(scope="session")
def pypi() -> Iterator[FakeIndex]:
    """PyPI with its world, shared: only look. A test that adds files or faults enters a `fake_pypi()` of its own."""
    with fake_pypi() as index:
        yield index


@pytest.fixture(scope="session")
def pytorch() -> Iterator[FakePyTorch]:
    """PyTorch's index with its world, shared: only look."""
    with fake_pytorch() as index:
        yield index


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    """A server of buckets: each test takes a prefix of its own."""
    with buckets(tmp_path_factory.mktemp("buckets")) as server:
        yield server


@pytest.fixture(autouse=True)
def _walls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Shuts out the machine's settings and every network but the loopback.

    Connecting elsewhere fails the test. Names under `.invalid` and `.test` do not resolve, and 192.0.2.0/24 times out
    at once: those a test may ask for.
    """
    strayed: list[str] = []
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(sock: socket.socket, address: Any) -> None:
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return
        host = ipaddress.ip_address("127.0.0.1" if address[0] == "localhost" else address[0].partition("%")[0])
        if host in _UNROUTED:
            raise TimeoutError("timed out")
        if not host.is_loopback:
            strayed.append(str(address))
            raise ConnectionRefusedError(f"the test asked for {address}, which is not on the loopback")

    def walled_connect(self: socket.socket, address: Any) -> None:
        check(self, address)
        connect(self, address)

    def walled_connect_ex(self: socket.socket, address: Any) -> int:
        check(self, address)
        return connect_ex(self, address)

    def walled_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in (None, "", "localhost") and not _is_address(name):
            if not name.endswith((".invalid", ".test")):
                strayed.append(name)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return getaddrinfo(host, *args, **kwargs)

    home = tmp_path_factory.mktemp("home")
    pyenv = Path.home() / ".pyenv"
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(_SETTINGS) or name in _NAMES or name.lower().endswith("_proxy"):
                patch.delenv(name)
        if pyenv.is_dir() and "PYENV_ROOT" not in os.environ:
            patch.setenv("PYENV_ROOT", str(pyenv))
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
            patch.setenv(name, str(home))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setattr(socket.socket, "connect", walled_connect)
        patch.setattr(socket.socket, "connect_ex", walled_connect_ex)
        patch.setattr(socket, "getaddrinfo", walled_getaddrinfo)
        yield
    assert strayed == [], f"the test left the loopback: {strayed}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
