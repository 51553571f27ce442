"""Suggestions: which channels can work on a machine, best first, and why the others cannot."""

from __future__ import annotations

import json

import pytest
from packaging.version import Version
from world.subjects import server

from wheelhouse.compat import suggest
from wheelhouse.compat.machine import Machine
from wheelhouse.compat.server import Gpu, SeenPython
from wheelhouse.target import Target

A100 = Gpu(name="NVIDIA A100-SXM4-80GB", capability=(8, 0))


def on(label: str) -> suggest.Suggestions:
    return suggest.suggest(Machine.of_target(Target.parse(label)))


def working(label: str) -> list[str]:
    return [option.channel for option in on(label).options]


def refused(label: str) -> dict[str, str]:
    return {option.channel: option.reason for option in on(label).refused}


def default(label: str) -> tuple[str, str]:
    """The newest torch of PyPI that works, and the first after it, which does not."""
    found = on(label).default
    newest = max(version for version, why in found if not why)
    return str(newest), str(min((version for version, _ in found if version > newest), default=Version("0")))


# Worked examples: machines that users told of


def test_an_a100_with_driver_515_takes_cu118() -> None:
    label = "linux-x86_64-cu118-py310-driver515.65-sm80"
    assert working(label) == ["cu118", "cu117", "cu116", "cpu"]
    assert refused(label) == {
        "cu132": "needs driver 580 or newer",
        "cu130": "needs driver 580 or newer",
        "cu129": "needs driver 525.60.13 or newer",
        "cu128": "needs driver 525.60.13 or newer",
        "cu126": "needs driver 525.60.13 or newer",
        "cu124": "needs driver 525.60.13 or newer",
        "cu121": "needs driver 525.60.13 or newer",
    }
    assert default(label) == ("2.0.1", "2.1.0")


def test_driver_575_takes_everything_but_cuda_13() -> None:
    label = "linux-x86_64-cu128-py310-driver575.57.08"
    assert working(label) == ["cu129", "cu128", "cu126", "cu124", "cu121", "cu118", "cu117", "cu116", "cpu"]
    assert refused(label) == {"cu132": "needs driver 580 or newer", "cu130": "needs driver 580 or newer"}


def test_on_driver_575_pypi_s_own_torch_works_up_to_2_10() -> None:
    label = "linux-x86_64-cu128-py310-driver575.57.08"
    assert default(label) == ("2.10.0", "2.11.0")
    reasons = dict(on(label).default)
    assert reasons[Version("2.10.0")] == ""
    assert reasons[Version("2.11.0")] == "cu130 needs driver 580 or newer"
    assert reasons[Version("2.15.0")] == "cu132 needs driver 580 or newer"


def test_a_t4_with_driver_570_takes_cuda_12() -> None:
    label = "linux-x86_64-cu128-py311-driver570.172.08-sm75"
    assert working(label)[:4] == ["cu128", "cu126", "cu124", "cu121"]
    assert refused(label)["cu130"] == "needs driver 580 or newer"  # by its driver; there is code for a T4 in it


# The order


def test_what_the_driver_runs_natively_comes_first_newest_cuda_before_older() -> None:
    assert working("linux-x86_64-cu121-py311-driver535.104.05-sm90")[:5] == [
        "cu121",
        "cu118",
        "cu129",  # from here on by minor-version compatibility
        "cu128",
        "cu126",
    ]


def test_a_channel_whose_newest_torch_has_no_code_for_the_gpu_comes_after_those_that_have() -> None:
    found = on("linux-x86_64-cu121-py311-driver580.95.05-sm70")
    assert [(each.channel, each.plain) for each in found.options[:6]] == [
        ("cu126", True),
        ("cu124", True),
        ("cu121", True),
        ("cu118", True),
        ("cu129", False),
        ("cu128", False),
    ]
    assert (found.options[5].span, found.options[5].reason) == ("2.8.0 to 2.10.0", "no code for compute capability 7.0")
    assert [each.channel for each in found.refused] == ["cu132", "cu130"]


