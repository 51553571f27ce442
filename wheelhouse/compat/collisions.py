"""Distributions that write the same files: by name where the effect is known, else by what is in the wheels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from packaging.utils import NormalizedName

from wheelhouse.compat.model import Finding, Pinned, Severity, Subject
from wheelhouse.contents import Contents
from wheelhouse.data import table

RULE = "collision"
Pair = tuple[NormalizedName, NormalizedName]  # in order


def collisions(subject: Subject) -> Iterator[Finding]:
    """Findings on all that overwrite each other; data/collisions.json says what is known of some of them."""
    met = clashes(subject.contents)
    known: set[Pair] = set()
    for row in table("collisions.json")["rows"]:
        groups = []
        for names in row["sets"]:
            pairs = list(combinations(sorted(name for name in names if name in subject.pins), 2))
            known.update(pairs)
            members = {name for pair in pairs if _meet(pair, row, subject, met) for name in pair}
            if members:
                groups.append([subject.pins[name] for name in sorted(members)])
        severity = _severity(row, groups, subject)
        if groups and severity is not None:
            yield _of_row(row, groups, severity, subject)
    for pair, paths in sorted(met.items()):
        if pair not in known and _counts(pair, paths, subject):
            yield _of_paths(subject.pins[pair[0]], subject.pins[pair[1]], paths, subject)


def clashes(contents: Mapping[NormalizedName, Contents]) -> dict[Pair, list[str]]:
    """Each two wheels that write modules or libraries of other bytes to the same paths, and those paths, sorted.

    Only wheels with a folder or module of the same name in site-packages are looked into.
    """
    tops: dict[str, list[NormalizedName]] = {}
    for name, each in contents.items():
        for top in each.tops:
            tops.setdefault(top, []).append(name)
    shared = {top for top, names in tops.items() if len(names) > 1}
    crowded = sorted({name for top in shared for name in tops[top]})
    written: dict[str, list[tuple[NormalizedName, int]]] = {}
    found: dict[Pair, list[str]] = {}
    for name in crowded:
        for path, mark in contents[name].code().items():
            if path.partition("/")[0] not in shared:
                continue
            others = written.setdefault(path, [])
            for other, its in others:
                if its != mark:
                    found.setdefault((other, name), []).append(path)
            others.append((name, mark))
    return {pair: sorted(paths) for pair, paths in found.items()}


def _meet(pair: Pair, row: Mapping[str, Any], subject: Subject, met: Mapping[Pair, Sequence[str]]) -> bool:
    """What the wheels' own directories show, else what the row says."""
    if pair[0] in subject.contents and pair[1] in subject.contents:
        return pair in met
    return not row.get("known-only", False)


def _severity(row: Mapping[str, Any], groups: Sequence[Sequence[Pinned]], subject: Subject) -> Severity | None:
    if row.get("cuda-only") and not _cuda(subject):
        return None
    if "gpu" not in row:
        return Severity[row["severity"].upper()]
    if any(_lost(row, group, subject) for group in groups):
        return Severity.ERROR
    alike = all(len({pin.version for pin in group}) == 1 for group in groups)
    return Severity.NOTE if alike else Severity.WARNING  # one build's files alone, or a mixture of two versions


def _cuda(subject: Subject) -> bool:
    return (subject.target.accelerator or "").startswith("cu")


def _lost(row: Mapping[str, Any], group: Sequence[Pinned], subject: Subject) -> bool:
    """Whether one of them uses the target's GPU, and not the one that stays."""
    gpu = row.get("gpu", ())
    return _cuda(subject) and group[0].name not in gpu and any(pin.name in gpu for pin in group)


def _of_row(
    row: Mapping[str, Any], groups: Sequence[Sequence[Pinned]], severity: Severity, subject: Subject
) -> Finding:
    """`groups` are in order, and so are their pins: the first one's files stay (see the table)."""
    group = next((each for each in groups if _lost(row, each, subject)), groups[0])
    said = [_listed([f"`{pin}`" for pin in each]) for each in (group, *(each for each in groups if each is not group))]
    more = "".join(f", and so do {each}" for each in said[1:])
    better = row.get("keep", row.get("gpu", ()) if _cuda(subject) else ())
    return Finding(
        rule=RULE,
        severity=severity,
        what=f"{said[0]} write the same files{more}",
        why=f"the files of `{group[0].name}` stay: {row['lost' if _lost(row, group, subject) else 'otherwise']}",
        way_out=_way_out(group, next((pin for pin in group if pin.name in better), None), severity, subject),
        projects=tuple(sorted(pin.name for each in groups for pin in each)),
    )


def _counts(pair: Pair, paths: Sequence[str], subject: Subject) -> bool:
    """Several projects may share a namespace, each with an `__init__.py` of its own.

    NVIDIA's libraries are of no account for a target without CUDA.
    """
    if not _cuda(subject) and all(name.startswith("nvidia-") for name in pair):
        return False
    return any(not path.endswith("__init__.py") for path in paths)


def _of_paths(stays: Pinned, goes: Pinned, paths: Sequence[str], subject: Subject) -> Finding:
    example = next(path for path in paths if not path.endswith("__init__.py"))
    more = "" if len(paths) == 1 else " and 1 more file" if len(paths) == 2 else f" and {len(paths) - 1} more files"
    return Finding(
        rule=RULE,
        severity=Severity.WARNING,
        what=f"`{stays}` and `{goes}` both write `{example}`{more}, each its own",
        why=f"the files of `{stays.name}` stay, and `{goes.name}` runs with code that is not its own",
        way_out=_way_out((stays, goes), None, Severity.WARNING, subject),
        projects=(stays.name, goes.name),
    )


def _way_out(group: Sequence[Pinned], better: Pinned | None, severity: Severity, subject: Subject) -> str:
    """Who could be left out, and how the better one's files are put back where all are required."""
    few = "one" if len(group) == 2 else "all but one"
    ways = [f"leave out {few}: {', '.join(_asker(pin, subject) for pin in group)}"]
    if better is not None and better is not group[0] and better.filename.endswith(".whl"):
        again = f"pip install --no-index --no-deps --force-reinstall wheels/{better.filename}"
        accepted = f"`--accept {RULE}`, and " if severity is Severity.ERROR else ""
        ways.append(f"or {accepted}on the server put the files of `{better.name}` back: `{again}`")
    return "\n".join(ways)


def _asker(pin: Pinned, subject: Subject) -> str:
    if pin.name in subject.roots:
        return f"`{pin.name}` was asked for"
    by = sorted(each.name for each in subject.pins.values() if pin.name in each.dependencies)
    return f"`{pin.name}` is required by {_listed([f'`{name}`' for name in by])}" if by else f"`{pin.name}`"


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
