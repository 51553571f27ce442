"""`wheelhouse lock` as people meet it: where requirements come from, what a lock keeps, and several targets at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from world import FakeIndex, Status, build_sdist, build_wheel, pip_wheel
from world.cli import wheelhouse
from world.faults import Fault, Request, Response
from world.project import Project

LABEL = "linux-x86_64-py310"
TARGET = ("--target", LABEL)
LOCKED = f"locked {{}} for `{LABEL}` in `lockfiles/pylock.{LABEL}.toml`\n"


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    """An index with `app`, which needs `lib`, each in two versions."""
    for version in ("1.0", "2.0"):
        index.add(build_wheel("app", version, requires=["lib"]), upload_time=f"202{version[0]}-01-01T00:00:00Z")
        index.add(build_wheel("lib", version), upload_time=f"202{version[0]}-06-01T12:00:00Z")
    index.add(pip_wheel(), upload_time="2020-01-01T00:00:00Z")
    return Project(tmp_path, index)


# Where requirements come from


def test_requirements_in_counts_before_requirements_txt_and_is_named(project: Project) -> None:
    (project.folder / "requirements.txt").write_text("lib==1.0\n")
    (project.folder / "requirements.in").write_text("lib\n")
    ran = project.lock(*TARGET)
    assert (ran.code, ran.out) == (0, f"lockfiles/pylock.{LABEL}.toml\n")
    assert ran.err == "reading `requirements.in`\n" + LOCKED.format("1 package")
    assert project.pins(LABEL) == {"lib": "2.0"}

    (project.folder / "requirements.in").unlink()
    ran = project.lock("--upgrade", *TARGET)
    assert ran.err == "reading `requirements.txt`\n" + LOCKED.format("1 package")
    assert project.pins(LABEL) == {"lib": "1.0"}


def test_without_any_requirement_there_is_nothing_to_lock(project: Project) -> None:
    ran = project.lock(*TARGET)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: nothing to lock: no requirement is named,"
        " and there is no `requirements.in` or `requirements.txt` here\n"
        "\n"
        "hint: `wheelhouse lock -r FILE --target LABEL`, or `wheelhouse lock torch==2.1.2 --target LABEL`\n"
    )


def test_typed_requirements_files_and_constraints_count_together(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("extra", "1.0"))
    (project.folder / "sub").mkdir()
    (project.folder / "sub" / "more.txt").write_text("-c limits.txt\nextra\n")
    (project.folder / "sub" / "limits.txt").write_text("lib<2\n")
    (project.folder / "top.txt").write_text("-r sub/more.txt\n")
    (project.folder / "constraints.txt").write_text("app==1.0\n")
    ran = project.lock("app", "-r", "top.txt", "-c", "constraints.txt", *TARGET)
    assert (ran.code, ran.err) == (0, LOCKED.format("3 packages"))
    assert project.pins(LABEL) == {"app": "1.0", "extra": "1.0", "lib": "1.0"}


def test_a_constraint_alone_asks_for_nothing(project: Project) -> None:
    (project.folder / "constraints.txt").write_text("app==1.0\n")
    assert project.lock("lib", "-c", "constraints.txt", *TARGET).code == 0
    assert project.pins(LABEL) == {"lib": "2.0"}


def test_index_options_in_a_constraints_file_count_as_pip_counts_them(project: Project, index: FakeIndex) -> None:
    (project.folder / "constraints.txt").write_text(f"--index-url {index.simple}\nlib<2\n")
    ran = project.run("lock", "lib", "-c", "constraints.txt", *TARGET)
    assert (ran.code, ran.err) == (0, LOCKED.format("1 package"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("./here", "line 2 of `requirements.txt`: `./here`: "),
        (
            "app @ git+https://index.test/app.git",
            "line 2 of `requirements.txt`: `app @ git+https://index.test",
        ),
        ("app=1.0", "line 2 of `requirements.txt`: `app=1.0`: "),
        ("--frobnicate", "line 2 of `requirements.txt`: `--frobnicate`: "),
    ],
)
def test_a_line_that_is_not_understood_is_refused_with_its_place(project: Project, line: str, complaint: str) -> None:
    (project.folder / "requirements.txt").write_text(f"lib\n{line}\n")
    ran = project.lock(*TARGET)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"reading `requirements.txt`\nerror: {complaint}")
    assert not project.path(LABEL).exists()


def test_a_typed_requirement_that_is_not_understood_is_wrong_usage(project: Project) -> None:
    ran = project.lock("app=1.0", *TARGET)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: command line: `app=1.0`: ")
    assert ran.err.endswith("\nhint: write `==` where you mean one version\n")


def test_a_requirements_file_that_is_not_there(project: Project) -> None:
    ran = project.lock("-r", "nowhere.txt", *TARGET)
    assert (ran.code, ran.out, ran.err) == (1, "", "error: `nowhere.txt` cannot be read: no such file or directory\n")


# Targets


def test_a_target_must_be_named(project: Project) -> None:
    ran = project.lock("app")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: no target is named\n\nhint: say which machine it is for: `--target linux-x86_64-cu121-py310`\n"
    )


@pytest.mark.parametrize(
    ("label", "spelling"),
    [("linux-x86_64-cuu121-py310", "cu121"), ("linux-x86_46-py310", "x86_64"), ("linus-x86_64-py310", "linux")],
)
def test_a_wrong_label_is_wrong_usage_and_the_nearest_spelling_is_told(
    project: Project, label: str, spelling: str
) -> None:
    ran = project.lock("app", "--target", label)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert spelling in ran.err.partition("hint: ")[2]


def test_targets_that_are_spelled_differently_are_one(project: Project) -> None:
    ran = project.lock("lib", "--target", "py3.10-amd64-linux", "--target", LABEL)
    assert (ran.code, ran.out) == (0, f"lockfiles/pylock.{LABEL}.toml\n")


def test_what_resolves_is_written_and_failures_are_told_together(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("native", "1.0", tag="cp311-cp311-manylinux2014_x86_64"))
    labels = ["linux-x86_64-py310", "linux-x86_64-py311", "linux-aarch64-py311"]
    ran = project.lock("native", *(word for label in labels for word in ("--target", label)))
    assert (ran.code, ran.out) == (1, "lockfiles/pylock.linux-x86_64-py311.toml\n")
    assert ran.err == (
        "locked 1 package for `linux-x86_64-py311` in `lockfiles/pylock.linux-x86_64-py311.toml`\n"
        "error: no wheel of `native` fits `linux-x86_64-py310`\n"
        "  `native` was asked for\n"
        "  `native` 1.0: wheels only for other Pythons (such as `cp311-cp311`)\n"
        "error: no wheel of `native` fits `linux-aarch64-py311`\n"
        "  `native` was asked for\n"
        "  `native` 1.0: wheels only for other platforms (such as `manylinux2014_x86_64`)\n"
    )
    assert sorted(path.name for path in (project.folder / "lockfiles").iterdir()) == ["pylock.linux-x86_64-py311.toml"]


def test_what_fails_for_every_target_alike_is_told_once(project: Project) -> None:
    ran = project.lock("nosuch", *TARGET, "--target", "linux-x86_64-py311", "--target", "linux-x86_64-py312")
    assert ran.code == 1
    assert ran.err == (
        "error: no index lists a project named `nosuch`\n"
        "  `nosuch` was asked for\n"
        "\n"
        "hint: check the spelling; a private index is given with `--extra-index-url`\n"
    )


def test_a_failure_that_does_not_name_its_target_is_told_with_it(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("old", "1.0", requires=["lib<2"]))
    index.add(build_wheel("new", "1.0", requires=['lib>=2; python_version >= "3.11"']))
    ran = project.lock("old", "new", *TARGET, "--target", "linux-x86_64-py311")
    assert (ran.code, ran.out) == (1, f"lockfiles/pylock.{LABEL}.toml\n")
    assert "error: for `linux-x86_64-py311`: `lib<2` and `lib>=2` cannot be met together\n" in ran.err


def test_each_page_and_each_metadata_file_is_asked_once_for_all_targets(project: Project, index: FakeIndex) -> None:
    labels = [f"linux-{arch}-py3{minor}" for arch in ("x86_64", "aarch64") for minor in (10, 11, 12)]
    assert project.lock("app", *(word for label in labels for word in ("--target", label))).code == 0
    asked = [f"{request.method} {request.path}" for request in index.requests]
    assert sorted(asked) == sorted(set(asked))
    assert not [path for path in asked if "/pip-" in path and path.endswith(".whl")]  # nobody asks what it holds
    assert [path for path in asked if "/simple/" in path] == [
        path for path in asked if path in {"GET /simple/app/", "GET /simple/lib/", "GET /simple/pip/"}
    ]


def test_locking_two_targets_together_writes_what_each_alone_writes(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("native", "1.0", tag="cp310-cp310-manylinux2014_x86_64", requires=["lib<2"]))
    index.add(build_wheel("native", "1.1", tag="cp311-cp311-manylinux2014_x86_64", requires=["app"]))
    labels = ["linux-x86_64-py310", "linux-x86_64-py311"]
    both = [word for label in labels for word in ("--target", label)]
    assert project.lock("native", *both, "--lock-dir", "together").code == 0
    for label in labels:
        assert project.lock("native", "--target", label, "--lock-dir", "alone", "--cache-dir", f"c-{label}").code == 0
        alone, together = (project.path(label, folder) for folder in ("alone", "together"))
        assert alone.read_bytes() == together.read_bytes()


# The same lock again


def test_a_lock_is_the_same_byte_for_byte_with_cold_and_warm_caches(pypi: FakeIndex, tmp_path: Path) -> None:
    """Threads race for pages and metadata; five runs never differ."""
    project = Project(tmp_path, pypi)
    wanted = ("requests>=2.31", "pyarrow", "sympy", "jinja2", "redis", "cryptography", *TARGET)
    locks = set()
    for run in range(5):
        cache = "warm" if run > 2 else f"cold-{run}"
        ran = project.lock(*wanted, "--lock-dir", f"run-{run}", "--cache-dir", cache, *(["--no-cache"] * (run == 2)))
        assert ran.code == 0, ran.err
        locks.add(project.path(LABEL, f"run-{run}").read_bytes())
    assert len(locks) == 1


def test_sizes_that_no_page_tells_are_the_same_with_cold_and_warm_caches_and_offline(tmp_path: Path) -> None:
    with FakeIndex(form="html") as index:
        index.add(build_wheel("app", "1.0"), metadata=False, size=False)
        index.add(pip_wheel(), size=False)
        index.fault("app-1.0", Status(405), times=None, method="HEAD")  # the size is seen with the metadata alone
        project = Project(tmp_path, index)
        assert project.lock("app", *TARGET).code == 0
        first = project.path(LABEL).read_bytes()
        assert b"size = " in first.partition(b"[tool.wheelhouse.installer")[0]
        assert project.lock("app", *TARGET, "--lock-dir", "again").code == 0
        assert project.path(LABEL, "again").read_bytes() == first
    ran = project.lock("app", *TARGET, "--lock-dir", "offline", "--offline")
    assert ran.code == 0, ran.err
    assert project.path(LABEL, "offline").read_bytes() == first


def test_versions_stay_until_they_are_to_be_upgraded(project: Project) -> None:
    assert project.lock("app==1.0", "lib==1.0", *TARGET).code == 0
    assert project.lock("app", *TARGET).code == 0
    assert project.pins(LABEL) == {"app": "1.0", "lib": "1.0"}
    assert project.lock("app", *TARGET, "--upgrade-package", "LIB").code == 0
    assert project.pins(LABEL) == {"app": "1.0", "lib": "2.0"}
    assert project.lock("app", *TARGET, "--upgrade").code == 0
    assert project.pins(LABEL) == {"app": "2.0", "lib": "2.0"}


def test_a_version_that_is_no_longer_allowed_gives_way(project: Project) -> None:
    assert project.lock("app==1.0", *TARGET).code == 0
    assert project.lock("app>=2", *TARGET).code == 0
    assert project.pins(LABEL) == {"app": "2.0", "lib": "2.0"}


def test_a_lock_that_says_the_same_is_left_as_it_is(project: Project) -> None:
    assert project.lock("app", *TARGET).code == 0
    before = project.path(LABEL).stat()
    assert project.lock("app", *TARGET).code == 0
    assert project.path(LABEL).stat().st_mtime_ns == before.st_mtime_ns


def test_a_damaged_lock_is_not_overwritten_in_silence(project: Project) -> None:
    project.path(LABEL).parent.mkdir()
    project.path(LABEL).write_text("this is no lock")
    ran = project.lock("app", *TARGET)
    assert (ran.code, ran.out) == (1, "")
    assert f"`lockfiles/pylock.{LABEL}.toml`" in ran.err
    assert "hint: " in ran.err
    assert project.path(LABEL).read_text() == "this is no lock"


def test_the_lock_of_dotted_labels_has_no_dots_in_its_name(project: Project) -> None:
    ran = project.lock("lib", "--target", "linux-x86_64-py310-glibc2.17")
    assert (ran.code, ran.out) == (0, "lockfiles/pylock.linux-x86_64-py310-glibc2_17.toml\n")


def test_interrupted_it_ends_with_130_and_writes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from wheelhouse.edge import catalog

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog.Shared, "wait", interrupted)
    ran = project.lock("app", *TARGET)
    assert (ran.code, ran.out, ran.err) == (130, "", "\ninterrupted; what was complete is kept\n")
    assert not (project.folder / "lockfiles").exists()


def test_interrupted_while_writing_it_leaves_the_old_lock_and_nothing_beside(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.lock("lib==1.0", *TARGET).code == 0
    before = project.path(LABEL).read_bytes()

    def interrupted(self: Path, target: object) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        patch.setattr("os.replace", interrupted)
        assert project.lock("app", *TARGET, "--no-cache").code == 130
    assert project.path(LABEL).read_bytes() == before
    assert [path.name for path in (project.folder / "lockfiles").iterdir()] == [project.path(LABEL).name]


def test_two_runs_at_once_write_one_whole_lock(project: Project) -> None:
    """The command line is one process here; the workflow runs twice in threads."""
    from wheelhouse import workflow
    from wheelhouse.edge.session import Session, Settings
    from wheelhouse.indexes import Index
    from wheelhouse.locking import Wanted
    from wheelhouse.requirements import requirement
    from wheelhouse.target import Target

    wanted = Wanted(roots=(requirement("app"),), default_index=Index(f"{project.default.url}/simple"))
    folder = project.folder / "lockfiles"
    failures: list[Exception] = []

    def run() -> None:
        try:
            with Session(Settings(cache_dir=project.folder / "cache")) as session:
                workflow.lock(wanted, [Target.parse(LABEL)], folder, session)
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert project.pins(LABEL) == {"app": "2.0", "lib": "2.0"}
    assert [path.name for path in folder.iterdir()] == [project.path(LABEL).name]


# What is left out


@pytest.mark.parametrize(
    ("when", "lib"),
    [
        ("2022-06-01", "2.0"),  # a day counts whole
        ("2022-05-31", "1.0"),
        ("2022-06-01T12:00:01Z", "2.0"),
        ("2022-06-01T12:00:00Z", "1.0"),
        ("2022-06-01T14:00:01+02:00", "2.0"),
    ],
)
def test_exclude_newer_takes_a_day_or_a_moment(project: Project, when: str, lib: str) -> None:
    assert project.lock("lib", *TARGET, "--exclude-newer", when).code == 0
    assert project.pins(LABEL) == {"lib": lib}


@pytest.mark.parametrize("when", ["yesterday", "2022-13-01", "9999-12-31", ""])
def test_exclude_newer_that_is_no_day_is_wrong_usage(project: Project, when: str) -> None:
    ran = project.lock("lib", *TARGET, "--exclude-newer", when)
    if when == "9999-12-31":  # no day after it: everything is old enough
        assert ran.code == 0, ran.err
        return
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"error: `{when}` is no day or moment\n"
        "\n"
        "hint: write `--exclude-newer 2024-03-31` or `--exclude-newer 2024-03-31T12:00:00Z`\n"
    )


def test_files_without_an_upload_time_are_refused_and_said_once_per_index(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("lib", "3.0"), upload_time=None)
    index.add(build_wheel("app", "3.0"), upload_time=None)
    ran = project.lock("app", "lib", *TARGET, "--target", "linux-x86_64-py311", "--exclude-newer", "2024-01-01")
    assert ran.code == 0
    said = "warning: `INDEX` lists files without an upload time, which `--exclude-newer` refuses\n"
    assert ran.err.count(said) == ran.err.count("warning:") == 1
    assert project.pins(LABEL) == {"app": "2.0", "lib": "2.0"}


def test_the_index_without_upload_times_is_the_one_that_is_named(
    pypi: FakeIndex, pytorch: FakeIndex, tmp_path: Path
) -> None:
    project = Project(tmp_path, pypi, pytorch)
    label = "linux-x86_64-cu121-py310"
    ran = project.lock("nvidia-nccl-cu12", "--target", label, "--exclude-newer", "2030-01-01")
    assert ran.err.startswith(
        "warning: `PYTORCH` lists files without an upload time, which `--exclude-newer` refuses\n"
    )

    ran = project.lock("torch", "--target", label, "--exclude-newer", "2030-01-01")
    assert ran.code == 1
    assert ran.err == (
        f"error: no wheel of `torch` fits `{label}`\n"
        "  `torch` was asked for\n"
        "  `torch` 2.5.1+cu121, 2.4.1+cu121, 2.1.2+cu121: has no upload time, which `--exclude-newer` needs\n"
        "  PyTorch's channels tell no upload times\n"
        "\n"
        "hint: leave out `--exclude-newer`, or take PyPI's builds, which it can judge: `--torch-index pypi`\n"
    )


def test_pre_releases_are_taken_only_when_asked_for(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("lib", "3.0a1"))
    assert project.lock("lib", *TARGET).code == 0
    assert project.pins(LABEL) == {"lib": "2.0"}
    assert project.lock("lib", *TARGET, "--pre", "--upgrade").code == 0
    assert project.pins(LABEL) == {"lib": "3.0a1"}


def test_an_old_wheel_below_newer_source_distributions_is_taken_only_when_accepted(
    project: Project, index: FakeIndex
) -> None:
    index.add(build_sdist("lib", "3.0"))
    ran = project.lock("app", *TARGET)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `lib` 3.0 is only a source distribution; 2.0 is the newest with a wheel\n"
        "\n"
        "hint: to take the old release anyway: `--allow-older lib`\n"
        "hint: to build the new one, which runs its code here: `--from-sdist lib`\n"
    )
    for accepted in ("Lib", ":all:"):
        assert project.lock("app", *TARGET, "--allow-older", accepted).code == 0
        assert project.pins(LABEL) == {"app": "2.0", "lib": "2.0"}
    (held,) = project.locked(LABEL)["tool"]["wheelhouse"]["held-back"]
    assert held == {"name": "lib", "newer": "3.0", "reason": "is a source distribution"}


def test_what_the_platform_holds_back_is_a_warning_and_recorded(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("native", "1.0", tag="cp310-cp310-manylinux2014_x86_64"))
    index.add(build_wheel("native", "2.0", tag="cp310-cp310-manylinux_2_28_x86_64"))
    label = "linux-x86_64-py310-glibc2.17"
    ran = project.lock("native", "--target", label)
    reason = "is for another platform (`cp310-cp310-manylinux_2_28_x86_64`)"
    assert ran.code == 0
    assert ran.err.startswith(f"warning: `native` is held back at 1.0: 2.0 {reason}\n")
    assert project.locked(label)["tool"]["wheelhouse"]["held-back"] == [
        {"name": "native", "newer": "2.0", "reason": reason}
    ]


def test_a_dependency_for_some_patch_levels_is_taken(pypi: FakeIndex, tmp_path: Path) -> None:
    """redis wants async-timeout before 3.11.3, and Debian 12 has 3.11.2."""
    project = Project(tmp_path, pypi)
    ran = project.lock("redis", "--target", "linux-x86_64-py311", "--target", "linux-x86_64-py3.11.4")
    assert ran.code == 0, ran.err
    assert "async-timeout" in project.pins("linux-x86_64-py311")
    assert "async-timeout" not in project.pins("linux-x86_64-py3.11.4")


def test_no_pip_for_the_target_is_an_error_with_a_way_out(index: FakeIndex, tmp_path: Path) -> None:
    index.add(build_wheel("lib", "1.0"))
    ran = Project(tmp_path, index).lock("lib", *TARGET)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: no index has a pip for `{LABEL}`, and the offline side needs one\n"
        "\n"
        "hint: give a folder with a pip wheel: `--find-links FOLDER`\n"
    )


def test_the_offline_sides_pip_is_locked_apart_from_the_packages(project: Project) -> None:
    assert project.lock("lib", *TARGET).code == 0
    lock = project.locked(LABEL)
    assert [package["name"] for package in lock["packages"]] == ["lib"]
    installer = lock["tool"]["wheelhouse"]["installer"]
    wheel = pip_wheel()
    assert (installer["name"], installer["wheel"]["name"]) == ("pip", wheel.filename)
    assert installer["wheel"]["hashes"] == {"sha256": wheel.digest.hex}


def test_a_lock_of_nothing_is_written_and_warned_of(project: Project) -> None:
    (project.folder / "requirements.in").write_text("# later\napp; sys_platform == 'win32'\n")
    ran = project.lock(*TARGET)
    assert ran.code == 0
    assert f"warning: nothing is asked for on `{TARGET[1]}`: the lock is empty\n" in ran.err


def test_a_lock_among_the_requirements_is_told_as_one(project: Project) -> None:
    (project.folder / "uv.lock").write_text("version = 1\n")
    ran = project.lock("uv.lock", *TARGET)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: `uv.lock` is a lock: there is nothing to resolve in it\n"
        "\nhint: `wheelhouse fetch uv.lock --target LABEL` takes what it pins, and `bundle` after it\n"
    )


def test_a_constraint_that_is_at_fault_is_named(project: Project) -> None:
    (project.folder / "c.txt").write_text("lib<1\n")
    ran = project.lock("app", "-c", "c.txt", *TARGET)
    assert ran.code == 1
    assert "  `lib<1` is a constraint\n" in ran.err


@pytest.mark.parametrize("option", ["--from-sdist", "--allow-older", "--upgrade-package"])
def test_names_that_options_give_are_judged(project: Project, option: str) -> None:
    ran = project.lock("app", option, "??", *TARGET)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: `??` is no name of a project\n\nhint: such as `torch`, or `Jinja2`\n"
    ran = project.lock("app", option, "Lbi", option, "lib", *TARGET)
    assert ran.code == 0
    assert f"warning: `{option} lbi` names a project that is in no lock of this run\n" in ran.err
    assert "lib`" not in ran.err.partition("warning")[2].replace("lbi`", "")


def test_pins_that_doubt_each_other_are_told(project: Project, index: FakeIndex) -> None:
    index.add(
        build_wheel("user", "5.0", requires=['lib>=2.5; extra == "lib"', 'lib==9; extra == "dev"'], extras=["lib"])
    )
    ran = project.lock("user", "lib", *TARGET)
    assert ran.code == 0
    assert ran.err.splitlines()[:2] == [
        "warning: `user 5.0` supports `lib>=2.5`, as its extra of that name says, and the lock has `lib 2.0`",
        "hint: ask for `lib>=2.5`, or for another version of `user`",
    ]
    assert "supports" not in project.lock("user", *TARGET).err  # without lib there is nothing to doubt


def test_a_project_that_requires_the_one_that_doubts_it_is_not_told(project: Project, index: FakeIndex) -> None:
    """It knows it: tensorflow 2.18 requires tensorflow-io-gcs-filesystem, whose extra ends at tensorflow 2.16."""
    index.add(build_wheel("plugin", "1.0", requires=['whole<2; extra == "whole"'], extras=["whole"]))
    index.add(build_wheel("whole", "2.0", requires=["plugin"]))
    ran = project.lock("whole", *TARGET)
    assert ran.code == 0
    assert "supports" not in ran.err


def test_an_extra_that_names_one_version_doubts_no_other(project: Project, index: FakeIndex) -> None:
    """It is the version that the project was tried with (celery 5.7.0: `pydantic==2.14.1; extra == "pydantic"`)."""
    index.add(build_wheel("user", "6.0", requires=['lib==2.1; extra == "lib"'], extras=["lib"]))
    ran = project.lock("user==6.0", "lib", *TARGET)
    assert ran.code == 0
    assert "supports" not in ran.err


# What is asked ahead


class Until(Fault):
    """Answers when something else has been asked, else it is not there: whoever asks one after the other fails."""

    def __init__(self, asked: threading.Event) -> None:
        self._asked = asked

    def answered(self, request: Request, response: Response) -> Response:
        return response if self._asked.wait(20) else Response(404)


class Told(Fault):
    def __init__(self, asked: threading.Event) -> None:
        self._asked = asked

    def asked(self, request: Request) -> Request:
        self._asked.set()
        return request


def test_the_page_of_pip_is_asked_for_while_the_first_project_is_waited_for(project: Project, index: FakeIndex) -> None:
    """The installer is chosen last; a line that is slow is not waited for once more."""
    asked = threading.Event()
    index.fault("/simple/pip/", Told(asked))
    index.fault("/simple/lib/", Until(asked))
    ran = wheelhouse("lock", *project.indexes, "lib", *TARGET, cwd=project.folder)
    assert (ran.code, asked.is_set()) == (0, True), ran.err
