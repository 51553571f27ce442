"""probe.sh is probe.py for servers without Python: the same page, the same JSON, under whatever shell."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from world.bundles import OFFLINE
from world.machines import MACHINES, PYTHON_PROBE, RECORDED, Machine, machine

SOURCE = OFFLINE / "probe.sh"
SHELLS = [[name] for name in ("sh", "dash", "ksh") if shutil.which(name)]
SHELLS += [["bash", "--posix"]] if shutil.which("bash") else []
SHELLS += [["busybox", "sh"]] if shutil.which("busybox") else []
ROOM = re.compile(r"[0-9.]+ [kMGT]?B free of [0-9.]+ [kMGT]B")


def command(shell: Sequence[str] = ("sh",)) -> list[str]:
    return [str(shutil.which(shell[0])), *shell[1:], str(SOURCE)]


def answers(server: Machine, *arguments: str, run: Sequence[str] = (), **environment: str) -> tuple[Any, str]:
    """(the JSON, the page) of one run; what the disks of this machine have free is left out of both."""
    written = server.root.parent / "written.json"
    done = server.run("--output", str(written), *arguments, command=run or command(), **environment)
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(written.read_text(encoding="utf-8"))
    written.unlink()
    for row in facts["space"]:
        assert 0 <= row["free"] <= row["total"]
        row["free"] = row["total"] = 0
    return facts, ROOM.sub("41.0 GB free of 107.4 GB", done.stdout)


def recorded(name: str) -> Any:
    facts = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    for row in facts["space"]:
        row["free"] = row["total"] = 0
    return facts


@pytest.mark.parametrize("name", MACHINES)
def test_a_recorded_machine_is_seen_as_probe_py_sees_it(tmp_path: Path, name: str) -> None:
    server = machine(name, tmp_path)
    facts, page = answers(server, "--dir", "/data")
    assert facts == recorded(name)
    assert page == ROOM.sub("41.0 GB free of 107.4 GB", server.run("--dir", "/data").stdout)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_it_runs_under_every_shell(tmp_path: Path, shell: list[str]) -> None:
    facts, page = answers(machine("a100-rhel8", tmp_path), "--dir", "/data", run=command(shell))
    assert facts == recorded("a100-rhel8")
    assert page.endswith("\n\n    linux-x86_64-cu118-py310-driver515.65.01-sm80-ck37878\n")


def test_the_tables_of_both_are_the_same() -> None:
    script, program = SOURCE.read_text(encoding="utf-8"), (OFFLINE / "probe.py").read_text(encoding="utf-8")
    values: dict[str, Any] = {}
    for node in ast.parse(program).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            with contextlib.suppress(ValueError):
                values[node.targets[0].id] = ast.literal_eval(node.value)
    gpus = re.search(r"^gpu_names='(.*?)'", script, re.MULTILINE | re.DOTALL)
    assert gpus is not None
    assert gpus[1].splitlines() == [
        f"{each}|{pattern}" for each, patterns in values["GPU_NAMES"] for pattern in patterns
    ]
    assert f"question='{values['QUESTION']}'" in script
    plain = re.sub(r'"? \\\n\s*"?', " ", script).replace(", ", ",")
    assert ",".join(f"{branch} {cuda}" for branch, cuda in values["BRANCHES"]) in plain.replace(", ", ",")
    channels = [
        f"{name} {cuda[0]}.{cuda[1]} {low[0]}.{low[1]} {high} {int(arm)}"
        for name, cuda, low, high, arm in values["CHANNELS"]
    ]
    assert ",".join(channels) in plain
    for major, (linux, _) in values["FLOORS"].items():
        text = ".".join(str(part) if place == 0 else f"{part:02}" for place, part in enumerate(linux))
        assert f'floor[{major}] = "{text}"' in script
    for names in ("LIBRARIES", "PROGRAMS", "VARIABLES"):
        assert " ".join(values[names]) + "; do" in plain


def test_a_command_that_hangs_is_given_up(tmp_path: Path) -> None:
    server = machine("v100-ubuntu2204", tmp_path)
    server.write("usr/bin/nvidia-smi", "#!/bin/sh\necho one\nsleep 20\n", program=True)
    facts, _ = answers(server, WHEELHOUSE_PROBE_SECONDS="1")
    assert facts["nvidia"]["problems"] == ["`nvidia-smi` did not answer within 1 seconds"]
    assert facts["label"] == "linux-x86_64-cu126-py310-glibc2.35-driver580.65.06-sm70"


def test_strange_words_stay_one_json_and_are_those_of_probe_py(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    server.write("etc/os-release", 'PRETTY_NAME="A \\"new\\"\\tOS \\\\ 한글"\nID=\'debian\'\n')
    strange = {"CUDA_HOME": "/opt/\tcu\nda \"x\" \\ 'y' $HOME `z` %s", "PYTHONPATH": "", "HF_HOME": "한글"}
    strange["PIP_INDEX_URL"] = "https://kim:p/w@d@mirror.test/simple"
    facts, _ = answers(server, "--dir", "/a b/$HOME *", **strange)
    assert facts["environment"] == {
        "CUDA_HOME": "/opt/ cu da \"x\" \\ 'y' $HOME `z` %s",
        "PYTHONPATH": "",
        "PIP_INDEX_URL": "https://mirror.test/simple",
        "HF_HOME": "한글",
    }
    assert facts["space"][3]["path"] == "/a b/$HOME *"
    expected = server.facts("--dir", "/a b/$HOME *", **strange)
    for row in expected["space"]:
        row["free"] = row["total"] = 0
    assert facts == expected


def test_bytes_that_are_no_text_become_question_marks(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    environment = {b"HF_HOME": b"/a\xff\xfe", b"PATH": server.path.encode(), b"HOME": b"/home/debian"}
    environment[b"WHEELHOUSE_PROBE_ROOT"] = str(server.root).encode()
    done = subprocess.run([*command(), "--json"], env=environment, cwd="/", capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["environment"] == {"HF_HOME": "/a??"}


def test_the_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    done = server.run(f"--output={tmp_path}/nowhere/probe.json", command=command())
    assert (done.returncode, done.stderr) == (
        1,
        f"error[output]: `{tmp_path}/nowhere/probe.json` cannot be written\n",
    )
    assert done.stdout.endswith("\n    linux-x86_64-cpu-py311-glibc2.36-ck30878\n")
    (tmp_path / "folder").mkdir()
    done = server.run("--output", str(tmp_path / "folder"), command=command())
    assert (done.returncode, done.stderr) == (1, f"error[output]: `{tmp_path}/folder` cannot be written\n")
    assert list((tmp_path / "folder").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "root", "tools"]


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    for arguments, reason in (
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--json", "--dir"], "argument --dir: expected one argument"),
        (["a word"], "unrecognized arguments: a word"),
    ):
        done = server.run(*arguments, command=command())
        usage = "usage: probe.sh [-h] [--json] [--output FILE] [--dir DIR] [--python PYTHON]\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{usage}probe.sh: error: {reason}\n")
    assert server.run("--help", command=command()).returncode == 0


def test_a_python_that_is_named_goes_into_the_label(tmp_path: Path) -> None:
    server = machine("rtx4090-ubuntu2404", tmp_path)
    server.write(
        "srv/py/bin/python3", "#!/bin/sh\necho 'WHEELHOUSE|3.11.4|cpython|cp311|64|yes|yes||no|'\n", program=True
    )
    arguments = ("--python", "/srv/none", "--python=/srv/py/bin/python3")
    facts, page = answers(server, *arguments)
    assert facts["label"] == "linux-x86_64-cu128-py311-glibc2.39-driver575.57.08-sm89"
    assert facts["problems"] == ["`/srv/none`, which --python names, is no Python that runs"]
    assert page == ROOM.sub("41.0 GB free of 107.4 GB", server.run(*arguments).stdout)


def test_a_server_without_python_and_without_anything_else_is_told_too(tmp_path: Path) -> None:
    server = machine("cpu-debian12", tmp_path)
    shutil.rmtree(server.root)
    server.root.mkdir()
    facts, page = answers(server, HOME="")
    assert facts["pythons"] == []
    assert facts["problems"] == [
        "the C library was not recognised: glibc 2.28 is a guess",
        "no CPython 3.6 or newer (64-bit) was found: `py310` is a guess",
    ]
    assert "! none        no Python was found\n" in page


def test_an_emptied_path_hides_programs_of_the_machine_and_not_its_own_tools(tmp_path: Path) -> None:
    told = [
        subprocess.run([*run, "--json"], env={"PATH": "/nonexistent"}, cwd=tmp_path, capture_output=True, text=True)
        for run in (command(["/bin/sh"]), PYTHON_PROBE)
    ]
    assert [(done.returncode, done.stderr) for done in told] == [(0, ""), (0, "")]
    script, program = (json.loads(done.stdout) for done in told)
    assert script["line"] == program["line"]
    assert script["programs"] == program["programs"]
    assert set(script["programs"].values()) == {None}


def test_nothing_is_changed(tmp_path: Path) -> None:
    server = machine("ngc-2412", tmp_path)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    assert server.run(command=command()).returncode == 0
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
