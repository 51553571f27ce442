"""An sdist becomes a wheel in an environment of its own, and only a wheel that runs on the target is taken."""

from __future__ import annotations

import dataclasses
import gzip
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.utils import NormalizedName
from packaging.version import Version
from world import FakeIndex, SdistFile, WheelFile, build_sdist, build_wheel
from world.bundles import here

from wheelhouse.edge import build, interpreters
from wheelhouse.edge.build import BuildFailed, BuildSettings, BuiltWheel, CannotBuild, prepare_metadata, unpack
from wheelhouse.edge.built import BadBuild, Contents, differences, examine, misfit
from wheelhouse.edge.interpreters import Interpreter
from wheelhouse.edge.isolation import Shell, StepFailed, secrets_of
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Event
from wheelhouse.metadata import BadMetadata
from wheelhouse.target import Target

NOWHERE = "http://127.0.0.1:9/simple"  # nobody answers: what asks it fails
HERE = Target.parse(here())
OTHER = Target.parse(f"windows-x86_64-py{sys.version_info[0]}{sys.version_info[1]}")  # this Python, no machine of ours
ALPHA, ONE = NormalizedName("alpha"), Version("1.0")


@pytest.fixture
def settings(tmp_path: Path) -> BuildSettings:
    return BuildSettings(index_url=NOWHERE, work_folder=tmp_path / "work", timeout=120)


