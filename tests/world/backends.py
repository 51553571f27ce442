"""Sdists whose backend does what a test wants: it leaves a mark where it runs, fails, or writes something else."""

from __future__ import annotations

import dataclasses
import gzip
import io
import sys
import tarfile
import textwrap
from collections.abc import Mapping
from pathlib import Path

from world.wheels import SdistFile, build_sdist

OWN_PYTHON = f"py{sys.version_info[0]}{sys.version_info[1]}"  # a target's part: the Python that runs the tests


def sdist(
    name: str,
    version: str,
    *,
    code: str = "",
    marks: Path | None = None,
    files: Mapping[str, str] | None = None,
    **arguments: object,
) -> SdistFile:
    """`build_sdist` with `code` run before its backend's work, each time that a wheel is built.

    `marks` is a file that gets a line each time that any code of the sdist runs: `loaded`, then `built`. `code` may
    change `METADATA`, and `files` come to the tree or replace what is there.
    """
    plain = build_sdist(name, version, **arguments)  # type: ignore[arg-type]
    if not code and marks is None and not files:
        return plain
    contents = unpacked(plain)
    world = contents["backend.py"].decode()
    mark = "" if marks is None else f"def mark(word):\n    with open({str(marks)!r}, 'a') as file:\n"
    mark += "" if marks is None else "        file.write(word + '\\n')\n\nmark('loaded')\n\n"
    built = "" if marks is None else "mark('built')\n"
    body = f"{textwrap.dedent(code)}\n{built}return base.build_wheel(folder)\n"
    ours = f"import base\nfrom base import *\n\n{mark}def build_wheel(folder, *rest):\n{textwrap.indent(body, '    ')}"
    contents |= {"base.py": world.encode(), "backend.py": ours.encode()}
    contents |= {path: textwrap.dedent(text).encode() for path, text in (files or {}).items()}
    return dataclasses.replace(plain, content=_packed(plain.filename.removesuffix(".tar.gz"), contents))


def unpacked(sdist: SdistFile) -> dict[str, bytes]:
    """The files of its one folder, by their paths in it."""
    with tarfile.open(fileobj=io.BytesIO(sdist.content)) as opened:
        return {each.name.partition("/")[2]: opened.extractfile(each).read() for each in opened}  # type: ignore[union-attr]


def _packed(top: str, contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for path, content in contents.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size, info.mtime = len(content), 1704067200
            opened.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)
