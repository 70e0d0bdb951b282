"""Figures of the champion: its network, its learning curves and its lineage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evonas.display.scores import format_score
from evonas.io.printable import printable
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
    log_axis,
    points,
    round_values,
    thin_out,
)
from evonas.reporting.lineage import ancestors, gain, operator_rates
from evonas.reporting.rundata import RunData
from genomes.architecture.layers import row_of

__all__ = ["architecture", "learning_curves", "lineage", "operators"]

_COLORS = (BLUE, ORANGE, GREEN, VERMILION, PINK, SKY)
_MOST_EPOCHS = 200
#: Maximum number of networks of a lineage in the table: the nearest ones.
_MOST_ROWS = 12
_LONGEST_LINE = 30


def architecture(run: RunData) -> Figure | None:
    """The champion's network, from input to output; None for a user-defined model."""
    if run.champion is None or not hasattr(run.space, "architecture"):
        return None
    graph = run.space.architecture(run.space.genome_from_json(run.champion.genome))
    last = len(graph) - 1
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for number, (source, node) in enumerate(sorted(graph.edges)):
        shapes.append(_edge(source, node, last, number))
    for node in range(last + 1):
        color = GREEN if node == 0 else ORANGE if node == last else BLUE
        box = {"x0": -1, "x1": 1, "y0": last - node - 0.3, "y1": last - node + 0.3}
        shapes.append({"type": "rect", **box, "fillcolor": color, "line": {"width": 0}, "layer": "above"})
        text = _wrap_label(_layer(graph.nodes[node], run))
        dark = color == ORANGE
        font = {"color": "#000000" if dark else "#ffffff", "size": 12}
        notes.append({"x": 0, "y": last - node, "text": text, "showarrow": False, "font": font})
    # Reserve space for curves only if there are any: on a phone, the boxes need all of it.
    ends = [-1.05, 1.85 if any(node > source + 1 for source, node in graph.edges) else 1.05]
    corners = points(ends, [-0.5, last + 0.5], "", GREY, marker={"opacity": 0}, hoverinfo="skip", showlegend=False)
    hidden = {"visible": False, "fixedrange": True}
    layout = {
        "shapes": shapes,
        "annotations": notes,
        "xaxis": {**hidden, "range": ends},
        "yaxis": {**hidden, "range": [-0.5, last + 0.5]},
        "height": 90 + 62 * (last + 1),
    }
    caption = "Each box is a layer, data flow from top to bottom; a curve is a connection that skips layers."
    rows = [
        [str(node), printable(_layer(graph.nodes[node], run)), ", ".join(map(str, sorted(graph.predecessors(node))))]
        for node in range(last + 1)
    ]
    return Figure("architecture", "The best network", caption, [corners], layout, ["", "layer", "from"], rows)


def _wrap_label(text: str) -> str:
    """A label on one line, or on two if it is long."""
    if len(text) <= _LONGEST_LINE or ", " not in text:
        return label(text, 2 * _LONGEST_LINE)
    commas = [index for index in range(len(text)) if text.startswith(", ", index)]
    middle = min(commas, key=lambda index: abs(index - len(text) / 2)) + 1
    return f"{label(text[:middle], _LONGEST_LINE)}<br>{label(text[middle + 1 :], _LONGEST_LINE)}"


def _edge(source: int, node: int, top: int, number: int) -> dict[str, Any]:
    """A straight line to the next node, or a curve around the nodes in between."""
    style = {"line": {"color": GREY, "width": 2}, "layer": "below"}
    if node == source + 1:
        return {"type": "path", "path": f"M 0,{top - source} L 0,{top - node}", **style}
    bend = 1.3 + 0.12 * (number % 5)
    path = f"M 1,{top - source} C {bend},{top - source} {bend},{top - node} 1,{top - node}"
    return {"type": "path", "path": path, **style}


def _layer(attributes: Any, run: RunData) -> str:
    kind = attributes.get("kind", "layer")
    if kind == "input":
        numbers = attributes.get("numbers", "standard")
        parts = ["input", f"numbers {numbers}"] if "embedding" not in attributes else ["input"]
        if attributes.get("scaling"):
            parts.append("trained factors")
        if "embedding" in attributes:
            parts.append(f"{attributes['embedding']} embedding to {attributes['embedding_units']}")
        if "category_units" in attributes:
            parts.append(f"categories to {attributes['category_units']} each")
        if "members" in attributes:
            parts.append(f"{attributes['members']} members")
        return ", ".join(parts)
    if kind == "output":
        names = ", ".join(run.problem.get("target_names", ())) or "output"
        return f"output: {names}"
    if kind != "dense":
        return row_of(attributes).label(attributes) if "kind" in attributes else str(kind)
    parts = [f"{attributes['units']} {attributes['activation']}"]
    if attributes.get("normalization", "none") != "none":
        parts.append(f"{attributes['normalization']} norm.")
    if attributes.get("dropout"):
        parts.append(f"dropout {attributes['dropout']:g}")
    return ", ".join(parts)


