"""The final model of a run in numpy: its best network, or a mean of several. Imports no Keras."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData
from evonas.metrics.calibration import temperature_of
from evonas.metrics.problem_scores import compute_scores
from evonas.metrics.scores import mean_loss
from evonas.networks.combined import CombinedNetwork, combine
from evonas.networks.ensemble_selection import select_ensemble
from evonas.runs.ensemble_networks import (
    fold_members,
    members_on_all_rows,
    networks_to_choose_from,
    with_networks_of_search,
)
from evonas.runs.final_model import FinalModel
from evonas.runs.records import Record
from genomes.encodings import blueprint, space_from_json

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["best_network", "choose_ensemble", "final_network", "has_rows_to_choose", "score_final_model"]

#: Rows scored between two checks of the clock: about 0.2 s of processor time with neighbour features.
_ROWS_AT_A_TIME = 1024
#: Minimum number of validation rows to choose the members of a mean: a choice on 165 to 400 rows was no better than
#: equal shares of the finalists, see benchmarks/results/LOG.md.
_ROWS_TO_CHOOSE = 1000
#: Maximum number of networks to choose from: scoring one takes 0.1 s.
_CANDIDATES = 24


def final_network(run: RunReader, model: FinalModel, data: PreparedData) -> CombinedNetwork:
    """The final model, calibrated if the run's settings say so.

    Args:
        run: the run.
        model: the networks of the final model.
        data: data of the run.

    Raises:
        InputError: the weights of a member are missing.
    """
    found = _combine_members(run, model.members, data, model.shares)
    return _calibrate(found, run, data, model.folds)


def best_network(run: RunReader, record: Record, data: PreparedData) -> CombinedNetwork:
    """The same for a single network.

    Raises:
        InputError: its weights were not kept.
    """
    return _calibrate(_combine_members(run, [record], data), run, data)


def score_final_model(
    run: RunReader, model: FinalModel, data: PreparedData, gives_up: Callable[[], bool] = lambda: False
) -> dict[str, float]:
    """Scores of the mean prediction on the test split; empty if there is none, or if `gives_up` returns true."""
    x, y = data.x_test, data.y_test
    if x is None or y is None:
        return {}
    network = final_network(run, model, data)
    raw = _outputs_unless(gives_up, network, data, x)
    return {} if raw is None else compute_scores(data.problem, y, raw)


def has_rows_to_choose(data: PreparedData) -> bool:
    """Whether there are enough validation rows to choose the members of the mean of `Settings.average`."""
    return len(data.splits[0].y_validation) >= _ROWS_TO_CHOOSE


def choose_ensemble(
    run: RunReader, data: PreparedData, gives_up: Callable[[], bool] = lambda: False
) -> tuple[list[str], list[float]]:
    """Names of weights, and their shares in the ensemble of `Settings.ensemble`, chosen on the validation rows.

    The same for the mean of `Settings.average`, if it would be of networks trained on the training rows, and there are
    enough validation rows. Once `gives_up` returns true, the choice is between the best networks that have been scored
    by then. The mean of a classifier's networks trained on all rows gets the search's best networks, without scoring.
    Empty if there is no choice (members of folds, or a single network).
    """
    split, objective = data.splits[0], run.objective
    size = run.settings.ensemble or 0
    if not size and run.final_model and run.final_model.all_rows:
        return _half_of_search(run)
    if not size and has_rows_to_choose(data) and run.final_model:
        size = run.settings.average or 0
    held = networks_to_choose_from(run)
    if not size or len(held) < 2 or fold_members(run, size):
        return [], []
    outputs: dict[str, NDArray[Any]] = {}
    for name, record in sorted(held.items(), key=lambda item: _loss_of(item[1]))[:_CANDIDATES]:
        network = _combine_members(run, [record], data)
        raw = _outputs_unless(gives_up, network, data, split.x_validation)
        if raw is None:
            break
        outputs[name] = raw
    if len(outputs) < 2:
        return [], []

    plain = data.problem.num_outputs == 1 and not data.problem.quantiles
    is_training_loss = objective.name == "log_loss" or (objective.name == "rmse" and plain)

    def loss(raw: NDArray[Any]) -> float:
        if is_training_loss:  # has the same order, and takes a tenth of the time of all scores
            value = mean_loss(data.problem, "auto", split.y_validation, raw)
            return value if math.isfinite(value) else math.inf
        return objective.loss(compute_scores(data.problem, split.y_validation, raw).get(objective.name))

    counts = dict(zip(outputs, select_ensemble(list(outputs.values()), loss, data.problem, size), strict=True))
    return list(held), [counts.get(name, 0) / sum(counts.values()) for name in held]


def _half_of_search(run: RunReader) -> tuple[list[str], list[float]]:
    """Equal shares for the networks trained on all rows and for the search's best ones, for classifiers.

    Without rows for early stopping, networks become too certain of their classes. Numbers are predicted better without
    networks that have seen fewer rows, see benchmarks/results/LOG.md.
    """
    members = members_on_all_rows(run, run.finalists)
    known = with_networks_of_search(run, members)
    others = len(known) - len(members)
    if not others:
        return [], []
    return list(known), [0.5 / len(members)] * len(members) + [0.5 / others] * others


def _loss_of(record: Record) -> float:
    return math.inf if record.loss is None else record.loss


def _outputs_unless(
    gives_up: Callable[[], bool], network: CombinedNetwork, data: PreparedData, rows: NDArray[Any]
) -> NDArray[Any] | None:
    """Outputs for rows other than training rows; None if `gives_up`, which is called every few rows, returns true.

    Neighbour features take seconds on a busy machine, which a run near its time limit does not have.
    """
    outputs = []
    for first in range(0, len(rows), _ROWS_AT_A_TIME):
        if gives_up():
            return None
        some = rows[first : first + _ROWS_AT_A_TIME]
        outputs.append(network.raw_outputs(data.new_rows(some, *network.views)))
    return np.concatenate(outputs)


def _combine_members(
    run: RunReader, members: Sequence[Record], data: PreparedData, shares: Sequence[float] = ()
) -> CombinedNetwork:
    space = space_from_json(run.space_json)
    networks = [(blueprint(space, space.genome_from_json(each.genome)), run.weights(each)) for each in members]
    return combine(networks, data.problem, shares)


def _calibrate(
    network: CombinedNetwork, run: RunReader, data: PreparedData, folds: Sequence[int] = ()
) -> CombinedNetwork:
    """The network with the temperature that fits the validation rows, if requested by the run's settings."""
    if not run.settings.calibrate or data.refits:
        return network
    pairs = []
    for index, fold in enumerate(folds or (0,)):
        alone = network if not folds else _member(network, index)
        split = data.splits[fold]
        raw = alone.raw_outputs(data.new_rows(split.x_validation, *network.views, fold=fold))
        pairs.append((split.y_validation, raw))
    labels, logits = (np.concatenate([np.asarray(pair[k]) for pair in pairs]) for k in (0, 1))
    return replace(network, temperature=temperature_of(data.problem, labels, logits))


def _member(network: CombinedNetwork, place: int) -> CombinedNetwork:
    """One of its networks; all of them see the same features."""
    own = slice(place, place + 1)
    parts = {name: getattr(network, name)[own] for name in ("graphs", "weights", "columns")}
    return replace(network, **parts, shares=(1.0,))
