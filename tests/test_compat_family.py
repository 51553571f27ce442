"""torch and what is compiled against it; NumPy 1 and 2; CUDA that comes with an extra only."""

from __future__ import annotations

import pytest
from world.subjects import subject

from wheelhouse.compat import cuda_extras, family, numpy_abi
from wheelhouse.compat.model import Finding, Severity

CU121 = "linux-x86_64-cu121-py310"


def test_a_torchvision_of_another_torch_is_an_error_that_names_the_right_one() -> None:
    assert list(family.findings(subject(CU121, "torch==2.1.2+cu121", "torchvision==0.17.2+cu121"))) == [
        Finding(
            rule="torch-family",
            severity=Severity.ERROR,
            what="`torchvision 0.17.2+cu121` is built for torch 2.2, and the set has `torch 2.1.2+cu121`",
            why="`import torchvision` fails: `operator torchvision::nms does not exist` or undefined symbols",
            way_out="`torchvision==0.16.*`, built for torch 2.1\nor `torch==2.2.*`",
            projects=("torch", "torchvision"),
        )
    ]


@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        (("torch==2.1.2", "torchaudio==2.2.2"), "error: `torchaudio 2.2.2` is built for torch 2.2"),
        (("torch==2.1.2", "xformers==0.0.24"), "error: `xformers 0.0.24` is built for torch 2.2"),
        (("torch==2.5.1", "triton==3.3.1"), "warning: `triton 3.3.1` is built for torch 2.7"),
        (("torch==2.5.1", "torchcodec==0.7.0"), "error: `torchcodec 0.7.0` is built for torch 2.8"),
        (("torch==2.5.1", "torchcodec==0.17.0"), "error: `torchcodec 0.17.0` is built for torch 2.9 or newer"),
        (("torch==2.13.0", "torchvision==0.29.2"), "error: `torchvision 0.29.2` is built for torch 2.14 or newer"),
        (("torch==2.10.0", "torchaudio==2.11.0"), "error: `torchaudio 2.11.0` is built for torch 2.11 or newer"),
    ],
)
def test_each_companion_is_held_to_its_torch(pins: tuple[str, ...], expected: str) -> None:
    torch = pins[0].replace("==", " ")
    found = [f"{each.severity}: {each.what}" for each in family.findings(subject(CU121, *pins))]
    assert found == [f"{expected}, and the set has `{torch}`"]


@pytest.mark.parametrize(
    "pins",
    [
        ("torch==2.1.2", "torchvision==0.16.2", "torchaudio==2.1.2", "triton==2.1.0", "xformers==0.0.23.post1"),
        ("torch==2.5.1", "torchvision==0.20.1", "torchaudio==2.5.1", "triton==3.1.0", "xformers==0.0.28.post3"),
        ("torch==2.8.0", "torchvision==0.23.0", "torchaudio==2.8.0", "triton==3.4.0", "torchcodec==0.7.0"),
        ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0", "triton==3.6.0", "torchcodec==0.17.0"),
        ("torch==2.15.0", "torchvision==0.29.2", "torchaudio==2.11.0", "triton==3.9.0"),
        ("torch==2.6.0a0+df5bbc09d1.nv24.12", "torchvision==0.21.0"),
        ("torch==2.1.2", "xformers==0.0.99"),  # not in the table
        ("torchvision==0.17.2",),
    ],
)
def test_a_right_or_unknown_pair_is_not_told(pins: tuple[str, ...]) -> None:
    assert list(family.findings(subject(CU121, *pins))) == []


FLASH = "flash-attn==2.8.3+cu12torch2.8cxx11abiTRUE"


@pytest.mark.parametrize(
    ("torch", "built", "way_out"),
    [
        ("2.7.1+cu128", "torch 2.8", "the wheel of that release with `torch2.7` in its name"),
        ("2.8.0+cu118", "CUDA 12", "the wheel of that release with `cu11` in its name"),
    ],
)
def test_a_wheel_that_names_its_torch_is_held_to_it(torch: str, built: str, way_out: str) -> None:
    (found,) = family.findings(subject("linux-x86_64-py310-" + torch.partition("+")[2], f"torch=={torch}", FLASH))
    assert (found.rule, found.severity) == ("torch-family", Severity.ERROR)
    flash = "`flash-attn 2.8.3+cu12torch2.8cxx11abitrue`"
    assert found.what == f"{flash} is built for {built}, and the set has `torch {torch}`"
    assert found.way_out == way_out


@pytest.mark.parametrize(
    ("torch", "abi", "told"),
    [
        ("2.6.0+cu124", "FALSE", []),
        ("2.6.0+cu126", "TRUE", []),
        ("2.6.0+cu124", "TRUE", ["the wheel of that release with `cxx11abiFALSE` in its name"]),
        ("2.6.0+cu126", "FALSE", ["the wheel of that release with `cxx11abiTRUE` in its name"]),
    ],
)
def test_a_wheel_that_names_its_c_abi_is_held_to_torch_s(torch: str, abi: str, told: list[str]) -> None:
    flash = f"flash-attn==2.7.4.post1+cu12torch2.6cxx11abi{abi}"
    found = family.findings(subject("linux-x86_64-py310-" + torch.partition("+")[2], f"torch=={torch}", flash))
    assert [each.way_out for each in found] == told


