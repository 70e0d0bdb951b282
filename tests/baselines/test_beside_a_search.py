"""Baselines beside a search: trained in a separate process, committed and compared, never holding up the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evonas.api import session
from evonas.api.prepared_search import search_prepared
from evonas.api.resume import resume
from evonas.baselines import start
from evonas.baselines.start import BaselineProcess, baselines_wanted, reason_against
from evonas.config import Budget, Settings
from evonas.display import summaries
from evonas.display.baseline_summaries import NETWORK, verdict_of
from evonas.errors import Interrupted
from evonas.interruption import Interruption
from evonas.objective import Objective
from evonas.runs.baselines import BaselineModel, Baselines
from evonas.runs.reader import RunReader
from evonas.runs.store import RunStore
from tests.baselines.test_fitting import prepare, table
from tests.reporting.synthetic import synthetic_run
from tests.stub import StubEvaluator

BOOSTED = BaselineModel("gradient boosting", "Trees, 9 trees", True, 100, 1.0, {"rmse": 2.0}, {"rmse": 2.2})
LINEAR = BaselineModel("linear model", "Ridge", True, 100, 0.1, {"rmse": 3.0}, {"rmse": 3.3})
RMSE = Objective("rmse", "min")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.npz"
    prepare(table()).save(path)
    return path


def test_the_process_trains_both_baselines(data: Path):
    with BaselineProcess(data, 0) as process:
        found = process.outcome(120.0)
    assert [model.name for model in found.models] == ["gradient boosting", "linear model"]
    assert found.complete


def test_an_unfinished_baseline_is_reported_and_ended(data: Path):
    with BaselineProcess(data, 0) as process:
        found = process.outcome(0.0)
        assert process._process.poll() is not None
    assert "had not finished" in found.missing
    assert not found.complete


def test_unreadable_data_are_reported(tmp_path: Path):
    with BaselineProcess(tmp_path / "none.npz", 0) as process:
        assert "none.npz" in process.outcome(60.0).missing


def test_it_ends_with_the_process_that_started_it(data: Path):
    script = (
        "import os, sys; from pathlib import Path; from evonas.baselines.start import BaselineProcess; "
        f"print(BaselineProcess(Path({str(data)!r}), 0)._process.pid, flush=True); os._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    pytest.fail("it continued")


def test_reasons_for_leaving_out_baselines(data: Path, monkeypatch: pytest.MonkeyPatch):
    assert reason_against(data, None) == reason_against(data, 60.0) == ""
    assert "too short" in reason_against(data, 5.0)
    monkeypatch.setattr(start, "free_bytes", lambda: 1000)
    assert "memory" in reason_against(data, None)
    assert baselines_wanted(True, {})
    assert not baselines_wanted(False, {})
    assert not baselines_wanted(True, {"EVONAS_BASELINE": "off"})


@pytest.mark.parametrize(
    ("test", "winner", "part", "words"),
    [
        ({"rmse": 1.1}, NETWORK, "test", "The network is better than the baselines on the test rows, by 50.0%."),
        ({"rmse": 4.4}, "gradient boosting", "test", "Gradient boosting is better than the network on the test rows"),
        ({}, NETWORK, "validation", "on the validation rows"),
    ],
)
def test_the_verdict_uses_test_rows_if_there_are_any(test: dict[str, float], winner: str, part: str, words: str):
    found = verdict_of(RMSE, {"rmse": 1.0}, test, Baselines((BOOSTED, LINEAR)))
    assert found is not None
    assert (found.winner, found.part) == (winner, part)
    assert words in found.words
    unfinished = verdict_of(RMSE, {"rmse": 1.0}, test, Baselines((BOOSTED,), "not finished"))
    assert unfinished is not None
    assert (winner != NETWORK) or "as far as they were trained" in unfinished.words


def test_equal_scores_are_called_equal() -> None:
    theirs = BOOSTED.test["rmse"]
    found = verdict_of(RMSE, {}, {"rmse": theirs}, Baselines((BOOSTED, LINEAR)))
    assert found is not None
    assert found.words == "The network and the best baseline are equally good on the test rows."


def test_a_run_stores_baselines_and_compares_them(tmp_path: Path):
    run_dir = synthetic_run(tmp_path / "run", 20)
    with RunReader(run_dir) as run:
        assert run.baselines.found is None
        assert summaries.summary_values(run)["baselines"] is None
        name, digest = run.objective.name, run.digest()
    scores = {name: 1e9 if name in ("rmse", "log_loss") else -1e9}
    bad = BaselineModel("gradient boosting", "Trees", True, 100, 1.0, scores, scores)
    with RunStore.open(run_dir) as store:
        store.baselines.note(Baselines(missing="no time"))
        store.baselines.note(Baselines((bad,)))
    with RunReader(run_dir) as run:
        assert run.baselines.found == Baselines((bad,))
        assert run.digest() == digest
        assert "The network is better than the baselines" in "\n".join(summaries.summary_lines(run))
        values = json.loads(json.dumps(summaries.summary_values(run)["baselines"]))
        assert values["verdict"]["winner"] == NETWORK
        assert values["models"][0]["name"] == "gradient boosting"


@pytest.mark.soak
def test_baselines_are_trained_once_and_kept_by_a_resumed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EVONAS_BASELINE", raising=False)
    monkeypatch.setattr(session, "_BASELINE_SECONDS", 120.0)
    monkeypatch.setattr(session, "_BASELINE_SHARE", 1e3)
    told: list[Any] = []
    options: dict[str, Any] = {"settings": Settings(seed=0, population=3, finalists=0), "evaluator": StubEvaluator}
    search = partial(search_prepared, prepare(table()), budget=Budget(generations=1), **options)
    off = search(out=tmp_path / "off")
    assert off.baselines.empty
    found = search(out=tmp_path / "on", baseline=True, on_end=lambda run, *_: told.append(run.baselines.found))
    assert told[0].complete
    assert list(found.baselines["name"]) == ["gradient boosting", "linear model"]
    with RunReader(tmp_path / "on") as on, RunReader(tmp_path / "off") as without:
        assert on.digest() == without.digest()
    monkeypatch.setattr(session, "BaselineProcess", None)  # starting it would fail
    again = resume(tmp_path / "on", generations="+1", evaluator=StubEvaluator)
    assert again.baselines.equals(found.baselines)


def test_a_resumed_run_keeps_the_choice_of_no_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EVONAS_BASELINE", raising=False)
    monkeypatch.setattr(session, "BaselineProcess", None)  # starting it would fail
    options: dict[str, Any] = {"settings": Settings(seed=0, population=3, finalists=0), "evaluator": StubEvaluator}
    search_prepared(prepare(table()), budget=Budget(generations=1), out=tmp_path / "run", baseline=False, **options)
    assert resume(tmp_path / "run", generations="+1", evaluator=StubEvaluator).baselines.empty
    with pytest.raises(TypeError):
        resume(tmp_path / "run", generations="+1", evaluator=StubEvaluator, baseline=True)


def test_a_stopped_search_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EVONAS_BASELINE", raising=False)
    interruption = Interruption()
    options: dict[str, Any] = {"settings": Settings(seed=0, population=3, finalists=0), "evaluator": StubEvaluator}
    options |= {"interruption": interruption, "on_generation": lambda _: os.kill(os.getpid(), signal.SIGTERM)}
    with pytest.raises(Interrupted):
        search_prepared(prepare(table()), budget=Budget(generations=3), out=tmp_path / "run", baseline=True, **options)
    with RunReader(tmp_path / "run") as run:
        assert run.baselines.found is not None
        assert run.baselines.found.missing == "the search was stopped"