def learning_curves(run: RunData) -> Figure | None:
    """The champion's validation and training loss by epoch, for each seed; None before any network has a score."""
    if run.champion is None:
        return None
    trainings = [("search", run.records[run.places[run.champion.digest]].evaluation)]
    for finalist in run.finalists:
        if finalist.record.digest == run.champion.digest:
            again = [each.evaluation for each in finalist.retrainings if each.evaluation.curve]
            trainings += [(f"seed {number}", each) for number, each in enumerate(again, 1)]
    traces = []
    for number, (name, evaluation) in enumerate(trainings[: len(_COLORS)]):
        color = _COLORS[number]
        for curve, kind in ((evaluation.curve, "validation"), (evaluation.train_curve, "training")):
            shown = thin_out(len(curve), _MOST_EPOCHS)
            if not shown:
                continue
            style = {"dash": "solid" if kind == "validation" else "dot"}
            values = round_values([curve[index] for index in shown], 5)
            traces.append(line([index + 1 for index in shown], values, f"{name}, {kind}", color, line=style, width=1.5))
    caption = "Solid is validation, dotted training: where solid rises while dotted falls, it overfits."
    losses = [value for trace in traces for value in trace["y"] if value is not None]
    layout = {"xaxis": axis("epoch"), "yaxis": log_axis("loss", losses)}
    rows = [
        [name, f"{len(each.curve):,}", f"{each.best_epoch:,}", format_score(each.scores.get(run.objective.name))]
        for name, each in trainings
    ]
    header = ["training", "epochs", "best after", run.objective.name]
    return Figure("learning-curves", "Learning curves of the best network", caption, traces, layout, header, rows)


def lineage(run: RunData) -> Figure | None:
    """The ancestors of the champion, followed by the champion itself; None if there is no champion."""
    family = ancestors(run)
    if not family:
        return None
    traces: list[dict[str, Any]] = []
    for inherited, style in ((False, {"dash": "solid"}), (True, {"dash": "dash"})):
        x: list[Any] = []
        y: list[Any] = []
        for index in family:
            record = run.records[index]
            if (record.origin is not None) != inherited:
                continue
            for digest in record.parents:
                parent = run.places.get(digest)
                if parent is not None and parent in family and parent < index:
                    x += [parent + 1, index + 1, None]
                    y += [run.scores[parent], run.scores[index], None]
        if x:
            name = "child, weights inherited" if inherited else "child"
            traces.append(line(x, round_values(y), name, GREY, line=style, width=1.5, hoverinfo="skip"))
    names = dict.fromkeys(run.records[index].operator for index in family)
    for number, operator in enumerate(names):
        there = [index for index in family if run.records[index].operator == operator]
        symbol = _SYMBOLS[number % len(_SYMBOLS)]
        marker = {"symbol": symbol, "opacity": 1}
        hover = [_gain_words(run, index) for index in there]
        there_scores = round_values(run.scores[there])
        at = [index + 1 for index in there]
        color = _COLORS[number % len(_COLORS)]
        trace = points(at, there_scores, label(operator), color, size=10, marker=marker, customdata=there, text=hover)
        traces.append({**trace, "hovertemplate": "network %{x}: %{y}<br>%{text}<extra></extra>"})
    layout = {"xaxis": axis("network"), "yaxis": axis(label(run.objective.name))}
    caption = (
        "Left to right: the ancestors of the best network (rightmost), by the operator that produced them; "
        "lines join parents and children."
    )
    if len(family) == 1:
        caption = "The best network has no parents: no operator changed another network to produce it."
    header = ["network", "made by", "of", run.objective.name, "gain"]
    rows = [_descent(run, index) for index in family[:_MOST_ROWS]] if len(family) > 1 else []
    return Figure("lineage", "Lineage of the best network", caption, traces, layout, header if rows else (), rows)


def _descent(run: RunData, index: int) -> list[str]:
    """The table row of a network of the lineage."""
    record = run.records[index]
    parents = sorted({run.places[each] + 1 for each in record.parents if each in run.places})
    gained = gain(run, index)
    score = format_score(record.evaluation.scores.get(run.objective.name))
    gains = f"{gained:+.4g}" if math.isfinite(gained) else ""
    return [f"{index + 1:,}", printable(record.operator), ", ".join(map(str, parents)), score, gains]


_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "x")


def _gain_words(run: RunData, index: int) -> str:
    record, gained = run.records[index], gain(run, index)
    words = label(record.operator)
    if np.isfinite(gained):
        words += f", {'better' if gained > 0 else 'worse'} than its parents by {abs(gained):.4g}"
    return words + (", weights inherited" if record.origin is not None else "")


def operators(run: RunData) -> Figure | None:
    """How often each operator produced a network better than its parents; None if no network has parents."""
    rates = [each for each in operator_rates(run) if np.isfinite(each.median_gain)][::-1]
    if not rates:
        return None
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": [label(each.name) for each in rates],
        "x": round_values((each.success_rate for each in rates), 3),
        "text": [f"{each.better} of {each.children}" for each in rates],
        "marker": {"color": BLUE},
        "showlegend": False,
    }
    layout = {
        "xaxis": axis("better than their parents", tickformat=".0%", rangemode="tozero"),
        "yaxis": axis("", type="category"),
        "height": 140 + 30 * len(rates),
    }
    caption = "The longer the bar, the more often this operator produced a network better than its best parent."
    return Figure("operators", "Success of the operators", caption, [trace], layout)
