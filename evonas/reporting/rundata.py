"""`RunData`: the data of a run as plain values, for figures, tables and reports.

Read through `RunReader` only, hence also while the search is running; nothing is written. Does not import pandas,
plotly or Keras.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.config import Budget, Settings
from evonas.evaluation import Status
from evonas.objective import Objective
from evonas.runs.baselines import Baselines
from evonas.runs.directory import BASELINE_NAME, is_run
from evonas.runs.final_model import FinalModel
from evonas.runs.finalists import Finalist
from evonas.runs.in_training import NetworkInTraining
from evonas.runs.reader import RunReader
from evonas.runs.records import Record
from evonas.runs.spans import TrainingSpan
from genomes.encodings import space_from_json
from genomes.errors import InputError

__all__ = ["RunData", "read_run"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RunData:
    """The committed state of a search.

    Attributes:
        directory: run directory.
        objective: optimised objective.
        settings, budget, source, problem, environment: as in `RunReader`.
        space: searched space; None for a user-defined class.
        records: all evaluations, in the order of the candidates.
        finalists: finalists retrained with other seeds, best first; empty before that.
        champion: record of the best network; None before any network has a score.
        stop: why the search ended; None while it runs, or if it was killed.
        running: whether another process is searching in this directory.
        generations, seconds: totals over all sessions.
        times: seconds of "search", "finalists" and "rest".
        baseline: random search of the same size, if there is one.
        baselines: other models on the same rows; None if not requested.
        trainings: time and place of each training run; empty if not recorded.
        retrainings: the same for retrained finalists, by the index of their network.
        final_model: networks of the final model; None if it is the best network itself.
        final_scores: test scores of the final model; empty if not computed.
        in_training: networks in training and their progress; empty unless the run is searching.
    """

    directory: Path
    objective: Objective
    settings: Settings
    budget: Budget
    source: Mapping[str, Any]
    problem: Mapping[str, Any]
    environment: Mapping[str, str]
    space: Any
    records: tuple[Record, ...]
    finalists: tuple[Finalist, ...]
    champion: Record | None
    stop: str | None
    running: bool
    generations: int
    seconds: float
    times: Mapping[str, float]
    baseline: RunData | None = None
    baselines: Baselines | None = None
    trainings: tuple[TrainingSpan, ...] = ()
    retrainings: tuple[TrainingSpan, ...] = ()
    final_model: FinalModel | None = None
    final_scores: Mapping[str, float] = field(default_factory=dict)
    in_training: tuple[NetworkInTraining, ...] = ()

    @property
    def sign(self) -> float:
        """The factor that converts a score to a loss to minimise."""
        return 1.0 if self.objective.direction == "min" else -1.0

    @cached_property
    def losses(self) -> Array:
        """The loss of every record, NaN if there is none, shape `(num_records,)`."""
        return np.array([np.nan if each.loss is None else each.loss for each in self.records], np.float64)

    @cached_property
    def scores(self) -> Array:
        """The objective's score of every record, NaN if there is none, shape `(num_records,)`."""
        return self.losses * self.sign

    @cached_property
    def places(self) -> dict[str, int]:
        """Digest -> index in `records` of its best evaluation, or of the first one if none has a score."""
        found: dict[str, int] = {}
        for index, record in enumerate(self.records):
            known = found.get(record.digest)
            if known is None or (record.loss is not None and not self.losses[known] <= record.loss):
                found[record.digest] = index
        return found

    @cached_property
    def genes(self) -> dict[str, list[Any]]:
        """Gene -> its value in every record, None if it is not active."""
        rows = [_values(self.space, record) for record in self.records]
        names = dict.fromkeys(name for row in rows for name in row)
        if hasattr(self.space, "genes"):
            names = dict.fromkeys(gene.name for gene in self.space.genes if gene.name in names)
        return {name: [row.get(name) for row in rows] for name in names}

    def trainings_of(self, record: Record) -> list[TrainingSpan]:
        """The training runs of a network, one per fold and replicate; empty if not recorded."""
        return [each for each in self.trainings if each.place == (record.generation, record.index)]

    @property
    def trained(self) -> int:
        """Number of trained networks, including failed ones."""
        return sum(record.evaluation.status is not Status.INFEASIBLE for record in self.records)

    @property
    def failed(self) -> int:
        """Number of trained networks without a score."""
        return sum(each.has_failed for each in self.records)


def read_run(directory: str | Path) -> RunData:
    """Reads the committed state of a run directory.

    Raises:
        InputError: the directory contains no run, or a damaged one.
    """
    directory = Path(directory)
    with RunReader(directory) as run:
        champion = run.ranked(1) if run.best(1) else None
        records = tuple(run.records())
        final = run.final_model
        places = {record.digest: (record.generation, record.index) for record in reversed(records)}
        return RunData(
            directory=directory,
            objective=run.objective,
            settings=run.settings,
            budget=run.budget,
            source=run.source,
            problem=run.problem_json,
            environment=run.environment,
            space=_space(run.space_json),
            records=records,
            finalists=tuple(run.finalists),
            champion=champion,
            stop=run.stop,
            running=run.owner not in (None, os.getpid()),
            generations=run.generations,
            seconds=run.seconds,
            times=run.times.split,
            baseline=read_run(directory / BASELINE_NAME) if is_run(directory / BASELINE_NAME) else None,
            baselines=run.baselines.found,
            trainings=tuple(run.trainings()),
            final_model=final,
            final_scores={} if final is None else run.final_test.scores_of(final),
            retrainings=tuple(
                TrainingSpan(places[each.digest], each.process, each.thread, each.started, each.ended)
                for each in run.retraining_spans()
                if each.digest in places
            ),
            in_training=run.in_training,
        )


def _space(value: Mapping[str, Any]) -> Any:
    try:
        return space_from_json(value)
    except InputError:
        return None


def _values(space: Any, record: Record) -> Mapping[str, Any]:
    """Gene -> value; for an unknown space, the plain values in the genome's JSON."""
    if hasattr(space, "values"):
        return dict(space.values(space.genome_from_json(record.genome)))
    plain = (str, int, float, bool)
    return {name: value for name, value in record.genome.items() if isinstance(value, plain)}
