"""Processor time per network and epoch of convolutional networks: evonas against Keras's `fit` with its defaults.

python benchmarks/convolutions.py [--networks 6] [--rows 4000] [--side 28] [--epochs 5] [--repeats 1]

The networks are sampled from the default space for images (without augmentation, which `fit` lacks). Both build the
same network with the same weights and train it in a separate process with their defaults, scoring a tenth of the rows
after each epoch; times are those of all threads, from building to the last epoch, divided by the epochs, and of the
last epoch alone. With `--memory N`, the resident memory of a worker over N small networks, and its growth after 50.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

PROGRAMS = ("keras", "evonas")
CLASSES = 10
#: Networks after which memory should not grow.
_SETTLED = 50


def data(rows: int, side: int) -> Any:
    """Images of noise, since their content does not affect the time."""
    from evonas.data.prepared import PreparedData, Problem, Split

    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows + rows // 10, side * side)).astype(np.float32)
    y = rng.integers(0, CLASSES, len(x)).astype(np.int32)
    names = tuple(map(str, range(CLASSES)))
    problem = Problem("multiclass", side * side, CLASSES, classes=names, sample_shape=(side, side, 1))
    return PreparedData(problem, (Split(x[:rows], y[:rows], x[rows:], y[rows:]),))


def sampled(seed: int) -> dict[str, Any]:
    """A network of the default space, as JSON values."""
    from genomes import ConvolutionalSpace
    from genomes.architecture.graph import graph_to_json
    from genomes.architecture.layers import OFF

    space = ConvolutionalSpace()
    graph = space.architecture(space.sample(np.random.default_rng(seed)))
    training = graph.graph["training"]
    graph.graph["training"] = {name: value for name, value in training.items() if name not in OFF}
    return graph_to_json(graph)


def by_evonas(architecture: dict[str, Any], options: argparse.Namespace) -> list[float]:
    """Processor seconds until the end of each epoch."""
    from evonas.training.registry import make_trainer, settle_environment

    settle_environment("single", own=False)
    from evonas.training_tasks import TrainingSettings, TrainingTask

    prepared = data(options.rows, options.side)
    trainer = make_trainer(prepared, TrainingSettings(trainer="single", patience=None))
    began, found = time.process_time(), []
    for part in trainer.train([TrainingTask(architecture, 0, options.epochs)], frozenset()):
        if not part:
            found.append(time.process_time() - began)
    return found


def by_keras(architecture: dict[str, Any], options: argparse.Namespace) -> list[float]:
    """The same for `fit` with its defaults."""
    import keras

    from evonas.networks.initial import initial_weights
    from evonas.training.losses import training_loss
    from evonas.training.model import build_model, set_weights
    from evonas.training.single.optimizers import optimizer_of
    from evonas.training_tasks import TrainingSettings
    from genomes.architecture.graph import graph_from_json

    prepared = data(options.rows, options.side)
    problem, split = prepared.problem, prepared.splits[0]
    graph = problem.attach_columns(graph_from_json(architecture))
    training = graph.graph["training"]
    began, found = time.process_time(), []
    model = build_model(graph, problem.num_features, problem.num_outputs)
    set_weights(model, initial_weights(graph, problem.num_features, problem.num_outputs, 0))
    model.compile(
        optimizer_of(training, training["learning_rate"]), training_loss(problem, TrainingSettings(), training)
    )
    marks = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: found.append(time.process_time() - began))
    held_out = (split.x_validation, split.y_validation)
    size = int(training["batch_size"])
    given = {"batch_size": size, "epochs": options.epochs, "validation_data": held_out, "verbose": 0}
    model.fit(split.x_train, split.y_train, callbacks=[marks], **given)
    return found


def memory(options: argparse.Namespace) -> list[float]:
    """Resident MiB of a worker after each of many small networks."""
    from evonas.training.registry import make_trainer, settle_environment

    settle_environment("single", own=False)
    from evonas.training_tasks import TrainingSettings, TrainingTask

    trainer = make_trainer(data(256, 12), TrainingSettings(trainer="single", patience=None))
    found = []
    for number in range(options.memory):
        for _ in trainer.train([TrainingTask(sampled(number % 50), number, 1)], frozenset()):
            pass
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        found.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        if number % 10 == 9:
            print(f"{number + 1} networks: {found[-1]:.0f} MiB", flush=True)
    if len(found) > _SETTLED + 1:
        after = found[_SETTLED:]
        slope = float(np.polyfit(np.arange(len(after)), after, 1)[0])
        span = f"{min(after):.0f} to {max(after):.0f} MiB"
        print(f"from network {_SETTLED} on {span}, {100 * slope:+.1f} MiB in 100 networks")
    return found


def measured(program: str, seed: int, options: argparse.Namespace) -> list[float]:
    """Runs one program in a separate process."""
    sizes = [f"--{name}={getattr(options, name)}" for name in ("rows", "side", "epochs")]
    command = [sys.executable, __file__, f"--program={program}", f"--seed={seed}", *sizes]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Prints one line per network, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("networks", 6), ("rows", 4000), ("side", 28), ("epochs", 5), ("repeats", 1), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--program", choices=PROGRAMS)
    options = parser.parse_args()
    if options.memory:
        memory(options)
        return
    if options.program:
        run = by_evonas if options.program == "evonas" else by_keras
        print(json.dumps(run(sampled(options.seed), options)))
        return
    whole, last = [], []
    for seed in range(options.seed, options.seed + options.networks):
        best = {}
        for program in PROGRAMS:
            runs = [measured(program, seed, options) for _ in range(options.repeats)]
            best[program] = min(run[-1] for run in runs) / options.epochs, min(run[-1] - run[-2] for run in runs)
        (keras, keras_last), (own, own_last) = (best[program] for program in PROGRAMS)
        whole.append(own / keras)
        last.append(own_last / keras_last)
        epochs = f"keras {keras:.2f} s per epoch, evonas {own:.2f}, ratio {whole[-1]:.2f}"
        print(f"network {seed}: {epochs}; the last epoch {keras_last:.2f}, {own_last:.2f}, {last[-1]:.2f}", flush=True)
    ratios = [f"{statistics.geometric_mean(each):.2f}" for each in (whole, last)]
    print(f"processor time per network and epoch against fit: {ratios[0]} including compilation, {ratios[1]} without")


if __name__ == "__main__":
    main()
