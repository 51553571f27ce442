"""Requirements that name their one file: a wheel or sdist by its URL or path, a project's own folder."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from packaging.pylock import Pylock
from world import FakeIndex, FakePyTorch, SdistFile, WheelFile, build_wheel, pip_wheel
from world.backends import OWN_PYTHON, sdist
from world.project import Project

from wheelhouse.edge import build

LABEL = f"linux-x86_64-{OWN_PYTHON}"
CU121 = f"linux-x86_64-cu121-{OWN_PYTHON}"
FOR = ("--target", LABEL)
LOCKED = f"lockfiles/pylock.{LABEL}.toml\n"
ALPHA = build_wheel("alpha", "1.0", requires=["lib"])
ZEROS = "0" * 64


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_APART", 0.0)


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Iterator[Project]:
    """An index with `lib` and another `alpha`; PyTorch's has nothing."""
    index.add(build_wheel("alpha", "9.0"))
    index.add(build_wheel("lib", "1.0"))
    index.add(pip_wheel())
    with FakePyTorch(empty=True) as pytorch:
        yield Project(tmp_path, index, pytorch)


@pytest.fixture
def host() -> Iterator[FakeIndex]:
    """A server of files."""
    with FakeIndex() as host:
        yield host


@pytest.fixture
def guarded() -> Iterator[FakeIndex]:
    """A server of files that wants a name and a password."""
    with FakeIndex(auth=("me", "s3cret-word")) as host:
        yield host


def put(host: FakeIndex, file: WheelFile | SdistFile) -> str:
    """The URL of a file that no page lists."""
    host.files[f"/f/{file.filename}"] = file.content
    return f"{host.url}/f/{quote(file.filename)}"


def lay(project: Project, file: WheelFile | SdistFile, folder: str = "w") -> str:
    """A file in a folder of the project, and its path from there."""
    (project.folder / folder).mkdir(exist_ok=True)
    (project.folder / folder / file.filename).write_bytes(file.content)
    return f"./{folder}/{file.filename}"


def requirements(project: Project, text: str) -> tuple[str, str]:
    (project.folder / "r.txt").write_text(text)
    return "-r", "r.txt"


# By URL


def test_a_wheel_by_url_is_locked_with_its_computed_digest(project: Project, host: FakeIndex, index: FakeIndex) -> None:
    url = put(host, ALPHA)
    ran = project.lock(f"alpha @ {url}", *FOR)
    assert (ran.code, ran.out) == (0, LOCKED)
    lock = project.locked(LABEL)
    Pylock.from_dict(lock).validate()
    assert lock["packages"][0] == {
        "name": "alpha",
        "version": "1.0",
        "dependencies": [{"name": "lib"}],
        "wheels": [
            {
                "name": ALPHA.filename,
                "url": url,
                "size": len(ALPHA.content),
                "hashes": {"sha256": ALPHA.digest.hex},
            }
        ],
    }
    tool = lock["tool"]["wheelhouse"]
    assert tool["computed-hashes"] == [ALPHA.filename]
    assert tool["required-by"]["alpha"] == [f"(asked for): alpha @ {ALPHA.filename}"]
    assert index.asked("/simple/alpha/") == []
    assert project.run("why", "alpha").out == f"alpha 1.0\n  alpha\n  asked for as `alpha @ {ALPHA.filename}`\n"


def test_a_url_without_a_name_and_one_with_its_digest_do_too(project: Project, host: FakeIndex) -> None:
    url = put(host, ALPHA)
    ran = project.lock(f"{url}#sha256={ALPHA.digest.hex}", *FOR)
    assert (ran.code, ran.out) == (0, LOCKED)
    assert project.locked(LABEL)["packages"][0]["wheels"][0]["hashes"] == {"sha256": ALPHA.digest.hex}
    assert "computed-hashes" not in project.locked(LABEL)["tool"]["wheelhouse"]
    assert project.run("fetch").code == 0
    assert project.run("bundle").out == f"bundles/{LABEL}\n"


def test_a_wrong_digest_of_a_url_is_found_by_fetch(project: Project, host: FakeIndex) -> None:
    assert project.lock(f"alpha @ {put(host, ALPHA)}#sha256={ZEROS}", *FOR).code == 0
    ran = project.run("fetch")
    assert (ran.code, ran.out) == (1, "")
    assert f"error: `{ALPHA.filename}` is {ALPHA.digest}, but the lock says sha256:{ZEROS}\n" in ran.err


