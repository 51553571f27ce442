"""Accounts of visits that failed, told again from both sides: what the engineer hears before, and what the server says.

Each test is one line of the README's table of stories. Those on wheels of the wrong platform, closures, damaged files,
broken downloads, sdists and TLS are told where their rooms are tested (test_main_job, test_fetch, test_command_sdist,
test_http_proxy); here are those that a driver, a GPU or a library of the server decides.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import FakeIndex, FakePyTorch, build_wheel, pip_wheel
from world.bundles import interpreters
from world.machines import machine
from world.project import Project

A100 = "linux-x86_64-cu118-py310-driver515.65.01-sm80"
STOPPED = (
    "error: 1 check says that `{}` will not work as it stands, so no lock was written\n"
    "\n"
    "hint: to go on all the same: `--accept {}`\n"
)


@pytest.fixture
def project(tmp_path: Path, index: FakeIndex) -> Iterator[Project]:
    """An index of the test's own with PyTorch's builds for CUDA 11.8, 12.1 and 12.4, and what they bring."""
    index.add(pip_wheel())
    with FakePyTorch(empty=True) as pytorch:
        for channel, version in (("cu118", "2.1.2"), ("cu121", "2.1.2"), ("cu124", "2.5.1")):
            requires = ["nvidia-cudnn-cu12==9.1.0.70"] if channel == "cu124" else []
            wheel = build_wheel("torch", f"{version}+{channel}", tag="cp310-cp310-linux_x86_64", requires=requires)
            pytorch.add(wheel, channel=channel)
        index.add(build_wheel("nvidia-cudnn-cu12", "9.1.0.70", tag="py3-none-manylinux2014_x86_64"))
        index.add(build_wheel("numpy", "2.1.3"))
        index.add(build_wheel("numpy", "1.26.4"))
        yield Project(tmp_path, index, pytorch)


def test_cuda_12_wheels_for_a_server_with_driver_515(project: Project) -> None:
    """A day was lost: the driver ran CUDA 11.7, and the wheels brought were built with CUDA 12.1."""
    label = "linux-x86_64-cu121-py310-driver515.65.01-sm80"
    ran = project.lock("torch==2.1.2", "numpy<2", "--target", label)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[0] == (
        "error[driver]: `torch 2.1.2+cu121` needs driver 525.60.13 or newer, and the target has 515.65.01"
    )
    assert "`--target linux-x86_64-cu118-py310-driver515.65.01-sm80`" in ran.err
    assert ran.err.endswith("hint: to go on all the same: `--accept driver`\n")
    assert not project.path(label).exists()

    told = project.run("targets", "suggest", label)
    assert told.code == 0
    assert A100 in told.out

    fitting = project.lock("torch==2.1.2", "numpy<2", "--target", A100)
    assert (fitting.code, fitting.err.count("warning")) == (0, 0), fitting.err
    assert project.pins(A100)["torch"] == "2.1.2+cu118"


def test_an_error_that_is_accepted_by_name_is_recorded_and_stops_nothing(project: Project) -> None:
    label = "linux-x86_64-cu121-py310-driver515.65.01-sm80"
    ran = project.lock("torch==2.1.2", "numpy<2", "--target", label, "--accept", "driver")
    assert ran.code == 0
    assert ran.err.startswith("warning, accepted[driver]: `torch 2.1.2+cu121` needs driver 525.60.13 or newer")
    assert project.locked(label)["tool"]["wheelhouse"]["accepted"] == ["driver"]
    checked = project.run("check", "--target", label)
    assert checked.code == 0
    assert "warning, accepted[driver]" in checked.out
    assert project.run("fetch").code == 0
    assert project.run("bundle").code == 0  # what was accepted for the lock is accepted for its bundle


def test_a_probe_of_the_server_is_a_target_and_is_checked_against(project: Project, tmp_path: Path) -> None:
    """RHEL 8.9 with glibc 2.28 and Python 3.6 by default; the probe comes back as a file, or as one typed line."""
    facts = machine("a100-rhel8", tmp_path / "server").facts()
    probed = project.folder / "probe.json"
    probed.write_text(json.dumps(facts), encoding="utf-8")
    assert facts["label"] == A100

    by_file = project.lock("torch==2.1.2", "numpy<2", "--target", f"auto:{probed}")
    assert by_file.code == 0, by_file.err
    first = project.path(A100).read_bytes()
    by_line = project.lock("torch==2.1.2", "numpy<2", "--target", facts["line"])
    assert by_line.code == 0, by_line.err
    assert project.path(A100).read_bytes() == first

    mistyped = project.lock("torch==2.1.2", "--target", facts["line"].replace("515", "525"))
    assert mistyped.code == 2
    assert f"did you mean `{facts['label']}`?" in mistyped.err


def test_cudnn_8_in_a_package_beside_cudnn_9_in_torch(project: Project, index: FakeIndex) -> None:
    """whisperx 3.4.2 pins ctranslate2<4.5, which is built for cuDNN 8; torch 2.5.1 brings cuDNN 9. It resolves."""
    index.add(build_wheel("whisperx", "3.4.2", requires=["ctranslate2<4.5", "torch>=2.5.1"]))
    index.add(build_wheel("ctranslate2", "4.4.0", tag="cp310-cp310-manylinux_2_17_x86_64"))
    ran = project.lock("whisperx==3.4.2", "torch==2.5.1", "--target", "linux-x86_64-cu124-py310")
    assert ran.code == 1
    assert ran.err.splitlines()[0] == (
        "error[cudnn]: `ctranslate2 4.4.0` needs cuDNN 8, and the set has cuDNN 9 from `nvidia-cudnn-cu12 9.1.0.70`"
    )
    assert "libcudnn_ops_infer.so.8" in ran.err


def test_libraries_of_two_cuda_majors_in_one_set(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("nvidia-cudnn-cu13", "9.20.0.48", tag="py3-none-manylinux2014_x86_64"))
    ran = project.lock("torch==2.5.1", "nvidia-cudnn-cu13", "--target", "linux-x86_64-cu124-py310")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error[cuda-mix]: `nvidia-cudnn-cu12 9.1.0.70` for CUDA 12 and `nvidia-cudnn-cu13 9.20.0.48` for CUDA 13 write"
        " the same files\n"
        "  why: whichever is installed last wins, and the other's users load a cudnn of the wrong CUDA:"
        " `CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH`\n"
        "  hint: leave out `nvidia-cudnn-cu12`: `torch` without it, or an override of `torch` that drops it\n"
        "  hint: leave out `nvidia-cudnn-cu13`\n"
    ) + STOPPED.format("linux-x86_64-cu124-py310", "cuda-mix")


def test_an_old_nvjitlink_beside_newer_cuda_libraries(project: Project, index: FakeIndex) -> None:
    """`undefined symbol: __nvJitLinkAddData_12_1`, said before the visit."""
    for name, version in (
        ("nvidia-cuda-runtime-cu12", "12.1.105"), ("nvidia-cusparse-cu12", "12.1.0.106"),
        ("nvidia-nvjitlink-cu12", "12.0.140"),
    ):  # fmt: skip
        requires = ["nvidia-nvjitlink-cu12"] if "cusparse" in name else []
        index.add(build_wheel(name, version, tag="py3-none-manylinux1_x86_64", requires=requires))
    wanted = ["torch==2.1.2", "numpy<2", "nvidia-cuda-runtime-cu12", "nvidia-cusparse-cu12"]
    ran = project.lock(*wanted, "--target", "linux-x86_64-cu121-py310")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error[nvjitlink]: `nvidia-nvjitlink-cu12 12.0.140` is older than CUDA 12.1 of `nvidia-cusparse-cu12`, which"
        " links to it\n"
        "  why: `import torch` fails: `undefined symbol: __nvJitLinkAddData_12_1`\n"
        "  hint: `nvidia-nvjitlink-cu12>=12.1,<13`\n"
    ) + STOPPED.format("linux-x86_64-cu121-py310", "nvjitlink")


def test_numpy_2_beside_a_torch_that_was_built_for_numpy_1(project: Project, index: FakeIndex) -> None:
    ran = project.lock("torch==2.1.2", "numpy", "--target", "linux-x86_64-cu121-py310")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error[numpy-abi]: `torch 2.1.2+cu121` is built against NumPy 1, and the set has `numpy 2.1.3`\n"
        "  why: `RuntimeError: Numpy is not available` at `tensor.numpy()`, and a warning at every import\n"
        "  hint: ask for `numpy<2` too\n"
        "  hint: or for `torch>=2.3`\n"
    ) + STOPPED.format("linux-x86_64-cu121-py310", "numpy-abi")
    assert project.lock("torch==2.1.2", "numpy<2", "--target", "linux-x86_64-cu121-py310").code == 0


def test_models_that_will_be_missing_on_site_are_named(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("transformers", "4.57.1"))
    label = "linux-x86_64-cpu-py310"
    ran = project.lock("transformers", "--target", label)
    assert ran.code == 0
    shown = project.run("check", "--target", label)
    assert shown.code == 0
    assert "note[download]" in shown.out
    assert "HF_HUB_OFFLINE=1" in shown.out
    assert max(len(line) for line in shown.out.splitlines()) <= 80


def test_a_desktop_library_that_the_probed_server_lacks(project: Project, index: FakeIndex, tmp_path: Path) -> None:
    index.add(build_wheel("opencv-python", "4.10.0.84", tag="cp37-abi3-manylinux_2_17_x86_64"))
    label = "linux-x86_64-cpu-py311"
    unknown = project.lock("opencv-python", "--target", label)
    assert unknown.code == 0
    assert unknown.err.startswith("warning[desktop-library]: ")
    assert "opencv-python-headless" in unknown.err

    lacking = machine("cpu-debian12", tmp_path / "server").facts()
    lacking["libraries"] = dict.fromkeys(lacking["libraries"])
    (project.folder / "probe.json").write_text(json.dumps(lacking), encoding="utf-8")
    checked = project.run("check", "--target", label, "--server", "probe.json")
    assert checked.code == 1
    assert "error[desktop-library]" in checked.out


def test_the_server_says_all_that_is_wrong_at_once(project: Project, index: FakeIndex, tmp_path: Path) -> None:
    """`install.sh --check` with the A100's driver 515 before it, and a bundle of CUDA 12.1."""
    python = next(each for each in interpreters() if each.version[:2] == (3, 10))
    label = "linux-x86_64-cu121-py310"
    index.add(build_wheel("opencv-python", "4.10.0.84", tag="cp37-abi3-manylinux_2_17_x86_64"))
    built = project.build("torch==2.1.2", "numpy<2", "opencv-python", "--target", label)
    assert built.code == 0, built.err
    server = machine("a100-rhel8", tmp_path / "server")
    script = project.folder / "bundles" / label / "install.sh"
    done = subprocess.run(
        ["sh", str(script), "--check", "--python", str(python.path), "--venv", str(tmp_path / "venv")],
        env={"PATH": f"{server.path}:/usr/bin:/bin", "WHEELHOUSE_PROBE_ROOT": str(server.root), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert "error[driver]" in done.stderr
    assert "525.60.13" in done.stderr
    assert "515.65.01" in done.stderr
    assert "[desktop-library]" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_server_of_another_kind_than_the_target(project: Project, index: FakeIndex, tmp_path: Path) -> None:
    """Wheels for x86_64 and a GH200, whose processor is an Arm."""
    index.add(build_wheel("six", "1.16.0"))
    label = "linux-x86_64-cpu-py310"
    assert project.lock("six", "--target", label).code == 0
    probe = project.folder / "probe.json"
    probe.write_text(json.dumps(machine("gh200-aarch64", tmp_path / "arm").facts()), encoding="utf-8")
    checked = project.run("check", "--server", "probe.json")
    assert checked.code == 1
    assert "error[machine]\n  the server is linux aarch64, and the target is linux x86_64\n" in checked.out

    probe.write_text(json.dumps(machine("t4-ubuntu2004", tmp_path / "old").facts()), encoding="utf-8")
    checked = project.run("check", "--server", "probe.json")
    assert checked.code == 1
    assert "error[python-version]\n  the server has Python 3.8, and the target needs 3.10\n" in checked.out
