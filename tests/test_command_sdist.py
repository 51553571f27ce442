"""Source distributions from the command line: built only where somebody says so, once, and never on the other side."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock
from world import Corrupt, FakeIndex, build_sdist, build_wheel, pip_wheel
from world.backends import OWN_PYTHON, sdist
from world.bundles import here
from world.project import Project

from wheelhouse.edge import build, interpreters

LABEL = f"linux-x86_64-{OWN_PYTHON}"  # the Python that runs the tests is always there to build with
OTHER = f"windows-x86_64-{OWN_PYTHON}"
FOR = ("--target", LABEL)
ALPHA = ("alpha", "--from-sdist", "alpha", *FOR)
LOCKED = f"lockfiles/pylock.{LABEL}.toml\n"
OWN = "{}.{}.{}".format(*sys.version_info[:3])
WAYS_OUT = (
    "hint: to build it, which runs its code here: `--from-sdist {name}`\n"
    "hint: or build its wheel on a machine like the target and give its folder with `--find-links`\n"
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds that are compared begin two seconds apart; here nothing hangs on that."""
    monkeypatch.setattr(build, "_APART", 0.0)


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """The file that gets a line each time that code of an sdist runs."""
    return tmp_path / "marks"


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path, marks: Path) -> Project:
    """`alpha` with static metadata and `beta` with dynamic metadata, sdists only; both need `lib`."""
    index.add(sdist("alpha", "1.0", requires=["lib"], metadata_version="2.2", marks=marks))
    index.add(sdist("beta", "1.0", requires=["lib"], marks=marks))
    index.add(build_wheel("lib", "1.0"))
    index.add(pip_wheel())
    return Project(tmp_path, index)


def runs(marks: Path, word: str = "built") -> int:
    return marks.read_text().split().count(word) if marks.exists() else 0


def package(project: Project, name: str, label: str = LABEL) -> dict[str, Any]:
    return next(each for each in project.locked(label)["packages"] if each["name"] == name)


def failing(name: str) -> object:
    code = "for line in range(30): print('line', line)\nraise SystemExit('the compiler is missing')"
    return sdist(name, "1.0", metadata_version="2.2", code=code)


# lock


def test_only_an_sdist_is_refused_with_both_ways_out(project: Project, marks: Path) -> None:
    ran = project.lock("alpha", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `alpha` is only offered as source distributions, and none may be built\n"
        "  `alpha` was asked for\n"
        "  `alpha` 1.0: only a source distribution\n"
        "\n" + WAYS_OUT.format(name="alpha")
    )
    assert not marks.exists()


def test_static_metadata_is_locked_and_nothing_is_run(project: Project, marks: Path, index: FakeIndex) -> None:
    ran = project.lock(*ALPHA)
    assert (ran.code, ran.out) == (0, LOCKED)
    assert ran.err == f"locked 2 packages for `{LABEL}` in `lockfiles/pylock.{LABEL}.toml`\n"
    assert not marks.exists()
    listed = index.listed("alpha-1.0.tar.gz")
    assert package(project, "alpha") == {
        "name": "alpha",
        "version": "1.0",
        "dependencies": [{"name": "lib"}],
        "index": index.simple,
        "sdist": {
            "name": "alpha-1.0.tar.gz",
            "upload-time": datetime(2024, 1, 1, tzinfo=UTC),
            "url": listed.url,
            "size": len(listed.content),
            "hashes": {"sha256": listed.digest},
        },
    }
    Pylock.from_dict(tomllib.loads(project.path(LABEL).read_text("utf-8"))).validate()


def test_dynamic_metadata_is_asked_of_the_backend_said_and_kept(project: Project, marks: Path) -> None:
    asked = ("beta", "--from-sdist", "beta", *FOR)
    ran = project.lock(*asked)
    assert (ran.code, ran.out) == (0, LOCKED)
    assert ran.err == (
        "`beta-1.0.tar.gz` is run for its metadata, for its PKG-INFO and its pyproject.toml do not agree\n"
        f"building `beta-1.0.tar.gz` with Python {OWN}\n"
        f"locked 2 packages for `{LABEL}` in `lockfiles/pylock.{LABEL}.toml`\n"
    )
    assert project.pins(LABEL) == {"beta": "1.0", "lib": "1.0"}
    before, text = runs(marks, "loaded"), project.path(LABEL).read_bytes()
    assert before > 0
    ran = project.lock(*asked)
    assert ran.err == f"locked 2 packages for `{LABEL}` in `lockfiles/pylock.{LABEL}.toml`\n"
    assert (runs(marks, "loaded"), project.path(LABEL).read_bytes()) == (before, text)