def test_one_gpu_with_code_is_enough() -> None:
    machine = Machine.of_server(
        server(driver="570.26", gpus=(Gpu(name="NVIDIA GeForce GT 710", capability=(3, 5)), A100))
    )
    best = suggest.suggest(machine).best
    assert best is not None
    assert best.channel == "cu128"


def test_glibc_and_python_narrow_the_versions() -> None:
    spans = {each.channel: each.span for each in on("linux-x86_64-cu118-py38-glibc2.17-driver535").options}
    assert spans == {
        "cu121": "2.1.0 to 2.4.1",
        "cu118": "2.0.0 to 2.4.1",
        "cu124": "2.4.0 to 2.4.1",
        "cu117": "1.13.0 to 2.0.1",
        "cu116": "1.12.0 to 1.13.1",
        "cpu": "1.12.0 to 2.4.1",
    }
    assert refused("linux-x86_64-cu118-py38-glibc2.17-driver535")["cu126"] == "needs glibc 2.28"
    assert refused("linux-x86_64-cu118-py38-driver535")["cu128"] == "no wheels for Python 3.8"


def test_other_platforms_have_channels_of_their_own() -> None:
    assert working("linux-aarch64-cu130-py312-driver580.95.05-sm90")[0] == "cu130"
    assert refused("linux-aarch64-cu130-py312-driver580.95.05-sm90")["cu121"] == "has no wheels for linux-aarch64"
    windows = on("windows-x86_64-cu129-py312-driver576.02-sm120")
    assert [(each.channel, each.span) for each in windows.options[:2]] == [
        ("cu129", "2.8.0 to 2.9.0"),
        ("cu128", "2.7.0 to 2.11.0"),
    ]
    assert windows.default == ()  # PyPI has no CUDA builds for Windows


def test_nothing_works_on_musl() -> None:
    found = on("linux-x86_64-cpu-py311-musl1.2")
    assert found.options == ()
    assert found.refused[-1].reason == "no wheels for musl"


@pytest.mark.parametrize(
    ("driver", "capabilities", "channel"),
    [
        ("515.65.01", [], "cu118"),
        ("515.65.01", [(8, 0)], "cu118"),
        ("470.82.01", [(3, 7)], "cu118"),
        ("525.60.13", [(8, 0)], "cu118"),
        ("535.104.05", [(9, 0)], "cu121"),
        ("550.54.15", [(8, 9)], "cu124"),
        ("560.35.03", [(8, 9)], "cu126"),
        ("570.26", [(12, 0)], "cu128"),
        ("580.65.06", [(7, 0)], "cu126"),
        ("580.65.06", [(9, 0)], "cu130"),
        ("580.65.06", [(7, 0), (9, 0)], "cu130"),
        ("615.10", [(9, 0)], "cu132"),
        ("440.33.01", [(7, 0)], "cpu"),
        (None, [(8, 0)], "cpu"),
    ],
)
def test_the_best_channel(driver: str | None, capabilities: list[tuple[int, int]], channel: str) -> None:
    assert suggest.best_channel(os="linux", driver=driver, capabilities=capabilities) == channel


def test_a_driver_that_nobody_named_is_not_judged_and_no_channel_is_chosen() -> None:
    found = on("linux-x86_64-cu126-py310-sm70")
    assert [option.channel for option in found.options][:5] == ["cu126", "cu124", "cu121", "cu118", "cu129"]
    assert refused("linux-x86_64-cu126-py310-sm70") == {
        "cu132": "no code for compute capability 7.0",
        "cu130": "no code for compute capability 7.0",
    }
    told = suggest.lines(found)
    assert max(map(len, told)) <= 80
    assert told[3] == "  cu126  torch 2.6.0 to 2.14.1   CUDA 12.6, with driver 525.60.13 or newer"
    assert told[-1] == "The driver decides: name it, such as `--driver 535.104`"
    assert not any(line.startswith("Take") for line in told)


