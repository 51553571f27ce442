"""What MANIFEST.json says the server must have, for `install.sh --check`."""

from __future__ import annotations

import json

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelhouse.compat.model import Pinned, Subject
from wheelhouse.compat.needs import needs
from wheelhouse.target import Target

NOTHING: dict[str, object] = {
    "cuda": None,
    "driver": None,
    "compat-driver": None,
    "capabilities": [],
    "ptx": None,
    "torch": None,
    "needs": [],
    "accepted": [],
}


def subject(label: str, **pins: str) -> Subject:
    """A set for a target; `nvidia_nccl_cu12="2.18.1"`."""
    found = {canonicalize_name(name): Version(version) for name, version in pins.items()}
    return Subject(
        target=Target.parse(label),
        pins={
            name: Pinned(name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl")
            for name, version in found.items()
        },
    )


def test_torch_for_cuda_says_driver_gpus_and_forward_compatibility() -> None:
    assert needs(subject("linux-x86_64-cu121-py310", torch="2.1.2+cu121")) == NOTHING | {
        "cuda": "12.1",
        "driver": "525.60.13",
        "compat-driver": "450.80.02",
        "capabilities": ["5.0", "6.0", "7.0", "7.5", "8.0", "8.6", "9.0"],
        "torch": "2.1.2+cu121",
    }


def test_the_cuda_of_a_stand_in_is_that_of_its_runtime() -> None:
    found = needs(subject("linux-x86_64-cu121-py310", torch="2.1.2", nvidia_cuda_runtime_cu12="12.1.105"))
    assert (found["cuda"], found["torch"]) == ("12.1", "2.1.2")


@pytest.mark.parametrize("label", ["linux-x86_64-cpu-py310", "linux-x86_64-rocm6.0-py310", "macos14-aarch64-cpu-py310"])
def test_nothing_of_nvidia_is_needed_for_another_accelerator(label: str) -> None:
    local = "" if label.startswith("macos") else "+" + label.split("-")[2]
    assert needs(subject(label, torch="2.4.0" + local)) == NOTHING | {"torch": "2.4.0" + local}


def test_a_set_without_cuda_needs_no_driver_whatever_the_target_is_called() -> None:
    assert needs(subject("linux-x86_64-cu121-py310", requests="2.32.3")) == NOTHING
    assert needs(subject("linux-x86_64-cpu-py310", nvidia_nccl_cu12="2.18.1")) == NOTHING


def test_cuda_without_torch_is_that_of_the_runtime_or_of_the_wheels_own_code() -> None:
    runtime = needs(subject("linux-x86_64-cu124-py310", nvidia_cuda_runtime_cu12="12.4.127"))
    assert (runtime["cuda"], runtime["driver"], runtime["capabilities"]) == ("12.4", "525.60.13", [])
    own = needs(subject("linux-x86_64-cu121-py310", ctranslate2="4.4.0"))
    assert (own["cuda"], own["driver"]) == ("12.1", "525.60.13")
    older = needs(subject("linux-x86_64-cu121-py310", ctranslate2="3.24.0"))
    assert (older["cuda"], older["driver"]) == ("11.0", "450.80.02")


def test_windows_has_drivers_of_its_own_and_no_forward_compatibility() -> None:
    found = needs(subject("windows-x86_64-cu121-py310", torch="2.1.2+cu121"))
    assert (found["driver"], found["compat-driver"]) == ("527.41", None)


def test_forward_compatibility_is_not_told_for_a_gpu_that_it_does_not_serve() -> None:
    for gpu, driver in (("sm80", "450.80.02"), ("sm120", None)):
        found = needs(subject(f"linux-x86_64-cu121-py310-{gpu}", torch="2.1.2+cu121"))
        assert (gpu, found["compat-driver"]) == (gpu, driver)


def test_libraries_and_programs_are_told_with_who_needs_them() -> None:
    found = needs(subject("linux-x86_64-cpu-py310", opencv_python="4.10.0.84"))
    assert isinstance(found["needs"], list)
    gl = next(each for each in found["needs"] if "libGL.so.1" in each["names"])
    assert (gl["kind"], gl["rule"], gl["needed-by"]) == ("library", "desktop-library", "opencv-python 4.10.0.84")
    assert sorted(gl) == ["kind", "names", "needed-by", "rule", "severity", "way-out", "why"]
    assert {each["severity"] for each in found["needs"]} <= {"error", "warning", "note"}


def test_the_same_set_gives_the_same_text_and_accepted_rules_are_sorted() -> None:
    pins = {"torch": "2.1.2+cu121", "triton": "2.1.0", "opencv-python": "4.10.0.84", "openai-whisper": "20231117"}
    one = needs(subject("linux-x86_64-cu121-py310", **pins), ["gpu", "driver"])
    other = needs(subject("linux-x86_64-cu121-py310", **dict(reversed(pins.items()))), {"driver", "gpu"})
    assert json.dumps(one) == json.dumps(other)
    assert one["accepted"] == ["driver", "gpu"]
