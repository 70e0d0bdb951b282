"""Figures of predictions: confusion, ROC and calibration; predicted against true values, and residuals; columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.io.printable import printable
from evonas.reporting.figure import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SCALE,
    SKY,
    VERMILION,
    Figure,
    axis,
    label,
    line,
    points,
    round_values,
    thin_out,
)
from evonas.reporting.predictions import Predictions

__all__ = ["calibration", "columns", "confusion", "predicted_against_true", "prediction_figures", "residuals", "roc"]

_MOST_POINTS, _MOST_CLASSES, _MOST_CURVES, _BINS, _MOST_COLUMNS = 1500, 30, 6, 10, 20
_COLORS = (BLUE, ORANGE, GREEN, VERMILION, PINK, SKY)


def prediction_figures(found: Predictions) -> list[Figure]:
    """The figures for the task."""
    if found.problem.task == "regression":
        return [predicted_against_true(found), residuals(found)]
    figures = [roc(found), calibration(found)]
    return [confusion(found), *figures] if len(found.problem.classes) <= _MOST_CLASSES else figures


def predicted_against_true(found: Predictions) -> Figure:
    """Predicted against true values of the first target of a regression, or of its median."""
    true, predicted = found.true[:, 0], found.point[:, 0]
    shown = thin_out(len(true), _MOST_POINTS)
    ends = [float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))]
    traces = [
        points(
            round_values(true[shown]), round_values(predicted[shown]), "a row", BLUE, size=4, marker={"opacity": 0.4}
        ),
        line(round_values(ends), round_values(ends), "perfect", GREY, line={"dash": "dot"}),
    ]
    name = label(found.problem.target_names[0]) if found.problem.target_names else "target"
    layout = {"xaxis": axis(f"true {name}"), "yaxis": axis(f"predicted {name}")}
    caption = f"{_rows(found)}: the closer to the dotted line, the better the prediction."
    errors = np.abs(predicted - true)
    quantiles = (0.5, 0.9, 0.99)
    rows = [[f"{q:.0%} of the rows", f"{np.quantile(errors, q):.4g}"] for q in quantiles]
    return Figure(
        "predicted-against-true", "Predicted against true", caption, traces, layout, ["", "error at most"], rows
    )


def residuals(found: Predictions) -> Figure:
    """Residuals over predictions of the first target of a regression, or of its median."""
    true, predicted = found.true[:, 0], found.point[:, 0]
    shown = thin_out(len(true), _MOST_POINTS)
    traces = [points(round_values(predicted[shown]), round_values((predicted - true)[shown]), "a row", BLUE, size=4)]
    traces[0]["marker"]["opacity"] = 0.4
    ends = round_values([float(predicted.min()), float(predicted.max())])
    traces.append(line(ends, [0, 0], "no error", GREY, line={"dash": "dot"}))
    layout = {"xaxis": axis("predicted"), "yaxis": axis("predicted minus true")}
    habit = "errors should scatter evenly around zero; a slope or a funnel shows systematic errors."
    caption = f"{_rows(found)}: {habit}"
    return Figure("residuals", "Residuals", caption, traces, layout)


def confusion(found: Predictions) -> Figure:
    """The confusion matrix: rows by true and predicted class."""
    classes = [label(name, 20) for name in found.problem.classes]
    chosen = found.predicted.argmax(axis=1)
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (found.true, chosen), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    trace: dict[str, Any] = {
        "type": "heatmap",
        "z": [round_values(row, 3) for row in share],
        "x": classes,
        "y": classes,
        "colorscale": SCALE,
        "zmin": 0,
        "zmax": 1,
        "colorbar": {"title": {"text": "share of row"}},
        "customdata": counts.tolist(),
        "hovertemplate": "true %{y}<br>predicted %{x}<br>%{customdata} rows (%{z:.1%})<extra></extra>",
    }
    if len(classes) <= 10:
        trace |= {"text": counts.tolist(), "texttemplate": "%{text}"}
    layout = {
        "xaxis": axis("predicted class", type="category"),
        "yaxis": axis("true class", type="category", autorange="reversed"),
    }
    caption = f"{_rows(found)}, by class: rows off the diagonal were misclassified."
    names = [printable(name) for name in found.problem.classes]
    rows = [[f"true {name}", *map(str, row)] for name, row in zip(names, counts.tolist(), strict=True)]
    header = ["", *(f"predicted {name}" for name in names)]
    return Figure("confusion", "Confusion matrix", caption, [trace], layout, header, rows)


def roc(found: Predictions) -> Figure:
    """The ROC curves: of the second of two classes, or of each of several classes against the rest."""
    classes, probabilities = found.problem.classes, found.predicted
    which = [1] if len(classes) == 2 else list(range(min(len(classes), _MOST_CURVES)))
    traces, areas = [], list[list[str]]()
    for number, index in enumerate(which):
        rates = _roc(found.true == index, probabilities[:, index])
        if rates is not None:
            false, true, area = rates
            name = f"{label(classes[index], 20)} (area {area:.3f})"
            traces.append(line(round_values(false, 4), round_values(true, 4), name, _COLORS[number]))
            areas.append([printable(classes[index]), f"{area:.4f}"])
    traces.append(line([0, 1], [0, 1], "chance", GREY, line={"dash": "dot"}))
    layout = {"xaxis": axis("false positive rate", range=[0, 1]), "yaxis": axis("true positive rate", range=[0, 1.01])}
    best = "the closer a curve is to the upper left corner, the better the class is separated from the others."
    caption = f"{_rows(found)}: {best}"
    return Figure("roc", "ROC curve", caption, traces, layout, ["class", "area under the curve"], areas)


def calibration(found: Predictions) -> Figure:
    """Predicted probability against observed frequency, in ten bins with equal numbers of rows."""
    probabilities = found.predicted
    if probabilities.shape[1] == 2:
        given, came = probabilities[:, 1], found.true == 1
        what = f"predicted probability of {label(found.problem.classes[1], 20)}"
    else:
        given, came = probabilities.max(axis=1), probabilities.argmax(axis=1) == found.true
        what = "probability of the predicted class"
    order = np.argsort(given, kind="stable")
    bins = [part for part in np.array_split(order, min(_BINS, max(1, len(order) // 5))) if len(part)]
    x, y = ([float(values[part].mean()) for part in bins] for values in (given, came))
    margin = [1.96 * float(np.sqrt(max(p * (1 - p), 1e-4) / len(part))) for p, part in zip(y, bins, strict=True)]
    traces = [
        line(round_values(x, 4), round_values(y, 4), "came true", BLUE, mode="lines+markers"),
        line([0, 1], [0, 1], "perfect", GREY, line={"dash": "dot"}),
    ]
    traces[0]["error_y"] = {"array": round_values(margin, 3), "color": BLUE, "thickness": 1}
    layout = {"xaxis": axis(what, range=[0, 1]), "yaxis": axis("share that came true", range=[0, 1.05])}
    meaning = "on the dotted line, 70% means 70%; below it, the model is overconfident. Bars are 95% intervals."
    caption = f"{_rows(found)}: {meaning}"
    rows = [[f"{p:.1%}", f"{share:.1%}", f"{len(part):,}"] for p, share, part in zip(x, y, bins, strict=True)]
    header = ["predicted", "came true", "rows"]
    return Figure("calibration", "Calibration", caption, traces, layout, header, rows)


def columns(importance: dict[str, tuple[float, float]], objective: str, found: Predictions) -> Figure:
    """Permutation importance of the columns, the most important on top."""
    shown = list(importance.items())[:_MOST_COLUMNS][::-1]
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": [label(name, 28) for name, _ in shown],
        "x": round_values(mean for _, (mean, _) in shown),
        "error_x": {"array": round_values(spread for _, (_, spread) in shown), "thickness": 1, "color": GREY},
        "marker": {"color": BLUE},
        "showlegend": False,
    }
    layout = {"xaxis": axis(f"{label(objective)} lost"), "yaxis": axis("", type="category"), "height": _height(shown)}
    caption = f"{_rows(found)}: how much worse {label(objective)} gets if a column is shuffled; 0 means not needed."
    if len(importance) > len(shown):
        caption += f" The first {len(shown)} of {len(importance)} columns."
    rows = [[name, f"{mean:.4g}", f"{spread:.2g}" if spread else ""] for name, (mean, spread) in shown[::-1]]
    header = ["column", f"{objective} lost", "spread between shuffles"]
    return Figure("columns", "Columns that the model needs", caption, [trace], layout, header, rows)


def _rows(found: Predictions) -> str:
    """The beginning of a caption, such as "The best network on rows of the test split"."""
    return f"{found.model[0].upper()}{found.model[1:]} on rows of the {found.split} split"


def _height(rows: list[Any]) -> int:
    return 140 + 24 * len(rows)


def _roc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> tuple[Any, Any, float] | None:
    """False and true positive rates at decreasing thresholds, and the area; None if one class is absent."""
    many, others = int(positive.sum()), int((~positive).sum())
    if not many or not others:
        return None
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    true = np.concatenate([[0.0], np.cumsum(positive[order])[ends] / many])
    false = np.concatenate([[0.0], np.cumsum(~positive[order])[ends] / others])
    shown = thin_out(len(true), 300)
    return false[shown], true[shown], float(np.trapezoid(true, false))
