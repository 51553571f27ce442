"""The link check: what a closure's binaries say against it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.compat.binaries import Elf, Names, WheelBinaries, findings
from wheelhouse.compat.model import Finding, Pinned, Severity, Subject
from wheelhouse.compat.server import Server
from wheelhouse.target import Target

CU121 = "linux-x86_64-cu121-py310"


def module(**fields: object) -> Elf:
    """An extension module, which an import loads."""
    return Elf(path="pkg/_C.cpython-310-x86_64-linux-gnu.so", module=True, **fields)  # type: ignore[arg-type]


def library(soname: str, *exports: str, path: str = "", **fields: object) -> Elf:
    return Elf(path=path or f"lib/{soname}", soname=soname, exports=Names.of(exports), **fields)  # type: ignore[arg-type]


def judged(
    elves: Mapping[str, tuple[Elf, ...]],
    *,
    target: str = CU121,
    pins: tuple[str, ...] = (),
    dependencies: Mapping[str, tuple[str, ...]] | None = None,
    libraries: Mapping[str, str | None] | None = None,
    known: tuple[Finding, ...] = (),
) -> tuple[Finding, ...]:
    """What is said of these wheels; a key is `name==version`, `pins` are wheels without binaries."""
    pinned, binaries = {}, {}
    for asked in (*elves, *pins):
        name, _, version = asked.partition("==")
        project = NormalizedName(name)
        pinned[project] = Pinned(
            name=project,
            version=Version(version),
            filename=f"{name}-{version}.whl",
            dependencies=tuple(NormalizedName(each) for each in (dependencies or {}).get(name, ())),
        )
        binaries[project] = WheelBinaries(filename=f"{name}-{version}.whl", elves=elves.get(asked, ()))
    server = None if libraries is None else Server(label=target, os="linux", arch="x86_64", libraries=libraries)
    return findings(Subject(target=Target.parse(target), pins=pinned, server=server), binaries, known)


def said(found: tuple[Finding, ...]) -> list[tuple[str, str, str]]:
    return [(str(each.severity), each.rule, each.what) for each in found]


# symbols

CUSPARSE = library(
    "libcusparse.so.12",
    needed=("libnvJitLink.so.12",),
    versioned={"libnvJitLink.so.12": ("__nvJitLinkAddData_12_1", "__nvJitLinkComplete_12_1")},
)
TORCH = (
    module(needed=("libtorch_python.so",), numpy="1"),
    library("libtorch_python.so", needed=("libtorch.so",)),
    library("libtorch.so", "_ZN2at3addEv", needed=("libcusparse.so.12", "libc10.so", "libcuda.so.1")),
    library("libc10.so", "_ZN3c105ErrorC1Ev", needed=("libc.so.6", "libstdc++.so.6")),
)


def test_nvjitlink_of_an_older_minor_version_lacks_symbols() -> None:
    found = judged(
        {
            "torch==2.1.2": TORCH,
            "nvidia-cusparse-cu12==12.1.0.106": (CUSPARSE,),
            "nvidia-nvjitlink-cu12==12.0.140": (library("libnvJitLink.so.12", "__nvJitLinkAddData_12_0"),),
        }
    )
    assert found == (
        Finding(
            rule="binary",
            severity=Severity.ERROR,
            what="`nvidia-cusparse-cu12 12.1.0.106` needs `__nvJitLinkAddData_12_1` and another symbol of"
            " `libnvJitLink.so.12`, and `nvidia-nvjitlink-cu12 12.0.140` does not have them",
            why="`libcusparse.so.12` does not load: `undefined symbol: __nvJitLinkAddData_12_1`",
            way_out="`nvidia-nvjitlink-cu12>=12.1,<13`",
            projects=(NormalizedName("nvidia-cusparse-cu12"), NormalizedName("nvidia-nvjitlink-cu12")),
        ),
    )


def test_a_newer_nvjitlink_has_the_older_symbols() -> None:
    names = ("__nvJitLinkAddData_12_0", "__nvJitLinkAddData_12_1", "__nvJitLinkComplete_12_1")
    nvjitlink = {"nvidia-nvjitlink-cu12==12.9.86": (library("libnvJitLink.so.12", *names),)}
    assert judged({"torch==2.1.2": TORCH, "nvidia-cusparse-cu12==12.1.0.106": (CUSPARSE,), **nvjitlink}) == ()


def torchvision(*undefined: str, **fields: object) -> tuple[Elf, ...]:
    return (Elf(path="torchvision/_C.so", needed=("libtorch.so", "libc10.so"), undefined=undefined, **fields),)  # type: ignore[arg-type]


CUSPARSE_THERE = {"nvidia-cusparse-cu12==12.1.0.106": (library("libcusparse.so.12"),)}


def test_torchvision_of_another_torch_misses_symbols() -> None:
    vision = torchvision("_ZN2at3addEv", "_ZN2at4_ops10zeros_like4callEv")
    found = judged(
        {"torch==2.1.2": TORCH, "torchvision==0.17.2": vision, **CUSPARSE_THERE},
        dependencies={"torchvision": ("torch",)},
    )
    assert said(found) == [
        (
            "error",
            "binary",
            "`torchvision 0.17.2` needs `at::_ops::zeros_like::call` of `libtorch.so`,"
            " and `torch 2.1.2` does not have it",
        )
    ]
    assert found[0].way_out == "versions of `torchvision` and `torch` that were built for each other"


def test_a_plugin_that_nothing_requires_is_a_note() -> None:
    vision = torchvision("_ZN2at4_ops10zeros_like4callEv")
    found = judged({"torch==2.1.2": TORCH, "torchao==0.7.0": vision, **CUSPARSE_THERE})
    assert [each.severity for each in found] == [Severity.NOTE]


def test_symbols_may_come_from_a_library_that_nobody_knows() -> None:
    vision = (replace(torchvision("_ZN3foo3runEv")[0], needed=("libtorch.so", "libfoo.so.1")),)
    assert judged({"torch==2.1.2": TORCH, "torchvision==0.17.2": vision, **CUSPARSE_THERE}) == ()


def test_nccl_that_is_too_old_misses_functions() -> None:
    torch = (
        module(needed=("libtorch_cuda.so",)),
        library("libtorch_cuda.so", needed=("libnccl.so.2",), undefined=("ncclAllReduce", "ncclCommSplit")),
    )
    nccl = {"nvidia-nccl-cu12==2.14.3": (library("libnccl.so.2", "ncclAllReduce"),)}
    assert said(judged({"torch==2.1.2": torch, **nccl})) == [
        (
            "error",
            "binary",
            "`torch 2.1.2` needs `ncclCommSplit` of `libnccl.so.2`, and `nvidia-nccl-cu12 2.14.3` does not have it",
        )
    ]


# CUDA's families

CUDNN_9 = {
    "nvidia-cudnn-cu12==9.1.0.70": (library("libcudnn.so.9"), library("libcudnn_ops.so.9")),
    "nvidia-cublas-cu12==12.4.5.8": (library("libcublas.so.12"), library("libcublasLt.so.12")),
}
CTRANSLATE2 = {
    "ctranslate2==4.4.0": (
        module(needed=("libctranslate2-d3638643.so.4.4.0",)),
        library(
            "libctranslate2-d3638643.so.4.4.0", needed=("libcudnn-463fd6d5.so.8.9.7",), mentions=("libcublas.so.12",)
        ),
        library("libcudnn-463fd6d5.so.8.9.7", mentions=("libcudnn_cnn_infer.so.8", "libcudnn_ops_infer.so.8")),
    )
}


def test_a_bundled_cudnn_8_beside_cudnn_9_is_an_error() -> None:
    assert judged({**CUDNN_9, **CTRANSLATE2}) == (
        Finding(
            rule="cudnn",
            severity=Severity.ERROR,
            what="`ctranslate2 4.4.0` looks for `libcudnn_cnn_infer.so.8`, and the set brings `libcudnn.so.9`"
            " (`nvidia-cudnn-cu12 9.1.0.70`)",
            why="`libcudnn-463fd6d5.so.8.9.7` opens `libcudnn_cnn_infer.so.8` when a GPU is used, and does not find it",
            way_out="a version of `ctranslate2` that was built for cuDNN 9",
            projects=(NormalizedName("ctranslate2"), NormalizedName("nvidia-cudnn-cu12")),
        ),
    )


def test_a_bundled_part_of_cudnn_tells_by_its_own_version() -> None:
    shim = {"ctranslate2==4.5.0": (library("libcudnn-74a4c495.so.9.1.0"),)}
    cudnn_8 = {"nvidia-cudnn-cu12==8.9.2.26": (library("libcudnn.so.8"),)}
    assert [each.what for each in judged({**cudnn_8, **shim})] == [
        "`ctranslate2 4.5.0` looks for `libcudnn-74a4c495.so.9.1.0`, and the set brings `libcudnn.so.8`"
        " (`nvidia-cudnn-cu12 8.9.2.26`)"
    ]
    whole = {"ctranslate2==4.5.0": (*shim["ctranslate2==4.5.0"], library("libcudnn_ops-1a2b3c4d.so.9.1.0"))}
    assert judged({**CUDNN_9, **shim}) == judged({**cudnn_8, **whole}) == ()


@pytest.mark.parametrize("target", ["linux-x86_64-cpu-py310", "linux-x86_64-py310"])
def test_cuda_does_not_count_for_other_targets(target: str) -> None:
    assert judged({**CUDNN_9, **CTRANSLATE2}, target=target) == ()


def test_a_library_that_the_set_lacks_is_no_finding() -> None:
    assert judged(CTRANSLATE2) == ()


def test_a_plugin_for_cuda_11_beside_cuda_12_is_an_error() -> None:
    provider = Elf(
        path="onnxruntime/capi/libonnxruntime_providers_cuda.so", needed=("libcublas.so.11", "libcudart.so.11.0")
    )
    found = judged({**CUDNN_9, "onnxruntime-gpu==1.18.1": (provider,)})
    assert said(found) == [
        (
            "error",
            "cuda-mix",
            "`onnxruntime-gpu 1.18.1` looks for `libcublas.so.11`, and the set brings `libcublas.so.12`"
            " (`nvidia-cublas-cu12 12.4.5.8`)",
        )
    ]
    assert found[0].way_out == "a version of `onnxruntime-gpu` that was built for CUDA 12"


def test_one_of_several_builds_or_names_is_enough() -> None:
    bitsandbytes = (
        Elf(path="bitsandbytes/libbitsandbytes_cuda118.so", needed=("libcublas.so.11",)),
        Elf(path="bitsandbytes/libbitsandbytes_cuda124.so", needed=("libcublas.so.12",)),
    )
    either = Elf(path="x/libx.so", mentions=("libcudnn.so.8", "libcudnn.so.9"))
    assert judged({**CUDNN_9, "bitsandbytes==0.43.3": bitsandbytes, "x==1.0": (either,)}) == ()


# numpy


def test_torch_that_was_compiled_for_numpy_1_is_an_error_beside_numpy_2() -> None:
    scipy = (module(numpy="1"),)
    found = judged({"torch==2.1.2": TORCH, "scipy==1.11.4": scipy, **CUSPARSE_THERE}, pins=("numpy==2.2.6",))
    assert said(found) == [
        ("error", "numpy-abi", "`torch 2.1.2` was compiled for numpy 1, and the set has `numpy 2.2.6`"),
        ("warning", "numpy-abi", "`scipy 1.11.4` was compiled for numpy 1, and the set has `numpy 2.2.6`"),
    ]


def test_numpy_1_serves_both() -> None:
    wheels = {"torch==2.1.2": TORCH, "scipy==1.15.3": (module(numpy="2"),), **CUSPARSE_THERE}
    assert judged(wheels, pins=("numpy==1.26.4",)) == ()


# the server


def test_binaries_tell_the_glibc_that_a_tag_hides() -> None:
    wheels = {
        "vllm==0.6.6": (module(needed=("libv.so",), glibc=(2, 17)), library("libv.so", glibc=(2, 31))),
        "bitsandbytes==0.50.2": (Elf(path="bitsandbytes/libbitsandbytes_xpu.so", glibc=(2, 32)),),
    }
    found = judged(wheels)
    assert said(found) == [
        ("error", "glibc", "`vllm 0.6.6` needs glibc 2.31, and the target has 2.28"),
        ("note", "glibc", "`bitsandbytes 0.50.2` needs glibc 2.32, and the target has 2.28"),
    ]
    assert found[0].why == "`libv.so` does not load: `version 'GLIBC_2.31' not found`"
    assert judged(wheels, target=f"{CU121}-glibc2.35") == ()


def test_libstdcxx_is_judged_by_the_newest_of_that_glibc() -> None:
    needs = {"x==1.0": (module(glibcxx=(3, 4, 29), cxxabi=(1, 3, 11)),)}
    assert said(judged(needs)) == [
        (
            "warning",
            "glibc",
            "`x 1.0` needs `GLIBCXX_3.4.29`, and distributions with glibc 2.28 bring GLIBCXX_3.4.25 at most",
        )
    ]
    assert judged(needs, target=f"{CU121}-glibc2.34") == ()
    own = {"libstdcxx==1.0": (library("libstdc++.so.6"),)}
    assert judged({**needs, **own}) == ()


CV2 = {
    "opencv-python==4.10.0.84": (
        Elf(path="cv2/cv2.abi3.so", module=True, needed=("libQt5Gui-1a.so.5", "libc.so.6")),
        library("libQt5Gui-1a.so.5", needed=("libGL.so.1", "libgthread-2.0.so.0", "libpthread.so.0")),
    )
}


def test_libraries_of_a_desktop_are_told_with_the_ways_out() -> None:
    assert judged(CV2) == (
        Finding(
            rule="desktop-library",
            severity=Severity.WARNING,
            what="`opencv-python 4.10.0.84` needs `libGL.so.1`, `libgthread-2.0.so.0`, which no wheel brings",
            why="a small server may lack them: `libGL.so.1: cannot open shared object file`",
            way_out="`opencv-python-headless` instead of `opencv-python`\n"
            "on the server `dnf install mesa-libGL glib2`, or `apt-get install libgl1 libglib2.0-0`",
            projects=(NormalizedName("opencv-python"),),
        ),
    )


def test_the_word_of_a_probe_counts() -> None:
    there = {"libGL.so.1": "/usr/lib64/libGL.so.1", "libgthread-2.0.so.0": "/usr/lib64/libgthread-2.0.so.0"}
    assert judged(CV2, libraries=there) == ()
    lacking = judged(CV2, libraries={**there, "libGL.so.1": None})
    assert [(each.severity, each.what) for each in lacking] == [
        (Severity.ERROR, "`opencv-python 4.10.0.84` needs `libGL.so.1`, which no wheel brings")
    ]


def test_a_library_that_nobody_brings_is_a_warning() -> None:
    found = judged({"x==1.0": (module(needed=("libpython3.10.so.1.0", "libc.so.6", "libcuda.so.1")),)})
    assert said(found) == [
        ("warning", "binary", "`x 1.0` needs `libpython3.10.so.1.0`, which no wheel of the set brings")
    ]
    assert found[0].way_out.startswith("a Python that was built with `--enable-shared`")


def test_a_wheel_that_is_not_known_yet_may_bring_it() -> None:
    x, unbuilt = NormalizedName("x"), NormalizedName("unbuilt")
    pins = {name: Pinned(name=name, version=Version("1"), filename=f"{name}-1.whl") for name in (x, unbuilt)}
    elves = (module(needed=("libunbuilt.so.1",)),)
    subject = Subject(target=Target.parse(CU121), pins=pins)
    assert findings(subject, {x: WheelBinaries(filename="x-1.whl", elves=elves)}) == ()


def test_what_few_of_many_modules_need_and_plugins_are_not_warned_of() -> None:
    several = tuple(Elf(path=f"x/m{letter}.so", module=True) for letter in "abc")
    odd = Elf(path="x/odd.so", module=True, needed=("libtbb.so.12",))
    plugin = Elf(path="y/plugin.so", needed=("libavutil.so.58",))
    ffmpeg = Elf(path="torchaudio/lib/_torchaudio_ffmpeg5.so", module=True, needed=("libavutil.so.57",))
    found = judged({"x==1.0": (*several, odd), "y==1.0": (plugin,), "torchaudio==2.1.2": (ffmpeg,)})
    assert said(found) == [("note", "binary", "`x 1.0` needs `libtbb.so.12`, which no wheel of the set brings")]


def test_modules_of_other_pythons_and_other_machines_are_not_judged() -> None:
    other = Elf(path="x/_C.cpython-39-x86_64-linux-gnu.so", module=True, glibc=(2, 34), needed=("libfoo.so.1",))
    arm = Elf(path="x/arm.so", machine="aarch64", module=True, needed=("libfoo.so.1",))
    assert said(judged({"x==1.0": (other, arm)})) == [
        ("note", "glibc", "`x 1.0` needs glibc 2.34, and the target has 2.28")
    ]


def test_a_program_among_the_scripts_is_needed() -> None:
    program = Elf(path="ninja-1.11.data/scripts/ninja", glibc=(2, 34))
    assert [each.severity for each in judged({"ninja==1.11": (program,)})] == [Severity.ERROR]


def test_musl_brings_its_own_c_library() -> None:
    elf = module(needed=("libc.musl-x86_64.so.1", "libstdc++.so.6"))
    assert judged({"x==1.0": (elf,)}, target="linux-x86_64-py310-musl1.2") == ()


@pytest.mark.parametrize("target", ["windows-x86_64-cu121-py310", "macos-arm64-py310"])
def test_other_systems_have_no_elf_files(target: str) -> None:
    assert judged({**CUDNN_9, **CTRANSLATE2, **CV2}, target=target) == ()


def test_what_metadata_told_already_is_not_told_again() -> None:
    told = Finding(
        rule="cudnn",
        severity=Severity.ERROR,
        what="",
        projects=(NormalizedName("ctranslate2"), NormalizedName("torch")),
    )
    assert judged({**CUDNN_9, **CTRANSLATE2}, known=(told,)) == ()
    assert len(judged({**CUDNN_9, **CTRANSLATE2}, known=(replace(told, severity=Severity.NOTE),))) == 1
    assert len(judged({**CUDNN_9, **CTRANSLATE2}, known=(replace(told, projects=(NormalizedName("x"),)),))) == 1
