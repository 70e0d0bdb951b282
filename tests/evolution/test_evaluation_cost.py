"""The estimated cost of an evaluation, and the effort that follows from it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from evonas.config import Settings
from evonas.data.prepare import prepare_arrays
from evonas.data.prepared import PreparedData
from evonas.evolution.evaluation_cost import with_expected_seconds
from evonas.strategies.surrogate.effort import effort_of
from genomes import DenseSpace, HyperparameterSpace, Range


def cost_of(rows: int = 400, space: Any = None, data: bool = True, **options: Any) -> float | None:
    x = np.random.default_rng(0).normal(size=(rows, 6))
    prepared: PreparedData | None = prepare_arrays(x, x @ np.arange(6), seed=0) if data else None
    settings = Settings(**{"seed": 0, "trainer": "native", **options}).resolve("rmse")
    return with_expected_seconds(settings, space or DenseSpace(), prepared).evaluation_seconds


def test_more_rows_and_epochs_cost_more_and_a_seed_nothing() -> None:
    few, more, longer = cost_of(), cost_of(rows=4000), cost_of(epochs=500, patience=None)
    assert few is not None
    assert more is not None
    assert longer is not None
    assert 0 < few < more
    assert longer == pytest.approx(10 * few, rel=0.3)
    assert cost_of(seed=1) == few


def test_custom_models_are_expensive_and_given_settings_are_kept() -> None:
    own = cost_of(space=HyperparameterSpace({"x": Range(0.0, 1.0)}), data=False, trainer="single")
    assert own is not None
    assert own >= 1.0
    assert cost_of(evaluation_seconds=3.0) == 3.0
    assert cost_of(strategy="ga") is None
    assert cost_of(trainer="population") is None


def test_the_effort_grows_with_the_cost_of_an_evaluation() -> None:
    levels = [effort_of(500, seconds) for seconds in (None, 0.3, 2.0, 60.0)]
    for less, more in pairwise(levels):
        assert less.rows.samples < more.rows.samples
        assert less.genomes.offspring < more.genomes.offspring
    assert effort_of(500, 0.0) == levels[0]
    assert effort_of(20, 60.0) == levels[-1]
    assert effort_of(20, None).rows.samples > levels[0].rows.samples
