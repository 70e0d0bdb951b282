"""Callbacks of a search: which events they receive and in which order, over stops and resumes, and when they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.evaluation import Status
from evonas.runs import RunReader
from evonas.trackers import read_evaluated
from genomes import InputError
from tests.stub import StubEvaluator, no_standby

X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5]


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(api, "_worker", StubEvaluator)
    monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    monkeypatch.chdir(tmp_path)


class Heard(evonas.Callback):
    """Records its events."""

    def __init__(self, fails: str = "") -> None:
        self.told: list[str] = []
        self.candidates: list[evonas.EvaluatedCandidate] = []
        self.fails = fails

    def note(self, what: str) -> None:
        self.told.append(what)
        if what == self.fails:
            raise OSError("the disk\nis full")

    def on_start(self, run: RunReader, budget: evonas.Budget) -> None:
        self.note("start")

    def on_evaluation(self, candidate: evonas.EvaluatedCandidate) -> None:
        self.candidates.append(candidate)
        self.note("evaluation")

    def on_generation(self, generation: evonas.Generation) -> None:
        self.note("generation")

    def on_end(self, run: RunReader, exported: Any) -> None:
        self.note("end")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_events_and_their_order(asynchronous: bool) -> None:
    heard = Heard()
    options = {
        "population": 3,
        "asynchronous": asynchronous,
        "strategy": "aging",
        "window": 1 if asynchronous else None,
        "known_defaults": False,
    }
    result = evonas.search(X, Y, generations=2, out="run", callbacks=[heard], **options)
    assert heard.told == ["start", *(["evaluation"] * 3 + ["generation"]) * 2, "end"]
    with RunReader(result.run_dir) as run:
        committed = list(read_evaluated(run))
    assert sorted(heard.candidates, key=lambda each: each.name) == committed
    first = committed[0]
    assert (first.name, first.operator, first.evaluation.status) == ("g000-i00", "sample", Status.OK)
    assert first.genes.keys() >= {"optimizer", "learning_rate"}


def test_a_resumed_session_gets_only_its_own_events() -> None:
    first, second = Heard(), Heard()
    evonas.search(X, Y, evaluations=5, population=4, out="run", strategy="random", callbacks=[first])
    evonas.resume("run", evaluations=8, callbacks=[second])
    places = [each.name for each in (*first.candidates, *second.candidates)]
    assert len(places) == len(set(places)) == 8


@pytest.mark.parametrize("moment", ["start", "evaluation", "generation", "end"])
def test_a_failing_callback_affects_nothing_else(moment: str, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = Heard(moment), Heard()
    result = evonas.search(X, Y, generations=2, population=3, out="run", strategy="random", callbacks=[bad, good])
    assert result.stop == "generations"
    assert good.told[-1] == "end"
    assert bad.told == good.told[: good.told.index(moment) + 1]
    assert capsys.readouterr().err == "Note: Heard failed and is not called again (OSError: the disk)\n"


@pytest.mark.parametrize("callbacks", [Heard(), [Heard], [print], "ab"])
def test_invalid_callbacks_are_refused_before_anything_is_written(callbacks: Any) -> None:
    with pytest.raises(InputError, match="callbacks must be"):
        evonas.search(X, Y, callbacks=callbacks, out="run")
    assert not Path("run").exists()
