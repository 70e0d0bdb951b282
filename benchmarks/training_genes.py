"""Ablation of RealMLP's training genes: a plain network, the same with one gene changed, and with all of them.

    python benchmarks/training_genes.py ../shared/data

Prints, for each table and change, the scores on the test rows at the epoch of the lowest validation loss: mean and
standard deviation over three seeds. Training, validation and test rows are those of the files.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evonas.data.prepare import prepare_table
from evonas.data.readers.csv import read_table
from evonas.training.held_out import test_scores
from evonas.training.native import NativeTrainer
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.graph import graph_to_json
from genomes.dense import DenseGenome, Layer, Training
from genomes.dense.genes import with_genes
from genomes.dense.graph import to_graph

#: Files -> target, metrics, epochs.
TABLES = {
    "california_official": ("median_house_value", ("rmse",), 60),
    "churn": ("target", ("accuracy", "log_loss"), 40),
}
PLAIN = DenseGenome(
    layers=tuple(Layer(128, "silu", (k,)) for k in range(3)),
    output_sources=(3,),
    dropout=0.1,
    initializer="he_normal",
    training=Training("adamw", 2e-3, 128, "cosine", weight_decay=0.01),
)
_ALL: Mapping[str, Any] = {"beta2": 0.95, "activation": "mish", "numbers": "robust", "scaling": True}
#: Change -> its genes; "activation" applies to all layers.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "beta2 0.9": {"beta2": 0.9},
    "beta2 0.95": {"beta2": 0.95},
    "beta2 0.99": {"beta2": 0.99},
    "constant rate": {"schedule": "constant"},
    "flat_cosine": {"schedule": "flat_cosine"},
    "coslog4": {"schedule": "coslog4"},
    "relu": {"activation": "relu"},
    "mish": {"activation": "mish"},
    "robust numbers": {"numbers": "robust"},
    "scaling": {"scaling": True},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "categories to 8": {"category_units": 8},
    "biases at 0.1 of the rate": {"bias_rate": 0.1},
    "biases from rows": {"bias_initializer": "rows"},
    "decay 0.1": {"weight_decay": 0.1},
    "decay 0.1, flat_cosine": {"weight_decay": 0.1, "decay_schedule": "flat_cosine"},
    "lecun": {"initializer": "lecun_normal"},
    "lecun, ntk, rate 1.6e-2": {"initializer": "lecun_normal", "parametrization": "ntk", "learning_rate": 1.6e-2},
    "all, coslog4, rate 4e-3": {**_ALL, "schedule": "coslog4", "learning_rate": 4e-3},
    "robust, scaling": {"numbers": "robust", "scaling": True},
    "robust, scaling, flat_cosine": {"numbers": "robust", "scaling": True, "schedule": "flat_cosine"},
    "robust, flat_cosine, beta2 0.99": {"numbers": "robust", "schedule": "flat_cosine", "beta2": 0.99},
    "all, flat_cosine": {**_ALL, "schedule": "flat_cosine"},
    "all but scaling, flat_cosine": {**_ALL, "schedule": "flat_cosine", "scaling": False},
}
SEEDS = (0, 1, 2)


def changed(genome: DenseGenome, genes: Mapping[str, Any]) -> DenseGenome:
    """The genome with these genes."""
    activation = genes.get("activation", genome.layers[0].activation)
    layers = tuple(replace(layer, activation=activation) for layer in genome.layers)
    rest = {name: value for name, value in genes.items() if name != "activation"}
    return with_genes(replace(genome, layers=layers), rest)


def main(folder: Path) -> None:
    """Prints a line for each table and each change."""
    for name, (target, metrics, epochs) in TABLES.items():
        train, validation, test = (read_table(folder / f"{name}_{part}.csv") for part in ("train", "val", "test"))
        forms = ("standard", "robust")
        data = prepare_table(train, target, seed=0, validation=validation, test=test, numbers=forms)
        for change, genes in CHANGES.items():
            if "label_smoothing" in genes and data.problem.task == "regression":
                continue
            graph = graph_to_json(to_graph(changed(PLAIN, genes)))
            began, found = time.process_time(), []
            trainer = NativeTrainer(data, TrainingSettings(), threads=1)
            for part in trainer.train([TrainingTask(graph, seed, epochs) for seed in SEEDS]):
                for each in part.values():
                    found.append((test_scores(graph, each.weights or {}, data, None), each.best_epoch))
            seconds, best = (time.process_time() - began) / len(SEEDS), [epoch for _, epoch in found]
            parts = []
            for metric in metrics:
                values = [scores[metric] for scores, _ in found]
                parts.append(f"{metric} {np.mean(values):.5g} +- {np.std(values):.2g}")
            print(f"{name} | {change} | {', '.join(parts)} | best epochs {best} | {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
