"""Findings for people, on a page of 80 columns, and for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from wheelhouse.compat.model import Finding, Severity
from wheelhouse.compat.verdict import Verdict

WIDTH = 80
_INDENT = 9


def page(verdict: Verdict, about: str = "", *, notes: bool = True, width: int = WIDTH) -> Iterator[str]:
    """One target's findings, worst first; `about` is a line on the set, such as how many packages it has."""
    yield verdict.label
    yield f"  {', '.join(filter(None, (about, counted(verdict))))}"
    for finding in verdict.findings:
        severity = verdict.weight(finding)
        if severity is Severity.NOTE and not notes:
            continue
        yield ""
        accepted = severity is not finding.severity
        yield from _block(finding, f"{severity}, accepted" if accepted else str(severity), width)


def counted(verdict: Verdict) -> str:
    """`1 error, 2 warnings, 6 notes`, or that there is nothing."""
    words = []
    for severity in sorted(Severity, reverse=True):
        count = len(verdict.of(severity))
        if count:
            words.append(f"{count} {severity}{'' if count == 1 else 's'}")
    return ", ".join(words) or "nothing found"


def _block(finding: Finding, weight: str, width: int) -> Iterator[str]:
    yield f"{weight}[{finding.rule}]"
    yield from _wrapped(finding.what, "  ", "  ", width)
    for name, text in (("why:", finding.why), ("way out:", finding.way_out)):
        for at, line in enumerate(text.splitlines()):
            yield from _wrapped(line, f"  {'' if at else name:<{_INDENT}}", " " * (_INDENT + 2), width)


def _wrapped(text: str, first: str, rest: str, width: int) -> list[str]:
    """Lines of at most `width` columns; what stands in backticks is taken apart only where it is longer than a line."""
    held = _held_together(text)
    lines = textwrap.wrap(
        held, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in lines]


def _held_together(text: str) -> str:
    parts = text.split("`")
    return "`".join(
        part.replace(" ", "\0") if at % 2 and len(part) <= WIDTH - 2 * _INDENT else part
        for at, part in enumerate(parts)
    )


def facts(verdict: Verdict) -> list[dict[str, object]]:
    """The findings as plain values."""
    return [_facts(finding, verdict) for finding in verdict.findings]


def _facts(finding: Finding, verdict: Verdict) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "accepted": verdict.weight(finding) is not finding.severity,
        "what": finding.what,
        "why": finding.why,
        "way-out": finding.way_out.splitlines(),
        "projects": list(finding.projects),
    }


def worst(verdicts: Iterable[Verdict]) -> Severity | None:
    """The heaviest finding of all, None where there is none."""
    return max((verdict.weight(each) for verdict in verdicts for each in verdict.findings), default=None)
