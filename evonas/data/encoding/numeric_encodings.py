"""Chooses the encodings of numeric columns besides the standardised number, and their resolution."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.logarithm import Logarithm, fit_logarithm
from evonas.data.encoding.periodic import FREQUENCIES, Periodic
from evonas.data.encoding.piecewise import MAX_INTERVALS, PiecewiseLinear, fit_piecewise, fit_tree_piecewise

__all__ = ["affordable_encodings", "fit_numeric_encodings"]

#: Features of one form, over all columns: an input that is wider makes every network slow.
MOST_FEATURES = 768
#: Cells of all forms together, 4 bytes each: what they may take of memory and of a run's directory.
MOST_CELLS = 1 << 26
#: Forms of intervals, and how many below which they tell no more than a rank does.
_INTERVAL_ENCODINGS = ("piecewise", "tree")
_MIN_INTERVALS = 6


def affordable_encodings(numbers: Collection[str], num_columns: int, num_rows: int) -> dict[str, int]:
    """The forms that there is room for, and how many features one column each has at most.

    One that is the only one asked for is given whatever it takes.

    Args:
        numbers: forms that are asked for, among `genomes.architecture.layers.NUMERIC_ENCODINGS`.
        num_columns: numeric columns.
        num_rows: rows of the whole table.
    """
    widths = {"log": 1, "robust": 1, "quantile": 1, "piecewise": MAX_INTERVALS, "tree": MAX_INTERVALS}
    widths |= {"periodic": 2 * len(FREQUENCIES)}
    asked = {form: width for form, width in widths.items() if form in numbers}
    if len(set(numbers)) < 2 or not num_columns:
        return asked
    for form in _INTERVAL_ENCODINGS:
        if form in asked:
            asked[form] = min(MAX_INTERVALS, MOST_FEATURES // num_columns)
    kept: dict[str, int] = {}
    for form, width in asked.items():
        cells = num_rows * num_columns * (width + sum(kept.values()))
        fits = num_columns * width <= MOST_FEATURES and cells <= MOST_CELLS
        if fits and (form not in _INTERVAL_ENCODINGS or width >= _MIN_INTERVALS):
            kept[form] = width
    return kept


def fit_numeric_encodings(
    column: str,
    values: NDArray[np.float64],
    imputed: float,
    forms: Mapping[str, int],
    targets: NDArray[np.float64] | None = None,
) -> list[PiecewiseLinear | Logarithm | Periodic]:
    """The encodings of a column besides the standardised number.

    Args:
        column: its name.
        values: of the rows that are fitted on, NaN if missing.
        imputed: taken where the value is missing.
        forms: of `affordable_encodings`.
        targets: of these rows, shape `(num_samples, num_columns)`; without them there are no cuts of a tree.
    """
    steps: list[PiecewiseLinear | Logarithm | Periodic | None] = []
    if "log" in forms:
        steps.append(fit_logarithm(column, values, imputed))
    if "piecewise" in forms:
        steps.append(fit_piecewise(column, values, imputed, ranks=False, most=forms["piecewise"]))
    if "tree" in forms and targets is not None:
        steps.append(fit_tree_piecewise(column, values, imputed, targets, forms["tree"]))
    rank = fit_piecewise(column, values, imputed, ranks=True) if {"quantile", "periodic"} & forms.keys() else None
    if rank is not None and "quantile" in forms:
        steps.append(rank)
    if rank is not None and "periodic" in forms:
        steps.append(Periodic(rank, FREQUENCIES))
    return [step for step in steps if step is not None]
