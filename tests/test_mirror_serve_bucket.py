"""The embedded server in front of a bucket: the same answers, streamed, and no lie when the bucket fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore
from world.mirror_servers import Served, embedded
from world.mirror_tree import mirror_tree
from world.wheels import build_wheel

from wheelhouse.edge.mirror.serving.bucket import Objects
from wheelhouse.mirroring.names import file_key

BIG = build_wheel("big", "1.0", padding=3_000_000)
FILE = file_key(BIG.digest, BIG.filename)
JSON = "application/vnd.pypi.simple.v1+json"


class Counted(MemoryStore):
    """A store that writes down what it is asked, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self.broken: str | None = None
        self.without_ranges = False

    def _note(self, what: str, path: str) -> None:
        self.asked.append((what, path))
        if self.without_ranges and what == "range":
            raise GenericError("Generic S3 error: Received non-partial response when range requested")
        if self.broken == what:
            raise GenericError("the bucket is on fire")

    async def head_async(self, path: str) -> Any:
        self._note("head", path)
        return await super().head_async(path)

    async def get_async(self, path: str, **options: Any) -> Any:
        self._note("get", path)
        return await super().get_async(path, **options)

    async def get_range_async(self, path: str, **part: Any) -> Any:
        self._note("range", path)
        return await super().get_range_async(path, **part)


@pytest.fixture
def store(tmp_path: Path) -> Counted:
    root = mirror_tree(tmp_path / "mirror", {"": [BIG], "cu121": [BIG]})
    store = Counted()
    for path in root.rglob("*"):
        if path.is_file():
            store.put(path.relative_to(root).as_posix(), path.read_bytes())
    return store


@pytest.fixture
def server(store: Counted) -> Iterator[Served]:
    with embedded(Objects(store)) as served:
        yield served


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def test_pages_wheels_and_parts_are_those_of_the_bucket(client: httpx.Client) -> None:
    assert client.get("simple/big/", headers={"Accept": JSON}).json()["files"][0]["size"] == len(BIG.content)
    assert client.get("whl/cu121/?format=json").json()["projects"] == [{"name": "big"}]
    assert client.get(FILE).content == BIG.content
    assert client.get(f"{FILE}.metadata").content == BIG.metadata
    part = client.get(FILE, headers={"Range": "bytes=1000000-2500000"})
    assert (part.status_code, part.content == BIG.content[1_000_000:2_500_001]) == (206, True)
    assert client.get(FILE, headers={"Range": "bytes=3333333333-"}).status_code == 416
    assert client.head(FILE).headers["content-length"] == str(len(BIG.content))
    assert client.get("simple/none/").status_code == 404
    assert client.get(FILE.replace("big-1.0", "big-2.0")).status_code == 404
    assert client.get("healthz").status_code == 200


def test_a_page_is_asked_for_once_in_a_while_and_a_size_once(client: httpx.Client, store: Counted) -> None:
    for _ in range(20):
        assert client.get("simple/big/", headers={"Accept": JSON}).status_code == 200
        assert client.head(FILE).status_code == 200
    assert store.asked.count(("get", "simple/big/index.json")) == 1
    assert store.asked.count(("head", FILE)) == 1


def test_a_page_that_changed_is_seen_by_its_tag(store: Counted) -> None:
    source = Objects(store)

    async def stamps() -> tuple[object, object, object]:
        first = await source.stamp("simple/big/index.html")
        store.put("simple/big/index.html", b"another")
        second = await source.stamp("simple/big/index.html")
        store.delete("simple/big/index.html")
        return first, second, await source.stamp("simple/big/index.html")

    first, second, third = asyncio.run(stamps())
    assert first is not None and second is not None and first != second
    assert third is None


def test_a_wheel_is_asked_for_block_by_block(client: httpx.Client, store: Counted) -> None:
    assert client.get(FILE).content == BIG.content
    blocks = -(-len(BIG.content) // (1 << 19))
    assert store.asked.count(("range", FILE)) == blocks
    store.asked.clear()
    assert len(client.get(FILE, headers={"Range": "bytes=0-9"}).content) == 10
    assert store.asked == [("range", FILE)]


def test_a_server_that_cannot_do_ranges_is_read_from_the_start(client: httpx.Client, store: Counted) -> None:
    store.without_ranges = True
    for first, last in ((0, 9), (1_000_000, 2_500_000), (2_999_999, len(BIG.content) - 1)):
        part = client.get(FILE, headers={"Range": f"bytes={first}-{last}"})
        assert (part.status_code, part.content == BIG.content[first : last + 1]) == (206, True)
    assert client.get(FILE).content == BIG.content
    assert store.asked.count(("range", FILE)) == 1  # it is remembered


@pytest.mark.parametrize(("what", "path"), [("head", "simple/big/"), ("get", "simple/big/"), ("head", FILE)])
def test_a_bucket_that_fails_is_no_missing_project(client: httpx.Client, store: Counted, what: str, path: str) -> None:
    store.broken = what
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (503, "the mirror cannot be read just now\n")
    assert answer.headers["retry-after"] == "5"
    store.broken = None
    assert client.get(path).status_code == 200


def test_a_bucket_that_fails_in_the_middle_ends_the_answer_early(
    client: httpx.Client, server: Served, store: Counted
) -> None:
    assert client.head(FILE).status_code == 200
    store.broken = "range"
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(FILE)
    assert server.told == ["an answer was broken off: OSError: the bucket is on fire"]
