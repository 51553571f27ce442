"""The main job: a requirements file becomes a lock, verified wheels, and a folder that installs without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from world.cli import wheelhouse
from world.server import FakeIndex
from world.wheels import build_wheel, pip_wheel

HERE = f"py{sys.version_info.major}{sys.version_info.minor}"


def test_one_pure_wheel_goes_all_the_way(index: FakeIndex, tmp_path: Path) -> None:
    index.add(build_wheel("six", "1.16.0", requires_python=">=2.7"))
    index.add(pip_wheel())
    (tmp_path / "requirements.in").write_text("six  # the first\n")
    target = f"linux-x86_64-{HERE}"

    locked = wheelhouse("lock", "--target", target, "--index-url", index.simple, cwd=tmp_path)
    assert (locked.code, locked.out) == (0, f"lockfiles/pylock.{target}.toml\n")
    assert "reading `requirements.in`\n" in locked.err

    fetched = wheelhouse("fetch", cwd=tmp_path)
    assert (fetched.code, fetched.out) == (0, f"wheels/{target}\n")
    names = {path.name for path in (tmp_path / "wheels" / target).glob("*.whl")}
    assert names == {"six-1.16.0-py3-none-any.whl", pip_wheel().filename}

    bundled = wheelhouse("bundle", cwd=tmp_path)
    assert (bundled.code, bundled.out) == (0, f"bundles/{target}\n")
    assert wheelhouse("verify", cwd=tmp_path).out == f"wheels/{target}: good\nbundles/{target}: good\n"

    for folder in (tmp_path / "wheels" / target, tmp_path / "bundles" / target):
        venv = tmp_path / f"venv-{folder.parent.name}"
        command = ["sh", str(folder / "install.sh"), "--python", sys.executable, "--venv", str(venv)]
        installed = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert installed.returncode == 0, installed.stdout + installed.stderr
        version = [str(venv / "bin" / "python"), "-c", "import six; print(six.__version__)"]
        assert subprocess.run(version, capture_output=True, text=True).stdout == "1.16.0\n"
