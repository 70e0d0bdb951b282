"""Cost per network and epoch by width, depth, batch, rows and population size, with a plot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import work
from native import train
from plot import Chart, Line, write_svg

from evonas.data.prepared import PreparedData, Split

__all__ = ["measure", "plot"]

WIDTHS = (8, 16, 32, 64, 128, 256, 512)
DEPTHS = (1, 2, 3, 4, 6, 8)
BATCHES = (8, 16, 32, 64, 128, 256, 512)
SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
POPULATIONS = (1, 2, 4, 16, 64, 256)
_NETWORKS = 4
_WALL, _CPU = "#0b69a3", "#b44d12"


def measure(path: Path | None, epochs: int) -> dict[str, Any]:
    """Milliseconds of wall-clock and processor time per network and epoch.

    Args:
        path: california_housing.csv; synthetic rows of the same shape without it.
        epochs: number of epochs of each network.
    """
    data = work.one_split(work.Rows.load(path))
    chains = {
        "width": {units: [work.chain([units, units])] * _NETWORKS for units in WIDTHS},
        "depth": {depth: [work.chain([64] * depth)] * _NETWORKS for depth in DEPTHS},
        "batch": {rows: [work.chain([64, 64], batch_size=rows)] * _NETWORKS for rows in BATCHES},
        "population": {count: work.mixed(count) for count in POPULATIONS},
    }
    found: dict[str, Any] = {"epochs": epochs}
    for name, each in chains.items():
        found[name] = [{"value": value, **_cost(data, networks, epochs)} for value, networks in each.items()]
    parts = {round(share * len(data.splits[0].x_train)): _part(data, share) for share in SHARES}
    networks = [work.chain([64, 64])] * _NETWORKS
    found["rows"] = [{"value": rows, **_cost(part, networks, epochs)} for rows, part in parts.items()]
    return found


def _cost(data: PreparedData, networks: list[Any], epochs: int) -> dict[str, float]:
    run = train(data, networks, epochs)
    return {"ms": 1e3 * run["seconds"] / run["epochs"], "cpu_ms": 1e3 * run["cpu_seconds"] / run["epochs"]}


def _part(data: PreparedData, share: float) -> PreparedData:
    """The data with a share of the rows."""

    def cut(values: Any) -> Any:
        return values[: round(share * len(values))]

    split = data.splits[0]
    names = ("x_train", "y_train", "x_validation", "y_validation")
    return replace(data, splits=(Split(*(cut(getattr(split, name)) for name in names)),))


def plot(found: dict[str, Any], path: Path, machine: dict[str, Any]) -> None:
    """Plots one panel per variable."""
    titles = {
        "width": ("Width", f"units in each of 2 layers ({_NETWORKS} networks)", True),
        "depth": ("Depth", f"hidden layers of 64 units ({_NETWORKS} networks)", False),
        "batch": ("Batch", f"rows per step, 2 x 64 units ({_NETWORKS} networks)", True),
        "rows": ("Rows", f"training rows, 2 x 64 units ({_NETWORKS} networks)", True),
        "population": ("Population size", "networks (mixed population)", True),
    }
    series = (("ms", "wall clock", _WALL, False), ("cpu_ms", "processor time", _CPU, True))
    charts = [
        Chart(
            title,
            label,
            [
                Line(text, [(row["value"], row[key]) for row in found[name]], colour, dash)
                for key, text, colour, dash in series
            ],
            log_x,
        )
        for name, (title, label, log_x) in titles.items()
    ]
    subtitle = f"{found['epochs']} epochs of California housing, native trainer, {machine['cores']} cores"
    write_svg(path, "Milliseconds per network and epoch", subtitle, charts)
