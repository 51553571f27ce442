"""`wheelhouse bundle`, `build` and `verify`: what is carried to the closed machine, and proof that it is whole."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from world import Corrupt, FakeIndex, build_wheel, pip_wheel
from world.project import Project

PY310, PY311 = "linux-x86_64-py310", "linux-x86_64-py311"
APP, LIB = "app-1.0-py3-none-any.whl", "lib-1.0-py3-none-any.whl"
NATIVE = "native-1.0-cp310-cp310-manylinux2014_x86_64.whl"
BOTH = ("--target", PY310, "--target", PY311)


@pytest.fixture
def index(index: FakeIndex) -> FakeIndex:
    index.add(build_wheel("app", "1.0", requires=["lib"]))
    index.add(build_wheel("lib", "1.0"))
    for tag in ("cp310", "cp311"):
        index.add(build_wheel("native", "1.0", tag=f"{tag}-{tag}-manylinux2014_x86_64"))
    index.add(pip_wheel())
    return index


@pytest.fixture
def empty(index: FakeIndex, tmp_path: Path) -> Project:
    return Project(tmp_path, index)


@pytest.fixture
def project(empty: Project) -> Project:
    """Locked for two targets, and fetched."""
    assert empty.lock("app", "native", *BOTH).code == 0
    assert empty.run("fetch").code == 0
    return empty


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def stored(project: Project, filename: str) -> Path:
    """A wheel in the store."""
    digest = hashlib.sha256((project.folder / "wheels" / PY310 / filename).read_bytes()).hexdigest()
    (found,) = (project.folder / "cache" / "wheels").rglob(f"{digest}*.whl")
    return found


def damage(path: Path) -> None:
    """Flip a byte of this file alone: other hard links stay as they are."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


# bundle


def test_a_bundle_holds_everything_below_one_folder(project: Project) -> None:
    ran = project.run("bundle")
    assert (ran.code, ran.out) == (0, f"bundles/{PY310}\nbundles/{PY311}\n")
    assert ran.err == "".join(f"bundle for `{label}` in `bundles/{label}`\n" for label in (PY310, PY311))
    files = contents(project.folder / "bundles" / PY310)
    assert sorted(files) == [
        "MANIFEST.json",
        "README.txt",
        "SHA256SUMS",
        "install.py",
        "install.sh",
        "probe.py",
        "probe.sh",
        "pylock.toml",
        "requirements.txt",
        f"wheels/{APP}",
        f"wheels/{LIB}",
        f"wheels/{NATIVE}",
        f"wheels/{pip_wheel().filename}",
    ]
    sums = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items() if name != "SHA256SUMS"
    )
    assert files["SHA256SUMS"].decode() == sums


def test_a_bundle_is_the_same_byte_for_byte_wherever_it_is_made(project: Project, tmp_path: Path) -> None:
    assert project.run("bundle", "--target", PY310).code == 0
    assert project.run("bundle", "--target", PY310, "--output", tmp_path / "else" / "where").code == 0
    assert contents(project.folder / "bundles" / PY310) == contents(tmp_path / "else" / "where" / PY310)


def test_a_tar_holds_the_same_files_below_the_label_and_is_repeatable(project: Project) -> None:
    ran = project.run("bundle", "--target", PY310, "--tar")
    assert (ran.code, ran.out) == (0, f"bundles/{PY310}.tar\n")
    assert project.run("bundle", "--target", PY310).code == 0
    tar = project.folder / "bundles" / f"{PY310}.tar"
    first = tar.read_bytes()
    with tarfile.open(tar) as archive:
        files = {
            member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive
        }
        modes = {member.name.rpartition("/")[2]: member.mode for member in archive.getmembers()}
    folder = contents(project.folder / "bundles" / PY310)
    assert files == {f"{PY310}/{name}": content for name, content in folder.items()}
    assert (modes["install.sh"], modes["README.txt"]) == (0o755, 0o644)
    assert project.run("bundle", "--target", PY310, "--tar").code == 0
    assert tar.read_bytes() == first


def test_bundling_again_replaces_the_old_bundle_whole(project: Project, index: FakeIndex) -> None:
    assert project.run("bundle", "--target", PY310).code == 0
    index.add(build_wheel("lib", "2.0"))
    assert project.lock("app", "native", "--target", PY310, "--upgrade").code == 0
    assert project.run("fetch", "--target", PY310).code == 0
    assert project.run("bundle", "--target", PY310).code == 0
    wheels = {path.name for path in (project.folder / "bundles" / PY310 / "wheels").iterdir()}
    assert wheels == {APP, "lib-2.0-py3-none-any.whl", NATIVE, pip_wheel().filename}
    assert [path.name for path in (project.folder / "bundles").iterdir()] == [PY310]


