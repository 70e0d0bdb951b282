"""The table of all candidates of a run, with details that are shown on a click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evonas.reporting.figure import round_values, thin_out
from evonas.reporting.rundata import RunData

__all__ = ["candidate_details", "candidate_table"]

_MOST_SCORES, _CURVE_POINTS = 4, 32


def candidate_table(run: RunData) -> dict[str, Any]:
    """The columns of the table, each with one value per record.

    Text columns are dictionary-encoded, since most values repeat.
    """
    records = run.records
    name = run.objective.name
    others = sorted({score for record in records for score in record.evaluation.scores} - {name})
    numbers: list[tuple[str, Sequence[float | int | None]]] = [
        ("network", range(1, len(records) + 1)),
        ("generation", [record.generation + 1 for record in records]),
        *(
            (score, round_values(record.evaluation.scores.get(score) for record in records))
            for score in [name, *others][:_MOST_SCORES]
        ),
        ("parameters", [record.evaluation.parameters for record in records]),
        ("epochs", [record.evaluation.epochs for record in records]),
        ("seconds", round_values((record.evaluation.train_seconds for record in records), 4)),
    ]
    words = [
        ("status", [record.evaluation.status.value for record in records]),
        ("operator", [record.operator for record in records]),
    ]
    columns: list[dict[str, Any]] = [{"name": each, "values": list(values)} for each, values in numbers]
    columns += [{"name": each, **_index(values)} for each, values in words]
    columns.append({"name": "digest", "words": [record.digest[:12] for record in records]})
    champion = None if run.champion is None else run.places[run.champion.digest]
    return {"columns": columns, "objective": name, "direction": run.objective.direction, "champion": champion}


def candidate_details(run: RunData) -> dict[str, Any]:
    """The details of each record: genes, parents, curves, failure reasons and origin."""
    children: dict[int, list[int]] = {}
    parents = []
    for index, record in enumerate(run.records):
        known = [run.places[digest] for digest in record.parents if digest in run.places]
        parents.append(known)
        for parent in known:
            children.setdefault(parent, []).append(index)
    curves = []
    for record in run.records:
        evaluation = record.evaluation
        pair = [
            round_values([curve[k] for k in _keep(curve)], 4) for curve in (evaluation.curve, evaluation.train_curve)
        ]
        curves.append([_keep(evaluation.curve), *pair])
    return {
        "genes": {
            name: round_values(values) if _numeric(values) else _index(values) for name, values in run.genes.items()
        },
        "parents": parents,
        "children": {str(index): places[:100] for index, places in children.items()},
        "curves": curves,
        "best_epoch": [record.evaluation.best_epoch for record in run.records],
        "reason": _index([record.evaluation.reason for record in run.records]),
        "origin": _index([str(record.origin or "") for record in run.records]),
        "seed": [str(record.seed) for record in run.records],
    }


def _keep(curve: Sequence[float]) -> list[int]:
    return thin_out(len(curve), _CURVE_POINTS)


def _numeric(values: Sequence[Any]) -> bool:
    return all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)


def _index(values: Sequence[Any]) -> dict[str, Any]:
    """Dictionary encoding: distinct words and an index for each value; None becomes an empty word."""
    texts = ["" if value is None else str(value) for value in values]
    places = {text: index for index, text in enumerate(dict.fromkeys(texts))}
    return {"distinct": list(places), "indices": [places[text] for text in texts]}
