"""Neighbour features: kernel-weighted means of the target over nearby training rows.

For a row with a few standardised columns z, and training rows z_i with targets y_i, a bandwidth h gives the feature
`sum_i y_i K_i / sum_i K_i` with `K_i = exp(-|z - z_i|**2 / (2 h**2))`. The choice of columns and bandwidths is a gene.
Imports the standard library only; `evonas.data.neighbours` computes the features.

References:
    Nadaraya, "On estimating regression", Theory of Probability and Its Applications 9, 1964.
    Watson, "Smooth regression analysis", Sankhya A 26, 1964.
    Gorishniy et al., "TabR: tabular deep learning meets nearest neighbors", 2023, arXiv 2307.14338.
    Ye et al., "Revisiting nearest neighbor for tabular data" (ModernNCA), 2024, arXiv 2407.03257.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from genomes.checks import Real, format_value, items, refuse, table
from genomes.errors import InputError

__all__ = [
    "BANDWIDTHS",
    "MOST_BANDWIDTHS",
    "MOST_COLUMNS",
    "Neighbours",
    "attributes_of",
    "neighbours_from_json",
    "neighbours_of_view",
    "neighbours_to_json",
    "neighbours_view",
    "read_columns",
]

#: Bandwidths that a search tries, in standard deviations of the columns; few, so that candidates share features.
BANDWIDTHS = (0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)

MOST_COLUMNS = 6
MOST_BANDWIDTHS = 3

_BANDWIDTH = Real(1e-4, 1e4)
_LONGEST_NAME = 10_000
_MARK = "neighbours "


@dataclass(frozen=True)
class Neighbours:
    """The columns and bandwidths of neighbour features.

    Attributes:
        columns: names of 1 to `MOST_COLUMNS` standardised numeric columns, sorted.
        bandwidths: 1 to `MOST_BANDWIDTHS` bandwidths, ascending, in standard deviations of the columns; each gives one
            feature per target.
    """

    columns: tuple[str, ...]
    bandwidths: tuple[float, ...]

    @property
    def views(self) -> tuple[str, ...]:
        """The view of each bandwidth; see `neighbours_view`."""
        return tuple(neighbours_view(self.columns, bandwidth) for bandwidth in self.bandwidths)


def neighbours_to_json(neighbours: Neighbours) -> dict[str, Any]:
    """The neighbours as JSON values."""
    return {"columns": list(neighbours.columns), "bandwidths": list(neighbours.bandwidths)}


def neighbours_from_json(value: Any, place: str) -> Neighbours:
    """Reads neighbours from JSON values.

    Raises:
        InputError: the value is not valid; the message names the location.
    """
    keys = ("columns", "bandwidths")
    parts = table(value, place, keys, required=keys)
    columns = read_columns(parts["columns"], f"{place}.columns", MOST_COLUMNS)
    given = items(parts["bandwidths"], f"{place}.bandwidths", MOST_BANDWIDTHS)
    bandwidths = tuple(_BANDWIDTH.read(each, f"{place}.bandwidths[{k}]") for k, each in enumerate(given))
    for name, values in (("columns", columns), ("bandwidths", bandwidths)):
        if not values or list(values) != sorted(set(values)):  # type: ignore[type-var]
            refuse(f"{place}.{name}", "at least one, ascending, each once", list(values))
    return Neighbours(columns, bandwidths)


def read_columns(value: Any, place: str, most: int) -> tuple[str, ...]:
    """Reads distinct column names."""
    names = items(value, place, most)
    for number, name in enumerate(names):
        if not isinstance(name, str) or len(name) > _LONGEST_NAME:
            refuse(f"{place}[{number}]", f"the name of a column, of at most {_LONGEST_NAME} characters", name)
        if name in names[:number]:
            raise InputError(f"{place} must have each column once, not {format_value(name)} twice: leave one out")
    return tuple(names)


def neighbours_view(columns: Iterable[str], bandwidth: float) -> str:
    """The name of the view with the features of one bandwidth, used like those of `NUMERIC_ENCODINGS`."""
    return _MARK + json.dumps([bandwidth, *columns])


def neighbours_of_view(view: str) -> tuple[tuple[str, ...], float] | None:
    """The columns and the bandwidth of a view named by `neighbours_view`; None for any other name."""
    if not view.startswith(_MARK):
        return None
    bandwidth, *columns = json.loads(view.removeprefix(_MARK))
    return tuple(columns), float(bandwidth)


def attributes_of(neighbours: Neighbours | None) -> Mapping[str, Any]:
    """The input attribute that describes the neighbours; empty if there are none."""
    return {} if neighbours is None else {"neighbours": neighbours_to_json(neighbours)}
