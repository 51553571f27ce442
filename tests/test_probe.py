"""probe.py says which target a machine is: recorded machines, its tables, and what it does when things go wrong."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from world.bundles import OFFLINE, interpreters
from world.machines import MACHINES, RECORDED, machine

from wheelhouse.compat.server import parse
from wheelhouse.target import Target

SOURCE = OFFLINE / "probe.py"
ROOM = re.compile(r"[0-9.]+ [kMGT]?B free of [0-9.]+ [kMGT]B")


def load() -> ModuleType:
    """probe.py as a module, for its pure functions."""
    spec = importlib.util.spec_from_file_location("offline_probe", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROBE = load()


def without_sizes(facts: dict[str, Any]) -> dict[str, Any]:
    """The disks are those of the machine that runs the tests, so their sizes say nothing."""
    for row in facts["space"]:
        assert 0 <= row["free"] <= row["total"]
        row["free"] = row["total"] = 0
    return facts


LINES = {
    "a10-proc-only": "linux-x86_64-cu121-py312-glibc2.36-driver535.161.08-sm86-ck44169",
    "a100-no-driver": "linux-x86_64-cpu-py311-ck19476",
    "a100-rhel8": "linux-x86_64-cu118-py310-driver515.65.01-sm80-ck37878",
    "alpine": "linux-x86_64-cpu-py312-musl1.2-ck09005",
    "cpu-debian12": "linux-x86_64-cpu-py311-glibc2.36-ck30878",
    "gh200-aarch64": "linux-aarch64-cu126-py310-glibc2.35-driver535.216.01-sm90-ck66796",
    "h100-rocky9": "linux-x86_64-cu124-py39-glibc2.34-driver550.90.07-sm90-ck67972",
    "l40s-mismatch": "linux-x86_64-cu124-py310-glibc2.35-driver550.107.02-sm89-ck82196",
    "mixed-wsl": "linux-x86_64-cu128-py310-glibc2.35-driver576.57-sm120-ck38775",
    "ngc-2412": "linux-x86_64-cu121-py312-glibc2.39-driver535.183.01-sm90-ck77198",
    "rtx4090-ubuntu2404": "linux-x86_64-cu128-py312-glibc2.39-driver575.57.08-sm89-ck20037",
    "t4-ubuntu2004": "linux-x86_64-cu128-py38-glibc2.31-driver570.172.08-sm75-ck51735",
    "v100-centos7": "linux-x86_64-cu118-py310-glibc2.17-driver450.80.02-sm70-ck22166",
    "v100-ubuntu2204": "linux-x86_64-cu126-py310-glibc2.35-driver580.65.06-sm70-ck19265",
}


def test_every_recorded_machine_has_its_line() -> None:
    assert sorted(LINES) == list(MACHINES)


@pytest.mark.parametrize("name", MACHINES)
def test_a_recorded_machine_is_seen_as_it_is(tmp_path: Path, name: str) -> None:
    facts = without_sizes(machine(name, tmp_path).facts("--dir", "/data"))
    assert facts["line"] == LINES[name]
    assert facts["line"] == f"{facts['label']}-ck{LINES[name][-5:]}"
    assert facts == without_sizes(json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", MACHINES)
def test_the_other_side_understands_the_line_and_the_json(name: str) -> None:
    text = (RECORDED / f"{name}.json").read_text(encoding="utf-8")
    facts = json.loads(text)
    assert str(Target.parse(facts["line"])) == facts["label"]
    assert parse(text, f"{name}.json").label == facts["label"]


def test_the_page_of_an_a100_with_an_old_driver(tmp_path: Path) -> None:
    done = machine("a100-rhel8", tmp_path).run("--dir", "/data")
    assert (done.returncode, done.stderr) == (0, "")
    assert ROOM.sub("41.0 GB free of 107.4 GB", done.stdout) == (
        """\
What wheelhouse sees here   (`!` may get in the way, `>` is the Python it takes)

System
  name        Red Hat Enterprise Linux 8.9 (Ootpa)
  kernel      4.18.0-513.5.1.el8_9.x86_64 on x86_64
  C library   glibc 2.28
  SELinux     enforcing
  variable    LD_LIBRARY_PATH=/usr/local/cuda-12.0/lib64
  variable    CUDA_HOME=/usr/local/cuda-12.0
  variable    PIP_INDEX_URL=https://mirror.test/simple

