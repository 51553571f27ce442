"""A folder in which somebody works with the command line, and the indexes that they use."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from wheelhouse.edge import http
from world.cli import Ran, wheelhouse
from world.server import FileServer

_SIZES = re.compile(r"(?m)^(locked \d+ packages? for `[^`]+` in `[^`]+`): .*$")
_NOTES = re.compile(r"(?m)^\d+ things? to know before the visit: .*\n")
CLOSED = "http://127.0.0.1:1"  # tcpmux: nobody listens there


@dataclass(frozen=True)
class Project:
    """A working folder. `default` and `pytorch` are what `lock` and `build` are pointed to.

    In what commands say, the servers' addresses read INDEX and PYTORCH; left out is what a lock will take (the zlib at
    hand decides that) and that there are things to know. Commands are impatient: no pause between two attempts, and
    half a second until an answer stalls.
    """

    folder: Path
    default: FileServer
    pytorch: FileServer | None = None

    def run(self, *args: str | Path, **variables: str) -> Ran:
        """Any command, as typed."""
        impatient = functools.partial(http.HttpSettings, max_wait=0, read_timeout=0.5)
        with mock.patch.object(http, "HttpSettings", impatient):
            ran = wheelhouse(*args, cwd=self.folder, **variables)
        return replace(ran, out=self.shown(ran.out), err=self.shown(ran.err))

    def shown(self, text: str) -> str:
        """Text with names in place of addresses, and without sizes of locks."""
        text = _NOTES.sub("", _SIZES.sub(r"\1", text))
        text = text.replace(f"127.0.0.1:{self.default.port}", "INDEX")
        return text if self.pytorch is None else text.replace(f"127.0.0.1:{self.pytorch.port}", "PYTORCH")

    @property
    def indexes(self) -> tuple[str, ...]:
        """The options that point to the servers."""
        pytorch = CLOSED if self.pytorch is None else self.pytorch.url
        return "--index-url", f"{self.default.url}/simple", "--pytorch-url", f"{pytorch}/whl"

    def lock(self, *args: str | Path, **variables: str) -> Ran:
        """`wheelhouse lock ARGS` with the project's indexes."""
        return self.run("lock", *self.indexes, *args, **variables)

    def build(self, *args: str | Path, **variables: str) -> Ran:
        """`wheelhouse build ARGS` with the project's indexes."""
        return self.run("build", *self.indexes, *args, **variables)

    def locked(self, label: str, folder: str = "lockfiles") -> dict[str, Any]:
        """The lock of a target, as TOML reads it."""
        return tomllib.loads(self.path(label, folder).read_text("utf-8"))

    def path(self, label: str, folder: str = "lockfiles") -> Path:
        """Where a target's lock lies."""
        return self.folder / folder / f"pylock.{label.replace('.', '_')}.toml"

    def pins(self, label: str, folder: str = "lockfiles") -> dict[str, str]:
        """The versions in a target's lock, by project."""
        return {package["name"]: package["version"] for package in self.locked(label, folder)["packages"]}

    def places(self, label: str, folder: str = "lockfiles") -> dict[str, str]:
        """What each wheel is and where it lies, by project: `PYTORCH/whl/cu121/torch-…`."""
        return {
            package["name"]: self.shown(package["wheels"][0]["url"]).removeprefix("http://")
            for package in self.locked(label, folder)["packages"]
        }
