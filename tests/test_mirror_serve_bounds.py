"""The embedded server under many clients, slow ones, dead ones, and when it is told to stop."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from world.mirror_servers import embedded, wait_for
from world.mirror_tree import mirror_tree
from world.wheels import build_wheel

from wheelhouse.edge.mirror.serving.access import AccessLog, Visit
from wheelhouse.edge.mirror.serving.app import App
from wheelhouse.edge.mirror.serving.server import CannotServe, MirrorServer, Settings
from wheelhouse.edge.mirror.serving.source import Folder
from wheelhouse.mirroring.names import file_key

BIG = build_wheel("big", "1.0", padding=4 << 20)
SMALL = build_wheel("small", "1.0")
BIG_FILE = f"/{file_key(BIG.digest, BIG.filename)}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mirror_tree(tmp_path_factory.mktemp("mirror"), {"": [BIG, SMALL]})


def asking(path: str, *, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: mirror\r\n{more}Connection: close\r\n\r\n".encode()


def connected(port: int, *, buffer: int | None = None) -> socket.socket:
    """A client; `buffer` is the bytes that its side takes in before it reads."""
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", port))
    return connection


def rest(connection: socket.socket) -> bytes:
    """What still comes until the other side ends it, in whatever way."""
    found = bytearray()
    try:
        while piece := connection.recv(1 << 16):
            found += piece
    except ConnectionResetError:
        pass
    return bytes(found)


def test_two_hundred_clients_at_once_are_all_answered_by_few_threads(root: Path) -> None:
    async def one(port: int, path: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asking(path))
        answer = await reader.read()
        writer.close()
        return answer

    async def everyone(port: int) -> list[bytes]:
        paths = [f"/{file_key(SMALL.digest, SMALL.filename)}", "/simple/small/"] * 100
        return await asyncio.gather(*(one(port, path) for path in paths))

    before = threading.active_count()
    with embedded(root) as served:
        answers = asyncio.run(everyone(served.port))
        assert threading.active_count() - before <= 10
    assert {answer[:15] for answer in answers} == {b"HTTP/1.1 200 OK"}
    files = [answer.partition(b"\r\n\r\n")[2] for answer in answers[::2]]
    assert files == [SMALL.content] * 100


def test_clients_that_do_not_read_hold_up_nobody_and_get_every_byte_in_the_end(root: Path) -> None:
    with embedded(root) as served:
        slow = [connected(served.port, buffer=4096) for _ in range(40)]
        for connection in slow:
            connection.sendall(asking(BIG_FILE))
        with httpx.Client(base_url=served.url, trust_env=False) as client:
            for _ in range(50):
                assert client.get("simple/big/").status_code == 200
            assert client.get(BIG_FILE).content == BIG.content
        for connection in slow[:3]:
            body = rest(connection).partition(b"\r\n\r\n")[2]
            assert hashlib.sha256(body).hexdigest() == BIG.digest.hex
        for connection in slow:
            connection.close()


def test_a_client_that_hangs_up_ends_its_download(root: Path) -> None:
    with embedded(root) as served:
        connection = connected(served.port, buffer=4096)
        connection.sendall(asking(BIG_FILE))
        connection.recv(1000)
        connection.close()
        (line,) = served.lines(1)
        assert 0 < int(line.split('"')[2].split()[1]) < len(BIG.content)
        assert served.told == []


class Memory:
    """A mirror whose one wheel is there at once, whatever is asked of it."""

    fresh_for, size = 0.0, 1000 * 1000

    async def stamp(self, key: str) -> None:
        return None

    async def read(self, key: str) -> None:
        return None

    async def open(self, key: str) -> Memory:
        return self

    async def chunks(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        for _ in range(length // 1000):
            yield bytes(1000)

    def close(self) -> None:
        pass


def test_a_download_from_memory_holds_up_nobody_and_notices_at_once_who_hangs_up() -> None:
    visits: list[Visit] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0)  # the loop has to come round for it
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, object]) -> None:
        """As uvicorn's for a client that is gone: nothing is waited for."""

    scope = {"type": "http", "method": "GET", "raw_path": BIG_FILE.encode(), "query_string": b"", "headers": []}
    asyncio.run(App(Memory(), log=visits.append)({**scope, "http_version": "1.1"}, receive, send))
    assert [visit.size < 10_000 for visit in visits] == [True]


def test_who_takes_no_bytes_is_cut_off(root: Path) -> None:
    with embedded(root, patience=0.2) as served:
        connection = connected(served.port, buffer=4096)
        connection.sendall(asking(BIG_FILE))
        (line,) = served.lines(1)  # the visit is over, though nobody read
        assert int(line.split('"')[2].split()[1]) < len(BIG.content)
        assert len(rest(connection)) < len(BIG.content)
        connection.close()


@pytest.mark.parametrize("begun", [b"", b"GET /simple/", b"GET / HTTP/1.1\r\nHost: mirror\r\nX-Slow: "])
def test_who_never_ends_a_request_is_cut_off(root: Path, begun: bytes) -> None:
    with embedded(root, patience=0.2) as served:
        connection = connected(served.port)
        connection.sendall(begun)
        assert rest(connection) == b""
        connection.close()


def test_a_second_request_that_is_never_ended_is_cut_off_too(root: Path) -> None:
    with embedded(root, patience=0.2) as served:
        connection = connected(served.port)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: mirror\r\n\r\n")
        answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        connection.sendall(b"GET /healthz HTT")
        assert not rest(connection).startswith(b"HTTP/1.1 200")
        connection.close()


