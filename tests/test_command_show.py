"""What the commands print: data on stdout, talk on stderr, and for bad input one sentence and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import FakeIndex, build_wheel, pip_wheel
from world.project import CLOSED, Project

from wheelhouse.outputs.sizes import readable

PY310, PY311 = "linux-x86_64-py310", "linux-x86_64-py311"
FOR = ("--target", PY310)
BOTH = ("--target", PY310, "--target", PY311)


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    index.add(build_wheel("app", "1.0", requires=["lib>=1", "leaf"]))
    index.add(build_wheel("lib", "1.0", requires=["leaf<2", 'old; python_version < "3.11"']))
    index.add(build_wheel("leaf", "1.0"))
    index.add(build_wheel("old", "1.0"))
    index.add(pip_wheel())
    return Project(tmp_path, index)


def sizes(project: Project, *names: str, label: str = PY310) -> list[str]:
    """The sizes of these projects' wheels as people read them, then that of all wheels of the lock."""
    found = {package["name"]: package["wheels"][0]["size"] for package in project.locked(label)["packages"]}
    installed = sum(project.locked(label)["tool"]["wheelhouse"]["installed"].values())
    total = f"{readable(sum(found.values()))}, {readable(installed)} installed"
    return [*(readable(found[name]) for name in names), total]


# tree and why


def test_the_tree_shows_each_branch_once(project: Project) -> None:
    assert project.lock("app", "lib", "--target", PY310).code == 0
    ran = project.run("tree")
    assert (ran.code, ran.err) == (0, "")
    app, lib, leaf, old, total = sizes(project, "app", "lib", "leaf", "old")
    assert ran.out == (
        f"app 1.0 ({app})\n├── leaf 1.0 ({leaf})\n└── lib 1.0 ({lib})\n    ├── leaf 1.0\n    └── old 1.0 ({old})\n"
        f"lib 1.0 (*)\n4 packages, {total}\n"
    )


def test_trees_of_several_locks_stand_below_their_labels(project: Project) -> None:
    assert project.lock("lib", *BOTH).code == 0
    ran = project.run("tree")
    lib, leaf, old, total = sizes(project, "lib", "leaf", "old")
    of_311 = f"lib 1.0 ({lib})\n└── leaf 1.0 ({leaf})\n2 packages, {sizes(project, label=PY311)[0]}\n"
    of_310 = f"lib 1.0 ({lib})\n├── leaf 1.0 ({leaf})\n└── old 1.0 ({old})\n3 packages, {total}\n"
    assert ran.out == f"{PY310}:\n{of_310}{PY311}:\n{of_311}"
    assert project.run("tree", "--target", PY311).out == of_311
    assert project.run("tree", f"lockfiles/pylock.{PY311}.toml").out == of_311


def test_why_gives_the_chain_and_everyone_who_asks(project: Project) -> None:
    assert project.lock("app", *BOTH).code == 0
    ran = project.run("why", "LEAF", "--target", PY310)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "leaf 1.0\n  app -> leaf\n  `app` requires `leaf`\n  `lib` requires `leaf<2`\n"
    assert project.run("why", "app", "--target", PY310).out == "app 1.0\n  app\n  asked for as `app`\n"
    assert project.run("why", "old").out == f"{PY310}:\nold 1.0\n  app -> lib -> old\n  `lib` requires `old`\n"


def test_why_of_what_no_lock_has_is_wrong_usage(project: Project) -> None:
    assert project.lock("lib", "--target", PY311).code == 0
    ran = project.run("why", "old")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: no lock has a project named `old`\n\nhint: `wheelhouse tree` shows what there is\n"


# targets


def test_targets_explains_a_label_and_how_labels_are_made(project: Project) -> None:
    ran = project.run("targets", "py3.10-amd64-linux-cu121")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "linux-x86_64-cu121-py310"
    assert lines[1] == "  lock file      pylock.linux-x86_64-cu121-py310.toml"
    assert "  accelerator    cu121" in lines
    assert project.run("targets").out.startswith(
        "OS-ARCH-ACCELERATOR-PYTHON[-LIBC][-DRIVER][-GPU], in any order:\n  OS             linux, windows, macos"
    )
    ran = project.run("targets", "linus-x86_64-py310")
    assert (ran.code, ran.out) == (2, "")


# cache


def test_cache_info_and_prune(project: Project) -> None:
    assert project.lock("leaf", "--target", PY310).code == 0
    assert project.run("fetch").code == 0
    size = len(build_wheel("leaf", "1.0").content) + len(pip_wheel().content)
    ran = project.run("cache", "info")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == f"folder: {project.folder / 'cache'}"
    assert lines[1] == f"wheels: 2 ({size / 1e6:.1f} MB)"
    assert lines[2] == "unfinished: 0 (0 bytes)"
    assert lines[3].startswith("pages and metadata: 5 (")

    ran = project.run("cache", "prune")  # the lock names both wheels
    assert ran.out.splitlines()[0] == "removed 0 wheels (0 bytes), 0 unfinished"
    assert ran.out.splitlines()[1].startswith("removed 5 pages and metadata files (")
    ran = project.run("cache", "prune", "--all")
    assert (
        ran.out
        == f"removed 2 wheels ({size / 1e6:.1f} MB), 0 unfinished\nremoved 0 pages and metadata files (0 bytes)\n"
        "removed sdists and what was built of them (0 bytes)\n"
    )
    assert project.run("verify", f"wheels/{PY310}").code == 0  # wheel folders keep their own links


