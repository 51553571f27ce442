"""How much a lock will take, before anything is downloaded: told by `lock`, kept in it, shown by `tree`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version
from world import FakeIndex, Status, build_sdist, build_wheel, pip_wheel
from world.cli import wheelhouse
from world.project import Project

from wheelhouse.digests import Digest
from wheelhouse.edge import files, folders
from wheelhouse.edge.store import Store
from wheelhouse.lock import BadLock, Lock, LockedPackage, LockedSdist, LockedSource, LockedWheel, dump, parse
from wheelhouse.offline import install
from wheelhouse.outputs.sizes import bundled, carried, counted, foreseen, installed
from wheelhouse.target import Target

LABEL = "linux-x86_64-py310"
TARGET = ("--target", LABEL)
FOLDER = Path("/projects/demo/lockfiles")


def package(name: str, size: int | None, on_disk: int | None) -> LockedPackage:
    filename = f"{name}-1.0-py3-none-any.whl"
    url = f"https://files.test/{filename}"
    wheel = LockedWheel(filename=filename, url=url, digest=Digest.of(name.encode()), size=size)
    return LockedPackage(name=NormalizedName(name), version=Version("1.0"), wheel=wheel, installed=on_disk)


TORCH = package("torch", 2_690_000_000, 4_760_000_000)
SIX = package("six", 11_000, 98_304)
PIP = package("pip", 1_800_000, None)
SDIST = LockedSdist(
    filename="antlr-4.9.tar.gz", url="https://files.test/antlr-4.9.tar.gz", digest=Digest("a" * 64), size=117_000
)
ANTLR = LockedSource(name=NormalizedName("antlr"), version=Version("4.9"), sdist=SDIST)


def lock_of(*packages: LockedPackage, sources: tuple[LockedSource, ...] = ()) -> Lock:
    target = Target.parse(LABEL)
    return Lock(
        label=LABEL,
        requires_python=SpecifierSet("==3.10.*"),
        environment=target.marker,
        packages=packages,
        sources=sources,
        installer=PIP,
        roots=tuple(each.name for each in packages),
    )


# The sums


def test_what_a_lock_will_take() -> None:
    lock = lock_of(SIX, TORCH)
    assert foreseen(lock) == "2.7 GB to download, 4.8 GB installed, bundle 2.7 GB"
    assert foreseen(lock, {TORCH.wheel.digest}) == "1.8 MB to download, 4.8 GB installed, bundle 2.7 GB"
    every = {wheel.digest for wheel in lock.wheels()}
    assert foreseen(lock, every) == "nothing to download, 4.8 GB installed, bundle 2.7 GB"
    assert (installed(lock), bundled(lock)) == (4_760_098_304, 2_691_811_000)
    assert counted(lock) == "2 packages, 2.7 GB, 4.8 GB installed"


def test_lock_and_check_tell_the_same_sizes() -> None:
    """Both count the pip that travels, and not only what is pinned."""
    for lock in (lock_of(SIX, TORCH), lock_of(SIX, package("torch", None, None)), lock_of(SIX, sources=(ANTLR,))):
        every = {wheel.digest for wheel in lock.wheels()} | {source.sdist.digest for source in lock.sources}
        assert carried(lock) == f"2 packages{foreseen(lock, every).removeprefix('nothing to download')}"
    assert carried(lock_of(SIX, TORCH)) == "2 packages, 4.8 GB installed, bundle 2.7 GB"
    assert carried(lock_of(SIX)) == "1 package, 98.3 kB installed, bundle 1.8 MB"
    assert carried(lock_of()) == "0 packages"


def test_what_is_not_known_is_not_told() -> None:
    assert foreseen(lock_of(package("torch", None, None))) == ""
    assert foreseen(lock_of(package("torch", 100, None))) == "1.8 MB to download, bundle 1.8 MB"
    assert foreseen(lock_of(SIX, package("torch", None, 8192))) == "106.5 kB installed"
    assert foreseen(lock_of(SIX, sources=(ANTLR,))) == "1.9 MB to download, 1 package is still to be built"
    assert foreseen(lock_of()) == ""
    assert counted(lock_of(SIX, sources=(ANTLR,))) == "2 packages, 128.0 kB"


# In the lock


def test_the_lock_keeps_what_each_pin_takes_installed() -> None:
    text = dump(lock_of(SIX, TORCH, package("zlib", 1, None)), folder=FOLDER)
    assert "\n[tool.wheelhouse.installed]\nsix = 98304\ntorch = 4760000000\n\n" in text
    read = parse(text, source="pylock.toml", folder=FOLDER)
    assert {each.name: each.installed for each in read.packages} == {"six": 98304, "torch": 4760000000, "zlib": None}
    assert dump(read, folder=FOLDER) == text


def test_a_lock_of_an_earlier_version_is_read_as_it_is() -> None:
    lock = lock_of(*(replace(each, installed=None) for each in (SIX, TORCH)))
    text = dump(lock, folder=FOLDER)
    assert "installed" not in text
    assert parse(text, source="pylock.toml", folder=FOLDER).packages == lock.packages


@pytest.mark.parametrize("lie", ["-1", "1.5", "true", '"much"', "[]"])
def test_a_size_that_is_none_is_no_lock(lie: str) -> None:
    text = dump(lock_of(SIX), folder=FOLDER).replace("six = 98304", f"six = {lie}")
    with pytest.raises(BadLock, match=r"`six` takes .* bytes installed"):
        parse(text, source="pylock.toml", folder=FOLDER)


# What people see


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    modules = {f"app/part_{number}.py": "x = 1\n" * 1000 for number in range(10)}
    index.add(build_wheel("app", "1.0", requires=["lib"], modules=modules))
    index.add(build_wheel("lib", "1.0"))
    index.add(pip_wheel())
    return Project(tmp_path, index)


def test_lock_tells_what_it_will_take(project: Project) -> None:
    ran = wheelhouse("lock", *project.indexes, "app", *TARGET, cwd=project.folder)
    told = re.fullmatch(
        rf"locked 2 packages for `{LABEL}` in `lockfiles/pylock.{LABEL}.toml`:"
        r" (\d\.\d MB) to download, 229\.4 kB installed, bundle (\d\.\d MB)\n",
        ran.err,
    )
    assert told is not None, ran.err
    assert told[1] == told[2]
    assert project.run("fetch").code == 0
    ran = wheelhouse("lock", *project.indexes, "app", *TARGET, cwd=project.folder)
    assert f"`: nothing to download, 229.4 kB installed, bundle {told[1]}\n" in ran.err


def test_what_was_foreseen_is_what_the_installer_measures(project: Project) -> None:
    assert project.lock("app", *TARGET).code == 0
    table = project.locked(LABEL)["tool"]["wheelhouse"]["installed"]
    assert sorted(table) == ["app", "lib"]
    assert project.run("fetch").code == 0
    folder = project.folder / "wheels" / LABEL
    (target,) = json.loads((folder / "MANIFEST.json").read_text())["targets"]
    assert install.measure(str(folder), target, [])[0] == sum(table.values()) == 229_376


def test_tree_and_json_tell_it_too(project: Project) -> None:
    (locked,) = json.loads(project.lock("app", *TARGET, "--json").out)["locks"]
    assert locked["installed"] == 229_376
    assert locked["bundle"] == locked["size"] + len(pip_wheel().content)
    assert project.run("tree").out.endswith(", 229.4 kB installed\n")
    (shown,) = json.loads(project.run("tree", "--json").out)["locks"]
    assert (shown["installed"], [each["installed"] for each in shown["packages"]]) == (229_376, [192_512, 36_864])


def test_the_lock_is_the_same_cold_warm_and_offline(project: Project) -> None:
    assert project.lock("app", *TARGET).code == 0
    first = project.path(LABEL).read_bytes()
    assert b"[tool.wheelhouse.installed]" in first
    for folder, options in (("warm", ()), ("none", ("--no-cache",)), ("offline", ("--offline",))):
        assert project.lock("app", *TARGET, "--lock-dir", folder, *options).code == 0
        assert project.path(LABEL, folder).read_bytes() == first


def test_no_wheel_is_downloaded_for_it_and_nothing_fails_without_it(tmp_path: Path) -> None:
    with FakeIndex(ranges=False) as index:
        index.add(build_wheel("app", "1.0", padding=2_000_000))
        index.add(pip_wheel())
        project = Project(tmp_path, index)
        ran = wheelhouse("lock", *project.indexes, "app", *TARGET, cwd=tmp_path)
        assert ran.code == 0
        assert re.search(r"toml`: \d\.\d MB to download, bundle \d\.\d MB\n$", ran.err)
        assert "installed" not in project.locked(LABEL)["tool"]["wheelhouse"]
        assert len(index.asked("app-1.0-py3-none-any.whl$")) == 1
    assert not (tmp_path / "cache" / "wheels").exists()


def test_a_server_that_refuses_the_wheel_does_not_keep_it_from_being_locked(project: Project, index: FakeIndex) -> None:
    index.fault("app-1.0-py3-none-any.whl$", Status(403), times=None)
    ran = project.lock("app", *TARGET)
    assert (ran.code, "warning" in ran.err) == (0, False)


def test_what_is_to_be_built_is_not_foreseen(project: Project, index: FakeIndex) -> None:
    index.add(build_sdist("src", "1.0"))
    ran = wheelhouse("lock", *project.indexes, "src", *TARGET, "--from-sdist", "src", cwd=project.folder)
    assert ran.code == 0
    assert re.search(r"toml`: \d\.\d MB to download, 1 package is still to be built\n$", ran.err), ran.err


# Room for it


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "free_space", lambda path: 2_000_000_000)
    store, wheels = Store(tmp_path / "cache" / "wheels"), lock_of(SIX, TORCH).wheels()
    folders.room(wheels, tmp_path / "here", store)  # linked from the store
    with pytest.raises(files.NoSpace) as failure:
        folders.room(wheels, tmp_path / "bundles", store, copied=True)
    assert str(failure.value) == f"`{tmp_path / 'bundles'}` has 2.0 GB free, but 2.7 GB are needed"
    assert failure.value.hint == (
        "free some space, or name another place: `--wheel-dir` for `fetch`, `--output` for bundles"
    )
