"""Savings from inherited weights: epochs to reach the score of training from scratch. See README.md.

python benchmarks/inheritance.py [--only kin8nm,digits] [--pairs 50] [--epochs 30] [--rows 1000] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, show
from reports import report_path, write_report

HERE = Path(__file__).parent
DATA = HERE.parent.parent / "shared" / "data"
TABLES = {
    "california_housing": "median_house_value",
    "kin8nm": "y",
    "power_plant": "energy_output",
    "concrete": "strength_mpa",
}
SCIKIT = ("breast_cancer", "digits")


@dataclass(frozen=True)
class Pair:
    """Measurements of one child.

    Attributes:
        operator: the mutation that created it.
        scratch: epoch of its lowest validation loss when starting from its own initial weights.
        heir: first epoch at which the loss is as low with its parent's weights; infinite if never.
    """

    operator: str
    scratch: int
    heir: float


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    names = [*TABLES, *SCIKIT]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the four tables; absent ones are left out")
    parser.add_argument("--only", default=",".join(names), help="data sets, separated by commas [all]")
    parser.add_argument("--pairs", type=int, default=50, help="children per data set")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rows", type=int, default=1000, help="larger data sets are sampled")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=report_path, default=str(HERE / "results" / "inheritance.json"))
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    if unknown := [name for name in options.only if name not in names]:
        parser.error(f"--only takes {', '.join(names)}, not {', '.join(unknown)}")
    return options


def load(name: str, options: argparse.Namespace) -> Any:
    """A data set, prepared; None if its file is absent."""
    from evonas.data.prepare import prepare_arrays, prepare_table
    from evonas.data.readers.csv import read_table

    if name in SCIKIT:
        import sklearn.datasets

        x, y = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
        chosen = np.random.default_rng(0).permutation(len(x))[: options.rows]
        return prepare_arrays(x[chosen], y[chosen], seed=0)
    path = options.data / f"{name}.csv"
    if not path.exists():
        return None
    table = read_table(path)
    return prepare_table(table.sample(min(len(table), options.rows), random_state=0), TABLES[name], seed=0)


def measure(data: Any, options: argparse.Namespace) -> list[Pair]:
    """Trains parents, then their children from scratch and with inherited weights, in the same calls of one trainer."""
    from evonas.evaluation import Evaluation, Status
    from evonas.training.population.trainer import PopulationTrainer
    from evonas.training_tasks import TrainingSettings, TrainingTask
    from genomes.architecture.graph import graph_to_json
    from genomes.dense import DenseSpace
    from genomes.domains import Range

    # Smaller than by default, so that measuring takes minutes.
    space = DenseSpace(
        layers=Range(1, 3),
        units=Range(16, 128, log=True),
        numbers="standard",
        embedding="none",
        members=1,
        output="dense",
    )
    rng = np.random.default_rng(options.seed)
    trainer = PopulationTrainer(data, TrainingSettings(patience=None))

    def trained(tasks: list[TrainingTask]) -> list[Evaluation]:
        found: dict[int, Evaluation] = {}
        for part in trainer.train(tasks):
            found |= part
        return [found[index] for index in range(len(tasks))]

    def task(genome: Any, seed: int) -> TrainingTask:
        return TrainingTask(graph_to_json(space.architecture(genome)), seed, options.epochs)

    # Some diverge; uses the first pairs in which neither parent nor child does.
    genomes = [space.sample(rng) for _ in range(options.pairs + options.pairs // 5 + 2)]
    parents = trained([replace(task(genome, k), keep_snapshots=True) for k, genome in enumerate(genomes)])
    children = [space.mutate(genome, rng) for genome in genomes]
    tasks = [task(child, 10_000 + k) for k, (child, _) in enumerate(children)]
    able = [k for k, parent in enumerate(parents) if parent.status is Status.OK]
    heirs = [
        replace(
            tasks[k],
            start=parents[k].snapshots,
            origin=graph_to_json(space.architecture(genomes[k])),
            inherit=True,
        )
        for k in able
    ]
    both = trained([tasks[k] for k in able] + heirs)
    pairs = []
    for k, scratch, heir in zip(able, both[: len(able)], both[len(able) :], strict=True):
        if scratch.status is Status.OK:
            best = min(scratch.curve)
            reached = next((e for e, loss in enumerate(heir.curve, start=1) if loss <= best), math.inf)
            pairs.append(Pair(children[k][1], scratch.best_epoch, reached))
    return pairs[: options.pairs]


def summary(pairs: list[Pair], epochs: int) -> dict[str, Any]:
    """Median, mean and other statistics; networks that never reach the score count as one epoch after the last."""

    def ratio(pair: Pair) -> float:
        return min(pair.heir, epochs + 1) / pair.scratch

    def mean(of: Callable[[Pair], float], chosen: list[Pair]) -> float:
        return float(np.mean([of(pair) for pair in chosen]))

    return {
        "pairs": len(pairs),
        "median": float(np.median([ratio(pair) for pair in pairs])),
        "mean": mean(ratio, pairs),
        "never": mean(lambda pair: pair.heir == math.inf, pairs),
        "scratch": mean(lambda pair: pair.scratch, pairs),
        "operators": {
            name: [len(made), mean(ratio, made)]
            for name in sorted({pair.operator for pair in pairs})
            if (made := [pair for pair in pairs if pair.operator == name])
        },
    }


def main() -> None:
    """Measures each data set."""
    options = parse()
    from evonas.training.environment import prepare_process

    prepare_process()
    report: dict[str, Any] = {}
    figures = []
    for name in options.only:
        began, data = time.perf_counter(), load(name, options)
        if data is None:
            print(f"{name}: not measured, {options.data} has no such file")
            continue
        found = report[name] = summary(measure(data, options), options.epochs)
        operators = ", ".join(f"{o} {mean:.2f} ({count})" for o, (count, mean) in found["operators"].items())
        print(f"{name}: {time.perf_counter() - began:.0f} s; mean ratio by operator: {operators}", flush=True)
        note = (
            f"mean {found['mean']:.2f}x; from scratch {found['scratch']:.1f} epochs on average; "
            f"{found['never']:.0%} never in {options.epochs} epochs, counted as {options.epochs + 1}"
        )
        figures.append(
            Figure(f"{name}: epochs, inherited / from scratch, median", 0.7, 0.3, found["median"], most=True, note=note)
        )
    show(figures)
    if report:
        write_report(options.json, report)


if __name__ == "__main__":
    main()