def repacked(sdist: SdistFile, changes: Mapping[str, str]) -> SdistFile:
    """The sdist with files of its folder added or replaced."""
    with tarfile.open(fileobj=io.BytesIO(sdist.content)) as opened:
        every = {each.name: opened.extractfile(each).read() for each in opened}  # type: ignore[union-attr]
    top = next(iter(every)).split("/")[0]
    every |= {f"{top}/{path}": textwrap.dedent(text).encode() for path, text in changes.items()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for path, content in every.items():
            info = tarfile.TarInfo(path)
            info.size, info.mtime = len(content), 1704067200
            opened.addfile(info, io.BytesIO(content))
    return dataclasses.replace(sdist, content=gzip.compress(buffer.getvalue(), mtime=0))


def alpha(code: str = "", **arguments: object) -> SdistFile:
    """alpha 1.0, whose backend is the world's with `code` in front of `build_wheel`'s work."""
    sdist = build_sdist("alpha", "1.0", **arguments)  # type: ignore[arg-type]
    if not code:
        return sdist
    with tarfile.open(fileobj=io.BytesIO(sdist.content)) as opened:
        world = opened.extractfile("alpha-1.0/backend.py").read().decode()  # type: ignore[union-attr]
    before = "import base\nfrom base import *\n\ndef build_wheel(folder, *rest):\n"
    return repacked(sdist, {"base.py": world, "backend.py": before + textwrap.indent(textwrap.dedent(code), "    ")})


BUILD = "return base.build_wheel(folder)\n"


def make(
    sdist: SdistFile, settings: BuildSettings, target: Target = HERE, events: list[Event] | None = None
) -> BuiltWheel:
    path = settings.work_folder.parent / "sdists" / sdist.filename
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(sdist.content)
    return build.build_wheel(
        path,
        project=ALPHA,
        version=ONE,
        target=target,
        into=settings.work_folder.parent / "wheels",
        settings=settings,
        listen=[].append if events is None else events.append,
    )


def failure(sdist: SdistFile, settings: BuildSettings) -> BuildFailed:
    with pytest.raises(BuildFailed) as caught:
        make(sdist, settings)
    return caught.value


# --- a build that goes well


def test_a_pure_wheel_is_built_for_any_target(settings: BuildSettings) -> None:
    built = make(alpha(requires=("numpy<2",)), settings, OTHER)
    assert built.filename == "alpha-1.0-py3-none-any.whl"
    assert built.path == settings.work_folder.parent / "wheels" / built.filename
    assert built.size == built.path.stat().st_size
    assert (built.pure, built.build_requires, built.repeatable) == (True, (), None)
    assert [str(each) for each in built.metadata.requires] == ["numpy<2"]
    assert built.python == "{}.{}.{}".format(*sys.version_info[:3])
    with zipfile.ZipFile(built.path) as opened:
        assert opened.read("alpha/__init__.py") == b'__version__ = "1.0"\n'


def test_nothing_stays_of_a_build_but_its_wheel(settings: BuildSettings) -> None:
    make(alpha(), settings)
    assert [path.suffix for path in settings.work_folder.iterdir()] == [".lock"]


def test_a_build_happens_with_the_targets_python_or_with_ours(
    settings: BuildSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "find", lambda target: None)
    events: list[Event] = []
    built = make(alpha(), settings, Target.parse("linux-x86_64-py312"), events)
    own = "{}.{}.{}".format(*sys.version_info[:3])
    assert built.python == own
    assert [getattr(event, "message", "") for event in events] == [
        f"no Python 3.12 was found here: {own} builds `alpha-1.0.tar.gz`",
        f"building `alpha-1.0.tar.gz` with Python {own}",
    ]


def test_build_requirements_are_installed_and_recorded(settings: BuildSettings, index: FakeIndex) -> None:
    index.add(build_wheel("helper", "1.0", requires=("deeper",)))
    index.add(build_wheel("deeper", "2.0"))
    code = f"import helper, deeper\n{BUILD}"
    settings = replace(settings, index_url=index.simple)
    assert make(alpha(code, build_requires=("helper",)), settings).build_requires == ("deeper==2.0", "helper==1.0")


def test_constraints_bring_back_an_earlier_environment(settings: BuildSettings, index: FakeIndex) -> None:
    index.add(build_wheel("helper", "1.0"))
    index.add(build_wheel("helper", "2.0"))
    settings = replace(settings, index_url=index.simple, constraints=("helper==1.0",))
    assert make(alpha(build_requires=("helper",)), settings).build_requires == ("helper==1.0",)


def test_pip_heeds_our_settings_and_none_of_the_machines(
    settings: BuildSettings, index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(build_wheel("helper", "1.0"))
    planted = build_wheel("helper", "9.0")
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / planted.filename).write_bytes(planted.content)
    hostile = f"[global]\nindex-url = {NOWHERE}\nextra-index-url = {NOWHERE}\nfind-links = {tmp_path / 'planted'}\n"
    for path in (Path(os.environ["HOME"], ".config/pip/pip.conf"), Path(os.environ["HOME"], ".pip/pip.conf")):
        path.parent.mkdir(parents=True)
        path.write_text(hostile)
    (tmp_path / "pip.conf").write_text(hostile)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "planted"))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", NOWHERE)
    settings = replace(settings, index_url=index.simple)
    assert make(alpha(build_requires=("helper",)), settings).build_requires == ("helper==1.0",)


def test_find_links_of_ours_serve_build_requirements(settings: BuildSettings, tmp_path: Path) -> None:
    wheel = build_wheel("helper", "3.0")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / wheel.filename).write_bytes(wheel.content)
    (tmp_path / "simple").mkdir()
    settings = replace(settings, index_url=(tmp_path / "simple").as_uri(), find_links=(str(tmp_path / "links"),))
    assert make(alpha(build_requires=("helper",)), settings).build_requires == ("helper==3.0",)


def test_a_build_requirement_is_never_built_itself(settings: BuildSettings, index: FakeIndex) -> None:
    index.add(build_sdist("helper", "1.0"))
    error = failure(alpha(build_requires=("helper",)), replace(settings, index_url=index.simple))
    assert error.step == "installing the build requirements"
    assert error.hint == "pip asked the index of `--index-url` for wheels alone, with no other setting of this machine"