def test_what_is_not_allowed_by_name_is_never_run(project: Project, index: FakeIndex, marks: Path) -> None:
    index.add(build_wheel("app", "1.0", requires=["beta"]))
    for options in ((), ("--from-sdist", "alpha"), ("--from-sdist", "app")):
        ran = project.lock("app", *options, *FOR)
        assert (ran.code, ran.out) == (1, "")
        assert "\n  `beta` is required by `app 1.0` <- asked for as `app`\n" in ran.err
        assert ran.err.endswith(WAYS_OUT.format(name="beta"))
    assert not marks.exists()
    assert index.asked("beta-1.0.tar.gz") == []


def test_everything_may_not_be_built_at_once(project: Project) -> None:
    ran = project.lock("alpha", "--from-sdist", ":all:", *FOR)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: `--from-sdist :all:` would run the code of projects that nobody named\n"
        "\nhint: name each that may be built: `--from-sdist NAME`\n"
    )


def test_a_fitting_wheel_comes_before_the_sdist_of_its_version(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("alpha", "1.0"))
    assert project.lock(*ALPHA).code == 0
    assert "sdist" not in package(project, "alpha")


def test_no_binary_builds_although_there_is_a_wheel(project: Project, index: FakeIndex) -> None:
    for version in ("1.0", "2.0"):
        index.add(build_wheel("both", version))
        index.add(sdist("both", version, metadata_version="2.2"))
    index.add(build_wheel("both", "3.0"))
    (project.folder / "r.txt").write_text("--no-binary both\nboth\n")
    assert project.lock("-r", "r.txt", *FOR).code == 0
    assert package(project, "both")["sdist"]["name"] == "both-2.0.tar.gz"
    ran = project.lock("-r", "r.txt", "both==3.0", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert "\n  `both` 3.0: is a wheel, and `--no-binary` wants it built\n" in ran.err


def test_a_pip_that_is_to_be_built_is_not_the_one_that_installs(project: Project, index: FakeIndex) -> None:
    index.add(build_sdist("pip", "99.0", metadata_version="2.2"))
    assert project.lock("lib", "--from-sdist", "pip", *FOR).code == 0
    assert project.locked(LABEL)["tool"]["wheelhouse"]["installer"]["wheel"]["name"] == pip_wheel().filename


def test_a_newer_release_that_is_only_an_sdist_is_taken_where_it_may_be_built(
    project: Project, index: FakeIndex
) -> None:
    index.add(build_wheel("alpha", "0.3.1"))
    ran = project.lock("alpha", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `alpha` 1.0 is only a source distribution; 0.3.1 is the newest with a wheel\n"
        "\n"
        "hint: to take the old release anyway: `--allow-older alpha`\n"
        "hint: to build the new one, which runs its code here: `--from-sdist alpha`\n"
    )
    assert project.lock(*ALPHA).code == 0
    assert project.pins(LABEL)["alpha"] == "1.0"
    assert "held-back" not in project.locked(LABEL)["tool"]["wheelhouse"]


def test_a_lock_keeps_its_version_until_it_is_told_otherwise(project: Project, index: FakeIndex) -> None:
    assert project.lock(*ALPHA).code == 0
    text = project.path(LABEL).read_bytes()
    index.add(sdist("alpha", "2.0", metadata_version="2.2"))
    assert project.lock(*ALPHA, "--no-cache").code == 0
    assert project.path(LABEL).read_bytes() == text
    assert project.lock(*ALPHA, "--upgrade-package", "alpha").code == 0
    assert project.pins(LABEL) == {"alpha": "2.0"}


def test_offline_what_was_seen_does_and_nothing_is_built(project: Project, index: FakeIndex, marks: Path) -> None:
    index.add(sdist("gamma", "1.0", requires=["lib"], marks=marks))
    ran = project.lock(*ALPHA, "--offline")
    assert (ran.code, ran.out) == (1, "")
    both = ("alpha", "gamma", "--from-sdist", "alpha", "--from-sdist", "gamma")
    assert project.lock(*both, *FOR).code == 0
    before = runs(marks, "loaded")
    index.reset()
    assert project.lock(*both, *FOR, "--offline").code == 0
    ran = project.lock(*both, "--target", OTHER, "--offline")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: what the build of `gamma-1.0.tar.gz` says of it is not in the cache, and `--offline` forbids to ask"
        " for it\n\nhint: run the same command once without `--offline`\n"
    )
    ran = project.build(*both, *FOR, "--offline")
    assert (ran.code, ran.out) == (1, "")
    assert "error: the wheel of `alpha-1.0.tar.gz` is not in the cache, and `--offline` forbids" in ran.err
    assert runs(marks, "loaded") == before
    assert [request.path for request in index.requests if "alpha" in request.path] == []


