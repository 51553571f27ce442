"""A folder that is asked for is packed like an sdist: the same bytes each time, nothing run, nothing strange in it."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from wheelhouse.digests import Digest
from wheelhouse.edge.local_projects import NoProject, packed
from wheelhouse.requirements import Root
from wheelhouse.sdist import Dynamic, static_metadata

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"

[project]
name = "My.App"
version = "1.2"
requires-python = ">=3.9"
dependencies = ["leaf>=1"]

[project.optional-dependencies]
dev = ["six"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "내 app"
    (folder / "src" / "my_app").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "src" / "my_app" / "__init__.py").write_text("")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o700)
    for left in (
        ".git/config",
        ".venv/bin/python",
        "src/my_app/__pycache__/x.pyc",
        "wheels/x.whl",
        "My_App.egg-info/x",
    ):
        (folder / left).parent.mkdir(parents=True, exist_ok=True)
        (folder / left).write_text("left there")
    return folder


def asked(path: Path, text: str = "my-app") -> Root:
    return Root(requirement=Requirement(text), source="requirements.in", line=3, direct=str(path))


def test_the_folder_becomes_an_sdist_and_a_root_that_names_it(folder: Path, tmp_path: Path) -> None:
    root = packed(asked(folder, "my-app[dev]; os_name == 'posix'"), tmp_path / "sdists")
    assert str(root.requirement) == 'my-app[dev]; os_name == "posix"'
    assert (root.source, root.line, root.direct) == ("requirements.in", 3, str(tmp_path / "sdists/my_app-1.2.tar.gz"))
    with tarfile.open(root.direct or "") as tar:
        assert {member.name: oct(member.mode) for member in tar} == {
            "my_app-1.2/pyproject.toml": "0o644",
            "my_app-1.2/run.sh": "0o755",
            "my_app-1.2/src/my_app/__init__.py": "0o644",
        }


def test_a_package_of_the_project_may_be_named_as_what_tools_leave(folder: Path, tmp_path: Path) -> None:
    for inside in ("build", "dist", "wheels", "venv"):
        (folder / "src" / "my_app" / inside).mkdir()
        (folder / "src" / "my_app" / inside / "__init__.py").write_text("")
        (folder / inside).mkdir(exist_ok=True)
        (folder / inside / "left.py").write_text("left there")
    (folder / "src" / ".venv").mkdir()
    (folder / "src" / ".venv" / "pyvenv.cfg").write_text("")
    with tarfile.open(packed(asked(folder), tmp_path / "sdists").direct or "") as tar:
        assert [name.removeprefix("my_app-1.2/") for name in sorted(tar.getnames())] == [
            "pyproject.toml",
            "run.sh",
            "src/my_app/__init__.py",
            "src/my_app/build/__init__.py",
            "src/my_app/dist/__init__.py",
            "src/my_app/venv/__init__.py",
            "src/my_app/wheels/__init__.py",
        ]


def test_hard_links_are_packed_as_files_and_links_to_folders_as_links(folder: Path, tmp_path: Path) -> None:
    package = folder / "src" / "my_app"
    (package / "one.py").write_text("VALUE = 1\n")
    (package / "two.py").hardlink_to(package / "one.py")
    (folder / "src" / "alias").symlink_to("my_app", target_is_directory=True)
    with tarfile.open(packed(asked(folder), tmp_path / "sdists").direct or "") as tar:
        for name in ("one.py", "two.py"):
            content = tar.extractfile(f"my_app-1.2/src/my_app/{name}")
            assert content is not None
            assert content.read() == b"VALUE = 1\n"
        assert tar.getmember("my_app-1.2/src/my_app/two.py").isreg()
        assert tar.getmember("my_app-1.2/src/alias").linkname == "my_app"


def test_its_metadata_is_read_without_running_anything(folder: Path, tmp_path: Path) -> None:
    path = Path(packed(asked(folder), tmp_path / "sdists").direct or "")
    found = static_metadata(path.read_bytes(), path.name)
    assert not isinstance(found, Dynamic)
    assert (found.name, str(found.version), [str(each) for each in found.requires]) == (
        "my-app",
        "1.2",
        ["leaf>=1", 'six; extra == "dev"'],
    )


def test_the_same_folder_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = Path(packed(asked(folder), tmp_path / "one").direct or "").read_bytes()
    os.utime(folder / "pyproject.toml", (1, 1))
    second = Path(packed(asked(folder), tmp_path / "two").direct or "").read_bytes()
    assert Digest.of(first) == Digest.of(second)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "it has no pyproject.toml"),
        ("[build-system]\n", "its pyproject.toml does not state `name` and `version`"),
        ('[project]\nname = "app"\ndynamic = ["version"]\n', "its pyproject.toml does not state `name` and `version`"),
        ('project = "app"\n', "its pyproject.toml does not state `name` and `version`"),
        ('[project]\nname = "app"\nversion = "one"\n', "its pyproject.toml cannot be read (invalid version: 'one')"),
    ],
)
def test_a_folder_that_does_not_say_what_it_is_is_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(NoProject) as caught:
        packed(asked(tmp_path), tmp_path / "sdists")
    assert str(caught.value).casefold() == f"`{tmp_path}` cannot be locked: {reason}".casefold()
    assert not (tmp_path / "sdists").exists()


def test_a_folder_of_another_project_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NoProject, match=r"its pyproject\.toml is that of `my-app`, not of `other`"):
        packed(asked(folder, "other"), tmp_path / "sdists")


def test_what_is_no_folder_stays_as_it_is(tmp_path: Path) -> None:
    for direct in ("nowhere", "https://example.org/app-1.0-py3-none-any.whl"):
        root = Root(requirement=Requirement("app"), source="command line", line=0, direct=direct)
        assert packed(root, tmp_path / "sdists") is root