@pytest.mark.parametrize(
    ("name", "content"),
    [("notes.txt", b"mine"), ("MANIFEST.json", b"{}"), ("MANIFEST.json", b'{"name": "an extension"}')],
)
def test_a_folder_of_somebody_elses_is_refused_and_untouched(project: Project, name: str, content: bytes) -> None:
    folder = project.folder / "bundles" / PY310
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    ran = project.run("bundle", "--target", PY310)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: `bundles/{PY310}` exists and is no bundle of wheelhouse\n"
        "\n"
        "hint: name another folder with `--output`, or empty this one\n"
    )
    assert contents(folder) == {name: content}


@pytest.mark.parametrize("stray", ["notes.txt", "venv/pyvenv.cfg", "wheels/mine-1.0-py3-none-any.whl"])
def test_a_bundle_with_somebody_elses_files_in_it_is_not_thrown_away(project: Project, stray: str) -> None:
    """`install.sh` makes its environment in `./venv`: that may well be inside the bundle."""
    assert project.run("bundle", "--target", PY310).code == 0
    path = project.folder / "bundles" / PY310 / stray
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    ran = project.run("bundle", "--target", PY310)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: `bundles/{PY310}` holds `{stray}`, which is no part of the bundle\n"
        "\n"
        "hint: name another folder with `--output`, or move that file away\n"
    )
    assert path.read_text() == "mine"


def test_a_file_in_the_bundles_place_is_refused(project: Project) -> None:
    (project.folder / "bundles").mkdir()
    (project.folder / "bundles" / PY310).write_text("mine")
    ran = project.run("bundle", "--target", PY310)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error: `bundles/{PY310}` exists and is no bundle of wheelhouse\n")


def test_a_bundle_of_what_was_never_fetched_says_what_to_run(empty: Project) -> None:
    assert empty.lock("lib", "--target", PY310).code == 0
    ran = empty.run("bundle")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"error: `{LIB}` and 1 more of `{PY310}` are not fetched yet\n\nhint: run `wheelhouse fetch`\n"
    assert not (empty.folder / "bundles").exists()


def test_a_wheel_damaged_in_the_store_is_found_and_fetched_again(project: Project) -> None:
    damage(stored(project, LIB))
    ran = project.run("bundle", "--target", PY310)
    assert (ran.code, ran.out) == (1, "")
    assert f"  `{LIB}` was damaged and is removed\n" in ran.err
    assert ran.err.endswith("hint: run `wheelhouse fetch`\n")
    assert project.run("fetch").code == 0
    assert project.run("bundle", "--target", PY310).code == 0
    assert project.run("verify", f"bundles/{PY310}").code == 0


def test_one_target_that_cannot_be_bundled_does_not_stop_the_others(project: Project) -> None:
    stored(project, NATIVE).unlink()
    ran = project.run("bundle")
    assert (ran.code, ran.out) == (1, f"bundles/{PY311}\n")
    assert ran.err.endswith(f"error: `{NATIVE}` of `{PY310}` is not fetched yet\n\nhint: run `wheelhouse fetch`\n")
    assert [path.name for path in (project.folder / "bundles").iterdir()] == [PY311]


# build


def test_build_locks_fetches_and_bundles(empty: Project) -> None:
    (empty.folder / "requirements.in").write_text("app\n")
    ran = empty.build("--target", PY310)
    assert (ran.code, ran.out) == (0, f"bundles/{PY310}\n")
    lines = ran.err.splitlines()
    assert lines[:2] == [
        "reading `requirements.in`",
        f"locked 2 packages for `{PY310}` in `lockfiles/pylock.{PY310}.toml`",
    ]
    assert lines[-2:] == [f"3 wheels for `{PY310}` in `wheels/{PY310}`", f"bundle for `{PY310}` in `bundles/{PY310}`"]
    assert empty.run("verify").out == f"wheels/{PY310}: good\nbundles/{PY310}: good\n"


def test_build_goes_on_for_the_targets_that_can_be_locked(empty: Project, index: FakeIndex) -> None:
    index.add(build_wheel("only", "1.0", tag="cp311-cp311-manylinux2014_x86_64"))
    ran = empty.build("only", *BOTH)
    assert (ran.code, ran.out) == (1, f"bundles/{PY311}\n")
    assert f"error: no wheel of `only` fits `{PY310}`\n" in ran.err


def test_build_goes_on_for_the_targets_that_can_be_fetched(empty: Project, index: FakeIndex) -> None:
    index.fault(f"{NATIVE}$", Corrupt(), times=None)
    ran = empty.build("native", *BOTH)
    assert (ran.code, ran.out) == (1, f"bundles/{PY311}\n")
    assert ran.err.count("error: ") == 1
    assert f"error: `{NATIVE}` is sha256:" in ran.err
    assert empty.path(PY310).exists()
    assert [path.name for path in (empty.folder / "bundles").iterdir()] == [PY311]

    index.heal()
    assert empty.build("native", *BOTH).out == f"bundles/{PY310}\nbundles/{PY311}\n"