def test_other_bytes_than_the_index_promises_are_asked_for_again_and_then_refused(
    project: Project, index: FakeIndex, marks: Path
) -> None:
    index.fault("beta-1.0.tar.gz$", Corrupt(), times=1)
    assert project.lock("beta", "--from-sdist", "beta", *FOR).code == 0
    index.fault("alpha-1.0.tar.gz$", Corrupt(), times=None)
    before = runs(marks, "loaded")
    ran = project.lock(*ALPHA)
    assert (ran.code, ran.out) == (1, "")
    right = index.listed("alpha-1.0.tar.gz").digest
    assert re.fullmatch(
        rf"error: `alpha-1\.0\.tar\.gz` is sha256:[0-9a-f]{{64}}, but its index says sha256:{right}\n"
        r"\nhint: run the same command again; [^\n]*\n",
        ran.err,
    )
    assert len(index.asked("alpha-1.0.tar.gz")) == 2
    assert runs(marks, "loaded") == before


def test_a_digest_that_no_page_tells_is_computed(project: Project, index: FakeIndex) -> None:
    listed = index.add(sdist("plain", "1.0", metadata_version="2.2"), digest=False, size=False)
    assert project.lock("plain", "--from-sdist", "plain", *FOR).code == 0
    found = package(project, "plain")["sdist"]
    assert (found["size"], len(found["hashes"]["sha256"])) == (len(listed.content), 64)
    assert project.locked(LABEL)["tool"]["wheelhouse"]["computed-hashes"] == ["plain-1.0.tar.gz"]


# What shows a lock


def test_locks_with_sdists_can_be_shown(project: Project) -> None:
    assert project.lock(*ALPHA).code == 0
    size = package(project, "alpha")["sdist"]["size"] / 1000
    assert project.run("tree").out.splitlines()[:2] == [
        f"alpha 1.0 (to be built, {size:.1f} kB)",
        "└── lib 1.0 (1.1 kB)",
    ]
    told = json.loads(project.run("tree", "--json").out)["locks"][0]["packages"]
    assert [(each["file"], each["built"]) for each in told] == [
        ("alpha-1.0.tar.gz", True),
        ("lib-1.0-py3-none-any.whl", False),
    ]
    assert project.run("why", "lib").out == "lib 1.0\n  alpha -> lib\n  `alpha` requires `lib`\n"
    assert project.run("why", "alpha", "--json").code == 0
    old = project.folder / "pylock.old.toml"
    old.write_bytes(project.path(LABEL).read_bytes())
    assert project.lock("alpha", "beta", "--from-sdist", "alpha", "--from-sdist", "beta", *FOR).code == 0
    ran = project.run("diff", old, project.path(LABEL))
    assert ran.code == 0
    assert "beta" in ran.out
    assert json.loads(project.run("diff", old, project.path(LABEL), "--json").out)


# fetch and bundle


def test_a_bundle_before_fetch_says_what_is_missing(project: Project, marks: Path) -> None:
    assert project.lock(*ALPHA).code == 0
    ran = project.run("bundle")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"error: `alpha-1.0.tar.gz` of `{LABEL}` must be built first\n\nhint: run `wheelhouse fetch`\n"
    ran = project.run("verify", f"lockfiles/pylock.{LABEL}.toml")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("are not fetched yet\n\nhint: run `wheelhouse fetch`\n")
    assert not marks.exists()


