"""Rule `gpu`: the GPU against the code that torch's builds, and a few other wheels, hold."""

from __future__ import annotations

import pytest
from world.subjects import server, subject

from wheelhouse.compat import builds, gpu
from wheelhouse.compat.builds import Code
from wheelhouse.compat.machine import Machine
from wheelhouse.compat.model import Finding, Severity
from wheelhouse.compat.server import Gpu


def found(target: str, *pins: str, **seen: object) -> list[Finding]:
    return list(gpu.findings(subject(target, *pins, server=server(**seen) if seen else None)))


def code(target: str, torch: str, *pins: str) -> Code:
    """What the set's torch has for the target's GPU."""
    asked = subject(target, f"torch=={torch}", *pins)
    build = builds.torch_build(asked)
    assert build is not None
    assert asked.target.gpu is not None
    capability = Machine.of(asked).gpus[0].capability
    assert capability is not None
    return build.code_for(capability)


@pytest.mark.parametrize(
    ("gpu", "torch", "has"),
    [
        ("sm80", "2.5.1+cu121", Code.CUBIN),
        ("sm89", "2.5.1+cu121", Code.CUBIN),  # Ada runs what was compiled for 8.6
        ("sm87", "2.5.1+cu121", Code.CUBIN),
        ("sm61", "2.5.1+cu121", Code.CUBIN),
        ("sm37", "2.3.1+cu118", Code.CUBIN),
        ("sm37", "2.3.1+cu121", Code.NO),
        ("sm35", "2.3.1+cu118", Code.NO),
        ("sm90", "1.13.1+cu117", Code.NO),
        ("sm90", "2.0.1+cu118", Code.CUBIN),
        ("sm100", "2.6.0+cu124", Code.NO),
        ("sm120", "2.6.0+cu126", Code.NO),  # nobody looked, but CUDA 12.6 has no compiler for it
        ("sm120", "2.7.1+cu128", Code.CUBIN),
        ("sm121", "2.7.1+cu128", Code.CUBIN),
        ("sm103", "2.8.0+cu128", Code.CUBIN),
        ("sm70", "2.7.1+cu128", Code.NO),
        ("sm70", "2.10.0+cu128", Code.CUBIN),
        ("sm70", "2.11.0+cu128", Code.NO),
        ("sm70", "2.11.0+cu126", Code.CUBIN),
        ("sm70", "2.9.1+cu130", Code.NO),
        ("sm70", "3.4.0+cu134", Code.NO),  # no build of CUDA 13 has code for it
        ("sm90", "3.4.0+cu134", Code.UNKNOWN),
        ("sm35", "2.6.0+cu118", Code.DOUBTFUL),
        ("sm130", "2.8.0+cu129", Code.PTX),
        ("sm130", "2.8.0+cu128", Code.NO),
        ("sm70", "2.11.0+cu129", Code.UNKNOWN),  # 2.10 had it, 2.13 has not: nobody looked in between
        ("sm90", "2.12.1+cu129", Code.UNKNOWN),
        ("sm61", "2.15.0+cu126", Code.UNKNOWN),  # a build that PyTorch announced not to make
        ("sm90", "2.15.0+cu134", Code.UNKNOWN),
        ("sm80", "2.5.1+cpu", Code.UNKNOWN),
        ("sm80", "2.5.1+rocm6.2", Code.UNKNOWN),
    ],
)
def test_what_a_build_has_for_a_gpu(gpu: str, torch: str, has: Code) -> None:
    assert code(f"linux-x86_64-cu121-py310-{gpu}", torch) is has


def test_an_ngc_container_s_own_torch_is_not_known() -> None:
    assert code("linux-x86_64-cu124-py310-sm120", "2.6.0") is Code.NO
    assert code("linux-x86_64-cu124-py310-sm120", "2.6.0a0+df5bbc09d1.nv24.12") is Code.UNKNOWN


