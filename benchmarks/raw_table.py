"""California housing from its raw file, nine columns, in ten minutes: the best model and an ensemble of eight.

python benchmarks/raw_table.py [--minutes 10] [--seeds 3] [--data FILE] [--json OUT]

Root mean squared error in 100,000 dollars on the test rows, which the search never saw, of the two exported models, and
of scikit-learn's histogram gradient boosting with early stopping, trained on the other rows of the same split. The
minutes are those of the whole call, from the file to the scored model; the ensemble is put together after it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from reports import report_path, write_report

HERE = Path(__file__).parent
DATA = HERE.parent.parent / "shared" / "data" / "california_housing.csv"
TARGET = "median_house_value"
UNIT = 100_000.0
#: Seconds of a call that are not the search's: starting the worker, writing and testing the model.
_OUTSIDE = 15


def with_evonas(path: Path, seconds: float, seed: int) -> dict[str, Any]:
    """A search with everything as it comes."""
    import evonas
    from evonas.deploy.export import export_ensemble

    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        result = evonas.search(path, TARGET, time=seconds - _OUTSIDE, seed=seed, out=Path(folder) / "run")
        single = result.test_scores["rmse"] / UNIT
        took = time.monotonic() - began
        ensemble = export_ensemble(result.run_dir, Path(folder) / "ensemble.keras", 8)
        return {
            "single": single,
            "seconds": took,
            "networks": len(result.evaluations),
            "numbers": result.best_genome.numbers,
            "ensemble": ensemble.test_scores["rmse"] / UNIT,
            "of": ensemble.note,
        }


def with_boosting(path: Path, seed: int) -> float:
    """Histogram gradient boosting on the rows that the search with this seed splits off the same table."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    from evonas.data.splits import split_rows

    frame = pd.read_csv(path)
    rows = split_rows(np.zeros(len(frame), int), seed=seed, test_share=0.2, validation_share=0.2, folds=None)
    x, y = frame.drop(columns=TARGET), frame[TARGET].to_numpy(float) / UNIT
    words = [name for name in x.columns if not pd.api.types.is_numeric_dtype(x[name])]
    x[words] = x[words].astype("category")
    model = HistGradientBoostingRegressor(
        max_iter=1000, early_stopping=True, categorical_features="from_dtype", random_state=seed
    )
    model.fit(x.iloc[rows.known()], y[rows.known()])
    return float(np.sqrt(((model.predict(x.iloc[rows.test]) - y[rows.test]) ** 2).mean()))


def main() -> None:
    """Runs each seed, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", type=report_path)
    options = parser.parse_args()
    if not options.data.exists():
        parser.error(f"--data must be california_housing.csv, and {options.data} is not there")
    found = []
    for seed in range(options.seeds):
        one = with_evonas(options.data, 60 * options.minutes, seed) | {"boosting": with_boosting(options.data, seed)}
        found.append(one)
        print(
            f"seed {seed}: single {one['single']:.4f} ({one['numbers']}), ensemble {one['ensemble']:.4f}, boosting "
            f"{one['boosting']:.4f}; {one['networks']} networks in {one['seconds']:.0f} s; {one['of']}",
            flush=True,
        )
    for name in ("single", "ensemble", "boosting"):
        values = [one[name] for one in found]
        print(f"{name}: mean {np.mean(values):.4f}, {min(values):.4f} to {max(values):.4f}")
    if options.json:
        write_report(options.json, {"minutes": options.minutes, "seeds": found})


if __name__ == "__main__":
    main()
