"""Tables of real training runs: thousands of networks of a 7-gene space on six data sets, with learning curves.

python benchmarks/tables.py [--only kin8nm,digits] [--networks 1536] [--seeds 2] [--repeated 128] [--rows 800]

One file per data set in `benchmarks/tables/` (not in git); existing tables are skipped, and interrupted ones are
continued. The population trainer trains every network to the last epoch, without early stopping; the first networks are
repeated with other seeds, which measures the noise of the loss.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepare import prepare_table
from evonas.data.prepared import PreparedData
from genomes.dense import DenseSpace
from genomes.domains import Choice, Range

__all__ = ["DATASETS", "EPOCHS", "SPACE", "TABLES", "Table"]

HERE = Path(__file__).parent
DATA = HERE.parent.parent / "shared" / "data"
TABLES = HERE / "tables"
EPOCHS = 30
#: Number of networks written together, which an interruption loses at most.
_PART = 416

#: Seven genes: four numbers, one of them whole and two logarithmic, and three choices.
SPACE = DenseSpace(
    embedding="none",
    members=1,
    output="dense",
    layers=Range(1, 4),
    units=Range(8, 128, log=True),
    shape="uniform",
    activation=Choice(("relu", "elu", "silu", "tanh")),
    dropout=Range(0.0, 0.5),
    normalization="none",
    initializer="glorot_uniform",
    numbers="standard",
    optimizer=Choice(("nesterov", "adam", "rmsprop")),
    learning_rate=Range(1e-4, 1e-1, log=True),
    batch_size=Choice((32, 64, 128, 256, 512)),
    schedule="constant",
    warmup=0.0,
    l2=0.0,
    weight_decay=0.0,
)

#: Data set -> target column of its file; None for data sets of scikit-learn.
DATASETS = {
    "california_housing": "median_house_value",
    "kin8nm": "y",
    "power_plant": "energy_output",
    "concrete": "strength_mpa",
    "digits": None,
    "breast_cancer": None,
}


@dataclass(frozen=True)
class Table:
    """Training runs on one data set.

    Attributes:
        features: `SPACE.features` of the networks, shape `(num_networks, num_features)`.
        curves: validation loss after each epoch; NaN after divergence, and if a network was not trained with a seed;
            shape `(num_networks, num_seeds, EPOCHS)`.
    """

    features: NDArray[np.float64]
    curves: NDArray[np.float64]

    @classmethod
    def load(cls, name: str) -> Table:
        """The table of a data set."""
        path = TABLES / f"{name}.npz"
        if not path.exists():
            raise SystemExit(f"{path} is missing: build it with python benchmarks/tables.py")
        with np.load(path, allow_pickle=False) as file:
            return cls(file["features"], file["curves"])


def data_of(name: str, most_rows: int) -> PreparedData:
    """The prepared data set, reduced to at most `most_rows` random rows."""
    import pandas as pd

    target = DATASETS[name]
    if target is None:
        from sklearn import datasets

        frame = {"digits": datasets.load_digits, "breast_cancer": datasets.load_breast_cancer}[name](
            as_frame=True
        ).frame
    else:
        frame = pd.read_csv(DATA / f"{name}.csv")
    if len(frame) > most_rows:
        frame = frame.sample(most_rows, random_state=0).reset_index(drop=True)
    return prepare_table(frame, target or "target", seed=0, task=None if target else "classification")


def build(name: str, num_networks: int, num_seeds: int, num_repeated: int, most_rows: int) -> None:
    """Trains and writes one table: all networks with the first seed, the first `num_repeated` with the others, too."""
    from evonas.training.population.trainer import PopulationTrainer
    from evonas.training_tasks import TrainingSettings, TrainingTask
    from genomes.architecture.graph import graph_to_json
    from genomes.dense.graph import to_graph

    rng = np.random.default_rng(2024)
    genomes = [SPACE.sample(rng) for _ in range(num_networks)]
    graphs = [graph_to_json(to_graph(genome)) for genome in genomes]
    trained = [(k, s) for s in range(num_seeds) for k in range(num_repeated if s else num_networks)]
    curves = np.full((num_networks, num_seeds, EPOCHS), np.nan)
    trainer = PopulationTrainer(data_of(name, most_rows), TrainingSettings(patience=None))  # keeps what it compiled
    began = time.perf_counter()
    parts = TABLES / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(trained), _PART):
        places = trained[first : first + _PART]
        path = parts / f"{name}-{num_networks}-{num_repeated}-{most_rows}-{first}.npy"
        if not path.exists():
            tasks = [TrainingTask(graphs[network], seed, EPOCHS) for network, seed in places]
            found = np.full((len(tasks), EPOCHS), np.nan)
            for part in trainer.train(tasks):
                for position, evaluation in part.items():
                    found[position, : len(evaluation.curve)] = evaluation.curve
            np.save(path, found)
        curves[tuple(np.transpose(places))] = np.load(path)
        print(f"{name}: {first + len(places)} of {len(trained)}, {time.perf_counter() - began:.0f} s", flush=True)
    curves[~np.isfinite(curves)] = np.nan
    np.savez_compressed(
        TABLES / f"{name}.npz",
        features=np.array([SPACE.features(genome) for genome in genomes]),
        curves=curves,
        most_rows=most_rows,
        genomes=np.array([json.dumps(SPACE.genome_to_json(genome)) for genome in genomes]),
    )


def main() -> None:
    """Builds the missing tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(DATASETS), help="data sets, separated by commas")
    parser.add_argument("--networks", type=int, default=1536)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--repeated", type=int, default=128, help="networks trained with every seed")
    parser.add_argument("--rows", type=int, default=800, help="maximum rows per data set")
    options = parser.parse_args()
    from evonas.training.environment import prepare_process

    prepare_process()
    for name in options.only.split(","):
        if name not in DATASETS:
            parser.error(f"--only takes {', '.join(DATASETS)}, not {name}")
        if (TABLES / f"{name}.npz").exists():
            print(f"{name}: exists")
            continue
        build(name, options.networks, options.seeds, options.repeated, options.rows)


if __name__ == "__main__":
    main()