def test_a_build_sees_fixed_settings_and_no_index(settings: BuildSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    monkeypatch.setenv("PYTHONPATH", "/planted")
    monkeypatch.setenv("WHEELHOUSE_INDEX_URL", NOWHERE)
    code = """
        import os, sys
        print("umask", oct(os.umask(0)))
        for name in sorted(os.environ):
            if name.startswith(("PIP_", "PYTHON", "WHEELHOUSE_", "SOURCE_", "DS_")):
                print(name, os.environ[name])
        print(os.path.dirname(os.environ["TMPDIR"]) == os.path.dirname(os.path.dirname(os.getcwd())))
        sys.exit(3)
    """
    error = failure(alpha(code), replace(settings, environment={"DS_BUILD_OPS": "0"}))
    assert error.tail.splitlines() == [
        "umask 0o22",
        "DS_BUILD_OPS 0",
        f"PIP_CONFIG_FILE {os.devnull}",
        "PIP_NO_INDEX 1",
        "PIP_NO_INPUT 1",
        "PYTHONDONTWRITEBYTECODE 1",
        "PYTHONHASHSEED 0",
        "PYTHONNOUSERSITE 1",
        "SOURCE_DATE_EPOCH 1704067200",
        "True",
    ]


def test_what_a_backend_warns_of_does_not_reach_us(settings: BuildSettings) -> None:
    code = f'import warnings\nwarnings.warn("the licence is old")\n{BUILD}'
    assert make(alpha(code), settings).pure


# --- a build that fails


def test_a_failed_build_shows_the_end_of_its_output_and_names_the_log(settings: BuildSettings) -> None:
    error = failure(alpha(broken="build"), settings)
    log = settings.work_folder / f"alpha-1.0-py{sys.version_info[0]}{sys.version_info[1]}.log"
    assert str(error).splitlines()[0] == (
        f"`alpha-1.0.tar.gz` cannot be built for `{HERE}`: building the wheel failed with exit code 1;"
        f" the whole log is `{log}`"
    )
    assert str(error).splitlines()[-1] == "    RuntimeError: the compiler is missing"
    assert "RuntimeError: the compiler is missing" in log.read_text()
    assert error.hint.splitlines() == [
        "build it where the target's platform and Python are, `pip wheel --no-deps alpha==1.0`, "
        "and name that folder with `--find-links`",
        "or give a prebuilt wheel: `alpha @ https://….whl`",
        "or ask for a version of `alpha` that has a wheel",
    ]


def test_only_the_last_lines_are_shown_and_no_control_codes(settings: BuildSettings) -> None:
    error = failure(alpha('for n in range(50): print("line", n, "\\033[31m")\nraise SystemExit(1)\n'), settings)
    assert error.tail.splitlines() == [f"line {n} ?[31m" for n in range(30, 50)]


def test_a_module_that_the_build_does_not_declare_is_named(settings: BuildSettings) -> None:
    error = failure(alpha("import torch\n"), settings)
    assert error.reason == f"its build needs `torch` without saying so; the whole log is `{error.log}`"
    assert str(error).count("\n") == 0
    assert "ModuleNotFoundError: No module named 'torch'" in error.log.read_text()


def test_passwords_are_in_no_log(settings: BuildSettings) -> None:
    settings = replace(
        settings,
        index_url="http://user:hunter%402@127.0.0.1:9/simple",
        environment={"LEAK": "http://user:hunter%402@127.0.0.1 hunter@2"},
    )
    error = failure(alpha('import os\nprint(os.environ["LEAK"])\nraise SystemExit(1)\n'), settings)
    assert error.tail == "http://****@127.0.0.1 ****"
    assert "hunter" not in error.log.read_text()


def test_secrets_are_told_from_urls() -> None:
    assert secrets_of(["https://user:p%40ss@host/", "https://token@host", "https://host", None]) == (
        "user%3Ap%40ss", "user:p%40ss", "user:p@ss", "p%40ss", "token", "p@ss",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pyproject.toml": "[build-system\n"}, "Failed to parse"),
        (
            {"pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "gone"\n'},
            "Backend 'gone' is not available",
        ),
        (
            {"pyproject.toml": "[build-system]\n"},
            "Failed to validate `build-system` in pyproject.toml: `requires` is a required",
        ),
    ],
)
def test_an_sdist_that_no_backend_builds_is_refused(
    settings: BuildSettings, changes: Mapping[str, str], reason: str
) -> None:
    with pytest.raises(CannotBuild) as error:
        make(repacked(alpha(), changes), settings)
    assert error.value.reason.startswith(reason)
    assert [path.suffix for path in settings.work_folder.iterdir()] in ([".lock"], [".lock", ".log"], [".log", ".lock"])


@pytest.mark.parametrize("content", [b"", b"<html>", build_sdist("alpha", "1.0").content[:200]])
def test_a_damaged_sdist_is_refused(settings: BuildSettings, content: bytes) -> None:
    with pytest.raises(BadMetadata):
        make(dataclasses.replace(alpha(), content=content), settings)


def test_a_wheel_of_another_project_is_refused(settings: BuildSettings) -> None:
    other = dataclasses.replace(build_sdist("beta", "1.0"), filename="alpha-1.0.tar.gz")
    with pytest.raises(BadBuild, match=r"it is beta 1\.0, and the sdist is alpha 1\.0"):
        make(other, settings)


# --- processes

CONNECT = (
    "import socket, time\ns = socket.create_connection(('127.0.0.1', {port}))\nprint(1, flush=True)\ntime.sleep(600)\n"
)


@pytest.fixture
def listener() -> socket.socket:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(60)
    return listening


def program(listener: socket.socket) -> str:
    """Python code that starts a process which comes to the listener and stays, and waits for it."""
    inner = CONNECT.format(port=listener.getsockname()[1])
    return f"import subprocess, sys\nprint('starting', flush=True)\nsubprocess.run([sys.executable, '-c', {inner!r}])\n"


def is_dead(listener: socket.socket) -> bool:
    """Whether the process that came to the listener is gone: its end of the connection is closed."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(60)
        return connection.recv(1) == b""


def test_a_build_that_takes_too_long_is_killed_with_all_that_it_started(
    tmp_path: Path, listener: socket.socket
) -> None:
    shell = Shell(tmp_path / "log", timeout=3)
    with listener:
        with pytest.raises(StepFailed) as error:
            shell.run("building", [sys.executable, "-c", program(listener)], cwd=tmp_path, environ=dict(os.environ))
        assert is_dead(listener)
    assert str(error.value) == f"building took longer than 3 seconds; the whole log is `{tmp_path / 'log'}`"
    assert error.value.tail.splitlines()[0] == "starting"


def test_what_a_build_leaves_behind_is_killed(tmp_path: Path, listener: socket.socket) -> None:
    inner = CONNECT.format(port=listener.getsockname()[1])
    code = f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {inner!r}], stdout=-1)\n"
    command = [sys.executable, "-c", code + "child.stdout.readline()\n"]
    with listener:
        Shell(tmp_path / "log", timeout=60).run("building", command, cwd=tmp_path, environ=dict(os.environ))
        assert is_dead(listener)


def test_ctrl_c_kills_a_build_with_all_that_it_started(
    tmp_path: Path, settings: BuildSettings, listener: socket.socket
) -> None:
    sdist = tmp_path / "alpha-1.0.tar.gz"
    sdist.write_bytes(alpha(program(listener)).content)
    ours = f"""
        import sys
        from pathlib import Path
        from packaging.version import Version
        from wheelhouse.edge.build import *
        from wheelhouse.target import Target
        settings = BuildSettings(index_url={NOWHERE!r}, work_folder=Path({str(settings.work_folder)!r}))
        try:
            build_wheel(Path({str(sdist)!r}), project="alpha", version=Version("1.0"), target=Target.parse({here()!r}),
                        into=Path({str(tmp_path / "wheels")!r}), settings=settings)
        except KeyboardInterrupt:
            sys.exit(130)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(ours)], start_new_session=True)
    with listener, process:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(60)
            process.send_signal(signal.SIGINT)
            try:
                assert process.wait(60) == 130
            finally:
                process.kill()
            assert connection.recv(1) == b""
    assert not (tmp_path / "wheels").exists()
    assert [path.name for path in settings.work_folder.iterdir() if path.is_dir()] == []