def test_of_several_digests_one_must_be_the_files(project: Project, host: FakeIndex) -> None:
    url = put(host, ALPHA)
    asked = requirements(project, f"alpha @ {url} --hash=sha256:{ZEROS} --hash={ALPHA.digest}\n")
    assert project.lock(*asked, *FOR).code == 0
    assert project.locked(LABEL)["packages"][0]["wheels"][0]["hashes"] == {"sha256": ALPHA.digest.hex}
    asked = requirements(project, f"alpha @ {url} --hash=sha256:{ZEROS} --hash=sha256:{'1' * 64}\n")
    ran = project.lock(*asked, *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert f"error: `{ALPHA.filename}` is {ALPHA.digest}, but its requirement names other hashes\n\nhint: " in ran.err


def test_a_url_that_leads_nowhere_is_named(project: Project, host: FakeIndex) -> None:
    ran = project.lock(f"gone @ {host.url}/f/gone-1.0-py3-none-any.whl", *FOR)
    assert (ran.code, ran.out) == (1, "")
    at = host.url.removeprefix("http://")
    assert ran.err == (
        f"error: `{at}` refuses: 404 Not Found for `{host.url}/f/gone-1.0-py3-none-any.whl`\n"
        "\n"
        f"hint: correct the URL; if the server hides it from strangers, put the name and the password for `{at}` into"
        " its URL or into ~/.netrc\n"
    )


def test_a_wheel_that_does_not_fit_the_target_is_a_story(project: Project, host: FakeIndex) -> None:
    wheel = build_wheel("native", "1.0", tag="py3-none-win_amd64")
    ran = project.lock(f"native @ {put(host, wheel)}", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: no wheel of `native @ {wheel.filename}` fits `{LABEL}`\n"
        f"  `native @ {wheel.filename}` was asked for\n"
        "  `native` 1.0: wheels only for other platforms (such as `win_amd64`)\n"
    )


def test_its_marker_says_for_which_targets_it_is(project: Project, host: FakeIndex) -> None:
    url = put(host, ALPHA)
    asked = requirements(project, f"alpha @ {url} ; sys_platform == 'win32'\nalpha ; sys_platform == 'linux'\n")
    other = f"windows-x86_64-{OWN_PYTHON}"
    assert project.lock(*asked, *FOR, "--target", other).code == 0
    assert (project.pins(LABEL)["alpha"], project.pins(other)["alpha"]) == ("9.0", "1.0")


def test_two_files_of_one_project_exclude_each_other(project: Project, host: FakeIndex) -> None:
    urls = [put(host, build_wheel("alpha", version)) for version in ("1.0", "2.0")]
    ran = project.lock(*(f"alpha @ {url}" for url in urls), *FOR)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: `alpha` is to come from two files: `alpha-1.0-py3-none-any.whl` and `alpha-2.0-py3-none-any.whl`\n"
        "\nhint: name one of them\n"
    )


