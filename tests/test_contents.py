"""What a wheel holds, out of its last bytes: how much it takes installed, and which code it writes where."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version
from world import FakeIndex, NoLength, Status, WheelFile, build_wheel
from world.caches import PromptCache

from wheelhouse.contents import Contents, contents, pack, unpack
from wheelhouse.digests import Digest
from wheelhouse.edge.http import Http, HttpSettings
from wheelhouse.edge.store import Store
from wheelhouse.edge.wheels import WheelReader
from wheelhouse.edge.workers import Workers
from wheelhouse.events import Event, Noted
from wheelhouse.indexes import Index
from wheelhouse.lock import LockedWheel
from wheelhouse.metadata import members
from wheelhouse.offline import install
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.simple import File

MODULES = {
    "app/__init__.py": "x = 1\n",
    "app/data.json": "{}" * 4000,
    "app/deep/er/native.cpython-310-x86_64-linux-gnu.so": "\x7fELF" * 3000,
    "app/libs/libapp.so.1.2": "ELF",
    "app/tests/test_app.py": "",
    "ünïcode/größe.py": "y = 2\n" * 1000,
    "app-1.0.data/purelib/more/thing.py": "z = 3\n",
    "app-1.0.data/platlib/fast.pyd": "MZ",
    "app-1.0.data/data/etc/app.py": "",
    "app-1.0.data/scripts/tool.py": "",
    "app-1.0.data/py": "",
}
WHEEL = build_wheel("app", "1.0", modules=MODULES)


def of(content: bytes) -> Contents:
    return contents(members(io.BytesIO(content), WHEEL.filename))


def member(path: str, size: int) -> zipfile.ZipInfo:
    """What a directory says of an empty file, but for its size."""
    info = zipfile.ZipInfo(path)
    info.file_size, info.CRC = size, 0
    return info


# The value


@pytest.mark.parametrize("modules", [MODULES, {}, {"one.py": "x" * 4096}, {"a/b/": "", "a/b/c.txt": "x" * 4097}])
def test_on_disk_is_what_the_installer_measures(tmp_path: Path, modules: dict[str, str]) -> None:
    wheel = build_wheel("app", "1.0", modules=modules)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / wheel.filename).write_bytes(wheel.content)
    found = of(wheel.content)
    target = {"wheels": [{"path": f"wheels/{wheel.filename}", "install": True}]}
    assert (found.on_disk, found.longest) == install.measure(str(tmp_path), target, [])


def test_a_module_takes_its_block_a_quarter_more_for_bytecode_and_two_folders() -> None:
    info = member("app/big.py", 4000)
    assert contents([info]) == Contents(
        unpacked=4000,
        on_disk=4096 + 8192 + 2 * 4096,
        longest=10,
        tops=frozenset({"app"}),
        marks=(4000).to_bytes(8, "little"),
        names=contents([info]).names,
    )


def test_code_is_what_an_import_reads_where_it_will_lie() -> None:
    assert sorted(of(WHEEL.content).code()) == [
        "app/__init__.py",
        "app/deep/er/native.cpython-310-x86_64-linux-gnu.so",
        "app/libs/libapp.so.1.2",
        "fast.pyd",
        "more/thing.py",
        "ünïcode/größe.py",
    ]
    assert of(WHEEL.content).tops == {"app", "fast.pyd", "more", "ünïcode"}


def test_other_bytes_have_another_mark_and_the_same_bytes_the_same() -> None:
    one, same, other = (
        of(build_wheel("app", version, modules={"app/x.py": text}).content).code()["app/x.py"]
        for version, text in (("1.0", "a"), ("2.0", "a"), ("2.0", "b"))
    )
    assert one == same != other


def test_contents_are_packed_and_unpacked() -> None:
    found = of(WHEEL.content)
    assert unpack(pack(found)) == found
    empty = contents([])
    assert (unpack(pack(empty)), empty.code(), empty.on_disk) == (empty, {}, 0)


@pytest.mark.parametrize("damaged", [b"", b"[]\n", b"[1,2,3,4,5]\n", b"{}\n", b'["a",1,1,0,[]]\n', b"\xff\n"])
def test_what_was_not_packed_is_not_unpacked(damaged: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(damaged)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="its directory states 9223372036854775808 bytes"):
        contents([member("app/x.py", 2**63)])


# Where it is read from


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(HttpSettings(max_wait=0, read_timeout=2)) as http:
        yield http


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(4, "reader") as workers:
        yield workers


class World:
    """A reader of wheels, with what it heard."""

    def __init__(self, folder: Path, http: Http, *, cached: bool = True, offline: bool = False) -> None:
        self.heard: list[Event] = []
        self.store = Store(folder / "wheels")
        cache = PromptCache(folder if cached else None)
        self.wheels = WheelReader(http, cache, self.store, offline=offline, listen=self.heard.append)
        self.contents = self.wheels.contents


@pytest.fixture
def world(tmp_path: Path, http: Http) -> World:
    return World(tmp_path, http)


def listed(index: FakeIndex, wheel: WheelFile) -> LockedWheel:
    url = index.add(wheel).url
    return LockedWheel(filename=wheel.filename, url=url, digest=wheel.digest, size=len(wheel.content))


def many(count: int, *, padding: int = 100_000) -> WheelFile:
    """A wheel whose directory alone is larger than what is asked for first, from some 400 members on."""
    modules = {f"app/module_with_a_long_name_{number}.py": "" for number in range(count)}
    return build_wheel("app", "1.0", modules=modules, padding=padding)


def test_the_end_of_a_wheel_is_enough_and_is_asked_for_once_for_ever(
    world: World, index: FakeIndex, tmp_path: Path, http: Http
) -> None:
    wheel = listed(index, build_wheel("app", "1.0", modules=MODULES, padding=100_000))
    found = world.contents.contents(wheel)
    assert found is not None
    assert found.unpacked > 100_000
    assert [request.headers.get("range") for request in index.requests] == ["bytes=-32768"]
    assert world.contents.contents(wheel) == found
    assert World(tmp_path, http, offline=True).contents.contents(wheel) == found
    assert len(index.requests) == 1


def test_a_large_directory_takes_one_request_more(world: World, index: FakeIndex) -> None:
    wheel = listed(index, many(800))
    found = world.contents.contents(wheel)
    assert found is not None
    assert len(found.code()) == 800
    end, directory = (request.headers["range"] for request in index.requests)
    assert end == "bytes=-32768"
    assert directory.endswith(f"-{len(many(800).content) - 32768 - 1}")  # what is before the end, and no more


def test_what_was_read_for_metadata_is_not_asked_for_again(world: World, index: FakeIndex) -> None:
    wheel = listed(index, many(800))
    file = File(filename=wheel.filename, url=wheel.url, digest=wheel.digest, size=wheel.size)
    world.wheels.metadata(Candidate(canonicalize_name("app"), Version("1.0"), file, Index(index.simple)))
    asked = len(index.requests)
    assert world.contents.contents(wheel) is not None
    assert len(index.requests) == asked


def test_a_stored_wheel_and_one_of_this_machine_are_read_there(
    world: World, index: FakeIndex, tmp_path: Path, http: Http
) -> None:
    wheel = listed(index, WHEEL)
    place = world.store.path(wheel.digest)
    place.parent.mkdir(parents=True)
    place.write_bytes(WHEEL.content)
    (tmp_path / WHEEL.filename).write_bytes(WHEEL.content)
    local = LockedWheel(filename=WHEEL.filename, url=(tmp_path / WHEEL.filename).as_uri(), digest=wheel.digest)
    offline = World(tmp_path, http, cached=False, offline=True)
    assert offline.contents.contents(wheel) == offline.contents.contents(local) == of(WHEEL.content)
    assert index.requests == []


def test_no_wheel_is_downloaded_for_it(world: World, workers: Workers) -> None:
    with FakeIndex(ranges=False) as index:
        first = listed(index, many(1, padding=3_000_000))
        second = listed(index, build_wheel("lib", "1.0", padding=3_000_000))
        assert world.contents.contents(first) is None
        assert world.contents.contents(second) is None
        assert len(index.requests) == 1  # the server is known by then
    assert world.store.names() == ()
    assert world.heard == [Noted(f"what is in `{first.filename}` is not known: its server does not serve ranges")]


def test_a_small_wheel_may_come_whole_from_a_server_without_ranges(world: World) -> None:
    with FakeIndex(ranges=False) as index:
        found = world.contents.contents(listed(index, WHEEL))
    assert found == of(WHEEL.content)


def test_offline_only_what_is_there_is_known(tmp_path: Path, http: Http, index: FakeIndex) -> None:
    world = World(tmp_path, http, offline=True)
    assert world.contents.contents(listed(index, WHEEL)) is None
    assert (index.requests, world.heard) == ([], [])


@pytest.mark.parametrize("fault", [Status(403), Status(404), Status(416), Status(500), NoLength()])
def test_a_server_that_does_not_answer_well_leaves_it_unknown_or_whole(
    world: World, index: FakeIndex, fault: Status | NoLength
) -> None:
    wheel = listed(index, many(1))
    index.fault(wheel.filename, fault, times=None)
    found = world.contents.contents(wheel)
    assert found is None or len(found.code()) == 1
    assert all(isinstance(event, Noted) for event in world.heard)


def test_a_damaged_wheel_has_no_contents(world: World, index: FakeIndex) -> None:
    wheel = listed(index, build_wheel("app", "1.0", broken="zip"))
    assert world.contents.contents(wheel) is None
    (told,) = world.heard
    assert isinstance(told, Noted)
    assert told.message.startswith(f"what is in `{wheel.filename}` is not known: ")


def test_a_forged_directory_is_not_asked_for(world: World, index: FakeIndex) -> None:
    size = 40 * 2**20
    end = b"PK\x05\x06" + bytes(4) + (9).to_bytes(2, "little") * 2
    end += (size - 22 - 1).to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(2)
    content = bytes(size - len(end)) + end
    wheel = LockedWheel(
        filename="app-1.0-py3-none-any.whl",
        url=index.add(("app-1.0-py3-none-any.whl", content)).url,
        digest=Digest.of(content),
        size=size,
    )
    assert world.contents.contents(wheel) is None
    assert len(index.requests) == 1
    (told,) = world.heard
    assert isinstance(told, Noted)
    assert told.message.endswith("its directory has 41910271 bytes")


def test_every_wheel_is_asked_for_at_once_and_those_that_are_known_are_given(
    world: World, workers: Workers, index: FakeIndex
) -> None:
    app, lib = listed(index, WHEEL), listed(index, build_wheel("lib", "1.0"))
    gone = listed(index, build_wheel("gone", "1.0"))
    index.fault(gone.filename, Status(404), times=None)
    found = world.contents.every([app, lib, gone], workers)
    assert sorted(found) == [app.filename, lib.filename]
    assert found[app.filename] == of(WHEEL.content)


def test_a_damaged_entry_of_the_cache_counts_as_absent(
    world: World, index: FakeIndex, tmp_path: Path, http: Http
) -> None:
    wheel = listed(index, WHEEL)
    found = world.contents.contents(wheel)
    (entry,) = (path for path in (tmp_path / "contents").rglob("*") if path.is_file())
    entry.write_bytes(entry.read_bytes().replace(b"app", b"ape"))
    fresh = World(tmp_path, http)
    assert fresh.contents.contents(wheel) == found
    assert len(index.requests) == 2


def test_a_folder_that_the_wheel_brings_and_pip_fills_counts_once() -> None:
    module, kept = zipfile.ZipInfo("app/a.py"), zipfile.ZipInfo("app/__pycache__/a.cpython-310.pyc")
    module.file_size, module.CRC, kept.file_size = 1, 0, 1
    apart = zipfile.ZipInfo("app/other/a.txt")
    apart.file_size = 1
    assert contents([module, kept]).on_disk == 5 * 4096  # two files, the .pyc of one, two folders
    assert contents([module, apart]).on_disk == 6 * 4096
