"""Keras `fit` in a separate process: trains the networks of a run or of a mixed population one after the other.

`python fit.py RUN_DIR --epochs 20` or `python fit.py --mixed 512 --sample 6 --tune`. Prints one line of JSON: seconds
until Keras was imported and seconds per network, wall clock and processor time, with defaults and, with --tune, tuned.
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
    """Measures and prints the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_dir", type=Path, nargs="?", help="run whose networks to train on its data")
    parser.add_argument("--mixed", type=int, help="networks of the mixed population instead")
    parser.add_argument("--data", type=Path, help="california_housing.csv; synthetic rows without it")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--measured", type=int, default=3, help="epochs that are trained; the others are extrapolated")
    parser.add_argument("--sample", type=int, help="number of representative networks")
    parser.add_argument("--tune", action="store_true", help="mixed population: also the fastest way to call fit")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras  # noqa: F401 (timed)
    import peers
    import work

    imported = (time.perf_counter() - BEGAN, time.process_time())
    if options.run_dir:
        groups, task = _of_run(options.run_dir)
        parts = [
            peers.measure(networks, split, options.epochs, peers.AS_IT_COMES, options.measured, task)
            for networks, split in groups
        ]
        found: dict[str, Any] = {"networks": sum(part["networks"] for part in parts), "as_it_comes": _together(parts)}
    else:
        data = work.one_split(work.Rows.load(options.data))
        networks, split = work.mixed(options.mixed), data.splits[0]
        chosen = work.sample(networks, options.sample or len(networks))
        way = peers.measure(chosen, split, options.epochs, peers.AS_IT_COMES, options.measured)
        found = {"networks": len(networks), "as_it_comes": way}
        if options.tune:
            best, tried = peers.tune(chosen, split, options.epochs, options.measured)
            found |= {"best_way": str(best), "best": min(tried, key=lambda one: one["whole"]), "ways_tried": tried}
    print(json.dumps(found | {"imports": imported}), flush=True)
    os._exit(0)  # the libraries take a second to shut down


def _of_run(run_dir: Path) -> tuple[list[tuple[list[Any], Any]], str]:
    """The run's networks grouped by their view of the data, each group with its split; and the task."""
    from evonas.data.prepared import PreparedData
    from evonas.runs.reader import DATA_NAME, RunReader
    from genomes.encodings import space_from_json

    with RunReader(run_dir) as run:
        space = space_from_json(run.space_json)
        networks = [space.genome_from_json(record.genome) for record in run.best(1000)]
    data = PreparedData.load(run_dir / DATA_NAME)
    by_view: dict[tuple[str, ...], list[Any]] = {}
    for network in networks:
        by_view.setdefault(data.problem.view(network.numbers), []).append(network)
    return [(group, data.for_views(*view).splits[0]) for view, group in by_view.items()], data.problem.task


def _together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean seconds per network over several groups."""
    count = sum(part["networks"] for part in parts)
    means = {
        name: sum(part["networks"] * part[name] for part in parts) / count
        for name, value in parts[0].items()
        if isinstance(value, float)
    }
    return {**parts[0], "networks": count, **means}


if __name__ == "__main__":
    main()