def test_cache_prune_keeps_nothing_that_no_lock_names(project: Project) -> None:
    assert project.lock("leaf", "--target", PY310).code == 0
    assert project.run("fetch").code == 0
    project.path(PY310).unlink()
    assert project.run("cache", "prune").out.startswith("removed 2 wheels (")


def test_cache_prune_stops_at_a_lock_that_it_cannot_read(project: Project) -> None:
    assert project.lock("leaf", "--target", PY310).code == 0
    assert project.run("fetch").code == 0
    project.path(PY311).write_text("damaged")
    ran = project.run("cache", "prune")
    assert (ran.code, ran.out) == (1, "")
    assert project.run("cache", "info").out.splitlines()[1].startswith("wheels: 2 (")


# Options and variables


def test_variables_stand_for_options(project: Project, index: FakeIndex) -> None:
    (project.folder / "wanted.txt").write_text("leaf\n")
    ran = project.run(
        "build",
        WHEELHOUSE_TARGET=f"{PY310} {PY311}",
        WHEELHOUSE_REQUIREMENT="wanted.txt",
        WHEELHOUSE_INDEX_URL=index.simple,
        WHEELHOUSE_LOCK_DIR="l",
        WHEELHOUSE_WHEEL_DIR="w",
        WHEELHOUSE_OUTPUT="b",
        WHEELHOUSE_CACHE_DIR=str(project.folder / "c"),
        WHEELHOUSE_TAR="1",
    )
    assert (ran.code, ran.out) == (0, f"b/{PY310}.tar\nb/{PY311}.tar\n")
    assert sorted(path.name for path in project.folder.iterdir()) == ["b", "c", "l", "w", "wanted.txt"]


def test_what_is_typed_wins_over_a_variable(project: Project) -> None:
    ran = project.lock("leaf", "--target", PY310, WHEELHOUSE_TARGET=PY311, WHEELHOUSE_INDEX_URL=f"{CLOSED}/simple")
    assert (ran.code, ran.out) == (0, f"lockfiles/pylock.{PY310}.toml\n")


def test_a_variable_that_cannot_be_meant_is_wrong_usage(project: Project) -> None:
    ran = project.lock("leaf", "--target", PY310, WHEELHOUSE_OFFLINE="perhaps")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")


def test_quiet_leaves_warnings_and_errors(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("leaf", "3.0"), upload_time=None)
    ran = project.lock("leaf", "--target", PY310, "--quiet", "--exclude-newer", "2025-01-01")
    assert (ran.code, ran.out) == (0, f"lockfiles/pylock.{PY310}.toml\n")
    assert ran.err == "warning: `INDEX` lists files without an upload time, which `--exclude-newer` refuses\n"
    assert project.run("fetch", "-q").err == ""
    assert project.run("fetch", WHEELHOUSE_QUIET="1").err == ""
    assert project.lock("nosuch", "--target", PY310, "-q").err.startswith("error: no index lists")


