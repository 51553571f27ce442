"""Rule `driver`: CUDA, drivers and PTX as values, and what is said of a set before the visit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world.subjects import server, subject

from wheelhouse.compat import cuda, driver
from wheelhouse.compat.cuda import Cuda, Driver, How
from wheelhouse.compat.model import Finding, Severity
from wheelhouse.compat.server import Gpu
from wheelhouse.indexes import proven_accelerator

A100 = Gpu(name="NVIDIA A100-SXM4-80GB", capability=(8, 0))


def version(text: str) -> Driver:
    found = Driver.parse(text)
    assert found is not None
    return found


def alarms(target: str, *pins: str, **seen: object) -> list[Finding]:
    """Warnings and errors on a set; with `seen` a server was probed."""
    found = driver.findings(subject(target, *pins, server=server(**seen) if seen else None))
    return [each for each in found if each.severity > Severity.NOTE]


def notes(target: str, *pins: str) -> list[str]:
    return [each.what for each in driver.findings(subject(target, *pins)) if each.severity is Severity.NOTE]


# Versions


def test_a_cuda_version_is_read_from_a_channel_and_from_a_runtime_s_version() -> None:
    assert Cuda.of_channel("cu121") == Cuda(12, 1) == Cuda.parse("12.1.105")
    assert Cuda.of_channel("cu92") == Cuda(9, 2)
    assert [Cuda.of_channel(each) for each in ("cpu", "rocm6.0", "", None, "cu1", "cu12100")] == [None] * 6
    assert Cuda(12, 1).channel == "cu121"
    assert Cuda(11, 8) < Cuda(12, 0) < Cuda(12, 10)


@pytest.mark.parametrize("text", ["", "12", "cu121", "12.x", "12.12345"])
def test_what_is_no_cuda_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no version of CUDA"):
        Cuda.parse(text)


def test_a_driver_s_version_keeps_how_it_was_written() -> None:
    assert str(version("470.82.01")) == "470.82.01"
    assert version("515.65.01").branch == 515
    assert version("450.80.02") == version("450.80.2")


@pytest.mark.parametrize("text", [None, "", "N/A", "unknown", "5", "12345.1"])
def test_what_is_no_driver_s_version_is_none(text: str | None) -> None:
    assert Driver.parse(text) is None


@pytest.mark.parametrize(
    ("told", "floor", "reaches"),
    [
        ("515.65", "515.65.01", True),  # typed by hand from 515.65.01
        ("525", "525.60.13", True),  # the branch alone is taken at its word
        ("525.60", "525.60.13", True),
        ("525.60.13", "525.60.13", True),
        ("525.60.11", "525.60.13", False),
        ("525.53", "525.60.13", False),
        ("524", "525.60.13", False),
        ("580.65.06", "580", True),
        ("575.57.08", "580", False),
        ("1000.10", "580", True),
    ],
)
def test_only_the_parts_that_both_tell_are_compared(told: str, floor: str, reaches: bool) -> None:
    assert version(told).reaches(version(floor)) is reaches


@given(st.lists(st.integers(100, 999), min_size=1, max_size=3), st.lists(st.integers(100, 999), min_size=3, max_size=3))
def test_telling_less_of_a_driver_never_makes_it_too_old(told: list[int], floor: list[int]) -> None:
    whole, least = version(".".join(map(str, told))), version(".".join(map(str, floor)))
    if whole.reaches(least):
        assert all(version(".".join(map(str, told[:count]))).reaches(least) for count in range(1, len(told)))


# What runs on what


@pytest.mark.parametrize(
    ("os", "major", "floor"),
    [("linux", 11, "450.80.02"), ("linux", 12, "525.60.13"), ("linux", 13, "580"), ("windows", 12, "527.41")],
)
def test_the_floor_of_a_cuda_major(os: str, major: int, floor: str) -> None:
    assert [str(cuda.floor(Cuda(major, minor), os)) for minor in (0, 9)] == [floor, floor]


def test_a_major_that_the_table_lacks_has_no_floor() -> None:
    assert (cuda.floor(Cuda(10, 2)), cuda.floor(Cuda(14, 0))) == (None, None)


@pytest.mark.parametrize(
    ("driver", "has"),
    [
        ("450.51.05", "11.0"),
        ("470.82", "11.4"),
        ("515.65.01", "11.7"),
        ("520.61.05", "11.8"),
        ("525", "12.0"),
        ("535.104.05", "12.2"),
        ("565.57.01", "12.7"),
        ("575.57.08", "12.9"),
        ("580.65.06", "13.0"),
        ("531.14", "12.1"),  # Windows, of R530
        ("576.57", "12.9"),  # Windows, of R575
        ("900.1", "13.4"),  # later than every branch that we know: at least that
    ],
)
def test_a_driver_has_the_cuda_of_its_branch(driver: str, has: str) -> None:
    assert cuda.driver_cuda(version(driver)) == Cuda.parse(has)


def test_a_driver_before_cuda_11_has_none_that_we_know() -> None:
    assert cuda.driver_cuda(version("440.33.01")) is None


@pytest.mark.parametrize(
    ("build", "driver", "how"),
    [
        ("11.8", "515.65", How.MINOR),
        ("11.7", "515.65", How.NATIVE),
        ("12.1", "515.65", How.NO),
        ("12.1", "525", How.MINOR),
        ("12.0", "525.53", How.NATIVE),  # a beta of R525 has CUDA 12.0 all the same
        ("12.1", "525.53", How.NO),
        ("12.9", "575.57.08", How.NATIVE),
        ("13.0", "575.57.08", How.NO),
        ("13.2", "580.65.06", How.MINOR),
        ("11.8", "580.65.06", How.NATIVE),
        ("11.8", "440.33", How.NO),
        ("10.2", "470.82.01", How.NATIVE),
        ("10.2", "440.33", How.UNKNOWN),
        ("14.0", "580.65.06", How.UNKNOWN),
    ],
)
def test_how_a_build_runs_on_a_driver(build: str, driver: str, how: How) -> None:
    assert cuda.runs(Cuda.parse(build), version(driver)).how is how


def test_why_a_build_does_not_run() -> None:
    assert cuda.runs(Cuda(12, 1), version("515.65")).reason == "needs driver 525.60.13 or newer"
    assert cuda.runs(Cuda(12, 1), version("535.1")).reason == "driver 535.1 has CUDA 12.2"
    minor = "minor-version compatibility: driver 515.65 has CUDA 11.7"
    assert cuda.runs(Cuda(11, 8), version("515.65")).reason == minor


def test_the_ptx_of_a_cuda_and_the_first_driver_that_reads_it() -> None:
    assert [cuda.isa(Cuda.parse(each)) for each in ("11.2", "12.2", "12.6", "12.8", "13.2", "13.3")] == [
        (7, 2),
        (8, 2),
        (8, 5),
        (8, 7),
        (9, 2),
        (9, 2),
    ]
    assert cuda.isa(Cuda(10, 2)) is None
    assert [str(cuda.oldest_reader(each)) for each in ((8, 2), (8, 7), (9, 0))] == ["535", "570", "580"]
    assert cuda.oldest_reader((11, 0)) is None


@pytest.mark.parametrize(
    ("name", "capability", "forward"),
    [
        ("NVIDIA A100-SXM4-80GB", (8, 0), True),
        ("Tesla V100-PCIE-32GB", (7, 0), True),
        ("NVIDIA TITAN V", (7, 0), False),
        ("NVIDIA L40S", (8, 9), True),
        ("NVIDIA RTX A2000", (8, 6), False),
        ("NVIDIA GeForce RTX 4090", (8, 9), False),
        ("NVIDIA H800", (9, 0), True),
        ("Quadro P400", (6, 1), False),
        ("", (8, 0), True),  # every GPU of 8.0 is one
        ("", (8, 6), None),
        ("", (12, 0), False),
    ],
)
def test_which_gpus_take_forward_compatibility(name: str, capability: tuple[int, int], forward: bool | None) -> None:
    assert cuda.is_data_center(name, capability) is forward


# The rule


def test_a_driver_below_the_floor_is_an_error_with_its_ways_out() -> None:
    assert list(driver.findings(subject("linux-x86_64-cu121-py310-driver515.65", "torch==2.5.1+cu121"))) == [
        Finding(
            rule="driver",
            severity=Severity.ERROR,
            what="`torch 2.5.1+cu121` needs driver 525.60.13 or newer, and the target has 515.65",
            why="CUDA 12 does not start on it: `torch.cuda.is_available()` is False",
            way_out="`--target linux-x86_64-cu118-py310-driver515.65`, which has torch 2.5.1 too\n"
            "have the driver updated to 525.60.13 or newer",
            projects=("torch",),
        )
    ]


def test_a_data_center_gpu_has_a_third_way() -> None:
    (found,) = alarms("linux-x86_64-cu121-py310-driver515.65-sm80", "torch==2.5.1+cu121")
    assert found.severity is Severity.ERROR
    assert found.way_out.splitlines()[-1] == (
        "on data-center GPUs such as this one NVIDIA's package `cuda-compat-12-1` makes up for an old driver:"
        " take it along and add `--accept driver`"
    )
    (found,) = alarms("linux-x86_64-cu121-py310-driver515.65-sm86", "torch==2.5.1+cu121")
    assert "cuda-compat" not in found.way_out
    (found,) = alarms("windows-x86_64-cu121-py310-driver516.01-sm80", "torch==2.5.1+cu121")
    assert "cuda-compat" not in found.way_out


def test_the_probed_server_counts_before_the_label() -> None:
    (found,) = alarms("linux-x86_64-cu121-py310-driver550", "torch==2.5.1+cu121", driver="515.65.01", gpus=(A100,))
    assert found.what == "`torch 2.5.1+cu121` needs driver 525.60.13 or newer, and the server has 515.65.01"
    assert "cuda-compat-12-1" in found.way_out


def test_a_torch_that_no_other_channel_has_gets_the_best_channel_s_versions() -> None:
    (found,) = alarms("linux-x86_64-cu126-py310-driver515.65", "torch==2.9.1+cu126")
    assert found.way_out.splitlines()[0] == (
        "`--target linux-x86_64-cu118-py310-driver515.65`, with torch 2.0.0 to 2.7.1"
    )


def test_a_driver_that_is_too_old_for_every_build_leaves_the_cpu() -> None:
    (found,) = alarms("linux-x86_64-cu126-py310-driver440.33", "torch==2.9.1+cu126")
    assert found.way_out.splitlines()[0] == "`--target linux-x86_64-cpu-py310-driver440.33`, without the GPU"


@pytest.mark.parametrize(
    ("target", "torch"),
    [
        ("linux-x86_64-cu118-py310-driver515.65-sm80", "2.5.1+cu118"),  # minor-version compatibility
        ("linux-x86_64-cu128-py312-driver525", "2.8.0+cu128"),
        ("linux-x86_64-cu121-py310-driver530.30.02-sm90", "2.5.1+cu121"),
        ("linux-x86_64-cu130-py312-driver580.65.06-sm120", "2.11.0+cu130"),
        ("linux-x86_64-cu132-py312-driver580-sm120", "2.15.0+cu132"),
        ("windows-x86_64-cu121-py310-driver531.14-sm89", "2.5.1+cu121"),
        ("windows-x86_64-cu130-py312-driver581.15-sm61", "2.99.0+cu126"),
        ("linux-aarch64-cu130-py312-driver580.95-sm90", "2.11.0+cu130"),
        ("linux-x86_64-cu121-py310", "2.5.1+cu121"),  # no driver is named
        ("linux-x86_64-cpu-py310-driver440.33-sm35", "2.5.1+cpu"),  # nothing of CUDA is asked for
        ("linux-x86_64-cu118-py310-driver470.82-sm37", "2.3.1+cu118"),
    ],
)
def test_ordinary_machines_raise_no_alarm(target: str, torch: str) -> None:
    assert alarms(target, f"torch=={torch}") == []


def test_minor_version_compatibility_is_a_note() -> None:
    assert notes("linux-x86_64-cu118-py310-driver515.65-sm80", "torch==2.5.1+cu118") == [
        "`torch 2.5.1+cu118` is built for CUDA 11.8, and driver 515.65 has 11.7: it runs by NVIDIA's minor-version"
        " compatibility"
    ]
    assert notes("linux-x86_64-cu118-py310-driver520.61.05-sm80", "torch==2.5.1+cu118") == []


def test_pins_prove_the_cuda_of_a_torch_that_does_not_say_it() -> None:
    pins = ("torch==2.5.1", "nvidia-cuda-runtime-cu12==12.4.127")
    (found,) = alarms("linux-x86_64-cu118-py310-driver515.65", *pins)
    assert found.what == "`torch 2.5.1` needs driver 525.60.13 or newer, and the target has 515.65"
    (found,) = alarms("linux-x86_64-cu128-py312-driver575", "torch==2.15.0", "cuda-toolkit==13.2.2")
    assert found.what == "`torch 2.15.0` needs driver 580 or newer, and the target has 575"
    assert alarms("linux-x86_64-cu118-py310-driver515.65", "torch==2.0.1") == []  # nothing is proven: the target's


def test_a_set_without_torch_is_judged_by_its_cuda_runtime() -> None:
    pins = ("cupy-cuda12x==13.6.0", "nvidia-cuda-runtime-cu12==12.8.90")
    (found,) = alarms("linux-x86_64-cu128-py310-driver515.65", *pins)
    assert found.what == "the set's CUDA 12.8 runtime needs driver 525.60.13 or newer, and the target has 515.65"
    assert alarms("linux-x86_64-cu128-py310-driver515.65", "numpy==2.1.0") == []


def test_a_server_on_which_no_driver_was_seen_is_a_warning() -> None:
    (found,) = alarms("linux-x86_64-cu121-py310", "torch==2.5.1+cu121", driver=None)
    assert (found.severity, found.what) == (
        Severity.WARNING,
        "no NVIDIA driver was seen on the server, and the target takes builds for CUDA",
    )
    assert found.way_out.splitlines()[1] == "`--target linux-x86_64-cpu-py310` if there is no GPU"
    assert alarms("linux-x86_64-cu121-py310", "numpy==2.1.0", driver=None) == []
    told = alarms("linux-x86_64-cu121-py310-driver515.65", "torch==2.5.1+cu121", driver=None)
    assert [each.severity for each in told] == [Severity.WARNING, Severity.ERROR]  # and the label's driver is too old
    assert alarms("linux-x86_64-cpu-py310", "torch==2.5.1+cpu", driver=None) == []


def test_ptx_newer_than_the_driver_reads_is_an_error_only_where_the_gpu_depends_on_it() -> None:
    # a GPU generation after those that torch 2.8+cu129 is compiled for: PTX 8.8, and R550 reads 8.4
    target = "linux-x86_64-cu129-py312-driver550.54.15-sm130"
    (found,) = alarms(target, "torch==2.8.0+cu129")
    assert (found.severity, found.what) == (
        Severity.ERROR,
        "`torch 2.8.0+cu129` has only PTX 8.8 for compute capability 13.0, and driver 550.54.15 reads PTX 8.4 at most",
    )
    assert found.way_out == "have the driver updated to 575 or newer"
    assert alarms(target.replace("sm130", "sm90"), "torch==2.8.0+cu129") == []
    assert alarms(target.replace("550.54.15", "575.57.08"), "torch==2.8.0+cu129") == []


# Other wheels with CUDA code


def test_ctranslate2_for_cuda_12_is_told_of_beside_a_torch_for_cuda_11() -> None:
    (found,) = alarms("linux-x86_64-cu118-py310-driver515.65-sm80", "torch==2.5.1+cu118", "ctranslate2==4.4.0")
    assert (found.severity, found.projects) == (Severity.WARNING, ("ctranslate2",))
    assert found.what == (
        "`ctranslate2 4.4.0` is built for CUDA 12 and needs driver 525.60.13 or newer, and the target has 515.65"
    )
    assert found.way_out.splitlines()[0] == "`ctranslate2>=3.24,<4`, built for an older CUDA"


def test_what_torch_s_error_says_already_is_not_said_again() -> None:
    found = alarms("linux-x86_64-cu121-py310-driver515.65-sm80", "torch==2.5.1+cu121", "ctranslate2==4.4.0")
    assert [each.severity for each in found] == [Severity.ERROR]


def test_ctranslate2_s_ptx_needs_a_driver_that_reads_it_on_hopper() -> None:
    target = "linux-x86_64-cu124-py310-driver550.54.15-sm90"
    (found,) = alarms(target, "torch==2.6.0+cu124", "ctranslate2==4.8.5")
    assert found.what == (
        "`ctranslate2 4.8.5` has only PTX 8.7 for compute capability 9.0, which driver 570 and newer understand,"
        " and the target has 550.54.15"
    )
    assert found.way_out.splitlines() == [
        "`ctranslate2>=4.0,<4.6.3`, with older PTX",
        "have the driver updated to 570 or newer",
    ]
    assert alarms(target, "ctranslate2==4.5.0") == []  # PTX 8.2: R535
    assert alarms(target.replace("sm90", "sm80"), "ctranslate2==4.8.5") == []  # compiled code
    assert alarms(target.replace("550.54.15", "570.26"), "ctranslate2==4.8.5") == []
    assert alarms(target, "ctranslate2==5.0.0") == []  # nobody looked


# Generations


def test_a_gpu_that_the_driver_s_branch_does_not_drive_is_a_warning() -> None:
    (found,) = alarms("linux-x86_64-cu118-py310-driver515.65-sm37", "torch==2.3.1+cu118")
    assert (found.severity, found.what) == (
        Severity.WARNING,
        "driver 515.65 does not drive Kepler GPUs: R470 was the last branch that did",
    )


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("linux-x86_64-cu126-py312-driver565.57-rtx5090", "driver 565.57 does not drive Blackwell GPUs: R570"),
        ("windows-x86_64-cu126-py312-driver566.36-rtx5090", "driver 566.36 does not drive Blackwell GPUs: R570"),
        ("linux-x86_64-cu118-py310-driver515.65-h100", "driver 515.65 does not drive Hopper GPUs: R520"),
        ("linux-x86_64-cu118-py310-driver470.82-l4", "driver 470.82 does not drive Ada GPUs: R520"),
        ("linux-x86_64-cu118-py310-driver440.33-a100", "driver 440.33 does not drive Ampere GPUs: R450"),
    ],
)
def test_a_gpu_that_is_newer_than_the_driver_is_a_warning(label: str, told: str) -> None:
    """The two cannot be on one server: a word of the label was mistyped, or the driver is not loaded."""
    found = [each for each in alarms(label, "torch==2.1.2") if "does not drive" in each.what]
    assert [(each.severity, each.what) for each in found] == [
        (Severity.WARNING, f"{told} was the first branch that did")
    ]


@pytest.mark.parametrize(
    "label",
    [
        "linux-x86_64-cu128-py312-driver570.86.10-rtx5090",
        "windows-x86_64-cu128-py312-driver572.16-rtx5090",
        "linux-x86_64-cu118-py310-driver520.61.05-h100",
        "linux-x86_64-cu118-py310-driver520-l4",
        "linux-x86_64-cu118-py310-driver450.51.05-a100",
        "linux-x86_64-cu118-py310-driver455.23-rtx3090",
        "linux-aarch64-cu128-py312-driver570.26-dgxspark",  # nobody says which branch was its first
    ],
)
def test_the_first_branch_drives_its_gpus(label: str) -> None:
    assert [each for each in alarms(label, "torch==2.1.2") if "does not drive" in each.what] == []


def test_a_gpu_that_a_probe_saw_is_driven_whatever_the_table_says() -> None:
    seen = (Gpu(name="Tesla V100-SXM2-16GB", capability=(7, 0)),)
    assert alarms("linux-x86_64-cu126-py310", "torch==2.9.1+cu126", driver="590.48.01", gpus=seen) == []


def test_the_last_branch_for_a_generation_is_a_note() -> None:
    assert notes("linux-x86_64-cu126-py310-driver580.95.05-sm70", "torch==2.9.1+cu126") == [
        "R580 is the last driver branch for Volta GPUs, and the target has 580.95.05"
    ]
    assert notes("linux-x86_64-cu126-py310-driver570.26-sm70", "torch==2.9.1+cu126") == []


def test_the_proofs_are_those_by_which_an_index_proves_a_build() -> None:
    from packaging.requirements import Requirement

    from wheelhouse.compat.builds import PROOFS

    for name in ("nvidia-cuda-runtime-cu11", "nvidia-cuda-runtime-cu12", "cuda-toolkit", "nvidia-cuda-runtime"):
        assert name in PROOFS
        assert proven_accelerator((Requirement(f"{name}==12.1.105"),)) == "cu121"
