"""The whole way to the closed machine: six CUDA targets in one run, and installers that accept what we write."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from world import FakeIndex, FakePyTorch, build_wheel, pip_wheel
from world.bundles import Interpreter, interpreters
from world.project import Project

SIX = [
    f"linux-x86_64-{accelerator}-{python}"
    for accelerator in ("cu118", "cu121", "cu124")
    for python in ("py310", "py311")
]
CUDA = {"cu118": "11.8", "cu121": "12.1", "cu124": "12.4"}
HERE = f"linux-{platform.machine()}-py{sys.version_info.major}{sys.version_info.minor}-glibc2.17"


def clean(**changes: str) -> dict[str, str]:
    """This environment without anything that speaks to pip or uv."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", **changes}


@pytest.fixture(scope="module")
def six(pypi: FakeIndex, pytorch: FakePyTorch, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Six targets, built in one run."""
    with pytest.MonkeyPatch.context() as patch:  # this fixture starts before the walls of the test
        for name in list(os.environ):
            if name.startswith(("PIP_", "UV_", "WHEELHOUSE_", "SSL_CERT_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        project = Project(tmp_path_factory.mktemp("six"), pypi, pytorch)
        (project.folder / "requirements.in").write_text("torch~=2.4\ntorchvision\n")
        ran = project.build(*(word for label in SIX for word in ("--target", label)))
    assert (ran.code, ran.out) == (0, "".join(f"bundles/{label}\n" for label in SIX)), ran.err
    return project


def test_each_of_six_targets_has_its_own_build_and_all_share_the_rest(six: Project) -> None:
    assert {label: six.pins(label)["torch"] for label in SIX} == {
        "linux-x86_64-cu118-py310": "2.7.1+cu118",
        "linux-x86_64-cu118-py311": "2.7.1+cu118",
        "linux-x86_64-cu121-py310": "2.5.1+cu121",
        "linux-x86_64-cu121-py311": "2.5.1+cu121",
        "linux-x86_64-cu124-py310": "2.6.0+cu124",
        "linux-x86_64-cu124-py311": "2.6.0+cu124",
    }
    for label in SIX:
        accelerator, python = label.split("-")[2:]
        place = six.places(label)["torch"]
        assert f"/whl/{accelerator}/" in place
        assert f"-cp{python[2:]}-cp{python[2:]}-" in place
        cuda = {name.rpartition("-")[2] for name in six.pins(label) if name.startswith("nvidia-")}
        assert cuda <= {"cu11" if accelerator == "cu118" else "cu12"}
    assert six.run("verify").out == "".join(
        f"{folder}/{label}: good\n" for folder in ("wheels", "bundles") for label in SIX
    )


REAL = [python for python in interpreters() if python.version in ((3, 10), (3, 11))]


@pytest.mark.parametrize("accelerator", ["cu118", "cu121", "cu124"])
@pytest.mark.parametrize("python", REAL, ids=str)
def test_every_bundle_installs_without_a_network(
    six: Project, python: Interpreter, accelerator: str, tmp_path: Path
) -> None:
    label = f"linux-x86_64-{accelerator}-py{python.version[0]}{python.version[1]}"
    bundle = tmp_path / "carried over" / label
    shutil.copytree(six.folder / "bundles" / label, bundle)
    ran = subprocess.run(
        ["sh", bundle / "install.sh", "--python", python.path, "--venv", tmp_path / "venv"],
        capture_output=True, text=True, cwd=tmp_path, env=clean(PIP_INDEX_URL="http://127.0.0.1:1/simple"),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    asked = "import torch, torchvision; print(torch.version.cuda, torchvision.__version__.partition('+')[2])"
    told = subprocess.run([tmp_path / "venv" / "bin" / "python", "-c", asked], capture_output=True, text=True)
    assert told.stdout == f"{CUDA[accelerator]} {accelerator}\n", told.stderr


def test_a_bundle_for_another_python_is_refused(six: Project, tmp_path: Path) -> None:
    other = "py311" if sys.version_info[:2] != (3, 11) else "py310"
    bundle = six.folder / "bundles" / f"linux-x86_64-cu121-{other}"
    ran = subprocess.run(
        ["sh", bundle / "install.sh", "--python", sys.executable, "--venv", tmp_path / "venv"],
        capture_output=True, text=True, cwd=tmp_path, env=clean(),
    )  # fmt: skip
    assert ran.returncode == 1
    assert not (tmp_path / "venv").exists()


@pytest.fixture
def here(index: FakeIndex, tmp_path: Path) -> Project:
    """Locked and fetched for the Python that runs the tests."""
    index.add(build_wheel("app", "1.0", requires=["lib"]))
    index.add(build_wheel("lib", "1.0"))
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    index.add(build_wheel("native", "1.0", tag=f"{tag}-{tag}-manylinux_2_17_{platform.machine()}"))
    index.add(pip_wheel())
    project = Project(tmp_path, index)
    assert project.build("app", "native", "--target", HERE).code == 0
    return project


@pytest.mark.parametrize("lock", ["lockfiles", "wheels", "bundles"])
def test_pip_accepts_the_lock(here: Project, lock: str) -> None:
    path = here.path(HERE) if lock == "lockfiles" else here.folder / lock / HERE / "pylock.toml"
    ran = subprocess.run(
        [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--dry-run", "--ignore-installed",
            "-r", path,
        ],
        capture_output=True, text=True, cwd=here.folder, env=clean(),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Would install app-1.0 lib-1.0 native-1.0\n" in ran.stdout


@pytest.mark.parametrize("lock", ["lockfiles", "wheels", "bundles"])
def test_uv_accepts_the_lock(here: Project, lock: str) -> None:
    from uv import find_uv_bin

    path = here.path(HERE) if lock == "lockfiles" else here.folder / lock / HERE / "pylock.toml"
    ran = subprocess.run(
        [
            find_uv_bin(), "pip", "install", "--dry-run", "--python", sys.executable, "--preview", "--no-cache",
            "-r", path,
        ],
        capture_output=True, text=True, cwd=here.folder, env=clean(),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    would = [line.split()[1] for line in ran.stderr.splitlines() if line.startswith(" + ")]
    assert would == ["app==1.0", "lib==1.0", "native==1.0"]


def test_plain_pip_installs_from_a_wheel_folder(here: Project, tmp_path: Path) -> None:
    folder = here.folder / "wheels" / HERE
    ran = subprocess.run(
        [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--find-links", folder,
            "--require-hashes", "-r", folder / "requirements.txt", "--target", tmp_path / "site",
        ],
        capture_output=True, text=True, cwd=here.folder, env=clean(),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {"app", "lib", "native"} <= {path.name for path in (tmp_path / "site").iterdir()}
