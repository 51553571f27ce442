"""Whether a probed server is a machine of the target's kind at all: system, architecture, Python."""

from __future__ import annotations

from collections.abc import Iterator

from wheelhouse.compat.model import Finding, Severity, Subject


def findings(subject: Subject) -> Iterator[Finding]:
    """Errors where wheels of the target cannot run on the server; nothing where no server was probed.

    What a hindered probe does not tell is not judged.
    """
    server, target = subject.server, subject.target
    if server is None:
        return
    if (server.os or target.os, server.arch or target.arch) != (target.os, target.arch):
        yield Finding(
            rule="machine",
            severity=Severity.ERROR,
            what=f"the server is {f'{server.os} {server.arch}'.strip()}, and the target is {target.os} {target.arch}",
            why="compiled code runs on one kind of machine only",
            way_out=f"`--target {server.label}`" if server.label else "a target of the server's own kind",
        )
        return
    wanted = f"{target.python[0]}.{target.python[1]}"
    fitting = [
        each for each in server.pythons if each.implementation == "cpython" and each.version[:2] == target.python
    ]
    if server.pythons and not fitting:
        seen = ", ".join(sorted({f"{each.version[0]}.{each.version[1]}" for each in server.pythons}, key=_number))
        yield Finding(
            rule="python-version",
            severity=Severity.ERROR,
            what=f"the server has Python {seen}, and the target needs {wanted}",
            why="a compiled wheel fits one minor version of Python only",
            way_out=f"Python {wanted} on the server, or a target with one that is there, such as `py{_compact(seen)}`",
        )


def _number(text: str) -> int:
    return int(text.partition(".")[2])


def _compact(seen: str) -> str:
    return seen.rpartition(" ")[2].replace(".", "")
