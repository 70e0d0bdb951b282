"""Compares encodings of numeric columns (`--numbers`): the same 8 networks, trained in the same way on one split.

    python benchmarks/number_encodings.py ../shared/data

Prints, for each table and encoding, the width of the input, the scores on the validation rows from best to worst, and
processor seconds.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from evonas.data.prepare import prepare_table
from evonas.data.readers.csv import read_table
from evonas.training.population.trainer import PopulationTrainer
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.graph import graph_to_json
from genomes.architecture.layers import NUMERIC_ENCODINGS
from genomes.dense import DenseSpace
from genomes.domains import Range

#: Table -> target, metric, epochs.
TABLES = {
    "concrete": ("strength_mpa", "rmse", 120),
    "titanic": ("Survived", "log_loss", 40),
    "power_plant": ("energy_output", "rmse", 40),
    "kin8nm": ("y", "rmse", 40),
    "california_housing": ("median_house_value", "rmse", 40),
}
SPACE = DenseSpace(
    embedding="none",
    members=1,
    output="dense",
    layers=Range(1, 3),
    units=[64, 128],
    activation="silu",
    dropout=[0.1, 0.3],
    normalization="none",
    initializer="he_normal",
    numbers="standard",
    optimizer="adamw",
    learning_rate=Range(1e-3, 3e-3, log=True),
    batch_size=[64, 128],
    schedule="cosine",
    warmup=0.0,
    l2=0.0,
    weight_decay=[0.01, 0.05],
)


def main(folder: Path, networks: int = 8) -> None:
    """Prints a line for each table and encoding."""
    for name, (target, metric, epochs) in TABLES.items():
        frame = read_table(folder / f"{name}.csv")
        rng = np.random.default_rng(0)
        genomes = [SPACE.sample(rng) for _ in range(networks)]
        for numbers in NUMERIC_ENCODINGS:
            data = prepare_table(frame, target, seed=0, validation_share=0.2, numbers=(numbers,))
            graphs = [graph_to_json(SPACE.architecture(replace(genome, numbers=numbers))) for genome in genomes]
            tasks = [TrainingTask(graph, seed, epochs) for seed, graph in enumerate(graphs)]
            started = time.process_time()
            parts = PopulationTrainer(data, TrainingSettings(patience=10)).train(tasks)
            found = [evaluation.scores[metric] for part in parts for evaluation in part.values()]
            seconds = time.process_time() - started
            scores = ", ".join(f"{score:.4g}" for score in sorted(found))
            print(
                f"{name} {numbers}: {data.problem.num_features} features, {metric} {scores}; {seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
