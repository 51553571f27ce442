"""After the install torch is tried: its CUDA, whether CUDA starts and why not, a matmul on each GPU."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from world.bundles import Bundle, fake_probe, here, nvidia, seen, tiny_pip, write_bundle
from world.wheels import build_wheel

from wheelhouse.offline import install

NEEDS: dict[str, object] = {
    "cuda": "12.1",
    "driver": "525.60.13",
    "compat-driver": "450.80.02",
    "capabilities": ["5.0", "6.0", "7.0", "7.5", "8.0", "8.6", "9.0"],
    "ptx": None,
    "torch": "2.1.2+cu121",
    "needs": [],
    "accepted": [],
}
A100 = ("NVIDIA A100-SXM4-80GB", "8.0")
BUILT = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]
NO_DRIVER = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from "
    "http://www.nvidia.com/Download/index.aspx"
)
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading "
    "and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
)
NO_GPUS = "No CUDA GPUs are available"
TRIED = "importing torch\ntrying torch\ntorch 2.1.2+cu121, built for CUDA 12.1\n"


def torch_module(*, cuda: str | None = "12.1", reason: str = "", gpus: int = 0, body: str = "") -> str:
    """A torch as far as it is tried: numbers for tensors, so that a matmul is a product. `body` comes last."""
    return textwrap.dedent(f"""
        import types
        __version__ = "2.1.2+cu121"
        version = types.SimpleNamespace(cuda={cuda!r}, hip=None)

        class Tensor(int):
            def to(self, device):
                return self
            def cpu(self):
                return self
            def __matmul__(self, other):
                return Tensor(int(self) * int(other))

        def _init():
            raise RuntimeError({reason!r})

        def manual_seed(seed):
            pass
        def rand(*shape):
            return Tensor(7)
        def allclose(one, other, rtol, atol):
            return one == other
        cuda = types.SimpleNamespace(
            is_available=lambda: {gpus} > 0,
            init=_init,
            get_arch_list=lambda: {BUILT!r},
            device_count=lambda: {gpus},
            get_device_name=lambda number: "NVIDIA A100-SXM4-80GB",
            get_device_capability=lambda number: (8, 0),
        )
        """) + textwrap.dedent(body)


def bundle_of(
    tmp_path: Path, torch: str, *, label: str = "", needs: dict[str, object] | None = None, **machine: object
) -> Bundle:
    """A bundle whose torch is this module, on a server that the probe sees as `machine`."""
    wheel = build_wheel("torch", "2.1.2+cu121", modules={"torch/__init__.py": torch})
    return write_bundle(
        tmp_path / "bundle",
        [wheel],
        label=here() + label,
        pip=tiny_pip(),
        needs=NEEDS | (needs or {}),
        probe=fake_probe(**machine),
    )


def tried(done: subprocess.CompletedProcess[str]) -> str:
    """What is told from the import on."""
    return done.stderr[done.stderr.index("importing torch\n") :]


def test_a_machine_with_gpus_multiplies_on_each(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path, torch_module(gpus=2), nvidia=nvidia("535.104.05", "12.2", A100, A100))
    done = bundle.install(cwd=tmp_path)
    assert (done.returncode, tried(done)) == (
        0,
        f"{TRIED}"
        "GPU 0, `NVIDIA A100-SXM4-80GB` (compute capability 8.0): a matmul gives the CPU's answer\n"
        "GPU 1, `NVIDIA A100-SXM4-80GB` (compute capability 8.0): a matmul gives the CPU's answer\n"
        f"installed torch into `{tmp_path}/venv`\n",
    )


def test_a_machine_without_a_gpu_is_a_warning_and_installed(tmp_path: Path) -> None:
    done = bundle_of(tmp_path, torch_module(reason=NO_DRIVER)).install(cwd=tmp_path)
    assert (done.returncode, tried(done)) == (
        0,
        f"{TRIED}"
        "CUDA does not start, as the checks said: no NVIDIA driver is loaded on this machine\n"
        f"installed torch into `{tmp_path}/venv`\n",
    )
    assert done.stdout == f"{tmp_path}/venv/bin/python\n"


@pytest.mark.parametrize(
    ("label", "machine", "reason", "why"),
    [
        ("-driver535.104", {}, NO_DRIVER, "no NVIDIA driver is loaded on this machine"),
        ("-sm80", {}, NO_DRIVER, "no NVIDIA driver is loaded on this machine"),
        ("", {"nvidia": nvidia("535.104.05", "12.2", A100)}, NO_GPUS, "CUDA finds no GPU"),
    ],
)
def test_where_a_gpu_is_expected_cuda_that_does_not_start_is_exit_code_3(
    tmp_path: Path, label: str, machine: dict[str, Any], reason: str, why: str
) -> None:
    done = bundle_of(tmp_path, torch_module(reason=reason), label=label, **machine).install(cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, f"{tmp_path}/venv/bin/python\n")
    assert f"\nerror[cuda]: `torch.cuda.is_available()` is False: {why}\n" in done.stderr
    assert done.stderr.endswith(
        f"  hint: everything is installed in `{tmp_path}/venv` and stays there, but does not work as it should\n"
    )


def test_a_cpu_build_in_a_cuda_bundle_is_exit_code_3(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path, torch_module(cuda=None, reason="Torch not compiled with CUDA enabled"))
    done = bundle.install(cwd=tmp_path)
    assert (done.returncode, tried(done).splitlines()[2:5]) == (
        3,
        [
            "torch 2.1.2+cu121, built without CUDA",
            "error[torch]: the installed torch 2.1.2+cu121 is built without CUDA, but the target needs one built "
            "for CUDA 12.1",
            "  why: everything is installed and stays there",
        ],
    )


def test_another_cuda_is_exit_code_3_also_where_none_was_wanted(tmp_path: Path) -> None:
    done = bundle_of(tmp_path / "a", torch_module(cuda="11.8", reason=NO_DRIVER)).install(cwd=tmp_path / "a")
    assert done.returncode == 3
    assert "error[torch]: the installed torch 2.1.2+cu121 is built for CUDA 11.8, but the target needs" in done.stderr
    cpu: dict[str, object] = {"cuda": None, "driver": None}
    done = bundle_of(tmp_path / "b", torch_module(reason=NO_DRIVER), needs=cpu).install(cwd=tmp_path / "b")
    assert done.returncode == 3
    assert "but the target needs one built without CUDA\n" in done.stderr
    done = bundle_of(tmp_path / "c", torch_module(cuda=None), needs=cpu).install(cwd=tmp_path / "c")
    assert (done.returncode, "cuda]" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("Tensor.cpu = lambda self: Tensor(0)", "its answer is not the CPU's"),
        (
            "def _to(self, device):\n    raise RuntimeError('CUDA error: no kernel image is available\\nmore')\n"
            "Tensor.to = _to",
            "CUDA error: no kernel image is available",
        ),
    ],
)
def test_a_matmul_that_fails_is_exit_code_3(tmp_path: Path, body: str, wrong: str) -> None:
    machine = nvidia("535.104.05", "12.2", A100)
    done = bundle_of(tmp_path, torch_module(gpus=1, body=body), nvidia=machine).install(cwd=tmp_path)
    assert done.returncode == 3
    assert (
        "error[gpu]: GPU 0, `NVIDIA A100-SXM4-80GB` (compute capability 8.0): a matmul fails: " + wrong + "\n"
    ) in done.stderr


def test_a_gpu_that_the_build_has_no_kernels_for_is_exit_code_3(tmp_path: Path) -> None:
    body = "cuda.get_device_capability = lambda number: (12, 0)"
    done = bundle_of(tmp_path, torch_module(gpus=1, body=body)).install(cwd=tmp_path)
    assert done.returncode == 3
    assert "error[gpu]: GPU 0, `NVIDIA A100-SXM4-80GB` (compute capability 12.0): torch has no kernels" in done.stderr
    assert "  why: torch has kernels for sm_50, sm_60, sm_70, sm_75, sm_80, sm_86, sm_90\n" in done.stderr
    assert "  hint: lock again for this GPU: --target ...-sm120\n" in done.stderr


def test_a_torch_that_dies_or_hangs_is_exit_code_3_and_says_where(tmp_path: Path) -> None:
    dying = torch_module(gpus=1, body="import os\nTensor.to = lambda self, device: os.abort()")
    done = bundle_of(tmp_path / "a", dying).install(cwd=tmp_path / "a")
    assert done.returncode == 3
    assert "error[torch]: trying torch: ended by signal 6, while multiplying on GPU 0\n" in done.stderr
    hanging = torch_module(body="import time\ncuda.is_available = lambda: time.sleep(60)")
    bundle = bundle_of(tmp_path / "b", hanging)
    done = bundle.install(cwd=tmp_path / "b", environment={"WHEELHOUSE_IMPORT_TIMEOUT": "1"})
    assert done.returncode == 3
    assert "error[torch]: trying torch: no end after 1 seconds\n" in done.stderr


def test_a_torch_that_cannot_be_imported_is_told_once(tmp_path: Path) -> None:
    broken = "raise ImportError('libnvJitLink.so.12: undefined symbol')\n"
    done = bundle_of(tmp_path, broken).install(cwd=tmp_path)
    assert (done.returncode, done.stderr.count("undefined symbol"), "trying torch" in done.stderr) == (3, 1, False)


def test_a_bundle_without_torch_is_not_tried(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [build_wheel("beta", "2.0")], pip=tiny_pip(), needs={"torch": None})
    done = bundle.install(cwd=tmp_path)
    assert (done.returncode, "trying" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    ("reason", "machine", "visible", "why", "hint"),
    [
        (
            TOO_OLD,
            seen(nvidia=nvidia("470.57.02", "11.4", A100)),
            None,
            "the NVIDIA driver 470.57.02 is too old, it runs CUDA up to 11.4",
            "update the driver to 525.60.13 or newer, or lock again for this one: --target ...-driver470.57.02",
        ),
        (
            TOO_OLD,
            seen(),
            None,
            "the NVIDIA driver is too old, it runs CUDA up to 11.4",
            "update the driver to 525.60.13 or newer",
        ),
        (
            NO_DRIVER,
            seen(),
            None,
            "no NVIDIA driver is loaded on this machine",
            "have the driver installed (525.60.13 or newer), then: nvidia-smi",
        ),
        (
            NO_DRIVER,
            seen(system={"container": "docker"}),
            None,
            "this container sees no NVIDIA driver",
            "start the container with its GPUs: docker run --gpus all ...",
        ),
        (
            NO_DRIVER,
            seen(system={"container": "docker"}, nvidia=nvidia("535.104.05", "12.2")),
            None,
            "the NVIDIA driver 535.104.05 is loaded, but this container was given no GPU",
            "start the container with its GPUs: docker run --gpus all ...",
        ),
        (
            NO_GPUS,
            seen(nvidia=nvidia("535.104.05", "12.2")),
            None,
            "the NVIDIA driver 535.104.05 is loaded, but there is no device node `/dev/nvidia0`",
            "make them: nvidia-modprobe -u -c=0, or run nvidia-smi once as root",
        ),
        (
            NO_DRIVER,
            seen(nvidia=nvidia("535.104.05", "12.2", A100)),
            None,
            "there are NVIDIA devices, but `libcuda.so.1` of the driver is not found",
            "have the driver's libraries installed (container: --gpus all, NVIDIA_DRIVER_CAPABILITIES=all)",
        ),
        (
            NO_GPUS,
            seen(nvidia=nvidia("535.104.05", "12.2", A100)),
            "",
            "CUDA_VISIBLE_DEVICES is empty, which hides the GPUs",
            "unset CUDA_VISIBLE_DEVICES",
        ),
        (
            "Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported display driver / cuda "
            "driver combination",
            seen(nvidia=nvidia("535.104.05", "12.2", A100)),
            None,
            "the driver's kernel module and its libraries are of two versions",
            "reboot, or reload the nvidia modules (after an update of the driver both must be of one version)",
        ),
        (
            "Error 804: forward compatibility was attempted on non supported HW",
            seen(nvidia=nvidia("515.65.01", "12.1", ("NVIDIA GeForce RTX 3090", "8.6"))),
            None,
            "NVIDIA's forward compatibility package is in use, but this GPU is none that it serves",
            "take its folder out of LD_LIBRARY_PATH, and have the driver updated",
        ),
        (
            "Error 802: system not yet initialized",
            seen(nvidia=nvidia("535.104.05", "12.2", A100)),
            None,
            "the NVSwitch fabric of this machine is not started",
            "systemctl start nvidia-fabricmanager (of the driver's own version)",
        ),
        (
            "CUDA unknown error",
            seen(nvidia=nvidia("535.104.05", "12.2", A100)),
            None,
            "torch gives the reason below",
            "ask nvidia-smi",
        ),
        ("", seen(nvidia=nvidia("535.104.05", "12.2", A100)), None, "torch gives no reason", "ask nvidia-smi"),
    ],
)
def test_every_reason_why_cuda_does_not_start_has_its_words_and_its_way_out(
    reason: str, machine: dict[str, Any], visible: str | None, why: str, hint: str
) -> None:
    facts = {"version": "2.1.2+cu121", "cuda": "12.1", "hip": None, "visible": visible, "reason": reason}
    assert install.why_no_cuda(facts, {"needs": NEEDS}, machine) == (why, hint)


def test_cuda_visible_devices_reaches_torch(tmp_path: Path) -> None:
    machine = nvidia("535.104.05", "12.2", A100)
    done = bundle_of(tmp_path, torch_module(reason=NO_GPUS), nvidia=machine).install(
        cwd=tmp_path, environment={"CUDA_VISIBLE_DEVICES": "-1"}
    )
    assert "is False: CUDA_VISIBLE_DEVICES is `-1`, which hides the GPUs\n" in done.stderr


def test_without_a_probe_the_machine_is_looked_at_all_the_same(tmp_path: Path) -> None:
    version = tmp_path / "proc" / "driver" / "nvidia" / "version"
    version.parent.mkdir(parents=True)
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n")
    wheel = build_wheel("torch", "2.1.2+cu121", modules={"torch/__init__.py": torch_module(reason=TOO_OLD)})
    bundle = write_bundle(tmp_path / "bundle", [wheel], pip=tiny_pip(), needs=NEEDS)
    done = bundle.install(cwd=tmp_path, environment={"WHEELHOUSE_PROC_ROOT": str(tmp_path / "proc")})
    assert (done.returncode, os.path.exists("/dev/nvidia0")) in ((0, False), (3, True))
    assert "the NVIDIA driver 535.104.05 is too old, it runs CUDA up to 11.4\n" in done.stderr
