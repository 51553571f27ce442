"""`wheelhouse mirror` as typed: publish, show, remove, verify, carry across."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv
from world import FakeIndex, build_wheel, pip_wheel
from world.buckets import BUCKET, Buckets
from world.page import served
from world.project import Project

from wheelhouse.mirroring.names import lock_key

PY310, PY311 = "linux-x86_64-py310", "linux-x86_64-py311"
APP, LIB = build_wheel("app", "1.0", requires=["lib"], requires_python=">=3.8"), build_wheel("lib", "1.0")
NATIVE = [build_wheel("native", "1.0", tag=f"{tag}-{tag}-manylinux2014_x86_64") for tag in ("cp310", "cp311")]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not waited for."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    """Locked for two targets, and fetched."""
    for wheel in (APP, LIB, *NATIVE, pip_wheel()):
        index.add(wheel)
    project = Project(tmp_path, index)
    assert project.lock("app", "native", "--target", PY310, "--target", PY311).code == 0
    assert project.run("fetch").code == 0
    return project


def test_add_publishes_every_lock_that_is_here(project: Project) -> None:
    ran = project.run("mirror", "add", "--to", "mirror")
    assert ran.code == 0
    first, second = ran.out.splitlines()
    assert first.startswith(f"locks/{PY310}/") and second.startswith(f"locks/{PY311}/")
    assert (project.folder / "mirror" / first).is_file()
    assert ran.err.startswith("5 wheels (") and ran.err.endswith(", 4 pages changed\n")
    assert " of 2 locks in `mirror`: 5 new (" in ran.err
    again = project.run("mirror", "add", "--to", "mirror", "--json")
    assert {key: json.loads(again.out)[key] for key in ("files", "new", "pages")} == {"files": 5, "new": 0, "pages": 0}


def test_add_before_fetch_says_what_to_type(project: Project) -> None:
    ran = project.run("mirror", "add", "--to", "mirror", "--cache-dir", "empty")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: `{APP.filename}` and 3 more of `{PY310}` are not fetched yet\n\nhint: run `wheelhouse fetch`\n"
    )
    assert not (project.folder / "mirror").exists()


def test_list_shows_projects_files_and_locks(project: Project) -> None:
    added = project.run("mirror", "add", "--to", "mirror").out.splitlines()
    assert project.run("mirror", "list", "mirror").out.splitlines()[:3] == [
        f"app 1.0  1 file  {PY310} {PY311}",
        f"lib 1.0  1 file  {PY310} {PY311}",
        f"native 1.0  2 files  {PY310} {PY311}",
    ]
    assert project.run("mirror", "list", "mirror", "App").out == f"{APP.filename}  {APP.digest}  simple/app\n"
    locks = project.run("mirror", "list", "mirror", "--locks").out.splitlines()
    assert [lock_key(line.split()[0]) for line in locks] == added
    facts = json.loads(project.run("mirror", "list", "mirror", "lib", "--json").out)
    assert (facts["name"], facts["files"][0]["file"], facts["files"][0]["pages"]) == (
        "lib",
        LIB.filename,
        ["simple/lib"],
    )
    assert project.run("mirror", "list", "mirror", "none").err == (
        "error: `mirror` has no `none`\n\nhint: `wheelhouse mirror list` shows what it has\n"
    )


def test_a_lock_is_removed_by_its_file_or_by_its_name_and_gc_asks_first(project: Project) -> None:
    project.run("mirror", "add", "--to", "mirror")
    ran = project.run("mirror", "remove", project.path(PY310), "--from", "mirror")
    assert (ran.code, ran.out) == (0, f"{NATIVE[0].filename}\n")
    assert ran.err.startswith("removed `linux-x86_64-py310/") and "1 file off" in ran.err
    dry = project.run("mirror", "gc", "mirror")
    key = f"files/{NATIVE[0].digest.hex[:2]}/{NATIVE[0].digest.hex}/{NATIVE[0].filename}"
    assert dry.out == f"{key}\n{key}.metadata\n"
    assert dry.err.endswith("to remove with `--yes`\n")
    assert (project.folder / "mirror" / key).exists()
    assert project.run("mirror", "gc", "mirror", "--yes").out == dry.out
    assert not (project.folder / "mirror" / key).exists()
    again = project.run("mirror", "remove", project.path(PY310), "--from", "mirror")
    assert again.code == 2
    assert "has not published" in again.err
    assert project.run("mirror", "remove", f"{PY311}/", "--from", "mirror").code == 0  # as a shell completes it
    assert project.run("mirror", "list", "mirror").out == ""


def test_a_project_is_removed_and_the_locks_that_keep_it_are_named(project: Project) -> None:
    project.run("mirror", "add", "--to", "mirror")
    ran = project.run("mirror", "remove", "--project", "lib==1.0", "--from", "mirror")
    assert (ran.code, ran.out) == (0, f"{LIB.filename}\n")
    assert ran.err.count("still names it, and keeps its files") == 2
    assert "`wheelhouse mirror remove linux-x86_64-py310/" in ran.err
    assert project.run("mirror", "verify", "mirror").out == "mirror: good\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["remove", "--from", "m"], "name a lock, or a project, and not both"),
        (["remove", "x", "--project", "y", "--from", "m"], "name a lock, or a project, and not both"),
        (["remove", "--project", "a/b", "--from", "m"], "`a/b` is not a project's name"),
        (["remove", "--project", "a==x", "--from", "m"], "`x` is no version"),
        (["add", "--to", "http://mirror.test"], "`http://mirror.test` is no place that a mirror can be in"),
        (["list", "m", "x", "--locks"], "name a project, or `--locks`, and not both"),
    ],
)
def test_wrong_usage(project: Project, args: list[str], said: str) -> None:
    ran = project.run("mirror", *args)
    assert (ran.code, ran.out, ran.err.partition("\n")[0]) == (2, "", f"error: {said}")


@pytest.mark.parametrize("command", ["list", "verify", "gc", "state"])
def test_where_no_mirror_is_it_is_said(project: Project, command: str) -> None:
    ran = project.run("mirror", command, "nowhere")
    assert (ran.code, ran.err) == (
        1,
        "error: there is no mirror in `nowhere`\n\nhint: `wheelhouse mirror add --to MIRROR` makes one\n",
    )


def test_a_removal_where_no_mirror_is_says_so(project: Project) -> None:
    ran = project.run("mirror", "remove", "linux-x86_64-py310", "--from", "nowhere")
    assert (ran.code, ran.err.partition("\n")[0]) == (1, "error: there is no mirror in `nowhere`")


def test_where_nothing_is_to_do_it_is_said(project: Project) -> None:
    project.run("mirror", "add", "--to", "mirror")
    assert project.run("mirror", "gc", "mirror", "--yes").err == "nothing to remove\n"
    (project.folder / "state.json").write_text(project.run("mirror", "state", "mirror").out, "utf-8")
    ran = project.run("mirror", "export", "mirror", "--since", "state.json", "--output", "none.tar")
    assert ran.err == "the other side lacks nothing: 0 wheels (0 bytes) of 0 locks in `none.tar`\n"


def test_a_project_is_asked_for_by_a_name_only(project: Project) -> None:
    assert project.run("mirror", "add", "--to", "mirror").code == 0
    ran = project.run("mirror", "list", "mirror", "../../mirror")
    assert (ran.code, ran.err.partition("\n")[0]) == (2, "error: `../../mirror` is not a project's name")


def test_verify_tells_and_repairs(project: Project) -> None:
    project.run("mirror", "add", "--to", "mirror")
    (project.folder / "mirror" / "simple" / "lib" / "index.html").write_text("<b>", "utf-8")
    said = "`simple/lib/index.html` is not what the pages of the projects say"
    ran = project.run("mirror", "verify", "mirror", "--quick")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"error: {said}\n\nhint: `wheelhouse mirror verify --repair` makes whole what can be\n"
    assert project.run("mirror", "verify", "mirror", "--repair").out == f"repaired: {said}\nmirror: good\n"


def test_a_mirror_crosses_the_wall(project: Project) -> None:
    project.run("mirror", "add", project.path(PY310), "--to", "online")
    assert project.run("mirror", "export", "online", "--output", "first.tar").out == "first.tar\n"
    assert project.run("mirror", "import", "first.tar", "--to", "inside").code == 0
    state = project.run("mirror", "state", "inside")
    (project.folder / "state.json").write_text(state.out, "utf-8")
    project.run("mirror", "add", project.path(PY311), "--to", "online")
    told = project.run("mirror", "diff", "state.json", "online").out.splitlines()
    assert (told[0][:26], told[1:]) == ("+ locks/linux-x86_64-py311", [f"+ {NATIVE[1].filename}"])
    ran = project.run("mirror", "export", "online", "--since", "state.json", "--output", "second", "--json")
    assert (json.loads(ran.out)["wheels"], len(json.loads(ran.out)["locks"])) == (1, 1)
    assert project.run("mirror", "import", "second", "--to", "inside").out == "inside\n"
    assert project.run("mirror", "diff", "online", "inside").out == ""
    (project.folder / "second" / "export.json").write_text("{}", "utf-8")
    ran = project.run("mirror", "import", "second", "--to", "inside")
    assert ran.code == 1
    assert ran.err.startswith("error: `second` cannot be imported\n  `export.json` is damaged: its SHA-256 is ")
    assert ran.err.endswith("\n\nhint: nothing was changed; copy the export again, or make it anew\n")


def test_a_second_source_is_taken_from_only_where_that_is_asked_for(project: Project) -> None:
    for name, label in (("one", PY310), ("two", PY311)):
        assert project.run("mirror", "add", "--to", name, "--target", label).code == 0
        assert project.run("mirror", "export", name, "--output", f"{name}.tar").code == 0
    assert project.run("mirror", "import", "one.tar", "--to", "inside").code == 0
    before = project.run("mirror", "state", "inside").out
    ran = project.run("mirror", "import", "two.tar", "--to", "inside")
    assert (ran.code, ran.out, "`--from-any`" in ran.err) == (1, "", True), ran.err
    assert project.run("mirror", "state", "inside").out == before
    assert project.run("mirror", "import", "two.tar", "--to", "inside", "--from-any").out == "inside\n"
    assert len(project.run("mirror", "list", "inside", "--locks").out.splitlines()) == 2


def test_a_quick_look_judges_files_by_their_size(project: Project) -> None:
    assert project.run("mirror", "add", "--to", "mirror", "--target", PY310).code == 0
    (wheel,) = (project.folder / "mirror").rglob(LIB.filename)
    content = wheel.read_bytes()
    wheel.unlink()
    wheel.write_bytes(content[::-1])
    assert project.run("mirror", "verify", "mirror", "--quick").out == "mirror: good\n"
    assert project.run("mirror", "verify", "mirror").code == 1
    wheel.write_bytes(content[:-1])
    assert project.run("mirror", "verify", "mirror", "--quick").code == 1


def test_a_mirror_may_lie_in_a_bucket(project: Project, s3: Buckets) -> None:
    place = f"s3://{BUCKET}/command"
    endpoint = {key: value for key, value in s3.variables.items() if key != "AWS_ENDPOINT_URL"}
    ran = project.run("mirror", "add", "--to", place, "--s3-endpoint", s3.endpoint, **endpoint)
    assert ran.code == 0, ran.err
    assert project.run("mirror", "verify", place, **s3.variables).out == f"{place}: good\n"
    project.run("mirror", "add", "--to", "mirror")
    assert project.run("mirror", "diff", "mirror", place, **s3.variables).out == ""


@pytest.fixture
def served_at(project: Project) -> Iterator[str]:
    """The mirror with a lock for this very Python, behind a server that knows nothing of it; its URL."""
    label = f"linux-x86_64-py{sys.version_info[0]}{sys.version_info[1]}"
    assert project.lock("app", "--target", label).code == 0
    assert project.run("fetch").code == 0
    ran = project.run("mirror", "add", project.path(label), "--to", "mirror")
    (project.folder / "published").write_text(ran.out.strip(), "utf-8")
    with served(project.folder / "mirror") as port:
        yield f"http://127.0.0.1:{port}"


def installed(tool: str, folder: Path, *args: str) -> list[str]:
    """What pip or uv puts into a folder."""
    folder.mkdir(exist_ok=True)
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "install"]
    theirs = [uv.find_uv_bin(), "pip", "install", "--no-config", "--no-cache", "--python", sys.executable]
    program = pip if tool == "pip" else theirs
    ran = subprocess.run([*program, "--target", str(target), *args], capture_output=True, text=True, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return sorted(path.name for path in target.iterdir() if path.suffix == ".dist-info")


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_any_static_server_will_do(project: Project, served_at: str, tool: str, tmp_path: Path) -> None:
    found = installed(tool, tmp_path, "--index-url", f"{served_at}/simple/", "app")
    assert found == ["app-1.0.dist-info", "lib-1.0.dist-info"]


def test_a_published_lock_installs_as_it_stands(project: Project, served_at: str, tmp_path: Path) -> None:
    lock = (project.folder / "published").read_text("utf-8")
    both = ["app-1.0.dist-info", "lib-1.0.dist-info"]
    assert installed("pip", tmp_path / "pip", "-r", f"{served_at}/{lock}") == both
    # uv 0.13 looks for the wheels of a lock below the current folder where the lock is a URL
    assert installed("uv", tmp_path / "uv", "-r", str(project.folder / "mirror" / lock)) == both


# nginx


def nginx(project: Project, *options: str) -> str:
    assert project.run("mirror", "add", "--to", "mirror").code == 0
    ran = project.run("mirror", "nginx-conf", "mirror", *options)
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def directives(text: str, *names: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().partition(" ")[0] in names]


def test_nginx_is_told_where_to_listen_and_by_which_name(project: Project) -> None:
    told = ("listen", "server_name", "root", "ssl_certificate", "auth_basic_user_file")
    root = f'root "{project.folder}/mirror";'
    assert directives(nginx(project), *told) == ["listen 127.0.0.1:8080;", "server_name _;", root]
    named = nginx(project, "--listen", "0.0.0.0:80", "--server-name", "wheels.example.org")
    assert directives(named, *told) == ["listen 0.0.0.0:80;", "server_name wheels.example.org;", root]


def test_nginx_is_told_its_certificate_and_its_users(project: Project) -> None:
    text = nginx(project, "--tls", "c.pem", "k.pem", "--basic-auth-file", "users")
    assert directives(text, "listen", "ssl_certificate", "ssl_certificate_key", "auth_basic_user_file") == [
        "listen 127.0.0.1:8080 ssl;",
        f'ssl_certificate "{project.folder}/c.pem";',
        f'ssl_certificate_key "{project.folder}/k.pem";',
        f'auth_basic_user_file "{project.folder}/users";',
    ]
