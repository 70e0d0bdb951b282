"""Choice of the encodings of numeric columns in addition to the standardised number, and their resolution."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.logarithm import Logarithm, fit_logarithm
from evonas.data.encoding.periodic import FREQUENCIES, Periodic
from evonas.data.encoding.piecewise import MAX_INTERVALS, PiecewiseLinear, fit_piecewise, fit_tree_piecewise

__all__ = ["affordable_encodings", "fit_numeric_encodings"]

#: Maximum number of features of one encoding over all columns: a wider input makes every network slow.
MOST_FEATURES = 768
#: Maximum number of cells of all encodings together, 4 bytes each: limits memory and the size of the run directory.
MOST_CELLS = 1 << 26
#: Encodings by intervals, and the number of intervals below which they contain no more information than a rank.
_INTERVAL_ENCODINGS = ("piecewise", "tree")
_MIN_INTERVALS = 6


def affordable_encodings(numbers: Collection[str], num_columns: int, num_rows: int) -> dict[str, int]:
    """The encodings that fit the limits, each with the maximum number of features per column.

    An encoding that is the only one requested is always included.

    Args:
        numbers: requested encodings, among `genomes.architecture.layers.NUMERIC_ENCODINGS`.
        num_columns: number of numeric columns.
        num_rows: number of rows of the whole table.
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
    """Fits the encodings of a column in addition to the standardised number.

    Args:
        column: name of the column.
        values: values of the rows to fit on, NaN if missing.
        imputed: replacement for missing values.
        forms: result of `affordable_encodings`.
        targets: targets of these rows, shape `(num_samples, num_columns)`; None for no tree cuts.
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
