"""Labels: what they may look like, what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelhouse.errors import UsageError
from wheelhouse.target import Libc, Target, TargetError


def test_a_label_says_everything_about_the_machine() -> None:
    target = Target.parse("linux-x86_64-cu121-py310")
    assert target.label == "linux-x86_64-cu121-py310"
    assert (target.os, target.arch, target.accelerator) == ("linux", "x86_64", "cu121")
    assert (target.python, target.patch, target.free_threaded) == ((3, 10), None, False)
    assert (target.libc, target.macos) == (Libc("glibc", (2, 28)), None)
    assert (target.driver, target.gpu) == (None, None)
    assert str(target.requires_python) == "==3.10.*"
    assert target.lock_name == "pylock.linux-x86_64-cu121-py310.toml"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("PY310-CU121-AMD64-Linux", "linux-x86_64-cu121-py310"),
        ("  linux-x64-cpu-cp310  ", "linux-x86_64-cpu-py310"),
        ("linux-x86-64-python3.10", "linux-x86_64-py310"),
        ("linux-x86_64-310", "linux-x86_64-py310"),
        ("linux-x86_64-38", "linux-x86_64-py38"),
        ("linux-x86_64-313t", "linux-x86_64-py313t"),
        ("linux-arm64-3.11", "linux-aarch64-py311"),
        ("linux-x86_64-py3.10.12", "linux-x86_64-py3.10.12"),
        ("linux-x86_64-py3_10_12", "linux-x86_64-py3.10.12"),
        ("linux-x86_64-cp313t", "linux-x86_64-py313t"),
        ("linux-x86_64-3.13.1t", "linux-x86_64-py3.13.1t"),
        ("linux-x86_64-py36", "linux-x86_64-py36"),
        ("linux-x86_64-py316", "linux-x86_64-py316"),
        # accelerators
        ("linux-x86_64-cuda12.1-py310", "linux-x86_64-cu121-py310"),
        ("linux-x86_64-cuda11.8-py310", "linux-x86_64-cu118-py310"),
        ("linux-x86_64-cu999-py310", "linux-x86_64-cu999-py310"),
        ("linux-x86_64-cu92-py37", "linux-x86_64-cu92-py37"),
        ("linux-x86_64-rocm6.0-py310", "linux-x86_64-rocm6.0-py310"),
        ("linux-x86_64-ROCm5.4.2-py310", "linux-x86_64-rocm5.4.2-py310"),
        ("linux-x86_64-xpu-py310", "linux-x86_64-xpu-py310"),
        # C libraries
        ("linux-x86_64-py310-glibc2.28", "linux-x86_64-py310"),
        ("linux-x86_64-py310-manylinux_2_28", "linux-x86_64-py310"),
        ("linux-manylinux_2_28_x86_64-py310", "linux-x86_64-py310"),
        ("linux-x86_64-py310-manylinux2014", "linux-x86_64-py310-glibc2.17"),
        ("linux-x86_64-py310-manylinux1", "linux-x86_64-py310-glibc2.5"),
        ("linux-x86_64-py310-musl1.2", "linux-x86_64-py310-musl1.2"),
        ("linux-x86_64-py310-musllinux_1_1", "linux-x86_64-py310-musl1.1"),
        ("linux-x86_64-py310-musl", "linux-x86_64-py310-musl1.2"),
        ("linux-x86_64-py310-alpine3.19", "linux-x86_64-py310-musl1.2"),
        ("linux-x86_64-py310-rhel8.9", "linux-x86_64-py310"),
        ("linux-x86_64-py310-RHEL7", "linux-x86_64-py310-glibc2.17"),
        ("linux-x86_64-py310-centos7.9", "linux-x86_64-py310-glibc2.17"),
        ("linux-x86_64-py310-rocky9", "linux-x86_64-py310-glibc2.34"),
        ("linux-x86_64-py310-almalinux9.4", "linux-x86_64-py310-glibc2.34"),
        ("linux-x86_64-py310-oracle8", "linux-x86_64-py310"),
        ("linux-x86_64-py310-ubuntu22.04", "linux-x86_64-py310-glibc2.35"),
        ("linux-x86_64-py310-ubuntu22.04.3", "linux-x86_64-py310-glibc2.35"),
        ("linux-x86_64-py310-Ubuntu 20.04 LTS", "linux-x86_64-py310-glibc2.31"),
        ("linux-x86_64-py310-debian12", "linux-x86_64-py310-glibc2.36"),
        ("linux-x86_64-py310-amazonlinux2023", "linux-x86_64-py310-glibc2.34"),
        ("linux-x86_64-py310-al2", "linux-x86_64-py310-glibc2.26"),
        ("linux-x86_64-py310-sles15sp5", "linux-x86_64-py310-glibc2.31"),
        ("linux-x86_64-py310-photon5", "linux-x86_64-py310-glibc2.36"),
        # drivers and GPUs
        ("linux-x86_64-cu121-py310-driver515.65", "linux-x86_64-cu121-py310-driver515.65"),
        ("linux-x86_64-cu121-py310-driver535.104.05", "linux-x86_64-cu121-py310-driver535.104.05"),
        ("a100-driver515.65-rhel9-cu121-py310-linux-x86_64", "linux-x86_64-cu121-py310-glibc2.34-driver515.65-sm80"),
        ("linux-x86_64-py310-sm_90a", "linux-x86_64-py310-sm90"),
        ("linux-x86_64-py310-cc12.0", "linux-x86_64-py310-sm120"),
        # macOS and Windows
        ("macos-arm64-py311", "macos-aarch64-py311"),
        ("macos13-arm64-py311", "macos-aarch64-py311"),
        ("macos14-arm64-cpu-py311", "macos14-aarch64-cpu-py311"),
        ("macos14.2-arm64-py311", "macos14.2-aarch64-py311"),
        ("macosx_11_0_arm64-py311", "macos11-aarch64-py311"),
        ("osx10.15-x86_64-py38", "macos10.15-x86_64-py38"),
        ("darwin-arm64-py311", "macos-aarch64-py311"),
        ("win_amd64-cu121-py310", "windows-x86_64-cu121-py310"),
        ("win11-x64-py312", "windows-x86_64-py312"),
        ("windows-arm64-py312", "windows-aarch64-py312"),
    ],
)
def test_every_spelling_has_one_canonical_label(written: str, canonical: str) -> None:
    assert Target.parse(written).label == canonical
    assert Target.parse(canonical).label == canonical


@pytest.mark.parametrize(
    ("model", "gpu"),
    [
        ("a100", "sm80"),
        ("A100 SXM4 80GB", "sm80"),
        ("a10080gb", "sm80"),
        ("a10", "sm86"),
        ("a1024gb", "sm86"),
        ("a10g", "sm86"),
        ("t4", "sm75"),
        ("Tesla T4", "sm75"),
        ("v100", "sm70"),
        ("v10032gb", "sm70"),
        ("p40", "sm61"),
        ("p100", "sm60"),
        ("k80", "sm37"),
        ("l4", "sm89"),
        ("l40s", "sm89"),
        ("h100", "sm90"),
        ("h100_pcie", "sm90"),
        ("NVIDIA H100 80GB HBM3", "sm90"),
        ("h200", "sm90"),
        ("b200", "sm100"),
        ("b300", "sm103"),
        ("gb10", "sm121"),
        ("rtx4090", "sm89"),
        ("NVIDIA GeForce RTX 4090", "sm89"),
        ("rtx2080ti", "sm75"),
        ("rtx4080super", "sm89"),
        ("rtx5090", "sm120"),
        ("gtx1080ti", "sm61"),
        ("rtxa6000", "sm86"),
        ("a6000", "sm86"),
        ("rtx6000ada", "sm89"),
        ("RTX 6000 Ada Generation", "sm89"),
        ("quadrortx6000", "sm75"),
        ("rtxpro6000", "sm120"),
        ("Jetson AGX Orin", "sm87"),
    ],
)
def test_a_gpu_model_stands_for_its_compute_capability(model: str, gpu: str) -> None:
    assert Target.parse(f"linux-x86_64-py310-{model}").gpu == gpu


@pytest.mark.parametrize(
    ("label", "message", "hint"),
    [
        (
            "",
            "the target is empty",
            "a target reads OS-ARCH-ACCELERATOR-PYTHON[-LIBC][-DRIVER][-GPU], for example `linux-x86_64-cu121-py310`",
        ),
        ("linux-x86_64-cu121", "target `linux-x86_64-cu121` names no Python", "for example `linux-x86_64-cu121-py310`"),
        (
            "cu121-py311",
            "target `cu121-py311` names no operating system and no architecture",
            "for example `linux-x86_64-cu121-py311`",
        ),
        (
            "linux-x86_65-cu121-py310",
            "`x86_65` is not a part of a target that is known",
            "did you mean `x86_64`? The target would be `linux-x86_64-cu121-py310`",
        ),
        (
            "linux-x86_64-cu121-py310-ubunut22.04",
            "`ubunut22.04` is not a part of a target that is known",
            "did you mean `ubuntu22.04`? The target would be `linux-x86_64-cu121-py310-glibc2.35`",
        ),
        (
            "linux x86_64 cu121 py310",
            "`linux x86_64 cu121 py310` is not a part of a target that is known",
            "`-` stands between parts, never inside one: write `linux-x86_64-cu121-py310`",
        ),
        (
            "linux-x86_64-cu121-py310-rtx-4090",
            "`rtx` is not a part of a target that is known",
            "`-` stands between parts, never inside one: write `linux-x86_64-cu121-py310-sm89`",
        ),
        ("linux--x86_64-py310", "target `linux--x86_64-py310` has an empty part", "`linux-x86_64-py310`"),
        (
            "linux-x86_64-py310-py311",
            "target `linux-x86_64-py310-py311` names its Python as `py310` and as `py311`",
            "name one, for example `linux-x86_64-py310`",
        ),
        (
            "linux-x86_64-py310-cp310",
            "target `linux-x86_64-py310-cp310` names its Python twice",
            "name one, for example `linux-x86_64-py310`",
        ),
        (
            "macos-arm64-cu121-py310-a100",
            "target `macos-arm64-cu121-py310-a100` cannot be: there are no cu121 builds for macOS",
            "write `macos-aarch64-py310`, or name another system",
        ),
        (
            "windows-x86_64-rocm6.0-py310",
            "target `windows-x86_64-rocm6.0-py310` cannot be: there are no rocm6.0 builds for Windows",
            "write `windows-x86_64-py310`, or name another system",
        ),
        (
            "windows-x86_64-py310-rhel8",
            "target `windows-x86_64-py310-rhel8` cannot be: glibc2.28 is a C library of Linux, not of Windows",
            "write `windows-x86_64-py310`, or name another system",
        ),
        (
            "macos-arm64-py310-musl1.2",
            "target `macos-arm64-py310-musl1.2` cannot be: musl1.2 is a C library of Linux, not of macOS",
            "write `macos-aarch64-py310`, or name another system",
        ),
        (
            "linux-x86_64-rocm6.0-py310-a100",
            "target `linux-x86_64-rocm6.0-py310-a100` cannot be: the GPU `a100` is NVIDIA's and does not go with "
            "rocm6.0",
            "write `linux-x86_64-rocm6.0-py310`, or name another system",
        ),
        (
            "linux-aarch64-py310-glibc2.12",
            "target `linux-aarch64-py310-glibc2.12` cannot be: no wheel for aarch64 is as old as glibc2.12",
            "write `linux-aarch64-py310`, or name another system",
        ),
        (
            "macos10.15-arm64-py310",
            "target `macos10.15-arm64-py310` cannot be: aarch64 came with macOS 11",
            "write `macos11` or later",
        ),
        (
            "linux-x86_64-cu12-py310",
            "`cu12` does not say which CUDA build",
            "name one, for example `cu121`, `cu124`, `cu126`, `cu128`, `cu129`",
        ),
        ("linux-x86_64-rocm6-py310", "`rocm6` does not say which ROCm build", "name one, for example `rocm6.0`"),
        (
            "linux-x86_64-py27",
            "`py27` is not a Python that a target can have",
            "name a minor version from `py36` to `py315`, for example `py310` or `py3.10.12`",
        ),
        ("linux-x86_64-py31", "`py31` is not a known Python", "did you mean `py310`?"),
        (
            "linux-x86_64-py312t",
            "`py312t` does not exist: the free-threaded build came with Python 3.13",
            "write `py312`, or `py313t`",
        ),
        (
            "linux-x86_64-py310-rhel11",
            "the C library of `rhel11` is not known",
            "known are `rhel7`, `rhel8`, `rhel9`, `rhel10`; else name it as `ldd --version` does there: `glibc2.28`",
        ),
        (
            "linux-x86_64-py310-debian",
            "`debian` does not say which version",
            "known are `debian10`, `debian11`, `debian12`, `debian13`; else name it as `ldd --version` does there: "
            "`glibc2.28`",
        ),
        (
            "linux-x86_64-py310-rtx6000",
            "`rtx6000` names two GPUs",
            "write `quadrortx6000` (sm75) or `rtx6000ada` (sm89)",
        ),
        (
            "darwin23-arm64-py310",
            "`darwin23` is the version of a kernel",
            "name the version of macOS, for example `macos14`",
        ),
        (
            "linux-i686-py310",
            "`i686` is an architecture that no target can have",
            "write `x86_64` or `aarch64`",
        ),
        (
            "linux-x86_64-py310-driver",
            "`driver` is not a driver's version",
            "as `nvidia-smi` says it: `driver515.65`",
        ),
    ],
)
def test_a_label_that_means_nothing_is_told_why_and_what_to_type(label: str, message: str, hint: str) -> None:
    with pytest.raises(TargetError) as caught:
        Target.parse(label)
    assert (str(caught.value), caught.value.hint) == (message, hint)
    assert isinstance(caught.value, UsageError)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "label",
    [
        " \t\n ",
        "-",
        "---------",
        "é-ü-ｐｙ３１０",
        "linux-x86_64-py٣١٠",
        "linux-x86_64-py" + "9" * 10_000,
        "linux-x86_64-cu" + "1" * 10_000,
        "linux-" * 10_000,
        "\x00\x1b[31m-linux",
        "linux-x86_64-py310-\u202ecu121",
        "x86_64" * 1000,
    ],
)
def test_an_odd_label_is_a_short_one_line_error(label: str) -> None:
    with pytest.raises(TargetError) as caught:
        Target.parse(label)
    told = f"{caught.value}{caught.value.hint}"
    assert told.isprintable()
    assert len(told) < 400


@given(st.text(max_size=80))
def test_no_text_ends_in_another_error(text: str) -> None:
    try:
        assert Target.parse(Target.parse(text).label).label
    except TargetError as error:
        assert error.hint


SYSTEMS = ["linux", "windows", "macos", "macos14", "macos15.1"]
WORDS = [
    *SYSTEMS,
    *("x86_64", "amd64", "aarch64", "arm64"),
    *("cpu", "cu118", "cu121", "rocm6.0", "xpu", "cu12"),
    *("py36", "cp310", "py3.10.12", "3.13", "py313t", "py31"),
    *("glibc2.17", "manylinux_2_28", "musl1.2", "rhel8.9", "ubuntu22.04", "debian"),
    *("driver515.65", "a100", "sm90", "rtx4090", "nonsense", "win_amd64"),
]


@given(st.lists(st.sampled_from(WORDS), max_size=7))
def test_no_list_of_words_ends_in_another_error(words: list[str]) -> None:
    try:
        label = Target.parse("-".join(words)).label
    except TargetError as error:
        assert error.hint
    else:
        assert Target.parse(label).label == label


@st.composite
def labels(draw: st.DrawFn) -> str:
    os = draw(st.sampled_from(SYSTEMS))
    parts = [os, draw(st.sampled_from(["x86_64", "amd64", "aarch64", "arm64"]))]
    accelerators = ["cpu", "cu118", "cuda12.4"] if not os.startswith("macos") else ["cpu"]
    parts += draw(st.lists(st.sampled_from(accelerators), max_size=1))
    parts.append(draw(st.sampled_from(["py38", "cp310", "3.11.4", "python3.12", "cp313t"])))
    if os == "linux":
        parts += draw(st.lists(st.sampled_from(["glibc2.17", "manylinux_2_34", "musl1.1", "rocky9"]), max_size=1))
    if not os.startswith("macos"):
        parts += draw(st.lists(st.sampled_from(["driver515.65", "driver550"]), max_size=1))
        parts += draw(st.lists(st.sampled_from(["t4", "sm_80", "rtx4090"]), max_size=1))
    return "-".join(parts)


@given(labels(), st.randoms(use_true_random=False), st.booleans())
def test_the_order_and_the_case_of_parts_mean_nothing(label: str, random: object, upper: bool) -> None:
    parts = label.split("-")
    random.shuffle(parts)  # type: ignore[attr-defined]
    shuffled = "-".join(parts)
    target = Target.parse(shuffled.upper() if upper else shuffled)
    assert target == Target.parse(label)
    assert target.tags == Target.parse(label).tags
    assert target.environments == Target.parse(label).environments
    assert Target.parse(target.label) == target


def test_every_order_of_a_label_is_the_same_target() -> None:
    parts = ["linux", "x86_64", "cu121", "py310", "manylinux_2_28"]
    assert {Target.parse("-".join(order)) for order in itertools.permutations(parts)} == {
        Target.parse("linux-x86_64-cu121-py310")
    }


def test_a_lock_is_named_for_its_label_without_dots() -> None:
    target = Target.parse("linux-x86_64-cu121-py3.10.12-rocky9-driver515.65")
    assert target.lock_name == "pylock.linux-x86_64-cu121-py3_10_12-glibc2_34-driver515_65.toml"


def test_the_name_of_a_lock_reads_back_as_its_target() -> None:
    target = Target.parse("linux-x86_64-rocm6.0-py3.10.12-glibc2.17")
    middle = target.lock_name.removeprefix("pylock.").removesuffix(".toml")
    assert Target.parse(middle) == target


def test_targets_are_told_apart_by_their_label() -> None:
    assert Target.parse("linux-x86_64-py310") != Target.parse("linux-x86_64-cpu-py310")
    assert Target.parse("linux-x86_64-py310") != "linux-x86_64-py310"
    assert str(Target.parse("linux-amd64-py310")) == "linux-x86_64-py310"
    assert str(Libc("glibc", (2, 28))) == "glibc2.28"
