"""What goes wrong on the server: a wrong Python is named, inodes run out, an installation is killed or interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from world.bundles import OFFLINE, environ, fake_python, tiny_pip, write_bundle
from world.wheels import build_wheel

from wheelhouse.offline import install

OWN = f"3.{sys.version_info[1]}"
BETA = build_wheel("beta", "2.0")
NUMPY = """\
Traceback (most recent call last):
  File "core/__init__.py", line 24, in <module>
    from . import multiarray
ImportError: multiarray.so: failed to map segment from shared object

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "<string>", line 1, in <module>
ImportError: Error importing numpy: you should not try to import numpy from
        its source directory; please exit the numpy source tree, and relaunch
        your python interpreter from there.
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            NUMPY,
            "ImportError: Error importing numpy: you should not try to import numpy from"
            " (it began with ImportError: multiarray.so: failed to map segment from shared object)",
        ),
        ("x.py:1: UserWarning: old\nTraceback:\nKeyError: 'a'\n", "KeyError: 'a'"),
        ("Traceback:\ntorch.cuda.OutOfMemoryError: much\n  more\n", "torch.cuda.OutOfMemoryError: much"),
        ("Traceback:\nAssertionError\n", "AssertionError"),
        ("terminate called\n  Aborted\n\n", "Aborted"),
        ("", ""),
    ],
)
def test_of_a_traceback_the_exceptions_are_told_and_not_the_last_line(said: str, told: str) -> None:
    assert install.last_words(said) == told


def test_a_python_that_does_not_fit_is_told_with_one_that_does(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip())
    named = fake_python(tmp_path / "bin" / "python3.99", version=[3, 99, 0])
    done = bundle.install("--check", "--python", named, cwd=tmp_path)
    assert done.returncode == 1
    assert f"error[python-version]: `{named}` is Python 3.99.0, but the wheels are for Python {OWN}\n" in done.stderr
    (hint,) = [line for line in done.stderr.splitlines() if line.startswith("  hint: leave --python out")]
    fitting = hint.removeprefix("  hint: leave --python out, or name the one that fits: --python ")
    assert install.probe([fitting])["version"][:2] == list(sys.version_info[:2])


def test_where_none_fits_none_is_named(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip())
    bundle.rewrite("MANIFEST.json", f'"python": "{OWN}"', '"python": "3.98"')
    named = fake_python(tmp_path / "bin" / "python3.99", version=[3, 99, 0])
    done = bundle.install("--check", "--python", named, cwd=tmp_path)
    assert "  hint: install Python 3.98, or name one: --python /path/to/python3.98\n" in done.stderr


# Inodes


def test_files_that_find_no_inode_are_refused_before_anything_is_written() -> None:
    (finding,) = install.judge_files("/data/venv", 4000, 12)
    assert (finding.severity, finding.rule, finding.what) == (
        "error",
        "space",
        "installing makes 4000 files and folders in `/data/venv`, but the file system has room for 12",
    )
    assert install.judge_files("/data/venv", 4000, 4000) == []
    assert install.judge_files("/data/venv", 4000, None) == []  # btrfs, Windows


def test_inodes_are_counted_where_the_virtual_environment_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA])
    target = install.read_manifest(bundle.folder)
    asked: list[str] = []
    monkeypatch.setattr(install, "free_files", lambda path: asked.append(path) or 3)
    findings, _ = install.check_space(str(tmp_path / "not" / "yet"), bundle.folder, target, [])
    assert [each.what.partition(" in ")[0] for each in findings] == ["installing makes 44 files and folders"]
    assert asked == [str(tmp_path)]


def test_what_is_counted_is_what_is_made(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA])
    target = install.read_manifest(bundle.folder)
    assert bundle.install(cwd=tmp_path).returncode == 0
    (site,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    made = list(site.rglob("*"))
    counted = install.count_files(bundle.folder, target, [])
    assert counted == len(made) + 1  # site-packages itself is counted too
    assert install.count_files(bundle.folder, target, [str(site)]) == 0
    every = [path for path in (tmp_path / "venv").rglob("*") if site not in path.parents]
    assert len(every) <= install.VENV_FILES


def test_a_file_system_that_does_not_count_files_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert install.free_files(str(tmp_path)) == os.statvfs(tmp_path).f_favail or not os.statvfs(tmp_path).f_files
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_files=0, f_favail=0))
    assert install.free_files(str(tmp_path)) is None
    monkeypatch.delattr(os, "statvfs")
    assert install.free_files(str(tmp_path)) is None


# Killed


def test_what_was_killed_half_way_is_installed_again(tmp_path: Path) -> None:
    """pip writes RECORD last, and takes a .dist-info without it for an installed project."""
    bundle = write_bundle(tmp_path / "bundle", [BETA])
    assert bundle.install(cwd=tmp_path).returncode == 0
    (site,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    (site / "beta-2.0.dist-info" / "RECORD").unlink()
    shutil.rmtree(site / "beta")
    done = bundle.install(cwd=tmp_path)
    assert done.returncode == 0
    assert "`beta-2.0.dist-info` is half installed, from a run that was killed; it is installed again\n" in done.stderr
    assert (site / "beta" / "__init__.py").is_file()
    again = bundle.install(cwd=tmp_path)
    assert (again.returncode, "half installed" in again.stderr) == (0, False)


def test_another_project_without_a_record_is_left_alone(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA])
    assert bundle.install(cwd=tmp_path).returncode == 0
    (site,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    (site / "mine-1.0.dist-info").mkdir()
    (site / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    assert bundle.install(cwd=tmp_path).returncode == 0
    assert (site / "mine-1.0.dist-info" / "METADATA").is_file()


# Interrupted


def test_who_interrupts_the_trial_hears_that_everything_is_installed(tmp_path: Path) -> None:
    started = tmp_path / "started"
    text = f"import time\nopen({str(started)!r}, 'w').close()\ntime.sleep(60)\n"
    slow = build_wheel("slow", "1.0", modules={"slow.py": text})
    bundle = write_bundle(tmp_path / "bundle", [slow], pip=tiny_pip())
    process = subprocess.Popen(
        [sys.executable, "-I", bundle.folder / "install.py"],
        cwd=tmp_path,
        env=environ({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.endswith(
        f"everything is installed in `{tmp_path}/venv` and stays there, but was not tried to its end\n"
        "interrupted by signal 2\n"
    )
    assert (tmp_path / "venv" / "pyvenv.cfg").is_file()


def test_who_interrupts_at_once_sees_no_traceback() -> None:
    code = (
        "import importlib.abc, os, runpy, signal, sys\n"
        "class Finder(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'argparse':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"runpy.run_path({str(OFFLINE / 'install.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