def test_fetch_builds_once_twice_compared_and_the_wheel_goes_everywhere(project: Project, marks: Path) -> None:
    assert project.lock(*ALPHA).code == 0
    text = project.path(LABEL).read_bytes()
    ran = project.run("fetch")
    assert (ran.code, ran.out) == (0, f"wheels/{LABEL}\n")
    assert ran.err.splitlines()[-3:] == [
        f"building `alpha-1.0.tar.gz` with Python {OWN}",
        f"built `alpha-1.0-py3-none-any.whl` with Python {OWN}",
        f"3 wheels for `{LABEL}` in `wheels/{LABEL}`",
    ]
    assert runs(marks) == 2
    assert project.path(LABEL).read_bytes() == text
    ran = project.run("fetch")
    assert ran.code == 0
    assert ran.err == (
        f"`alpha-1.0-py3-none-any.whl` was built before, with Python {OWN}; `--rebuild` builds it again\n"
        f"3 wheels for `{LABEL}` in `wheels/{LABEL}`\n"
    )
    assert project.run("bundle").out == f"bundles/{LABEL}\n"
    assert runs(marks) == 2
    wheel = project.folder / "bundles" / LABEL / "wheels" / "alpha-1.0-py3-none-any.whl"
    assert wheel.read_bytes() == (project.folder / "wheels" / LABEL / wheel.name).read_bytes()
    assert project.run("verify").out == f"wheels/{LABEL}: good\nbundles/{LABEL}: good\n"


def test_a_bundle_tells_how_its_wheel_was_built_and_holds_no_sdist(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("helper", "1.5"))
    index.add(sdist("needy", "1.0", metadata_version="2.2", build_requires=["helper"], code="import helper"))
    ran = project.build("needy", "--from-sdist", "needy", *FOR)
    assert (ran.code, ran.out) == (0, f"bundles/{LABEL}\n")
    bundle = project.folder / "bundles" / LABEL
    lock = tomllib.loads((bundle / "pylock.toml").read_text("utf-8"))
    Pylock.from_dict(lock).validate()
    assert lock["tool"]["wheelhouse"]["built"] == {
        "needy": {
            "sdist": "needy-1.0.tar.gz",
            "hashes": {"sha256": index.listed("needy-1.0.tar.gz").digest},
            "requires": ["helper==1.5"],
            "python": OWN,
            "repeatable": True,
        }
    }
    assert [sorted(each) for each in lock["packages"]] == [["index", "name", "version", "wheels"]]
    wheel = lock["packages"][0]["wheels"][0]
    assert wheel["path"] == "wheels/needy-1.0-py3-none-any.whl"
    assert {path.name for path in bundle.rglob("*") if path.suffix in (".gz", ".whl")} == {
        "needy-1.0-py3-none-any.whl",
        pip_wheel().filename,
    }
    assert (bundle / "requirements.txt").read_text() == f"needy==1.0 --hash=sha256:{wheel['hashes']['sha256']}\n"


