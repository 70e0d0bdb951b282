"""Searches over images with equal time: evonas against KerasTuner with a convolutional `build(hp)`.

python benchmarks/images.py --data mnist.npz [--seconds 1800] [--rows 0] [--only evonas,random,hyperband] [--json OUT]
python benchmarks/images.py --data mnist.npz --seconds 300 --only evonas --dense-layers 2

`--data` is an archive with x_train, y_train, x_test and y_test, pixels from 0 to 255, like MNIST in Keras. Each side
runs in a separate process, including its imports; a fifth of the training rows is for validation. The figure is the
test error of the network that a side returns: the best network, or the tuner's best model at its best epoch. KerasTuner
has no time limit: when the time is up, it gets no new trial but finishes the current one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import command_line, describe
from reports import report_path, write_report

HERE = Path(__file__).parent
SIDES = ("evonas", "random", "hyperband")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="archive of images")
    parser.add_argument("--seconds", type=int, default=1800, help="seconds for each side")
    parser.add_argument("--rows", type=int, default=0, help="number of training rows [all]")
    parser.add_argument("--epochs", type=int, default=20, help="maximum epochs per model for KerasTuner")
    parser.add_argument(
        "--dense-layers", type=int, default=0, help="layers of 128 to 512 units instead of convolutions"
    )
    parser.add_argument("--only", default=",".join(SIDES), help="sides, separated by commas")
    parser.add_argument("--json", type=report_path, default=str(HERE / "results" / "images.json"))
    parser.add_argument("--side", default="", help="side to run in this process (internal)")
    return parser.parse_args()


def read(options: argparse.Namespace) -> dict[str, Any]:
    """The arrays, with the requested number of training rows."""
    with np.load(options.data) as archive:
        arrays = {name: archive[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    order = np.random.default_rng(0).permutation(len(arrays["y_train"]))[: options.rows or None]
    return {**arrays, "x_train": arrays["x_train"][order], "y_train": arrays["y_train"][order]}


def by_evonas(arrays: dict[str, Any], options: argparse.Namespace, folder: str) -> dict[str, Any]:
    """The best network of an image search with defaults."""
    import evonas
    from genomes import DenseSpace
    from genomes.domains import Range

    run = Path(folder) / "run"
    dense = {"space": DenseSpace(layers=options.dense_layers, units=Range(128, 512))} if options.dense_layers else {}
    limit = f"{options.seconds}s"
    result = evonas.search(arrays["x_train"], arrays["y_train"], time=limit, out=run, objective="accuracy", **dense)
    hits = np.asarray(result.predict(arrays["x_test"])) == arrays["y_test"]
    return {"error": 1.0 - float(hits.mean()), "networks": len(result.evaluations)}


def build(hp: Any, shape: tuple[int, ...], classes: int) -> Any:
    """Convolutions, pooling and a dense layer, as KerasTuner's users write them for images."""
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input(shape), layers.Rescaling(1 / 255.0)])
    for number in range(hp.Int("blocks", 1, 3)):
        filters, kernel = hp.Int(f"filters_{number}", 16, 64, step=16), hp.Choice("kernel", [3, 5])
        for _ in range(hp.Int("convolutions", 1, 2)):
            model.add(layers.Conv2D(filters, kernel, padding="same", use_bias=not hp.Boolean("normalize")))
            if hp.get("normalize"):
                model.add(layers.BatchNormalization())
            model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D(padding="same"))
    model.add(
        layers.Flatten() if hp.Choice("head", ["flatten", "pool"]) == "flatten" else layers.GlobalAveragePooling2D()
    )
    model.add(layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.1)))
    model.add(layers.Dense(hp.Int("units", 32, 256, step=32), "relu"))
    model.add(layers.Dense(classes))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def by_tuner(who: str, arrays: dict[str, Any], options: argparse.Namespace, folder: str) -> dict[str, Any]:
    """The best model of KerasTuner's random search or Hyperband."""
    import keras
    import keras_tuner

    until = time.monotonic() + options.seconds
    images = arrays["x_train"].reshape(len(arrays["x_train"]), *arrays["x_train"].shape[1:3], -1)
    classes = int(arrays["y_train"].max()) + 1
    given: dict[str, Any] = {
        "hypermodel": lambda hp: build(hp, images.shape[1:], classes),
        "objective": "val_accuracy",
        "directory": folder,
        "seed": 0,
    }
    if who == "random":
        tuner: Any = keras_tuner.RandomSearch(max_trials=10_000, **given)
    else:
        tuner = keras_tuner.Hyperband(max_epochs=options.epochs, hyperband_iterations=1000, **given)
    propose, trials = tuner.oracle.populate_space, [0]

    def propose_in_time(trial: str) -> dict[str, Any]:
        if time.monotonic() >= until:
            return {"status": "STOPPED"}
        trials[0] += 1
        found: dict[str, Any] = propose(trial)
        return found

    tuner.oracle.populate_space = propose_in_time
    stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=5, restore_best_weights=True)
    held = len(images) // 5
    fit = {"validation_data": (images[:held], arrays["y_train"][:held]), "batch_size": 128, "callbacks": [stopping]}
    tuner.search(images[held:], arrays["y_train"][held:], epochs=options.epochs, verbose=0, **fit)
    tests = arrays["x_test"].reshape(len(arrays["x_test"]), *images.shape[1:])
    _, accuracy = tuner.get_best_models()[0].evaluate(tests, arrays["y_test"], verbose=0)
    return {"error": 1.0 - float(accuracy), "networks": trials[0]}


def measured(side: str) -> dict[str, Any]:
    """Result of a side in a separate process, with its time in seconds."""
    start = time.monotonic()
    command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": None, "reason": done.stderr.strip()[-500:]}
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": time.monotonic() - start}


def main() -> None:
    """Runs each side in turn, or one of them in this process."""
    options = parse()
    if options.side:
        with tempfile.TemporaryDirectory() as folder:
            arrays = read(options)
            one = by_evonas(arrays, options, folder) if options.side == "evonas" else None
            print(json.dumps(one or by_tuner(options.side, arrays, options, folder)))
        return
    found: dict[str, Any] = {}
    for side in options.only.split(","):
        found[side] = row = measured(side)
        if row["error"] is None:
            print(f"{side:<12}failed: {row['reason'].splitlines()[-1]}", flush=True)
        else:
            figures = f"{row['error']:>8.2%} error {row['networks']:>6} networks {row['seconds']:>8.1f} s"
            print(f"{side:<12}{figures}", flush=True)
    write_report(options.json, {"command": command_line(), "machine": describe(), "sides": found})


if __name__ == "__main__":
    main()
