"""When a file was uploaded and whether it was yanked, from the index into the lock, and from one lock to the next."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import uv
from packaging.pylock import Pylock
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from world import FakeIndex, build_sdist, build_wheel, pip_wheel
from world.project import Project

from wheelhouse.digests import Digest
from wheelhouse.lock import Lock, LockedPackage, LockedSdist, LockedSource, LockedWheel, dump, parse
from wheelhouse.lock.foreign import adopt
from wheelhouse.lock.record import with_known_times
from wheelhouse.lock.times import utc, written
from wheelhouse.target import Target

LABEL = f"linux-x86_64-py{sys.version_info[0]}{sys.version_info[1]}"
TARGET = ("--target", LABEL)
FOLDER = Path("/projects/demo")
JANUARY, JUNE = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 6, 1, 12, tzinfo=UTC)


def lock_of(*, app: datetime | None, pip: datetime | None = None, sdist: datetime | None = None) -> Lock:
    """A pin with its wheel, one with its sdist, and the pip, uploaded at these times."""
    wheel = LockedWheel(
        filename="app-1.0-py3-none-any.whl", url="https://files.test/a", digest=Digest("a" * 64), upload_time=app
    )
    built = LockedSdist(
        filename="built-1.0.tar.gz", url="https://files.test/b", digest=Digest("b" * 64), upload_time=sdist
    )
    installer = LockedWheel(
        filename="pip-26.0-py3-none-any.whl", url="https://files.test/p", digest=Digest("c" * 64), upload_time=pip
    )
    one = Version("1.0")
    return Lock(
        label=LABEL,
        requires_python=SpecifierSet(f"=={sys.version_info[0]}.{sys.version_info[1]}.*"),
        environment=Target.parse(LABEL).marker,
        packages=(LockedPackage(name=canonicalize_name("app"), version=one, wheel=wheel),),
        sources=(LockedSource(name=canonicalize_name("built"), version=one, sdist=built),),
        installer=LockedPackage(name=canonicalize_name("pip"), version=Version("26.0"), wheel=installer),
    )


# as text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2023, 10, 4, 17, 1, 2, 123456, tzinfo=UTC), "2023-10-04T17:01:02.123456Z"),
        (datetime(2023, 10, 4, 17, 1, 2, 100000, tzinfo=UTC), "2023-10-04T17:01:02.100000Z"),
        (datetime(2023, 10, 4, 17, 1, 2, tzinfo=UTC), "2023-10-04T17:01:02Z"),
        (datetime(2023, 10, 4, 19, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2023-10-04T17:01:02Z"),
    ],
)
def test_a_moment_has_one_text(moment: datetime, text: str) -> None:
    assert written(moment) == text
    assert f"\nupload-time = {text}\n" in dump(lock_of(app=moment), folder=FOLDER)


def test_a_time_without_a_zone_is_taken_as_utc_and_one_beyond_the_calendar_as_none() -> None:
    assert utc(datetime(2024, 1, 1)) == JANUARY
    assert utc(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))) is None
    assert utc(None) is None


def test_a_lock_tells_times_and_yanks_where_pep_751_and_its_readers_look_for_them() -> None:
    text = dump(lock_of(app=JANUARY, pip=JUNE, sdist=JUNE), folder=FOLDER)
    pylock = Pylock.from_dict(tomllib.loads(text))
    pylock.validate()
    app, built = pylock.packages
    assert app.wheels is not None and built.sdist is not None
    assert (app.wheels[0].upload_time, built.sdist.upload_time) == (JANUARY, JUNE)
    assert tomllib.loads(text)["tool"]["wheelhouse"]["installer"]["wheel"]["upload-time"] == JUNE
    assert parse(text, source="pylock.toml", folder=FOLDER) == lock_of(app=JANUARY, pip=JUNE, sdist=JUNE)


def test_a_lock_that_knows_neither_has_no_word_of_them() -> None:
    text = dump(lock_of(app=None), folder=FOLDER)
    assert "upload" not in text and "yanked" not in text


# from one lock to the next


def test_what_no_index_tells_now_stays_as_it_was_recorded_for_the_same_bytes() -> None:
    before = lock_of(app=JANUARY, pip=JANUARY, sdist=JANUARY)
    assert with_known_times(lock_of(app=None), before) == before
    assert with_known_times(lock_of(app=JUNE), before) == lock_of(app=JUNE, pip=JANUARY, sdist=JANUARY)
    assert with_known_times(lock_of(app=JUNE), None) == lock_of(app=JUNE)


def test_other_bytes_have_another_time() -> None:
    before = lock_of(app=JANUARY)
    found = parse(
        dump(lock_of(app=None), folder=FOLDER).replace("a" * 64, "d" * 64), source="pylock.toml", folder=FOLDER
    )
    assert with_known_times(found, before) == found


# another tool's lock


def test_the_times_of_other_tools_locks_are_kept() -> None:
    wheel = f'url = "https://files.test/app-1.0-py3-none-any.whl", hash = "sha256:{"a" * 64}"'
    theirs = (
        'version = 1\nrequires-python = ">=3.8"\n\n[[package]]\nname = "demo"\nversion = "0"\n'
        'source = { virtual = "." }\ndependencies = [{ name = "app" }]\n\n'
        '[[package]]\nname = "app"\nversion = "1.0"\nsource = { registry = "https://index.test/simple" }\n'
        f'wheels = [{{ {wheel}, upload-time = "2024-06-01T12:00:00.000Z" }}]\n'
    )
    assert taken(theirs).upload_time == JUNE
    assert taken(theirs.replace("2024-06-01T12:00:00.000Z", "in June")).upload_time is None
    standard = dump(lock_of(app=JUNE), folder=FOLDER).partition('\n[[packages]]\nname = "built"')[0]
    assert taken(standard).upload_time == JUNE


def taken(text: str) -> LockedWheel:
    found = adopt(text, source="their.lock", folder=FOLDER, target=Target.parse(LABEL))
    return found.packages[0].wheel


# as people meet it


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    """`app` needs `lib`, of which 1.0 was yanked."""
    index.add(build_wheel("app", "1.0", requires=["lib"]), upload_time="2024-01-01T00:00:00.120000Z")
    index.add(build_wheel("lib", "0.9"), upload_time="2023-01-01T00:00:00Z")
    index.add(build_wheel("lib", "1.0"), upload_time="2024-06-01T12:00:00Z", yanked='breaks "app"')
    index.add(pip_wheel(), upload_time="2020-01-01T00:00:00Z")
    return Project(tmp_path, index)


def times(text: str) -> list[str]:
    return re.findall("upload-time = (.*)", text)


def test_a_lock_records_when_files_were_uploaded_and_what_was_yanked(project: Project, tmp_path: Path) -> None:
    assert project.lock("app", "lib==1.0", *TARGET).code == 0
    text = project.path(LABEL).read_text("utf-8")
    assert times(text) == ["2024-01-01T00:00:00.120000Z", "2024-06-01T12:00:00Z", "2020-01-01T00:00:00Z"]
    assert '\n[tool.wheelhouse.yanked]\nlib = "breaks \\"app\\""\n' in text
    assert project.lock("app", "lib", "--upgrade", *TARGET).code == 0
    assert "yanked" not in project.path(LABEL).read_text("utf-8")


def test_locking_again_changes_nothing_also_where_the_index_tells_no_times_any_more(
    project: Project, index: FakeIndex
) -> None:
    assert project.lock("app", *TARGET).code == 0
    told = project.path(LABEL).read_text("utf-8")
    assert project.lock("app", *TARGET, "--no-cache").code == 0
    assert project.path(LABEL).read_text("utf-8") == told
    index.form = "html-only"
    assert project.lock("app", *TARGET, "--no-cache").code == 0
    assert project.path(LABEL).read_text("utf-8") == told


def test_the_same_moment_written_in_another_way_gives_the_same_lock(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *TARGET).code == 0
    told = project.path(LABEL).read_text("utf-8")
    for entries in index.projects.values():
        for at, entry in enumerate(entries):
            again = {"2024-01-01T00:00:00.120000Z": "2024-01-01T02:00:00.12+02:00"}
            moment = again.get(entry.upload_time or "", (entry.upload_time or "").replace("Z", ".000000Z"))
            entries[at] = replace(entry, upload_time=moment)
    project.path(LABEL).unlink()
    assert project.lock("app", *TARGET, "--no-cache").code == 0
    assert project.path(LABEL).read_text("utf-8") == told


def test_a_lock_without_times_gets_them_and_diff_does_not_call_that_a_change(
    project: Project, index: FakeIndex
) -> None:
    index.form = "html-only"
    assert project.lock("app", *TARGET).code == 0
    old = project.path(LABEL).read_text("utf-8")
    assert "upload" not in old
    (project.folder / "old.toml").write_text(old, "utf-8")
    index.form = "both"
    assert project.lock("app", *TARGET, "--no-cache").code == 0
    assert len(times(project.path(LABEL).read_text("utf-8"))) == 3
    assert project.run("diff", "old.toml", project.path(LABEL)).out == "no difference; 2 packages\n"


def test_a_sdist_has_its_time_too(project: Project, index: FakeIndex) -> None:
    index.add(build_sdist("only", "1.0"), upload_time="2022-01-01T00:00:00Z")
    assert project.lock("only", *TARGET, "--from-sdist", "only").code == 0
    assert times(project.path(LABEL).read_text("utf-8")) == ["2022-01-01T00:00:00Z", "2020-01-01T00:00:00Z"]


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_installers_take_a_lock_with_times(project: Project, tool: str) -> None:
    assert project.lock("app", "lib==1.0", *TARGET).code == 0
    lock = project.folder / "pylock.toml"
    lock.write_bytes(project.path(LABEL).read_bytes())
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--no-cache-dir"]
    theirs = [uv.find_uv_bin(), "pip", "install", "--no-config", "--no-cache", "--python", sys.executable]
    program = [*pip, "--no-deps"] if tool == "pip" else theirs
    ran = subprocess.run(
        [*program, "--dry-run", "--target", "there", "-r", "pylock.toml"],
        cwd=project.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout + ran.stderr
    assert ("app-1.0 lib-1.0" if tool == "pip" else " + app==1.0\n + lib==1.0\n") in said
