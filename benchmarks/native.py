"""The native trainer in a separate process: trains a population of networks for some epochs each.

`python native.py mixed --networks 512 --epochs 30`. Prints one line of JSON: wall-clock and processor seconds of
training without imports, epochs trained, useful GFLOP, and, with EVONAS_PROFILE=1 in the environment, the share of
cycles by category.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import work
from machine import peak_bytes

from evonas.training.native import NativeTrainer
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.graph import graph_to_json
from genomes.dense import DenseSpace
from genomes.dense.genome import DenseGenome
from genomes.dense.graph import to_graph

__all__ = ["POPULATIONS", "train", "useful_gflop"]


def _default(count: int) -> list[DenseGenome]:
    rng, space = np.random.default_rng(1), DenseSpace(embedding="none", members=1, output="dense")
    return [space.sample(rng) for _ in range(count)]


POPULATIONS: dict[str, Callable[[int], list[DenseGenome]]] = {
    "default": _default,
    "mixed": work.mixed,
    "wide": work.wide,
}


def train(data: Any, networks: list[DenseGenome], epochs: int, threads: int | None = None) -> dict[str, Any]:
    """Trains all networks without early stopping."""
    tasks = [TrainingTask(graph_to_json(to_graph(network)), 7, epochs) for network in networks]
    trainer = NativeTrainer(data, TrainingSettings(patience=None), threads=threads)
    began, spent = time.perf_counter(), time.process_time()
    found: dict[int, Any] = {}
    for part in trainer.train(tasks):
        found |= part
    evaluations = [found[number] for number in range(len(tasks))]
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - spent,
        "epochs": sum(each.epochs for each in evaluations),
        "diverged": sum(bool(each.reason) for each in evaluations),
        "useful_gflop": useful_gflop(data.splits[0], networks, [each.epochs for each in evaluations]),
        "peak_megabytes": peak_bytes() / 2**20,
    }


def useful_gflop(split: Any, networks: list[DenseGenome], epochs: list[int]) -> float:
    """Weights of the kernels x (6 x rows trained + 2 x validation rows), per network and epoch."""
    rows = 6 * len(split.x_train) + 2 * len(split.x_validation)
    return sum(work.weights(network) * count * rows for network, count in zip(networks, epochs, strict=True)) / 1e9


def main() -> None:
    """Trains, and prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("population", choices=tuple(POPULATIONS))
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--data", type=Path, help="california_housing.csv; synthetic rows without it")
    options = parser.parse_args()
    data = work.one_split(work.Rows.load(options.data))
    found = train(data, POPULATIONS[options.population](options.networks), options.epochs, options.threads)
    from evonas.training.native.kernels.frame import CLOCK
    from evonas.training.native.training import CLOCK_CYCLES

    inclusive = CLOCK.index("validation")  # its forward passes are also counted by operation
    total = CLOCK_CYCLES.sum() - CLOCK_CYCLES[inclusive]
    if total:
        found["shares"] = {name: float(cycles / total) for name, cycles in zip(CLOCK, CLOCK_CYCLES, strict=True)}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
