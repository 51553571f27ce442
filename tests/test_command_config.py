"""`wheelhouse.toml` through the command line: nothing need be typed, and what is typed counts before it."""

from __future__ import annotations

from pathlib import Path

import pytest
from world import FakeIndex, FakePyTorch, build_sdist, build_wheel, pip_wheel
from world.project import CLOSED, Project

PY310, PY311 = "linux-x86_64-py310", "linux-x86_64-py311"
CU121 = "nvidia-cuda-runtime-cu12==12.1.105"


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    """An index with `app`, which needs `lib`, each in two versions."""
    for version in ("1.0", "2.0"):
        index.add(build_wheel("app", version, requires=["lib"]), upload_time=f"202{version[0]}-01-01T00:00:00Z")
        index.add(build_wheel("lib", version), upload_time=f"202{version[0]}-06-01T12:00:00Z")
    index.add(pip_wheel(), upload_time="2020-01-01T00:00:00Z")
    return Project(tmp_path, index)


def write(project: Project, text: str, name: str = "wheelhouse.toml") -> Path:
    """The configuration, its default index in it."""
    path = project.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.replace("INDEX", f"{project.default.url}/simple"))
    return path


def test_build_needs_no_argument(project: Project) -> None:
    write(
        project,
        f"""
        targets = ["{PY310}", "{PY311}"]
        requirements = ["wanted.txt"]
        constraints = ["limits.txt"]
        index-url = "INDEX"
        lock-dir = "l"
        wheel-dir = "w"
        output = "b"
        """,
    )
    (project.folder / "wanted.txt").write_text("app\n")
    (project.folder / "limits.txt").write_text("lib<2\n")
    ran = project.run("build")
    assert (ran.code, ran.out) == (0, f"b/{PY310}\nb/{PY311}\n")
    assert ran.err.splitlines()[0] == "reading `wanted.txt`, as `wheelhouse.toml` says"
    assert project.pins(PY311, "l") == {"app": "2.0", "lib": "1.0"}
    assert project.run("verify").out == f"w/{PY310}: good\nw/{PY311}: good\nb/{PY310}: good\nb/{PY311}: good\n"
    assert project.run("fetch").out == f"w/{PY310}\nw/{PY311}\n"
    assert project.run("tree", "--target", PY310).out.startswith("app 2.0 (")


def test_what_is_typed_or_set_counts_before_the_file(project: Project) -> None:
    (project.folder / "requirements.in").write_text("app\n")
    write(
        project, f'targets = ["{PY310}"]\nindex-url = "{CLOSED}/simple"\nexclude-newer = "2021-12-31"\nlock-dir = "l"\n'
    )
    assert project.run("lock").code == 1  # the index of the file is closed
    ran = project.lock()
    assert (ran.code, ran.out) == (0, f"l/pylock.{PY310}.toml\n")
    assert project.pins(PY310, "l") == {"app": "1.0", "lib": "1.0"}
    ran = project.lock("--target", PY311, "--exclude-newer", "2022-03-01", WHEELHOUSE_LOCK_DIR="set")
    assert (ran.code, ran.out) == (0, f"set/pylock.{PY311}.toml\n")
    assert project.pins(PY311, "set") == {"app": "2.0", "lib": "1.0"}


def test_the_file_counts_before_requirements_files_and_these_before_pip(project: Project) -> None:
    (project.folder / "requirements.in").write_text(f"-i {CLOSED}/simple\napp\n")
    write(project, f'targets = ["{PY310}"]\nindex-url = "INDEX"\n')
    assert project.run("lock", PIP_INDEX_URL=f"{CLOSED}/pip").code == 0
    ran = project.run("lock", "--no-config", "--target", PY310, "--no-cache")
    assert (ran.code, ran.err.splitlines()[1][:28]) == (1, "error: `127.0.0.1:1` cannot ")


def test_typed_requirements_count_in_place_of_the_files(project: Project) -> None:
    (project.folder / "requirements.in").write_text("app\n")
    write(project, f'targets = ["{PY310}"]\nrequirements = ["requirements.in"]\nindex-url = "INDEX"\n')
    ran = project.run("lock", "lib==1.0")
    assert (ran.code, ran.err) == (0, f"locked 1 package for `{PY310}` in `lockfiles/pylock.{PY310}.toml`\n")


def test_paths_start_from_the_files_folder(project: Project) -> None:
    write(project, f'targets = ["{PY310}"]\nrequirements = ["in/a.txt"]\nindex-url = "INDEX"\n', "sub/wheelhouse.toml")
    (project.folder / "sub" / "in").mkdir()
    (project.folder / "sub" / "in" / "a.txt").write_text("lib\n")
    ran = project.run("lock", "--config", "sub/wheelhouse.toml", "--lock-dir", "typed")
    assert (ran.code, ran.out) == (0, f"typed/pylock.{PY310}.toml\n")
    write(project, f'targets = ["{PY310}"]\nindex-url = "INDEX"\nlock-dir = "l"\n', "sub/wheelhouse.toml")
    ran = project.run("lock", "lib", WHEELHOUSE_CONFIG="sub/wheelhouse.toml")
    assert (ran.code, ran.out) == (0, f"sub/l/pylock.{PY310}.toml\n")


