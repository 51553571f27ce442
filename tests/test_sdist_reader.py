"""Sdists and what was built of them, kept by digest: what is kept is believed only as far as it was read again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from world import Corrupt, FakeIndex, SdistFile, Status, Truncate
from world.backends import OWN_PYTHON, sdist

from wheelhouse.digests import Digest, DigestMismatch, SizeMismatch
from wheelhouse.edge import build
from wheelhouse.edge.files import BadFileName
from wheelhouse.edge.http import Http, HttpSettings
from wheelhouse.edge.http_errors import Refused
from wheelhouse.edge.isolation import BuildSettings
from wheelhouse.edge.sdists import Built, NotBuilt, SdistReader, completed, unmet
from wheelhouse.edge.store import Store
from wheelhouse.edge.transfer import NotServed
from wheelhouse.edge.wheels import NotCached
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Event, Said
from wheelhouse.lock import Lock, LockedPackage, LockedSdist, LockedSource, LockedWheel
from wheelhouse.metadata import parse
from wheelhouse.target import Target

HERE = Target.parse(f"linux-x86_64-{OWN_PYTHON}")
OTHER = Target.parse(f"windows-x86_64-{OWN_PYTHON}")
TOOL, ONE = NormalizedName("tool"), Version("1.0")
NAME = "tool-1.0.tar.gz"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_APART", 0.0)


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(HttpSettings(max_wait=0)) as http:
        yield http


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def reader(http: Http, tmp_path: Path, heard: list[Event]) -> SdistReader:
    return SdistReader(http, tmp_path / "sdists", listen=heard.append)


@pytest.fixture
def settings(tmp_path: Path) -> BuildSettings:
    return BuildSettings(index_url=None, work_folder=tmp_path / "work", twice=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "wheels")


def served(index: FakeIndex, file: SdistFile) -> str:
    index.files[f"/f/{file.filename}"] = file.content
    return f"{index.url}/f/{file.filename}"


def locked(index: FakeIndex, file: SdistFile) -> LockedSdist:
    return LockedSdist(filename=file.filename, url=served(index, file), digest=file.digest, size=len(file.content))


def made(
    reader: SdistReader, found: LockedSdist, store: Store, settings: BuildSettings, target: Target = HERE
) -> Built:
    return reader.build(found, project=TOOL, version=ONE, target=target, store=store, settings=settings)


# Fetching


def test_an_sdist_is_fetched_once(reader: SdistReader, index: FakeIndex) -> None:
    file = sdist("tool", "1.0")
    url = served(index, file)
    path, digest = reader.fetch(NAME, url, None)
    assert (path.read_bytes(), path.name, digest) == (file.content, NAME, file.digest)
    assert reader.fetch(NAME, url, digest, len(file.content)) == (path, digest)
    assert len(index.requests) == 1


def test_a_damaged_copy_is_fetched_again(reader: SdistReader, index: FakeIndex) -> None:
    file = sdist("tool", "1.0")
    url = served(index, file)
    path, digest = reader.fetch(NAME, url, None)
    path.write_bytes(b"damaged")
    assert reader.fetch(NAME, url, digest)[0].read_bytes() == file.content


def test_damage_on_the_way_is_fetched_once_more_and_no_oftener(reader: SdistReader, index: FakeIndex) -> None:
    file = sdist("tool", "1.0")
    url = served(index, file)
    index.fault(NAME, Corrupt(), times=1)
    assert reader.fetch(NAME, url, file.digest)[1] == file.digest
    index.reset()
    served(index, other := sdist("tool", "1.0", metadata_version="2.2"))
    with pytest.raises(DigestMismatch) as caught:
        reader.fetch("again-1.0.tar.gz", f"{index.url}/f/{NAME}", file.digest)
    assert (caught.value.actual, len(index.requests)) == (other.digest, 2)


def test_another_size_is_told_as_one(reader: SdistReader, index: FakeIndex) -> None:
    file = sdist("tool", "1.0")
    with pytest.raises(SizeMismatch):
        reader.fetch(NAME, served(index, file), None, len(file.content) + 1)


@pytest.mark.parametrize(("status", "error"), [(401, Refused), (403, Refused), (404, NotServed), (410, NotServed)])
def test_who_refuses_and_who_lacks_the_file_are_two_errors(
    reader: SdistReader, index: FakeIndex, status: int, error: type[WheelhouseError]
) -> None:
    url = served(index, sdist("tool", "1.0"))
    index.fault(NAME, Status(status), times=None)
    with pytest.raises(error):
        reader.fetch(NAME, url, None)


def test_a_transfer_that_breaks_leaves_nothing(reader: SdistReader, index: FakeIndex, tmp_path: Path) -> None:
    url = served(index, sdist("tool", "1.0"))
    index.fault(NAME, Truncate(100), times=None)
    with pytest.raises(WheelhouseError):
        reader.fetch(NAME, url, None)
    assert not (tmp_path / "sdists").exists()


def test_a_file_of_this_machine_is_read_where_it_lies(reader: SdistReader, tmp_path: Path) -> None:
    file = sdist("tool", "1.0")
    (tmp_path / NAME).write_bytes(file.content)
    assert reader.fetch(NAME, (tmp_path / NAME).as_uri(), None)[1] == file.digest
    with pytest.raises(NotServed) as caught:
        reader.fetch("gone-1.0.tar.gz", (tmp_path / "gone-1.0.tar.gz").as_uri(), None)
    assert str(caught.value).startswith("`gone-1.0.tar.gz` cannot be had from ")
    assert str(caught.value).endswith("no such file or directory")


@pytest.mark.parametrize("name", ["../tool-1.0.tar.gz", "a/tool-1.0.tar.gz", "..\\tool-1.0.tar.gz", ".tool", "a\nb"])
def test_a_name_that_leads_elsewhere_is_refused(reader: SdistReader, index: FakeIndex, name: str) -> None:
    with pytest.raises(BadFileName):
        reader.fetch(name, f"{index.url}/f/{NAME}", None)
    assert index.requests == []


def test_offline_only_what_is_kept_is_had(reader: SdistReader, http: Http, index: FakeIndex, tmp_path: Path) -> None:
    offline = SdistReader(http, tmp_path / "sdists", offline=True)
    file = sdist("tool", "1.0")
    url = served(index, file)
    with pytest.raises(NotCached):
        offline.fetch(NAME, url, file.digest)
    path, digest = reader.fetch(NAME, url, None)
    index.reset()
    assert offline.fetch(NAME, url, digest) == (path, digest)
    assert index.requests == []


# Metadata


def metadata(reader: SdistReader, path: Path, digest: Digest, settings: BuildSettings, target: Target = HERE) -> str:
    found = reader.metadata(path, digest, project=TOOL, version=ONE, target=target, settings=settings)
    return ", ".join(map(str, found.requires))


def test_static_metadata_is_read_and_nothing_is_said(
    reader: SdistReader, index: FakeIndex, settings: BuildSettings, heard: list[Event], tmp_path: Path
) -> None:
    file = sdist("tool", "1.0", metadata_version="2.2", requires=["lib<2"], marks=tmp_path / "marks")
    assert metadata(reader, *reader.fetch(NAME, served(index, file), None), settings) == "lib<2"
    assert (heard, (tmp_path / "marks").exists()) == ([], False)


def test_dynamic_metadata_is_kept_for_its_target(
    reader: SdistReader, index: FakeIndex, settings: BuildSettings, heard: list[Event], http: Http, tmp_path: Path
) -> None:
    file = sdist("tool", "1.0", requires=["lib<2"], marks=tmp_path / "marks")
    place = reader.fetch(NAME, served(index, file), None)
    assert metadata(reader, *place, settings) == "lib<2"
    assert isinstance(heard[0], Said)
    assert heard[0].message.startswith(f"`{NAME}` is run for its metadata, for its PKG-INFO")
    ran = (tmp_path / "marks").read_text()
    assert metadata(reader, *place, settings) == "lib<2"
    offline = SdistReader(http, tmp_path / "sdists", offline=True)
    assert metadata(offline, *place, settings) == "lib<2"
    with pytest.raises(NotCached):
        metadata(offline, *place, settings, OTHER)
    assert (tmp_path / "marks").read_text() == ran


# Building


def test_a_wheel_is_built_once_for_each_target_and_lies_in_the_store(
    reader: SdistReader, index: FakeIndex, store: Store, settings: BuildSettings, tmp_path: Path
) -> None:
    found = locked(index, sdist("tool", "1.0", marks=tmp_path / "marks"))
    assert reader.built(found, HERE) is None
    built = made(reader, found, store, settings)
    assert (built.repeatable, built.build_requires, built.wheel.filename) == (True, (), "tool-1.0-py3-none-any.whl")
    assert store.has(built.wheel.digest, built.wheel.size)
    ran = (tmp_path / "marks").read_text()
    assert made(reader, found, store, settings) == built == reader.built(found, HERE)
    assert (tmp_path / "marks").read_text() == ran
    assert reader.built(found, OTHER) is None


@pytest.mark.parametrize("damage", ["wheel", "gone", "record", "name", "digest", "key"])
def test_what_was_built_is_built_again_when_it_is_damaged(
    reader: SdistReader, index: FakeIndex, store: Store, settings: BuildSettings, tmp_path: Path, damage: str
) -> None:
    found = locked(index, sdist("tool", "1.0"))
    first = made(reader, found, store, settings)
    record = next((tmp_path / "sdists").rglob("built.json"))
    wheel = record.with_name(first.wheel.filename)
    told = json.loads(record.read_text())
    if damage in ("wheel", "gone"):
        wheel.chmod(0o644)
        wheel.unlink() if damage == "gone" else wheel.write_bytes(b"damaged")
    else:
        changes = {"name": {"filename": f"../{wheel.name}"}, "digest": {"sha256": "no digest"}, "key": {}}
        text = "{" if damage == "record" else json.dumps({**told, **changes[damage]})
        record.write_text(text if damage != "key" else json.dumps({"filename": wheel.name}))
    assert reader.built(found, HERE) is None
    assert made(reader, found, store, settings) == first


def test_offline_nothing_is_built(
    http: Http, index: FakeIndex, store: Store, settings: BuildSettings, tmp_path: Path
) -> None:
    found = locked(index, sdist("tool", "1.0", marks=tmp_path / "marks"))
    offline = SdistReader(http, tmp_path / "sdists", offline=True)
    with pytest.raises(NotCached):
        made(offline, found, store, settings)
    assert not (tmp_path / "marks").exists()


# The lock with its built wheels


def test_a_lock_is_whole_when_every_sdist_has_its_wheel() -> None:
    digest = Digest("1" * 64)
    sources = tuple(
        LockedSource(
            name=NormalizedName(name),
            version=ONE,
            sdist=LockedSdist(filename=f"{name}-1.0.tar.gz", url="https://h.test/x", digest=digest),
        )
        for name in ("one", "two")
    )
    lock = Lock(label=HERE.label, requires_python=SpecifierSet(), environment=HERE.marker, packages=(), sources=sources)
    wheel = LockedWheel(filename="one-1.0-py3-none-any.whl", url="file:///x", digest=Digest("2" * 64), size=3)
    built = Built(wheel=wheel, build_requires=("helper==1",), python="3.11.7", repeatable=True)
    with pytest.raises(NotBuilt) as caught:
        completed(lock, {NormalizedName("one"): built})
    assert str(caught.value) == f"`two-1.0.tar.gz` of `{HERE.label}` must be built first"
    whole = completed(lock, {NormalizedName("one"): built, NormalizedName("two"): built})
    assert (whole.sources, [each.name for each in whole.packages]) == ((), ["one", "two"])
    assert [(each.sdist, each.requires, each.python) for each in whole.builds] == [
        ("one-1.0.tar.gz", ("helper==1",), "3.11.7"),
        ("two-1.0.tar.gz", ("helper==1",), "3.11.7"),
    ]


def test_a_built_wheel_that_requires_what_the_lock_lacks_is_found() -> None:
    target = Target.parse("linux-x86_64-py310")
    wheel = LockedWheel(filename="lib-1.0-py3-none-any.whl", url="https://i.example/lib", digest=Digest("a" * 64))
    pin = LockedPackage(name=canonicalize_name("lib"), version=Version("1.0"), wheel=wheel)
    lock = Lock(label=target.label, requires_python=SpecifierSet(), environment="", packages=(pin,))
    text = b"Metadata-Version: 2.1\nName: app\nVersion: 1\n"
    told = ("Lib>=1", "lib<1", "other", 'extra-only; extra == "x"', 'win-only; sys_platform == "win32"')
    content = text + b"".join(f"Requires-Dist: {each}\n".encode() for each in told)
    assert unmet(lock, parse(content, filename="app-1-py3-none-any.whl"), target) == ("lib<1", "other")