Python
> 3.10.13     py310, venv, pip 23.0.1, headers, /usr/local/bin/python3.10
  3.6.8       py36, venv, pip 9.0.3, `python3`, /usr/bin/python3.6

GPU
  driver      515.65.01, for CUDA up to 11.7
  GPU 0 to 1  NVIDIA A100-SXM4-80GB, sm80, 80 GiB
  libcuda     /usr/lib64/libcuda.so.1

Libraries
  there       libglib-2.0.so.0 libgthread-2.0.so.0 libgomp.so.1 libstdc++.so.6
              libnuma.so.1
  missing     libGL.so.1 libEGL.so.1 libX11.so.6 libXext.so.6 libXrender.so.1
              libSM.so.6 libICE.so.6 libxcb.so.1 libsndfile.so.1 libmpi
              libaio.so.1 libavcodec
  CUDA        12.0 in /usr/local/cuda-12.0
  cuDNN       8.9.2 in /usr/lib64/libcudnn.so.8
  by ldconfig 1 CUDA library in /usr/lib64
! LD_LIBRARY_PATH puts 4 CUDA libraries before those of the wheels, in
  /usr/local/cuda-12.0/lib64: unset it

Programs
  there       cc gcc g++ git nvidia-smi
  missing     clang nvcc ninja ffmpeg sox espeak-ng

Space
  root        /: 41.0 GB free of 107.4 GB, xfs
! temporary   /tmp: 41.0 GB free of 107.4 GB, tmpfs, noexec
  home        /home/kim: 41.0 GB free of 107.4 GB, xfs
! named       /data: 41.0 GB free of 107.4 GB, nfs4, read-only

Type this line after `--target` on the machine that has a network:

    linux-x86_64-cu118-py310-driver515.65.01-sm80-ck37878
