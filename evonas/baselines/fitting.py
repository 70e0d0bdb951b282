"""Training of both baselines on a split or on each cross-validation fold, with the same scores as for networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np

from evonas.baselines.bag_of_words import BagOfWordsModel
from evonas.baselines.boosting import BaselineRows, Boosting
from evonas.baselines.features import TreeColumns, tree_columns
from evonas.baselines.linear import Linear
from evonas.data.prepared import PreparedData, Problem, Split
from evonas.data.splits import join_split
from evonas.metrics.problem_scores import compute_scores
from evonas.runs.baselines import BaselineModel
from evonas.seeds import RandomStream, stream_rng

__all__ = ["MOST_CELLS", "MOST_ROWS", "fit_baselines", "fit_boosting", "is_table"]

#: Largest numbers of training rows, of cells, and of validation rows for early stopping.
MOST_ROWS, MOST_CELLS, _MOST_HELD_ROWS = 100_000, 10_000_000, 20_000
#: Largest number of values per sample for gradient boosting, which would take minutes for more.
MOST_PIXELS = 400


def is_table(data: PreparedData) -> bool:
    """Whether the rows are a single numeric array, as baselines require."""
    return not data.problem.input_shapes


def supports_boosting(problem: Problem) -> bool:
    """Whether gradient boosting suits the features: neither word ids nor images with many pixels."""
    return not problem.vocabulary and (not problem.sample_shape or problem.num_features <= MOST_PIXELS)


def fit_baselines(
    data: PreparedData, seed: int = 0, seconds: float = float("inf"), *, all_rows: bool = False
) -> Iterator[BaselineModel]:
    """Trains the linear model and then gradient boosting, which is yielded after each portion of its trees.

    Args:
        data: prepared data of a table.
        seed: seed of the sample of rows if there are too many.
        seconds: processor time of this process after which no further portion of trees is started.
        all_rows: whether test scores are those of models retrained on training and validation rows, like the final
            model of the run.

    Yields:
        Models with scores; each replaces the previous one with the same name.
    """
    began = time.process_time()
    yield _linear(data, seed, all_rows)
    if not supports_boosting(data.problem):
        return
    yield from fit_boosting(data, seed, seconds - (time.process_time() - began), all_rows=all_rows)


def fit_boosting(
    data: PreparedData, seed: int = 0, seconds: float = float("inf"), *, all_rows: bool = False
) -> Iterator[BaselineModel]:
    """Gradient boosting after each portion of its trees; with several folds, after all. See `fit_baselines`."""
    columns, folds, rows, began = tree_columns(data), [], 0, time.process_time()
    for fold in data.splits:
        training = _draw(_training_rows(fold), seed, MOST_ROWS, MOST_CELLS)
        rows = len(training.y)
        held = _draw(BaselineRows(np.asarray(fold.x_validation), fold.y_validation), seed, _MOST_HELD_ROWS, MOST_CELLS)
        held = _with_known_classes(data.problem, held, training)
        model = Boosting(data.problem, _columns(training, columns), _columns(held, columns), columns.categorical, seed)
        folds.append(model)
        while not model.complete:
            model.grow()
            late = time.process_time() - began > seconds
            if len(data.splits) == 1 and not model.complete and not late:
                yield _boost(data, folds, columns, rows, began)
            if late:
                break
        if time.process_time() - began > seconds and len(folds) < len(data.splits):
            return  # a mean over some of the folds would not be comparable
    found = _boost(data, folds, columns, rows, began)
    if all_rows and found.complete and len(folds) == 1:
        again = folds[0].refit(_columns(_all_rows(data, seed), columns))
        found = _with_refit(found, data, partial(_boost_outputs, again, columns), began)
    yield found


def _boost(
    data: PreparedData, folds: Sequence[Boosting], columns: TreeColumns, rows: int, began: float
) -> BaselineModel:
    found = _score(data, [partial(_boost_outputs, model, columns) for model in folds])
    trees = round(fmean(model.trees for model in folds))
    about = f"{folds[0].name}, {trees:,} tree{'s' * (trees != 1)}"
    complete = all(model.complete for model in folds)
    return BaselineModel("gradient boosting", about, complete, rows, time.process_time() - began, *found)


def _linear(data: PreparedData, seed: int, all_rows: bool) -> BaselineModel:
    places, rows, began = data.problem.columns(), 0, time.process_time()
    folds: list[Linear | BagOfWordsModel] = []
    for fold in data.splits:
        training = _draw(_training_rows(fold), seed, MOST_ROWS, MOST_CELLS)
        rows = len(training.y)
        folds.append(_fit_linear(data.problem, training, places))
    scores = _score(data, [partial(_linear_outputs, model, places) for model in folds])
    found = BaselineModel("linear model", folds[0].name, True, rows, time.process_time() - began, *scores)
    if not all_rows or len(folds) > 1:
        return found
    again = _fit_linear(data.problem, _all_rows(data, seed), places)
    return _with_refit(found, data, partial(_linear_outputs, again, places), began)


def _fit_linear(problem: Problem, rows: BaselineRows, places: list[int]) -> Linear | BagOfWordsModel:
    model = BagOfWordsModel if problem.vocabulary else Linear
    return model(problem, BaselineRows(rows.x[:, places], rows.y, rows.weight))


def _all_rows(data: PreparedData, seed: int) -> BaselineRows:
    """Training and validation rows of the first split."""
    return _draw(_training_rows(join_split(data.splits[0])), seed, MOST_ROWS, MOST_CELLS)


def _with_refit(found: BaselineModel, data: PreparedData, predict: Callable[[Any], Any], began: float) -> BaselineModel:
    """Replaces the test scores by those of a model that was retrained on training and validation rows."""
    if data.x_test is None or data.y_test is None:
        return found
    test = compute_scores(data.problem, np.asarray(data.y_test), predict(np.asarray(data.x_test)))
    about = f"{found.about}; tested after training on all rows"
    return replace(found, about=about, seconds=time.process_time() - began, test=test)


def _boost_outputs(model: Boosting, columns: TreeColumns, x: Any) -> Any:
    return model.raw_outputs(columns.apply(x))


def _linear_outputs(model: Linear | BagOfWordsModel, places: list[int], x: Any) -> Any:
    return model.raw_outputs(x[:, places])


def _score(data: PreparedData, folds: Sequence[Callable[[Any], Any]]) -> tuple[dict[str, float], dict[str, float]]:
    """Scores on the validation rows, averaged over folds, and scores of the first fold's model on the test rows."""
    each = [
        compute_scores(data.problem, np.asarray(split.y_validation), predict(np.asarray(split.x_validation)))
        for predict, split in zip(folds, data.splits, strict=True)
    ]
    validation = {name: fmean(fold[name] for fold in each) for name in each[0] if all(name in fold for fold in each)}
    if data.x_test is None or data.y_test is None:
        return validation, {}
    return validation, compute_scores(data.problem, np.asarray(data.y_test), folds[0](np.asarray(data.x_test)))


