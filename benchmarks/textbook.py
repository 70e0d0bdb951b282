"""The textbook's search in a separate process, so that imports count: `python textbook.py evonas|keras`.

Randomised search: configurations x 3 folds of the training split, SGD, batch 32, early stopping with patience 10 on the
held-out fold, best weights restored. Both sides train the same configurations on the same folds, from initial weights
drawn from the same distribution. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from work import Rows, textbook, textbook_folds

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData
    from genomes.dense.genome import DenseGenome

PATIENCE = 10


def train_evonas(data: PreparedData, networks: list[DenseGenome], epochs: int) -> dict[str, Any]:
    """Trains all configurations on all folds at once. Diverged ones have no score."""
    from evonas.training.native import NativeTrainer
    from evonas.training_tasks import TrainingSettings, TrainingTask
    from genomes.architecture.graph import graph_to_json
    from genomes.dense.graph import to_graph

    trainer = NativeTrainer(data, TrainingSettings(patience=PATIENCE))
    tasks = [TrainingTask(graph_to_json(to_graph(network)), seed, epochs) for seed, network in enumerate(networks)]
    found = {}
    for part in trainer.train(tasks):
        found.update(part)
    evaluations = [found[position] for position in range(len(tasks))]
    return {
        "mse": [evaluation.scores.get("mse") if not evaluation.reason else None for evaluation in evaluations],
        "epochs": [evaluation.epochs for evaluation in evaluations],
    }


def train_keras(data: PreparedData, networks: list[DenseGenome], epochs: int, way: dict[str, Any]) -> dict[str, Any]:
    """Calls one fit after the other. Diverged ones are ended immediately, as in evonas, and have no score."""
    import keras
    from peers import Way, build

    scores: list[float | None] = []
    trained: list[float] = []
    for network in networks:
        losses, counts = [], []
        for split in data.splits:
            model = build(network, split.x_train.shape[1], len(split.x_train), Way(**way))
            stopping = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
            history = model.fit(
                split.x_train,
                split.y_train,
                batch_size=network.training.batch_size,
                epochs=epochs,
                validation_data=(split.x_validation, split.y_validation),
                validation_batch_size=way["validation_batch_size"],
                callbacks=[stopping, keras.callbacks.TerminateOnNaN()],
                verbose=0,
            ).history["val_loss"]
            losses.append(min(history) if np.isfinite(history).all() else np.nan)
            counts.append(len(history))
            keras.utils.clear_session()
        scores.append(float(np.mean(losses)) if np.isfinite(losses).all() else None)
        trained.append(float(np.mean(counts)))
    return {"mse": scores, "epochs": trained}


def main() -> None:
    """Runs one side and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=("evonas", "keras"))
    parser.add_argument("--data", type=Path, help="california_housing.csv; synthetic rows without it")
    parser.add_argument("--configurations", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--way", type=json.loads, default={}, help="fields of peers.Way as JSON")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    data, networks = textbook_folds(Rows.load(options.data)), textbook(options.configurations)
    if options.side == "evonas":
        found = train_evonas(data, networks, options.epochs)
    else:
        found = train_keras(data, networks, options.epochs, options.way)
    print(json.dumps(found), flush=True)
    os._exit(0)  # as in evonas's worker: the libraries take a second to shut down


if __name__ == "__main__":
    main()
