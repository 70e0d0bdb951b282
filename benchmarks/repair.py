"""Effect of `--repair` on search quality: the same search with and without it, for equal numbers of networks.

python benchmarks/repair.py [--seeds 3] [--networks 60] [--strategy ga] [--only concrete,digits] [--json OUT]

Each pair begins with the same ten networks, with ten children per generation, 20 epochs and defaults otherwise. Prints
the best validation score and the seconds of each search, and the number of repaired children. Scores are compared at
equal numbers of networks, not at equal time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from reports import report_path, write_report
from tables import DATA, DATASETS

from evonas.strategies.repairs import REPAIRED


def given(name: str) -> tuple[Any, ...]:
    """Arguments of `evonas.search` for a data set."""
    if DATASETS[name]:
        return DATA / f"{name}.csv", DATASETS[name]
    import sklearn.datasets

    return getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)  # type: ignore[no-any-return]


def searched(name: str, repair: bool, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Best score, seconds and number of repaired networks of one search."""
    import evonas

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = evonas.search(
            *given(name),
            strategy=options.strategy,
            evaluations=options.networks,
            population=10,
            epochs=20,
            finalists=0,
            repair=repair,
            seed=seed,
            out=Path(folder) / "run",
        )
        repaired = int(result.evaluations["operator"].str.endswith(REPAIRED).sum())
        score = float(result.best_score)
    return {"score": score, "seconds": time.monotonic() - began, "repaired": repaired}


def main() -> None:
    """Runs both searches for each data set and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--strategy", default="ga")
    parser.add_argument("--only", default="concrete,digits")
    parser.add_argument("--json", type=report_path)
    options = parser.parse_args()
    if unknown := [name for name in options.only.split(",") if name not in DATASETS]:
        parser.error(f"--only takes {', '.join(DATASETS)}, not {', '.join(unknown)}")
    found: dict[str, Any] = {"strategy": options.strategy, "networks": options.networks}
    for name in options.only.split(","):
        pairs = []
        for seed in range(options.seeds):
            pair = {word: searched(name, word == "with", seed, options) for word in ("without", "with")}
            pairs.append(pair)
            cells = (f"{word} {each['score']:.4f} in {each['seconds']:.0f} s" for word, each in pair.items())
            print(f"{name}, seed {seed}: {', '.join(cells)}, {pair['with']['repaired']} repaired", flush=True)
        ratio = np.mean([pair["with"]["score"] / pair["without"]["score"] for pair in pairs])
        print(f"{name}: score with repair over without, mean {ratio:.3f}", flush=True)
        found[name] = pairs
    if options.json:
        write_report(options.json, found)


if __name__ == "__main__":
    main()
