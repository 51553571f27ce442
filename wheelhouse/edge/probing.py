"""Probes: the one of this machine, run in a child, the program to carry to a server, and what came back from there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from wheelhouse.compat import server
from wheelhouse.compat.server import BadProbe, Server
from wheelhouse.edge import files
from wheelhouse.edge.locks import Unreadable
from wheelhouse.errors import UsageError, WheelhouseError

PROGRAMS = ("probe.py", "probe.sh")
_PATIENCE = 300  # seconds; `nvidia-smi` alone may take half a minute where the driver is not kept loaded
_OURS = b"wheelhouse"  # stands in both programs


class ProbeFailed(WheelhouseError):
    """The probe of this machine did not end well; `reason` is its last word."""

    hint = "`wheelhouse probe --write DIR` gives the program itself: `python3 DIR/probe.py`"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the probe of this machine failed: {self.reason}"


def run(options: Sequence[str] = ()) -> str:
    """What probe.py prints here with these options; it runs in a child, as it does on a server.

    Raises `ProbeFailed`.
    """
    with resources.as_file(resources.files("wheelhouse") / "offline" / "probe.py") as program:
        try:
            ran = subprocess.run(
                [sys.executable, "-I", "-X", "utf8", str(program), *options],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise ProbeFailed(f"it was not done after {_PATIENCE} seconds") from None
        except OSError as error:
            raise ProbeFailed((error.strerror or str(error)).lower()) from error
    if ran.returncode != 0:
        last = ran.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ProbeFailed(re.sub(r"^error\[[a-z-]+\]: ", "", last) or f"it ended with status {ran.returncode}")
    return ran.stdout.decode("utf-8", "replace")


@cache
def here() -> Server:
    """This machine as its probe sees it, asked once. Raises `ProbeFailed`, `BadProbe`."""
    return server.parse(run(["--json"]), "this machine's probe")


def text(path: Path) -> str:
    """What is in a probe's file. Raises `UsageError` where there is none, and `Unreadable`."""
    try:
        with path.open("rb") as file:
            content = file.read(server.LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        hint = (
            f"on the server: `python3 probe.py --output {path.name}`\n"
            "`wheelhouse probe --write DIR` gives the program to carry there"
        )
        raise UsageError(f"`{path}` is not there", hint=hint) from None
    except (OSError, ValueError) as error:  # a name with a zero byte is a `ValueError`
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreadable(path, reason.lower()) from error
    try:
        # an editor or a shell of Windows may have written it again
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise BadProbe(str(path), "it is not text") from None


def read(path: Path) -> Server:
    """The server that a probe's file tells of. Raises as `text`, and `BadProbe`."""
    return server.parse(text(path), str(path))


def write(folder: Path) -> list[Path]:
    """Write the probe's two programs into a folder, to carry to a server; the folder is made as needed.

    A program of an earlier version is replaced. Raises `UsageError` for another file of that name, and `CannotWrite`.
    """
    source = resources.files("wheelhouse") / "offline"
    written = []
    for name in PROGRAMS:
        path, content = folder / name, (source / name).read_bytes()
        try:
            if path.exists() and _OURS not in path.read_bytes():
                raise UsageError(f"`{path}` is there and is no probe of wheelhouse", hint="name another folder")
            files.write_atomically(path, content)
            path.chmod(0o755)
        except OSError as error:
            raise files.CannotWrite(path, (error.strerror or str(error)).lower()) from error
        written.append(path)
    return written
