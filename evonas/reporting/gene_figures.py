"""Figures of the effect of genes on the score: importance, scatter, parallel coordinates, contour and rank plots."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.io.printable import printable
from evonas.reporting.figure import (
    BLUE,
    GREY,
    SCALE,
    Figure,
    axis,
    label,
    log_axis,
    points,
    round_values,
    thin_out,
    visible_range,
)
from evonas.reporting.importance import gene_importance, positions_of
from evonas.reporting.rundata import RunData

__all__ = ["contour", "gene_scatters", "importance", "parallel_coordinates", "rank"]

_MOST_POINTS, _MOST_GENES, _MOST_LINES, _COORDINATES, _GRID, _COLOR_STEPS = 400, 12, 400, 9, 24, 8
#: Minimum number of points of a meaningful scatter plot.
_FEWEST_POINTS = 3


def importance(run: RunData) -> Figure | None:
    """Each gene's share of the total importance; None for too few networks."""
    shares = list(gene_importance(run).items())[:20][::-1]
    if not shares:
        return None
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": [label(name) for name, _ in shares],
        "x": round_values((share for _, share in shares), 4),
        "marker": {"color": BLUE},
        "showlegend": False,
    }
    layout = {
        "xaxis": axis("share of the importance", tickformat=".0%"),
        "yaxis": axis("", type="category"),
        "height": 140 + 24 * len(shares),
    }
    caption = (
        "The longer the bar, the more this gene alone decides whether a network is among the best tenth (PED-ANOVA), "
        "among the networks that the search tried."
    )
    rows = [[printable(name), f"{share:.1%}"] for name, share in shares[::-1]]
    return Figure("importance", "Which genes matter", caption, [trace], layout, ["gene", "share"], rows)


def gene_scatters(run: RunData) -> list[Figure]:
    """The score over the value of each gene, the most important genes first."""
    figures: list[Figure] = []
    for name in _varying_genes(run)[:_MOST_GENES]:
        number, values = len(figures), run.genes[name]
        there = [index for index in _score(run) if values[index] is not None]
        if len(there) < _FEWEST_POINTS:
            continue
        shown = [there[k] for k in thin_out(len(there), _MOST_POINTS)]
        marker: dict[str, Any] = {
            "colorscale": SCALE,
            "showscale": number == 0,
            "colorbar": {"title": {"text": "network"}},
        }
        x = [_show(values[index]) for index in shown]
        trace = points(x, round_values(run.scores[shown]), "a network", [index + 1 for index in shown], marker=marker)
        trace |= {"customdata": shown, "showlegend": False}
        layout = {
            "xaxis": _scale(run, name),
            "yaxis": axis(label(run.objective.name), range=visible_range(run.scores, run.sign)),
            "height": 300,
        }
        caption = "Points crowd where the search concentrated; lighter points are later networks."
        figures.append(Figure(f"gene-{number + 1}", label(name), caption, [trace], layout))
    return figures


