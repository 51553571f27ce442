"""No false alarm: stacks that were resolved for real, frozen by scripts/stacks, against every rule on the set."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world.subjects import Stack, server, stacks, subject

from wheelhouse.compat import (
    cuda_extras,
    cudnn,
    downloads,
    family,
    glibc,
    mixing,
    ngc,
    numpy_abi,
    nvjitlink,
    rules,
    system,
)
from wheelhouse.compat.model import Finding, Severity, Subject
from wheelhouse.compat.server import Server
from wheelhouse.data import table

ASKED: tuple[Callable[[Subject], Iterable[Finding]], ...] = (
    mixing.findings,
    cudnn.findings,
    nvjitlink.findings,
    family.findings,
    numpy_abi.findings,
    cuda_extras.findings,
    system.findings,
    glibc.findings,
    ngc.findings,
    downloads.findings,
)
TABLES = ("cuda_builds", "cudnn", "torch_family_pairs", "numpy_abi", "system_needs", "real_glibc", "downloads")
ORDINARY = [stack for stack in stacks() if not stack.bad]
BAD = [stack for stack in stacks() if stack.bad]


def alarms(subject: Subject) -> list[Finding]:
    """Everything above a note that any rule says: these rules', and whatever else is registered."""
    found = dict.fromkeys([each for ask in ASKED for each in ask(subject)] + list(rules.findings(subject)))
    return [finding for finding in found if finding.severity > Severity.NOTE]


@pytest.mark.parametrize("stack", ORDINARY, ids=lambda stack: stack.name)
def test_an_ordinary_stack_raises_no_alarm(stack: Stack) -> None:
    assert alarms(stack.subject) == []


def test_ten_and_more_ordinary_stacks_are_recorded() -> None:
    assert {stack.name for stack in ORDINARY} == {
        "data-science",
        "diffusion",
        "embeddings",
        "gradient",
        "headless-vision",
        "jax",
        "older",
        "quantised",
        "serving",
        "speech",
        "tensorflow",
        "transformers",
        "vision",
        "web",
    }
    assert all(len(stack.subject.pins) > 20 for stack in ORDINARY)


@pytest.mark.parametrize("stack", BAD, ids=lambda stack: stack.name)
def test_a_bad_stack_is_told_by_the_rules_it_names_and_no_others(stack: Stack) -> None:
    assert {finding.rule for finding in alarms(stack.subject)} == set(stack.bad)


def test_whisperx_3_4_2_beside_torch_2_5_1_is_an_error_that_names_both_ways_out() -> None:
    (seed002,) = (stack for stack in BAD if stack.name == "seed002")
    assert list(cudnn.findings(seed002.subject)) == [
        Finding(
            rule="cudnn",
            severity=Severity.ERROR,
            what="`ctranslate2 4.4.0` needs cuDNN 8, and the set has cuDNN 9 from `nvidia-cudnn-cu12 9.1.0.70`",
            why="`Could not load library libcudnn_ops_infer.so.8`, then the process aborts (134) when a model runs on"
            " the GPU",
            way_out="`whisperx==3.7.4`: it takes `ctranslate2>=4.5` and `torch~=2.8`, for a `cu126`, `cu128` or"
            " `cu129` target\nor `whisperx==3.3.1` with `torch==2.3.1`, the newest torch with cuDNN 8, for a"
            " `cu118` or `cu121` target",
            projects=("ctranslate2", "nvidia-cudnn-cu12"),
        )
    ]


def names() -> tuple[str, ...]:
    """Every project that a table speaks of, and NVIDIA's of the recorded stacks."""
    found = {name for stack in stacks() for name in stack.subject.pins if name.startswith("nvidia-")}
    for name in TABLES:
        for row in table(f"{name}.json")["rows"]:
            found |= {*row.get("projects", ()), *([row["project"]] if "project" in row else [])}
    return tuple(sorted(found | {"nvidia-cublas-cu11", "nvidia-cudnn-cu11", "cupy", "numpy", "jax", "flash-attn"}))


