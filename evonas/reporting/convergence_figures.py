"""Figures of the best and the median score over evaluations, epochs and time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.display.scores import format_score
from evonas.reporting.figure import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    Figure,
    axis,
    label,
    line,
    points,
    round_values,
    thin_out,
    visible_range,
)
from evonas.reporting.rundata import RunData
from evonas.reporting.schedule import finishing_times

__all__ = ["best_by", "by_epochs", "by_evaluations", "by_seconds"]

Array = NDArray[np.float64]

#: Maximum number of points of a line, which a browser draws in a fraction of a second.
_MOST_POINTS = 600
_MOST_STEPS = 400


def best_by(run: RunData, by: str) -> tuple[Array, Array]:
    """The effort spent after each record, ascending, and the best score so far, NaN before the first score.

    Args:
        run: the search.
        by: "evaluations", "epochs" or "seconds".

    Returns:
        Two arrays of shape `(num_records,)`.
    """
    x, order = _progress(run, by)
    return x, np.fmin.accumulate(run.losses[order]) * run.sign if len(order) else run.losses


def _progress(run: RunData, by: str) -> tuple[Array, NDArray[np.intp]]:
    """The effort spent after each record, ascending, and the indices of the records in that order."""
    count = len(run.records)
    if by == "evaluations":
        return np.arange(1, count + 1, dtype=np.float64), np.arange(count)
    if by == "epochs":
        return np.cumsum([record.evaluation.epochs for record in run.records], dtype=np.float64), np.arange(count)
    ends, _ = finishing_times(run)
    order = np.argsort(ends, kind="stable")
    return ends[order], order


def by_evaluations(run: RunData, references: dict[str, float] | None = None) -> Figure:
    """Convergence over trained networks; `references` are named scores that are drawn as horizontal lines."""
    caption = "The blue line changes while the search finds better networks; it is level otherwise."
    figure = _convergence(run, "evaluations", "networks", caption, references or {})
    return replace(figure, **_milestones(run, references or {}))


def _milestones(run: RunData, references: dict[str, float]) -> dict[str, Any]:
    """Header and rows of a table of the progress after 1, 2, 5, 10, 20, 50, ... networks, and after all."""
    count = len(run.records)
    numbers = [each for power in range(len(str(count))) for each in (10**power, 2 * 10**power, 5 * 10**power)]
    shown = [*(each for each in numbers if each < count), count]
    best, epochs = best_by(run, "evaluations")[1], best_by(run, "epochs")[0]
    width = max(1, run.settings.population)
    others = {} if run.baseline is None or not run.baseline.records else {"random search": run.baseline}
    theirs = {name: best_by(other, "evaluations")[1] for name, other in others.items()}
    rows = []
    for each in shown:
        median = _running_median(run.scores[:each], width)[-1]
        row = [f"{each:,}", f"{epochs[each - 1]:,.0f}", format_score(best[each - 1]), format_score(median)]
        row += [format_score(values[each - 1]) if each <= len(values) else "" for values in theirs.values()]
        rows.append([*row, *map(format_score, references.values())])
    header = ["networks", "epochs of all", "best so far", f"median of the last {width}", *theirs, *references]
    return {"header": header, "rows": rows}


def by_epochs(run: RunData, references: dict[str, float] | None = None) -> Figure:
    """Convergence over the total number of epochs of all networks."""
    caption = "The same over the training epochs of all networks: a cost that is independent of the machine."
    return _convergence(run, "epochs", "epochs of all networks", caption, references or {})


def by_seconds(run: RunData, references: dict[str, float] | None = None) -> Figure:
    """Convergence over the time of the search."""
    measured = "as measured" if finishing_times(run)[1] else "estimated from the training times"
    caption = f"The same over the time of the search, {measured}."
    return _convergence(run, "seconds", "seconds of search", caption, references or {})


def _convergence(run: RunData, by: str, unit: str, caption: str, references: dict[str, float]) -> Figure:
    x, order = _progress(run, by)
    best, scores = best_by(run, by)[1], run.scores[order]
    name = label(run.objective.name)
    steps = np.flatnonzero(np.diff(best, prepend=np.nan) != 0)
    shown = thin_out(len(x), _MOST_POINTS)
    traces: list[dict[str, Any]] = [
        points(
            round_values(x[shown]),
            round_values(scores[shown]),
            "a network",
            GREY,
            size=5,
            marker={"opacity": 0.45},
            customdata=order[shown],
        )
    ]
    kept = thin_out(len(x), _MOST_STEPS, always=steps[thin_out(len(steps), _MOST_STEPS)].tolist())
    traces.append(
        line(round_values(x[kept]), round_values(best[kept]), "best so far", BLUE, width=3, line={"shape": "hv"})
    )
    middle = _running_median(scores, run.settings.population)
    kept = thin_out(len(x), _MOST_STEPS)
    last = max(1, run.settings.population)
    traces.append(line(round_values(x[kept]), round_values(middle[kept]), f"median of the last {last}", ORANGE))
    if run.baseline is not None and run.baseline.records:
        other = run.baseline
        there, theirs = best_by(other, by)
        kept = thin_out(len(there), _MOST_STEPS)
        style = {"shape": "hv", "dash": "dash"}
        traces.append(line(round_values(there[kept]), round_values(theirs[kept]), "random search", GREEN, line=style))
    for (what, score), color in zip(references.items(), (PINK, VERMILION, SKY), strict=False):
        ends = [0.0, float(x[-1]) if len(x) else 1.0]
        traces.append(line(ends, [score, score], label(what), color, line={"dash": "dot"}))
    values = np.concatenate([run.scores, np.array(list(references.values()), np.float64)])
    layout = {"xaxis": axis(unit, rangemode="tozero"), "yaxis": axis(name, range=visible_range(values, run.sign))}
    title = f"Best {run.objective.name} by {by}"
    return Figure(f"convergence-{by}", label(title), caption, traces, layout)


def _running_median(scores: Array, population: int) -> Array:
    """The running median of the last `population` scores, shape `(num_records,)`."""
    width, found = max(1, population), np.full(len(scores), np.nan)
    for index in thin_out(len(found), _MOST_STEPS):
        window = scores[max(0, index + 1 - width) : index + 1]
        if np.isfinite(window).any():
            found[index] = float(np.nanmedian(window))
    return found