def parallel_coordinates(run: RunData) -> Figure | None:
    """Networks as lines through the most important genes, the best in the lightest colour; None for fewer than two
    networks.
    """
    names = _varying_genes(run)[: _COORDINATES - 1]
    order = sorted(_score(run), key=lambda index: -run.losses[index])
    if len(names) < 2 or len(order) < 2:
        return None
    shown = [order[k] for k in thin_out(len(order), _MOST_LINES, always=range(max(0, len(order) - 50), len(order)))]
    heights = [positions_of(name, run.genes[name], run.space) for name in names]
    ranks = np.linspace(0.0, 1.0, len(shown))  # the best is 1
    heights.append(np.full(len(run.records), np.nan))
    heights[-1][shown] = ranks
    traces = []
    for step in range(_COLOR_STEPS):
        chosen = [p for p, r in zip(shown, ranks, strict=True) if min(int(r * _COLOR_STEPS), _COLOR_STEPS - 1) == step]
        x: list[Any] = []
        y: list[Any] = []
        for index in chosen:
            x += [*range(len(heights)), None]
            y += [*(each[index] for each in heights), None]
        style = {
            "color": _cividis(0.25 + 0.75 * step / (_COLOR_STEPS - 1)),
            "width": 0.8 + 1.2 * (step == _COLOR_STEPS - 1),
        }
        trace = {"type": "scatter", "mode": "lines", "x": x, "y": round_values(y, 4), "line": style}
        traces.append({**trace, "opacity": 0.35 + 0.5 * step / _COLOR_STEPS, "hoverinfo": "skip", "showlegend": False})
    ticks = [f"{label(name, 14)}" for name in names]
    notes = [_end_note(run, name, at, end) for at, name in enumerate(names) for end in (0, 1)]
    ends = [-0.4, len(heights) - 0.6]
    layout = {
        "xaxis": {
            "range": ends,
            "tickangle": -35,
            "ticklabeloverflow": "allow",
            "tickvals": list(range(len(heights))),
            "ticktext": [*ticks, "rank"],
            "automargin": True,
        },
        "yaxis": {"visible": False, "range": [-0.09, 1.09]},
        "annotations": notes,
    }
    caption = "Each line is a network; the best networks (light lines) agree on a gene where their lines meet."
    return Figure("parallel-coordinates", "All genes at once", caption, traces, layout)


def contour(run: RunData) -> Figure | None:
    """The smoothed score over the two most important numeric genes; None if there are fewer than two."""
    names, indices, x, y = _two_numbers(run)
    if len(indices) < 20:
        return None
    grid = np.linspace(0.0, 1.0, _GRID)
    away = (grid[:, None, None] - y) ** 2 + (grid[None, :, None] - x) ** 2
    weight = np.exp(-0.5 * away / 0.08**2)
    total = weight.sum(axis=2)
    smooth = (weight * run.scores[indices]).sum(axis=2) / np.maximum(total, 1e-12)
    smooth[total < 0.05] = np.nan
    surface = {
        "type": "contour",
        "x": round_values(grid, 4),
        "y": round_values(grid, 4),
        "z": [round_values(row, 5) for row in smooth],
        "colorscale": SCALE,
        "reversescale": run.sign > 0,
        "connectgaps": False,
        "contours": {"coloring": "heatmap"},
        "line": {"width": 0.5},
        "colorbar": {"title": {"text": label(run.objective.name, 16)}},
        "hoverinfo": "skip",
    }
    shown = thin_out(len(indices), _MOST_POINTS)
    tried = points(round_values(x[shown], 4), round_values(y[shown], 4), "a network", "#ffffff", size=4)
    tried |= {"customdata": [int(indices[k]) for k in shown], "showlegend": False}
    tried["marker"] |= {"line": {"color": "#000000", "width": 0.5}}
    caption = "Light regions promise good scores (smoothed between networks); empty regions were never tried."
    return Figure("contour", "Two genes together", caption, [surface, tried], _gene_axes(run, names))


def rank(run: RunData) -> Figure | None:
    """Networks over the two most important numeric genes, coloured by rank; None if there are fewer than two."""
    names, indices, x, y = _two_numbers(run)
    if len(indices) < 2:
        return None
    ranks = np.empty(len(indices))
    ranks[np.argsort(run.losses[indices], kind="stable")] = np.linspace(1.0, 0.0, len(indices))
    shown = thin_out(len(indices), _MOST_POINTS)
    marker = {
        "colorscale": SCALE,
        "cmin": 0,
        "cmax": 1,
        "colorbar": {"title": {"text": "rank"}, "tickvals": [0, 1], "ticktext": ["worst", "best"]},
    }
    trace = points(
        round_values(x[shown], 4), round_values(y[shown], 4), "a network", round_values(ranks[shown], 3), marker=marker
    )
    trace |= {"customdata": [int(indices[k]) for k in shown], "showlegend": False}
    caption = "Each point is a network, coloured by its rank, which is robust to outliers: the lightest are the best."
    return Figure("rank", "Rank over two genes", caption, [trace], _gene_axes(run, names))