def test_a_wheel_that_names_the_set_s_torch_or_that_runs_on_no_gpu_is_not_told() -> None:
    assert list(family.findings(subject("linux-x86_64-cu128-py310", "torch==2.8.0+cu128", FLASH))) == []
    assert list(family.findings(subject("linux-x86_64-cpu-py310", "torch==2.7.1+cpu", FLASH))) == []


def test_triton_and_xformers_count_on_a_gpu_alone() -> None:
    pins = ("torch==2.5.1+cpu", "triton==3.3.1", "xformers==0.0.24")
    assert list(family.findings(subject("linux-x86_64-cpu-py310", *pins))) == []


def test_wheels_of_two_channels_are_an_error() -> None:
    (found,) = family.findings(subject(CU121, "torch==2.1.2+cu121", "torchvision==0.16.2+cu118"))
    assert found.what == "`torch 2.1.2+cu121` and `torchvision 0.16.2+cu118` are builds for different accelerators"
    assert found.way_out == "all of them for one, such as `cu121`, from that channel alone"


def test_a_cpu_build_on_a_cuda_target_is_an_error_that_says_what_will_be_seen() -> None:
    (found,) = family.findings(subject(CU121, "torch==2.1.2+cpu", "torchvision==0.16.2+cpu"))
    assert found.severity is Severity.ERROR
    assert found.what == "`torch 2.1.2+cpu` and `torchvision 0.16.2+cpu`: built for `cpu`, and the target is `cu121`"
    assert found.why == "`torch.cuda.is_available()` is False: it is a CPU build"


# NumPy


def test_torch_2_2_beside_numpy_2_is_an_error_whose_way_out_is_numpy_below_2() -> None:
    assert list(numpy_abi.findings(subject("linux-x86_64-cpu-py310", "torch==2.2.2+cpu", "numpy==2.2.6"))) == [
        Finding(
            rule="numpy-abi",
            severity=Severity.ERROR,
            what="`torch 2.2.2+cpu` is built against NumPy 1, and the set has `numpy 2.2.6`",
            why="`RuntimeError: Numpy is not available` at `tensor.numpy()`, and a warning at every import",
            way_out="ask for `numpy<2` too\nor for `torch>=2.3`",
            projects=("numpy", "torch"),
        )
    ]


@pytest.mark.parametrize(
    ("fails", "works"),
    [
        ("torch==2.2.2", "torch==2.3.1"),
        ("pandas==2.2.1", "pandas==2.2.2"),
        ("scipy==1.12.0", "scipy==1.13.0"),
        ("scikit-learn==1.4.1.post1", "scikit-learn==1.4.2"),
        ("matplotlib==3.8.3", "matplotlib==3.8.4"),
        ("opencv-python-headless==4.10.0.82", "opencv-python-headless==4.10.0.84"),
        ("pyarrow==15.0.2", "pyarrow==16.0.0"),
        ("h5py==3.10.0", "h5py==3.11.0"),
        ("numba==0.59.1", "numba==0.60.0"),
        ("scikit-image==0.22.0", "scikit-image==0.23.2"),
        ("onnxruntime==1.18.1", "onnxruntime==1.19.0"),
        ("faiss-cpu==1.8.0.post1", "faiss-cpu==1.9.0"),
        ("shapely==2.0.3", "shapely==2.0.4"),
        ("pycocotools==2.0.7", "pycocotools==2.0.8"),
        ("pywavelets==1.5.0", "pywavelets==1.6.0"),
        ("numexpr==2.9.0", "numexpr==2.10.0"),
        ("bottleneck==1.3.8", "bottleneck==1.4.0"),
    ],
)
def test_the_measured_bounds_are_kept(fails: str, works: str) -> None:
    def rules(*pins: str) -> list[str]:
        return [finding.rule for finding in numpy_abi.findings(subject(CU121, *pins))]

    assert rules(fails, "numpy==2.2.6") == ["numpy-abi"]
    assert rules(works, "numpy==2.2.6") == rules(fails, "numpy==1.26.4") == rules(fails) == []


# CUDA by an extra


@pytest.mark.parametrize(
    ("pins", "roots", "expected"),
    [
        (("tensorflow==2.18.0",), ("tensorflow",), [("warning", "`tensorflow[and-cuda]`")]),
        (("jax==0.7.0", "jaxlib==0.7.0"), ("jax",), [("warning", "`jax[cuda12]`")]),
        (("jax==0.7.0", "torch==2.5.1"), ("torch",), [("note", "`jax[cuda12]`")]),  # came along
        (("tensorflow==2.18.0", "nvidia-cudnn-cu12==9.3.0.75"), ("tensorflow",), []),
        (("tensorflow==2.13.1",), ("tensorflow",), []),  # had no such extra
        (("tensorflow-cpu==2.18.0",), ("tensorflow-cpu",), []),
        (("jax==0.7.0", "jax-cuda12-plugin==0.7.0"), ("jax",), []),
    ],
)
def test_a_forgotten_extra_is_a_warning_on_a_cuda_target(
    pins: tuple[str, ...], roots: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    found = cuda_extras.findings(subject(CU121, *pins, roots=roots))
    assert [(str(each.severity), each.way_out) for each in found] == expected
    assert list(cuda_extras.findings(subject("linux-x86_64-cpu-py310", *pins, roots=roots))) == []


def test_ctranslate2_alone_is_a_note_for_the_server_may_have_cuda() -> None:
    (found,) = cuda_extras.findings(subject(CU121, "ctranslate2==4.8.5", roots=("ctranslate2",)))
    assert (found.severity, found.rule) == (Severity.NOTE, "cuda-extra")