def test_who_requires_another_version_is_named(project: Project, host: FakeIndex, index: FakeIndex) -> None:
    index.add(build_wheel("user", "1.0", requires=["alpha>=2"]))
    ran = project.lock(f"alpha @ {put(host, ALPHA)}", "user", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert "\n  `alpha>=2` is required by `user 1.0` <- asked for as `user`\n" in ran.err
    assert "has `alpha` 1.0; no version is `>=2`\n" in ran.err


def test_a_dependency_that_names_a_url_is_refused_unless_the_same_project_is_named(
    project: Project, host: FakeIndex, index: FakeIndex
) -> None:
    url = put(host, ALPHA)
    index.add(build_wheel("user", "1.0"))
    index.add(build_wheel("user", "2.0", requires=[f"alpha @ {url}"]))
    assert project.lock("user", *FOR).code == 0
    assert project.pins(LABEL) == {"user": "1.0"}
    ran = project.lock("user==2.0", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert "`user` 2.0: has unusable core metadata: it requires `alpha` from a URL, and no index has that\n" in ran.err
    assert project.lock("user==2.0", f"alpha @ {url}", *FOR).code == 0
    assert project.pins(LABEL) == {"alpha": "1.0", "lib": "1.0", "user": "2.0"}
    elsewhere = f"alpha @ {url} ; sys_platform == 'win32'"
    assert project.lock("user==2.0", elsewhere, *FOR).code == 1


def test_an_sdist_by_url_is_built_for_naming_it_allows_that(project: Project, host: FakeIndex) -> None:
    file = sdist("tool", "1.0", metadata_version="2.2")
    ran = project.build(f"tool @ {put(host, file)}", *FOR)
    assert (ran.code, ran.out) == (0, f"bundles/{LABEL}\n")
    assert project.locked(LABEL)["packages"][0]["sdist"]["hashes"] == {"sha256": file.digest.hex}
    assert (project.folder / "bundles" / LABEL / "wheels" / "tool-1.0-py3-none-any.whl").is_file()


def test_an_sdist_with_another_digest_is_refused_before_its_code_is_run(
    project: Project, host: FakeIndex, tmp_path: Path
) -> None:
    file = sdist("tool", "1.0", requires=["lib"], marks=tmp_path / "marks")  # dynamic
    url = put(host, file)
    ran = project.lock(f"tool @ {url}#sha256={ZEROS}", *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert f"error: `{file.filename}` is {file.digest}, but its requirement says sha256:{ZEROS}\n" in ran.err
    asked = requirements(project, f"tool @ {url} --hash=sha256:{ZEROS} --hash=sha256:{'1' * 64}\n")
    ran = project.lock(*asked, *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert f"error: `{file.filename}` is {file.digest}, but its requirement names other hashes\n" in ran.err
    asked = requirements(project, f"{lay(project, file)} --hash=sha256:{ZEROS}\n")
    ran = project.lock(*asked, *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert "`tool` 1.0: has none of the digests that `--hash` names\n" in ran.err
    assert not (tmp_path / "marks").exists()


# By path


def test_a_wheel_by_its_path_is_locked_by_its_path_from_the_lock(project: Project) -> None:
    place = lay(project, ALPHA)
    for folder in ("lockfiles", "deep/er"):
        assert project.lock(place, *FOR, "--lock-dir", folder).code == 0
    assert project.locked(LABEL)["packages"][0]["wheels"][0]["path"] == f"../w/{ALPHA.filename}"
    assert project.locked(LABEL, "deep/er")["packages"][0]["wheels"][0]["path"] == f"../../w/{ALPHA.filename}"
    assert project.run("fetch").code == 0
    assert project.run("bundle").code == 0
    text = project.path(LABEL).read_text("utf-8")
    assert project.lock(str(project.folder / place), *FOR).code == 0  # the whole path is the same file
    assert project.locked(LABEL)["packages"][0] == tomllib.loads(text)["packages"][0]
    for path in (project.path(LABEL), project.folder / "bundles" / LABEL / "pylock.toml"):
        assert str(project.folder) not in path.read_text("utf-8")


def test_a_file_of_this_machine_is_compared_with_its_hash_at_once(project: Project) -> None:
    place = lay(project, ALPHA)
    asked = requirements(project, f"{place} --hash=sha256:{ZEROS}\n")
    ran = project.lock(*asked, *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: no wheel of `alpha @ {ALPHA.filename}` fits `{LABEL}`\n"
        f"  `alpha @ {ALPHA.filename}` was asked for\n"
        "  `alpha` 1.0: has none of the digests that `--hash` names\n"
    )
    asked = requirements(project, f"{place} --hash=sha256:{ZEROS} --hash={ALPHA.digest}\n")
    assert project.lock(*asked, *FOR).code == 0


def test_a_path_where_nothing_lies_is_wrong_usage(project: Project) -> None:
    ran = project.lock("./w/gone-1.0-py3-none-any.whl", *FOR)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: `./w/gone-1.0-py3-none-any.whl` of the command line is not there\n\nhint: correct its path\n"
    )


# Folders

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "app"
version = "1.0"
dependencies = ["lib"]
"""


@pytest.fixture
def app(project: Project, tmp_path: Path) -> Path:
    """The folder of a project with static metadata, whose backend leaves a mark where it runs."""
    from world.backends import unpacked

    folder = tmp_path / "app"
    for name, content in unpacked(sdist("app", "1.0", requires=["lib"], marks=tmp_path / "marks")).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    return folder


def test_a_projects_folder_is_locked_without_running_it_and_built_by_fetch(
    project: Project, app: Path, tmp_path: Path
) -> None:
    ran = project.lock("./app", *FOR)
    assert (ran.code, ran.out) == (0, LOCKED)
    assert not (tmp_path / "marks").exists()
    text = project.path(LABEL).read_text("utf-8")
    assert str(tmp_path) not in text
    found = tomllib.loads(text)["packages"][0]
    assert (found["name"], found["version"], found["sdist"]["path"]) == ("app", "1.0", "sdists/app-1.0.tar.gz")
    assert project.lock("./app", *FOR).code == 0
    assert project.path(LABEL).read_text("utf-8") == text
    assert project.run("fetch").code == 0
    assert project.run("bundle").out == f"bundles/{LABEL}\n"
    assert (tmp_path / "marks").exists()
    assert (project.folder / "bundles" / LABEL / "wheels" / "app-1.0-py3-none-any.whl").is_file()


def test_a_changed_folder_is_locked_and_built_anew(project: Project, app: Path) -> None:
    assert project.build("./app", *FOR).code == 0
    before = project.path(LABEL).read_text("utf-8")
    (app / "src" / "app" / "more.py").write_text("x = 1\n")
    ran = project.build("./app", *FOR)
    assert (ran.code, "building `app-1.0.tar.gz`" in ran.err) == (0, True)
    assert project.path(LABEL).read_text("utf-8") != before


def test_a_folder_that_does_not_say_what_it_is_is_wrong_usage(project: Project, app: Path, tmp_path: Path) -> None:
    (app / "pyproject.toml").unlink()
    (app / "setup.py").write_text(f"open({str(tmp_path / 'marks')!r}, 'w')\n")
    ran = project.lock("./app", *FOR)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: command line: `./app`: its folder has no pyproject.toml that tells the project's name\n"
        "\nhint: write `NAME @ ./app`\n"
    )
    ran = project.lock("app @ ./app", *FOR)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: `./app` cannot be locked: it has no pyproject.toml\n\nhint: ")
    assert not (tmp_path / "marks").exists()


# The torch family


def torch(version: str, **arguments: object) -> WheelFile:
    python = f"cp{OWN_PYTHON[2:]}"
    return build_wheel("torch", version, tag=f"{python}-{python}-linux_x86_64", **arguments)  # type: ignore[arg-type]


def test_a_torch_by_url_must_be_the_targets_build(project: Project, host: FakeIndex, index: FakeIndex) -> None:
    right = put(host, torch("2.1.2+cu121"))
    assert project.lock(f"torch @ {right}", "--target", CU121).code == 0
    assert project.pins(CU121) == {"torch": "2.1.2+cu121"}
    ran = project.lock(f"torch @ {put(host, torch('2.1.2+cu118'))}", "--target", CU121)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("\n  `torch` 2.1.2+cu118: not the `cu121` build\n")
    ran = project.lock(f"torch @ {put(host, torch('2.1.2'))}", "--target", CU121)
    assert ran.err.endswith("\n  `torch` 2.1.2: names no CUDA runtime, which does not prove a `cu121` build\n")
    index.add(build_wheel("nvidia-cuda-runtime-cu12", "12.1.105"))
    proven = torch("2.1.2", build="1", requires=["nvidia-cuda-runtime-cu12==12.1.105"])
    assert project.lock(f"torch @ {put(host, proven)}", "--target", CU121).code == 0


def test_a_torch_by_url_wants_a_target_that_says_which_build(project: Project, host: FakeIndex) -> None:
    ran = project.lock(f"torch @ {put(host, torch('2.1.2+cu121'))}", *FOR)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: `torch` is built per accelerator, and the target `{LABEL}` does not say")


def test_what_needs_torch_may_come_by_url_beside_it(project: Project, host: FakeIndex) -> None:
    """flash-attn's prebuilt wheels: a local version that is no channel's."""
    python = f"cp{OWN_PYTHON[2:]}"
    tag = f"{python}-{python}-linux_x86_64"
    wheel = build_wheel("flash-attn", "2.5.0+cu122torch2.1cxx11abifalse", tag=tag, requires=["torch"])
    urls = [put(host, wheel), put(host, torch("2.1.2+cu121"))]
    assert project.lock(f"flash-attn @ {urls[0]}", f"torch @ {urls[1]}", "--target", CU121).code == 0
    assert project.pins(CU121) == {"flash-attn": "2.5.0+cu122torch2.1cxx11abifalse", "torch": "2.1.2+cu121"}


# Credentials


def test_a_password_in_a_url_is_used_and_never_seen(project: Project, guarded: FakeIndex, tmp_path: Path) -> None:
    whole = guarded.url.replace("http://", "http://me:s3cret-word@")
    files = (ALPHA, sdist("tool", "1.0", metadata_version="2.2"), build_wheel("wrong", "1.0", tag="py2-none-any"))
    urls = {file.filename.partition("-")[0]: put(guarded, file).replace(guarded.url, whole) for file in files}
    said = ""
    for names, code in ((["alpha", "tool"], 0), (["wrong"], 1), (["gone"], 1), (["alpha", "gone"], 1)):
        asked = [f"{name} @ {urls.get(name, f'{whole}/f/gone-1.0-py3-none-any.whl')}" for name in names]
        ran = project.build(*asked, *FOR, "--verbose")
        assert ran.code == code, ran.err
        said += ran.out + ran.err
    asked_file = requirements(project, f"alpha @ {urls['alpha']}\nalpha @ {urls['tool']}\n")
    said += project.lock(*asked_file, *FOR).err
    (tmp_path / "r.txt").unlink()
    assert "s3cret-word" not in said
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10
    assert [str(path) for path in written if b"s3cret-word" in path.read_bytes()] == []
