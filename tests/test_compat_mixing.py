"""What binaries of several CUDA, cuDNN and nvJitLink versions do to each other in one set."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from world.subjects import server, subject

from wheelhouse.compat import cudnn, mixing, nvjitlink
from wheelhouse.compat.model import Finding, Severity, Subject

CU121, CU124, CU130 = (f"linux-x86_64-{each}-py310" for each in ("cu121", "cu124", "cu130"))
CUDA13 = ("torch==2.13.0", "nvidia-cublas==13.1.1.3", "nvidia-cudnn-cu13==9.20.0.48", "nvidia-nccl-cu13==2.29.7")


def told(ask: Callable[[Subject], Iterable[Finding]], subject: Subject) -> list[tuple[str, str]]:
    return [(str(finding.severity), finding.what) for finding in ask(subject)]


# libraries of several CUDA majors


def test_two_cudnn_that_write_the_same_files_are_an_error_that_says_who_brings_them() -> None:
    asked = subject(CU130, *CUDA13, "thing==1 nvidia-cudnn-cu12", "nvidia-cudnn-cu12==9.10.2.21")
    assert list(mixing.findings(asked)) == [
        Finding(
            rule="cuda-mix",
            severity=Severity.ERROR,
            what="`nvidia-cudnn-cu12 9.10.2.21` for CUDA 12 and `nvidia-cudnn-cu13 9.20.0.48` for CUDA 13 write the"
            " same files",
            why="whichever is installed last wins, and the other's users load a cudnn of the wrong CUDA:"
            " `CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH`",
            way_out="leave out `nvidia-cudnn-cu12`: `thing` without it, or an override of `thing` that drops it\n"
            "leave out `nvidia-cudnn-cu13`",
            projects=("nvidia-cudnn-cu12", "nvidia-cudnn-cu13"),
        )
    ]


def test_two_nccl_are_a_warning_for_most_programs_use_one_gpu() -> None:
    asked = subject(CU130, *CUDA13, "xgboost==3.1.1 nvidia-nccl-cu12", "nvidia-nccl-cu12==2.32.3")
    assert told(mixing.findings, asked) == [
        (
            "warning",
            "`nvidia-nccl-cu12 2.32.3` for CUDA 12 and `nvidia-nccl-cu13 2.29.7` for CUDA 13 write the same files",
        )
    ]


def test_libraries_of_another_major_are_a_warning_and_a_note_where_they_were_asked_for() -> None:
    pins = (*CUDA13, "thing==1 nvidia-cublas-cu12 nvidia-cuda-runtime-cu12")
    strangers = ("nvidia-cublas-cu12==12.8.4.1", "nvidia-cuda-runtime-cu12==12.8.90")
    what = "`nvidia-cublas-cu12` and `nvidia-cuda-runtime-cu12` for CUDA 12 come beside CUDA 13 of torch"
    assert told(mixing.findings, subject(CU130, *pins, *strangers)) == [("warning", what)]
    roots = ("nvidia-cublas-cu12", "nvidia-cuda-runtime-cu12")
    assert told(mixing.findings, subject(CU130, *pins, *strangers, roots=roots)) == [("note", what)]


def test_one_major_alone_is_no_mixture_whatever_the_label_says() -> None:
    assert told(mixing.findings, subject(CU130, "xgboost==3.1.1", "nvidia-nccl-cu12==2.32.3")) == []


def test_two_cupy_are_one_package() -> None:
    asked = subject(CU121, "cupy-cuda11x==13.6.0", "cupy-cuda12x==13.6.0")
    assert told(mixing.findings, asked) == [
        ("warning", "`cupy-cuda11x 13.6.0` is built for CUDA 11, and the target has CUDA 12"),
        ("error", "`cupy-cuda11x 13.6.0` and `cupy-cuda12x 13.6.0` are all the package `cupy`"),
    ]


@pytest.mark.parametrize(
    ("target", "pins", "expected"),
    [
        (
            CU121,
            ("torch==2.1.2", "ctranslate2==3.24.0"),
            ("error", "`ctranslate2 3.24.0` is built for CUDA 11, and torch has CUDA 12"),
        ),
        (
            CU130,
            ("torch==2.13.0", "ctranslate2==4.8.5"),
            ("error", "`ctranslate2 4.8.5` is built for CUDA 12, and torch has CUDA 13"),
        ),
        (
            CU130,
            ("torch==2.13.0", "ctranslate2==4.8.5", "nvidia-cublas-cu12==12.8.4.1"),
            ("note", "`ctranslate2 4.8.5` is built for CUDA 12, and torch has CUDA 13"),
        ),
        (
            CU124,
            ("torch==2.5.1", "onnxruntime-gpu==1.18.1"),
            ("warning", "`onnxruntime-gpu 1.18.1` is built for CUDA 11, and torch has CUDA 12"),
        ),
        (
            CU124,
            ("torch==2.5.1", "onnxruntime-gpu==1.31.1"),
            ("warning", "`onnxruntime-gpu 1.31.1` is built for CUDA 13, and torch has CUDA 12"),
        ),
        (
            CU130,
            ("torch==2.13.0", "bitsandbytes==0.47.0"),
            ("error", "`bitsandbytes 0.47.0` is built for CUDA 11 and 12, and torch has CUDA 13"),
        ),
        (
            CU130,
            ("torch==2.13.0", "jax-cuda12-plugin==0.7.0"),
            ("warning", "`jax-cuda12-plugin 0.7.0` is built for CUDA 12, and torch has CUDA 13"),
        ),
        (
            CU124,
            ("torch==2.5.1", "cupy-cuda11x==13.6.0"),
            ("warning", "`cupy-cuda11x 13.6.0` is built for CUDA 11, and torch has CUDA 12"),
        ),
    ],
)
def test_a_build_for_another_major_is_told(target: str, pins: tuple[str, ...], expected: tuple[str, str]) -> None:
    assert expected in told(mixing.findings, subject(target, *pins))


@pytest.mark.parametrize(
    ("target", "pins"),
    [
        (CU124, ("torch==2.5.1", "ctranslate2==4.8.5", "onnxruntime-gpu==1.23.2", "bitsandbytes==0.43.3")),
        ("linux-x86_64-cu118-py310", ("torch==2.1.2+cu118", "ctranslate2==3.24.0", "onnxruntime-gpu==1.18.1")),
        (CU130, ("torch==2.13.0", "bitsandbytes==0.48.0", "onnxruntime-gpu==1.31.1", "cupy-cuda13x==13.6.0")),
        (CU130, ("torch==2.13.0", "onnxruntime-gpu==1.27.0")),  # nobody knows what that one is built for
        (CU130, ("torch==2.13.0", "ctranslate2==5.0.0")),
        ("linux-x86_64-cpu-py310", ("torch==2.5.1+cpu", "ctranslate2==3.24.0", "bitsandbytes==0.43.3")),
        (CU130, ("jax==0.7.0", "jax-cuda12-plugin==0.7.0")),  # a newer driver runs it
    ],
)
def test_what_fits_or_is_not_known_is_not_told(target: str, pins: tuple[str, ...]) -> None:
    assert told(mixing.findings, subject(target, *pins)) == []


# cuDNN 8 and 9


def test_ctranslate2_4_5_beside_cudnn_8_is_an_error_whose_way_out_needs_no_cudnn() -> None:
    asked = subject(CU121, "torch==2.3.1 nvidia-cudnn-cu12", "nvidia-cudnn-cu12==8.9.2.26", "ctranslate2==4.5.0")
    (found,) = cudnn.findings(asked)
    assert found.severity is Severity.ERROR
    assert found.what == "`ctranslate2 4.5.0` needs cuDNN 9, and the set has cuDNN 8 from `nvidia-cudnn-cu12 8.9.2.26`"
    assert found.way_out == "`ctranslate2>=4.6.3`, which needs no cuDNN\nor `ctranslate2<4.5`, the last with cuDNN 8"


def test_ctranslate2_4_4_beside_cudnn_9_names_who_wants_it_and_the_newest_torch_with_cudnn_8() -> None:
    asked = subject(
        CU124,
        "torch==2.5.1 nvidia-cudnn-cu12",
        "nvidia-cudnn-cu12==9.1.0.70",
        "faster-whisper==1.0.3 ctranslate2",
        "ctranslate2==4.4.0",
    )
    (found,) = cudnn.findings(asked)
    assert found.way_out == (
        "`ctranslate2>=4.6.3`, which needs no cuDNN (ctranslate2 comes with `faster-whisper 1.0.3`)\n"
        "or `torch==2.3.1`, the newest with cuDNN 8, for a `cu118` or `cu121` target"
    )


def test_a_whisperx_that_takes_an_older_torch_is_told_to_take_it() -> None:
    asked = subject(
        CU121,
        "torch==2.4.1 nvidia-cudnn-cu12",
        "nvidia-cudnn-cu12==9.1.0.70",
        "whisperx==3.3.1 ctranslate2",
        "ctranslate2==4.4.0",
    )
    (found,) = cudnn.findings(asked)
    assert found.way_out.splitlines()[0] == (
        "`torch==2.3.1`, the newest torch with cuDNN 8, for a `cu118` or `cu121` target"
    )


def test_a_torch_that_holds_its_own_cudnn_counts_as_the_sets_cudnn() -> None:
    """The channel's wheels up to 2.1 are large and require no NVIDIA wheel."""
    large = "torch==2.1.2+cu121 numpy"
    assert told(cudnn.findings, subject(CU121, large, "ctranslate2==4.4.0")) == []
    assert told(cudnn.findings, subject(CU121, large, "ctranslate2==4.5.0")) == [
        ("error", "`ctranslate2 4.5.0` needs cuDNN 9, and the set has cuDNN 8 from `torch 2.1.2+cu121`")
    ]


def test_onnxruntime_gpu_falls_back_to_the_cpu_so_that_it_is_a_warning() -> None:
    asked = subject(CU121, "torch==2.3.1", "nvidia-cudnn-cu12==8.9.2.26", "onnxruntime-gpu==1.20.2")
    (found,) = cudnn.findings(asked)
    assert found.severity is Severity.WARNING
    assert found.way_out == (
        "`torch>=2.4`, which brings cuDNN 9\nor `onnxruntime`, which runs on the CPU too and is smaller"
    )


@pytest.mark.parametrize(
    ("target", "pins"),
    [
        (CU124, ("torch==2.5.1", "nvidia-cudnn-cu12==9.1.0.70", "ctranslate2==4.5.0", "onnxruntime-gpu==1.20.2")),
        (CU121, ("torch==2.3.1", "nvidia-cudnn-cu12==8.9.2.26", "ctranslate2==4.4.0")),
        (CU121, ("torch==2.3.1", "nvidia-cudnn-cu12==8.9.2.26", "ctranslate2==4.8.5")),
        (CU121, ("ctranslate2==4.4.0",)),  # the server's cuDNN, whatever it is
        ("linux-x86_64-cpu-py310", ("torch==2.5.1+cpu", "ctranslate2==4.4.0", "nvidia-cudnn-cu12==9.1.0.70")),
        ("windows-x86_64-cu124-py310", ("torch==2.5.1+cu124", "ctranslate2==4.4.0")),
    ],
)
def test_a_cudnn_that_fits_or_is_not_known_is_not_told(target: str, pins: tuple[str, ...]) -> None:
    assert told(cudnn.findings, subject(target, *pins)) == []


# nvJitLink

CUSPARSE = ("torch==2.1.2", "nvidia-cusparse-cu12==12.1.0.106", "nvidia-cuda-runtime-cu12==12.1.105")


def test_an_older_nvjitlink_is_an_error_with_the_text_that_will_be_seen() -> None:
    asked = subject(CU121, *CUSPARSE, "nvidia-nvjitlink-cu12==12.0.140")
    assert list(nvjitlink.findings(asked)) == [
        Finding(
            rule="nvjitlink",
            severity=Severity.ERROR,
            what="`nvidia-nvjitlink-cu12 12.0.140` is older than CUDA 12.1 of `nvidia-cusparse-cu12`, which links to"
            " it",
            why="`import torch` fails: `undefined symbol: __nvJitLinkAddData_12_1`",
            way_out="`nvidia-nvjitlink-cu12>=12.1,<13`",
            projects=("nvidia-cusparse-cu12", "nvidia-nvjitlink-cu12"),
        )
    ]


@pytest.mark.parametrize("version", ["12.1.105", "12.9.86"])
def test_an_nvjitlink_of_the_same_minor_or_a_newer_one_is_fine(version: str) -> None:
    assert told(nvjitlink.findings, subject(CU121, *CUSPARSE, f"nvidia-nvjitlink-cu12=={version}")) == []


def test_cuda_13_is_held_to_the_same() -> None:
    asked = subject(
        CU130, "nvidia-cusolver==12.1.0.1", "nvidia-cuda-runtime==13.2.50", "nvidia-nvjitlink==13.0.88", "torch==2.15.0"
    )
    (found,) = nvjitlink.findings(asked)
    assert found.why == "`import torch` fails: `undefined symbol: __nvJitLinkAddData_13_2`"


@pytest.mark.parametrize(
    ("path", "by", "expected"),
    [
        ("/usr/local/cuda-12.0/lib64/libnvJitLink.so.12", "LD_LIBRARY_PATH", ["error"]),
        ("/opt/cuda/lib64/libnvJitLink.so.12", "LD_LIBRARY_PATH", ["warning"]),
        ("/usr/local/cuda-12.4/lib64/libnvJitLink.so.12", "LD_LIBRARY_PATH", []),
        ("/usr/local/cuda-12.0/lib64/libnvJitLink.so.12", "ld.so.cache", []),  # RUNPATH comes first
    ],
)
def test_a_servers_own_nvjitlink_in_ld_library_path_wins_over_the_sets(path: str, by: str, expected: list[str]) -> None:
    seen = server(shadows=(("libnvJitLink.so.12", path, by),))
    asked = subject(CU121, *CUSPARSE, "nvidia-nvjitlink-cu12==12.1.105", server=seen)
    assert [severity for severity, _ in told(nvjitlink.findings, asked)] == expected


def test_a_servers_own_cudnn_in_ld_library_path_is_a_warning() -> None:
    seen = server(shadows=(("libcudnn.so.9", "/opt/cudnn/lib/libcudnn.so.9", "LD_LIBRARY_PATH"),))
    asked = subject(CU124, "torch==2.5.1", "nvidia-cudnn-cu12==9.1.0.70", server=seen)
    assert told(cudnn.findings, asked) == [
        (
            "warning",
            "the server's LD_LIBRARY_PATH puts `/opt/cudnn/lib/libcudnn.so.9` before the set's own cuDNN",
        )
    ]
