"""install.py installs with real interpreters and a real pip, tries what it installed, and undoes what fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from world.bundles import OFFLINE, Bundle, Interpreter, environ, here, interpreters, tiny_pip, write_bundle
from world.wheels import build_wheel, pip_wheel

from wheelhouse.offline import install

ALPHA = build_wheel("alpha", "1.0+cu121", requires=["beta"], modules={"alpha/__init__.py": "import beta\n"})
BETA = build_wheel("beta", "2.0", scripts=["beta = beta:__doc__"])
HANGING_PIP = build_wheel(
    "pip",
    "99.0",
    modules={
        "pip/__init__.py": "",
        "pip/__main__.py": "import os, time\nopen(os.environ['STARTED'], 'w').close()\ntime.sleep(60)\n",
    },
)


def versions(venv: Path, python: str = "") -> list[str]:
    """What is installed in a virtual environment, by its dist-info folders."""
    return sorted(
        path.name.removesuffix(".dist-info") for path in venv.glob(f"lib/python3*{python}/site-packages/*.dist-info")
    )


@pytest.mark.parametrize("interpreter", interpreters(), ids=str)
def test_a_bundle_is_installed_checked_and_imported_under_korean_paths_and_an_ascii_locale(
    tmp_path: Path, interpreter: Interpreter
) -> None:
    work = tmp_path / "한글 폴더"
    label = here(interpreter.version)
    bundle = write_bundle(work / "묶음", [ALPHA, BETA], roots=["alpha"], pip=interpreter.pip, label=label)
    command = [interpreter.path, str(bundle.folder / "install.py")]
    done = bundle.install(cwd=work, command=command, environment={"LC_ALL": "C"})
    assert (done.returncode, done.stdout) == (0, f"{work}/venv/bin/python\n")
    assert done.stderr.startswith(
        f"making the virtual environment `{work}/venv` with Python 3.{interpreter.version[1]}."
    )
    assert done.stderr.endswith(f"importing alpha\ninstalled alpha into `{work}/venv`\n")
    assert versions(work / "venv") == ["alpha-1.0+cu121", "beta-2.0"]  # and no pip
    script = (work / "venv" / "bin" / "beta").read_text(encoding="utf-8")
    assert str(work) in script


def test_the_python_that_runs_it_need_not_be_the_one_that_the_wheels_are_for(tmp_path: Path) -> None:
    oldest = interpreters()[0]
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip())
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = bundle.install(cwd=tmp_path, command=[oldest.path, str(bundle.folder / "install.py")], environment=path)
    assert done.returncode == 0
    assert versions(tmp_path / "venv", f".{sys.version_info[1]}") == ["beta-2.0"]


def test_a_virtual_environment_made_from_another_one_does_not_depend_on_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "first"], check=True)
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip())
    done = bundle.install("--python", str(tmp_path / "first" / "bin" / "python"), cwd=tmp_path)
    assert done.returncode == 0
    assert str(tmp_path / "first") not in (tmp_path / "venv" / "pyvenv.cfg").read_text()


def test_a_read_only_bundle_an_empty_environment_and_a_strict_umask_are_enough(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip())
    for path in (bundle.folder / "wheels", bundle.folder):
        path.chmod(0o555)
    python = f"umask 077; exec '{sys.executable}' '{bundle.folder}/install.py'"
    nothing = dict.fromkeys(os.environ) | {"PATH": "/usr/bin:/bin"}
    try:
        done = bundle.install(cwd=tmp_path, command=["/bin/sh", "-c", python], environment=nothing)
    finally:
        for path in (bundle.folder, bundle.folder / "wheels"):
            path.chmod(0o755)
    assert done.returncode == 0
    assert (tmp_path / "venv").stat().st_mode & 0o777 == 0o700
    assert not list(bundle.folder.rglob("__pycache__"))


HOSTILE = """[global]
no-index = false
index-url = http://127.0.0.1:9/simple
target = {stolen}
prefix = {stolen}
require-virtualenv = true
constraint = {stolen}/no-such-file
no-binary = :all:
[install]
user = true
dry-run = true
"""


@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
def test_no_setting_of_pip_or_python_has_any_effect(tmp_path: Path, existing: bool) -> None:
    stolen = tmp_path / "stolen"
    places = ["home/.config/pip/pip.conf", "home/.pip/pip.conf", "xdg/pip/pip.conf", "own.conf"]
    if existing:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
        places.append("venv/pip.conf")
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(HOSTILE.format(stolen=stolen))
    (tmp_path / "path").mkdir()
    for name in ("json", "argparse", "venv", "pip"):
        (tmp_path / "path" / f"{name}.py").write_text("raise SystemExit('hostile')\n")
    (tmp_path / "setup.cfg").write_text(f"[install]\nprefix = {stolen}\n")
    variables: dict[str, str | None] = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
        "PIP_CONFIG_FILE": str(tmp_path / "own.conf"), "PIP_TARGET": str(stolen), "PIP_NO_BINARY": ":all:",
        "PIP_DRY_RUN": "1", "PIP_USER": "1", "PIP_CONSTRAINT": "/no/such",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PYTHONPATH": f"{tmp_path / 'path'}::path", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "0",
        "SSL_CERT_FILE": "/no/such", "HTTPS_PROXY": "nonsense://", "PIP_CERT": "/no/such",
    }  # fmt: skip
    bundle = write_bundle(tmp_path / "bundle", [ALPHA, BETA])
    command = [sys.executable, str(bundle.folder / "install.py")]
    done = bundle.install(cwd=tmp_path, command=command, environment=variables)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, f"installed alpha, beta into `{tmp_path}/venv`")
    assert versions(tmp_path / "venv") == ["alpha-1.0+cu121", "beta-2.0"]
    assert not stolen.exists()


def test_nothing_beside_install_py_stands_in_for_the_standard_library(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip(), wheel_folder="")
    for name in ("json.py", "argparse.py", "venv.py", "pip.py"):
        (bundle.folder / name).write_text("raise SystemExit('hostile')\n")
    done = bundle.install(cwd=bundle.folder, command=[sys.executable, "install.py"])
    assert (done.returncode, versions(bundle.folder / "venv")) == (0, ["beta-2.0"])


def test_an_existing_virtual_environment_is_used_and_keeps_what_it_has(tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "first", [BETA], pip=tiny_pip())
    assert first.install("--venv", "env", cwd=tmp_path).returncode == 0
    (tmp_path / "env" / "mine").write_text("mine")
    second = write_bundle(tmp_path / "second", [build_wheel("gamma", "3.0"), build_wheel("beta", "2.1")])
    done = second.install("--venv", "env", cwd=tmp_path)
    assert done.returncode == 0
    assert "making the virtual environment" not in done.stderr
    assert versions(tmp_path / "env") == ["beta-2.1", "gamma-3.0"]
    assert (tmp_path / "env" / "mine").read_text() == "mine"


def test_an_existing_virtual_environment_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA])
    venv = tmp_path / "env"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text("home = /nowhere\n")
    done = bundle.install("--venv", "env", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        f"error[venv]: `{venv}` is a virtual environment whose Python does not run",
    )
    for other in interpreters():
        wanted = (3, other.version[1] + 1) if other.version == sys.version_info[:2] else sys.version_info[:2]
        bundle = write_bundle(tmp_path / str(other), [BETA], label=here((wanted[0], wanted[1])))
        subprocess.run([other.path, "-m", "venv", "--without-pip", "--clear", venv], check=True)
        done = bundle.install("--venv", "env", cwd=tmp_path)
        assert done.returncode == 1
        assert f"but the wheels are for Python {wanted[0]}.{wanted[1]}\n" in done.stderr
        assert "  hint: take another folder: --venv DIR\n" in done.stderr
        assert versions(venv) == []


def test_a_python_that_contradicts_the_existing_virtual_environment_is_refused(tmp_path: Path) -> None:
    (oldest, current) = (interpreters()[0], sys.executable)
    subprocess.run([oldest.path, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    bundle = write_bundle(tmp_path / "bundle", [BETA], label=here(oldest.version))
    done = bundle.install("--check", "--python", current, cwd=tmp_path)
    fits = oldest.version == sys.version_info[:2]
    assert (done.returncode, "but --python names Python" in done.stderr) == (0 if fits else 1, not fits)


def test_an_install_that_fails_leaves_nothing_of_what_it_made(tmp_path: Path) -> None:
    unfit = build_wheel("unfit", "1.0", tag="cp27-cp27m-win32")
    bundle = write_bundle(tmp_path / "bundle", [BETA, unfit])
    done = bundle.install("--venv", "deep/er/env", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[pip]: pip could not install the wheels, exit status 1; it says why above\n" in done.stderr
    assert done.stderr.endswith(f"`{tmp_path}/deep` was removed again, nothing is changed\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]
    (tmp_path / "empty").mkdir()
    done = bundle.install("--venv", "empty", cwd=tmp_path)
    assert done.stderr.endswith(f"`{tmp_path}/empty` was emptied again, nothing is changed\n")
    assert list((tmp_path / "empty").iterdir()) == []


def test_an_install_that_fails_does_not_remove_what_was_there_before(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    bundle = write_bundle(tmp_path / "bundle", [build_wheel("unfit", "1.0", tag="cp27-cp27m-win32")])
    done = bundle.install(cwd=tmp_path)
    assert (done.returncode, (tmp_path / "venv" / "pyvenv.cfg").is_file()) == (1, True)
    assert done.stderr.endswith("/venv` was there before and was not removed; it may hold a part of the wheels\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_install_leaves_nothing_of_what_it_made(tmp_path: Path, number: int, code: int) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=HANGING_PIP)
    started = tmp_path / "started"
    process = subprocess.Popen(
        [sys.executable, "-I", bundle.folder / "install.py"],
        cwd=tmp_path, env=environ({"STARTED": str(started)}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.01)
    assert (tmp_path / "venv" / "pyvenv.cfg").is_file()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (code, "")
    assert stderr.endswith(
        f"`{tmp_path}/venv` was removed again, nothing is changed\ninterrupted by signal {int(number)}\n"
    )
    assert not (tmp_path / "venv").exists()


def test_an_import_that_fails_is_exit_code_3_with_its_last_line(tmp_path: Path) -> None:
    text = "libcudart.so.12: cannot open shared object file: No such file or directory"
    broken = build_wheel("broken", "1.0", modules={"broken/__init__.py": f"raise ImportError({text!r})\n"})
    slow = build_wheel("slow", "1.0", modules={"slow.py": "import time; time.sleep(60)\n"})
    dead = build_wheel("dead", "1.0", modules={"dead.py": "import os; os.abort()\n", "tests/__init__.py": "1/0\n"})
    empty = build_wheel("empty", "1.0", modules={"empty-1.0.data/data/share/x.txt": ""})
    unasked = build_wheel("unasked", "1.0", modules={"unasked.py": "1/0\n"})
    roots = ["broken", "slow", "dead", "empty"]
    bundle = write_bundle(tmp_path / "bundle", [broken, slow, dead, empty, unasked], roots=roots, pip=tiny_pip())
    done = bundle.install(cwd=tmp_path, environment={"WHEELHOUSE_IMPORT_TIMEOUT": "0.5"})
    assert (done.returncode, done.stdout) == (3, f"{tmp_path}/venv/bin/python\n")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error[")]
    assert errors == [
        f"error[installed]: import broken: ImportError: {text}",
        "error[installed]: import dead: ended by signal 6",
        "error[installed]: import slow: no end after 0.5 seconds",
    ]
    assert versions(tmp_path / "venv") == ["broken-1.0", "dead-1.0", "empty-1.0", "slow-1.0", "unasked-1.0"]


def test_what_pip_check_finds_is_exit_code_3(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [build_wheel("lonely", "1.0", requires=["nobody>=3"])])
    done = bundle.install(cwd=tmp_path)
    assert done.returncode == 3
    assert "error[installed]: pip check: lonely 1.0 requires nobody, which is not installed.\n" in done.stderr


def test_a_pip_that_was_asked_for_is_installed_as_any_other(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [pip_wheel()], roots=["pip"])
    done = bundle.install(cwd=tmp_path)
    assert (done.returncode, (tmp_path / "venv" / "bin" / "pip").is_file()) == (0, True)


def test_what_is_installed_already_asks_for_no_space(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip())
    target = install.read_manifest(bundle.folder)
    assert install.measure(bundle.folder, target, [])[0] == 10 * 4096  # .py, .pyc, five of dist-info, three folders
    assert bundle.install(cwd=tmp_path).returncode == 0
    site = [str(path) for path in tmp_path.glob("venv/lib/python3*/site-packages")]
    assert install.measure(bundle.folder, target, site)[0] == 0
    assert bundle.install(cwd=tmp_path).returncode == 0


def test_closed_output_streams_do_no_harm(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip())
    line = f"exec '{sys.executable}' '{bundle.folder}/install.py' >&- 2>&-"
    done = Bundle(bundle.folder).install(cwd=tmp_path, command=["/bin/sh", "-c", line])
    assert (done.returncode, versions(tmp_path / "venv")) == (0, ["beta-2.0"])


def test_the_scripts_in_the_package_are_the_ones_that_travel() -> None:
    assert (OFFLINE / "install.sh").read_bytes().startswith(b"#!/bin/sh\n")
    assert b"\r" not in (OFFLINE / "install.sh").read_bytes() + (OFFLINE / "install.py").read_bytes()
