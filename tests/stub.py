"""An evaluator over real spaces and data that does not train, and a displayed search that uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from evonas.api import prepared_search as api
from evonas.config import Budget, Settings
from evonas.data.prepare import prepare_arrays
from evonas.data.prepared import PreparedData
from evonas.display import Display
from evonas.evaluation import Candidate, Evaluation, Start, Status
from evonas.runs import RunReader


class StubEvaluator:
    """Scores a network by its digest; each network is a separate part."""

    closed = False
    evaluation: Evaluation | None = None

    def __init__(self, space: Any, data: Path, settings: Settings) -> None:
        self.metric = settings.objective or ""
        StubEvaluator.closed = False

    def state(self) -> None:
        """Has no state."""

    def restore(self, state: Any) -> None:
        """Has no state."""

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        for index, candidate in enumerate(candidates):
            if index not in done:
                scores = {self.metric: int(candidate.digest[:8], 16) / 2**32}
                weights = {"output/bias": np.zeros(1, np.float32)}
                good = Evaluation(Status.OK, scores, best_epoch=1, epochs=2, curve=(2.0, 1.0), weights=weights)
                yield {index: self.evaluation or good}

    def close(self) -> None:
        StubEvaluator.closed = True


def no_standby(*_: Any) -> nullcontext[None]:
    """In place of a worker process that is started while the data are read."""
    return nullcontext()


def stub_search(
    run_dir: Path,
    display: Display,
    generations: int = 1,
    evaluation: Evaluation | None = None,
    data: PreparedData | None = None,
    asynchronous: bool | None = None,
) -> None:
    """Returns a search of four networks a generation."""

    class Evaluator(StubEvaluator):
        pass

    Evaluator.evaluation = evaluation
    x = np.random.default_rng(0).normal(size=(60, 3))
    api.search_prepared(
        data or prepare_arrays(x, x @ [1.0, -2.0, 0.5], seed=0),
        settings=Settings(seed=0, population=4, asynchronous=asynchronous),
        budget=Budget(generations=generations),
        out=run_dir,
        on_start=display.start,
        on_part=display.part,
        on_generation=display.generation,
        evaluator=Evaluator,
    )
    with RunReader(run_dir) as run:
        display.finish(run, None, {})
