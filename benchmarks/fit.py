"""Keras `fit` as a process of its own: the networks of an evonas run, or of the mixed population, one after the other.

`python fit.py RUN_DIR --epochs 20` or `python fit.py --mixed 512 --sample 6 --tune`. Prints one line of JSON: seconds
until Keras was imported and seconds a network, wall clock and processor time, as it comes and, with --tune, at best.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

BEGAN = time.perf_counter()


def main() -> None:
    """Measures, and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_dir", type=Path, nargs="?", help="whose networks to train, on its data")
    parser.add_argument("--mixed", type=int, help="networks of the mixed population instead")
    parser.add_argument("--data", type=Path, help="california_housing.csv; synthetic rows without it")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--measured", type=int, default=3, help="epochs that are trained; others are taken like them")
    parser.add_argument("--sample", type=int, help="networks that stand for all")
    parser.add_argument("--tune", action="store_true", help="also the fastest way to call fit")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras  # noqa: F401 (timed)
    import peers
    import work

    imported = (time.perf_counter() - BEGAN, time.process_time())
    if options.run_dir:
        networks, split, task = _of_run(options.run_dir)
    else:
        data = work.one_split(work.Rows.load(options.data))
        networks, split, task = work.mixed(options.mixed), data.splits[0], "regression"
    chosen = work.sample(networks, options.sample or len(networks))
    found: dict[str, Any] = {
        "imports": imported,
        "networks": len(networks),
        "as_it_comes": peers.measure(chosen, split, options.epochs, peers.AS_IT_COMES, options.measured, task),
    }
    if options.tune:
        way, tried = peers.tune(chosen, split, options.epochs, options.measured)
        found |= {"best_way": str(way), "best": min(tried, key=lambda one: one["whole"]), "ways_tried": tried}
    print(json.dumps(found), flush=True)
    os._exit(0)  # the libraries take a second to put themselves away


def _of_run(run_dir: Path) -> tuple[list[Any], Any, str]:
    """The first generation's networks, as each sees the data standardised; the split, and the task."""
    from evonas.data.prepared import PreparedData
    from evonas.runs.reader import DATA_NAME, RunReader
    from genomes.spaces import space_from_json

    with RunReader(run_dir) as run:
        space = space_from_json(run.space_json)
        networks = [space.genome_from_json(record.genome) for record in run.best(1000)]
    data = PreparedData.load(run_dir / DATA_NAME)
    return networks, data.seen("standard").splits[0], data.problem.task


if __name__ == "__main__":
    main()
