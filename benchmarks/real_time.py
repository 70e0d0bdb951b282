"""Results of equal wall-clock time: evonas, TPE with Keras `fit`, and gradient boosting, on California housing.

python benchmarks/real_time.py [--seconds 427] [--seeds 3] [--only evonas,optuna,boosting] [--json OUT]

Mean squared error on the test rows of `work.Rows` (the textbook's eight features, target in 100,000 dollars). The two
searches see only training and validation rows, and have the same space; each scores its best network once on the test
rows. The textbook's own search takes at least 427 s and ends at 0.305 to 0.312.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from reports import report_path, write_report
from work import Rows

HERE = Path(__file__).parent
#: Overhead of a search in seconds: starting the worker, writing and testing the model.
_OUTSIDE = 15
DATA = HERE.parent.parent / "shared" / "data" / "california_housing.csv"


def with_evonas(rows: Rows, seconds: float, seed: int) -> float:
    """A search with all defaults."""
    import evonas

    with tempfile.TemporaryDirectory() as folder:
        result = evonas.search(
            rows.x_train,
            rows.y_train[:, 0],
            validation=(rows.x_validation, rows.y_validation[:, 0]),
            test=(rows.x_test, rows.y_test[:, 0]),
            time=seconds - _OUTSIDE,
            seed=seed,
            out=Path(folder) / "run",
        )
        print(f"  {len(result.evaluations)} networks, best {result.best_genome}", flush=True)
        return float(result.test_scores["rmse"]) ** 2


def with_optuna(rows: Rows, seconds: float, seed: int) -> float:
    """TPE with `fit`, with early stopping as in evonas, and several steps per call."""
    import keras
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    keras.utils.set_random_seed(seed)
    best: dict[str, Any] = {"loss": np.inf, "model": None}

    def objective(trial: Any) -> float:
        model = keras.Sequential([keras.Input((rows.x_train.shape[1],))])
        units = trial.suggest_int("units", 16, 256, log=True)
        activation = trial.suggest_categorical("activation", ["relu", "elu", "selu", "gelu", "silu", "tanh"])
        dropout = trial.suggest_float("dropout", 0.0, 0.5)
        for _ in range(trial.suggest_int("layers", 1, 5)):
            model.add(keras.layers.Dense(units, activation=activation))
            model.add(keras.layers.Dropout(dropout))
        model.add(keras.layers.Dense(1))
        kind = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "nadam": keras.optimizers.Nadam}
        optimizer = kind[trial.suggest_categorical("optimizer", list(kind))]
        model.compile(
            optimizer(trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True)), "mse", steps_per_execution=32
        )
        history = model.fit(
            rows.x_train,
            rows.y_train,
            batch_size=trial.suggest_categorical("batch_size", [32, 64, 128, 256]),
            epochs=50,
            validation_data=(rows.x_validation, rows.y_validation),
            callbacks=[
                keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True),
                keras.callbacks.TerminateOnNaN(),
                _Deadline(end),
            ],
            verbose=0,
        )
        losses = [loss for loss in history.history.get("val_loss", []) if np.isfinite(loss)]
        loss = min(losses, default=1e9)
        if loss < best["loss"]:
            best.update(loss=loss, model=model)
        return loss

    class _Deadline(keras.callbacks.Callback):
        def __init__(self, end: float) -> None:
            super().__init__()
            self.end = end

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = self.model.stop_training or time.monotonic() > self.end

    end = time.monotonic() + seconds
    optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed)).optimize(objective, timeout=seconds)
    return float(((best["model"].predict(rows.x_test, verbose=0) - rows.y_test) ** 2).mean())


def with_boosting(rows: Rows, seconds: float, seed: int) -> float:
    """The usual alternative for tables; has its own early stopping and takes seconds."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    x, y = (np.concatenate([getattr(rows, f"{n}_train"), getattr(rows, f"{n}_validation")]) for n in "xy")
    model = HistGradientBoostingRegressor(max_iter=1000, early_stopping=True, random_state=seed).fit(x, y[:, 0])
    return float(((model.predict(rows.x_test) - rows.y_test[:, 0]) ** 2).mean())


SIDES = {"evonas": with_evonas, "optuna": with_optuna, "boosting": with_boosting}


def main() -> None:
    """Runs each side with each seed, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=427.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default=",".join(SIDES))
    parser.add_argument("--data", type=Path, default=DATA if DATA.exists() else None)
    parser.add_argument("--json", type=report_path)
    options = parser.parse_args()
    if unknown := [name for name in options.only.split(",") if name not in SIDES]:
        parser.error(f"--only takes {', '.join(SIDES)}, not {', '.join(unknown)}")
    rows = Rows.load(options.data)
    found: dict[str, Any] = {"data": rows.source, "seconds": options.seconds}
    print(rows.source)
    for name in options.only.split(","):
        errors = []
        for seed in range(options.seeds):
            began = time.monotonic()
            errors.append(SIDES[name](rows, options.seconds, seed))
            print(f"{name}, seed {seed}: test MSE {errors[-1]:.4f} in {time.monotonic() - began:.0f} s", flush=True)
        found[name] = errors
        print(f"{name}: mean {np.mean(errors):.4f}", flush=True)
    if options.json:
        write_report(options.json, found)


if __name__ == "__main__":
    main()
