"""When networks were trained, on the search's clock."""

from __future__ import annotations

import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from evonas.config import Budget
from evonas.evaluation import Span
from evonas.runs import RunReader, RunStore
from evonas.runs import spans as spans_of_runs
from evonas.runs.schema import DATABASE
from genomes.errors import InputError
from tests.runs.cases import candidates, scored
from tests.runs.test_golden import GOLDEN
from tests.toy import ToySpace, toy_store


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> float:
    """A clock that stands still, so that a busy machine has no effect."""
    moment = time.time()
    monkeypatch.setattr(spans_of_runs, "time", SimpleNamespace(time=lambda: moment))
    return moment


def fill(store: RunStore, spans: list[tuple[Span, ...]], seconds: float, generation: int = 0) -> None:
    asked = candidates(len(spans), generation)
    asked = [replace(each, seed=generation) for each in asked]
    store.begin_session(Budget(generations=9))
    store.add_candidates(asked, ToySpace())
    store.commit_part(
        [(each, replace(scored(1.0), spans=mine)) for each, mine in zip(asked, spans, strict=True)], seconds
    )


def test_spans_are_seconds_of_the_search_over_sessions(tmp_path: Path, now: float) -> None:
    with toy_store(tmp_path / "run") as store:
        folds = (Span("a", 0, now - 3.0, now - 2.0), Span("a", 1, now - 3.0, now - 1.0))
        fill(store, [folds, ()], 10.0)
        store.end_session("interrupted", 12.0)
    with RunStore.open(tmp_path / "run") as store:
        # By a wrong clock, it began before this session and ends in the future.
        fill(store, [(Span("b", 0, now - 100.0, now + 100.0),)], 4.0, generation=1)
    with RunReader(tmp_path / "run") as run:
        found = run.trainings()
    assert [(each.place, each.process, each.thread) for each in found] == [
        ((0, 0), "a", 0),
        ((0, 0), "a", 1),
        ((1, 0), "b", 0),
    ]
    assert [value for each in found for value in (each.started, each.ended)] == pytest.approx(
        [7.0, 8.0, 7.0, 9.0, 12.0, 16.0], abs=1e-6
    )
    assert (found[2].started, found[2].ended) == (12.0, 16.0)


def test_retrained_finalists_have_spans_until_the_search_continues(tmp_path: Path, now: float) -> None:
    with toy_store(tmp_path / "run") as store:
        fill(store, [(Span("a", 0, now - 3.0, now - 2.0),)], 10.0)
        store.retrainings.ask(1, 1, 1)
        (finalist,) = candidates(1)
        again = replace(scored(1.0), spans=(Span("a", 1, now - 1.0, now),))
        store.retrainings.commit([(finalist, again)], 0.0, 12.0)
        digest = store.digest()
        (found,) = store.retraining_spans()
        assert (found.digest, found.thread) == (finalist.digest, 1)
        assert (found.started, found.ended) == pytest.approx((11.0, 12.0), abs=1e-6)
        store.retrainings.ask(2, 1, 1)
        assert not store.retraining_spans()
        store.retrainings.ask(1, 1, 1)
        store.retrainings.commit([(finalist, replace(again, spans=()))])
        assert store.digest() == digest


def test_no_digest_counts_them(tmp_path: Path) -> None:
    digests = []
    for name, spans in (("with", (Span("a", 0, 1.0, 2.0),)), ("without", ())):
        with toy_store(tmp_path / name) as store:
            fill(store, [spans], 1.0)
            digests.append(store.digest())
    assert digests[0] == digests[1]


def test_a_run_of_an_earlier_format_has_none(tmp_path: Path) -> None:
    run_dir = Path(shutil.copytree(GOLDEN, tmp_path / "run"))
    with RunReader(run_dir) as run:
        assert run.trainings() == []
    RunStore.open(run_dir).close()
    with RunReader(run_dir) as run:
        assert run.trainings() == []


def test_a_span_that_was_changed_is_refused(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        fill(store, [(Span("a", 0, 1.0, 2.0),)], 1.0)
    with sqlite3.connect(tmp_path / "run" / DATABASE) as connection:
        connection.execute("UPDATE span SET ended = 9")
    connection.close()
    with pytest.raises(InputError, match="row 1 of span is not as it was written"):
        RunReader(tmp_path / "run")
