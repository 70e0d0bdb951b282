"""Measures searches over user-defined Keras models, as whole processes, against the searches they were written for.

python benchmarks/own_models.py [--only tuner,textbook] [--trials 20] [--epochs 10] [--json OUT]

tuner: the dense `build(hp)` of KerasTuner's guide on 10,000 rows, with `evonas.tuner.Evolution` and with KerasTuner's
`RandomSearch`. textbook: the `build_model(n_hidden, n_neurons, learning_rate)` of Geron's book on California housing in
three folds, with `EvolutionSearchCV` and with scikit-learn's `RandomizedSearchCV` over SciKeras, or over Keras's own
wrapper if SciKeras is not installed. Each side draws its own configurations and runs in a separate process, including
its imports. Kernels are compiled before. Processor time is that of the process and its children.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from reports import report_path, write_report

HERE = Path(__file__).parent
HOUSING = HERE.parent.parent / "shared" / "data" / "california_housing.csv"
FIGURES = {"tuner": ("evonas", "keras-tuner"), "textbook": ("evonas", "scikit-learn")}
ROWS, COLUMNS, CLASSES = 10_000, 64, 10
PATIENCE, FOLDS = 10, 3


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(FIGURES), help="figures, separated by commas")
    parser.add_argument("--trials", type=int, default=20, help="trials of the tuner")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each trial of the tuner")
    parser.add_argument("--iterations", type=int, default=10, help="sets of parameters of the textbook's search")
    parser.add_argument("--textbook-epochs", type=int, default=100, help="maximum epochs of the textbook's search")
    parser.add_argument("--json", type=report_path, default=str(HERE / "results" / "own_models.json"))
    parser.add_argument("--side", default="", help="side to run in this process, FIGURE:WHO (internal)")
    return parser.parse_args()


def images() -> tuple[Any, Any, Any, Any]:
    """Noisy images of 8 x 8 pixels of ten classes: training rows, and 2,000 more."""
    rng = np.random.default_rng(0)
    pictures = rng.random((CLASSES, COLUMNS))
    labels = rng.integers(CLASSES, size=ROWS + 2000)
    x = (pictures[labels] + rng.normal(scale=0.8, size=(len(labels), COLUMNS))).astype(np.float32).reshape(-1, 8, 8)
    y = np.eye(CLASSES, dtype=np.float32)[labels]
    return x[:ROWS], y[:ROWS], x[ROWS:], y[ROWS:]


def tuner(who: str, options: argparse.Namespace) -> dict[str, Any]:
    """One side of the tuner's figure."""
    import keras
    from keras import layers

    def build_model(hp: Any) -> keras.Model:
        model = keras.Sequential()
        model.add(layers.Flatten())
        for number in range(hp.Int("num_layers", 1, 3)):
            model.add(
                layers.Dense(
                    units=hp.Int(f"units_{number}", min_value=32, max_value=512, step=32),
                    activation=hp.Choice("activation", ["relu", "tanh"]),
                )
            )
        if hp.Boolean("dropout"):
            model.add(layers.Dropout(rate=0.25))
        model.add(layers.Dense(CLASSES, activation="softmax"))
        rate = hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log")
        optimizer = keras.optimizers.Adam(learning_rate=rate)
        model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        return model

    x, y, x_held, y_held = images()
    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {"objective": "val_accuracy", "max_trials": options.trials, "directory": folder}
        if who == "evonas":
            from evonas.tuner import Evolution

            search: Any = Evolution(build_model, **given)
        else:
            import keras_tuner

            search = keras_tuner.RandomSearch(build_model, **given)
        search.search(x, y, epochs=options.epochs, validation_data=(x_held, y_held), verbose=0)
        best = search.get_best_models()[0]
        score = float(best.evaluate(x_held, y_held, verbose=0)[1])
        ways = str(search.trained) if who == "evonas" else ""
    return {"val_accuracy": score, "trained": ways}


