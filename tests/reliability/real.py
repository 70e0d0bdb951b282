"""Searches with real Keras, in a separate process."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import evonas
from evonas.api import prepared_search as api
from evonas.config import Budget, Settings
from evonas.data.prepare import prepare_arrays
from evonas.runs.progress import Progress
from genomes.encodings import space_from_json

__all__ = ["main"]

SPACE = {"network": {"layers": {"low": 1, "high": 2}, "units": {"low": 4, "high": 16}}}


def main(directory: str, generations: int, population: int, epochs: int) -> None:
    """Starts the search or continues it; prints "ready", then the number of evaluations after every commit."""

    def on_part(progress: Progress) -> None:
        print(progress.evaluated, flush=True)

    print("ready", flush=True)
    if (Path(directory) / "run.sqlite").exists():
        evonas.resume(directory, generations=generations, on_part=on_part)
        return
    x = np.random.default_rng(0).normal(size=(200, 4))
    api.search_prepared(
        prepare_arrays(x, x @ [1.0, -2.0, 0.5, 0.1] + x[:, 0] ** 2, seed=0),
        space=space_from_json(SPACE),
        settings=Settings(seed=3, population=population, epochs=epochs),
        budget=Budget(generations=generations),
        out=directory,
        on_part=on_part,
    )


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