def test_other_platforms_have_lists_of_their_own() -> None:
    assert code("linux-aarch64-cu130-py312-sm110", "2.9.1+cu130") is Code.CUBIN
    assert code("linux-aarch64-cu126-py312-sm75", "2.9.1+cu126") is Code.NO
    assert code("linux-aarch64-cu124-py312-sm75", "2.5.1+cu124") is Code.UNKNOWN
    assert code("windows-x86_64-cu130-py312-sm130", "2.9.1+cu130") is Code.NO  # PTX is in Linux builds only
    assert code("windows-x86_64-cu118-py310-sm120", "2.7.1+cu118") is Code.UNKNOWN


def test_a_torch_that_does_not_tell_its_build_is_judged_by_the_runtime_it_pins() -> None:
    proof = "nvidia-cuda-runtime-cu12==12.8.90"
    assert code("linux-x86_64-cu126-py310-sm70", "2.11.0", proof) is Code.NO
    assert code("linux-x86_64-cu126-py310-sm70", "2.11.0") is Code.CUBIN


def test_what_is_known_of_the_torch_of_a_set() -> None:
    torch = builds.torch_build(subject("linux-x86_64-cu121-py310", "torch==2.1.2+cu121"))
    assert torch is not None
    assert (str(torch), torch.channel, str(torch.cuda), torch.ptx) == ("torch 2.1.2+cu121", "cu121", "12.1", None)
    assert torch.capabilities == ((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0))
    assert torch.build is not None
    assert (torch.build.cudnn, torch.build.cxx11_abi, torch.build.glibc) == ("8.9.2.26", False, (2, 17))
    assert torch.release is not None
    assert (str(torch.release.torchvision), str(torch.release.torchaudio)) == ("0.16.2", "2.1.2")
    assert (torch.release.triton, torch.release.numpy2, torch.release.default) == ("2.1.0", False, "cu121")
    assert builds.torch_build(subject("linux-x86_64-cu121-py310", "numpy==2.1.0")) is None


# The rule


def test_a_v100_and_torch_2_11_is_an_error_with_the_builds_that_still_have_it() -> None:
    assert found("linux-x86_64-cu128-py310-driver570.26-sm70", "torch==2.11.0+cu128") == [
        Finding(
            rule="gpu",
            severity=Severity.ERROR,
            what="`torch 2.11.0+cu128` has no code for compute capability 7.0 (Volta)",
            why="`torch.cuda.is_available()` is True there, and the first work on the GPU says `no kernel image is"
            " available for execution on the device`",
            way_out="`--target linux-x86_64-cu126-py310-driver570.26-sm70`, which has torch 2.11.0 too\n"
            "torch 2.8.0 to 2.10.0 for this target",
            projects=("torch",),
        )
    ]


def test_blackwell_is_sent_to_a_newer_cuda() -> None:
    (error,) = found(
        "linux-x86_64-cu121-py312-driver570.26",
        "torch==2.5.1+cu121",
        driver="570.26",
        gpus=(Gpu(name="NVIDIA GeForce RTX 5090", capability=(12, 0)),),
    )
    assert error.what == "`torch 2.5.1+cu121` has no code for `NVIDIA GeForce RTX 5090` (compute capability 12.0)"
    assert error.way_out == "`--target linux-x86_64-cu128-py312-driver570.26`, with torch 2.7.0 to 2.11.0"


def test_a_small_gpu_for_the_screen_beside_one_that_works_is_a_note() -> None:
    seen = (
        Gpu(name="NVIDIA GeForce GT 710", capability=(3, 5)),
        Gpu(name="NVIDIA GeForce RTX 4090", capability=(8, 9)),
        Gpu(name="NVIDIA GeForce RTX 4090", capability=(8, 9)),
    )
    (note,) = found("linux-x86_64-cu121-py310", "torch==2.5.1+cu121", driver="535.104.05", gpus=seen)
    assert (note.severity, note.way_out) == (Severity.NOTE, "use the other GPU alone: `CUDA_VISIBLE_DEVICES`")