# --- twice


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_APART", 0.0)


@pytest.mark.usefixtures("quick")
def test_a_build_that_gives_the_same_bytes_is_repeatable(settings: BuildSettings) -> None:
    built = make(alpha(), replace(settings, twice=True))
    assert (built.repeatable, built.differences) == (True, ())


@pytest.mark.usefixtures("quick")
def test_a_build_that_does_not_is_told_with_the_difference(settings: BuildSettings) -> None:
    code = f'import os\nopen("src/alpha/token.py", "w").write(os.urandom(8).hex())\n{BUILD}'
    built = make(alpha(code), replace(settings, twice=True))
    assert (built.repeatable, built.differences) == (False, ("`alpha/token.py` has other bytes",))


@pytest.mark.usefixtures("quick")
def test_the_second_build_begins_with_a_fresh_tree(settings: BuildSettings) -> None:
    code = f'open("src/alpha/count.py", "a").write("# built\\n")\n{BUILD}'
    assert make(alpha(code), replace(settings, twice=True)).repeatable is True


def test_differences_are_told_one_by_one(tmp_path: Path) -> None:
    def archive(name: str, members: Sequence[tuple[str, bytes, int, int]]) -> Path:
        path = tmp_path / name / "alpha-1.0-py3-none-any.whl"
        path.parent.mkdir()
        with zipfile.ZipFile(path, "w") as opened:
            for member, content, year, mode in members:
                info = zipfile.ZipInfo(member, (year, 1, 1, 0, 0, 0))
                info.external_attr = mode << 16
                opened.writestr(info, content)
        return path

    base = [("a", b"a", 2024, 0o644), ("b", b"b", 2024, 0o644), ("alpha-1.0.dist-info/RECORD", b"1", 2024, 0o644)]
    one = archive("one", base)
    assert differences(one, archive("same", base)) == ()
    assert differences(one, archive("order", base[::-1])) == ("the files are in another order",)
    other = [("a", b"a", 2025, 0o644), ("b", b"b", 2024, 0o755), ("c", b"c", 2024, 0o644)]
    assert differences(one, archive("other", other)) == (
        "`alpha-1.0.dist-info/RECORD` is only in the first",
        "`c` is only in the second",
        "`a` has another time",
        "`b` has another mode",
    )


