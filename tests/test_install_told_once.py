"""What install.sh tells, it tells once: imports, and that there is no GPU; and a Python is named in any spelling."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from world.bundles import fake_probe, fake_python, here, seen, tiny_pip, write_bundle
from world.machines import machine
from world.wheels import build_wheel

from wheelhouse.offline import install

OWN = f"3.{sys.version_info[1]}"
NEEDS: dict[str, object] = {"cuda": "12.1", "driver": "525.60.13", "torch": "2.1.2+cu121", "capabilities": ["8.0"]}
NO_DRIVER = "Found no NVIDIA driver on your system."
TORCH = f"""
import types
__version__ = "2.1.2+cu121"
version = types.SimpleNamespace(cuda="12.1", hip=None)
def _init():
    raise RuntimeError({NO_DRIVER!r})
cuda = types.SimpleNamespace(is_available=lambda: False, init=_init)
"""


def test_a_module_that_several_projects_share_is_imported_once(tmp_path: Path) -> None:
    """nvidia-cublas-cu12, nvidia-cudnn-cu12 and their like all bring `nvidia/__init__.py`."""
    wheels = [
        build_wheel(name, "1.0", modules={"nvidia/__init__.py": "", f"nvidia/{name}/__init__.py": ""})
        for name in ("cublas", "cudnn", "nccl")
    ]
    done = write_bundle(tmp_path / "bundle", wheels, pip=tiny_pip()).install(cwd=tmp_path)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.startswith("importing ")] == ["importing nvidia"]


def test_a_shared_module_that_fails_is_told_once(tmp_path: Path) -> None:
    wheels = [build_wheel(name, "1.0", modules={"both.py": "raise ImportError('no lib')"}) for name in ("one", "two")]
    done = write_bundle(tmp_path / "bundle", wheels, pip=tiny_pip()).install(cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.count("error[installed]: import both: ImportError: no lib\n") == 1


# No GPU


def test_where_the_checks_foretold_it_the_smoke_test_does_not_warn_again(tmp_path: Path) -> None:
    wheel = build_wheel("torch", "2.1.2+cu121", modules={"torch/__init__.py": TORCH})
    bundle = write_bundle(tmp_path / "bundle", [wheel], label=here(), pip=tiny_pip(), needs=NEEDS, probe=fake_probe())
    done = bundle.install(cwd=tmp_path)
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert warnings == ["warning[gpu]: no NVIDIA GPU is seen on this machine, but the wheels are for CUDA 12.1"]
    assert done.stderr.endswith(
        "torch 2.1.2+cu121, built for CUDA 12.1\n"
        "CUDA does not start, as the checks said: no NVIDIA driver is loaded on this machine\n"
        f"installed torch into `{tmp_path}/venv`\n"
    )


TARGET: dict[str, Any] = {"label": "linux-x86_64-cu121-py310", "os": "linux", "python": "3.10", "needs": NEEDS}


def warned(told: dict[str, Any]) -> list[str]:
    return [each.what for each in install.check_server({**TARGET, "wheels": []}, "", install.whole_server(told))]


def test_a_gpu_whose_driver_is_not_loaded_is_not_also_told_as_missing(tmp_path: Path) -> None:
    told = machine("a100-no-driver", tmp_path).facts()
    assert warned(told) == [
        "`nvidia-smi` ended with status 9: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver"
        ". Make sure that the latest NVIDIA driver is installed and running; an NVIDIA GPU is in this machine, but no"
        " NVIDIA driver is loaded"
    ]
    assert warned(seen()) == ["no NVIDIA GPU is seen on this machine, but the wheels are for CUDA 12.1"]


# --python


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Python 3.99 that is not on PATH, but where pyenv puts its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cat").symlink_to(shutil.which("cat") or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    path = tmp_path / "home" / ".pyenv" / "versions" / "3.99.4" / "bin" / "python3.99"
    return fake_python(path, version=[3, 99, 4])


@pytest.mark.parametrize("name", ["3.99", "399", "py399", "cp399", "python3.99", "Py3.99", "3.99.4", "py3.99.4"])
def test_a_python_is_named_by_its_version_in_any_spelling(elsewhere: str, name: str) -> None:
    assert install.named_python(name) == [elsewhere]


@pytest.mark.parametrize("name", ["3.98", "398", "3.99.5", "3.99t", "4.99", "99", "py", "399x"])
def test_another_version_is_not_taken_for_it(elsewhere: str, name: str) -> None:
    assert install.named_python(name) is None


def test_a_command_of_that_name_goes_first(elsewhere: str, tmp_path: Path) -> None:
    named = fake_python(tmp_path / "bin" / "py399")
    assert install.named_python("py399") == [named]
    on_path = fake_python(tmp_path / "bin" / "python3.99", version=[3, 99, 0])
    assert install.named_python("3.99") == [on_path]
    assert install.named_python("3.99.4") == [elsewhere]


def test_a_version_is_enough_for_the_installer(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [build_wheel("beta", "1.0")], pip=tiny_pip())
    done = bundle.install("--check", "--python", OWN.replace(".", ""), cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-2].partition(":")[0]) == (0, "all checks passed")
