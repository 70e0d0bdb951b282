"""Figures of the cost of the search and of its networks: Pareto front, timeline, failures and phases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.display.scores import best_words, format_score
from evonas.evaluation import Status
from evonas.io.printable import printable
from evonas.reporting.figure import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    Figure,
    axis,
    label,
    line,
    log_axis,
    points,
    round_values,
    thin_out,
)
from evonas.reporting.rundata import RunData
from evonas.reporting.schedule import Schedule, schedule_of

__all__ = ["failures", "pareto", "pareto_indices", "phases", "timeline"]

_MOST_POINTS, _MOST_BARS, _MOST_REASONS, _MOST_TALL_LANES = 1000, 600, 10, 16
#: Maximum number of networks of a front in the table.
_MOST_ROWS = 12


def pareto(run: RunData) -> Figure | None:
    """The objective over the second objective or the number of parameters; None before any network has a score."""
    second = (run.settings.objectives or ("", "parameters"))[1]
    values = np.array([_value(record, second) for record in run.records], np.float64)
    indices = np.flatnonzero(np.isfinite(run.losses) & np.isfinite(values))
    if not len(indices):
        return None
    front = pareto_indices(run.losses, values * _sign(second), indices)
    others = [int(index) for index in indices if int(index) not in set(front)]
    shown = [others[k] for k in thin_out(len(others), _MOST_POINTS)]
    score = run.scores
    costs = values[indices]
    is_log = costs.min() > 0 and costs.max() > 20 * costs.min()
    cost_axis = log_axis(label(second), costs.tolist()) if is_log else axis(label(second))
    traces = [
        points(round_values(values[shown]), round_values(score[shown]), "a network", GREY, size=5, customdata=shown),
        line(
            round_values(values[front]),
            round_values(score[front]),
            "front",
            ORANGE,
            mode="lines+markers",
            customdata=front,
        ),
    ]
    traces[1]["marker"] = {"size": 9, "color": ORANGE, "symbol": "diamond"}
    traces[1]["line"] |= {"shape": "hv"}
    layout = {"xaxis": cost_axis, "yaxis": axis(label(run.objective.name))}
    caption = (
        "The orange networks are the front: no other is better in both. Choose the cheapest that is good enough "
        "(a click shows its genome)."
    )
    chosen = [front[k] for k in thin_out(len(front), _MOST_ROWS)]
    rows = [
        [f"network {index + 1}", best_words(run.records[index]), format_score(score[index]), f"{values[index]:,.6g}"]
        for index in chosen
    ]
    header = ["", "network", run.objective.name, second]
    return Figure("pareto", f"Score against {label(second)}", caption, traces, layout, header, rows)


def pareto_indices(losses: NDArray[np.float64], others: NDArray[np.float64], indices: NDArray[np.intp]) -> list[int]:
    """The Pareto-optimal indices among `indices`, sorted by the second value; both values are minimised."""
    front: list[int] = []
    best = np.inf
    for index in indices[np.lexsort((losses[indices], others[indices]))]:
        if losses[index] < best:
            best = losses[index]
            front.append(int(index))
    return front


def timeline(run: RunData) -> Figure | None:
    """Training runs on one lane per network trained concurrently; None before any."""
    if not run.records:
        return None
    schedule = schedule_of(run, finalists=True)
    # If there are many, only the longest: thin bars would be invisible.
    lengths = schedule.ends - schedule.starts
    shown = np.sort(np.argsort(-lengths, kind="stable")[:_MOST_BARS])
    traces = []
    scored = np.isfinite(run.losses[schedule.records])
    groups: dict[str, tuple[str, list[int]]] = {
        "trained": (BLUE, [int(p) for p in shown if scored[p] and not schedule.again[p]]),
        "failed": (VERMILION, [int(p) for p in shown if not scored[p]]),
        "finalist, trained again": (ORANGE, [int(p) for p in shown if scored[p] and schedule.again[p]]),
    }
    for name, (color, indices) in groups.items():
        if indices:
            trace = {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "base": round_values(schedule.starts[indices], 5),
                "x": round_values(lengths[indices], 4),
                "y": [schedule.names[lane] for lane in schedule.lanes[indices]],
                "customdata": [int(each) for each in schedule.records[indices]],
                "marker": {"color": color, "line": {"color": "rgba(255,255,255,0.7)", "width": 0.5}},
                "text": [f"network {schedule.records[p] + 1}" for p in indices],
                "textposition": "none",
                "hovertemplate": "%{text}: %{x:.3g} s from %{base:.4g} s on, %{y}<extra></extra>",
            }
            traces.append(trace)
    layout = {
        "barmode": "overlay",
        "xaxis": axis("seconds of search", rangemode="tozero"),
        "yaxis": axis(
            "", type="category", categoryorder="array", categoryarray=list(schedule.names), autorange="reversed"
        ),
        "height": 170 + (36 if len(schedule.names) <= _MOST_TALL_LANES else 18) * len(schedule.names),
    }
    return Figure("timeline", "Training timeline", _timeline_caption(run, schedule, len(shown)), traces, layout)


def _timeline_caption(run: RunData, schedule: Schedule, shown: int) -> str:
    if schedule.exact:
        caption = "Each bar is a training run, as measured; gaps are times in which a thread had nothing to train."
        missing = run.trained - len(set(schedule.records[~schedule.again].tolist()))
        if missing:
            caption += f" The times of {missing:,} other networks were not recorded."
    else:
        caption = "Each bar is a training run, estimated from training times and order: no start times were recorded."
    if len(schedule.records) > shown:
        caption += f" The {shown} longest of {len(schedule.records):,}."
    return caption


def failures(run: RunData) -> Figure | None:
    """The number of networks without a score, by reason; None if there are none."""
    reasons = Counter(
        f"{each.evaluation.status.value}: {each.evaluation.reason}"
        if each.evaluation.reason
        else each.evaluation.status.value
        for each in run.records
        if each.has_failed or each.evaluation.status is Status.INFEASIBLE
    ).most_common(_MOST_REASONS)[::-1]
    if not reasons:
        return None
    trace: dict[str, Any] = {
        "type": "bar",
        "orientation": "h",
        "y": [label(reason, 60) for reason, _ in reasons],
        "x": [count for _, count in reasons],
        "marker": {"color": VERMILION},
        "showlegend": False,
    }
    layout = {"xaxis": axis("networks"), "yaxis": axis("", type="category"), "height": 140 + 30 * len(reasons)}
    caption = "Networks without a score; many with one reason indicate that a limit is too tight or the space too wide."
    rows = [[printable(reason), f"{count:,}"] for reason, count in reasons[::-1]]
    return Figure("failures", "Why networks failed", caption, [trace], layout, ["reason", "networks"], rows)


def phases(run: RunData) -> Figure:
    """Seconds spent on the search, on finalists and on the rest."""
    colors = {"search": BLUE, "finalists": ORANGE, "rest": GREEN}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "x": round_values([seconds], 5),
            "y": ["time"],
            "marker": {"color": colors.get(name, GREY)},
        }
        for name, seconds in run.times.items()
    ]
    layout = {
        "barmode": "stack",
        "xaxis": axis("seconds"),
        "yaxis": {"visible": False},
        "legend": {"traceorder": "normal"},
        "height": 200,
    }
    caption = "Search is the training of proposed networks; the rest is reading data, starting up and testing."
    rows = [[name, f"{seconds:,.1f}"] for name, seconds in run.times.items()]
    return Figure("phases", "Where the time went", caption, traces, layout, ["phase", "seconds"], rows)


def _value(record: Any, name: str) -> float:
    if record.evaluation.status is not Status.OK:
        return float("nan")
    value = record.evaluation.value_of(name)
    return float("nan") if value is None else float(value)


def _sign(name: str) -> float:
    from evonas.objective import MEASURES, METRICS

    if name in MEASURES or name not in METRICS:
        return 1.0
    return 1.0 if METRICS[name][0] == "min" else -1.0