def test_the_table_of_pyproject_counts_where_there_is_no_file(project: Project) -> None:
    text = f'[tool.wheelhouse]\ntargets = ["{PY310}"]\nindex-url = "INDEX"\n'
    write(project, f'[project]\nname = "x"\nversion = "1"\ndependencies = ["app<2"]\n{text}', "pyproject.toml")
    ran = project.run("lock")
    assert (ran.code, ran.err.splitlines()[0]) == (0, "reading `pyproject.toml`")
    assert project.pins(PY310) == {"app": "1.0", "lib": "2.0"}
    write(project, f'targets = ["{PY311}"]\nindex-url = "INDEX"\n')
    assert project.run("lock").out == f"lockfiles/pylock.{PY311}.toml\n"


@pytest.mark.parametrize("command", ["lock", "fetch", "bundle", "build", "verify", "tree"])
def test_an_unknown_key_is_refused_by_name_in_every_command(project: Project, command: str) -> None:
    write(project, "target = []\n")
    ran = project.run(command)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: `wheelhouse.toml`: `target` is not known\n\nhint: did you mean `targets`?\n"


def test_no_config_reads_none_and_config_names_another(project: Project) -> None:
    write(project, "nonsense = 1\n")
    assert project.lock("lib", "--target", PY310, "--no-config").code == 0
    assert project.lock("lib", "--target", PY310, WHEELHOUSE_NO_CONFIG="1").code == 0
    ran = project.lock("lib", "--target", PY310, "--config", "other.toml")
    assert (ran.code, ran.err) == (1, "error: `other.toml` cannot be read: no such file or directory\n")
    (project.folder / "other.toml").write_text("")
    for order in (("--config", "other.toml", "--no-config"), ("--no-config", "--config", "other.toml")):
        ran = project.lock("lib", "--target", PY310, *order)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("error: `--config` and `--no-config` exclude each other\n")
    assert project.lock("lib", "--target", PY310, "--config", "other.toml", WHEELHOUSE_NO_CONFIG="1").code == 0
    assert project.lock("lib", "--target", PY310, "--no-config", WHEELHOUSE_CONFIG="nowhere.toml").code == 0
    (project.folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    ran = project.lock("lib", "--target", PY310, "--config", "pyproject.toml")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "error: `pyproject.toml` has no `[tool.wheelhouse]`")


def test_a_pyproject_of_others_that_cannot_be_read_disturbs_nobody(project: Project) -> None:
    (project.folder / "pyproject.toml").write_text("[project\n")
    assert project.lock("lib", "--target", PY310).code == 0


def test_routes_and_overrides_count(project: Project, index: FakeIndex) -> None:
    with FakeIndex() as company:
        company.add(build_wheel("mycompany-core", "1.0", requires=["lib", "unwanted"]))
        company.add(build_wheel("lib", "9.0"))
        index.add(build_wheel("mycompany-core", "6.6.6"))  # dependency confusion
        write(
            project,
            f"""
            targets = ["{PY310}"]
            index-url = "INDEX"
            [[indexes]]
            name = "company"
            url = "{company.simple}"
            [routes]
            "mycompany-*" = "company"
            [[overrides]]
            project = "mycompany-core"
            drop = ["unwanted"]
            add = ["app<2"]
            """,
        )
        ran = project.run("lock", "mycompany_core")
        assert (ran.code, project.pins(PY310)) == (0, {"app": "1.0", "lib": "2.0", "mycompany-core": "1.0"})


@pytest.mark.parametrize("command", ["lock", "build"])
def test_extras_and_groups_of_the_project_count(project: Project, command: str) -> None:
    (project.folder / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["app<2"]\n'
        '[project.optional-dependencies]\nmore = ["lib<2"]\nnone = ["nosuch"]\n'
        '[dependency-groups]\ndev = ["added"]\nnone = ["nosuch"]\n'
    )
    project.default.add(build_wheel("added", "1.0"))  # type: ignore[attr-defined]
    head = f'targets = ["{PY310}"]\nindex-url = "INDEX"\nrequirements = ["pyproject.toml"]\n'
    write(project, head + 'extras = ["more"]\n')
    assert (project.run(command).code, project.pins(PY310)) == (0, {"app": "1.0", "lib": "1.0"})
    write(project, head + 'groups = ["dev"]\n')
    assert project.run(command, "--upgrade").code == 0
    assert project.pins(PY310) == {"added": "1.0", "app": "1.0", "lib": "2.0"}
    ran = project.run(command, "--extra", "more")  # what is typed counts in place of the key
    assert (ran.code, project.pins(PY310)["lib"]) == (0, "1.0")


