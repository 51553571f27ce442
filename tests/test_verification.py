"""Every byte against its digest: folders, bundles and tar files that are not what they should be."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from world import build_wheel
from world.bundles import write_bundle

from wheelhouse.digests import Digest
from wheelhouse.edge.locks import Unreadable
from wheelhouse.edge.store import Store
from wheelhouse.edge.verification import Damaged, verifiable, verify

WHEELS = (build_wheel("app", "1.0"), build_wheel("lib", "2.0"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundles" / "one", WHEELS)
    return tmp_path / "bundles" / "one"


def problems(path: Path, store: Store) -> tuple[str, ...]:
    with pytest.raises(Damaged) as caught:
        verify(path, store)
    return caught.value.problems


def packed(folder: Path, *, extra: tuple[tuple[str, bytes], ...] = (), without: str = "") -> Path:
    """The folder as a tar file, somewhat changed."""
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        files = {
            f"{folder.name}/{file.relative_to(folder).as_posix()}": file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }
        for name, content in (*files.items(), *extra):
            if name != without:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def test_a_whole_bundle_is_good(folder: Path, store: Store) -> None:
    verify(folder, store)
    verify(folder.parent, store)
    verify(packed(folder), store)
    assert verifiable(folder.parent) == [folder, folder.with_suffix(".tar")]


@pytest.mark.parametrize("name", ["README.txt", "install.py", "MANIFEST.json", f"wheels/{WHEELS[0].filename}"])
def test_every_single_file_counts(folder: Path, store: Store, name: str) -> None:
    right = Digest.of((folder / name).read_bytes())
    with (folder / name).open("ab") as file:
        file.write(b" ")
    wrong = Digest.of((folder / name).read_bytes())
    assert problems(folder, store) == (f"`{name}` is {wrong}, but SHA256SUMS says {right}",)
    (folder / name).unlink()
    assert problems(folder, store) == (f"`{name}` is missing",)


def test_links_that_lead_elsewhere_do_not_belong_there(folder: Path, store: Store) -> None:
    (folder / "wheels" / "stray.whl").symlink_to("/nowhere")
    assert problems(folder, store) == ("`wheels/stray.whl` does not belong there",)


@pytest.mark.parametrize("sums", [b"", b"nonsense\n", b"\xff\xfe", b"abc  install.py\n"])
def test_sums_that_cannot_be_read_or_say_nothing(folder: Path, store: Store, sums: bytes) -> None:
    (folder / "SHA256SUMS").write_bytes(sums)
    assert problems(folder, store) != ()


def test_a_tar_with_more_or_less_than_it_lists(folder: Path, store: Store) -> None:
    path = packed(folder, extra=(("one/stray.txt", b"x"),))
    assert problems(path, store) == ("`stray.txt` does not belong there",)
    path = packed(folder, without=f"one/wheels/{WHEELS[0].filename}")
    assert problems(path, store) == (f"`wheels/{WHEELS[0].filename}` is missing",)
    path = packed(folder, without="one/SHA256SUMS")
    assert problems(path, store) == ("it has no `SHA256SUMS`",)


def test_a_file_beside_the_bundle_in_its_tar_does_not_pass_for_one_inside(folder: Path, store: Store) -> None:
    """Unpacked it would lie elsewhere: the listed file would be missing, or another would stand in its place."""
    readme = (folder / "README.txt").read_bytes()
    path = packed(folder, extra=(("two/README.txt", readme),), without="one/README.txt")
    assert problems(path, store) == ("`two/README.txt` does not lie in `one`",)


def test_a_file_that_a_tar_holds_twice_is_damage(folder: Path, store: Store) -> None:
    """Which of the two is unpacked is up to the program that unpacks."""
    path = packed(folder, extra=(("one/README.txt", (folder / "README.txt").read_bytes()),))
    assert problems(path, store) == ("`one/README.txt` is in it twice",)


def test_a_link_in_a_tar_is_damage(folder: Path, store: Store) -> None:
    path = packed(folder)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("one/link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(info)
    assert problems(path, store) == ("`one/link` is no file",)


def test_what_is_neither_folder_nor_tar_nor_lock(tmp_path: Path, store: Store) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(Unreadable):
            verify(path, store)
    (tmp_path / "x.tar").write_bytes(b"no tar")
    assert problems(tmp_path / "x.tar", store)[0].startswith("it cannot be read: ")
