"""The chart of training times in a report, and how its text describes re-trainings."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evonas.reporting.answer import _trust
from evonas.reporting.convergence_figures import best_by
from evonas.reporting.cost_figures import timeline
from evonas.reporting.figure import log_axis
from evonas.reporting.rundata import RunData, read_run
from evonas.reporting.schedule import schedule_of
from evonas.runs.spans import TrainingSpan
from tests.reporting.synthetic import synthetic_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return read_run(synthetic_run(tmp_path_factory.mktemp("run") / "run", 20))


def with_trainings(run: RunData, *trainings: TrainingSpan) -> RunData:
    return replace(run, trainings=trainings)


def test_measured_trainings_are_drawn_where_they_were(run: RunData):
    where = [("p", 0, 1.0, 2.0), ("p", 1, 1.0, 3.0), ("q", 0, 2.0, 2.5), ("p", 0, 2.0, 4.0), ("p", 0, 3.0, 5.0)]
    trainings = [TrainingSpan((0, index), *each) for index, each in enumerate(where)]
    schedule = schedule_of(with_trainings(run, *trainings))
    assert schedule.exact
    names = [schedule.names[lane] for lane in schedule.lanes]
    assert names == [
        "worker 1, thread 1",
        "worker 1, thread 2",
        "worker 2, thread 1",
        "worker 1, thread 1",
        "worker 1, thread 1, network 2",  # of one compiled program
    ]
    assert schedule.starts.tolist() == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert schedule.ends.tolist() == [2.0, 3.0, 2.5, 4.0, 5.0]
    figure = timeline(with_trainings(run, *trainings))
    assert figure is not None
    assert "as measured" in figure.caption
    assert "15 other networks" in figure.caption
    (bars,) = (trace for trace in figure.traces if 3 in trace["customdata"])
    at = bars["customdata"].index(3)
    assert (bars["base"][at], bars["x"][at]) == (2.0, 2.0)


def test_finalists_are_drawn_and_do_not_count_as_search(run: RunData):
    searched = replace(run, trainings=(TrainingSpan((0, 2), "p", 0, 1.0, 2.0),))
    both = replace(searched, retrainings=(TrainingSpan((0, 2), "p", 0, 7.0, 9.0),))
    figure = timeline(both)
    assert figure is not None
    found = {trace["name"]: (trace["base"], trace["x"], trace["y"]) for trace in figure.traces}
    assert found["finalist, trained again"] == ([7.0], [2.0], ["thread 1"])
    assert best_by(both, "seconds")[0].max() == best_by(searched, "seconds")[0].max() < 7.0


def test_a_run_without_times_is_estimated_and_says_so(run: RunData):
    assert not schedule_of(run).exact
    figure = timeline(run)
    assert figure is not None
    assert "estimated" in figure.caption


def test_the_best_by_time_counts_a_network_when_it_is_trained(run: RunData):
    late = [TrainingSpan((0, index), "p", 0, 0.0, 100.0 - index) for index in range(20)]
    x, best = best_by(with_trainings(run, *late), "seconds")
    assert x.tolist() == sorted(100.0 - index for index in range(20))
    np.testing.assert_array_equal(best, np.fmin.accumulate(run.losses[::-1]) * run.sign)


@pytest.mark.parametrize(
    ("gap", "words"),
    [(0.1, r"0\.10* worse.*can be believed"), (3.0, r"3\.0* worse.*was lucky"), (-3.0, r"3\.0* better.*was unlucky")],
)
def test_the_luck_estimate_respects_the_direction(gap: float, words: str):
    finalist = SimpleNamespace(gap=gap, mean=1.0, spread=1.0, scores=(1.0, 2.0))
    trusted: Any = SimpleNamespace(finalists=(finalist,))
    assert re.search(words, _trust(trusted))


def test_ticks_of_a_logarithmic_axis_are_whole_numbers():
    assert log_axis("x", [16.0, 220.0])["ticktext"] == ["20", "50", "100", "200"]
    assert log_axis("x", [0.0001, 0.5])["ticktext"] == ["0.0001", "0.001", "0.01", "0.1"]
    assert "tickvals" not in log_axis("x", [])