REAL = (
    "2.1.2",
    "2.5.1",
    "2.11.0",
    "0.17.2",
    "0.24.0",
    "4.4.0",
    "4.5.0",
    "3.24.0",
    "1.18.1",
    "8.9.2.26",
    "9.1.0.70",
    "12.1.105",
)
VERSIONS = st.sampled_from(REAL) | st.builds(
    lambda release, local: ".".join(map(str, release)) + local,
    st.lists(st.integers(0, 25), min_size=1, max_size=4),
    st.sampled_from(("", "a0", "rc1", ".post3", ".dev5", "+cu121", "+cpu", "+rocm6.0", "+cu", "+local.1")),
)
FILES = st.sampled_from(
    ("", "file=x.tar.gz", "file=a-1-py3-none-any.whl", "file=a-1-cp310-cp310-linux_x86_64.whl", "file=?")
)
TARGETS = st.sampled_from(
    (
        "linux-x86_64-py310",
        "linux-x86_64-cpu-py312",
        "linux-x86_64-cu118-py310-glibc2.17",
        "linux-x86_64-cu121-py310",
        "linux-aarch64-cu130-py312",
        "linux-x86_64-py311-musl1.2",
        "windows-x86_64-cu124-py310",
        "macos-arm64-cpu-py311",
    )
)
SERVERS = st.none() | st.builds(
    lambda libc, libraries, programs, shadows, ngc: server(
        libc=libc, libraries=libraries, programs=programs, shadows=tuple(shadows), ngc=ngc
    ),
    st.none() | st.tuples(st.sampled_from(("glibc", "musl")), st.tuples(st.integers(1, 3), st.integers(0, 40))),
    st.dictionaries(st.sampled_from(("libGL.so.1", "libgomp.so.1", "libX11.so.6")), st.none() | st.just("/usr/lib/x")),
    st.dictionaries(st.sampled_from(("ffmpeg", "cc", "gcc", "clang", "nvcc")), st.none() | st.just("/usr/bin/x")),
    st.lists(
        st.tuples(
            st.sampled_from(("libnvJitLink.so.12", "libcudnn.so.9")),
            st.sampled_from(("/usr/local/cuda-12.0/lib64/x", "/opt/x")),
            st.sampled_from(("LD_LIBRARY_PATH", "ld.so.cache")),
        )
    ),
    st.none() | st.just("24.12"),
)


@given(
    TARGETS,
    st.dictionaries(st.sampled_from(names()), st.tuples(VERSIONS, FILES, st.sampled_from(names())), max_size=15),
    st.lists(st.sampled_from(names()), max_size=4),
    SERVERS,
)
def test_no_rule_fails_on_any_pins_and_its_findings_are_whole(
    target: str, pins: dict[str, tuple[str, str, str]], roots: list[str], server: Server | None
) -> None:
    lines = [f"{name}=={version} {needs} {file}" for name, (version, file, needs) in pins.items()]
    asked = subject(target, *lines, roots=roots, server=server)
    found = [finding for ask in ASKED for finding in ask(asked)]
    for finding in found:
        assert finding.rule in rules.RULES
        assert finding.what and finding.why and finding.way_out
        assert not finding.what.endswith(".")
        assert finding.what.count("`") % 2 == finding.why.count("`") % 2 == finding.way_out.count("`") % 2 == 0
        assert list(finding.projects) == sorted(set(finding.projects))
        assert set(finding.projects) <= set(asked.pins)


@given(TARGETS, st.dictionaries(st.sampled_from(names()), VERSIONS, max_size=12))
def test_the_order_of_the_pins_changes_nothing(target: str, pins: dict[str, str]) -> None:
    lines = [f"{name}=={version}" for name, version in pins.items()]
    one = [finding for ask in ASKED for finding in ask(subject(target, *lines))]
    other = [finding for ask in ASKED for finding in ask(subject(target, *reversed(lines)))]
    assert one == other


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_a_table_tells_its_source(name: str) -> None:
    rows = table(f"{name}.json")["rows"]
    assert rows
    assert [row for row in rows if not row.get("source")] == []
