"""Memory of one process that trains thousands of candidates: `python benchmarks/memory.py [--trainer native]`.

Trains generations of random networks of the default space (normalisation, dropout, all optimizers), as a long search
does. Prints the process's resident memory over time, and its growth after the first tenth, when the planner of the
population trainer has seen most of the shapes that it will ever compile. `--rows 20640` is the size of California
housing.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import peak_bytes
from reports import report_path, write_report

HERE = Path(__file__).parent


def resident_megabytes() -> float:
    """Current resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def trainer_of(name: str) -> Any:
    """The trainer's class; imports Keras only if it needs Keras."""
    if name == "native":
        from evonas.training.native import NativeTrainer

        return NativeTrainer
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from evonas.training.environment import import_keras, prepare_process

    prepare_process()
    import_keras()
    from evonas.training.population.trainer import PopulationTrainer

    return PopulationTrainer


def main() -> None:
    """Trains and records memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=10_000)
    parser.add_argument("--generation", type=int, default=1000, help="candidates trained together")
    parser.add_argument("--trainer", choices=["population", "native"], default="population")
    parser.add_argument("--rows", type=int, default=600, help="rows, of which two thirds are for training")
    parser.add_argument("--json", type=report_path, default=None)
    options = parser.parse_args()
    suffix = "" if options.trainer == "population" else f"_{options.trainer}"
    try:
        path = options.json or report_path(str(HERE / "results" / f"memory{suffix}.json"))
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))

    from evonas.data.prepared import PreparedData, Problem, Split
    from evonas.training_tasks import TrainingSettings, TrainingTask
    from genomes.architecture.graph import graph_to_json
    from genomes.dense import DenseSpace

    rng = np.random.default_rng(0)
    x = rng.normal(size=(options.rows, 8)).astype(np.float32)
    y = np.tanh(x @ rng.normal(size=(8, 1))).astype(np.float32)
    problem = Problem("regression", 8, 1, (0.0,), (1.0,), (), tuple("abcdefgh"), ("y",))
    some = options.rows * 2 // 3
    data = PreparedData(problem, (Split(x[:some], y[:some], x[some:], y[some:]),))
    trainer = trainer_of(options.trainer)(data, TrainingSettings(patience=None))
    space = DenseSpace(numbers="standard", embedding="none", members=1, output="dense")
    began, done, seen = time.perf_counter(), 0, []
    while done < options.candidates:
        count = min(options.generation, options.candidates - done)
        graphs = [graph_to_json(space.architecture(space.sample(rng))) for _ in range(count)]
        tasks = [TrainingTask(graph, done + k, 2) for k, graph in enumerate(graphs)]
        done += sum(len(part) for part in trainer.train(tasks))
        seen.append((done, resident_megabytes()))
        print(f"{done:>7} candidates  {seen[-1][1]:8.0f} MB  {time.perf_counter() - began:6.0f} s", flush=True)
    settled = next(megabytes for count, megabytes in seen if count >= options.candidates / 10)
    grown = seen[-1][1] - settled
    print(f"growth of {grown:.0f} MB over the last {options.candidates * 9 // 10} candidates")
    most = peak_bytes() / 2**20
    print(f"at most {most:.0f} MB")
    report = {"candidates": options.candidates, "grown_megabytes": grown, "resident_megabytes": seen}
    report |= {"most_megabytes": most, "trainer": options.trainer, "rows": options.rows}
    write_report(path, report)


if __name__ == "__main__":
    main()
