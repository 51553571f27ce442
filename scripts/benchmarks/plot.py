"""The plot of the figures: one row a set, one dot a tool, seconds on a logarithmic axis. SVG by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.figures import TITLES, TOOLS, Row

COLOURS = {"wheelhouse": "#d1495b", "uv": "#30638e", "nab": "#edae49", "pip": "#7a7a7a"}
_WIDTH, _LEFT, _RIGHT, _LINE = 760, 130, 24, 26
_STYLE = "text{font:12px system-ui,sans-serif;fill:#222}.t{font-weight:600;font-size:13px}.s{fill:#666;font-size:11px}"


def svg(rows: Sequence[Row], cases: Sequence[str] = ("cold", "warm", "six-cold")) -> str:
    """One panel for each case that has rows. The axis is one for all panels."""
    panels = [(case, those) for case in cases if (those := [row for row in rows if row.case == case and row.figures])]
    times = [found.wall for _, those in panels for row in those for found in row.figures.values()]
    if not times:
        raise ValueError("nothing was measured that can be drawn")
    low = 10 ** math.floor(math.log10(min(times)))
    high = 10 ** math.ceil(math.log10(max(times) * 1.0001))
    parts, y = [_legend()], 58
    for case, those in panels:
        parts.append(_text(8, y, TITLES[case], "t"))
        y += 16
        bottom = y + _LINE * len(those)
        parts += _grid(low, high, y, bottom)
        for row in those:
            parts += _dots(row, y + _LINE / 2, low, high)
            y += _LINE
        y = bottom + 46
    height = y - 20
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
    head += f' viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Seconds that each tool takes">'
    ground = f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", ground, *parts, "</svg>", ""])


def position(value: float, low: float, high: float) -> float:
    """Where a time lies between left and right, in pixels."""
    share = math.log(value / low) / math.log(high / low)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _legend() -> str:
    parts = [_text(8, 22, "Seconds, less is better (logarithmic)", "s")]
    for number, tool in enumerate(TOOLS):
        x = 300 + number * 110
        parts += [f'<circle cx="{x}" cy="18" r="5.5" fill="{COLOURS[tool]}"/>', _text(x + 11, 22, tool)]
    return "\n".join(parts)


def _grid(low: float, high: float, top: float, bottom: float) -> list[str]:
    parts, value = [], low
    while value <= high * 1.001:
        x = position(value, low, high)
        parts.append(f'<path d="M{x:.1f} {top}V{bottom}" stroke="#ddd"/>')
        parts.append(_text(x, bottom + 14, f"{value:g} s", "s", anchor="middle"))
        value *= 10
    return parts


def _dots(row: Row, y: float, low: float, high: float) -> list[str]:
    places = {tool: position(found.wall, low, high) for tool, found in row.figures.items()}
    parts = [_text(_LEFT - 12, y + 4, row.set, anchor="end")]
    parts.append(f'<path d="M{min(places.values()):.1f} {y}H{max(places.values()):.1f}" stroke="#bbb"/>')
    for tool in reversed(TOOLS):  # ours lies on top
        if tool in places:
            told = f"<title>{tool}: {row.figures[tool].wall:.2f} s</title>"
            parts.append(f'<circle cx="{places[tool]:.1f}" cy="{y}" r="5.5" fill="{COLOURS[tool]}">{told}</circle>')
    return parts


def _text(x: float, y: float, text: str, style: str = "", *, anchor: str = "start") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind} text-anchor="{anchor}">{escape(text)}</text>'
