"""Comparison of runs: convergence of groups of seeds, significance tests with effect sizes, and champions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.display.scores import best_words, clock, format_score
from evonas.reporting.content import Block, Report, Section, Table, Text
from evonas.reporting.convergence_figures import best_by
from evonas.reporting.figure import (
    BLUE,
    GREEN,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    Figure,
    axis,
    label,
    line,
    round_values,
)
from evonas.reporting.rundata import RunData, read_run
from genomes.errors import InputError

__all__ = ["Comparison", "Contrast", "Group", "compare_runs", "comparison_report", "comparison_values"]

_COLORS = (BLUE, ORANGE, GREEN, VERMILION, PINK, SKY)
_STEPS = 200
#: Settings that differ between repetitions within a group.
_NOT_COMPARED = {"seed"}
#: Parts of a space that depend on the training rows, and thus on the seed.
_OF_ROWS = ("neighbour_columns", "neighbour_sets")
#: Settings whose defaults depend on the strategy.
_FROM_STRATEGY = {"asynchronous", "window", "inherit"}
_LONGEST_NAME = 80
#: Name of an effect size -> minimum absolute value of Cliff's delta.
#: Source: Romano, Kromrey, Coraggio and Skowronek, "Appropriate Statistics for Ordinal Level Data", 2006.
_EFFECTS = ((0.474, "large"), (0.33, "medium"), (0.147, "small"), (0.0, "negligible"))


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that differ only in their seeds.

    Attributes:
        name: the settings that distinguish it from other groups.
        runs: its runs.
        scores: scores to compare, one per run; see `Comparison.score_kind`.
    """

    name: str
    runs: tuple[RunData, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Contrast:
    """A test of two groups.

    Attributes:
        first, second: names of the groups.
        p_value: of a two-sided Mann-Whitney U test, after Holm's correction for all pairs.
        delta: Cliff's delta: share of pairs of runs in which the first is better, minus the share in which it is worse.
        effect: effect size in words.
    """

    first: str
    second: str
    p_value: float
    delta: float
    effect: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """A complete comparison of runs.

    Attributes:
        objective, direction: optimised metric and its direction.
        groups: groups, in the order of their first runs.
        contrasts: tests of all pairs of groups with at least two runs each.
        score_kind: kind of the scores: of retrained finalists, or of the search.
        notes: warnings about the comparability of the runs.
    """

    objective: str
    direction: str
    groups: tuple[Group, ...]
    contrasts: tuple[Contrast, ...]
    score_kind: str
    notes: tuple[str, ...]


def compare_runs(directories: Sequence[str | Path]) -> Comparison:
    """Reads and compares runs.

    Raises:
        InputError: there are fewer than two runs, one has no score, or they have different objectives.
    """
    if len(set(map(str, directories))) < 2:
        raise InputError(f"runs to compare must be at least two, not {len(set(map(str, directories)))}: name more")
    runs = [read_run(directory) for directory in directories]
    objectives = {run.objective for run in runs}
    if len(objectives) > 1:
        several = ", ".join(f"{run.objective.name} in {run.directory}" for run in runs[:4])
        raise InputError(f"runs to compare must have the same objective, not several ({several}): leave the others out")
    for run in runs:
        if run.champion is None:
            raise InputError(f"runs to compare must have a scored network, but {run.directory} has none: resume")
    rescored = all(run.finalists and run.finalists[0].mean is not None for run in runs)
    kind = "best network, trained again (mean over seeds)" if rescored else "best score of the search"
    members: dict[str, list[RunData]] = {}
    for run in runs:
        members.setdefault(_key(run), []).append(run)
    names = _names(list(members.values()))
    groups = tuple(
        Group(name, tuple(each), tuple(_score(run, rescored) for run in each))
        for name, each in zip(names, members.values(), strict=True)
    )
    objective = runs[0].objective
    return Comparison(
        objective.name, objective.direction, groups, _contrasts(groups, runs[0].sign), kind, _notes(runs, groups)
    )


def comparison_values(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values."""
    return {
        "objective": comparison.objective,
        "direction": comparison.direction,
        "score": comparison.score_kind,
        "groups": [
            {
                "name": group.name,
                "runs": [str(run.directory) for run in group.runs],
                "seeds": [run.settings.seed for run in group.runs],
                "scores": list(group.scores),
                "median": float(np.median(group.scores)),
                "trained": [run.trained for run in group.runs],
                "seconds": [run.seconds for run in group.runs],
                "best_genome": dict(_leader(group).champion.genome),  # type: ignore[union-attr]
            }
            for group in comparison.groups
        ],
        "contrasts": [vars(contrast) for contrast in comparison.contrasts],
        "notes": list(comparison.notes),
    }


def comparison_report(comparison: Comparison) -> Report:
    """The comparison as sections of a report."""
    count = sum(len(group.runs) for group in comparison.groups)
    progress = [_convergence(comparison, by) for by in ("evaluations", "epochs", "seconds")]
    return Report(
        f"{comparison.objective} of {count} runs",
        f"{len(comparison.groups)} group{'s' * (len(comparison.groups) != 1)} of seeds; "
        f"compared by: {comparison.score_kind}",
        [
            Section("answer", "Which is better?", _answer(comparison)),
            Section("progress", "How fast?", progress),
            Section("champions", "What each found", [_champions(comparison)]),
        ],
    )


def _answer(comparison: Comparison) -> list[Block]:
    sign = 1.0 if comparison.direction == "min" else -1.0
    ranked = sorted(comparison.groups, key=lambda group: sign * float(np.median(group.scores)))
    blocks: list[Block] = [Text(f"Best median: {ranked[0].name}.", large=True)]
    rows = []
    for group in ranked:
        low, high = min(group.scores), max(group.scores)
        seconds = float(np.median([run.seconds for run in group.runs]))
        networks = float(np.median([run.trained for run in group.runs]))
        middle = format_score(float(np.median(group.scores)))
        rows.append(
            [
                group.name,
                f"{len(group.runs)}",
                middle,
                format_score(low),
                format_score(high),
                f"{networks:,.0f}",
                clock(seconds),
            ]
        )
    header = ["", "runs", f"median {comparison.objective}", "lowest", "highest", "networks", "time"]
    blocks.append(Table(header, rows, "Networks and time are medians."))
    if comparison.contrasts:
        tests = [
            [f"{each.first} / {each.second}", f"{each.p_value:.3g}", f"{each.delta:+.2f}", each.effect]
            for each in comparison.contrasts
        ]
        caption = (
            "Mann-Whitney U test over seeds, two-sided, with Holm's correction. Cliff's delta is +1 where every run of "
            "the first is better than every run of the second; with fewer than five seeds each, hardly any difference "
            "can be significant."
        )
        blocks.append(Table(["groups", "p", "Cliff's delta", "effect"], tests, caption))
    else:
        blocks.append(Text("No test: it requires at least two runs with different seeds in each of two groups."))
    return [*blocks, *(Text(note) for note in comparison.notes)]


def _convergence(comparison: Comparison, by: str) -> Figure:
    traces: list[dict[str, Any]] = []
    for number, group in enumerate(comparison.groups):
        color, name = _COLORS[number % len(_COLORS)], label(group.name, 60)
        dash = {"dash": ("solid", "dash", "dot")[number // len(_COLORS) % 3], "shape": "hv"}
        x, low, middle, high = _band(group, by)
        if len(group.runs) > 1:
            band = {"line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip", "showlegend": False}
            traces.append(line(x, round_values(high), name, color, **band))
            filled = {**band, "fill": "tonexty", "fillcolor": f"rgba({_rgb(color)}, 0.18)"}
            traces.append(line(x, round_values(low), name, color, **filled))
        traces.append(line(x, round_values(middle), f"{name} ({len(group.runs)})", color, line=dash, width=2.5))
    units = {"evaluations": "networks", "epochs": "epochs of all networks", "seconds": "seconds of search"}
    layout = {"xaxis": axis(units[by], rangemode="tozero"), "yaxis": axis(label(comparison.objective))}
    caption = "Median of the best so far over the seeds of a group; the band is from its worst to its best run."
    return Figure(f"convergence-{by}", f"Best {label(comparison.objective)} by {by}", caption, traces, layout)


def _band(group: Group, by: str) -> tuple[list[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The lowest, median and highest best-so-far score of the runs, at steps that all of them reached."""
    lines = [best_by(run, by) for run in group.runs]
    last = min(float(x[-1]) for x, _ in lines)
    grid = np.linspace(0.0, last, _STEPS + 1)[1:]
    values = []
    for x, best in lines:
        indices = np.searchsorted(x, grid, side="right") - 1
        values.append(np.where(indices >= 0, best[np.maximum(indices, 0)], np.nan))
    stacked = np.stack(values)
    known = np.isfinite(stacked).all(axis=0)
    stacked = stacked[:, known]
    return round_values(grid[known]), stacked.min(axis=0), np.median(stacked, axis=0), stacked.max(axis=0)


def _champions(comparison: Comparison) -> Table:
    leaders = [_leader(group) for group in comparison.groups]
    names = _merge_names([list(run.genes) for run in leaders])
    rows: list[list[str]] = [["network", *(best_words(run.champion) for run in leaders)]]
    for name in names:
        cells = []
        for run in leaders:
            assert run.champion is not None, "compared runs have a best network"
            value = run.genes.get(name, [None] * len(run.records))[run.places[run.champion.digest]]
            cells.append("" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value))
        if any(cells):  # the others are active in none of them
            rows.append([name, *cells])
    return Table(["gene", *(group.name for group in comparison.groups)], rows, "The best run of each group.")


def _merge_names(lists: Sequence[Sequence[str]]) -> list[str]:
    """All names, without duplicates, in an order that keeps neighbours of a list together: units_3 after units_2."""
    found: list[str] = []
    for names in lists:
        for before, name in zip(["", *names], names, strict=False):
            if name not in found:
                found.insert(found.index(before) + 1 if before in found else 0, name)
    return found


def _leader(group: Group) -> RunData:
    sign = group.runs[0].sign
    return group.runs[int(np.argmin([sign * score for score in group.scores]))]


def _score(run: RunData, rescored: bool) -> float:
    if rescored and run.finalists[0].mean is not None:
        return run.finalists[0].mean
    return float(np.nanmin(run.losses) * run.sign)


def _compare(run: RunData) -> dict[str, Any]:
    """What distinguishes groups: settings, the bound, and the file and target."""
    left_out = _NOT_COMPARED | _measured_settings(run)
    values: dict[str, Any] = {k: v for k, v in run.settings.model_dump().items() if k not in left_out}
    values |= {f"bound: {name}": bound for name, bound in run.budget.model_dump().items() if bound is not None}
    data = run.source.get("sha256") or run.source.get("path") or ""
    return values | {"data": str(data), "target": ", ".join(run.problem.get("target_names", ()))}


def _measured_settings(run: RunData) -> set[str]:
    """Settings that the run chose by the measured speed of the machine, which differ between repetitions."""
    if run.budget.seconds is None:
        return set()
    first = run.source.get("first_generation")
    names = first.get("measured") if isinstance(first, Mapping) else None
    return {"evaluation_seconds", *map(str, names if isinstance(names, list) else ())}


def _key(run: RunData) -> str:
    import json

    from genomes.codec import canonical_json

    space = canonical_json(_without_rows(run.space.to_json())) if run.space is not None else ""
    return json.dumps([_compare(run), space], sort_keys=True, default=str)


def _without_rows(space: Mapping[str, Any]) -> dict[str, Any]:
    """The space without the parts that were derived from the training rows, which depend on the seed."""
    found = {name: _without_rows(value) if isinstance(value, Mapping) else value for name, value in space.items()}
    return found | {name: bool(found[name]) for name in _OF_ROWS if name in found}


def _names(groups: Sequence[Sequence[RunData]]) -> list[str]:
    """Names of the groups: the strategy, with the settings that distinguish them; or else the directory."""
    values: list[Mapping[str, Any]] = [_compare(each[0]) for each in groups]
    keys = dict.fromkeys(name for each in values for name in each)
    differing = [
        name for name in keys if name not in ("strategy", "data") and len({str(v.get(name)) for v in values}) > 1
    ]
    chosen = [name for name in differing if name not in _FROM_STRATEGY]
    for more in ((), chosen, differing):
        names = [", ".join([str(each["strategy"]), *(f"{name} {each.get(name)}" for name in more)]) for each in values]
        if len(set(names)) == len(names) and max(map(len, names)) <= _LONGEST_NAME:
            return names
    return [f"{each['strategy']}, {members[0].directory.name}" for each, members in zip(values, groups, strict=True)]


def _notes(runs: Sequence[RunData], groups: Sequence[Group]) -> tuple[str, ...]:
    notes = []
    if len({(run.source.get("sha256"), tuple(run.problem.get("target_names", ()))) for run in runs}) > 1:
        notes.append("The runs have different data or targets: their scores cannot be compared.")
    for group in groups:
        seeds = [run.settings.seed for run in group.runs]
        if len(set(seeds)) < len(seeds):
            notes.append(f"{group.name}: two runs have the same seed, and are not independent repetitions.")
    if any(run.running for run in runs):
        notes.append("Some of the runs are still searching.")
    return tuple(notes)


def _contrasts(groups: Sequence[Group], sign: float) -> tuple[Contrast, ...]:
    """Tests all pairs of groups with at least two runs each.

    Source: Mann and Whitney 1947; Cliff, "Dominance Statistics", 1993; Holm 1979.
    """
    pairs = [(a, b) for a, b in combinations(groups, 2) if len(a.scores) > 1 and len(b.scores) > 1]
    if not pairs:
        return ()
    from scipy.stats import mannwhitneyu

    found = []
    for a, b in pairs:
        first, second = (sign * np.array(group.scores) for group in (a, b))
        statistic, p_value = mannwhitneyu(first, second, alternative="two-sided")
        delta = 1.0 - 2.0 * float(statistic) / (len(first) * len(second))  # lower losses are better
        effect = next(name for least, name in _EFFECTS if abs(delta) >= least)
        found.append(Contrast(a.name, b.name, float(p_value), delta, effect))
    corrected = _holm([each.p_value for each in found])
    return tuple(
        Contrast(each.first, each.second, p, each.delta, each.effect) for each, p in zip(found, corrected, strict=True)
    )


def _holm(p_values: Sequence[float]) -> list[float]:
    """The p-values with Holm's correction for multiple testing."""
    order, found, least = np.argsort(p_values), [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        found[index] = least
    return found


def _rgb(color: str) -> str:
    return ", ".join(str(int(color[k : k + 2], 16)) for k in (1, 3, 5))
