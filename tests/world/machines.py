"""Machines on paper: what a probe finds on a real one, recorded in one file each and laid out below a folder.

A file of tests/fixtures/probe starts with its environment (`NAME=VALUE`), then come the files, each behind a line
`=== path`, `=== path (program)`, `=== path -> target` or `=== path/ (folder)`; what a program prints was recorded.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from world.bundles import OFFLINE

RECORDED = Path(__file__).parents[1] / "fixtures" / "probe"
MACHINES = tuple(sorted(path.stem for path in RECORDED.glob("*.machine")))
# What both probes may use of the machine that runs the tests; everything else is the recorded one's
TOOLS = (
    *("sh", "awk", "sed", "grep", "tr", "sort", "cut", "head", "cat", "df", "uname", "readlink"),
    *("cksum", "sleep", "mv", "rm", "iconv"),
)


@dataclass(frozen=True)
class Machine:
    """One machine below `root`; `run` asks a probe about it."""

    root: Path
    tools: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        folders = self.environment.get("PATH", "/usr/local/bin:/usr/bin").split(":")
        return ":".join([*(f"{self.root}{folder}" for folder in folders), str(self.tools)])

    def run(
        self, *arguments: str, command: Sequence[str] = (), timeout: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A probe's answer: its exit code, stdout and stderr. `command` is probe.py under this Python by default."""
        return subprocess.run(
            [*(command or PYTHON_PROBE), *arguments],
            env={**self.environment, "PATH": self.path, "WHEELHOUSE_PROBE_ROOT": str(self.root), **environment},
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def facts(self, *arguments: str, command: Sequence[str] = (), **environment: str) -> dict[str, Any]:
        """The JSON of a probe that ended well and said nothing on stderr."""
        done = self.run("--json", *arguments, command=command, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def write(self, path: str, text: str = "", *, program: bool = False) -> None:
        """Adds a file, or another one in its place."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_text(text, encoding="utf-8")
        if program:
            place.chmod(0o755)


PYTHON_PROBE = (sys.executable, "-I", str(OFFLINE / "probe.py"))


def machine(name: str, folder: Path) -> Machine:
    """A recorded machine laid out in a folder of the test's own."""
    text = (RECORDED / f"{name}.machine").read_text(encoding="utf-8")
    head, *files = re.split(r"^=== ", text, flags=re.MULTILINE)
    variables = dict(line.split("=", 1) for line in head.splitlines() if line and not line.startswith("#"))
    root, tools = folder / "root", folder / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    for tool in TOOLS:
        if (found := shutil.which(tool)) and not (tools / tool).exists():
            (tools / tool).symlink_to(found)
    made = Machine(root, tools, variables)
    for file in files:
        title, _, content = file.partition("\n")
        path, _, target = title.partition(" -> ")
        path, _, kind = path.partition(" (")
        if target:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(target)
        elif kind == "folder)":
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            made.write(path, content, program=kind == "program)")
    return made
