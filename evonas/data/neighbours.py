"""Neighbour features of prepared data: their names, positions and values, each computed once.

A network's `genomes.architecture.neighbours.Neighbours` add one feature per bandwidth and output after all other
features. Training rows get leave-one-out estimates, all other rows estimates from all training rows of their fold;
targets of validation and test rows are not used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.preprocessor import UNLESS_ROBUST, Number, Preparation, is_visible
from evonas.data.kernel_regression import KernelRegression, fit_kernel_regression
from evonas.data.memo import Memo
from evonas.data.neighbour_screen import promising_columns
from genomes.architecture.neighbours import neighbours_of_view
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from evonas.data.prepared import PreparedData, Problem, Split

__all__ = [
    "NeighbourFeatures",
    "NeighbourPreparation",
    "candidate_columns",
    "marks_of",
    "names_of_marks",
    "num_visible_columns",
    "rank_columns",
    "with_estimates",
]

#: Memory limit for neighbour features, in bytes: enough for a few thousand candidates.
_MOST_BYTES = 128 << 20
#: Maximum number of columns that a search may use, and of outputs; with more outputs there are no such features.
_MOST_CANDIDATES, _MOST_OUTPUTS = 32, 30
#: Minimum number of distinct values; a column with fewer adds nothing that a network cannot learn itself.
_FEWEST_VALUES = 3

Array = NDArray[np.float32]
Key = tuple[str, int, str]


def marks_of(views: Iterable[str]) -> list[str]:
    """The neighbour marks among views, without duplicates, in the order in which networks see their features."""
    found = {view: known for view in views if (known := neighbours_of_view(view)) is not None}
    return sorted(found, key=found.__getitem__)


def num_visible_columns(views: Sequence[str], num_features: int, num_outputs: int, *seen: str) -> int:
    """The number of features that networks with these views see; arguments as in `Problem`."""
    there = sum(is_visible(view, seen) for view in views) if views else num_features
    return there + num_outputs * sum(mark not in views for mark in marks_of(seen))


def names_of_marks(marks: Iterable[str], problem: Problem) -> list[str]:
    """Names of the features that the marks denote."""
    outputs = problem.classes if problem.task == "multiclass" else ("",)
    if problem.task == "regression" and problem.num_outputs > 1:
        outputs = problem.target_names
    names = []
    for mark in marks:
        columns, bandwidth = neighbours_of_view(mark) or ((), 0.0)
        about = f"neighbours in {', '.join(columns)} within {bandwidth:g}"
        names += [f"{about}: {outputs[k] if k < len(outputs) else k}" if len(outputs) > 1 else about
                  for k in range(problem.num_outputs)]  # fmt: skip
    return names


class NeighbourFeatures:
    """The neighbour features of one table. Thread-safe; nothing is computed twice.

    Args:
        data: prepared data with the standardised columns.
    """

    def __init__(self, data: PreparedData) -> None:
        self._data = data
        self._held = Memo[Key, Array](self._compute, lambda found: found.nbytes, _MOST_BYTES)

    def regression(self, mark: str, fold: int = 0) -> KernelRegression:
        """The regression on the training rows of a fold."""
        columns, bandwidth = neighbours_of_view(mark) or ((), 0.0)
        split = self._data.splits[fold]
        points = _take(split.x_train, _places(columns, self._data.problem))
        targets = _targets(split.y_train, self._data.problem)
        return fit_kernel_regression(mark, columns, bandwidth, points, targets, split.weight_train)

    def beside(self, x: Any, marks: Sequence[str], fold: int, part: str) -> Any:
        """The features of a part of a fold ("train", "validation" or "test"), followed by those of the marks."""
        return np.concatenate([x, *(self._held((mark, fold, part)) for mark in marks)], axis=1)

    def split(self, split: Split, marks: Sequence[str], fold: int) -> Split:
        """The split, with all or none of its training rows, with its features followed by those of the marks."""
        validation = self.beside(split.x_validation, marks, fold, "validation")
        if len(split.y_train):
            return replace(split, x_train=self.beside(split.x_train, marks, fold, "train"), x_validation=validation)
        none = np.zeros((0, validation.shape[1]), np.float32)
        return replace(split, x_train=none, x_validation=validation)

    def _compute(self, key: Key) -> Array:
        mark, fold, part = key
        regression, split = self.regression(mark, fold), self._data.splits[fold]
        indices = _places(regression.columns, self._data.problem)
        if part == "train":
            return regression.leave_one_out(_take(split.x_train, indices))
        return regression(_take(self._data.x_test if part == "test" else split.x_validation, indices))


def with_estimates(
    rows: NDArray[Any], x: NDArray[Any], problem: Problem, regressions: Iterable[KernelRegression]
) -> NDArray[Any]:
    """Features followed by the estimates of the regressions, for rows that are not training rows.

    Args:
        rows: features, shape `(num_rows, num_features)`.
        x: features of the same rows, as named by the problem.
        problem: problem that names the columns.
        regressions: regressions, in the order of their features.
    """
    found = [each(_take(x, _places(each.columns, problem))) for each in regressions]
    return np.concatenate([rows, *found], axis=1) if found else rows


@dataclass(frozen=True)
class NeighbourPreparation(Preparation):
    """The conversion of raw rows to a network's input with neighbour features. It contains training rows, hence is not
    saved.

    Attributes:
        regressions: regressions whose features follow those of the steps.
        targets: feature names of each regression.
    """

    regressions: tuple[KernelRegression, ...] = ()
    targets: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def from_preparation(
        cls, preparation: Preparation, regressions: Iterable[KernelRegression], problem: Problem
    ) -> Preparation:
        """The preparation extended by the regressions."""
        given = {each.name: getattr(preparation, each.name) for each in fields(Preparation)}
        before = tuple(getattr(preparation, "regressions", ())), tuple(getattr(preparation, "targets", ()))
        more = tuple(regressions)
        names = tuple(tuple(names_of_marks([each.view], problem)) for each in more)
        return cls(**given, regressions=(*before[0], *more), targets=(*before[1], *names))

    def feature_names(self) -> tuple[str, ...]:
        """See `Preparation.feature_names`."""
        return (*super().feature_names(), *(name for names in self.targets for name in names))

    def views(self) -> tuple[str, ...]:
        """See `Preparation.views`."""
        marks = zip(self.regressions, self.targets, strict=True)
        return (*super().views(), *(each.view for each, names in marks for _ in names))

    def for_views(self, views: Collection[str]) -> Preparation:
        """See `Preparation.for_views`."""
        kept = [k for k, each in enumerate(self.regressions) if each.view in views]
        regressions, targets = (tuple(values[k] for k in kept) for values in (self.regressions, self.targets))
        return replace(super().for_views(views), regressions=regressions, targets=targets)  # type: ignore[call-arg]

    def apply(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """See `Preparation.apply`."""
        features = super().apply(frame)
        return np.concatenate(
            [features, *(each(features[:, self.column_indices(each)]) for each in self.regressions)], axis=1
        )

    def column_indices(self, regression: KernelRegression) -> list[int]:
        """Indices of a regression's columns among the features of the steps."""
        names = Preparation.feature_names(self)
        return [names.index(name) for name in regression.columns]