def textbook(who: str, options: argparse.Namespace) -> dict[str, Any]:
    """One side of the textbook's figure."""
    import keras
    from scipy.stats import loguniform, randint

    table = np.genfromtxt(HOUSING, delimiter=",", skip_header=1, usecols=range(9))
    table = table[np.isfinite(table).all(axis=1)].astype(np.float32)
    table = table[np.random.default_rng(0).permutation(len(table))]
    x, y = (table[:, :8] - table[:, :8].mean(axis=0)) / table[:, :8].std(axis=0), table[:, 8] / 1e5
    x, y, held = x[:11610], y[:11610], (x[11610:15480], y[11610:15480])

    def build_model(n_hidden: int = 1, n_neurons: int = 30, learning_rate: float = 3e-3) -> keras.Model:
        model = keras.Sequential([keras.Input((8,))])
        for _ in range(n_hidden):
            model.add(keras.layers.Dense(n_neurons, activation="relu"))
        model.add(keras.layers.Dense(1))
        model.compile(loss="mse", optimizer=keras.optimizers.SGD(learning_rate=learning_rate))
        return model

    stopping = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    fit = {"epochs": options.textbook_epochs, "validation_data": held, "callbacks": [stopping]}
    space = {"n_hidden": [0, 1, 2, 3], "n_neurons": randint(1, 100), "learning_rate": loguniform(3e-4, 3e-2)}
    if who == "evonas":
        from evonas import EvolutionSearchCV

        search: Any = EvolutionSearchCV(build_model, space, n_iter=options.iterations, cv=FOLDS, random_state=0)
        search.fit(x, y, **fit)
        ways, by = str(search.trained_), "EvolutionSearchCV"
        epochs = len(search.history_["loss"])
    else:
        search, given, by = _randomized(build_model, space, options.iterations, fit)
        search.fit(x, y, **given)
        ways, epochs = "", len(_history(search.best_estimator_)["loss"])
    return {"mse": -float(search.best_score_), "trained": ways, "by": by, "epochs_of_the_best": epochs}


def _randomized(build_model: Any, space: Any, iterations: int, fit: dict[str, Any]) -> tuple[Any, dict[str, Any], str]:
    """scikit-learn's search over SciKeras's or Keras's wrapper, the arguments of its `fit`, and the wrapper."""
    from sklearn.model_selection import ParameterSampler, RandomizedSearchCV

    if find_spec("scikeras") is not None:
        from scikeras.wrappers import KerasRegressor

        regressor = KerasRegressor(build_model, verbose=0, n_hidden=1, n_neurons=30, learning_rate=3e-3, **fit)
        return RandomizedSearchCV(regressor, space, n_iter=iterations, cv=FOLDS, random_state=0), {}, "SciKeras"
    from keras.wrappers import SKLearnRegressor

    def build(X: Any, y: Any, **parameters: Any) -> Any:
        return build_model(**parameters)

    sampled = [dict(each) for each in ParameterSampler(space, iterations, random_state=0)]
    regressor = SKLearnRegressor(build)  # its clones forget fit_kwargs
    grid = {"model_kwargs": sampled}
    scoring = "neg_mean_squared_error"
    search = RandomizedSearchCV(regressor, grid, n_iter=iterations, cv=FOLDS, random_state=0, scoring=scoring)
    return search, {"verbose": 0, **fit}, "keras.wrappers.SKLearnRegressor"


def _history(estimator: Any) -> Any:
    """The training log of a wrapper: Keras's wrapper keeps the `History`, SciKeras its content."""
    return getattr(estimator.history_, "history", estimator.history_)


def measured(figure: str, who: str) -> dict[str, Any]:
    """Runs one side in a separate process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, __file__, *sys.argv[1:], "--side", f"{figure}:{who}"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{figure} by {who} failed:\n{done.stderr[-3000:]}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {"who": who, "seconds": seconds, "processor_seconds": spent, **json.loads(done.stdout.splitlines()[-1])}
    print(f"{figure} by {who}: {seconds:.1f} s, {spent:.1f} s of processor time, {found}", flush=True)
    return found


def main() -> None:
    """Measures both sides of each figure."""
    options = parse()
    if options.side:
        figure, who = options.side.split(":")
        print(json.dumps((tuner if figure == "tuner" else textbook)(who, options)))
        return
    import machine

    from evonas.training.native.compilation import prepare

    prepare()
    report: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": machine.command_line(),
        "machine": machine.describe(),
        "load": os.getloadavg(),
        "options": {name: value for name, value in vars(options).items() if name not in ("json", "side")},
        "figures": {},
    }
    for figure in options.only.split(","):
        if figure == "tuner" and find_spec("keras_tuner") is None:
            print("tuner: KerasTuner is not installed; pip install keras-tuner")
            continue
        sides = [measured(figure, who) for who in FIGURES[figure]]
        ratios = {name: sides[1][name] / sides[0][name] for name in ("seconds", "processor_seconds")}
        report["figures"][figure] = {"sides": sides, "ratios": ratios}
        print(figure, {name: round(value, 1) for name, value in ratios.items()}, flush=True)
        write_report(options.json, report, indent=2)


if __name__ == "__main__":
    main()
