"""The curve of a learning-rate range test, as text and as a plot file."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.display.curve_lines import curve_lines
from evonas.io.marked_files import check_place, mark_bytes, mark_text, publish
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.rate_sweep import LearningRateCurve

__all__ = ["check_plot_path", "text_plot", "write_plot"]

_ENDINGS = (".html", ".png", ".svg")


def text_plot(curve: LearningRateCurve) -> list[str]:
    """The smoothed loss over the logarithm of the rate, for a terminal of 80 columns.

    What lies above the first loss by more than the fall below it is cut off: the explosion would flatten the rest.
    """
    losses = curve.smoothed
    ceiling = max(losses[0], losses[0] + 0.5 * (losses[0] - min(losses)))
    shown = [min(loss, ceiling) for loss in losses]
    marked = min(range(len(losses)), key=lambda k: abs(math.log(curve.rates[k] / curve.suggested)))
    lines = curve_lines(shown, marked=marked)
    margin = len(lines[0].split("│")[0]) + 1
    left, right = f"{curve.rates[0]:.0e}", f"{curve.rates[-1]:.0e}"
    axis = left + f"learning rate (^ {curve.suggested:g})".center(60 - len(left) - len(right)) + right
    return [*lines, " " * margin + axis]


def check_plot_path(path: Path) -> None:
    """Refuses a path where no plot can be written, before anything is trained for it.

    Raises:
        InputError: the ending is of no plot, there is no such folder, or what draws it is not installed.
    """
    if path.suffix not in _ENDINGS:
        raise InputError(f"plot file must end in {', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}, not {path.name!r}")
    check_place(path, "plot file")
    if not path.absolute().parent.is_dir():
        raise InputError(f"plot file must be in an existing folder, not {path.parent}: make the folder")
    try:
        if path.suffix == ".html":
            import plotly  # noqa: F401
        else:
            import matplotlib  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"a plot as {path.suffix} takes {error.name}, which is not installed: pip install 'evonas[plot]', or leave "
            "the file out for the curve in the terminal"
        ) from None


def write_plot(curve: LearningRateCurve, path: Path) -> None:
    """Writes the curve as a plot: `.html` to look into, `.png` or `.svg` to print.

    Raises:
        InputError: as `check_plot_path`, or the file cannot be written.
    """
    check_plot_path(path)
    try:
        if path.suffix == ".html":
            publish(path, mark_text(_interactive(curve)))
        else:
            drawn = _still(curve, path.suffix[1:])
            publish(path, mark_text(drawn.decode()) if path.suffix == ".svg" else mark_bytes(drawn))
    except OSError as error:
        raise InputError(f"plot file must be writable, but {path} is not ({error.strerror}): choose another") from None


def _interactive(curve: LearningRateCurve) -> str:
    import plotly.graph_objects as go

    figure: Any = go.Figure(layout={"template": "plotly_white", "title": "Learning-rate range test"})
    figure.add_scatter(x=curve.rates, y=curve.losses, name="each step", line={"color": "#bbb", "width": 1})
    figure.add_scatter(x=curve.rates, y=curve.smoothed, name="smoothed", line={"color": "#1f77b4", "width": 3})
    figure.add_vline(x=curve.suggested, line_dash="dash", annotation_text=f"suggested: {curve.suggested:g}")
    low, high = _visible(curve)
    figure.update_xaxes(type="log", title="learning rate")
    figure.update_yaxes(title="training loss", range=[low, high])
    return str(figure.to_html(include_plotlyjs=True))


def _still(curve: LearningRateCurve, kind: str) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes: Any = figure.add_subplot(
        title="Learning-rate range test", xlabel="learning rate", ylabel="training loss", xscale="log"
    )
    axes.plot(curve.rates, curve.losses, color="#bbbbbb", linewidth=1, label="each step")
    axes.plot(curve.rates, curve.smoothed, color="#1f77b4", linewidth=2.5, label="smoothed")
    axes.axvline(curve.suggested, linestyle="--", color="#444444", label=f"suggested: {curve.suggested:g}")
    axes.set_ylim(*_visible(curve))
    axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=150, format=kind)
    return drawn.getvalue()


def _visible(curve: LearningRateCurve) -> tuple[float, float]:
    """Losses to show: the explosion is cut off, it would flatten the rest."""
    low, first = min(curve.smoothed), curve.smoothed[0]
    room = 0.5 * max(first - low, 1e-12)
    return low - 0.2 * room, max(first, low) + room