def test_verbose_tells_more_and_stdout_stays_the_same(project: Project, index: FakeIndex) -> None:
    index.ranges = False
    index.add(build_wheel("bare", "1.0"), metadata=False)
    ran = project.lock("bare", "--target", PY310, "--verbose")
    assert (ran.code, ran.out) == (0, f"lockfiles/pylock.{PY310}.toml\n")
    quiet = project.lock("bare", "--target", PY310, "--no-cache")
    assert quiet.out == ran.out
    assert set(quiet.err.splitlines()) <= set(ran.err.splitlines())


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}, {}])
def test_nothing_is_coloured_where_there_is_no_terminal(project: Project, variables: dict[str, str]) -> None:
    ran = project.lock("nosuch", "--target", PY310, **variables)
    assert "\x1b" not in ran.out + ran.err


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["xyzzy"], 2, "error: no such command `xyzzy`\n\nhint: `wheelhouse --help`\n"),
        (["frob"], 2, "error: no such command `frob` (did you mean `probe`?)\n\nhint: `wheelhouse --help`\n"),
        (["why"], 2, "error: missing argument `NAME`\n\nhint: `wheelhouse why --help`\n"),
        (
            ["lock", "--taget"], 2,
            "error: no such option `--taget` (did you mean one of: `--accept`, `--cert`, `--target`?)\n"
            "\nhint: `wheelhouse lock --help`\n",
        ),
        (["lock", "--target"], 2, "error: option `--target` requires an argument\n\nhint: `wheelhouse --help`\n"),
        (["lock", "x", "--torch-index", "conda"], 2, "error: invalid value for `--torch-index`: `conda` is not one of"),
        (["lock", "x", "--index-url", "http://h:99999/", *FOR], 2, "error: `http://h:99999/` is no index URL\n"),
        (["lock", "x", "--index-url", "http://me:secret@[::1", *FOR], 2, "error: `[::1` is no index URL\n"),
        (["lock", "x", "--extra-index-url", "nowhere", *FOR], 2, "error: `nowhere` is no index URL\n"),
        (["lock", "x", "--pytorch-url", "nowhere", *FOR], 2, "error: `nowhere` is no index URL\n"),
        (["lock", "x", "--find-links", "nowhere", *FOR], 2, "error: the find-links folder `nowhere` does"),
        (["lock", "x", "--find-links", "~nobody-has-this/x", *FOR], 2, "error: the find-links folder `~nobody"),
        (["lock", "x", "--cert", "nowhere", *FOR], 2, "error: the certificate file `nowhere` does not exist\n"),
        (["lock", "x", "--proxy", "http://me:secret@[x", *FOR], 2, "error: `[x` is no proxy\n"),
        (["lock", "x", "--proxy", "socks5://host", *FOR], 2, "error: `socks5://host` is no proxy\n"),
        (["lock", "x", "--cert", "x" * 300, *FOR], 1, f"error: `{'x' * 300}`: file name too long\n"),
        (["verify", "x" * 300], 1, f"error: `{'x' * 300}`: file name too long\n"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_sentence(project: Project, arguments: list[str], code: int, told: str) -> None:
    ran = project.run(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(told)
    assert "secret" not in ran.err


_WORDS = st.one_of(
    st.sampled_from(
        [
            "lock", "fetch", "bundle", "build", "verify", "tree", "why", "targets", "cache", "info", "prune", "--help",
            "diff", "--json", "--extra", "--group", "--all-extras", "--config", "--no-config", "--keyring", "--not",
            "x==1.0", "uv.lock", "pyproject.toml", "run.py", "--from-sdist",
            "--target", "--quiet", "--offline", "--upgrade", "--lock-dir", "-r", "-c", "--exclude-newer", "--jobs",
            "--allow-older", "--find-links", "--index-url", "--extra-index-url", "--tar", "--pre", "--proxy", "--cert",
            "--torch-index", "pypi", PY310, "linux-x86_64-cu121-py310", "macos-arm64-py312", "torch", "torch==2.1.2",
            "x[y]>=1; python_version < '3'", "x @ file:///x", "-", "--", "", ".", "2024-01-01", ":all:", "0", "-1",
            "http://[", "http://127.0.0.1:1/simple", "https://user:pass@x.invalid/", "file:///nowhere", "wanted.txt",
            "lockfiles/pylock.x.toml",
        ]
    ),
    st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), max_size=12),
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(["lock", "build", "fetch", "verify", "tree", "why", "targets", "bundle", "cache",
                                "diff"]),
       words=st.lists(_WORDS, max_size=6))  # fmt: skip
def test_no_arguments_whatever_give_a_traceback(project: Project, command: str, words: list[str]) -> None:
    """`wheelhouse` of the test world fails on one; what is asked of indexes ends at a closed port."""
    (project.folder / "wanted.txt").write_text("leaf\n")
    ran = project.run(
        command, *words, WHEELHOUSE_TARGET=PY310, WHEELHOUSE_INDEX_URL=f"{CLOSED}/simple",
        WHEELHOUSE_PYTORCH_URL=f"{CLOSED}/whl",
    )  # fmt: skip
    assert ran.code in (0, 1, 2)
    if ran.code != 0:
        assert ran.err.startswith(("error: ", "Usage: ", "reading ", "warning: "))


@pytest.mark.parametrize(
    ("encoding", "branch"), [("cp1252", b"??? leaf 1.0"), ("cp949", "├── leaf 1.0".encode("cp949"))]
)
def test_a_code_page_without_box_characters_gets_the_tree_all_the_same(
    project: Project, encoding: str, branch: bytes
) -> None:
    """Windows, where stdout is a pipe."""
    assert project.lock("app", "--target", PY310).code == 0
    app, leaf, _ = sizes(project, "app", "leaf")
    ran = subprocess.run(
        [sys.executable, "-m", "wheelhouse", "tree"],
        cwd=project.folder, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.splitlines()[:2] == [b"app 1.0 (" + app.encode() + b")", branch + b" (" + leaf.encode() + b")"]


def test_a_reader_that_goes_away_is_no_error(project: Project) -> None:
    assert project.lock("app", "--target", PY310).code == 0
    command = f"{sys.executable} -m wheelhouse tree | true"
    ran = subprocess.run(["sh", "-c", command], cwd=project.folder, capture_output=True, text=True)
    assert ran.stderr == ""