# --- metadata


def metadata_of(sdist: SdistFile, settings: BuildSettings) -> bytes:
    path = settings.work_folder.parent / sdist.filename
    path.write_bytes(sdist.content)
    return prepare_metadata(path, project=ALPHA, version=ONE, target=HERE, settings=settings)


def test_metadata_is_prepared_without_a_build_where_the_backend_can(settings: BuildSettings) -> None:
    sdist = alpha("raise SystemExit('built')\n")
    with tarfile.open(fileobj=io.BytesIO(sdist.content)) as opened:
        backend = opened.extractfile("alpha-1.0/backend.py").read().decode()  # type: ignore[union-attr]
    backend += textwrap.dedent("""
        def prepare_metadata_for_build_wheel(folder, *rest):
            os.mkdir(os.path.join(folder, "alpha-1.0.dist-info"))
            with open(os.path.join(folder, "alpha-1.0.dist-info", "METADATA"), "w") as file:
                file.write("Metadata-Version: 2.1\\nName: alpha\\nVersion: 1.0\\nRequires-Dist: prepared\\n")
            return "alpha-1.0.dist-info"
    """)
    assert b"Requires-Dist: prepared" in metadata_of(repacked(sdist, {"backend.py": backend}), settings)


def test_metadata_is_taken_from_a_whole_build_where_it_cannot(settings: BuildSettings) -> None:
    sdist = alpha(requires=("numpy",))
    assert metadata_of(sdist, settings) == sdist.metadata


