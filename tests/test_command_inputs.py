"""Projects, scripts and locks of other tools as inputs, and servers that want a password."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from world import FakeIndex, Listed, build_wheel, pip_wheel
from world.project import CLOSED, Project

PY310, PY311 = "linux-x86_64-py310", "linux-x86_64-py311"
FOR = ("--target", PY310)
LOCKED = f"lockfiles/pylock.{PY310}.toml\n"


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    for name in ("app", "lib", "plot", "lint"):
        index.add(build_wheel(name, "1.0"))
        index.add(build_wheel(name, "2.0"))
    index.add(pip_wheel())
    return Project(tmp_path, index)


def write(project: Project, name: str, text: str) -> None:
    (project.folder / name).parent.mkdir(exist_ok=True)
    (project.folder / name).write_text(text)


# pyproject.toml and scripts

PROJECT = """
[project]
name = "demo"
version = "1"
requires-python = ">=3.10"
dependencies = ["app<2"]
[project.optional-dependencies]
plot = ["plot"]
fast = ["lib<2"]
[dependency-groups]
dev = ["lint<2"]
"""


def test_a_project_is_read_with_its_extras_and_groups(project: Project) -> None:
    write(project, "sub/pyproject.toml", PROJECT)
    file = ("-r", "sub/pyproject.toml")
    assert project.lock(*file, *FOR).out == LOCKED
    assert project.pins(PY310) == {"app": "1.0"}
    assert project.lock(*file, "--extra", "plot", "--group", "dev", *FOR).code == 0
    assert project.pins(PY310) == {"app": "1.0", "lint": "1.0", "plot": "2.0"}
    assert project.lock(*file, "--all-extras", *FOR).code == 0
    assert project.pins(PY310) == {"app": "1.0", "lib": "1.0", "plot": "2.0"}
    ran = project.lock(*file, "--extra", "polt", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `sub/pyproject.toml`: `project.optional-dependencies` has no extra `polt`\n"
        "\nhint: it has `plot`, `fast`\n"
    )


def test_a_project_in_the_folder_counts_where_nothing_else_does(project: Project) -> None:
    write(project, "pyproject.toml", PROJECT)
    ran = project.lock(*FOR)
    assert (ran.code, ran.err.splitlines()[0]) == (0, "reading `pyproject.toml`")
    write(project, "requirements.txt", "lib\n")
    assert project.lock(*FOR).err.splitlines()[0] == "reading `requirements.txt`"
    ran = project.lock("--group", "dev", *FOR)  # only a project has groups
    assert (ran.code, ran.err.splitlines()[0]) == (0, "reading `pyproject.toml`")
    assert project.pins(PY310) == {"app": "1.0", "lint": "1.0"}


def test_a_pyproject_without_a_project_is_not_taken_for_one(project: Project) -> None:
    write(project, "pyproject.toml", "[tool.black]\nline-length = 100\n")
    ran = project.lock(*FOR)
    assert (ran.code, ran.err.splitlines()[0][:25]) == (2, "error: nothing to lock: n")


def test_a_target_outside_requires_python_names_both(project: Project) -> None:
    write(project, "pyproject.toml", PROJECT.replace(">=3.10", ">=3.11"))
    ran = project.lock(*FOR, "--target", PY311)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "reading `pyproject.toml`\n"
        f"error: `pyproject.toml` needs Python >=3.11, and the target `{PY310}` is for 3.10\n"
        f"\nhint: name a target with another Python: `--target {PY311}`\n"
    )


def test_what_other_tools_are_told_is_noted(project: Project) -> None:
    write(project, "pyproject.toml", PROJECT + '[tool.uv]\nindex-url = "https://elsewhere.test"\n')
    ran = project.lock("--verbose", *FOR)
    assert "`tool.uv.index-url` of `pyproject.toml` is not followed\n" in ran.err
    assert "tool.uv" not in project.lock(*FOR).err


def test_a_script_says_itself_what_it_needs(project: Project) -> None:
    write(project, "run.py", '# /// script\n# requires-python = ">=3.8"\n# dependencies = ["lib<2"]\n# ///\nprint(1)\n')
    assert project.lock("-r", "run.py", *FOR).out == LOCKED
    assert project.pins(PY310) == {"lib": "1.0"}


def test_extras_and_groups_want_a_project(project: Project) -> None:
    ran = project.lock("app", "--extra", "plot", *FOR)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: `--extra plot` names a part of a project, and no pyproject.toml is read\n"
        "\nhint: `-r pyproject.toml --extra plot`\n"
    )
    assert project.lock("app", "--all-extras", *FOR).code == 2


def test_a_lock_is_not_resolved_again(project: Project) -> None:
    write(project, "uv.lock", "version = 1\n")
    ran = project.lock("-r", "uv.lock", *FOR)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: `uv.lock` is a lock: there is nothing to resolve in it\n"
        "\nhint: `wheelhouse fetch uv.lock --target LABEL` takes what it pins, and `bundle` after it\n"
    )


# Locks of other tools


def uv_lock(index: FakeIndex, **wheels: Listed) -> str:
    """A `uv.lock` of a project that asks for these, each by its one wheel; no size is told."""
    root = ["[[package]]", 'name = "demo"', 'version = "1"', 'source = { virtual = "." }', "dependencies = ["]
    root += [f'    {{ name = "{name}" }},' for name in wheels] + ["]"]
    packages = [
        f'[[package]]\nname = "{name}"\nversion = "{listed.filename.split("-")[1]}"\n'
        f'source = {{ registry = "{index.simple}" }}\n'
        f'wheels = [{{ url = "{listed.url}", hash = "sha256:{listed.digest}" }}]\n'
        for name, listed in wheels.items()
    ]
    return "\n".join(['version = 1\nrequires-python = ">=3.10"\n', *packages, *root, ""])


def listed(index: FakeIndex, filename: str) -> Listed:
    return next(each for each in index.projects[filename.split("-")[0]] if each.filename == filename)


@pytest.fixture
def theirs(project: Project, index: FakeIndex) -> Project:
    """`uv.lock` pins the old `app`."""
    write(project, "uv.lock", uv_lock(index, app=listed(index, "app-1.0-py3-none-any.whl")))
    return project


def test_a_lock_of_uv_is_fetched_and_bundled_for_each_target(theirs: Project, index: FakeIndex) -> None:
    both = (*FOR, "--target", PY311)
    ran = theirs.run("fetch", "uv.lock", *both, "--index-url", index.simple)
    assert (ran.code, ran.out) == (0, f"wheels/{PY310}\nwheels/{PY311}\n")
    names = {path.name for path in (theirs.folder / "wheels" / PY310).glob("*.whl")}
    assert names == {"app-1.0-py3-none-any.whl", pip_wheel().filename}
    assert index.asked("/simple/app/") == []  # what it pins is what counts
    ran = theirs.run("bundle", "uv.lock", *both)
    assert (ran.code, ran.out) == (0, f"bundles/{PY310}\nbundles/{PY311}\n")
    assert theirs.run("verify").code == 0
    text = (theirs.folder / "bundles" / PY310 / "pylock.toml").read_text()
    assert f"size = {len(listed(index, 'app-1.0-py3-none-any.whl').content)}" in text  # the server told it
    assert not (theirs.folder / "lockfiles").exists()


def test_a_second_fetch_of_their_lock_asks_nobody(theirs: Project, index: FakeIndex) -> None:
    assert theirs.run("fetch", "uv.lock", *FOR, "--index-url", index.simple).code == 0
    index.add(build_wheel("pip", "99.0"))
    index.reset()
    ran = theirs.run("fetch", "uv.lock", *FOR, "--index-url", f"{CLOSED}/simple")
    assert (ran.code, ran.out, index.requests) == (0, f"wheels/{PY310}\n", [])


def test_a_standard_lock_of_others_is_taken_too(project: Project, index: FakeIndex) -> None:
    lib = listed(index, "lib-1.0-py3-none-any.whl")
    write(
        project,
        "pylock.theirs.toml",
        'lock-version = "1.0"\ncreated-by = "somebody"\n[[packages]]\nname = "lib"\nversion = "1.0"\n'
        f'[[packages.wheels]]\nurl = "{lib.url}"\nhashes = {{ sha256 = "{lib.digest}" }}\n',
    )
    ran = project.run("build", "lib")
    assert ran.code == 2  # without a target there is no build
    assert project.run("fetch", "pylock.theirs.toml", *FOR, "--index-url", index.simple).code == 0
    assert project.run("bundle", "pylock.theirs.toml", *FOR).out == f"bundles/{PY310}\n"
    assert project.run("tree", "pylock.theirs.toml", *FOR).out == "lib 1.0\n1 package\n"


def test_their_lock_is_compared_for_the_target_that_is_named(project: Project) -> None:
    assert project.lock("app<2", *FOR).code == 0
    ours = project.path(PY310).read_text()
    write(project, "pylock.toml", ours[: ours.index("[tool.wheelhouse]")])
    assert project.lock("app", "--upgrade", *FOR).code == 0
    ran = project.run("diff", "pylock.toml", f"lockfiles/pylock.{PY310}.toml", *FOR, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found["old"]["target"], found["new"]["target"]) == (PY310, PY310)
    assert [(each["name"], each["kind"]) for each in found["changes"]] == [("app", "upgraded")]
    ran = project.run("diff", "pylock.toml", f"lockfiles/pylock.{PY310}.toml")
    assert (ran.code, ran.out) == (2, "")


def test_their_lock_wants_a_target(theirs: Project, index: FakeIndex) -> None:
    ran = theirs.run("fetch", "uv.lock")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: `uv.lock` is a lock that another tool wrote, and no target is named\n"
        "\nhint: say which machine it is for: `wheelhouse fetch uv.lock --target linux-x86_64-cu121-py310`\n"
    )
    write(theirs, "wheelhouse.toml", f'targets = ["{PY310}"]\nindex-url = "{index.simple}"\n')
    assert theirs.run("fetch", "uv.lock").out == f"wheels/{PY310}\n"


def test_their_lock_is_bundled_after_it_was_fetched(theirs: Project, index: FakeIndex) -> None:
    ran = theirs.run("bundle", "uv.lock", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: `uv.lock` is not fetched for `{PY310}`\n\nhint: `wheelhouse fetch uv.lock --target {PY310}`\n"
    )
    assert theirs.run("fetch", "uv.lock", *FOR, "--index-url", index.simple).code == 0
    write(theirs, "uv.lock", uv_lock(index, lib=listed(index, "lib-1.0-py3-none-any.whl")))  # another lock by now
    assert theirs.run("bundle", "uv.lock", *FOR).code == 1


def test_what_cannot_be_taken_is_told(project: Project, index: FakeIndex) -> None:
    native = index.add(build_wheel("native", "1.0", tag="cp311-cp311-win_amd64"))
    write(project, "uv.lock", uv_lock(index, native=native))
    ran = project.run("fetch", "uv.lock", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(
        f"error: `uv.lock` cannot be taken for `{PY310}`:"
        " `native` 1.0 has no wheel that fits, only `cp311-cp311-win_amd64`\n"
    )


def test_targets_choose_among_locks_that_were_named(project: Project) -> None:
    assert project.lock("lib", *FOR, "--target", PY311).code == 0
    paths = [f"lockfiles/pylock.{label}.toml" for label in (PY310, PY311)]
    assert project.run("fetch", *paths, "--target", PY311).out == f"wheels/{PY311}\n"
    ran = project.run("fetch", paths[0], "--target", PY311)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"error: none of these locks is for `{PY311}`\n\nhint: they are for `{PY310}`\n"


# Credentials

SECRET = "s3cret-Passw0rd"


def leaks(folder: Path) -> list[str]:
    """The files below the folder, names and contents, that show the password."""
    found = [
        path
        for path in folder.rglob("*")
        if SECRET in path.name or (path.is_file() and SECRET.encode() in path.read_bytes())
    ]
    return [path.relative_to(folder).as_posix() for path in found]


@pytest.fixture
def guarded(tmp_path: Path) -> Project:
    index = FakeIndex(auth=("me", SECRET))
    index.add(build_wheel("app", "1.0", requires=["lib"]))
    index.add(build_wheel("lib", "1.0"), digest=False)
    index.add(pip_wheel())
    return Project(tmp_path, index)


def with_login(project: Project, login: str) -> str:
    return f"http://{login}@127.0.0.1:{project.default.port}/simple"


@pytest.mark.parametrize("way", ["typed", "requirements", "direct", "variable", "config"])
def test_a_password_in_a_url_is_used_and_never_shown(guarded: Project, way: str) -> None:
    with guarded.default:
        url = with_login(guarded, f"me:{SECRET}")
        typed: list[str] = ["app"]
        variables: dict[str, str] = {}
        outside = guarded.folder.parent / f"{guarded.folder.name}-outside"  # what the person wrote may show it
        outside.mkdir()
        if way == "typed":
            typed += ["--index-url", url]
        elif way == "requirements":
            (outside / "r.txt").write_text(f"--index-url {url}\napp\n")
            typed = ["-r", str(outside / "r.txt")]
        elif way == "direct":
            (wheel,) = guarded.default.projects["app"]  # type: ignore[attr-defined]
            typed = [f"app @ {wheel.url.replace('http://', f'http://me:{SECRET}@')}", "--index-url", url]
        elif way == "variable":
            variables["WHEELHOUSE_INDEX_URL"] = url
        else:
            (outside / "w.toml").write_text(f'index-url = "{url}"\n')
            typed += ["--config", str(outside / "w.toml"), "--lock-dir", "lockfiles", "--wheel-dir", "wheels"]
        ran = guarded.run("build", *typed, "--output", "bundles", *FOR, "--verbose", **variables)
        assert (ran.code, ran.out) == (0, f"bundles/{PY310}\n"), ran.err
        refused = guarded.run("lock", "app", "nosuch", "--index-url", url, *FOR, "--verbose")
        assert refused.code == 1
        assert SECRET not in ran.out + ran.err + refused.out + refused.err
        assert leaks(guarded.folder) == []


def test_netrc_knows_the_password(guarded: Project) -> None:
    with guarded.default:
        netrc = Path(os.environ["HOME"]) / ".netrc"
        netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
        try:
            ran = guarded.build("app", *FOR)
        finally:
            netrc.unlink()
        assert (ran.code, leaks(guarded.folder)) == (0, [])


def keyring_command(folder: Path, answers: str) -> str:
    """A `keyring` command for PATH that notes what it is asked, and answers for some services."""
    folder.mkdir()
    script = folder / "keyring"
    script.write_text(f'#!/bin/sh\necho "$@" >> "{folder}/asked"\ncase "$*" in\n{answers}\nesac\nexit 1\n')
    script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_the_keyring_command_is_asked_when_the_server_wants_a_password(guarded: Project) -> None:
    with guarded.default:
        outside = guarded.folder.parent / f"{guarded.folder.name}-keyring"
        url = with_login(guarded, "me")
        plain = url.replace("me@", "")
        path = keyring_command(outside, f'"get {plain} me") echo "{SECRET}"; exit 0;;')
        ran = guarded.run("build", "app", "--index-url", url, "--keyring", "subprocess", *FOR, "--verbose", PATH=path)
        assert (ran.code, ran.out) == (0, f"bundles/{PY310}\n"), ran.err
        assert (outside / "asked").read_text() == f"get {plain} me\n"  # once
        assert SECRET not in ran.err
        assert leaks(guarded.folder) == []


def test_without_a_user_the_command_tells_it_too_and_the_host_is_a_service(guarded: Project) -> None:
    with guarded.default:
        outside = guarded.folder.parent / f"{guarded.folder.name}-keyring"
        host = f"127.0.0.1:{guarded.default.port}"
        path = keyring_command(outside, f'"--mode creds get {host}") printf "me\\n{SECRET}\\n"; exit 0;;')
        settings = {"PATH": path, "PIP_KEYRING_PROVIDER": "subprocess"}
        assert guarded.lock("app", *FOR, **settings).code == 0
        asked = (outside / "asked").read_text().splitlines()
        assert asked == [f"--mode creds get http://{host}/simple", f"--mode creds get {host}"]


def test_the_keyring_is_not_asked_unless_it_is_allowed(guarded: Project) -> None:
    with guarded.default:
        outside = guarded.folder.parent / f"{guarded.folder.name}-keyring"
        path = keyring_command(outside, f"*) echo {SECRET}; exit 0;;")
        ran = guarded.lock("app", *FOR, PATH=path)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("error: `INDEX` refuses: 401 Unauthorized for `http://INDEX/simple/app/`\n")
        typed = guarded.lock("app", "--keyring", "disabled", *FOR, PATH=path, PIP_KEYRING_PROVIDER="subprocess")
        assert (typed.code, (outside / "asked").exists()) == (1, False)


def test_the_keyring_module_is_asked(guarded: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def get_credential(service: str, user: str | None) -> SimpleNamespace | None:
        return SimpleNamespace(username="me", password=SECRET) if service.endswith("/simple") else None

    module = ModuleType("keyring")
    module.get_credential = get_credential  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    with guarded.default:
        assert guarded.lock("app", "--keyring", "import", *FOR).code == 0


def test_a_keyring_that_is_not_there_is_said(guarded: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with guarded.default:
        ran = guarded.lock("app", "--keyring", "import", *FOR)
        assert ran.code == 1
        assert ran.err.startswith(
            "warning: the module `keyring` is not there to be asked for a password\n"
            "hint: put the name and the password into the index's URL or into ~/.netrc, or leave out `--keyring`\n"
            "error: `INDEX` refuses: 401 Unauthorized"
        )
