"""Measurements to rows of a table, and whether each row keeps what was promised. Plain functions of values."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What Python itself costs, seconds: taken off before wheelhouse is compared with uv
PYTHON = {"cold": 0.30, "warm": 0.30, "six-cold": 0.60, "six-warm": 0.60}
BOUNDS = {"cold": 1.5, "warm": 4.0, "six-cold": 3.0, "six-warm": 3.0}  # times uv
STARTS = {"wheelhouse --version": 0.10, "wheelhouse --help": 0.15}  # seconds
TITLES = {
    "cold": "Lock, empty caches",
    "warm": "Lock, full caches",
    "relock": "Lock again, nothing changed",
    "six-cold": "Six targets in one run, empty caches; uv: six runs with one cache",
    "six-warm": "Six targets in one run, full caches; uv: six runs",
}
TOOLS = ("wheelhouse", "uv", "nab", "pip")


@dataclass(frozen=True)
class Figure:
    """Medians of one tool's runs, in seconds."""

    wall: float
    cpu: float
    lowest: float
    runs: int


@dataclass(frozen=True)
class Row:
    """One case of one set. `ratio` is (wheelhouse - Python) / uv."""

    case: str
    set: str
    figures: Mapping[str, Figure]  # by tool
    failed: Mapping[str, str]
    ratio: float | None
    bound: float | None
    misses: tuple[str, ...]  # in words; empty where all is kept

    @property
    def met(self) -> bool:
        return not self.misses


def figure(runs: Sequence[Mapping[str, float]]) -> Figure:
    walls, cpus = [run["wall"] for run in runs], [run["cpu"] for run in runs]
    return Figure(statistics.median(walls), statistics.median(cpus), min(walls), len(runs))