def test_pre_releases_count_where_the_file_says_so(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("lib", "3.0rc1"))
    write(project, f'targets = ["{PY310}"]\nindex-url = "INDEX"\n')
    assert (project.run("lock", "lib").code, project.pins(PY310)) == (0, {"lib": "2.0"})
    write(project, f'targets = ["{PY310}"]\nindex-url = "INDEX"\npre = true\n')
    assert (project.run("lock", "lib", "--upgrade").code, project.pins(PY310)) == (0, {"lib": "3.0rc1"})


def test_old_releases_are_accepted_by_the_name_that_the_file_has(project: Project, index: FakeIndex) -> None:
    index.add(build_sdist("lib", "3.0"))
    write(project, f'targets = ["{PY310}"]\nindex-url = "INDEX"\n')
    assert project.run("lock", "lib").code == 1
    write(project, f'targets = ["{PY310}"]\nindex-url = "INDEX"\nallow-older = ["Lib"]\n')
    assert (project.run("lock", "lib").code, project.pins(PY310)) == (0, {"lib": "2.0"})


def test_where_torch_comes_from_is_the_files_to_say(project: Project, index: FakeIndex) -> None:
    label = "linux-x86_64-cu121-py310"
    head = f'targets = ["{label}"]\nindex-url = "INDEX"\n'
    index.add(build_wheel("torch", "2.1.2", tag="cp310-cp310-manylinux1_x86_64", requires=[CU121]))
    index.add(build_wheel("nvidia-cuda-runtime-cu12", "12.1.105", tag="py3-none-manylinux1_x86_64"))
    with FakePyTorch(empty=True) as pytorch:
        pytorch.add(build_wheel("torch", "2.1.2+cu121", tag="cp310-cp310-linux_x86_64"), channel="cu121")
        write(project, f'{head}pytorch-url = "{pytorch.url}/whl"\n')
        assert project.run("lock", "torch").code == 0
        assert project.pins(label) == {"torch": "2.1.2+cu121"}
        write(project, f'{head}pytorch-url = "{pytorch.url}/whl"\ntorch-index = "pypi"\n')
        assert project.run("lock", "torch", "--upgrade").code == 0
        assert project.pins(label) == {"nvidia-cuda-runtime-cu12": "12.1.105", "torch": "2.1.2"}
    write(project, f'{head}pytorch-url = "{CLOSED}/whl"\ntorch-index = "pytorch"\n')
    ran = project.run("lock", "torch", "--upgrade")
    assert (ran.code, ran.out) == (1, "")
    assert "hint: drop `--torch-index pytorch` to let PyPI stand in\n" in ran.err


def test_a_variable_in_a_url_keeps_the_password_out_of_the_file(tmp_path: Path) -> None:
    with FakeIndex(auth=("me", "s3cret")) as index:
        index.add(build_wheel("lib", "1.0"))
        index.add(pip_wheel())
        project = Project(tmp_path, index)
        host = index.simple.removeprefix("http://")
        write(project, f'targets = ["{PY310}"]\nindex-url = "http://${{USER_NAME}}:${{TOKEN}}@{host}"\n')
        ran = project.run("build", "lib", USER_NAME="me", TOKEN="s3cret")
        assert (ran.code, ran.out) == (0, f"bundles/{PY310}\n")
        ran = project.run("lock", "lib", USER_NAME="me")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == (
            "error: `wheelhouse.toml`: `index-url` names `TOKEN`, which is not set\n"
            "\nhint: type `export TOKEN=…` before\n"
        )


# init


def test_init_writes_what_is_found_and_build_runs_with_it(project: Project) -> None:
    (project.folder / "requirements.txt").write_text("lib\n")
    ran = project.run("init", "--target", "py3.10-linux-amd64")
    assert (ran.code, ran.out, ran.err) == (0, "wheelhouse.toml\n", "")
    text = (project.folder / "wheelhouse.toml").read_text()
    assert f'targets = ["{PY310}"]\n' in text
    assert 'requirements = ["requirements.txt"]\n' in text
    ran = project.build()
    assert (ran.code, ran.out) == (0, f"bundles/{PY310}\n")


def test_init_overwrites_nothing(project: Project) -> None:
    (project.folder / "wheelhouse.toml").write_text("pre = true\n")
    ran = project.run("init")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: `wheelhouse.toml` configures this folder already\n\nhint: edit it, or move it away\n"
    assert (project.folder / "wheelhouse.toml").read_text() == "pre = true\n"


def test_init_says_what_is_missing(project: Project) -> None:
    ran = project.run("init")
    assert (ran.code, ran.out) == (0, "wheelhouse.toml\n")
    assert ran.err == (
        "no requirements file is here: write what you want into `requirements.in`\n"
        "no target was named: name yours in place of the example's\n"
    )
