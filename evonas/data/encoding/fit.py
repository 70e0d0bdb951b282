"""Fitting of column encodings on the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import kind_of, texts
from evonas.data.columns import ColumnPlan, Role
from evonas.data.encoding.bag_of_words import fit_bag_of_words
from evonas.data.encoding.numeric_encodings import affordable_encodings, fit_numeric_encodings
from evonas.data.encoding.robust import fit_robust
from evonas.data.statistics import frequent_categories, mean_and_scale, value_for_gaps

if TYPE_CHECKING:
    import pandas as pd
from evonas.data.encoding.preprocessor import (
    BOUND,
    DATE_PARTS,
    FURTHEST,
    Categories,
    ColumnFeature,
    InputKind,
    Number,
    Positions,
    Preparation,
    Step,
    _read,
)

__all__ = ["MOST_CATEGORIES", "fit_encoding"]

#: Maximum number of one-hot features of a categorical column, including that for rare values.
MOST_CATEGORIES = 50


def fit_encoding(
    frame: pd.DataFrame,
    plan: ColumnPlan,
    rows: Positions,
    known_rows: Positions | None = None,
    numbers: Sequence[str] = ("standard",),
    targets: NDArray[np.float64] | None = None,
) -> Preparation:
    """Fits imputation, scaling and one-hot encoding.

    Numbers are imputed with the median, standardised and clipped to `BOUND`, flags are imputed with the more frequent
    value; a column with missing values in `known_rows` gets an indicator. Categories that occur in fewer than 10 rows
    (or in 2 % of the rows, if that is less), or are not among the `MOST_CATEGORIES` most frequent, share one feature.
    Free text is encoded by its words.

    Args:
        frame: raw columns, shape `(num_samples, num_columns)`.
        plan: roles of the columns.
        rows: indices of the training rows, the only ones that statistics are fitted on.
        known_rows: indices of the rows that determine the set of features (categories, indicators), which is then the
            same in all cross-validation folds; by default the training rows.
        numbers: encodings of numeric columns in addition to the standardised number, among
            `genomes.architecture.layers.NUMERIC_ENCODINGS`. Knots determine the set of features, hence they are fitted
            on `known_rows`.
        targets: targets of all rows, shape `(num_samples, num_columns)`, see `tree_cuts.impurity_columns`; tree cuts
            are fitted on those of the training rows. None if all folds must have the same features.
    """
    known_rows = rows if known_rows is None else known_rows
    columns = sum(column.role is Role.NUMERIC for column in plan.used())
    forms = affordable_encodings(numbers, columns, len(frame))
    steps: list[Step] = []
    for column in plan.used():
        series = frame[column.name]
        form: InputKind = "number" if kind_of(series) in ("number", "boolean") else "text"
        if column.role is Role.CATEGORICAL:
            steps.append(_fit_categories(column.name, texts(series.iloc[known_rows]), form))
        elif column.role is Role.TEXT:
            cells = texts(series)
            steps.append(fit_bag_of_words(column.name, cells[rows].tolist(), cells[known_rows].tolist()))
        elif column.role is Role.PRESENCE:
            steps.append(Number(column.name, "present", 0.0, 0.0, 1.0, False, form))
        else:
            for part in _parts(column.role):
                values = _read(series, part)
                indicator = bool(np.isnan(values[known_rows]).any()) and part in ("number", "flag", "days")
                number = _fit_number(column.name, part, values[rows], indicator, "number" if part == "number" else form)
                if part != "number" or set(numbers) != {"robust"}:
                    steps.append(number)
                if part == "number" and "robust" in forms:
                    steps.append(fit_robust(column.name, values[rows], number.imputed, indicator))
                if part == "number":
                    steps += fit_numeric_encodings(
                        column.name,
                        values[known_rows],
                        number.imputed,
                        forms,
                        # Never uses held-out rows: `known_rows` are the training rows in this case.
                        targets[known_rows] if targets is not None and known_rows is rows else None,
                    )
    return Preparation(tuple(steps))


def _parts(role: Role) -> tuple[ColumnFeature, ...]:
    if role is Role.DATE:
        return DATE_PARTS
    return ("flag",) if role is Role.BOOLEAN else ("number",)


def _fit_number(
    name: str, part: ColumnFeature, values: NDArray[np.float64], indicator: bool, form: InputKind
) -> Number:
    imputed = value_for_gaps(values, most_frequent=part == "flag")
    if part == "number":
        imputed = float(np.float32(imputed))  # so that models subtract it exactly
    if part == "flag":
        return Number(name, part, imputed, 0.0, 1.0, indicator, form, BOUND)
    mean, scale = mean_and_scale(np.where(np.isnan(values), imputed, values))
    return Number(name, part, imputed, mean, scale, indicator, form, BOUND if part == "number" else FURTHEST)


def _fit_categories(name: str, cells: NDArray[np.object_], form: InputKind) -> Categories:
    words = np.array([cell or "" for cell in cells], dtype=object)
    frequent, others = frequent_categories(words, max(1, min(10, len(cells) // 50)), MOST_CATEGORIES)
    return Categories(name, frequent, others, form)
