"""`glibc`: the C library that binaries really need, against the target's and the server's. Table: `real_glibc.json`."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from typing import Any

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from wheelhouse.compat.majors import holds, sorted_pins
from wheelhouse.compat.model import Finding, Pinned, Severity, Subject
from wheelhouse.data import table

RULE = "glibc"


def findings(subject: Subject) -> Iterator[Finding]:
    """Pins that need a newer C library than the target has, wheels that promise none, and a server older than said."""
    libc = subject.target.libc
    if libc is None:
        return
    yield from _server(subject)
    if libc.name != "glibc":
        return
    known = table("real_glibc.json")
    family = table("torch_family.json")
    for pin in sorted_pins(subject):
        platforms = _platforms(pin)
        need = _need(pin, platforms, known["rows"])
        doubt = _need(pin, platforms, known["doubtful"])
        if need is not None and need > libc.version:
            yield _finding(
                pin, Severity.ERROR, what=f"`{pin}` needs glibc {_text(need)}, and the target has {_text(libc.version)}"
            )
        elif doubt is not None and doubt > libc.version:
            yield _finding(
                pin,
                Severity.WARNING,
                what=f"`{pin.filename}` was built without an audit and may need glibc {_text(doubt)};"
                f" the target has {_text(libc.version)}",
            )
        elif need is None and any(each.startswith("linux_") for each in platforms) and not _in(pin.name, family):
            yield Finding(
                rule=RULE,
                severity=Severity.NOTE,
                what=f"`{pin.filename}` promises nothing about glibc: its tag is `linux_*`, not `manylinux_*`",
                why="on a server older than the machine that built it: `version 'GLIBC_2.3x' not found` at import",
                way_out="a wheel that was built on, or audited for, the target's Linux",
                projects=(pin.name,),
            )


def _finding(pin: Pinned, severity: Severity, *, what: str) -> Finding:
    return Finding(
        rule=RULE,
        severity=severity,
        what=what,
        why=f"`import {pin.name.replace('-', '_')}` fails: `/lib64/libc.so.6: version 'GLIBC_…' not found`",
        way_out=f"an older `{pin.name}`, or a server with a newer Linux",
        projects=(pin.name,),
    )


def _server(subject: Subject) -> Iterator[Finding]:
    libc, server = subject.target.libc, subject.server
    if libc is None or server is None or server.libc is None:
        return
    name, version = server.libc
    if name != libc.name or version < libc.version:
        yield Finding(
            rule=RULE,
            severity=Severity.ERROR,
            what=f"the target says {libc}, and the server has {name} {_text(version)}",
            why="wheels for the newer one do not install there, or fail at import with `version 'GLIBC_…' not found`"
            if name == libc.name
            else f"wheels for {libc.name} do not run with {name}",
            way_out=f"a target with `{name}{_text(version)}`",
        )


def _platforms(pin: Pinned) -> tuple[str, ...]:
    """The platforms of a pin's wheel; none for an sdist, which is still to be built."""
    try:
        return tuple(sorted({tag.platform for tag in parse_wheel_filename(pin.filename)[3]}))
    except InvalidWheelFilename:
        return ()


def _need(pin: Pinned, platforms: Iterable[str], rows: Iterable[Any]) -> tuple[int, int] | None:
    for row in rows:
        if row["project"] == pin.name and holds(row["versions"], pin.version):
            found = any(fnmatch.fnmatchcase(each, tag) for each in platforms for tag in row["tags"])
            return (row["glibc"][0], row["glibc"][1]) if found else None
    return None


def _in(name: str, family: Any) -> bool:
    """Whether PyTorch's channels publish it: those say `linux_x86_64` up to 2.6 and are built with care."""
    return any(fnmatch.fnmatchcase(name, each) for each in (*family["family"], *family["beside_default"]))


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
