"""Upload times and yanks come from the index over the lock onto the mirror's pages, and stay there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uv
from world import FakeIndex, build_wheel, pip_wheel
from world.mirror_servers import embedded
from world.page import served
from world.project import Project

ONE, TWO = "linux-x86_64-py310", "linux-x86_64-py311"
OLD, NEW = build_wheel("app", "1.0"), build_wheel("app", "2.0")
LIB, LIB2 = build_wheel("lib", "1.0"), build_wheel("lib", "2.0")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not waited for."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    """A mirror of two locks: the old app, and the new one with a lib that was yanked."""
    index.add(OLD, upload_time="2023-02-01T10:00:00.250000Z")
    index.add(NEW, upload_time="2025-02-01T10:00:00Z")
    index.add(LIB, upload_time="2023-01-01T00:00:00Z", yanked="breaks <everything>")
    index.add(LIB2, upload_time=None)
    index.add(pip_wheel(), upload_time="2023-01-01T00:00:00Z")
    project = Project(tmp_path, index)
    assert project.lock("app==1.0", "lib", "--target", ONE).code == 0
    assert project.lock("app", "lib==1.0", "--target", TWO).code == 0
    assert project.run("fetch").code == 0
    assert project.run("mirror", "add", "--to", "mirror").code == 0
    return project


def told(project: Project, key: str, mirror: str = "mirror") -> list[tuple[str, Any, Any]]:
    page = json.loads((project.folder / mirror / key).read_text("utf-8"))
    assert page["meta"] == {"api-version": "1.1"}  # PEP 700
    return [(file["filename"], file.get("upload-time"), file["yanked"]) for file in page["files"]]


APPS = [(OLD.filename, "2023-02-01T10:00:00.250000Z", False), (NEW.filename, "2025-02-01T10:00:00Z", False)]
LIBS = [(LIB.filename, "2023-01-01T00:00:00Z", "breaks <everything>"), (LIB2.filename, None, False)]


def test_pages_tell_them_as_the_index_did(project: Project) -> None:
    assert told(project, "simple/app/index.json") == APPS
    assert told(project, "simple/lib/index.json") == LIBS
    html = (project.folder / "mirror/simple/lib/index.html").read_text("utf-8")
    assert html.count("data-yanked") == html.count("data-upload-time") == 1
    assert 'data-upload-time="2023-01-01T00:00:00Z" data-yanked="breaks &lt;everything&gt;"' in html
    listed = json.loads(project.run("mirror", "list", "mirror", "lib", "--json").out)["files"]
    assert [(each["file"], each["upload-time"], each["yanked"]) for each in listed] == [
        (LIB.filename, "2023-01-01T00:00:00Z", "breaks <everything>"),
        (LIB2.filename, None, None),
    ]


def test_a_lock_that_knows_less_takes_nothing_away(project: Project, index: FakeIndex) -> None:
    index.form = "html-only"
    project.path(TWO).unlink()
    assert project.lock("app", "lib==1.0", "--target", TWO, "--no-cache").code == 0
    assert "upload-time" not in project.path(TWO).read_text("utf-8")
    assert project.run("mirror", "add", project.path(TWO), "--to", "mirror").code == 0
    assert told(project, "simple/app/index.json") == APPS
    assert project.run("mirror", "add", project.path(TWO), "--to", "less").code == 0
    assert told(project, "simple/app/index.json", "less") == [(NEW.filename, None, False)]
    assert project.run("mirror", "export", "mirror", "--output", "out").code == 0
    assert project.run("mirror", "import", "out", "--to", "less", "--from-any").code == 0
    assert told(project, "simple/app/index.json", "less") == APPS


def test_they_cross_the_wall_and_come_again_with_a_damaged_page(project: Project) -> None:
    assert project.run("mirror", "export", "mirror", "--output", "out.tar").code == 0
    assert project.run("mirror", "import", "out.tar", "--to", "inside").code == 0
    for key in ("simple/app/index.json", "simple/lib/index.json", "simple/lib/index.html"):
        assert (project.folder / "inside" / key).read_bytes() == (project.folder / "mirror" / key).read_bytes()
    (project.folder / "inside/simple/lib/index.json").write_text("{}", "utf-8")
    assert project.run("mirror", "verify", "inside", "--repair").code == 0
    assert told(project, "simple/lib/index.json", "inside") == LIBS


def test_the_mirror_is_locked_from_as_the_index_was(project: Project) -> None:
    with embedded(project.folder / "mirror") as server:
        url = f"{server.url.rstrip('/')}/simple"
        ran = project.run(
            "lock", "app", "lib==1.0", "--index-url", url, "--target", ONE, "--lock-dir", "inside",
            "--exclude-newer", "2024-01-01",
        )  # fmt: skip
    assert ran.err.startswith("warning: "), ran.err
    assert project.pins(ONE, "inside") == {"app": "1.0", "lib": "1.0"}
    lock = project.locked(ONE, "inside")
    assert lock["tool"]["wheelhouse"]["yanked"] == {"lib": "breaks <everything>"}
    assert [each["wheels"][0]["upload-time"].isoformat() for each in lock["packages"]] == [
        "2023-02-01T10:00:00.250000+00:00",
        "2023-01-01T00:00:00+00:00",
    ]


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_installers_heed_them(project: Project, tool: str, tmp_path: Path) -> None:
    with embedded(project.folder / "mirror") as server:
        url = f"{server.url.rstrip('/')}/simple/"
        assert resolved(tool, url, "app") == "app 2.0"
        assert resolved(tool, url, "app", before="2024-01-01T00:00:00Z") == "app 1.0"
        assert resolved(tool, url, "lib==1.0") == "lib 1.0"
        assert resolved(tool, url, "lib<2") == ""  # yanked


def test_uv_reads_times_and_yanks_in_html_too(project: Project) -> None:
    with served(project.folder / "mirror") as port:
        url = f"http://127.0.0.1:{port}/simple/"
        assert resolved("uv", url, "lib<2") == ""
        assert resolved("uv", url, "app", before="2024-01-01T00:00:00Z") == "app 1.0"


def resolved(tool: str, url: str, requirement: str, before: str | None = None) -> str:
    """What pip or uv would install; empty where they refuse."""
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--no-cache-dir"]
    theirs = [uv.find_uv_bin(), "pip", "install", "--no-config", "--no-cache", "--python", sys.executable]
    bound = [] if before is None else ["--uploaded-prior-to" if tool == "pip" else "--exclude-newer", before]
    program = pip if tool == "pip" else theirs
    ran = subprocess.run(
        [*program, "--dry-run", "--ignore-installed" if tool == "pip" else "--reinstall", *bound, "--index-url", url,
         requirement], capture_output=True, text=True,
    )  # fmt: skip
    if ran.returncode != 0:
        assert "yanked" in ran.stderr + ran.stdout, ran.stderr
        return ""
    lines = (ran.stdout if tool == "pip" else ran.stderr).splitlines()
    if tool == "pip":
        return next(line for line in lines if line.startswith("Would install ")).split()[2].replace("-", " ")
    return next(line for line in lines if line.startswith(" + ")).removeprefix(" + ").replace("==", " ")