def test_metadata_of_another_project_is_refused(settings: BuildSettings) -> None:
    with pytest.raises(BadMetadata, match="it is that of `beta`"):
        metadata_of(build_sdist("beta", "1.0"), settings)


# --- compiled code

NATIVE = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *unused) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, 0}, {0, 0, 0, 0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", 0, -1, methods, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
"""
COMPILE = """
import subprocess, sysconfig
suffix = sysconfig.get_config_var("EXT_SUFFIX")
flags = ["-undefined", "dynamic_lookup"] if sysconfig.get_platform().startswith("macosx") else []
subprocess.run(["cc", "-shared", "-fPIC", "-g", *flags, "-I", sysconfig.get_path("include"),
                "-o", "src/native" + suffix, "native.c"], check=True)
"""
CAN_COMPILE = shutil.which("cc") is not None and Path(sysconfig.get_path("include"), "Python.h").exists()


def native() -> SdistFile:
    version = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    return repacked(alpha(COMPILE + BUILD, tag=f"{version}-{version}-{platform}"), {"native.c": NATIVE})


@pytest.mark.usefixtures("quick")
def test_compiled_code_is_built_for_this_very_platform_and_runs(settings: BuildSettings, tmp_path: Path) -> None:
    if not CAN_COMPILE:
        assert failure(native(), settings).hint.startswith("build it where the target's platform and Python are")
        return
    machine = interpreters.running()
    libc = "-" + machine.libc[0] + "{}.{}".format(*machine.libc[1]) if machine.libc else ""
    target = Target.parse(re.sub(r"-glibc.*", "", here()) + libc)
    built = make(native(), replace(settings, twice=True), target)
    assert (built.pure, built.repeatable) == (False, True)
    with zipfile.ZipFile(built.path) as opened:
        opened.extractall(tmp_path / "site")
    asked = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"]
    asked[-1] += "import native; print(native.answer())"
    assert subprocess.run(asked, capture_output=True, text=True).stdout == "42\n"


def test_compiled_code_is_refused_for_another_platform(settings: BuildSettings) -> None:
    version = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    sdist = alpha(tag=f"{version}-{version}-linux_x86_64")
    with pytest.raises(CannotBuild) as error:
        make(sdist, settings, OTHER)
    assert re.fullmatch(
        rf"its wheel is `alpha-1.0-{version}-{version}-linux_x86_64.whl`, and this machine, .*,"
        " is not the target's platform",
        error.value.reason,
    )
    assert "--find-links" in error.value.hint
    assert not (settings.work_folder.parent / "wheels").exists()


# --- what a wheel holds, and whether it fits

LINUX = Interpreter(
    path=Path("python"), version=(3, 10, 13), os="linux", arch="x86_64", bits=64, libc=("glibc", (2, 36)),
    free_threaded=False, debug=False,
)  # fmt: skip
PURE = "alpha-1.0-py3-none-any.whl"
COMPILED = "alpha-1.0-cp310-cp310-linux_x86_64.whl"


def on_disk(folder: Path, wheel: WheelFile) -> Path:
    path = folder / wheel.filename
    path.write_bytes(wheel.content)
    return path


def held(folder: Path, modules: Mapping[str, str] | None = None, **arguments: object) -> Contents:
    wheel = build_wheel("alpha", "1.0", modules=modules, **arguments)  # type: ignore[arg-type]
    return examine(on_disk(folder, wheel), project=ALPHA, version=ONE)


def test_compiled_members_are_seen_by_their_bytes(tmp_path: Path) -> None:
    contents = held(
        tmp_path,
        {
            "alpha/a.so": "\x7fELF GLIBC_2.5 GLIBC_2.17 GLIBCXX_3.4.29 GLIBC_PRIVATE",
            "alpha/b.bin": "\x7fELF" + "x" * (2**20 - 8) + "GLIBC_2.34\0",
            "alpha/c.txt": "GLIBC_2.99",
            "alpha/d.pyd": "MZ" + "\0" * 58 + "\x40\0\0\0PE\0\0",
        },
    )
    assert (contents.binaries, contents.glibc) == (("alpha/a.so", "alpha/b.bin", "alpha/d.pyd"), (2, 34))


@pytest.mark.parametrize(
    ("wheel", "label", "reason"),
    [
        (PURE, "linux-x86_64-py310", None),
        (PURE, "windows-x86_64-py313", None),
        ("alpha-1.0-py2.py3-none-any.whl", "macos-aarch64-py312", None),
        (
            "alpha-1.0-py2-none-any.whl",
            "linux-x86_64-py310",
            "its wheel is `alpha-1.0-py2-none-any.whl`, whose interpreter tag does not fit the target",
        ),
        (COMPILED, "linux-x86_64-py310", None),
        ("alpha-1.0-cp38-abi3-linux_x86_64.whl", "linux-x86_64-py310", None),
        ("alpha-1.0-py3-none-linux_x86_64.whl", "linux-x86_64-py310", None),
        (
            COMPILED,
            "linux-aarch64-py310",
            f"its wheel is `{COMPILED}`, and this machine, linux x86_64 (glibc), is not the target's platform",
        ),
        (
            COMPILED,
            "linux-x86_64-py310-musl1.2",
            f"its wheel is `{COMPILED}`, and this machine, linux x86_64 (glibc), is not the target's platform",
        ),
        (
            COMPILED,
            "linux-x86_64-py312",
            f"its wheel is `{COMPILED}`, and no Python 3.12 was found on this machine; it was built with 3.10.13",
        ),
        (
            "alpha-1.0-cp310-cp310-linux_i686.whl",
            "linux-x86_64-py310",
            "its wheel is `alpha-1.0-cp310-cp310-linux_i686.whl`, whose platform tag does not fit the target",
        ),
    ],
)
def test_a_wheel_fits_or_the_reason_is_told(tmp_path: Path, wheel: str, label: str, reason: str | None) -> None:
    assert misfit(wheel, held(tmp_path), Target.parse(label), LINUX) == reason


def test_compiled_code_in_a_wheel_that_claims_none_is_judged_as_compiled(tmp_path: Path) -> None:
    contents = held(tmp_path, {"alpha/a.so": "\x7fELF GLIBC_2.28"})
    assert misfit(PURE, contents, Target.parse("linux-x86_64-py310"), LINUX) is None
    assert misfit(PURE, contents, Target.parse("windows-x86_64-py310"), LINUX) == (
        "its wheel holds compiled code (`alpha/a.so`), and this machine, linux x86_64 (glibc),"
        " is not the target's platform"
    )


def test_code_that_needs_a_newer_c_library_than_the_targets_is_refused(tmp_path: Path) -> None:
    contents = held(tmp_path, {"alpha/a.so": "\x7fELF GLIBC_2.34"})
    assert misfit(COMPILED, contents, Target.parse("linux-x86_64-py310-glibc2.34"), LINUX) is None
    assert misfit(COMPILED, contents, Target.parse("linux-x86_64-py310"), LINUX) == (
        "compiled on this machine it needs glibc 2.34, and the target has glibc2.28"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"broken": "zip"}, "the wheel is damaged"),
        ({"broken": "no-metadata"}, "the wheel holds no `alpha-1.0.dist-info/METADATA`"),
        ({"broken": "wrong-name"}, "it is that of `somebody-else`"),
        ({"broken": "wrong-version"}, "it is that of version 0.0.999"),
        ({"broken": "record"}, "its RECORD is wrong about `alpha/__init__.py`"),
        ({"filename": "alpha-1.0.whl"}, "its file name is not a wheel's"),
        ({"filename": "alpha-2.0-py3-none-any.whl"}, "it is alpha 2.0, and the sdist is alpha 1.0"),
    ],
)
def test_a_broken_wheel_is_no_result(tmp_path: Path, arguments: Mapping[str, object], reason: str) -> None:
    with pytest.raises(BadBuild) as error:
        held(tmp_path, **arguments)
    assert error.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("alpha/more.py", "its RECORD does not name `alpha/more.py`"),
        ("alpha/__init__.py", "it holds a file twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_record_does_not_know_is_refused(tmp_path: Path, member: str, reason: str) -> None:
    path = on_disk(tmp_path, build_wheel("alpha", "1.0"))
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(member, "")
    with pytest.raises(BadBuild) as error:
        examine(path, project=ALPHA, version=ONE)
    assert error.value.reason == reason


# --- unpacking


def write_tar(path: Path, members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as opened:
        for info, content in members:
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return path


def entry(name: str, *, mode: int = 0o644, mtime: int = 1700000000, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = mode, mtime
    if link:
        info.type, info.linkname = tarfile.SYMTYPE, link
    return info, b"" if link else b"content"


def test_modes_depend_on_the_sdist_alone_and_the_newest_time_is_told(tmp_path: Path) -> None:
    members = [
        entry("alpha-1.0/run", mode=0o700, mtime=1700000001),
        entry("alpha-1.0/a/plain", mode=0o666),
        entry("alpha-1.0/link", link="a/plain"),
    ]
    tree, newest = unpack(write_tar(tmp_path / "alpha-1.0.tar.gz", members), tmp_path / "tree")
    assert (tree, newest) == (tmp_path / "tree" / "alpha-1.0", 1700000001)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tree.rglob("*")}
    assert modes == {"run": "0o755", "a": "0o755", "plain": "0o644", "link": "0o644"}


def test_a_zip_is_unpacked_alike(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "alpha-1.0.zip", "w") as opened:
        info = zipfile.ZipInfo("alpha-1.0/run", (2024, 1, 1, 0, 0, 0))
        info.external_attr = 0o755 << 16
        opened.writestr(info, "content")
    tree, newest = unpack(tmp_path / "alpha-1.0.zip", tmp_path / "tree")
    assert ((tree / "run").read_text(), oct((tree / "run").stat().st_mode & 0o777)) == ("content", "0o755")
    assert newest == 1704067200


@pytest.mark.parametrize(
    "members",
    [
        [entry("../evil")],
        [entry("alpha-1.0/a"), entry("alpha-1.0/../../evil")],
        [entry("alpha-1.0/out", link="../../.."), entry("alpha-1.0/out/evil")],
        [entry("alpha-1.0/a"), entry("beta/a")],
        [entry("alpha-1.0")],
        [],
    ],
    ids=["above", "through above", "through a link", "two folders", "a file", "nothing"],
)
def test_an_sdist_that_leads_elsewhere_is_refused(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with pytest.raises(BadMetadata):
        unpack(write_tar(tmp_path / "alpha-1.0.tar.gz", members), tmp_path / "in" / "tree")
    assert list(tmp_path.rglob("evil")) == []


@pytest.mark.parametrize("name", ["../evil", "/evil", "alpha-1.0/../../evil", "alpha-1.0\\..\\evil"])
def test_a_zip_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "alpha-1.0.zip", "w") as opened:
        opened.writestr(name, "content")
    with pytest.raises(BadMetadata, match="leads elsewhere"):
        unpack(tmp_path / "alpha-1.0.zip", tmp_path / "in" / "tree")
    assert issubclass(BadMetadata, WheelhouseError)
