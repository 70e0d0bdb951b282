"""Minimal line charts with logarithmic axes as one SVG file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from evonas.io.marked_files import mark_text, publish

__all__ = ["Chart", "Line", "write_svg"]

_WIDTH, _HEIGHT = 360, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 24, 62, 92
_FONT = "font-family='system-ui, Helvetica, Arial, sans-serif'"
_INK, _GREY, _RULE = "#1f2933", "#616e7c", "#e4e7eb"

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One series; `dashed` for the reference."""

    name: str
    points: Sequence[Point]
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """One panel. `log_x`: logarithmic horizontal axis; the vertical one always is, and needs values above 0."""

    title: str
    x_label: str
    lines: Sequence[Line]
    log_x: bool = True


def write_svg(path: Path, title: str, subtitle: str, charts: Sequence[Chart]) -> None:
    """Writes the charts side by side with a common vertical scale."""
    values = [y for chart in charts for line in chart.lines for _, y in line.points]
    low, high = min(values) / 1.3, max(values) * 1.3
    width, height = _WIDTH * len(charts), _HEIGHT + _TOP
    body = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}'>",
        f"<rect width='{width}' height='{height}' fill='white'/>",
        _text(_LEFT, 28, title, 16, _INK, weight=600),
        _text(_LEFT, 48, subtitle, 12, _GREY),
    ]
    for number, chart in enumerate(charts):
        body += [f"<g transform='translate({number * _WIDTH} {_TOP})'>", *_panel(chart, low, high), "</g>"]
    publish(path, mark_text("\n".join([*body, "</svg>", ""])))


def _panel(chart: Chart, low: float, high: float) -> list[str]:
    xs = sorted({x for line in chart.lines for x, _ in line.points})
    right, bottom, top = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, 34

    def across(x: float) -> float:
        first, last, value = (math.log(v) if chart.log_x else v for v in (xs[0], xs[-1], x))
        return _LEFT + 8 + (right - _LEFT - 16) * ((value - first) / (last - first) if last > first else 0.5)

    def down(y: float) -> float:
        return bottom - (bottom - top) * math.log(y / low) / math.log(high / low)

    out = [_text(_LEFT, 18, chart.title, 13, _INK, weight=600)]
    for tick in _ticks(low, high):
        y = down(tick)
        out.append(f"<line x1='{_LEFT}' x2='{right}' y1='{y:.1f}' y2='{y:.1f}' stroke='{_RULE}'/>")
        out.append(_text(_LEFT - 8, y + 4, f"{tick:g}", 11, _GREY, anchor="end"))
    for x in xs:
        out.append(_text(across(x), bottom + 17, f"{x:g}", 11, _GREY, anchor="middle"))
    out.append(_text((_LEFT + right) / 2, bottom + 34, chart.x_label, 11, _INK, anchor="middle"))
    for number, line in enumerate(chart.lines):
        dash = " stroke-dasharray='5 4'" if line.dashed else ""
        points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in line.points)
        out.append(f"<polyline points='{points}' fill='none' stroke='{line.colour}' stroke-width='2'{dash}/>")
        if not line.dashed:
            dots = (f"<circle cx='{across(x):.1f}' cy='{down(y):.1f}' r='3'" for x, y in line.points)
            out += [f"{dot} fill='{line.colour}'/>" for dot in dots]
        place, row = _LEFT + 140 * (number % 2), bottom + 54 + 16 * (number // 2)
        ends = f"x1='{place}' x2='{place + 18}' y1='{row}' y2='{row}'"
        out.append(f"<line {ends} stroke='{line.colour}' stroke-width='2'{dash}/>")
        out.append(_text(place + 24, row + 4, line.name, 11, _INK))
    return out


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within the range; only powers of ten if there would be too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) <= 8:
            break
    return ticks


def _text(x: float, y: float, text: str, size: int, fill: str, anchor: str = "start", weight: int = 400) -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{fill}' text-anchor='{anchor}' font-weight='{weight}'"
    return f"<text {place} {_FONT}>{escape(text)}</text>"