def test_a_build_that_nobody_looked_into_gives_a_note_at_most() -> None:
    (note,) = found("linux-x86_64-cu118-py310-driver470.82-sm35", "torch==2.6.0+cu118")
    assert note.severity is Severity.NOTE
    assert note.what == (
        "`torch 2.6.0+cu118` has probably no code for compute capability 3.5 (Kepler): its neighbours have none"
    )


@pytest.mark.parametrize(
    ("target", "torch"),
    [
        ("linux-x86_64-cu121-py310-sm80", "2.5.1+cu121"),
        ("linux-x86_64-cu121-py310", "2.5.1+cu121"),  # no GPU is named
        ("linux-x86_64-cpu-py310-sm35", "2.5.1+cpu"),
        ("windows-x86_64-cu126-py310-sm61", "2.9.1+cu126"),
        ("linux-x86_64-cu128-py312-sm120", "2.8.0+cu128"),
    ],
)
def test_ordinary_machines_raise_nothing(target: str, torch: str) -> None:
    assert found(target, f"torch=={torch}") == []


@pytest.mark.parametrize(
    ("system", "torch"),
    [
        ("linux", "9.9.0+cu126"),
        ("linux", "2.15.0+cu126"),
        ("linux", "2.14.0.dev20260901+cu126"),
        ("linux", "2.12.1+cu129"),
        ("windows", "2.7.1+cu118"),
    ],
)
def test_a_build_that_nobody_says_anything_of_is_a_note(system: str, torch: str) -> None:
    (note,) = found(f"{system}-x86_64-cu126-py312-sm70", f"torch=={torch}")
    assert (note.severity, note.what) == (
        Severity.NOTE,
        f"whether `torch {torch}` has code for compute capability 7.0 (Volta) is not known",
    )


def test_a_gpu_without_a_known_capability_is_not_judged() -> None:
    assert found("linux-x86_64-cu121-py310", "torch==2.5.1+cu121", driver="535.1", gpus=(Gpu(name="A GPU"),)) == []


def test_onnxruntime_gpu_without_code_for_a_v100_is_a_warning() -> None:
    (warning,) = found("linux-x86_64-cu130-py312-driver580.95-sm70", "onnxruntime-gpu==1.31.1")
    assert (warning.severity, warning.projects) == (Severity.WARNING, ("onnxruntime-gpu",))
    assert warning.what == "`onnxruntime-gpu 1.31.1` has no code for compute capability 7.0 (Volta)"
    assert found("linux-x86_64-cu130-py312-driver580.95-sm80", "onnxruntime-gpu==1.31.1") == []
    assert found("linux-x86_64-cu126-py312-driver580.95-sm70", "onnxruntime-gpu==1.23.2") == []
    assert found("linux-x86_64-cu126-py312-driver580.95-sm70", "onnxruntime-gpu==1.28.0") == []  # nobody looked
    assert found("windows-x86_64-cu130-py312-driver580.95-sm70", "onnxruntime-gpu==1.31.1") == []
    both = (Gpu(name="Tesla V100-SXM2-16GB", capability=(7, 0)), Gpu(name="NVIDIA A100-PCIE-40GB", capability=(8, 0)))
    assert found("linux-x86_64-cu130-py312", "onnxruntime-gpu==1.31.1", driver="580.95", gpus=both) == []


def test_without_a_named_driver_the_way_out_is_another_channel_and_never_the_cpu_alone() -> None:
    (volta,) = found("linux-x86_64-cu128-py311-sm70", "torch==2.11.0+cu128")
    assert volta.way_out.splitlines()[0] == "`--target linux-x86_64-cu126-py311-sm70`, which has torch 2.11.0 too"
    (blackwell,) = found("linux-x86_64-cu126-py311-sm120", "torch==2.11.0+cu126")
    assert blackwell.way_out == "`--target linux-x86_64-cu128-py311-sm120`, which has torch 2.11.0 too"