def test_a_server_without_a_driver_takes_cpu() -> None:
    found = suggest.suggest(Machine.of_server(server(gpus=(A100,))))
    assert [option.channel for option in found.options] == ["cpu"]
    assert {option.reason for option in found.refused} == {"no NVIDIA driver was seen"}
    assert suggest.lines(found)[-1] == "Take `--target linux-x86_64-cpu-py310`"


def test_a_driver_that_is_too_new_for_the_gpu_is_told() -> None:
    told = suggest.lines(on("linux-x86_64-cu118-py310-driver580.65.06-sm37"))
    assert "! driver 580.65.06 does not drive Kepler GPUs: R470 was the last branch that did" in told
    assert not any(line.startswith("!") for line in suggest.lines(on("linux-x86_64-cu118-py310-driver470.82-sm37")))


def test_a_gpu_that_is_newer_than_its_driver_is_told() -> None:
    told = suggest.lines(on("linux-x86_64-cu126-py312-driver565.57-rtx5090"))
    assert "! driver 565.57 does not drive Blackwell GPUs: R570 was the first branch that" in told


def test_macos_takes_cpu() -> None:
    assert suggest.best_channel(os="macos", arch="aarch64", driver=None) == "cpu"


def test_a_best_channel_s_plain_torch_is_accepted_by_the_rules() -> None:
    from world.subjects import subject

    from wheelhouse.compat import driver, gpu
    from wheelhouse.compat.model import Severity

    for told in ("470.82", "515.65", "525.60.13", "535.104", "550.54", "575.57", "580.95", "595.58"):
        for value in ("sm70", "sm75", "sm80", "sm86", "sm89", "sm90"):
            found = on(f"linux-x86_64-cu118-py311-driver{told}-{value}").best
            assert found is not None
            assert found.label is not None
            locked = subject(found.label, f"torch=={found.versions[-1]}+{found.channel}")
            raised = [each for rule in (driver, gpu) for each in rule.findings(locked)]
            undriven = {
                ("595.58", "sm70"): "driver 595.58 does not drive Volta GPUs: R580 was the last branch that did",
                ("470.82", "sm89"): "driver 470.82 does not drive Ada GPUs: R520 was the first branch that did",
                ("515.65", "sm89"): "driver 515.65 does not drive Ada GPUs: R520 was the first branch that did",
                ("470.82", "sm90"): "driver 470.82 does not drive Hopper GPUs: R520 was the first branch that did",
                ("515.65", "sm90"): "driver 515.65 does not drive Hopper GPUs: R520 was the first branch that did",
            }
            expected = [undriven[told, value]] if (told, value) in undriven else []
            assert [each.what for each in raised if each.severity is not Severity.NOTE] == expected


# Machines


def test_a_server_s_python_is_the_one_that_its_label_proposes() -> None:
    pythons = (SeenPython(path="/usr/bin/python3.12", version=(3, 12, 4)),)
    label = "linux-x86_64-cu118-py310-driver515.65.01"
    assert Machine.of_server(server(label=label, pythons=pythons, driver="515.65.01")).python == "3.10"
    assert Machine.of_server(server(label="", pythons=pythons)).python == "3.12"
    assert Machine.of_server(server(label="")).python is None


@pytest.mark.parametrize(
    ("label", "relabelled"),
    [
        ("linux-x86_64-cu121-py310-driver515.65", "linux-x86_64-cu118-py310-driver515.65"),
        ("linux-x86_64-cpu-py310", "linux-x86_64-cu118-py310"),
        ("linux-x86_64-py310-sm80", "linux-x86_64-cu118-py310-sm80"),
    ],
)
def test_a_label_with_another_accelerator_is_a_label(label: str, relabelled: str) -> None:
    machine = Machine.of_target(Target.parse(label))
    assert machine.with_accelerator("cu118") == relabelled
    assert str(Target.parse(relabelled)) == relabelled


# What people and programs read