def test_build_requirements_come_from_where_the_lock_comes_from_or_from_find_links(
    index: FakeIndex, tmp_path: Path
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    helper = build_wheel("helper", "1.5")
    needy = sdist("needy", "1.0", metadata_version="2.2", build_requires=["helper"], code="import helper")
    for file in (helper, needy, pip_wheel()):
        (links / file.filename).write_bytes(file.content)
    project = Project(tmp_path, index)
    ran = project.run("lock", "needy", "--from-sdist", "needy", "--no-index", "--find-links", "links", *FOR)
    assert (ran.code, ran.out) == (0, LOCKED)
    ran = project.run("fetch", "--no-index", "--find-links", "links")
    assert (ran.code, ran.out) == (0, f"wheels/{LABEL}\n"), ran.err
    assert index.requests == []


def test_a_built_wheel_installs_without_a_network(project: Project, tmp_path: Path) -> None:
    label = here()
    ran = project.build("alpha", "--from-sdist", "alpha", "--target", label)
    assert ran.code == 0, ran.err
    bundle = project.folder / ran.out.strip()
    ran_install = subprocess.run(
        ["sh", str(bundle / "install.sh"), "--python", sys.executable, "--venv", str(tmp_path / "venv")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran_install.returncode == 0, ran_install.stderr
    asked = [str(tmp_path / "venv" / "bin" / "python"), "-c", "import alpha, lib; print(alpha.__version__)"]
    assert subprocess.run(asked, capture_output=True, text=True).stdout == "1.0\n"


def test_a_build_that_differs_is_said_and_recorded(project: Project, index: FakeIndex) -> None:
    code = "import time\nopen('src/clock/when.py', 'w').write(str(time.time_ns()))"
    index.add(sdist("clock", "1.0", metadata_version="2.2", code=code))
    ran = project.build("clock", "--from-sdist", "clock", *FOR)
    assert (ran.code, ran.out) == (0, f"bundles/{LABEL}\n")
    assert (
        "warning: `clock-1.0-py3-none-any.whl` is not the same when it is built again: `clock/when.py` has other"
        " bytes\n"
    ) in ran.err
    lock = tomllib.loads((project.folder / "bundles" / LABEL / "pylock.toml").read_text("utf-8"))
    assert lock["tool"]["wheelhouse"]["built"]["clock"]["repeatable"] is False
    wheel = next((project.folder / "wheels" / LABEL).glob("clock-*"))
    assert project.run("fetch").code == 0  # the wheel that was built is the one that stays
    assert wheel.read_bytes() == (project.folder / "bundles" / LABEL / "wheels" / wheel.name).read_bytes()


def test_a_failed_build_shows_its_last_lines_and_names_its_log(project: Project, index: FakeIndex) -> None:
    index.add(failing("fails"))  # type: ignore[arg-type]
    assert project.lock("lib", "--target", OTHER).code == 0
    assert project.lock("fails", "alpha", "--from-sdist", "fails", "--from-sdist", "alpha", *FOR).code == 0
    ran = project.run("fetch")
    assert (ran.code, ran.out) == (1, f"wheels/{OTHER}\n")
    log = project.folder / "cache" / "builds" / f"fails-1.0-{OWN_PYTHON}.log"
    start = ran.err.index("error: ")
    assert ran.err[start:].startswith(
        f"error: `fails-1.0.tar.gz` cannot be built for `{LABEL}`: building the wheel failed with exit code 1;"
        f" the whole log is `{log}`\n"
    )
    assert "\n    line 28\n    line 29\n    the compiler is missing\n\nhint: " in ran.err
    assert "line 5\n" not in ran.err
    assert "line 5\n" in log.read_text()
    assert f"built `alpha-1.0-py3-none-any.whl` with Python {OWN}\n" in ran.err
    assert not (project.folder / "wheels" / LABEL).exists()


def test_build_requirements_that_cannot_be_had_are_told(project: Project, index: FakeIndex) -> None:
    index.add(sdist("needy", "1.0", metadata_version="2.2", build_requires=["nowhere"], code="pass"))
    ran = project.build("needy", "--from-sdist", "needy", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert "installing the build requirements failed with exit code 1" in ran.err
    assert "No matching distribution found for nowhere" in ran.err


def test_an_sdist_that_changed_since_the_lock_is_not_built(project: Project, index: FakeIndex, marks: Path) -> None:
    assert project.lock(*ALPHA).code == 0
    index.fault("alpha-1.0.tar.gz$", Corrupt(), times=None)
    ran = project.run("fetch", "--cache-dir", "other", "--from-sdist", "alpha")
    assert (ran.code, ran.out) == (1, "")
    right = index.listed("alpha-1.0.tar.gz").digest
    assert f", but the lock says sha256:{right}\n\nhint: the file changed since it was locked;" in ran.err
    assert not marks.exists()


def test_a_lock_from_elsewhere_runs_nothing_until_its_sdist_is_named(project: Project, marks: Path) -> None:
    assert project.lock(*ALPHA).code == 0
    ran = project.run("fetch", "--cache-dir", "other")  # as on a machine where nobody asked for alpha to be built
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith(
        "error: `alpha-1.0.tar.gz` has to be built, which runs its code, and the lock alone does not allow that\n"
        "\nhint: to let its code run here: `wheelhouse fetch --from-sdist alpha`\n"
    )
    assert not marks.exists()
    assert project.run("fetch", "--cache-dir", "other", "--from-sdist", "Alpha").code == 0
    assert runs(marks) == 2  # built, and once more to compare


def test_an_earlier_build_is_named_and_built_again_on_request(project: Project, marks: Path) -> None:
    assert project.build(*ALPHA).code == 0
    ran = project.run("fetch")
    assert f"`alpha-1.0-py3-none-any.whl` was built before, with Python {OWN}; `--rebuild` builds it again\n" in ran.err
    assert runs(marks) == 2
    assert project.run("fetch", "--rebuild").code == 0
    assert runs(marks) == 4


def test_what_a_setup_decides_by_itself_is_doubted_for_another_machine(project: Project) -> None:
    ran = project.lock("beta", "--from-sdist", "beta", "--target", OTHER)
    assert ran.code == 0
    doubt = f"warning: `beta-1.0.tar.gz` decides what it requires when it is run, and this machine is not `{OTHER}`\n"
    assert doubt in ran.err
    assert doubt not in project.lock("beta", "--from-sdist", "beta", *FOR).err
    assert "warning" not in project.lock("alpha", "--from-sdist", "alpha", "--target", OTHER).err  # static metadata


def test_pruning_the_cache_forgets_what_was_built(project: Project, marks: Path) -> None:
    assert project.build(*ALPHA).code == 0
    assert "removed sdists and what was built of them (" in project.run("cache", "prune").out
    assert project.run("bundle").code == 1
    assert project.run("fetch", "--from-sdist", "alpha").code == 0
    assert runs(marks) == 4


def test_a_pure_wheel_is_built_for_every_target(project: Project, marks: Path) -> None:
    ran = project.build(*ALPHA, "--target", OTHER)
    assert (ran.code, ran.out) == (0, f"bundles/{LABEL}\nbundles/{OTHER}\n")
    wheels = [project.folder / "bundles" / label / "wheels" / "alpha-1.0-py3-none-any.whl" for label in (LABEL, OTHER)]
    assert wheels[0].read_bytes() == wheels[1].read_bytes()


# Compiled code


def compiled(platform: str) -> object:
    """`native`, whose wheel holds what looks like a library of Linux."""
    tag = f"cp{OWN_PYTHON[2:]}-cp{OWN_PYTHON[2:]}-{platform}"
    code = "open('src/native/fast.so', 'wb').write(b'\\x7fELF' + bytes(60))"
    return sdist("native", "1.0", metadata_version="2.2", tag=tag, code=code)


def test_compiled_code_is_refused_for_another_platform_with_the_ways_out(project: Project, index: FakeIndex) -> None:
    index.add(compiled(re.sub(r"[-.]", "_", sysconfig.get_platform())))  # type: ignore[arg-type]
    ran = project.build("native", "--from-sdist", "native", "--target", here(), "--target", OTHER)
    assert (ran.code, ran.out) == (1, f"bundles/{here()}\n")
    story = ran.err[ran.err.index("error: ") :]
    assert story.startswith(
        f"error: `native-1.0.tar.gz` cannot be built for `{OTHER}`: its wheel holds compiled code (`native/fast.so`),"
        " and this machine, "
    )
    assert story.endswith(
        " is not the target's platform\n"
        "\n"
        "hint: build it where the target's platform and Python are, `pip wheel --no-deps native==1.0`, and name that"
        " folder with `--find-links`\n"
        "hint: or give a prebuilt wheel: `native @ https://….whl`\n"
        "hint: or ask for a version of `native` that has a wheel\n"
    )


def test_compiled_code_is_refused_where_the_targets_python_is_missing(
    project: Project, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(compiled(re.sub(r"[-.]", "_", sysconfig.get_platform())))  # type: ignore[arg-type]
    label = here((3, 12) if sys.version_info[:2] != (3, 12) else (3, 13))
    monkeypatch.setattr(interpreters, "find", lambda target: None)
    ran = project.build("native", "--from-sdist", "native", "--target", label)
    assert (ran.code, ran.out) == (1, "")
    assert f"was found on this machine; it was built with {OWN}\n" in ran.err