"""
    )


@pytest.mark.parametrize("name", ["rtx4090-ubuntu2404", "ngc-2412", "a10-proc-only"])
def test_a_page_fits_80_columns_and_ends_with_the_line(tmp_path: Path, name: str) -> None:
    """Whatever stands in the environment, a word of 200 letters too."""
    done = machine(name, tmp_path).run("--dir", "/" + "f" * 200, LD_PRELOAD="x" * 500)
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines) == 80
    assert lines[-2:] == ["", f"    {LINES[name]}"]


# -- the label ---------------------------------------------------------------------------------------------------------


def label(driver: str | None, *capabilities: str, os: str = "linux", machine: str = "x86_64", **system: str) -> str:
    problems = PROBE.Problems()
    python = {"version": "3.11.9", "abi": "cp311"}
    gpus = [{"name": f"GPU of {each}", "compute_capability": each} for each in capabilities]
    libc = {"name": "glibc", "version": "2.28"} if os == "linux" else {"name": None, "version": None}
    return PROBE.label_of(
        {"os": os, "machine": machine, "version": None, **system},
        libc,
        python,
        {"driver": driver, "gpus": gpus},
        problems,
    )


@pytest.mark.parametrize(
    ("driver", "capabilities", "expected"),
    [
        ("515.65.01", ["8.0"], "cu118-py311-driver515.65.01-sm80"),
        ("575.57.08", ["8.9"], "cu128-py311-driver575.57.08-sm89"),
        ("580.65.06", ["8.0"], "cu130-py311-driver580.65.06-sm80"),
        ("580.65.06", ["7.0"], "cu126-py311-driver580.65.06-sm70"),
        ("550.90.07", ["9.0"], "cu124-py311-driver550.90.07-sm90"),
        ("535.104.05", ["8.6"], "cu121-py311-driver535.104.05-sm86"),
        ("525.60.13", ["8.0"], "cu121-py311-driver525.60.13-sm80"),  # CUDA 12.0, by minor-version compatibility
        ("525.53", ["8.0"], "cu118-py311-driver525.53-sm80"),  # below the floor of CUDA 12
        ("450.80.02", ["8.0"], "cu118-py311-driver450.80.02-sm80"),
        ("450.51.06", ["8.0"], "cpu-py311-driver450.51.06-sm80"),  # below every floor
        ("570.172.08", ["7.5"], "cu128-py311-driver570.172.08-sm75"),
        ("570.172.08", ["6.1"], "cu126-py311-driver570.172.08-sm61"),
        ("570.172.08", ["12.0"], "cu128-py311-driver570.172.08-sm120"),
        ("595.58.03", ["12.1"], "cu130-py311-driver595.58.03-sm121"),
        ("470.256.02", ["3.7"], "cu118-py311-driver470.256.02-sm37"),
        ("470.256.02", ["3.5"], "cpu-py311-driver470.256.02-sm35"),  # no channel holds code for it
        ("575.57.08", ["8.6", "7.5", "8.9"], "cu128-py311-driver575.57.08-sm75"),  # the lowest of several
        ("575.57.08", ["6.1", "12.0"], "cu128-py311-driver575.57.08-sm120"),  # no channel holds both
        ("550.90.07", [], "cu124-py311-driver550.90.07"),
        (None, [], "cpu-py311"),
    ],
)
def test_the_accelerator_comes_from_driver_and_gpus(driver: str | None, capabilities: list[str], expected: str) -> None:
    assert label(driver, *capabilities) == f"linux-x86_64-{expected}"


def test_other_systems_have_sensible_labels() -> None:
    assert label(None, os="windows", machine="AMD64") == "windows-x86_64-cpu-py311"
    assert label("576.57", "8.9", os="windows", machine="AMD64") == "windows-x86_64-cu128-py311-driver576.57-sm89"
    assert label("516.94", "8.6", os="windows", machine="AMD64") == "windows-x86_64-cu118-py311-driver516.94-sm86"
    assert label(None, os="macos", machine="arm64", version="14.5") == "macos14-aarch64-py311"
    assert label(None, os="macos", machine="arm64", version="13.6.1") == "macos-aarch64-py311"
    assert label(None, os="macos", machine="x86_64", version="10.15.7") == "macos10.15-x86_64-py311"
    assert label("535.216.01", "9.0", machine="aarch64") == "linux-aarch64-cu126-py311-driver535.216.01-sm90"
    assert label(None, machine="ppc64le") is None
    assert label(None, os="freebsd13") is None


@pytest.mark.parametrize(
    "expected",
    [
        label("575.57.08", "8.9"),
        label("516.94", "8.6", os="windows", machine="AMD64"),
        label(None, os="macos", machine="x86_64", version="10.15.7"),
        *(label(None, os="macos", machine="arm64", version=version) for version in ("13.6", "15.1", "26.0")),
    ],
)
def test_a_label_is_written_as_a_target_writes_it(expected: str) -> None:
    assert str(Target.parse(expected)) == expected


def python(version: str, path: str, **other: Any) -> dict[str, Any]:
    abi = "cp" + "".join(version.split(".")[:2])
    facts = {"path": path, "version": version, "implementation": "cpython", "abi": abi, "bits": 64, "venv": True}
    return {**facts, **other}


@pytest.mark.parametrize(
    ("versions", "default", "named", "chosen", "said"),
    [
        (["3.12.3", "3.10.2"], "3.10.2", [], "3.10.2", []),  # `python3` where wheels are common for it
        (["3.12.3", "3.6.8"], "3.6.8", [], "3.12.3", []),
        (["3.14.0", "3.11.1"], "3.14.0", [], "3.11.1", []),
        (["3.14.0"], "3.14.0", [], "3.14.0", ["Python 3.14 is new: not all projects make wheels for it yet"]),
        (["3.6.8"], None, [], "3.6.8", ["Python 3.6 is the newest here: few projects still make wheels for it"]),
        (["3.12.3", "3.10.2"], "3.10.2", ["3.12.3"], "3.12.3", []),  # named by --python
        (["2.7.18"], "2.7.18", [], None, []),
        ([], None, [], None, []),
    ],
)
def test_the_python_of_the_label(
    versions: list[str], default: str | None, named: list[str], chosen: str | None, said: list[str]
) -> None:
    problems = PROBE.Problems()
    found = PROBE.choose_python([python(version, version) for version in versions], default, named, problems)
    assert (found and found["path"], problems.of("Python")) == (chosen, said)


def test_a_python_that_cannot_serve_is_passed_over() -> None:
    pythons = [
        python("3.13.1", "threaded", abi="cp313t"),
        python("3.13.0", "broken", venv=False),
        python("3.12.0", "narrow", bits=32),
        python("3.11.0", "pypy", implementation="pypy"),
        python("3.10.0", "plain"),
    ]
    assert PROBE.choose_python(pythons, "threaded", [], PROBE.Problems())["path"] == "plain"
    problems = PROBE.Problems()
    assert PROBE.choose_python(pythons[1:2], None, [], problems)["path"] == "broken"
    assert problems.of("Python") == ["Python 3.13 has no `venv` module, and neither has another one here"]
    assert PROBE.spell_python(pythons[0]) == "py313t"


# Names as nvidia-smi and /proc spell them
GPU_NAMES = {
    "12.1": ["NVIDIA GB10"],
    "12.0": ["NVIDIA GeForce RTX 5090", "NVIDIA RTX PRO 6000 Blackwell Server Edition", "NVIDIA GeForce RTX 5070 Ti"],
    "10.3": ["NVIDIA B300 SXM6 AC", "NVIDIA GB300"],
    "10.0": ["NVIDIA B200", "NVIDIA GB200"],
    "9.0": ["NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "NVIDIA H200", "NVIDIA GH200 480GB", "NVIDIA H20"],
    "8.9": ["NVIDIA L4", "NVIDIA L40S", "NVIDIA RTX 6000 Ada Generation", "NVIDIA GeForce RTX 4060 Laptop GPU"],
    "8.7": ["Jetson AGX Orin", "Orin (nvgpu)"],
    "8.6": ["NVIDIA A10G", "NVIDIA A40", "NVIDIA RTX A6000", "NVIDIA RTX A4500", "GeForce RTX 3090", "NVIDIA A2"],
    "8.0": ["A100-SXM4-40GB", "NVIDIA A100 80GB PCIe", "NVIDIA A30", "NVIDIA A800-SXM4-80GB"],
    "7.5": ["Tesla T4", "GeForce RTX 2080 Ti", "TITAN RTX", "Quadro RTX 6000", "NVIDIA GeForce GTX 1660 Ti", "T1000"],
    "7.0": ["Tesla V100-SXM2-16GB", "Tesla V100S-PCIE-32GB", "TITAN V", "Quadro GV100"],
    "6.1": ["Tesla P40", "Tesla P4", "GeForce GTX 1080 Ti", "TITAN Xp", "Quadro P4000"],
    "6.0": ["Tesla P100-PCIE-16GB", "Quadro GP100"],
    "5.2": ["Tesla M60", "GeForce GTX 980 Ti", "GeForce GTX TITAN X"],
    "5.0": ["Tesla M10", "GeForce GTX 750 Ti"],
    "3.7": ["Tesla K80"],
    "3.5": ["Tesla K40m", "Tesla K20Xm"],
}


@pytest.mark.parametrize(("capability", "name"), [(key, name) for key in GPU_NAMES for name in GPU_NAMES[key]])
def test_a_gpus_name_says_its_capability(capability: str, name: str) -> None:
    assert PROBE.capability_by_name(name) == capability


def test_a_name_that_nobody_knows_says_nothing() -> None:
    assert PROBE.capability_by_name("NVIDIA Z9000") is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 4294967295), (b"123456789", 930766865), (b"linux-x86_64-cu118-py310-driver515.65.01-sm80", 2577637878)],
)
def test_the_check_digits_are_those_of_cksum(data: bytes, expected: int) -> None:
    assert PROBE.checksum(data) == expected
    said = subprocess.run(["cksum"], input=data, capture_output=True, check=True).stdout.split()
    assert said == [str(expected).encode(), str(len(data)).encode()]


# -- what it does ------------------------------------------------------------------------------------------------------


def test_the_json_is_written_whole_and_the_page_is_still_shown(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    (tmp_path / "probe.json").write_text("an older one")
    done = server.run("--output", str(tmp_path / "probe.json"))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"    {LINES['cpu-debian12']}")
    assert json.loads((tmp_path / "probe.json").read_text())["line"] == LINES["cpu-debian12"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["probe.json", "root", "tools"]


def test_a_json_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    (tmp_path / "folder").mkdir()
    for place, reason in (("nowhere/probe.json", "No such file or directory"), ("folder", "Is a directory")):
        done = server.run("--output", str(tmp_path / place))
        assert (done.returncode, done.stdout.splitlines()[-1]) == (1, f"    {LINES['cpu-debian12']}")
        assert done.stderr == f"error[output]: `{tmp_path / place}` cannot be written: {reason}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "root", "tools"]


def test_nothing_is_changed(tmp_path: Path) -> None:
    server = machine("a100-rhel8", tmp_path)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    server.run()
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    for arguments in (["--nonsense"], ["--output"], ["a word"], ["--outp", "x"]):
        done = server.run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("usage: probe.py [-h] [--json] [--output FILE]")
    assert server.run("--help").returncode == 0


def test_folders_that_are_named_are_measured_where_they_will_be(tmp_path: Path) -> None:
    facts = machine("mixed-wsl", tmp_path).facts("--dir", "/mnt/my share/venv", "--dir", "/home/kim")
    rows = [
        (row["what"], row["path"], row["filesystem"], row["noexec"], row["read_only"], row["writable"])
        for row in facts["space"]
    ]
    assert rows == [
        ("root", "/", "ext4", False, False, True),
        ("temporary", "/tmp", "ext4", False, False, True),
        ("home", "/home/kim", "ext4", False, False, True),
        ("named", "/mnt/my share/venv", "tmpfs", True, True, False),
        ("named", "/home/kim", "ext4", False, False, True),
    ]


def test_a_python_that_is_named_goes_into_the_label(tmp_path: Path) -> None:
    server = machine("rtx4090-ubuntu2404", tmp_path)
    server.write(
        "srv/py/bin/python3", "#!/bin/sh\necho 'WHEELHOUSE|3.11.4|cpython|cp311|64|yes|yes||no|'\n", program=True
    )
    server.write("srv/none", "#!/bin/sh\nexit 3\n", program=True)
    facts = server.facts("--python", "/srv/none", "--python", "/srv/py/bin/python3", "--python", "/srv/absent")
    assert facts["label"] == "linux-x86_64-cu128-py311-glibc2.39-driver575.57.08-sm89"
    assert facts["problems"] == [
        "`/srv/none`, which --python names, is no Python that runs",
        "`/srv/absent`, which --python names, is no Python that runs",
    ]
    assert [each["version"] for each in facts["pythons"]] == [
        "3.14.0",
        "3.13.2",
        "3.13.2",
        "3.12.3",
        "3.11.4",
        "3.9.21",
    ]


def test_a_script_that_stands_for_another_python_is_not_a_second_one(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    shim = '#!/bin/sh\nexec "${0%/*}/../../bin/python3.11" "$@"\n'
    server.write("usr/local/bin/python3", shim, program=True)
    assert [each["path"] for each in server.facts()["pythons"]] == ["/usr/bin/python3.11"]
    assert "`python3`" in server.run().stdout


def test_a_command_that_hangs_is_given_up(tmp_path: Path) -> None:
    server = machine("v100-ubuntu2204", tmp_path)
    server.write("usr/bin/nvidia-smi", "#!/bin/sh\nexec sleep 600\n", program=True)
    facts = server.facts(WHEELHOUSE_PROBE_SECONDS="1")
    assert facts["nvidia"]["problems"] == ["`nvidia-smi` did not answer within 1 seconds"]
    assert facts["label"] == "linux-x86_64-cu126-py310-glibc2.35-driver580.65.06-sm70"  # /proc tells enough


def test_hidden_gpus_and_unknown_ones_are_told(tmp_path: Path) -> None:
    server = machine("v100-ubuntu2204", tmp_path)
    answer = "NVIDIA Z9000, 580.65.06, [N/A], [N/A]"
    server.write("usr/bin/nvidia-smi", f"#!/bin/sh\necho '{answer}'\n", program=True)
    facts = server.facts(CUDA_VISIBLE_DEVICES="-1")
    assert facts["nvidia"]["problems"] == [
        "`CUDA_VISIBLE_DEVICES` hides every GPU from what is started here",
        "the compute capability of `NVIDIA Z9000` is not known",
    ]
    assert facts["nvidia"]["gpus"] == [{"name": "NVIDIA Z9000", "compute_capability": None, "memory": None}]
    assert (facts["label"], facts["nvidia"]["cuda"]) == ("linux-x86_64-cu130-py310-glibc2.35-driver580.65.06", "13.0")


def test_a_machine_that_has_nothing_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    done = subprocess.run(
        [sys.executable, "-I", str(SOURCE)],
        env={"WHEELHOUSE_PROBE_ROOT": str(tmp_path / "root"), "PATH": "/nonexistent"},
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "! no CPython 3.6 or newer (64-bit) was found: `py310` is a guess" in done.stdout
    assert "! the C library was not recognised: glibc 2.28 is a guess" in done.stdout


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    script = f'{{ "{sys.executable}" -I "{SOURCE}"; echo "$?" >"{tmp_path}/status"; }} | sleep 0'
    done = server.run(command=["/bin/sh", "-c", script], WHEELHOUSE_PROBE_SECONDS="nonsense")
    assert (done.stdout, done.stderr, (tmp_path / "status").read_text()) == ("", "", "0\n")


def test_another_kind_of_machine_has_no_line(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    server.write("proc/sys/kernel/arch", "ppc64le\n")
    facts = server.facts()
    assert (facts["label"], facts["line"]) == (None, None)
    assert facts["problems"] == ["no target can be a ppc64le machine with linux"]
    assert server.run().stdout.endswith("\n! no target names this machine: there is no line to type\n")


def test_secrets_stay_on_the_server(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    facts = server.facts(PIP_INDEX_URL="https://kim:p/w@d@mirror.test/simple", HF_HOME="/srv/hf")
    assert facts["environment"] == {"PIP_INDEX_URL": "https://mirror.test/simple", "HF_HOME": "/srv/hf"}


# -- which Python runs it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interpreter", interpreters(), ids=str)
def test_it_runs_under_every_python(tmp_path: Path, interpreter: Any) -> None:
    server = machine("t4-ubuntu2004", tmp_path)
    facts = server.facts("--dir", "/data", command=[interpreter.path, str(SOURCE)])
    expected = json.loads((RECORDED / "t4-ubuntu2004.json").read_text(encoding="utf-8"))
    assert without_sizes(facts) == without_sizes(expected)


def test_it_tells_of_real_pythons(tmp_path: Path) -> None:
    """Not the recorded ones: those that are here, asked for real."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    (tmp_path / "probe.py").write_bytes(SOURCE.read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "probe.py"), "--json", "--python", sys.executable],
        env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    own = os.path.realpath(sys.executable)
    seen = [each for each in json.loads(done.stdout)["pythons"] if os.path.realpath(each["path"]) == own]
    version = sys.version_info
    assert [(each["version"], each["abi"], each["bits"], each["venv"]) for each in seen] == [
        (f"{version[0]}.{version[1]}.{version[2]}", f"cp{version[0]}{version[1]}{sys.abiflags}", 64, True)
    ]
    assert f"-py{version[0]}{version[1]}" in json.loads(done.stdout)["label"]


