"""Estimated seconds of training against measured processor time, for networks of the default space.

python benchmarks/training_cost.py [--tables concrete,power_plant,FILE.csv:COLUMN] [--networks 14]

The estimate determines which networks a short run begins with (`evonas.evolution.training_cost`). For each table, every
second width of the known defaults and `--networks` random networks are trained on one thread, after one epoch for
compilation and features that are computed once. Prints the ratio of the estimate to the measured time of an epoch: its
geometric mean, the standard deviation of its logarithm, its extremes, and the least squares of relative errors for
operations, activations, and steps and layers, in the units of `Speed`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from raw_table import SMALL, check_tables, frames_of, table_named
from scipy.optimize import nnls

from evonas.api.resolve import space_and_numbers
from evonas.data.neighbours import num_visible_columns
from evonas.data.prepare import prepare_table
from evonas.data.prepared import PreparedData
from evonas.evolution.training_cost import MULTIPLICATIONS, speed_of, training_seconds
from evonas.machine import multiplications_a_second
from evonas.training.native import NativeTrainer
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes import DenseSpace
from genomes.architecture.cost import count_activations, count_flops
from genomes.architecture.graph import graph_to_json, views_of
from genomes.known_defaults import known_defaults

#: Rows of training per network, which determine the number of epochs, and the limits of that number.
_ROWS, _FEWEST_EPOCHS, _MOST_EPOCHS = 40_000, 2, 20


def measured_seconds(data: PreparedData, space: DenseSpace, genome: Any) -> float:
    """Processor seconds of an epoch."""
    epochs = min(max(_ROWS // len(data.splits[0].y_train), _FEWEST_EPOCHS), _MOST_EPOCHS)
    trainer, taken = NativeTrainer(data, TrainingSettings(patience=None), threads=1), []
    for count in (1, 1, 1 + epochs):  # the first one computes the features
        began = time.process_time()
        list(trainer.train([TrainingTask(graph_to_json(space.architecture(genome)), 0, count)]))
        taken.append(time.process_time() - began)
    return max(taken[2] - taken[1], 1e-6) / epochs


def terms_of(data: PreparedData, space: DenseSpace, genome: Any, flops: float) -> tuple[float, list[float]]:
    """The estimated seconds of an epoch, and its terms: operations, activations, and layers of all steps."""
    problem, split, speed = data.problem, data.splits[0], speed_of("native")
    assert speed is not None
    graph = problem.attach_columns(space.architecture(genome))
    features = num_visible_columns(problem.views, problem.num_features, problem.num_outputs, *views_of(graph))
    rows, held = len(split.y_train), len(split.y_validation)
    size = features, problem.num_outputs
    passes = (MULTIPLICATIONS * rows + held) / flops
    steps = -(-rows // genome.training.batch_size) * (len(graph) - 1)
    estimate = training_seconds(graph, *size, rows, held, speed, flops)
    return estimate, [count_flops(graph, *size) * passes, count_activations(graph, *size) * passes, steps]


def main() -> None:
    """Measures the networks of each table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(SMALL), help=f"among {', '.join(SMALL)}; FILE.csv:COLUMN")
    parser.add_argument("--networks", type=int, default=14, help="random networks for each table")
    options = parser.parse_args()
    check_tables(parser, options.tables.split(","))
    space, numbers = space_and_numbers(None, None)
    assert isinstance(space, DenseSpace)
    flops, ratios, terms = multiplications_a_second(), [], []
    for name in options.tables.split(","):
        table = table_named(name)
        frames = frames_of(table, 0)
        known = pd.concat([frames["train"], frames["validation"]]).drop(columns=list(table.drop))
        data = prepare_table(known, table.target, seed=0, numbers=numbers)
        rng = np.random.default_rng(0)
        genomes = [
            each for variants in known_defaults(space, data.problem.task) for each in list(variants.values())[::2]
        ]
        genomes += [space.sample(rng) for _ in range(options.networks)]
        found = []
        for genome in genomes:
            seconds = measured_seconds(data, space, genome)
            estimate, parts = terms_of(data, space, genome, flops)
            found.append(np.log(estimate / seconds))
            terms.append(np.array(parts) / seconds)
        ratios += found
        print(f"{Path(name).name}: estimate / measured {describe(found)}", flush=True)
    print(f"all: {describe(ratios)}")
    operations, activations, steps = nnls(np.array(terms), np.ones(len(terms)))[0]
    fit = f"share {1 / operations:.2f}, activation operations {activations / operations:.0f}"
    print(f"least squares of relative errors: {fit}, {steps * 1e6:.1f} us a step and layer")


def describe(logarithms: list[float]) -> str:
    """Mean, spread and extremes of ratios."""
    low, high = np.exp(min(logarithms)), np.exp(max(logarithms))
    mean, spread = np.exp(np.mean(logarithms)), np.std(logarithms)
    return f"{mean:.2f}, standard deviation of the logarithm {spread:.2f}, from {low:.2f} to {high:.2f}"


if __name__ == "__main__":
    main()