def candidate_columns(data: PreparedData) -> tuple[str, ...]:
    """Names of the standardised numeric columns that are eligible for neighbours."""
    problem, preparation = data.problem, data.preparation
    if preparation is None or problem.input_shapes or preparation.shape or problem.num_outputs > _MOST_OUTPUTS:
        return ()
    numbers = {step.column for step in preparation.steps if isinstance(step, Number) and step.part == "number"}
    names = [name for name in dict.fromkeys(preparation.feature_names()) if name in numbers]
    columns = zip(names, np.asarray(data.splits[0].x_train).T[_places(names, problem)], strict=True)
    return tuple(name for name, values in columns if len(np.unique(values)) >= _FEWEST_VALUES)


def rank_columns(data: PreparedData, columns: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The columns among these that a search may use, the most promising first, and promising sets of them."""
    split = data.splits[0]
    x = np.asarray(split.x_train)
    values = {name: x[:, index] for name, index in zip(columns, _places(columns, data.problem), strict=True)}
    targets = _targets(split.y_train, data.problem)
    sets = promising_columns(values, (targets - targets.mean(axis=0)) / np.maximum(targets.std(axis=0), 1e-6))
    order = list(dict.fromkeys([*(name for each in sets for name in each), *columns]))[:_MOST_CANDIDATES]
    return tuple(order), tuple(each for each in sets if set(each) <= set(order))


def _places(columns: Iterable[str], problem: Problem) -> list[int]:
    views = problem.views or ("standard",) * problem.num_features
    known = {name: k for k, (name, view) in reversed(list(enumerate(zip(problem.feature_names, views, strict=False))))
             if view in ("standard", UNLESS_ROBUST)}  # fmt: skip
    missing = [name for name in columns if name not in known]
    if missing:
        raise InputError(
            f"neighbours must use numeric columns of the table, which {', '.join(map(repr, missing))[:200]} "
            "is not: choose others, or leave the neighbours out"
        )
    return [known[name] for name in columns]


def _take(x: Any, indices: Sequence[int]) -> Array:
    return np.ascontiguousarray(np.asarray(x)[:, list(indices)], np.float32)


def _targets(y: Any, problem: Problem) -> Array:
    """The targets to average, `(num_rows, num_outputs)`; indicators for classes."""
    if problem.task == "multiclass":
        indicators: Array = np.eye(problem.num_outputs, dtype=np.float32)[np.asarray(y).reshape(-1)]
        return indicators
    return np.asarray(y, np.float32).reshape(len(y), -1)
