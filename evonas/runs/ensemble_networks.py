"""The networks of a run from which an ensemble is chosen or built."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evonas.runs.finalists import all_rows_members, ensemble_members, record_of_retraining
from evonas.runs.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evonas.runs.finalists import Finalist
    from evonas.runs.reader import RunReader

__all__ = ["fold_members", "members_on_all_rows", "most_members", "networks_to_choose_from", "with_networks_of_search"]


def networks_to_choose_from(run: RunReader) -> dict[str, Record]:
    """Name of weights -> record, for the best networks and all retrained finalists, best first."""
    held = [(record, record.weights) for record in run.best(run.settings.keep)]
    # These have been trained on the rows on which the others are compared.
    seen: set[str | None] = {name for name, _, _ in fold_members(run, run.settings.ensemble or 0)}
    seen |= {record.weights for record in members_on_all_rows(run, run.finalists)}
    for finalist in run.finalists:
        for each in run.retrainings.trained(finalist.record.digest):
            if each.weights not in seen:
                held.append((record_of_retraining(finalist.record, each), each.weights))
    return {name: record for record, name in held if name}


def fold_members(run: RunReader, size: int) -> list[tuple[str, Record, int]]:
    """Name of weights, record and fold of each network trained on one fold for an ensemble.

    Empty without cross-validation, or if there was no time for two of them.
    """
    folds, count = run.settings.cv, run.settings.ensemble or 0
    if folds is None or not count or not run.finalists or run.retrainings.asked is None:
        return []
    best, (_, _, retrainings) = run.ranked(1), run.retrainings.asked
    trained = {each.seed: each for each in run.retrainings.trained(best.digest)}
    members = ensemble_members(run.settings.seed or 0, best.digest, retrainings, count, folds)
    found = [
        (each.weights, record_of_retraining(best, each), fold)
        for seed, fold in members[:size]
        if fold is not None and (each := trained.get(seed)) is not None and each.weights
    ]
    return found if len(found) > 1 else []


def members_on_all_rows(run: RunReader, finalists: Sequence[Finalist]) -> tuple[Record, ...]:
    """Records of the networks that were trained on training and validation rows together, in order."""
    settings, asked = run.settings, run.retrainings.asked
    if not settings.all_rows or not settings.average or asked is None:
        return ()
    found = []
    for finalist, seed in all_rows_members(finalists, settings.seed or 0, asked[2], settings.average):
        each = run.retrainings.retraining(finalist.record.digest, seed, finalist.best_epoch)
        if each is not None and each.weights:
            found.append(record_of_retraining(finalist.record, each))
    return tuple(found)


def with_networks_of_search(run: RunReader, members: Sequence[Record]) -> dict[str, Record]:
    """Name of weights -> record, for networks trained on all rows, and the search's best: half of `Settings.average`.

    The latter have seen fewer rows, but were stopped early by rows that they had not seen.
    """
    return {each.weights: each for each in (*members, *run.best(_of_search(run))) if each.weights}


def most_members(run: RunReader) -> int:
    """Maximum number of networks of the final model, or the number of networks of an ensemble."""
    return (run.settings.average or run.settings.ensemble or 0) + _of_search(run)


def _of_search(run: RunReader) -> int:
    """Number of the search's networks in the mean of a classifier with networks trained on all rows."""
    is_regression = run.problem_json.get("task") == "regression"
    return 0 if is_regression or not run.settings.all_rows else math.ceil((run.settings.average or 0) / 2)
