"""`--json`: one document on stdout with keys that stay; "why not this version"; and what starts without the network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from world import Corrupt, FakeIndex, build_sdist, build_wheel, pip_wheel
from world.backends import OWN_PYTHON, sdist
from world.cli import Ran
from world.project import Project

PY310, PY311 = "linux-x86_64-py310", "linux-x86_64-py311"
FOR = ("--target", PY310)


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    index.add(build_wheel("app", "1.0", requires=["lib<2", "leaf"]))
    index.add(build_wheel("lib", "1.0", requires=["leaf<2"]))
    index.add(build_wheel("lib", "2.0"))
    index.add(build_wheel("leaf", "1.0"))
    index.add(pip_wheel())
    return Project(tmp_path, index)


def document(ran: Ran) -> Any:
    """What stdout holds, all of it, of a command that did its job."""
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def size(project: Project, *names: str) -> int:
    found = {package["name"]: package["wheels"][0]["size"] for package in project.locked(PY310)["packages"]}
    return sum(found[name] for name in names or found)


def on_disk(project: Project, *names: str) -> int:
    found = project.locked(PY310)["tool"]["wheelhouse"]["installed"]
    return sum(found[name] for name in names or found)


def test_lock_tells_what_was_locked(project: Project) -> None:
    assert document(project.lock("app", *FOR, "--json")) == {
        "locks": [
            {
                "target": PY310,
                "path": f"lockfiles/pylock.{PY310}.toml",
                "packages": 3,
                "size": size(project),
                "installed": on_disk(project),
                "bundle": size(project) + len(pip_wheel().content),
                "held-back": [],
                "stand-in": None,
            }
        ]
    }


def test_tree_tells_what_is_built_before_and_after_it_was(project: Project, index: FakeIndex) -> None:
    index.add(sdist("made", "1.0", metadata_version="2.2"))
    label = f"linux-x86_64-{OWN_PYTHON}"
    assert project.lock("leaf", "made", "--from-sdist", "made", "--target", label).code == 0
    assert project.run("fetch").code == 0
    for path in (project.path(label), project.folder / "wheels" / label / "pylock.toml"):
        (lock,) = document(project.run("tree", path, "--json"))["locks"]
        assert {each["name"]: each["built"] for each in lock["packages"]} == {"leaf": False, "made": True}


def test_lock_tells_what_is_held_back(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("leaf", "1.5", tag="cp310-cp310-manylinux_2_39_x86_64"))
    (lock,) = document(project.lock("app", *FOR, "--json"))["locks"]
    reason = "is for another platform (`cp310-cp310-manylinux_2_39_x86_64`)"
    assert lock["held-back"] == [{"name": "leaf", "version": "1.0", "newer": "1.5", "reason": reason}]


def test_what_failed_stays_on_stderr_and_the_rest_is_in_the_document(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("native", "1.0", tag="cp310-cp310-manylinux2014_x86_64"))
    ran = project.lock("native", *FOR, "--target", PY311, "--json")
    assert (ran.code, [lock["target"] for lock in json.loads(ran.out)["locks"]]) == (1, [PY310])
    assert "error: " in ran.err
    ran = project.lock("nosuch", *FOR, "--json")
    assert (ran.code, json.loads(ran.out)) == (1, {"locks": []})
    ran = project.lock("app", "--json")
    assert (ran.code, ran.out) == (2, "")


def test_fetch_bundle_and_build_tell_what_was_laid_out(project: Project) -> None:
    assert project.lock("app", *FOR).code == 0
    facts = {"target": PY310, "wheels": 4, "size": size(project) + len(pip_wheel().content)}
    assert document(project.run("fetch", "--json")) == {"folders": [{**facts, "path": f"wheels/{PY310}"}]}
    assert document(project.run("bundle", "--json")) == {"bundles": [{**facts, "path": f"bundles/{PY310}"}]}
    tar = {"bundles": [{**facts, "path": f"bundles/{PY310}.tar"}]}
    assert document(project.run("bundle", "--tar", "--json")) == tar
    assert document(project.build("app", *FOR, "--json")) == {"bundles": [{**facts, "path": f"bundles/{PY310}"}]}
    assert document(project.run("verify", "--json")) == {
        "good": [f"wheels/{PY310}", f"bundles/{PY310}", f"bundles/{PY310}.tar"]
    }


def test_verify_tells_what_is_good_beside_what_is_not(project: Project) -> None:
    assert project.build("app", *FOR).code == 0
    (project.folder / "bundles" / PY310 / "README.txt").write_text("changed")
    ran = project.run("verify", "--json")
    assert (ran.code, json.loads(ran.out)) == (1, {"good": [f"wheels/{PY310}"]})
    assert ran.err.startswith(f"error: `bundles/{PY310}` is damaged\n")


def test_a_fetch_that_fails_has_an_empty_document(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *FOR).code == 0
    (leaf,) = index.projects["leaf"]
    index.fault(f"{leaf.filename}$", Corrupt(), times=None)
    ran = project.run("fetch", "--json")
    assert (ran.code, json.loads(ran.out)) == (1, {"folders": []})
    assert f"`{leaf.filename}` is " in ran.err


def test_tree_tells_every_pin(project: Project) -> None:
    assert project.lock("app", *FOR).code == 0
    (lock,) = document(project.run("tree", "--json"))["locks"]
    assert (lock["target"], lock["path"]) == (PY310, f"lockfiles/pylock.{PY310}.toml")
    assert (lock["roots"], lock["size"], lock["installed"]) == (["app"], size(project), on_disk(project))
    app = lock["packages"][0]
    assert app == {
        "name": "app",
        "version": "1.0",
        "file": "app-1.0-py3-none-any.whl",
        "size": size(project, "app"),
        "installed": on_disk(project, "app"),
        "sha256": project.locked(PY310)["packages"][0]["wheels"][0]["hashes"]["sha256"],
        "index": "http://INDEX/simple",
        "built": False,
        "dependencies": ["leaf", "lib"],
    }


def test_why_tells_the_chain_and_who_asks(project: Project) -> None:
    assert project.lock("app", "-c", constraints(project, "leaf<9"), *FOR).code == 0
    found = document(project.run("why", "LEAF", "--json"))
    assert found["name"] == "leaf"
    assert found["locks"] == [
        {
            "target": PY310,
            "path": f"lockfiles/pylock.{PY310}.toml",
            "version": "1.0",
            "chain": ["app", "leaf"],
            "required-by": [
                {"by": "app", "requirement": "leaf"},
                {"by": "lib", "requirement": "leaf<2"},
                {"by": "(constraint)", "requirement": "leaf<9"},
            ],
            "held-back": None,
        }
    ]
    assert project.run("why", "leaf").out.splitlines()[-1] == "  limited by the constraint `leaf<9`"


def test_why_tells_who_asked_by_null_and_what_is_held_back(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("leaf", "1.5", tag="cp310-cp310-manylinux_2_39_x86_64"))
    assert project.lock("leaf", *FOR).code == 0
    (lock,) = document(project.run("why", "leaf", "--json"))["locks"]
    assert lock["required-by"] == [{"by": None, "requirement": "leaf"}]
    reason = "is for another platform (`cp310-cp310-manylinux_2_39_x86_64`)"
    assert lock["held-back"] == {"newer": "1.5", "reason": reason}


def test_check_tells_each_lock_and_its_path(project: Project) -> None:
    assert project.lock("leaf", *FOR, "--target", PY311).code == 0
    paths = [f"lockfiles/pylock.{label}.toml" for label in (PY310, PY311)]
    assert document(project.run("check", "--json")) == {
        "locks": [
            {"target": PY310, "path": paths[0], "findings": []},
            {"target": PY311, "path": paths[1], "findings": []},
        ]
    }
    told = project.run("check").out
    assert told == "".join([project.run("check", paths[0]).out, "\n", project.run("check", paths[1]).out])


def constraints(project: Project, text: str) -> str:
    (project.folder / "c.txt").write_text(f"{text}\n")
    return "c.txt"


def test_diff_as_a_table_and_as_a_document(project: Project) -> None:
    assert project.lock("app", *FOR, "--lock-dir", "old").code == 0
    assert project.lock("lib", *FOR).code == 0
    paths = [f"{folder}/pylock.{PY310}.toml" for folder in ("old", "lockfiles")]
    ran = project.run("diff", *paths)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert [line.split()[:4] for line in lines[:-1]] == [
        ["removed", "app", "1.0", "-"],
        ["removed", "leaf", "1.0", "-"],
        ["upgraded", "lib", "1.0", "2.0"],
    ]
    assert lines[-1].startswith("3 packages, then 1; ")
    found = document(project.run("diff", *paths, "--json"))
    assert found["old"] == {"target": PY310, "packages": 3, "size": found["old"]["size"]}
    assert [each["kind"] for each in found["changes"]] == ["removed", "removed", "upgraded"]
    assert project.run("diff", paths[0], paths[0]).out == "no difference; 3 packages\n"


def test_targets_tell_what_a_label_means(project: Project) -> None:
    (found,) = document(project.run("targets", "py3.10.12-amd64-linux-cu121-rhel8.9", "--json"))["targets"]
    tags = found.pop("tags")
    assert tags[0] == "cp310-cp310-manylinux_2_28_x86_64"
    assert found == {
        "label": "linux-x86_64-cu121-py3.10.12",
        "lock": "pylock.linux-x86_64-cu121-py3_10_12.toml",
        "os": "linux",
        "arch": "x86_64",
        "accelerator": "cu121",
        "python": "3.10",
        "patches": ["3.10.12"],
        "free-threaded": False,
        "libc": "glibc 2.28",
        "macos": None,
        "driver": None,
        "gpu": None,
    }
    parts = document(project.run("targets", "--json"))["parts"]
    assert parts[0] == {"part": "OS", "values": "linux, windows, macos (macos14)"}


def test_targets_tell_every_part_that_a_label_names(project: Project) -> None:
    label = "linux-x86_64-cu121-py313t-glibc2.28-driver535.104.05-sm80"
    macos = "macos13-arm64-py312"
    ours, mac = document(project.run("targets", label, macos, "--json"))["targets"]
    parts = ("os", "arch", "accelerator", "python", "free-threaded", "libc", "macos", "driver", "gpu")
    assert [ours[part] for part in parts] == [
        "linux", "x86_64", "cu121", "3.13", True, "glibc 2.28", None, "535.104.05", "sm80",
    ]  # fmt: skip
    assert [mac[part] for part in parts] == ["macos", "aarch64", None, "3.12", False, None, "13.0", None, None]


def test_cache_info_tells_counts_and_bytes(project: Project) -> None:
    assert project.lock("leaf", *FOR).code == 0
    assert project.run("fetch").code == 0
    found = document(project.run("cache", "info", "--json"))
    assert found["folder"] == str(project.folder / "cache")
    assert found["wheels"] == {"count": 2, "size": size(project) + len(pip_wheel().content)}
    assert found["unfinished"] == {"count": 0, "size": 0}


# Why not this version


def test_why_not_names_the_requirement_that_excludes_it(project: Project) -> None:
    assert project.lock("app", *FOR).code == 0
    ran = project.run("why", "lib==2.0", *project.indexes)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "lib 2.0 is not taken; the lock has 1.0\n  `app` requires `lib<2` (app 1.0 is in the lock)\n"
    assert project.run("why", "lib", "--not", "2", *project.indexes).out.splitlines()[1:] == ran.out.splitlines()[1:]
    found = document(project.run("why", "lib==2.0", *project.indexes, "--json"))
    assert (found["name"], found["version"]) == ("lib", "2.0")
    assert found["locks"] == [
        {
            "target": PY310,
            "path": f"lockfiles/pylock.{PY310}.toml",
            "locked": "1.0",
            "listed": ["2.0"],
            "refused": [],
            "excluded-by": [{"by": "app", "version": "1.0", "requirement": "lib<2"}],
            "needs": [],
            "note": None,
        }
    ]


def why_not(project: Project, text: str, *options: str) -> list[str]:
    """The lines below the first."""
    ran = project.run("why", text, *project.indexes, "--no-cache", *options)
    assert (ran.code, ran.err) == (0, "")
    return ran.out.splitlines()[1:]


def test_why_not_names_the_filter_that_refuses_its_files(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *FOR).code == 0
    index.add(build_wheel("leaf", "1.1", tag="cp311-cp311-manylinux2014_x86_64"))
    index.add(build_wheel("leaf", "1.2", requires_python=">=3.11"))
    index.add(build_sdist("leaf", "1.3"))
    index.add(build_wheel("leaf", "1.4"), yanked="broken")
    index.add(build_wheel("leaf", "1.5", tag="cp310-cp310-manylinux_2_39_x86_64"))
    index.add(build_wheel("leaf", "1.6"), upload_time="2025-05-01T00:00:00Z")
    assert why_not(project, "leaf==1.1") == [
        "  `leaf-1.1-cp311-cp311-manylinux2014_x86_64.whl` is for another Python (`cp311-cp311-manylinux2014_x86_64`)"
    ]
    index.add(build_sdist("leaf", "1.2", requires_python=">=3.11"))
    assert why_not(project, "leaf==1.2") == ["  `leaf-1.2-py3-none-any.whl` needs Python >=3.11 (so does another)"]
    assert why_not(project, "leaf==1.3") == ["  `leaf-1.3.tar.gz` is a source distribution"]
    assert why_not(project, "leaf==1.4") == ["  `leaf-1.4-py3-none-any.whl` was yanked (broken)"]
    assert why_not(project, "leaf==1.5") == [
        "  `leaf-1.5-cp310-cp310-manylinux_2_39_x86_64.whl` is for another platform"
        " (`cp310-cp310-manylinux_2_39_x86_64`)"
    ]
    assert why_not(project, "leaf==1.6", "--exclude-newer", "2025-01-01") == [
        "  `leaf-1.6-py3-none-any.whl` was uploaded on 2025-05-01, after `--exclude-newer`"
    ]


def test_why_not_tells_what_it_would_need(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *FOR).code == 0
    index.add(build_wheel("app", "2.0", requires=["lib>=2", "fresh"]))
    assert why_not(project, "app==2.0") == [
        "  it requires `lib>=2`; the lock has 1.0",
        "  it requires `fresh`; the lock has no such project",
    ]


def test_why_not_when_nothing_refuses_it(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *FOR).code == 0
    for version in ("0.9", "1.7", "1.8rc1"):
        index.add(build_wheel("leaf", version))
    assert why_not(project, "leaf==1.7") == [
        "  nothing refuses it: an earlier lock may keep 1.0; `--upgrade-package leaf` forgets that"
    ]
    assert why_not(project, "leaf==0.9") == [
        "  nothing refuses it: a newer version was there; to take it, ask for `leaf==0.9`"
    ]
    assert why_not(project, "leaf==1.8rc1") == [
        "  it is a pre-release, and none is asked for: `--pre`, or name it with `==`"
    ]
    assert why_not(project, "leaf==7") == ["  the index does not list this version; the newest that it lists is 1.8rc1"]
    assert why_not(project, "nosuch==7") == ["  no index lists `nosuch`"]
    assert project.run("why", "leaf==1.0", *project.indexes).out == "leaf 1.0 is in the lock\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["leaf>=1"], "error: `leaf>=1` is no project's name\n"),
        (["leaf==one"], "error: `one` is no version\n"),
        (["leaf", "--not", "1.*"], "error: `1.*` is no version\n"),
        (["leaf==1", "--not", "2"], "error: two versions are named\n"),
    ],
)
def test_what_cannot_be_asked(project: Project, arguments: list[str], told: str) -> None:
    ran = project.run("why", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(told)


# Start-up

_WATCHED = """
import sys
from wheelhouse.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
loaded = sorted({"httpx", "rich", "resolvelib", "nab_resolver", "urllib3"} & set(sys.modules))
sys.stderr.write(" ".join(loaded))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["tree"], ["why", "leaf"], ["targets", PY310], ["verify"], ["--version"],
        ["diff", f"lockfiles/pylock.{PY310}.toml", f"lockfiles/pylock.{PY310}.toml"],
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_what_shows_facts_starts_without_the_network_and_the_solver(project: Project, arguments: list[str]) -> None:
    assert project.build("app", *FOR).code == 0
    (project.folder / "wheelhouse.toml").write_text(f'targets = ["{PY310}"]\n')
    ran = subprocess.run(
        [sys.executable, "-c", _WATCHED, *arguments], cwd=project.folder, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout
