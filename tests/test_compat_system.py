"""What the server itself must have: libraries, programs, a compiler, a C library; what it must hold for first use."""

from __future__ import annotations

import pytest
from world.subjects import server, subject

from wheelhouse.compat import downloads, glibc, ngc, system
from wheelhouse.compat.model import Finding, Need, Severity
from wheelhouse.compat.server import SeenPython

CU124 = "linux-x86_64-cu124-py310"
PLAIN = "linux-x86_64-py310"
BARE = dict.fromkeys(("libGL.so.1", "libgthread-2.0.so.0", "libglib-2.0.so.0", "libX11.so.6", "libgomp.so.1"))
HEADLESS_OR_PACKAGES = (
    "`opencv-python-headless` in its place: the same, without windows\n"
    "or on the server `libGL`: packages `mesa-libGL` and `glib2` (RHEL), `libgl1` and `libglib2.0-0` (Debian, Ubuntu)"
)


def test_opencv_for_a_server_that_nobody_asked_is_a_warning_that_names_the_headless_one() -> None:
    assert list(system.findings(subject(PLAIN, "opencv-python==4.12.0.88"))) == [
        Finding(
            rule="desktop-library",
            severity=Severity.WARNING,
            what="`opencv-python 4.12.0.88` needs libraries of a desktop, which servers and containers often lack:"
            " `libGL.so.1`, `libgthread-2.0.so.0` and `libglib-2.0.so.0`",
            why="`import cv2` fails: `libGL.so.1: cannot open shared object file`",
            way_out=HEADLESS_OR_PACKAGES,
            projects=("opencv-python",),
        )
    ]


def test_an_opencv_that_another_project_requires_is_replaced_by_an_override() -> None:
    pins = ("ultralytics==8.4.190 opencv-python", "opencv-python==4.12.0.88")
    (found,) = system.findings(subject(PLAIN, *pins, roots=("ultralytics",)))
    assert found.way_out.splitlines()[:2] == [
        "`opencv-python-headless` in its place: the same, without windows",
        "`ultralytics 8.4.190` requires `opencv-python`: that takes `[[overrides]]` with `drop` and `add`",
    ]


def test_opencv_for_a_server_without_libgl_is_an_error_and_its_windows_a_note() -> None:
    libraries = {**BARE, "libglib-2.0.so.0": "/usr/lib64/libglib-2.0.so.0"}
    found = list(system.findings(subject(PLAIN, "opencv-python==4.12.0.88", server=server(libraries=libraries))))
    assert [(str(each.severity), each.what.partition(", and ")[2]) for each in found] == [
        ("error", "the server has no `libGL.so.1` and `libgthread-2.0.so.0`"),
        ("note", "the server has no `libX11.so.6`"),
    ]


def test_opencv_for_a_server_that_has_what_it_needs_is_not_told() -> None:
    libraries = dict.fromkeys(BARE, "/usr/lib64/x")
    assert list(system.findings(subject(PLAIN, "opencv-python==4.12.0.88", server=server(libraries=libraries)))) == []


def test_what_a_probe_did_not_look_for_is_not_lacking() -> None:
    assert list(system.findings(subject(PLAIN, "opencv-python==4.12.0.88", server=server()))) == []


@pytest.mark.parametrize(
    "target, pin",
    [
        (PLAIN, "opencv-python-headless==4.12.0.88"),
        ("windows-x86_64-py310", "opencv-python==4.12.0.88"),
        ("macos-arm64-py310", "opencv-python==4.12.0.88"),
        ("linux-x86_64-cpu-py310", "triton==3.1.0"),
        (PLAIN, "soundfile==0.14.0 file=soundfile-0.14.0-py2.py3-none-manylinux_2_28_x86_64.whl"),
    ],
)
def test_what_needs_nothing_of_the_server_is_not_told(target: str, pin: str) -> None:
    assert list(system.findings(subject(target, pin))) == []
    assert system.needs(subject(target, pin)) == ()


def test_needs_are_what_install_sh_checks_on_the_server() -> None:
    lightgbm, *rest = system.needs(subject(PLAIN, "whisperx==3.4.2", "lightgbm==4.6.0"))
    assert lightgbm == Need(
        kind="library",
        names=("libgomp.so.1",),
        rule="desktop-library",
        severity=Severity.ERROR,
        needed_by="lightgbm 4.6.0",
        why="`import lightgbm` fails: `libgomp.so.1: cannot open shared object file`",
        way_out="`libgomp` (RHEL) or `libgomp1` (Debian, Ubuntu) on the server",
    )
    assert [(need.kind, need.names, need.rule, need.severity) for need in rest] == [
        ("program", ("ffmpeg",), "program", Severity.WARNING)
    ]


@pytest.mark.parametrize(
    ("target", "pins", "rule", "unasked", "lacking"),
    [
        (PLAIN, ("torchcodec==0.7.0",), "desktop-library", "note", "error"),
        (PLAIN, ("mpi4py==4.1.1",), "desktop-library", "note", "error"),
        (PLAIN, ("lightgbm==4.6.0",), "desktop-library", "note", "error"),
        (PLAIN, ("soundfile==0.14.0",), "desktop-library", "note", "error"),
        (PLAIN, ("openai-whisper==20250625",), "program", "note", "warning"),
        (PLAIN, ("pydub==0.25.1",), "program", "note", "note"),
        (CU124, ("torch==2.5.1", "triton==3.1.0"), "compiler", "note", "warning"),
        (CU124, ("torch==2.5.1", "deepspeed==0.19.8", "ninja==1.13.0"), "compiler", "note", "warning"),
    ],
)
def test_each_need_is_a_note_until_a_probe_says_that_it_is_lacking(
    target: str, pins: tuple[str, ...], rule: str, unasked: str, lacking: str
) -> None:
    libraries = {f"libavcodec.so.{each}": None for each in range(58, 63)}
    libraries |= dict.fromkeys(("libmpi.so.12", "libmpi.so.40", "libgomp.so.1", "libsndfile.so.1"))
    bare = server(libraries=libraries, programs=dict.fromkeys(("ffmpeg", "cc", "gcc", "clang", "g++", "nvcc", "ninja")))
    full = server(libraries=dict.fromkeys(libraries, "/x"), programs=dict.fromkeys(bare.programs, "/x"))

    def told(seen: object) -> list[tuple[str, str]]:
        return [(each.rule, str(each.severity)) for each in system.findings(subject(target, *pins, server=seen))]  # type: ignore[arg-type]

    assert told(None) == [(rule, unasked)]
    assert told(bare) == [(rule, lacking)]
    assert told(full) == []


def test_one_of_several_compilers_is_enough() -> None:
    programs = {"cc": None, "gcc": None, "clang": "/usr/bin/clang"}
    assert list(system.findings(subject(CU124, "triton==3.1.0", server=server(programs=programs)))) == []


def test_an_mpi_in_the_set_is_an_mpi() -> None:
    assert system.needs(subject(PLAIN, "mpi4py==4.1.1", "mpich==4.3.0")) == ()


@pytest.mark.parametrize(("headers", "expected"), [(False, ["compiler"]), (True, []), (None, [])])
def test_triton_wants_python_h_of_a_python_that_fits(headers: bool | None, expected: list[str]) -> None:
    pythons = (
        SeenPython(path="/usr/bin/python3.10", version=(3, 10, 13), headers=headers),
        SeenPython(path="/usr/bin/python3.6", version=(3, 6, 8), headers=True),
    )
    found = list(system.findings(subject(CU124, "triton==3.1.0", server=server(pythons=pythons))))
    assert [each.rule for each in found] == expected
    assert [each.way_out for each in found] == [
        "`python3.10-devel` (RHEL) or `python3.10-dev` (Debian, Ubuntu) on the server" for _ in expected
    ]


# the C library


@pytest.mark.parametrize(
    ("target", "pin", "expected"),
    [
        (
            "linux-x86_64-cu121-py310-glibc2.12",
            "torch==2.4.1 file=torch-2.4.1-cp310-cp310-manylinux1_x86_64.whl",
            ("error", "`torch 2.4.1` needs glibc 2.17, and the target has 2.12"),
        ),
        (
            "linux-x86_64-cu124-py310",
            "flash-attn==2.8.3 file=flash_attn-2.8.3-cp310-cp310-linux_x86_64.whl",
            (
                "warning",
                "`flash_attn-2.8.3-cp310-cp310-linux_x86_64.whl` was built without an audit and may need glibc 2.32;"
                " the target has 2.28",
            ),
        ),
        (
            "linux-x86_64-py310",
            "own==1 file=own-1-cp310-cp310-linux_x86_64.whl",
            (
                "note",
                "`own-1-cp310-cp310-linux_x86_64.whl` promises nothing about glibc: its tag is `linux_*`, not"
                " `manylinux_*`",
            ),
        ),
    ],
)
def test_a_tag_is_a_hint_and_the_binary_counts(target: str, pin: str, expected: tuple[str, str]) -> None:
    assert [(str(each.severity), each.what) for each in glibc.findings(subject(target, pin))] == [expected]


@pytest.mark.parametrize(
    ("target", "pin"),
    [
        ("linux-x86_64-cu121-py310-glibc2.17", "torch==2.4.1 file=torch-2.4.1-cp310-cp310-manylinux1_x86_64.whl"),
        ("linux-x86_64-cu121-py310", "torch==2.4.1+cu121 file=torch-2.4.1+cu121-cp310-cp310-linux_x86_64.whl"),
        (
            "linux-x86_64-cu121-py310",
            "torchvision==0.19.1+cu121 file=torchvision-0.19.1+cu121-cp310-cp310-linux_x86_64.whl",
        ),
        ("linux-x86_64-py310", "own==1 file=own-1.tar.gz"),
        ("windows-x86_64-py310", "own==1 file=own-1-cp310-cp310-win_amd64.whl"),
    ],
)
def test_what_the_target_can_take_is_not_told(target: str, pin: str) -> None:
    assert list(glibc.findings(subject(target, pin))) == []


@pytest.mark.parametrize(
    ("libc", "expected"),
    [
        (("glibc", (2, 17)), ["the target says glibc2.28, and the server has glibc 2.17"]),
        (("musl", (1, 2)), ["the target says glibc2.28, and the server has musl 1.2"]),
        (("glibc", (2, 28)), []),
        (("glibc", (2, 39)), []),
        (None, []),
    ],
)
def test_a_server_older_than_its_target_is_an_error(
    libc: tuple[str, tuple[int, int]] | None, expected: list[str]
) -> None:
    found = list(glibc.findings(subject(PLAIN, "numpy==2.2.6", server=server(libc=libc))))
    assert [each.what for each in found] == expected
    assert {each.severity for each in found} <= {Severity.ERROR}


# NGC, and what is fetched at first use


def test_torch_into_an_ngc_container_is_a_warning() -> None:
    (found,) = ngc.findings(subject(CU124, "torch==2.5.1", "torchvision==0.20.1", server=server(ngc="24.12")))
    assert (found.severity, found.projects) == (Severity.WARNING, ("torch", "torchvision"))
    assert found.what == (
        "the server is NVIDIA's container 24.12, which has a torch of its own, and the set brings `torch 2.5.1`"
    )
    assert list(ngc.findings(subject(CU124, "torch==2.5.1", server=server()))) == []
    assert list(ngc.findings(subject(CU124, "numpy==2.2.6", server=server(ngc="24.12")))) == []


def test_packages_that_share_a_cache_share_one_note_that_says_what_to_set() -> None:
    (found,) = downloads.findings(subject(PLAIN, "transformers==4.57.0", "huggingface-hub==0.36.0"))
    assert found.severity is Severity.NOTE
    assert found.what == (
        "`huggingface-hub 0.36.0` and `transformers 4.57.0` download models and data from the HF hub at"
        " `from_pretrained`, `load_dataset`"
    )
    assert found.way_out.splitlines()[0] == (
        "`HF_HOME` to a copied cache folder, `HF_HUB_OFFLINE=1` (and `HF_DATASETS_OFFLINE=1`)"
    )


@pytest.mark.parametrize(
    ("pin", "word"),
    [
        ("easyocr==1.7.2", "EASYOCR_MODULE_PATH"),
        ("openai-whisper==20250625", "XDG_CACHE_HOME"),
        ("faster-whisper==1.2.1", "HF_HUB_OFFLINE=1"),
        ("whisperx==3.8.6", "NLTK_DATA"),
        ("pyannote-audio==4.0.7", "PYANNOTE_METRICS_ENABLED=0"),
        ("sentence-transformers==6.2.0", "HF_HOME"),
        ("torch==2.5.1", "TORCH_HOME"),
        ("timm==1.0.31", "TORCH_HOME"),
        ("open-clip-torch==3.3.0", "HF_HOME"),
        ("tiktoken==0.14.0", "TIKTOKEN_CACHE_DIR"),
        ("nltk==3.10.4", "nltk_data"),
        ("spacy==3.8.18", "en_core_web_sm @"),
        ("stanza==1.15.0", "STANZA_RESOURCES_DIR"),
        ("ultralytics==8.4.190", "YOLO_OFFLINE=1"),
        ("gradio==6.31.0", "GRADIO_ANALYTICS_ENABLED=False"),
        ("librosa==0.11.0", "LIBROSA_DATA_DIR"),
        ("matplotlib==3.11.2", "MPLCONFIGDIR"),
        ("triton==3.5.1", "TRITON_CACHE_DIR"),
        ("deepspeed==0.19.8", "TORCH_EXTENSIONS_DIR"),
    ],
)
def test_what_is_fetched_at_first_use_is_a_note_with_its_switch(pin: str, word: str) -> None:
    (found,) = downloads.findings(subject(PLAIN, pin))
    assert (found.rule, found.severity) == ("download", Severity.NOTE)
    assert word in found.way_out
