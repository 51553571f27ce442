"""What is imported after an installation, and in which order."""

from __future__ import annotations

from pathlib import Path

from world.bundles import tiny_pip, write_bundle
from world.wheels import build_wheel


def test_a_projects_other_modules_are_imported_behind_its_namesake(tmp_path: Path) -> None:
    modules = {
        "zeta/__init__.py": "import sys\nsys.loaded_by_zeta = True\n",
        "fuser/__init__.py": "import sys\nif not hasattr(sys, 'loaded_by_zeta'):\n    raise ImportError('no lib')\n",
    }
    bundle = write_bundle(tmp_path / "bundle", [build_wheel("zeta", "1.0", modules=modules)], pip=tiny_pip())
    done = bundle.install(cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/venv/bin/python\n")
    assert "importing fuser\nimporting zeta\n" in done.stderr


def test_a_namesake_that_fails_is_told_with_its_own_error(tmp_path: Path) -> None:
    modules = {"alpha/__init__.py": "raise ImportError('no alpha')\n"}
    bundle = write_bundle(tmp_path / "bundle", [build_wheel("alpha", "1.0", modules=modules)], pip=tiny_pip())
    done = bundle.install(cwd=tmp_path)
    assert done.returncode == 3
    assert "error[installed]: import alpha: ImportError: no alpha\n" in done.stderr
