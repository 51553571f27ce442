"""`wheelhouse fetch`: every locked wheel verified, and a folder per target that can be installed as it stands."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest
from world import Corrupt, FakeIndex, Status, build_wheel, pip_wheel
from world.project import Project

from wheelhouse.edge.store import Store
from wheelhouse.outputs.bundle import Entry

PY310, PY311 = "linux-x86_64-py310", "linux-x86_64-py311"
APP, LIB = "app-1.0-py3-none-any.whl", "lib-1.0-py3-none-any.whl"
NATIVE = {
    label: f"native-1.0-{tag}-{tag}-manylinux2014_x86_64.whl" for label, tag in ((PY310, "cp310"), (PY311, "cp311"))
}
OURS = {
    "MANIFEST.json", "README.txt", "SHA256SUMS", "install.py", "install.sh", "probe.py", "probe.sh", "pylock.toml",
    "requirements.txt",
}  # fmt: skip


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    """`app`, `lib` and a `native` wheel for each of two Pythons, locked for both."""
    index.add(build_wheel("app", "1.0", requires=["lib"]))
    index.add(build_wheel("lib", "1.0"))
    for tag in ("cp310", "cp311"):
        index.add(build_wheel("native", "1.0", tag=f"{tag}-{tag}-manylinux2014_x86_64"))
    index.add(pip_wheel())
    project = Project(tmp_path, index)
    assert project.lock("app", "native", "--target", PY310, "--target", PY311).code == 0
    index.reset()
    return project


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_lock_of_the_lock_folder_is_fetched_and_no_index_is_asked(project: Project, index: FakeIndex) -> None:
    ran = project.run("fetch")
    assert (ran.code, ran.out) == (0, f"wheels/{PY310}\nwheels/{PY311}\n")
    lines = ran.err.splitlines()
    assert lines[0].startswith("fetching 5 files, ")
    assert sorted(line.split()[0] for line in lines[1:6]) == sorted([APP, LIB, *NATIVE.values(), pip_wheel().filename])
    assert lines[6].startswith("fetched 5 files, ")
    assert lines[7:] == [f"4 wheels for `{label}` in `wheels/{label}`" for label in (PY310, PY311)]
    for label in (PY310, PY311):
        wheels = {APP, LIB, NATIVE[label], pip_wheel().filename}
        assert names(project.folder / "wheels" / label) == OURS | wheels
    assert index.asked("/simple/") == []
    assert len({request.path for request in index.requests}) == 5


def test_a_second_fetch_asks_for_nothing(project: Project, index: FakeIndex) -> None:
    assert project.run("fetch").code == 0
    index.reset()
    ran = project.run("fetch")
    assert (ran.code, ran.out) == (0, f"wheels/{PY310}\nwheels/{PY311}\n")
    assert ran.err == "".join(f"4 wheels for `{label}` in `wheels/{label}`\n" for label in (PY310, PY311))
    assert index.requests == []


def test_a_wheel_folder_holds_what_pip_needs(project: Project) -> None:
    assert project.run("fetch").code == 0
    folder = project.folder / "wheels" / PY310
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert (folder / "requirements.txt").read_text() == (
        f"app==1.0 --hash=sha256:{digests[APP]}\n"
        f"lib==1.0 --hash=sha256:{digests[LIB]}\n"
        f"native==1.0 --hash=sha256:{digests[NATIVE[PY310]]}\n"
    )
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert sums == {name: digest for name, digest in digests.items() if name != "SHA256SUMS"}
    assert (folder / "install.sh").stat().st_mode & stat.S_IXUSR


def test_wheels_that_two_targets_share_are_fetched_and_stored_once(project: Project, index: FakeIndex) -> None:
    assert project.run("fetch").code == 0
    assert len(index.asked(APP)) == 1
    one, other = (project.folder / "wheels" / label / APP for label in (PY310, PY311))
    assert one.samefile(other)


def test_one_broken_wheel_does_not_stop_the_others(project: Project, index: FakeIndex) -> None:
    broken = NATIVE[PY310]
    right = hashlib.sha256(index.listed(broken).content).hexdigest()
    index.fault(f"{broken}$", Corrupt(), times=None)
    ran = project.run("fetch")
    assert (ran.code, ran.out) == (1, f"wheels/{PY311}\n")
    wrong = bytearray(index.listed(broken).content)
    wrong[0] ^= 0xFF
    sentence = f"`{broken}` is sha256:{hashlib.sha256(wrong).hexdigest()}, but the lock says sha256:{right}"
    assert f"error: {sentence}\n\nhint: " in ran.err
    assert ran.err.count("error: ") == 1
    assert f"  {broken}: failed: {sentence}\n" in ran.err
    assert len(index.asked(broken)) == 2  # fetched whole once more, and no third time
    assert names(project.folder / "wheels") == {PY311}

    index.heal()
    index.reset()
    ran = project.run("fetch")
    assert (ran.code, ran.out) == (0, f"wheels/{PY310}\nwheels/{PY311}\n")
    assert {request.path.rpartition("/")[2] for request in index.requests} == {broken}


def test_failures_are_told_together(project: Project, index: FakeIndex) -> None:
    index.fault(f"{APP}$", Status(404), times=None)
    index.fault(f"{LIB}$", Status(403), times=None)
    ran = project.run("fetch")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("error: ") == 2
    assert f"`{APP}`" in ran.err
    assert "403 Forbidden" in ran.err


def test_a_passing_fault_is_not_noticed(project: Project, index: FakeIndex) -> None:
    index.fault(f"{APP}$", Status(503), times=2)
    index.fault(f"{LIB}$", Corrupt(3), times=1)
    ran = project.run("fetch")
    assert ran.code == 0
    assert "error" not in ran.err


def test_one_target_or_one_lock_can_be_named(project: Project) -> None:
    assert project.run("fetch", "--target", PY311).out == f"wheels/{PY311}\n"
    assert (
        project.run("fetch", f"lockfiles/pylock.{PY310}.toml", "--wheel-dir", "elsewhere").out == f"elsewhere/{PY310}\n"
    )
    assert names(project.folder / "wheels") == {PY311}
    assert names(project.folder / "elsewhere") == {PY310}


def test_without_a_lock_it_is_wrong_usage(index: FakeIndex, tmp_path: Path) -> None:
    project = Project(tmp_path, index)
    for command in ("fetch", "bundle", "tree"):
        ran = project.run(command)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == (
            "error: there is no lock in `lockfiles`\n\nhint: run `wheelhouse lock` first, or name the lock\n"
        )


def test_a_target_without_a_lock_is_wrong_usage(project: Project) -> None:
    ran = project.run("fetch", "--target", "linux-x86_64-py312")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: there is no lock `lockfiles/pylock.linux-x86_64-py312.toml`\n")


def test_what_is_no_lock_is_refused(project: Project) -> None:
    for text in ("{", "", "title = 'something else'\n"):
        (project.folder / "pylock.toml").write_text(text)
        ran = project.run("fetch", "pylock.toml")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("error: `pylock.toml` ")


def test_wheels_of_an_earlier_lock_go_and_foreign_files_stay(project: Project, index: FakeIndex) -> None:
    assert project.run("fetch").code == 0
    folder = project.folder / "wheels" / PY310
    (folder / "notes.txt").write_text("mine")
    (folder / "other-1.0-py3-none-any.whl").write_bytes(b"mine too")
    index.add(build_wheel("lib", "2.0"))
    assert project.lock("app", "native", "--target", PY310, "--upgrade").code == 0
    assert project.run("fetch", "--target", PY310).code == 0
    wheels = {APP, "lib-2.0-py3-none-any.whl", NATIVE[PY310], pip_wheel().filename}
    assert names(folder) == OURS | wheels | {"notes.txt", "other-1.0-py3-none-any.whl"}
    assert (project.folder / "wheels" / PY311 / LIB).exists()


def test_interrupted_while_laying_out_the_next_run_leaves_no_stray_wheel(
    project: Project, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wheelhouse.edge import folders

    assert project.run("fetch", "--target", PY310).code == 0
    index.add(build_wheel("lib", "2.0"))
    assert project.lock("app", "native", "--target", PY310, "--upgrade").code == 0

    put = folders._put

    def interrupted(entry: Entry, folder: Path, store: Store) -> None:
        put(entry, folder, store)
        if entry.path.startswith("lib"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folders, "_put", interrupted)
        assert project.run("fetch", "--target", PY310).code == 130
    folder = project.folder / "wheels" / PY310
    assert not (folder / "SHA256SUMS").exists()  # what is half done does not look whole
    assert project.lock("app", "lib<2", "native", "--target", PY310).code == 0
    assert project.run("fetch", "--target", PY310).code == 0
    assert names(folder) == OURS | {APP, LIB, NATIVE[PY310], pip_wheel().filename}


def test_a_damaged_wheel_in_the_folder_is_replaced(project: Project) -> None:
    assert project.run("fetch", "--target", PY310).code == 0
    wheel = project.folder / "wheels" / PY310 / APP
    wheel.unlink()
    wheel.write_bytes(b"damaged")
    assert project.run("fetch", "--target", PY310).code == 0
    assert project.run("verify", f"wheels/{PY310}").out == f"wheels/{PY310}: good\n"


@pytest.mark.parametrize("jobs", ["1", "64"])
def test_as_many_files_at_a_time_as_asked_for(project: Project, index: FakeIndex, jobs: str) -> None:
    assert project.run("fetch", "--jobs", jobs).code == 0
    if jobs == "1":
        assert index.busiest == 1
    assert project.run("fetch", "--jobs", "0").code == 2
    assert project.run("fetch", "--jobs", "many").code == 2


def test_the_credentials_that_pip_is_configured_with_serve_fetch_too(tmp_path: Path) -> None:
    """A lock holds no credentials; `fetch` finds them where `lock` found them."""
    with FakeIndex(auth=("user", "s3cret/word")) as index:
        index.add(build_wheel("app", "1.0"))
        index.add(pip_wheel())
        project = Project(tmp_path, index)
        url = index.simple.replace("://", "://user:s3cret%2Fword@")
        assert project.run("lock", "app", "--target", PY310, PIP_INDEX_URL=url).code == 0
        ran = project.run("fetch", PIP_INDEX_URL=url)
        assert ran.code == 0, ran.err

        ran = project.run("fetch", "--cache-dir", "fresh")
        assert ran.code == 1
        assert "401 Unauthorized" in ran.err


def test_credentials_from_our_own_variables_serve_fetch_too(tmp_path: Path) -> None:
    with FakeIndex(auth=("user", "secret")) as index:
        index.add(build_wheel("app", "1.0"))
        index.add(pip_wheel())
        project = Project(tmp_path, index)
        url = index.simple.replace("://", "://user:secret@")
        assert project.run("lock", "app", "--target", PY310, WHEELHOUSE_INDEX_URL=url).code == 0
        assert project.run("fetch", WHEELHOUSE_INDEX_URL=url).code == 0
        assert project.run("fetch", "--cache-dir", "new", WHEELHOUSE_EXTRA_INDEX_URL=url).code == 0


def test_a_lock_can_be_fetched_from_another_folder(project: Project, tmp_path: Path) -> None:
    """Find-links wheels are named relative to the lock."""
    wheel = build_wheel("ours", "1.0")
    (project.folder / "links").mkdir()
    (project.folder / "links" / wheel.filename).write_bytes(wheel.content)
    assert project.lock("ours", "--find-links", "links", "--target", PY310, "--lock-dir", "deep/er").code == 0
    (project.folder / "elsewhere").mkdir()
    other = Project(project.folder / "elsewhere", project.default)
    ran = other.run("fetch", f"../deep/er/pylock.{PY310}.toml")
    assert (ran.code, ran.out) == (0, f"wheels/{PY310}\n")
    assert (project.folder / "elsewhere" / "wheels" / PY310 / wheel.filename).read_bytes() == wheel.content