def test_an_older_python_gets_a_sentence() -> None:
    """The file parses on Python 2.7 and 3.5, so that they can say it; asked for real where there is one."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 4))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.Nonlocal, ast.NamedExpr, ast.AsyncFunctionDef, ast.YieldFrom)
    assert [node for node in ast.walk(tree) if isinstance(node, newer)] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert (node.returns, node.args.kwonlyargs, node.args.posonlyargs) == (None, [], [])
        assert not (isinstance(node, ast.Raise) and node.cause)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for old in [*root.glob("versions/2.7*/bin/python2.7"), *root.glob("versions/3.5*/bin/python3.5")]:
        done = subprocess.run([str(old), str(SOURCE)], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(
            r"error\[python-version\]: probe\.py runs on Python 3\.6 or newer, but this is Python [0-9.]+; nothing was "
            r"changed\n  hint: type `sh probe\.sh`, which needs no Python, or `python3 probe\.py`\n",
            done.stderr,
        )


def test_it_needs_no_pip_settings_and_no_files_beside_it(tmp_path: Path) -> None:
    """What lies beside it or in PYTHONPATH stands in for nothing."""
    shutil.copy(SOURCE, tmp_path / "probe.py")
    (tmp_path / "json.py").write_text("raise SystemExit('not the real one')\n")
    server = machine("cpu-debian12", tmp_path / "machine")
    facts = server.facts(command=[sys.executable, str(tmp_path / "probe.py")])
    assert facts["line"] == LINES["cpu-debian12"]