def test_more_connections_than_the_bound_are_told_to_come_back(root: Path) -> None:
    with embedded(root, connections=5) as served:
        held = [connected(served.port) for _ in range(8)]
        wait_for(lambda: _status(served.port) == 503)
        for connection in held:
            connection.close()
        wait_for(lambda: _status(served.port) == 200)


def _status(port: int) -> int:
    with connected(port) as connection:
        connection.sendall(asking("/healthz"))
        return int(rest(connection).split()[1])


def served_by_a_process(root: Path, *args: str, cwd: Path) -> tuple[subprocess.Popen[str], int]:
    """`wheelhouse mirror serve` and its port, once it says that it serves."""
    command = [sys.executable, "-m", "wheelhouse", "mirror", "serve", str(root), "--port", "0", *args]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=cwd)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith(f"`{root}` is served at http://127.0.0.1:"), line
    return process, int(line.rstrip().rstrip("/").rpartition(":")[2])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_waits_for_downloads_under_way(root: Path, tmp_path: Path, number: int) -> None:
    process, port = served_by_a_process(root, cwd=tmp_path)
    connection = connected(port, buffer=4096)
    connection.sendall(asking(BIG_FILE))
    begun = connection.recv(1000)
    process.send_signal(number)
    body = (begun + rest(connection)).partition(b"\r\n\r\n")[2]
    connection.close()
    assert hashlib.sha256(body).hexdigest() == BIG.digest.hex
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err.splitlines()[-1] == "stopped"
    assert err.count("GET") == 1


def test_a_stop_ends_though_a_client_does_not_read(root: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    process, port = served_by_a_process(root, "--grace", "0", "--access-log", str(log), cwd=tmp_path)
    connection = connected(port, buffer=4096)
    connection.sendall(asking(BIG_FILE))
    connection.recv(1000)
    process.terminate()
    _, err = process.communicate(timeout=60)
    connection.close()
    assert (process.returncode, err) == (0, "stopped\n")
    assert "GET /files/" in log.read_text()


def test_a_port_that_is_taken_is_one_sentence(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotServe) as failed:
            MirrorServer(Folder(root), Settings(port=port))
    assert str(failed.value) == f"`127.0.0.1:{port}` cannot be listened on: address already in use"


def test_a_host_that_is_not_ours_is_one_sentence(root: Path) -> None:
    with pytest.raises(CannotServe) as failed:
        MirrorServer(Folder(root), Settings(host="nowhere.invalid"))
    assert str(failed.value) == "`nowhere.invalid` is no address of this machine: it is not known"


def test_it_listens_on_the_loopback_unless_asked(root: Path) -> None:
    assert Settings().host == "127.0.0.1"
    with embedded(root) as served:
        assert served.url == f"http://127.0.0.1:{served.port}/"


def test_a_visit_is_a_line_of_the_combined_log_format(root: Path) -> None:
    with embedded(root) as served:
        httpx.get(f"{served.url}simple/small/?format=json", headers={"User-Agent": 'pip/26 {"a":"b"}'}, trust_env=False)
        (line,) = served.lines(1)
    head, request, numbers, _, _, agent, seconds = line.split('"')
    assert head.startswith("127.0.0.1 - - [")
    assert request == "GET /simple/small/?format=json HTTP/1.1"
    assert numbers.split()[0] == "200"
    assert agent == r"pip/26 {\x22a\x22:\x22b\x22}"
    assert float(seconds) >= 0


def test_what_a_client_writes_cannot_forge_a_line() -> None:
    visit = Visit(
        client="192.0.2.1", user='eve"\n', method="GET", target="/\x1b[2J\u2028\\" + "a" * 9999, version="1.1",
        status=404, size=0, agent=None, seconds=0.0012,
    )  # fmt: skip
    line = visit.line(datetime(2026, 11, 22, 10, 0, tzinfo=UTC))
    assert line.startswith(r'192.0.2.1 - eve\x22\x0A [22/Nov/2026:10:00:00 +0000] "GET /\x1B[2J\xFF\x5Caaa')
    assert line.isprintable() and len(line) < 1000
    assert line.endswith('aaa HTTP/1.1" 404 0 "-" "-" 0.001')


def test_a_log_that_nobody_takes_holds_up_nobody() -> None:
    taking = threading.Event()
    taken: list[str] = []

    def write(text: str) -> None:
        taking.wait()
        taken.append(text)

    visit = Visit(
        client="a", user=None, method="GET", target="/", version="1.1", status=200, size=0, agent=None, seconds=0
    )

    log = AccessLog(write, lambda: datetime(2026, 11, 22, tzinfo=UTC), every=0.001)
    for _ in range(20_010):  # the thread has at most 10,000 of them in its hands, and 10,000 wait
        log(visit)
    taking.set()
    log.close()
    lines = "".join(taken).splitlines()
    assert [line for line in lines if line.startswith("#")][-1].endswith(" lines left out: nobody took them")
    assert 10_000 <= sum(line.startswith("a - - ") for line in lines) <= 20_000


def test_this_process_keeps_no_file_open(root: Path) -> None:
    if not Path("/proc/self/fd").is_dir():  # no such list elsewhere: the count is the same by definition
        return
    before = len(os.listdir("/proc/self/fd"))
    with embedded(root) as served:
        for _ in range(3):
            httpx.get(f"{served.url.rstrip('/')}{BIG_FILE}", trust_env=False)
            httpx.get(f"{served.url.rstrip('/')}{BIG_FILE}", headers={"Range": "bytes=99999999-"}, trust_env=False)
            httpx.head(f"{served.url.rstrip('/')}{BIG_FILE}", trust_env=False)
    assert len(os.listdir("/proc/self/fd")) <= before
