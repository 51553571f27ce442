"""install.sh finds a Python and hands over to install.py, under whatever shell and however it is called."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from world.bundles import Bundle, fake_python, here, tiny_pip, write_bundle
from world.wheels import build_wheel

SHELLS = [name for name in ("sh", "dash", "bash", "ksh", "zsh") if shutil.which(name)]
SHELLS += ["busybox sh"] if shutil.which("busybox") else []
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
PASSED = f"all checks passed: beta ({here()}) can be installed into `"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "a 묶음", [build_wheel("beta", "2.0")], pip=tiny_pip())


@pytest.mark.parametrize("shell", SHELLS)
def test_it_runs_under_every_shell_from_wherever_it_is_called(tmp_path: Path, bundle: Bundle, shell: str) -> None:
    (tmp_path / "links" / "deeper").mkdir(parents=True)
    (tmp_path / "links" / "relative").symlink_to("../a 묶음/install.sh")
    (tmp_path / "links" / "deeper" / "twice").symlink_to(tmp_path / "links" / "relative")
    (tmp_path / "elsewhere" / "a 묶음").mkdir(parents=True)
    environment = {"PATH": PATH, "CDPATH": f"{tmp_path / 'elsewhere'}:{tmp_path}"}
    calls = [
        (bundle.folder, "install.sh"),
        (bundle.folder, "./install.sh"),
        (tmp_path, "a 묶음/install.sh"),
        (tmp_path, str(bundle.folder / "install.sh")),
        (tmp_path / "links", "relative"),
        (tmp_path, "links/deeper/twice"),
    ]
    for cwd, script in calls:
        done = bundle.install("--check", cwd=cwd, command=[*shell.split(), script], environment=environment)
        assert (done.returncode, done.stderr.splitlines()[0]) == (0, f"{PASSED}{cwd / 'venv'}`")


def test_it_runs_by_itself_and_passes_every_argument_on(tmp_path: Path, bundle: Bundle) -> None:
    script = [str(bundle.folder / "install.sh")]
    done = bundle.install(
        "--venv",
        "a  folder/$HOME *",
        "--python",
        sys.executable,
        cwd=tmp_path,
        command=script,
        environment={"PATH": PATH},
    )
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/a  folder/$HOME */bin/python\n")
    done = bundle.install("--nonsense", cwd=tmp_path, command=script, environment={"PATH": PATH})
    assert done.returncode == 2


def test_the_targets_own_python_goes_first(tmp_path: Path, bundle: Bundle) -> None:
    seen = tmp_path / "seen"
    own = tmp_path / "bin" / f"python3.{sys.version_info[1]}"
    own.parent.mkdir()
    own.write_text(f'#!/bin/sh\necho x >>"{seen}"\nexec "{sys.executable}" "$@"\n')
    own.chmod(0o755)
    environment = {"PATH": f"{own.parent}:{PATH}"}
    done = bundle.install(
        "--check", cwd=tmp_path, command=["sh", f"{bundle.folder}/install.sh"], environment=environment
    )
    assert (done.returncode, seen.exists()) == (0, True)


@pytest.mark.parametrize("arguments", [["--python", "{}"], ["--python={}"]])
def test_a_python_that_is_named_is_enough(tmp_path: Path, bundle: Bundle, arguments: list[str]) -> None:
    nowhere(bundle)
    given = [argument.format(sys.executable) for argument in arguments]
    environment = {"PATH": tools(tmp_path), "HOME": str(tmp_path)}
    done = bundle.install(
        "--check", *given, cwd=tmp_path, command=["/bin/sh", f"{bundle.folder}/install.sh"], environment=environment
    )
    assert "error[digest]: `install.sh` is sha256:" in done.stderr  # nowhere() changed it, so install.py did run


def test_without_any_python_there_is_one_clear_sentence(tmp_path: Path, bundle: Bundle) -> None:
    nowhere(bundle)
    fake_python(tmp_path / "tools" / "python")  # too old: it does not know what it is asked
    (tmp_path / "tools" / "python").write_text("#!/bin/sh\nexit 1\n")
    done = bundle.install(
        cwd=tmp_path,
        command=["/bin/sh", f"{bundle.folder}/install.sh"],
        environment={"PATH": tools(tmp_path), "HOME": str(tmp_path)},
    )
    version = f"3.{sys.version_info[1]}"
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "error[python-version]: no Python 3.6 or newer was found on this machine, nothing was changed\n"
        f"  hint: install Python {version}, or name one: sh install.sh --python /path/to/python{version}\n",
    )


def test_without_install_py_there_is_one_clear_sentence(tmp_path: Path, bundle: Bundle) -> None:
    (bundle.folder / "install.py").unlink()
    done = bundle.install(cwd=tmp_path, command=["sh", str(bundle.folder / "install.sh")], environment={"PATH": PATH})
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        f"error[missing-file]: `install.py` is not beside install.sh in `{bundle.folder}`, nothing was changed",
    )


def tools(tmp_path: Path) -> str:
    """A PATH with what install.sh uses and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir(exist_ok=True)
    for name in ("sed", "readlink"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)


def nowhere(bundle: Bundle) -> None:
    """Makes install.sh look for Pythons in places that do not exist, whatever this machine has."""
    path = bundle.folder / "install.sh"
    path.write_text(path.read_text().replace(" /usr/", " /nowhere/usr/").replace(" /opt/", " /nowhere/opt/"))


def test_an_emptied_path_is_no_reason_to_talk(tmp_path: Path, bundle: Bundle) -> None:
    script = [str(shutil.which("sh")), str(bundle.folder / "install.sh")]
    environment = {"PATH": "/nonexistent"}
    done = bundle.install("--check", "--python", sys.executable, cwd=tmp_path, command=script, environment=environment)
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, f"{PASSED}{tmp_path / 'venv'}`")
