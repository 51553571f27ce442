"""probe.py on Windows and on macOS, as far as a Linux can play them: their launchers, paths, labels and traps."""

from __future__ import annotations

import importlib.util
import json
import ntpath
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from world.bundles import OFFLINE

from wheelhouse.compat.server import parse
from wheelhouse.target import Target

SMI = """#!/bin/sh
case "$*" in
*--query-gpu=*) printf 'NVIDIA GeForce RTX 3090, 531.14, 8.6, 24576\\r\\n' ;;
*) printf '| NVIDIA-SMI 531.14       Driver Version: 531.14       CUDA Version: 12.1     |\\r\\n' ;;
esac
"""


def load() -> ModuleType:
    """A probe of the test's own: its names may be replaced."""
    spec = importlib.util.spec_from_file_location("probe_elsewhere", OFFLINE / "probe.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Played:
    """A module with some of its names replaced, and some taken away (`None`)."""

    def __init__(self, real: Any, **names: Any) -> None:
        self.real, self.names = real, names

    def __getattr__(self, name: str) -> Any:
        if name in self.names and self.names[name] is None:
            raise AttributeError(name)
        return self.names[name] if name in self.names else getattr(self.real, name)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A probe that believes to run on a Windows 11 with an RTX 3090: no /proc, no statvfs, nothing on PATH."""
    system = tmp_path / "Windows"
    program(system / "System32" / "nvidia-smi.exe", SMI)
    program(system / "System32" / "nvcuda.dll", "")
    monkeypatch.setenv("SystemRoot", str(system))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("TEMP", str(tmp_path))
    monkeypatch.delenv("PROCESSOR_ARCHITEW6432", raising=False)
    probe = load()
    played = {"name": "nt", "statvfs": None, "confstr": None}
    probe.os = Played(os, **played)
    probe.sys = Played(sys, platform="win32", executable=str(program(tmp_path / "store" / "python.exe", "")))
    probe.platform = SimpleNamespace(
        machine=lambda: "AMD64",
        release=lambda: "10",
        version=lambda: "10.0.22631",
        platform=lambda: "Windows-10-10.0.22631-SP0",
    )
    return probe


def asked_of(version: str) -> dict[str, Any]:
    minor = "".join(version.split(".")[:2])
    facts = {"version": version, "implementation": "cpython", "abi": f"cp{minor}", "bits": 64, "venv": True}
    return {**facts, "ensurepip": True, "pip": "24.0", "headers": True}


def test_a_windows_with_a_gpu_has_its_label(windows: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "ask_python", lambda path: ({"path": path, **asked_of("3.11.9")}, path))
    facts, page = windows.look([], [])
    assert facts["label"] == "windows-x86_64-cu121-py311-driver531.14-sm86"
    assert str(Target.parse(facts["line"])) == facts["label"]
    assert facts["nvidia"]["libcuda"].endswith("nvcuda.dll")
    assert (facts["system"]["os"], facts["libc"], facts["selinux"]) == (
        "windows",
        {"name": None, "version": None},
        None,
    )
    assert facts["problems"] == facts["nvidia"]["problems"] == []
    assert facts["pythons"][0]["path"] == windows.sys.executable  # whoever runs it is there, whatever PATH says
    assert all(row["free"] for row in facts["space"])
    assert max(map(len, page.splitlines())) <= 80
    assert "531.14, for CUDA up to 12.1" in page
    assert parse(json.dumps(facts), "probe.json").label == facts["label"]


def test_a_32_bit_python_on_windows_sees_the_64_bit_machine(
    windows: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To it System32 is SysWOW64, where no nvidia-smi lies; Sysnative is the real one."""
    monkeypatch.setenv("PROCESSOR_ARCHITEW6432", "AMD64")
    windows.platform.machine = lambda: "x86"
    (tmp_path / "Windows" / "System32").rename(tmp_path / "Windows" / "Sysnative")
    monkeypatch.setattr(windows, "ask_python", lambda path: None)
    facts, _ = windows.look([], [])
    assert facts["label"] == "windows-x86_64-cu121-py310-driver531.14-sm86"
    assert facts["nvidia"]["libcuda"].endswith("nvcuda.dll")


def test_the_pythons_of_every_launcher_of_windows_are_read() -> None:
    lines = r"""
Installed Pythons found by C:\WINDOWS\py.exe Launcher for Windows
 -3.11-64       C:\Users\Kim Min\AppData\Local\Programs\Python\Python311\python.exe *
 -3.8-32        C:\Python38-32\python.exe
 -V:3.12 *        D:\Program Files\Python312\python.exe
 -V:3.13t         C:\Python313\python3.13t.exe
  *               C:\work\venv\Scripts\python.exe
 -V:3.14[-64] *     "C:\Users\Kim Min\AppData\Local\Python\pythoncore-3.14-64\python.exe"
 -V:Astral/CPython3.13.1 C:\Users\k\uv\cpython-3.13.1\python.exe
No suitable Python runtime found
"""
    assert load().launched(lines.replace("\n", "\r\n")) == [
        r"C:\Users\Kim Min\AppData\Local\Programs\Python\Python311\python.exe",
        r"C:\Python38-32\python.exe",
        r"D:\Program Files\Python312\python.exe",
        r"C:\Python313\python3.13t.exe",
        r"C:\work\venv\Scripts\python.exe",
        r"C:\Users\Kim Min\AppData\Local\Python\pythoncore-3.14-64\python.exe",
        r"C:\Users\k\uv\cpython-3.13.1\python.exe",
    ]


def test_a_python_of_windows_need_not_be_on_path(
    windows: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setenv("ProgramFiles", str(tmp_path / "programs"))
    usual = program(tmp_path / "local" / "Programs" / "Python" / "Python312" / "python.exe", "")
    every = program(tmp_path / "programs" / "Python310" / "python.exe", "")
    program(tmp_path / "local" / "Microsoft" / "WindowsApps" / "python.exe", "")
    found = list(windows.python_candidates([]))
    assert found == [windows.sys.executable, str(usual), str(every)]


def test_the_store_s_placeholder_is_not_run(
    windows: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "WindowsApps" / "python", "")
    program(tmp_path / "real" / "python", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'WindowsApps'}{os.pathsep}{tmp_path / 'real'}")
    assert str(tmp_path / "real" / "python") in list(windows.python_candidates([]))
    assert str(tmp_path / "WindowsApps" / "python") not in list(windows.python_candidates([]))


def test_the_python_under_a_virtual_environment_of_windows_is_its_home(windows: ModuleType, tmp_path: Path) -> None:
    """No link leads there: a virtual environment of Windows holds a copy."""
    own = program(tmp_path / "venv" / "Scripts" / "python.exe", "")
    home = program(tmp_path / "Python311" / "python.exe", "")
    (tmp_path / "venv" / "pyvenv.cfg").write_text(f"home = {home.parent}\ninclude-system-site-packages = false\n")
    assert windows.base(str(own)) == str(home)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = C:\\gone\n")
    assert windows.base(str(own)) == str(own)


def test_paths_that_differ_in_case_are_one_python_on_windows(
    windows: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = r"c:\python311\python.exe"
    monkeypatch.setattr(windows, "python_candidates", lambda named: [lower, lower.upper()])
    monkeypatch.setattr(windows, "ask_python", lambda path: ({"path": path, **asked_of("3.11.9")}, path))
    windows.os.names["path"] = ntpath
    pythons, _, _ = windows.pythons_of([], windows.Problems())
    assert [each["path"] for each in pythons] == [lower]


def test_a_page_with_what_no_encoding_holds_is_shown(
    windows: ModuleType, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A path of Windows may hold half of a pair of surrogates."""
    windows.sys = sys
    windows.say(sys.stdout, "C:\\\ud800\\\uac00 \udcff\n")
    assert capsysbinary.readouterr().out == b"C:\\?\\\xea\xb0\x80 ?" + os.linesep.encode()
    windows.say(sys.stdout, "/\udcff\n")
    assert capsysbinary.readouterr().out == b"/\xff\n"


# macOS


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    probe = load()
    probe.sys = Played(sys, platform="darwin")
    probe.os = Played(os, confstr=None)
    probe.platform = SimpleNamespace(machine=lambda: "arm64", release=lambda: "23.5.0")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return probe


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("14.5\n", "macos14-aarch64-py311"),
        ("13.6.1\n", "macos-aarch64-py311"),
        ("26.1\n", "macos26-aarch64-py311"),
        ("", "macos-aarch64-py311"),
    ],
)
def test_a_mac_has_its_label(mac: ModuleType, monkeypatch: pytest.MonkeyPatch, said: str, label: str) -> None:
    monkeypatch.setattr(mac, "run", lambda command, *rest: (0, said if "sw_vers" in command[0] else ""))
    monkeypatch.setattr(mac, "ask_python", lambda path: ({"path": path, **asked_of("3.11.9")}, path))
    facts, page = mac.look([], [])
    assert facts["label"] == label
    assert str(Target.parse(facts["line"])) == label
    assert facts["problems"] == facts["nvidia"]["problems"] == []
    assert (facts["libc"], facts["nvidia"]["driver"], facts["selinux"]) == ({"name": None, "version": None}, None, None)
    assert max(map(len, page.splitlines())) <= 80


@pytest.mark.parametrize(("status", "asked"), [(0, True), (2, False), (None, False)])
def test_the_stub_of_a_mac_without_developer_tools_is_not_run(
    mac: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None, asked: bool
) -> None:
    """/usr/bin/python3 there opens a window that offers to install them."""
    stub = program(tmp_path / "usr" / "bin" / "python3", "")
    own = program(tmp_path / "opt" / "homebrew" / "bin" / "python3.12", "")
    monkeypatch.setattr(mac, "ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "usr" / "bin"))
    monkeypatch.setattr(mac, "run", lambda command, *rest: (status, ""))
    assert set(mac.python_candidates([])) == {str(own), *([str(stub)] if asked else [])}
