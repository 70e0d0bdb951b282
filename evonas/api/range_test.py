"""`find_learning_rate`: the learning-rate range test from Python. The network is trained in a worker process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evonas.api.resolve import chosen_space, resolve_samples
from evonas.data.load import read_data
from evonas.data.options import DataOptions, architecture_and_encoding
from evonas.data.read_options import ReadOptions
from evonas.networks.layers import can_be_compiled
from evonas.rate_sweep import LearningRateCurve, SweepTask, sweep_rates
from evonas.runs.genome_files import read_genome
from evonas.seeds import generation_rng
from genomes.architecture.graph import graph_to_json
from genomes.encodings import read_space
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["find_learning_rate", "range_test"]


def find_learning_rate(
    x: Any,
    y: Any = None,
    *,
    genome: Any = None,
    space: SearchSpace | str | Path | None = None,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 300,
    seeds: int = 3,
    seed: int = 0,
    task: str | None = None,
    drop: Sequence[str] = (),
    roles: Mapping[str, str] | None = None,
    group: str = "",
    sample_weight: Any = None,
    class_weight: Any = None,
    image_size: Any = None,
    grayscale: bool = False,
    architecture: str = "",
    series: bool = False,
    series_id: str = "",
    time_column: str = "",
    split: str = "",
    separator: str = "",
    encoding: str = "",
    decimal: str = "",
    thousands: str = "",
    skip_rows: int = 0,
    comment: str = "",
    missing: Sequence[str] | None = None,
    date_order: str = "",
) -> LearningRateCurve:
    """Trains a network while its learning rate grows exponentially, and finds the rate at which its loss falls fastest.

    Args:
        x, y, task, drop, roles, group, sample_weight, class_weight, image_size, grayscale, architecture, series,
            series_id, time_column, split: the data, as for `evonas.search`.
        separator, encoding, decimal, thousands, skip_rows, comment, missing, date_order: format of a table, as for
            `evonas.search`.
        genome: a genome, or the path of a file with one (`read_genome`); `space.typical()` when None.
        space: the space of the genome, or the path of its TOML file; the default space when None.
        low, high: first and last rate, > 0.
        steps: steps of each training, at least 20; fewer if the loss explodes.
        seeds: number of trainings whose losses are averaged.
        seed: random seed.

    Raises:
        InputError: an argument cannot be used; the message says which, and how to fix it.
    """
    architecture, encoding = architecture_and_encoding(architecture, encoding)
    reading = ReadOptions.from_arguments(
        separator, encoding, decimal, thousands, skip_rows, comment, missing, date_order
    )
    samples: dict[str, Any] = {"architecture": architecture, "series": series, "series_id": series_id, "split": split}
    options = DataOptions(task, drop, roles, group, time_column, image_size, grayscale, **samples, reading=reading)
    weights = {"sample_weight": sample_weight, "class_weight": class_weight}
    asked: dict[str, Any] = {"low": low, "high": high, "steps": steps, "seeds": seeds, "seed": seed}
    return range_test(x, y, options, genome=genome, space=space, weights=weights, **asked)


def range_test(
    x: Any,
    y: Any,
    options: DataOptions,
    *,
    genome: Any,
    space: SearchSpace | str | Path | None,
    low: float,
    high: float,
    steps: int,
    seeds: int,
    seed: int,
    weights: Mapping[str, Any] = MappingProxyType({}),
) -> LearningRateCurve:
    """As `find_learning_rate`, with all data options in `options`; `weights` are those of rows and classes.

    Raises:
        InputError: as in `find_learning_rate`.
    """
    from evonas.execution import WorkerEvaluator, standing_by
    from evonas.training_tasks import TrainingSettings

    rates = sweep_rates(low, high, steps)
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, not {seeds}: more give a smoother curve")
    home = read_space(space) if isinstance(space, (str, Path)) else space
    if isinstance(genome, (str, Path)):
        home, genome = read_genome(genome, home)
    said = (options.architecture, options.series, options.series_id, options.split)
    known, asked, _ = resolve_samples(home, None, *said)
    if not hasattr(known, "architecture"):
        raise InputError(
            f"space must be of networks that evonas builds, not {type(known).__name__}: vary the learning rate of "
            "your own models in the search"
        )
    with standing_by("native") as standby, tempfile.TemporaryDirectory() as folder:
        data, _ = read_data(x, y, **options.read_arguments(asked), **weights, seed=seed)
        chosen: Any = chosen_space(known, home is not None, asked.architecture, data.problem)
        graph = graph_to_json(chosen.architecture(_typical(chosen, data.problem.task) if genome is None else genome))
        sweep = SweepTask(graph, rates, tuple(range(seed, seed + seeds)))
        path = Path(folder) / "data.npz"
        data.save(path)
        # Keras trains networks that the native trainer does not support.
        trainer = "native" if can_be_compiled(chosen.layer_kinds) else "single"
        with WorkerEvaluator(chosen, path, TrainingSettings(trainer=trainer), standby=standby) as worker:
            return worker.sweep(sweep)


def _typical(space: Any, task: str) -> Any:
    """A genome in the middle of a dense space; for other spaces the first known default, or else a sample."""
    if hasattr(space, "typical"):
        return space.typical()
    known = [genome for variants in space.known_defaults(task) for genome in variants.values()]
    return known[0] if known else space.sample(generation_rng(0, 0))
