"""`desktop-library`, `program`, `compiler`: what the server itself must have. Table: `system_needs.json`."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from msgspec import Struct
from packaging.utils import NormalizedName

from wheelhouse.compat.majors import cuda, holds, listed, severity
from wheelhouse.compat.model import Finding, Need, Pinned, Severity, Subject
from wheelhouse.compat.server import Server
from wheelhouse.data import table


class _Group(Struct, frozen=True, kw_only=True):
    """The needs of one row of the table, for one pin."""

    pin: Pinned
    what: str
    needs: tuple[Need, ...]
    unasked: Severity | None  # where nobody asked the server; None: nothing is said


def needs(subject: Subject) -> tuple[Need, ...]:
    """What the set needs of the server, in the table's order; `severity` is that of a server known to lack it."""
    return tuple(need for group in _groups(subject) for need in group.needs)


def findings(subject: Subject) -> Iterator[Finding]:
    """With a probe: what that server lacks. Without one: what servers lack often, and notes."""
    for group in _groups(subject):
        server = subject.server
        lacking = group.needs if server is None else tuple(need for need in group.needs if _lacks(server, need))
        weight = group.unasked if server is None else max((need.severity for need in lacking), default=None)
        if weight is None:
            continue
        names = listed(" or ".join(f"`{name}`" for name in need.names) for need in lacking)
        first = group.needs[0]
        told = f"`{group.pin}` {group.what}"
        if server is not None:
            told += f", and the server has no {names}"
        elif names not in told:
            told += f": {names}"
        yield Finding(
            rule=first.rule,
            severity=weight,
            what=told,
            why=first.why,
            way_out=_typed(subject, group.pin, first.way_out),
            projects=(group.pin.name,),
        )
    yield from _headers(subject)


def _groups(subject: Subject) -> Iterator[_Group]:
    if subject.target.os != "linux":
        return
    gpu = cuda(subject) is not None
    for row in table("system_needs.json")["rows"]:
        if (row.get("gpu") and not gpu) or any(name in subject.pins for name in row.get("unless", ())):
            continue
        for name in row["projects"]:
            pin = subject.pins.get(name)
            if pin is None or not holds(row["versions"], pin.version):
                continue
            if not fnmatch.fnmatchcase(pin.filename, row.get("filename", "*")):
                continue
            way_out = row["way_out"].format(project=pin.name)
            yield _Group(
                pin=pin,
                what=row["what"],
                needs=tuple(
                    Need(
                        kind=row["kind"],
                        names=tuple(each),
                        rule=row["rule"],
                        severity=severity(row["lacking"]) or Severity.NOTE,
                        needed_by=str(pin),
                        why=row["why"],
                        way_out=way_out,
                    )
                    for each in row["needs"]
                ),
                unasked=severity(row["unasked"]),
            )


def _lacks(server: Server, need: Need) -> bool:
    """Whether a probe looked for every one of these names and found none; what it never looked for is not lacking."""
    seen = server.libraries if need.kind == "library" else server.programs
    return all(name in seen and seen[name] is None for name in need.names)


def _typed(subject: Subject, pin: Pinned, way_out: str) -> str:
    """The way out, with what else it takes where another project requires the one that is to be replaced."""
    requiring = sorted(str(each) for each in subject.pins.values() if pin.name in each.dependencies)
    if not requiring or " in its place" not in way_out:
        return way_out
    first, *rest = way_out.splitlines()
    verb = "requires" if len(requiring) == 1 else "require"
    who = listed(f"`{each}`" for each in requiring)
    override = f"{who} {verb} `{pin.name}`: that takes `[[overrides]]` with `drop` and `add`"
    return "\n".join((first, override, *rest))


def _headers(subject: Subject) -> Iterator[Finding]:
    """Python.h, which triton's C file includes: of a Python on the server that fits the target."""
    triton = subject.pins.get(NormalizedName("triton"))
    if subject.server is None or triton is None or cuda(subject) is None or subject.target.os != "linux":
        return
    fitting = [each for each in subject.server.pythons if each.version[:2] == subject.target.python]
    if fitting and all(each.headers is False for each in fitting):
        python = f"{subject.target.python[0]}.{subject.target.python[1]}"
        yield Finding(
            rule="compiler",
            severity=Severity.WARNING,
            what=f"`{triton}` compiles with `Python.h`, and no Python {python} of the server has it",
            why="`torch.compile` and packages that write kernels fail: `Python.h: No such file or directory`",
            way_out=f"`python{python}-devel` (RHEL) or `python{python}-dev` (Debian, Ubuntu) on the server",
            projects=(triton.name,),
        )
