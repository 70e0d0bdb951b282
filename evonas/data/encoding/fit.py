"""Fitting the encodings of columns on the rows of the training split."""

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
    DATE_PARTS,
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

#: At most this many one-hot columns for one categorical column, the one for rare values among them.
MOST_CATEGORIES = 50


def fit_encoding(
    frame: pd.DataFrame,
    plan: ColumnPlan,
    rows: Positions,
    known_rows: Positions | None = None,
    numbers: Sequence[str] = ("standard",),
    targets: NDArray[np.float64] | None = None,
) -> Preparation:
    """Fits imputing, scaling and one-hot coding.

    Numbers are imputed with the median and standardised, flags are imputed with the more frequent value; a value
    that is missing somewhere in `known_rows` gets an indicator. Categories seen in fewer than 10 rows (2 % of the rows
    where that is less), or beyond the `MOST_CATEGORIES` most frequent, share one feature. Free text gives its words.

    Args:
        frame: raw columns, shape `(num_samples, num_columns)`.
        plan: their roles.
        rows: positions of the training rows: all that statistics are fitted on.
        known_rows: positions of the rows that decide which features there are (categories, indicators), so that every
            fold of a cross-validation has the same; the training rows when None.
        numbers: what numeric columns give beside the standardised number, among
            `genomes.architecture.layers.NUMERIC_ENCODINGS`; knots decide which features there are, hence are those of
            `known_rows`.
        targets: of all rows, shape `(num_samples, num_columns)`, see `tree_cuts.impurity_columns`: where a tree cuts a
            column is fitted on those of the training rows. None if folds are to have the same features.
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
                        # Never of rows that are held out: `known_rows` are then the training rows.
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
        imputed = float(np.float32(imputed))  # so that models subtract it without an error
    if part == "flag":
        return Number(name, part, imputed, 0.0, 1.0, indicator, form)
    mean, scale = mean_and_scale(np.where(np.isnan(values), imputed, values))
    return Number(name, part, imputed, mean, scale, indicator, form)


def _fit_categories(name: str, cells: NDArray[np.object_], form: InputKind) -> Categories:
    words = np.array([cell or "" for cell in cells], dtype=object)
    frequent, others = frequent_categories(words, max(1, min(10, len(cells) // 50)), MOST_CATEGORIES)
    return Categories(name, frequent, others, form)
