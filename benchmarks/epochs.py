"""Known default networks of a table, trained for different maximum numbers of epochs.

    python benchmarks/epochs.py [--tables concrete,kin8nm,power_plant,titanic] [--epochs 50,100,200] [--seeds 1]

Prints for each network the validation and test score (RMSE, or log loss of classes), the epochs trained and the
seconds of processor time, and the test scores of the mean of all and of the means without one of them. A table is one
of `raw_table.py`, whose training and test rows are used, or FILE.csv:COLUMN, of which a fifth is drawn for testing; at
most `--rows` rows are trained on.
The patience is 10 epochs, and one more for each 10 epochs beyond 50.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from raw_table import SMALL, TABLES, Table, frames_of

from evonas.api.resolve import space_and_numbers
from evonas.data.prepare import prepare_table
from evonas.data.prepared import PreparedData
from evonas.metrics.problem_scores import compute_scores
from evonas.networks.forward import raw_outputs
from evonas.training.native import NativeTrainer
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes import DenseSpace
from genomes.architecture.graph import graph_from_json, graph_to_json, views_of
from genomes.dense.graph import to_graph
from genomes.known_defaults import known_defaults


def parts_of(name: str, rows: int) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Rows to train on, test rows, and the target."""
    if name in TABLES:
        table = TABLES[name]
    else:
        path, _, target = name.rpartition(":")
        table = Table((str(Path(path).resolve()),), target, "rmse")
    frames = frames_of(table, 0)
    known = pd.concat([frames["train"], frames["validation"]])
    known, test = (each.drop(columns=list(table.drop)) for each in (known.iloc[:rows], frames["test"]))
    return known, test, table.target


def mean_outputs(task: str, outputs: list[np.ndarray]) -> np.ndarray:
    """The raw outputs whose predictions are the mean of the networks' predictions."""
    if task == "regression":
        return np.mean(outputs, axis=0)
    if task == "binary":
        likely = np.mean([1 / (1 + np.exp(-each)) for each in outputs], axis=0)
        return np.log(likely / (1 - likely))
    exponentials = [np.exp(each - each.max(axis=1, keepdims=True)) for each in outputs]
    return np.log(np.mean([each / each.sum(axis=1, keepdims=True) for each in exponentials], axis=0) + 1e-12)


def trained(data: PreparedData, graph: Mapping[str, Any], epochs: int, seeds: int) -> tuple[list[np.ndarray], str]:
    """The outputs for the test rows after each training, and a description."""
    problem, began = data.problem, time.process_time()
    metric = "rmse" if problem.task == "regression" else "log_loss"
    settings = TrainingSettings(patience=10 + (epochs - 50) // 10)
    outputs, lines = [], []
    for part in NativeTrainer(data, settings, threads=1).train(
        [TrainingTask(graph, seed, epochs) for seed in range(seeds)]
    ):
        for each in part.values():
            attached = problem.attach_columns(graph_from_json(graph))
            rows = data.new_rows(data.x_test, *views_of(attached))
            outputs.append(raw_outputs(attached, each.weights or {}, rows))
            score = compute_scores(problem, data.y_test, outputs[-1])[metric]
            lines.append(f"{each.scores[metric]:.5g} ({score:.5g}), {each.epochs} epochs")
    return outputs, f"{'; '.join(lines)}, {time.process_time() - began:.1f} s"


def _score_of_mean(data: PreparedData, outputs: Mapping[str, list[np.ndarray]], without: str = "") -> float:
    """The test score of the mean of the networks of all recipes but one."""
    chosen = [each for recipe, found in outputs.items() if recipe != without for each in found]
    scores = compute_scores(data.problem, data.y_test, mean_outputs(data.problem.task, chosen))
    return float(scores.get("rmse", scores.get("log_loss", np.nan)))


def main() -> None:
    """Trains them on each table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(SMALL))
    parser.add_argument("--epochs", default="50,100,200")
    parser.add_argument("--rows", type=int, default=8_000)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    for name in options.tables.split(","):
        if name not in TABLES and not Path(name.rpartition(":")[0]).is_file():
            parser.error(f"--tables takes {', '.join(TABLES)} or FILE.csv:COLUMN, not {name}")
    space, numbers = space_and_numbers(None, None)
    assert isinstance(space, DenseSpace)
    for name in options.tables.split(","):
        known, test, target = parts_of(name, options.rows)
        data = prepare_table(known, target, seed=0, test=test, numbers=numbers)
        print(f"{Path(name).name}, {len(known)} rows; validation (test) scores:", flush=True)
        for epochs in map(int, options.epochs.split(",")):
            outputs: dict[str, list[np.ndarray]] = {}
            for variants in known_defaults(space, data.problem.task, len(known)):
                recipe, genome = next(iter(variants.items()))
                outputs[recipe], line = trained(data, graph_to_json(to_graph(genome)), epochs, options.seeds)
                print(f"  {epochs:4} epochs, {recipe:18} {line}", flush=True)
            without = (f"{_score_of_mean(data, outputs, name):.5g} without {name}" for name in outputs)
            print(f"  {epochs:4} epochs, mean of these: test {_score_of_mean(data, outputs):.5g}; {', '.join(without)}")


if __name__ == "__main__":
    main()