def test_the_page_of_an_a100_server() -> None:
    machine = Machine.of_server(
        server(
            label="linux-x86_64-cu118-py310-driver515.65.01-sm80",
            libc=("glibc", (2, 28)),
            driver="515.65.01",
            gpus=(A100, A100),
        )
    )
    told = suggest.lines(suggest.suggest(machine))
    assert max(map(len, told)) <= 80
    assert "\n".join(told) == (
        "For linux-x86_64, driver 515.65.01 (CUDA 11.7), NVIDIA A100-SXM4-80GB (8.0),\n"
        "  glibc 2.28, Python 3.10\n"
        "\n"
        "Can work, best first:\n"
        "  cu118  torch 2.0.0 to 2.7.1    CUDA 11.8, by minor-version compatibility\n"
        "  cu117  torch 1.13.0 to 2.0.1   CUDA 11.7\n"
        "  cu116  torch 1.12.0 to 1.13.1  CUDA 11.6\n"
        "  cpu    torch 1.12.0 to 2.14.1  without a GPU\n"
        "\n"
        "Cannot work:\n"
        "  cu132  needs driver 580 or newer\n"
        "  cu130  needs driver 580 or newer\n"
        "  cu129  needs driver 525.60.13 or newer\n"
        "  cu128  needs driver 525.60.13 or newer\n"
        "  cu126  needs driver 525.60.13 or newer\n"
        "  cu124  needs driver 525.60.13 or newer\n"
        "  cu121  needs driver 525.60.13 or newer\n"
        "\n"
        "PyPI's own builds:\n"
        "  torch 1.12.0 to 1.12.1  cu102 has no code for compute capability 8.0\n"
        "  torch 1.13.0 to 2.0.1   can work\n"
        "  torch 2.1.0 to 2.4.1    cu121 needs driver 525.60.13 or newer\n"
        "  torch 2.5.0 to 2.6.0    cu124 needs driver 525.60.13 or newer\n"
        "  torch 2.7.0 to 2.7.1    cu126 needs driver 525.60.13 or newer\n"
        "  torch 2.8.0 to 2.10.0   cu128 needs driver 525.60.13 or newer\n"
        "  torch 2.11.0 to 2.14.1  cu130 needs driver 580 or newer\n"
        "  torch 2.15.0            cu132 needs driver 580 or newer\n"
        "\n"
        "Take `--target linux-x86_64-cu118-py310-driver515.65.01-sm80`"
    )


@pytest.mark.parametrize(
    "label",
    [
        "linux-x86_64-cu126-py311-driver580.95.05-sm70",
        "linux-x86_64-cpu-py311-musl1.2",
        "windows-x86_64-cu129-py312-driver576.02-sm120",
        "linux-aarch64-cu130-py313t-glibc2.34-driver580.95.05-sm90",
    ],
)
def test_every_page_fits_80_columns(label: str) -> None:
    told = suggest.lines(on(label))
    assert max(map(len, told)) <= 80
    assert told[-1] != ""


def test_the_facts_are_plain_values() -> None:
    facts = suggest.facts(on("linux-x86_64-cu118-py310-driver515.65-sm80"))
    assert json.loads(json.dumps(facts)) == facts
    assert facts["machine"] == {
        "os": "linux",
        "arch": "x86_64",
        "libc": "glibc2.28",
        "python": "3.10",
        "driver": "515.65",
        "gpus": [{"name": None, "compute-capability": "8.0"}],
    }
    assert facts["options"][1] == {
        "channel": "cu117",
        "target": "linux-x86_64-cu117-py310-driver515.65-sm80",
        "torch": ["1.13.0", "1.13.1", "2.0.0", "2.0.1"],
        "native": True,
        "plain": True,
        "reason": "",
    }
    assert facts["refused"][0] == {"channel": "cu132", "reason": "needs driver 580 or newer"}
    assert facts["pypi"][-1] == {"torch": "2.15.0", "works": False, "reason": "cu132 needs driver 580 or newer"}
