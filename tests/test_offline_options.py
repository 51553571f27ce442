"""install.sh and install.py: where the environment is made, and what of the machine has no say in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from world.bundles import Bundle, here, tiny_pip, write_bundle
from world.wheels import build_wheel

from wheelhouse.offline import install

PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
PASSED = f"all checks passed: beta ({here()}) can be installed into `"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bundle", [build_wheel("beta", "2.0")], pip=tiny_pip())


def checked(bundle: Bundle, cwd: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(bundle.folder / "install.sh"), "--check", *arguments],
        cwd=cwd, env={"PATH": PATH, "HOME": str(cwd), **variables}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_tilde_that_no_shell_has_read_is_the_home_folder(bundle: Bundle, tmp_path: Path) -> None:
    done = checked(bundle, tmp_path, "--venv=~/env", HOME=str(tmp_path / "ana"))
    assert done.stderr.startswith(f"{PASSED}{tmp_path / 'ana' / 'env'}`\n")


def test_modules_of_somebody_elses_never_run_in_place_of_the_standard_librarys(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("argparse", "sitecustomize"):  # the second runs at every start of a Python that is not told `-I`
        (tmp_path / f"{name}.py").write_text("import os; os.write(2, b'this is not the one')\n")
    done = checked(bundle, tmp_path, PYTHONPATH=str(tmp_path))
    assert "this is not the one" not in done.stderr
    assert "note[environment]: PYTHONPATH is set: " in done.stderr
    assert done.returncode == 0


def test_a_folder_where_nothing_can_be_loaded_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = str(tmp_path / "venv")
    assert install.check_venv(venv, False) == []
    monkeypatch.setattr(install, "is_noexec", lambda path: path == str(tmp_path))
    (finding,) = install.check_venv(venv, True)
    assert (finding.rule, finding.severity, finding.hint) == ("noexec", "error", "take another folder: --venv DIR")
    assert finding.what == f"the file system of `{venv}` is mounted noexec"