def rows(measurements: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row for each case and set, in the order in which they were measured. Start-up is left to `starts`."""
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in measurements:
        if each["case"] in TITLES:
            grouped.setdefault((each["case"], each["set"]), []).append(each)
    return [_row(case, name, those) for (case, name), those in grouped.items()]


def _row(case: str, name: str, measured: Sequence[Mapping[str, Any]]) -> Row:
    figures = {each["tool"]: figure(each["runs"]) for each in measured if each["runs"] and not each["failed"]}
    failed = {each["tool"]: each["failed"] for each in measured if each["failed"]}
    bound, ratio, misses = BOUNDS.get(case), None, []
    ours, uv = figures.get("wheelhouse"), figures.get("uv")
    if ours is None:
        misses.append("wheelhouse fails")
    elif bound is not None:
        if uv is not None:
            ratio = max(0.0, ours.wall - PYTHON[case]) / uv.wall
            if ratio > bound:
                misses.append(f"{ratio:.1f} × uv")
        for other in ("nab", "pip"):
            if other in figures and figures[other].wall < ours.wall:
                misses.append(f"slower than {other}")
    return Row(case, name, figures, failed, ratio, bound, tuple(misses))


def table(found: Sequence[Row], case: str) -> str:
    """Markdown: one case, a line for each set; CPU seconds behind the wall seconds of wheelhouse and uv."""
    chosen = [row for row in found if row.case == case]
    tools = [tool for tool in TOOLS if any(tool in row.figures or tool in row.failed for row in chosen)]
    heads = ["set", *(f"{tool} (CPU)" if tool in TOOLS[:2] else tool for tool in tools)]
    heads += ["ratio", "bound", "kept"] if case in BOUNDS else []
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for row in chosen:
        cells = [row.set, *(_cell(row, tool) for tool in tools)]
        if case in BOUNDS:
            cells += ["-" if row.ratio is None else f"{row.ratio:.2f}", f"{row.bound:.1f}"]
            cells += ["yes" if row.met else f"**no**: {', '.join(row.misses)}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Row, tool: str) -> str:
    if tool in row.failed:
        return "fails"
    if tool not in row.figures:
        return "-"
    found = row.figures[tool]
    return f"{_seconds(found.wall)} ({_seconds(found.cpu)})" if tool in TOOLS[:2] else _seconds(found.wall)


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def starts(measurements: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: how long the programs take to start."""
    lines = ["| command | seconds (CPU) | bound | kept |", "|---|---:|---:|---:|"]
    for each in measurements:
        if each["case"] == "start" and each["runs"]:
            found, bound = figure(each["runs"]), STARTS.get(each["set"])
            kept = "" if bound is None else "yes" if found.wall <= bound else "**no**"
            limit = "" if bound is None else f"{bound:.2f}"
            lines.append(f"| `{each['set']}` | {found.wall:.3f} ({found.cpu:.3f}) | {limit} | {kept} |")
    return "\n".join(lines)


def fetches(report: Mapping[str, Any]) -> str:
    """Markdown: what `scripts/bench_fetch` measured."""
    lines = ["| command | seconds (CPU) | memory | ratio | bound | kept |", "|---|---:|---:|---:|---:|---:|"]
    for row in report["rows"]:
        ratio, bound = row["ratio"], row["required"]
        kept = "" if ratio is None or bound is None else "yes" if ratio <= bound else "**no**"
        ends = ["" if value is None else f"{value:.2f}" for value in (ratio, bound)]
        took = f"{row['seconds']:.2f} ({row['cpu']:.2f})"
        lines.append(f"| {row['what']} | {took} | {row['memory'] / 1e6:.0f} MB | {' | '.join(ends)} | {kept} |")
    return "\n".join(lines)


def differences(pins: Mapping[str, Mapping[str, Mapping[str, str]]]) -> list[str]:
    """Where a tool pinned other versions than wheelhouse, a line for each: the times compare less there."""
    lines = []
    for name, by_tool in pins.items():
        ours = by_tool.get("wheelhouse", {})
        for tool, theirs in by_tool.items():
            changed = [each for each in sorted({*ours, *theirs}) if ours.get(each) != theirs.get(each)]
            if tool != "wheelhouse" and ours and changed:
                shown = [f"{each} {theirs.get(each, 'none')} ({ours.get(each, 'none')})" for each in changed[:4]]
                more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
                lines.append(f"{name}: {tool} pins {', '.join(shown)}{more}; in brackets: wheelhouse")
    return lines


def document(report: Mapping[str, Any]) -> str:
    """The whole report in Markdown."""
    found, tools = rows(report["measurements"]), report["tools"]
    parts = [
        f"Measured on {report['date']}: {report['machine']}; load average {report['load'][0]:.1f} at the start and "
        f"{report['load'][1]:.1f} at the end. Versions: "
        + ", ".join(f"{name} {version}" for name, version in tools.items())
        + f". Index: recorded on {report['recorded']}, replayed by {report['server']['by']} "
        f"({report['server']['requests_per_second']:.0f} requests a second from one client), "
        f"{report['delay'] * 1000:.0f} ms added to every answer where caches are empty. "
        f"Medians of {report['runs']} runs in turn.",
        f"Command: `{report['command']}`",
    ]
    for case, title in TITLES.items():
        if any(row.case == case for row in found):
            parts += [f"### {title}", table(found, case)]
    if any(each["case"] == "start" for each in report["measurements"]):
        parts += ["### Start-up", starts(report["measurements"])]
    if report.get("fetch"):
        parts += ["### Fetch", fetches(report["fetch"])]
    bounded = [row for row in found if row.bound is not None]
    notes = [f"{len([row for row in bounded if row.met])} of {len(bounded)} bounds are kept."] if bounded else []
    notes += [f"{row.set}, {row.case}: {tool} fails: {short(why)}" for row in found for tool, why in row.failed.items()]
    notes += differences(report["pins"])
    if report["missed"]:
        notes.append(f"{report['missed']} answers were asked for that are not in the recording.")
    if report["without_upload_times"]:
        notes.append("The index gives no upload times: cutoffs were not used.")
    return "\n\n".join([*parts, "### Notes", "\n".join(f"* {_plain(note)}" for note in notes)]) + "\n"


def short(why: str) -> str:
    """The beginning of what a tool said, without the paths of the machine that measured."""
    said = re.sub(r"(?<![\w.:/])/[^\s:,`'\"]+", "…", why.partition(" / ")[0])
    return said if len(said) <= 160 else f"{said[:159]}…"


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("<", "&lt;")
