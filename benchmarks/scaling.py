"""Cost per network against population size, width and depth, and the plot of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peers
import probe
import work
from plot import Chart, Line, write_svg

from evonas.data.prepared import PreparedData
from genomes.dense.genome import DenseGenome

__all__ = ["measure", "plot"]

POPULATIONS = (1, 4, 16, 64, 256, 1024, 4096)
WIDTHS = (8, 16, 32, 64, 128, 256, 512)
DEPTHS = (1, 2, 3, 4, 6, 8)
_UNIFORM_NETWORKS = 16
_EVONAS, _WITHOUT, _KERAS, _BEST = "#0b69a3", "#5fb0dd", "#b44d12", "#e0a15e"


def measure(data: PreparedData, epochs: int, networks: int, sample: int, way: peers.Way) -> dict[str, Any]:
    """Milliseconds a network and epoch, with compilation and without, and the peer's.

    Args:
        data: one split.
        epochs: of each training.
        networks: the largest population.
        sample: networks that the peer trains for the mixed population; one for each width and depth.
        way: the peer at its best.
    """
    split = data.splits[0]
    populations = [count for count in POPULATIONS if count <= networks]
    shapes = {
        "population": {count: work.mixed(count) for count in populations},
        "width": {units: [work.chain([units, units])] * _UNIFORM_NETWORKS for units in WIDTHS},
        "depth": {depth: [work.chain([64] * depth)] * _UNIFORM_NETWORKS for depth in DEPTHS},
    }
    mixed = _peer(work.sample(work.mixed(max(populations)), sample), split, epochs, way)
    found: dict[str, Any] = {"epochs": epochs, "uniform_networks": _UNIFORM_NETWORKS, "best_way": str(way)}
    for name, each in shapes.items():
        found[name] = []
        for value, population in each.items():
            run = probe.train(data, population, epochs)
            trained = run.trained(epochs) * epochs / 1e3
            row = {
                "value": value,
                "ms": run.seconds / trained,
                "ms_without_compilation": run.seconds_without_compilation / trained,
                "programs": run.compiled,
            }
            row |= mixed if name == "population" else _peer(population[:1], split, epochs, way)
            found[name].append(row)
            print(f"  {name} {value}: {row['ms']:.2f} ms, without compilation {row['ms_without_compilation']:.2f}")
    return found


def _peer(networks: list[DenseGenome], split: Any, epochs: int, way: peers.Way) -> dict[str, float]:
    ways = {"keras_ms": peers.AS_IT_COMES, "keras_best_ms": way}
    return {
        name: peers.measure(networks, split, epochs, each, measured_epochs=3)["whole"] / epochs * 1e3
        for name, each in ways.items()
    }


def plot(found: dict[str, Any], path: Path, machine: dict[str, Any]) -> None:
    """Three panels: population size, width, depth."""
    series = (
        ("ms", "evonas", _EVONAS, False),
        ("ms_without_compilation", "without compilation", _WITHOUT, False),
        ("keras_ms", "Keras fit", _KERAS, True),
        ("keras_best_ms", "Keras at its best", _BEST, True),
    )
    count = found["uniform_networks"]
    titles = {
        "population": ("Population size", "networks (mixed population)", True),
        "width": ("Width", f"units in each of 2 layers ({count} networks)", True),
        "depth": ("Depth", f"hidden layers of 64 units ({count} networks)", False),
    }
    charts = []
    for name, (title, label, log_x) in titles.items():
        lines = [
            Line(text, [(row["value"], row[key]) for row in found[name]], colour, dashed)
            for key, text, colour, dashed in series
        ]
        charts.append(Chart(title, label, lines, log_x))
    subtitle = f"{found['epochs']} epochs of California housing, batch 32 · {machine['cores']} cores"
    write_svg(path, "Milliseconds a network and epoch", subtitle, charts)