def _training_rows(split: Split) -> BaselineRows:
    return BaselineRows(np.asarray(split.x_train), np.asarray(split.y_train), split.weight_train)


def _columns(rows: BaselineRows, columns: TreeColumns) -> BaselineRows:
    return BaselineRows(columns.apply(rows.x), rows.y, rows.weight)


def _draw(rows: BaselineRows, seed: int, most_rows: int, most_cells: int) -> BaselineRows:
    """A random subset of the rows, in order, if there are too many."""
    count = min(most_rows, max(1, most_cells // max(1, rows.x.shape[1])))
    if len(rows.y) <= count:
        return rows
    chosen = stream_rng(RandomStream.BASELINE_ROWS, seed).choice(len(rows.y), count, replace=False)
    chosen.sort()
    return BaselineRows(rows.x[chosen], rows.y[chosen], None if rows.weight is None else rows.weight[chosen])


def _with_known_classes(problem: Problem, held: BaselineRows, training: BaselineRows) -> BaselineRows:
    """Validation rows without those of classes that the training rows lack, which scikit-learn rejects."""
    if problem.task == "regression":
        return held
    known = np.isin(np.asarray(held.y).reshape(-1), np.unique(training.y))
    return held if known.all() else BaselineRows(held.x[known], held.y[known])