def _score(run: RunData) -> list[int]:
    return [int(index) for index in np.flatnonzero(np.isfinite(run.losses))]


def _varying_genes(run: RunData) -> list[str]:
    """Genes with more than one value, the most important first."""
    shares = gene_importance(run)
    rest = [name for name, values in run.genes.items() if name not in shares and len(set(map(str, values))) > 1]
    return [*shares, *rest]


def _two_numbers(run: RunData) -> tuple[list[str], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Two genes, the scored networks that have both, and the positions of the genes' values in these networks."""
    empty = np.zeros(0)
    names = [name for name in _varying_genes(run) if all(_is_number(value) for value in run.genes[name])]
    always = [name for name in names if sum(value is None for value in run.genes[name]) < 0.5 * len(run.records)][:2]
    if len(always) < 2:
        return [], np.zeros(0, np.intp), empty, empty
    first, second = (positions_of(name, run.genes[name], run.space) for name in always)
    indices = np.flatnonzero(np.isfinite(run.losses) & np.isfinite(first) & np.isfinite(second))
    return always, indices, first[indices], second[indices]


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _gene_axes(run: RunData, names: list[str]) -> dict[str, Any]:
    """Axes of positions in [0, 1], labelled with the genes' values at five positions."""
    axes = {}
    for which, name in zip(("xaxis", "yaxis"), names, strict=True):
        values = np.array([np.nan if value is None else float(value) for value in run.genes[name]])
        positions = positions_of(name, run.genes[name], run.space)
        known = np.flatnonzero(np.isfinite(positions))
        ticks = [known[np.abs(positions[known] - at).argmin()] for at in (0.0, 0.25, 0.5, 0.75, 1.0)]
        spots = dict.fromkeys((float(f"{positions[k]:.4g}"), f"{values[k]:.3g}") for k in ticks)
        texts = {"tickvals": [at for at, _ in spots], "ticktext": [text for _, text in spots]}
        axes[which] = axis(label(name), range=[-0.03, 1.03], **texts)
    return axes


def _scale(run: RunData, name: str) -> dict[str, Any]:
    """The axis of a gene: logarithmic for numbers on a logarithmic scale, categorical for names."""
    values = [value for value in run.genes[name] if value is not None]
    if any(isinstance(value, str | bool) for value in values):
        return axis(label(name), type="category")
    domains = {gene.name: gene.domain for gene in getattr(run.space, "genes", ())}
    is_log = getattr(domains.get(name), "log", False) and min(values, default=0) > 0
    return log_axis(label(name), values) if is_log else axis(label(name))


def _show(value: Any) -> Any:
    return label(value, 20) if isinstance(value, str | bool) else value


def _end_note(run: RunData, name: str, at: int, end: int) -> dict[str, Any]:
    """The gene's value at one end of its coordinate."""
    domains = {gene.name: gene.domain for gene in getattr(run.space, "genes", ())}
    values = [value for value in run.genes[name] if value is not None]
    domain = domains.get(name)
    if domain is not None and not all(_is_number(value) for value in values):
        options = getattr(domain, "options", ())
        value: Any = options[-end] if options else ""
    elif all(_is_number(value) for value in values):
        value = (min, max)[end](values) if domain is None else (domain.greatest if end else domain.least)
    else:
        value = sorted(map(str, values))[-end]
    text = f"{value:.3g}" if isinstance(value, float) and math.isfinite(value) else label(value, 12)
    font = {"size": 10, "color": GREY}
    return {"x": at, "y": 1.06 if end else -0.06, "text": text, "showarrow": False, "font": font}


def _cividis(share: float) -> str:
    """A colour of the scale from dark blue (0) to yellow (1)."""
    stops = ((0, 32, 76), (66, 78, 107), (124, 123, 120), (186, 173, 106), (255, 233, 69))
    at = share * (len(stops) - 1)
    low = min(int(at), len(stops) - 2)
    mixed = (round(a + (at - low) * (b - a)) for a, b in zip(stops[low], stops[low + 1], strict=True))
    return "rgb({}, {}, {})".format(*mixed)