def test_build_writes_tars_and_other_folders_where_asked(empty: Project) -> None:
    ran = empty.build("lib", "--target", PY310, "--tar", "--wheel-dir", "w", "--output", "b", "--lock-dir", "l")
    assert (ran.code, ran.out) == (0, f"b/{PY310}.tar\n")
    assert sorted(path.name for path in empty.folder.iterdir()) == ["b", "cache", "l", "w"]


# verify


@pytest.fixture
def made(project: Project) -> Project:
    assert project.run("bundle").code == 0
    assert project.run("bundle", "--tar", "--target", PY310).code == 0
    return project


def test_everything_that_is_here_is_good(made: Project) -> None:
    ran = made.run("verify")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        f"wheels/{PY310}: good\nwheels/{PY311}: good\n"
        f"bundles/{PY310}: good\nbundles/{PY310}.tar: good\nbundles/{PY311}: good\n"
    )


@pytest.mark.parametrize(("folder", "wheels"), [("wheels", ""), ("bundles", "wheels/")])
def test_a_flipped_byte_a_missing_and_a_foreign_file_are_found(made: Project, folder: str, wheels: str) -> None:
    place = made.folder / folder / PY310
    right = hashlib.sha256((place / f"{wheels}{APP}").read_bytes()).hexdigest()
    damage(place / f"{wheels}{APP}")
    wrong = hashlib.sha256((place / f"{wheels}{APP}").read_bytes()).hexdigest()
    (place / f"{wheels}{LIB}").unlink()
    (place / "notes.txt").write_text("mine")
    ran = made.run("verify", f"{folder}/{PY310}", f"{folder}/{PY311}")
    assert (ran.code, ran.out) == (1, f"{folder}/{PY311}: good\n")
    assert ran.err == (
        f"error: `{folder}/{PY310}` is damaged\n"
        f"  `{wheels}{LIB}` is missing\n"
        "  `notes.txt` does not belong there\n"
        f"  `{wheels}{APP}` is sha256:{wrong}, but SHA256SUMS says sha256:{right}\n"
        "\n"
        "hint: copy it again from where it was made, or make it anew with `wheelhouse bundle`\n"
    )


def test_a_flipped_byte_in_a_tar_is_found(made: Project) -> None:
    tar = made.folder / "bundles" / f"{PY310}.tar"
    content = bytearray(tar.read_bytes())
    at = content.index(b"PK\x03\x04") + 200
    content[at] ^= 1
    tar.write_bytes(content)
    ran = made.run("verify", f"bundles/{PY310}.tar")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error: `bundles/{PY310}.tar` is damaged\n  `")
    assert "but SHA256SUMS says sha256:" in ran.err


def test_a_tar_that_is_cut_off_or_foreign_is_damaged(made: Project) -> None:
    tar = made.folder / "bundles" / f"{PY310}.tar"
    tar.write_bytes(tar.read_bytes()[:5000])
    ran = made.run("verify", tar)
    assert (ran.code, ran.out) == (1, "")
    assert "is damaged\n  " in ran.err
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w"):
        pass
    tar.write_bytes(buffer.getvalue())
    ran = made.run("verify", tar)
    assert "  it has no `SHA256SUMS`\n" in ran.err


def test_a_lock_is_verified_in_the_store(made: Project) -> None:
    lock = f"lockfiles/pylock.{PY310}.toml"
    assert made.run("verify", lock).out == f"{lock}: good\n"
    stored(made, LIB).unlink()
    ran = made.run("verify", lock)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"error: `{LIB}` of `{PY310}` is not fetched yet\n\nhint: run `wheelhouse fetch`\n"


def test_a_folder_of_bundles_is_verified_as_a_whole(made: Project) -> None:
    assert made.run("verify", "wheels").out == "wheels: good\n"
    damage(made.folder / "wheels" / PY311 / APP)
    ran = made.run("verify", "wheels", "bundles")
    assert (ran.code, ran.out) == (1, "bundles: good\n")
    assert f"  {PY311}: `{APP}` is sha256:" in ran.err


def test_what_cannot_be_verified_is_said(made: Project) -> None:
    (made.folder / "empty").mkdir()
    ran = made.run("verify", "nowhere", "empty")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `nowhere` cannot be read: no such file or directory\n"
        "error: `empty` cannot be read: it has no SHA256SUMS\n"
    )


def test_where_nothing_is_there_is_nothing_to_verify(empty: Project) -> None:
    ran = empty.run("verify")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: there is nothing to verify in `wheels` and `bundles`\n\nhint: name a lock, a folder or a bundle\n"
    )
