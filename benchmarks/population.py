"""The population trainer in a separate process, for GPUs: the mixed population. Prints one line of JSON."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import work

from genomes.architecture.graph import graph_to_json
from genomes.dense.graph import to_graph


def main() -> None:
    """Trains, and prints the time from creating the trainer to the last evaluation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--data", type=Path, help="california_housing.csv; synthetic rows without it")
    options = parser.parse_args()
    from evonas.training.environment import import_keras, prepare_process

    prepare_process()
    import_keras()
    from evonas.training.population.trainer import PopulationTrainer
    from evonas.training_tasks import TrainingSettings, TrainingTask

    data, networks = work.one_split(work.Rows.load(options.data)), work.mixed(options.networks)
    tasks = [TrainingTask(graph_to_json(to_graph(network)), 7, options.epochs) for network in networks]
    began, epochs = time.perf_counter(), 0
    for part in PopulationTrainer(data, TrainingSettings(patience=None)).train(tasks):
        epochs += sum(evaluation.epochs for evaluation in part.values())
    print(json.dumps({"seconds": time.perf_counter() - began, "epochs": epochs}), flush=True)


if __name__ == "__main__":
    main()
