"""The run directory: what is stored, and what a reader sees."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.config import Budget, Settings
from evonas.evaluation import Candidate, Evaluation, Origin, Snapshot, Status, snapshots_to_arrays
from evonas.io.atomic import temporary_in
from evonas.runs import RunReader, RunStore
from evonas.runs.summaries import Counts
from evonas.runs.weights import WeightFiles, weights_to_bytes
from genomes.errors import InputError
from genomes.population import read_population
from tests.runs.cases import candidates, files_under, fill, scored
from tests.toy import ToySpace, toy_evaluation, toy_settings, toy_store


def test_committed_data_are_read_back(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run", source={"path": "table.csv"}) as store:
        asked = fill(store, [3.0, 1.0, 2.0])
        store.complete_generation(0, {"generation": 1}, 4.0)
        store.end_session("generations", 4.5)
        digest = store.digest()
    with RunReader(tmp_path / "run") as run:
        assert run.settings == toy_settings()
        assert run.space_json == ToySpace().to_json()
        assert run.source == {"path": "table.csv"}
        assert (run.generations, run.state, run.evaluated, run.failed) == (1, {"generation": 1}, 3, 0)
        assert (run.seconds, run.stop, run.budget) == (4.5, "generations", Budget(generations=1))
        assert "numpy" in run.environment
        best = run.ranked(1)
        assert best.candidate(ToySpace().genome_from_json(best.genome)) == asked[1]
        assert best.evaluation.scores == {"rmse": 1.0}
        assert best.evaluation.curve[0] == 2.0
        assert np.isnan(best.evaluation.curve[1])
        assert [record.loss for record in run.best(9)] == [1.0, 2.0, 3.0]
        assert [record.index for record in run.records()] == [0, 1, 2]
        np.testing.assert_array_equal(run.weights(best)["output/kernel"], np.ones((2, 2), np.float32))
        assert run.digest() == digest
        assert run.owner is None
        (summary,) = run.summaries()
        assert (summary.candidates, summary.evaluations, summary.best_loss, summary.median_loss) == (3, 3, 1.0, 2.0)


def test_only_weights_of_the_best_are_kept(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run", toy_settings(keep=2)) as store:
        fill(store, [5.0, 3.0, 4.0, 1.0, 3.0, 6.0])
        assert [record.weights is not None for record in store.best(9)] == [True, True] + [False] * 4
        assert [record.index for record in store.best(2)] == [3, 1]
        assert len(list((tmp_path / "run" / "weights").iterdir())) == 2
        with pytest.raises(InputError, match="weights are kept for the best 2 networks"):
            store.weights(store.ranked(3))
        with pytest.raises(InputError, match="not 7: choose one from 1 to 6"):
            store.ranked(7)


def test_weights_are_kept_within_their_quota(tmp_path: Path) -> None:
    size = len(weights_to_bytes(scored(0.0).weights or {}))
    for room, kept in ((2 * size, 2), (size // 2, 1)):
        folder = tmp_path / str(room)
        with toy_store(folder, toy_settings(keep=4, keep_bytes=room)) as store:
            fill(store, [5.0, 3.0, 4.0, 1.0, 2.0, 6.0])
            assert [record.weights is not None for record in store.best(9)] == [True] * kept + [False] * (6 - kept)
            assert len(list((folder / "weights").iterdir())) == kept


def test_a_row_that_was_changed_is_refused(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        fill(store, [2.0, 1.0])
    connection = sqlite3.connect(tmp_path / "run" / "run.sqlite")
    connection.execute("UPDATE evaluation SET loss = 0.5 WHERE loss = 2.0")
    connection.commit()
    connection.close()
    for attempt in (RunReader, RunStore.open):
        with pytest.raises(InputError, match="row 1 of evaluation is not as it was written"):
            attempt(tmp_path / "run")


def test_a_reader_does_not_clean_up_after_a_crash(tmp_path: Path) -> None:
    folder, copy = tmp_path / "run", tmp_path / "copy"
    with toy_store(folder) as store:
        fill(store, [2.0, 1.0])
        digest = store.digest()
        store._connection.execute("PRAGMA cache_size = 1")
        store._connection.execute("BEGIN IMMEDIATE")
        store._connection.execute("UPDATE evaluation SET result = hex(zeroblob(50000))")
        shutil.copytree(folder, copy)
        store._connection.execute("ROLLBACK")
    before = files_under(copy)
    assert any(name.endswith("-journal") for name in before)
    with RunReader(copy) as run:
        assert run.digest() == digest
    assert files_under(copy) == before


def test_equal_weights_share_a_file_until_none_needs_it(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run", toy_settings(keep=2)) as store:
        asked = candidates(4)
        store.begin_session(Budget())
        store.add_candidates(asked, ToySpace())
        for candidate, score in zip(asked[:3], (3.0, 2.0, 1.0), strict=True):
            store.commit_part([(candidate, scored(score, 7.0))], 0.0)
        assert len(list((tmp_path / "run" / "weights").iterdir())) == 1
        store.weights(store.ranked(2))


def test_weights_files_are_the_same_bytes_whenever_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = toy_evaluation(candidates(1)[0]).weights or {"output/kernel": np.ones(2, np.float32)}
    first = weights_to_bytes(weights)
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert weights_to_bytes(dict(reversed(list(weights.items())))) == first


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    files = WeightFiles(tmp_path)
    name = files.put({"output/bias": np.zeros(3, np.float32)})
    path = tmp_path / "weights" / f"{name}.npz"
    content = bytearray(path.read_bytes())
    content[-30] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="must be as it was written"):
        files.get(name)
    path.unlink()
    with pytest.raises(InputError, match="must be readable"):
        files.get(name)


def test_only_leftovers_of_a_crash_are_collected(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with toy_store(folder) as store:
        fill(store, [1.0])
        (kept,) = (folder / "weights").iterdir()
    content = weights_to_bytes({"output/bias": np.zeros(1, np.float32)})
    left = [folder / "weights" / f"{hashlib.sha256(content).hexdigest()}.npz", temporary_in(folder / "weights")]
    left.append(temporary_in(folder))
    others = [folder / "weights" / f"{'0' * 64}.npz", folder / "weights" / "mine.npz", folder / ".results.csv.1.tmp"]
    for path in (*left, *others):
        path.write_bytes(content)
    RunStore.open(folder).close()
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in (kept, *others))


def snapshot(number: float) -> Snapshot:
    arrays = {"output/kernel": np.full((2, 2), number, np.float32)}
    return Snapshot(arrays, {}, arrays, arrays, np.ones((3, 1), np.float32), np.inf, 0.5, 2, (1.0, np.nan), (2.0, 0.1))


def test_snapshots_are_kept_for_possible_starting_points(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with toy_store(folder) as store:
        first = [replace(each, keep_snapshots=True) for each in candidates(3)]
        store.begin_session(Budget())
        store.add_candidates(first, ToySpace())
        pairs = [(each, replace(scored(1.0), snapshots=(snapshot(k), snapshot(9)))) for k, each in enumerate(first)]
        store.commit_part([*pairs[:2], (first[2], Evaluation(Status.FAILED, snapshots=(snapshot(7),)))], 0.0)
        store.complete_generation(0, {}, 0.0, None, frozenset({(0, 1), (0, 2)}))
        kept = store.kept(Origin(0, 1, "continue"))
        assert kept is not None
        assert kept[0] == {"numbers": [0, 0, 1], "letter": "a"}
        held, expected = snapshots_to_arrays(kept[1]), snapshots_to_arrays([snapshot(1), snapshot(9)])
        assert held.keys() == expected.keys()
        assert all(np.array_equal(value, expected[name], equal_nan=True) for name, value in held.items())
        assert store.kept(Origin(0, 0, "continue")) is store.kept(Origin(0, 2, "continue")) is None
        # A known candidate continues from its own training; a different origin is a different training.
        again = replace(first[1], generation=1, index=0)
        store.add_candidates([again], ToySpace())
        known = store.evaluation(again)
        assert known is not None
        assert (known[0], known[1].scores) == (0, {"rmse": 1.0})
        child = replace(first[1], generation=2, index=0, origin=Origin(1, 0, "inherit"))
        assert store.evaluation(child) is None
        assert store.locate(child).origin == Origin(0, 1, "inherit")
        with pytest.raises(RuntimeError, match="number 5 of generation 1"):
            store.locate(replace(child, origin=Origin(1, 5, "inherit")))
        store.complete_generation(1, {}, 0.0, None, frozenset({(1, 0)}))
        assert store.kept(Origin(0, 1, "inherit")) is not None
        store.complete_generation(2, {}, 0.0)
        assert store.kept(Origin(0, 1, "inherit")) is None
        named = {record.weights for record in store.records()} - {None}
        assert {path.stem for path in (folder / "weights").iterdir()} == named


def test_the_best_are_networks_each_with_its_best_evaluation(tmp_path: Path) -> None:
    """Also if one was evaluated after more and more epochs."""
    with toy_store(tmp_path / "run", toy_settings(keep=2)) as store:
        a, b, c = candidates(3)
        rungs = [replace(a, epochs=epochs, index=index) for index, epochs in enumerate((1, 3, 9))]
        asked = [*rungs, replace(b, index=3), replace(c, index=4)]
        store.begin_session(Budget())
        store.add_candidates(asked, ToySpace())
        for number, (each, score) in enumerate(zip(asked, (0.5, 0.2, 0.2, 0.7, 0.6), strict=True)):
            store.commit_part([(each, scored(score, number))], 0.0)
        assert [(record.loss, record.index) for record in store.best(9)] == [(0.2, 1), (0.6, 4), (0.7, 3)]
        assert [record.index for record in store.records() if record.weights] == [1, 4]
        assert store.ranked(3).index == 3
        with pytest.raises(InputError, match="choose one from 1 to 3"):
            store.ranked(4)


def test_epochs_behind_weights_count_those_that_were_inherited(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        a, b, c, d = (replace(each, epochs=50, generation=k, index=0) for k, each in enumerate(candidates(4)))
        lineage = [
            a,
            replace(b, origin=Origin(0, 0, "inherit")),
            replace(c, origin=Origin(1, 0, "continue")),
            replace(d, origin=Origin(2, 0, "inherit")),
        ]
        store.begin_session(Budget())
        for each, best_epoch in zip(lineage, (20, 4, 12, 7), strict=True):
            store.add_candidates([each], ToySpace())
            store.commit_part([(each, replace(scored(1.0), best_epoch=best_epoch))], 0.0)
        assert [store.epochs_behind(record) for record in store.records()] == [20, 24, 32, 39]


def test_each_training_is_committed_once(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        (asked,) = fill(store, [1.0])
        again = Candidate(asked.genome, asked.digest, asked.seed, asked.epochs, 1, 0)
        store.add_candidates([again], ToySpace())
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            store.commit_part([(again, scored(2.0))], 0.0)
        assert store.evaluated == 1


def test_a_generation_cannot_change_between_two_asks(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        store.begin_session(Budget())
        store.add_candidates(candidates(3), ToySpace())
        store.add_candidates(candidates(3), ToySpace())
        with pytest.raises(InputError, match="must be the same as before"):
            store.add_candidates(candidates(4), ToySpace())


def test_reports(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        fill(store, [3.0, 1.0])
        store.write_reports()
    with (tmp_path / "run" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rmse"] for row in rows] == ["3.0", "1.0"]
    assert json.loads(rows[1]["genome"]) == {"numbers": [0, 0, 1], "letter": "a"}
    population = read_population(tmp_path / "run" / "population.json", ToySpace())
    assert population.genomes == ((0, 0, 1, "a"), (0, 0, 0, "a"))
    assert population.scores == (1.0, 3.0)


# Directories.


def test_a_reader_beside_a_writer_sees_whole_commits(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store, RunReader(tmp_path / "run") as run:
        asked = candidates(40)
        store.begin_session(Budget())
        store.add_candidates(asked, ToySpace())
        for start in range(0, 40, 4):
            store.commit_part([(each, scored(each.index)) for each in asked[start : start + 4]], 0.0)
            assert run.evaluated == start + 4


def settings_of(values: dict[str, Any]) -> Settings:
    return Settings(**values)


def test_settings_differences_are_shown() -> None:
    assert settings_of({"population": 5}).difference(settings_of({"population": 6, "cv": 3})) == [
        "population: 5 -> 6",
        "cv: None -> 3",
    ]


def test_counts_of_a_store_match_its_rows(tmp_path: Path) -> None:
    """Also after a failed commit; a store does not count all rows after every part."""
    with toy_store(tmp_path / "run") as store, RunReader(tmp_path / "run") as run:
        asked = candidates(4)
        store.begin_session(Budget())
        store.add_candidates(asked, ToySpace())
        kinds = [
            scored(1.0),
            Evaluation(Status.FAILED, reason="diverged"),
            Evaluation(Status.INFEASIBLE, reason="wide"),
        ]
        for each, kind in zip(asked, kinds, strict=False):
            store.commit_part([(each, kind)], 0.0)
            assert store.counts == run.counts
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            store.commit_part([(asked[3], scored(2.0)), (asked[0], scored(2.0))], 0.0)
        assert store.counts == run.counts == Counts(trained=2, failed=1, infeasible=1)
        statements: list[str] = []
        store._connection.set_trace_callback(statements.append)
        store.commit_part([(asked[3], scored(2.0))], 0.0)
        assert (store.evaluated, store.failed, store.infeasible) == (3, 1, 1)
        store._connection.set_trace_callback(None)
        assert len([each for each in statements if "count(*)" in each]) == 1  # for the failed commit
    with RunStore.open(tmp_path / "run") as store:
        assert store.counts == Counts(trained=3, failed=1, infeasible=1)
