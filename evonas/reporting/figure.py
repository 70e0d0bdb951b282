"""`Figure`: traces and a layout for plotly.js as plain values, with shared colours, text handling and thinning.

Text from data is escaped here: plotly reads some HTML in labels.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.io.printable import printable
from genomes.errors import InputError

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "PINK", "SCALE", "SKY", "VERMILION", "Figure", "label", "round_values"]
__all__ += ["axis", "line", "log_axis", "points", "thin_out", "visible_range"]

#: Colours that colour-blind readers can distinguish, on light and on dark background.
#: Source: Okabe and Ito, "Color Universal Design", 2008.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY, GREY = "#CC79A7", "#56B4E9", "#8C8C8C"
#: A colour scale with the same property. Source: Nuñez, Anderton and Renslow, 2018.
SCALE = "Cividis"
_LONGEST_LABEL = 40


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Attributes:
        name: name for files and anchors: lower-case words and hyphens.
        title: title of the figure.
        caption: one sentence of explanation.
        traces, layout: plotly.js traces and layout.
        header, rows: a small table of the values for formats without pictures, as unescaped text; empty if the figure
            cannot be summarised by a few numbers.
    """

    name: str
    title: str
    caption: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any] = field(default_factory=dict)
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()

    def to_json(self) -> dict[str, Any]:
        """Traces and layout as JSON values; NaN and infinities become null."""
        return {"data": _plain(self.traces), "layout": _plain(self.layout)}

    def plotly(self) -> Any:
        """The figure as a `plotly.graph_objects.Figure`, which notebooks display.

        Raises:
            InputError: plotly is not installed.
        """
        try:
            import plotly.graph_objects as go
        except ImportError:
            raise InputError(
                "figures in Python need plotly, which is not installed: pip install 'evonas[report]'"
            ) from None
        values = self.to_json()
        figure: Any = go.Figure(data=values["data"], layout=values["layout"])
        # Plotly's default margins would take a third of low figures.
        margin = {"l": 60, "r": 30, "t": 60, "b": 50}
        figure.update_layout(title={"text": self.title}, template="plotly_white", margin=margin)
        return figure


def label(value: object, most: int = _LONGEST_LABEL) -> str:
    """Text from data for plotly: escaped, on one line, and truncated to `most` characters."""
    text = printable(value)
    return html.escape(text if len(text) <= most else text[: most - 1] + "…")


def round_values(values: Iterable[float | None] | NDArray[Any], digits: int = 6) -> list[float | int | None]:
    """Numbers rounded to `digits` significant digits to keep pages small; None if not finite."""
    form, finite = f".{digits}g", math.isfinite
    return [
        None if value is None or not finite(value) else value if type(value) is int else float(format(value, form))
        for value in (values.tolist() if isinstance(values, np.ndarray) else values)
    ]


def thin_out(count: int, most: int, always: Iterable[int] = ()) -> list[int]:
    """About `most` evenly spaced indices below `count`, in addition to those in `always`."""
    even = range(count) if count <= most else (round(k * (count - 1) / (most - 1)) for k in range(most))
    return sorted({*even, *always})


def visible_range(scores: NDArray[np.float64], sign: float) -> list[float] | None:
    """The range of the best nine tenths of scores, since the worst would flatten the rest; None for the full range."""
    losses = np.sort(scores[np.isfinite(scores)] * sign)
    if len(losses) < 10:
        return None
    low, high = float(losses[0]), float(losses[int(0.9 * (len(losses) - 1))])
    room = 0.06 * (high - low) or 0.01 * abs(low) or 1e-6
    ends = sorted((sign * (low - room), sign * (high + room)))
    return [float(f"{end:.6g}") for end in ends]


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with a title, which must not be text from data."""
    plain = {"exponentformat": "none", "separatethousands": True}
    return {"title": {"text": title}, "automargin": True, **plain, **more}


def log_axis(title: str, values: Iterable[float], **more: Any) -> dict[str, Any]:
    """A logarithmic axis with ticks written in full, in contrast to plotly's ticks between powers of ten."""
    known = [float(value) for value in values if math.isfinite(value) and value > 0]
    if not known:
        return axis(title, type="log", **more)
    low, high = 0.8 * min(known), 1.25 * max(known)
    digits = (1, 2, 5) if high < 300 * low else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
    shown = [tick for tick in ticks if low <= tick <= high]
    texts = [f"{tick:,.0f}" if tick >= 1 else f"{tick:g}" for tick in shown]
    return axis(title, type="log", **({"tickvals": shown, "ticktext": texts} if len(shown) > 1 else {}), **more)


def line(x: Sequence[Any], y: Sequence[Any], name: str, color: str, **more: Any) -> dict[str, Any]:
    """A line with a name in the legend."""
    style = {"color": color, "width": more.pop("width", 2), **more.pop("line", {})}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": style, **more}


def points(x: Sequence[Any], y: Sequence[Any], name: str, color: Any, **more: Any) -> dict[str, Any]:
    """Points; `customdata` holds indices of records, which the page opens on a click."""
    style = {"color": color, "size": more.pop("size", 6), "opacity": 0.75}
    if not isinstance(color, str):  # the ends of the scale are as dark or as light as the background
        style["line"] = {"width": 0.7, "color": GREY}
    marker = {**style, **more.pop("marker", {})}
    return {"type": "scatter", "mode": "markers", "x": x, "y": y, "name": name, "marker": marker, **more}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | list | tuple | range):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
