"""The run directory: what is refused and left untouched, what is kept, and what a reader sees."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.config import Budget, Settings
from evonas.data.prepared import PreparedData, Problem, Split
from evonas.evaluation import Candidate, Evaluation, Origin, Status
from evonas.runs import RunReader, RunStore
from evonas.runs.schema import FORMAT
from evonas.runs.weights import WeightFiles, weights_to_bytes
from evonas.snapshot import Snapshot, snapshots_to_arrays
from genomes.errors import InputError
from genomes.population import read_population
from tests.toy import ToySpace, toy_evaluation, toy_settings, toy_store

ROOT = Path(__file__).parents[2]


def candidates(count: int, generation: int = 0) -> list[Candidate]:
    space = ToySpace()
    genomes = [(number // 100 % 10, number // 10 % 10, number % 10, "a") for number in range(count)]
    return [Candidate(genome, space.digest(genome), 5, 50, generation, index) for index, genome in enumerate(genomes)]


def scored(score: float, number: float = 0.0) -> Evaluation:
    weights = {"output/kernel": np.full((2, 2), number, np.float32)}
    return Evaluation(Status.OK, {"rmse": score}, curve=(2.0, float("nan"), score), epochs=3, weights=weights)


def fill(store: RunStore, scores: list[float]) -> list[Candidate]:
    asked = candidates(len(scores))
    store.begin_session(Budget(generations=1))
    store.add_candidates(asked, ToySpace())
    for number, (candidate, score) in enumerate(zip(asked, scores, strict=True)):
        store.commit_part([(candidate, scored(score, number))], seconds=number + 1.0)
    return asked


def files_under(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_what_was_committed_is_read_back(tmp_path: Path) -> None:
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


def test_weights_of_the_best_are_kept_and_no_others(tmp_path: Path) -> None:
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


def test_a_reader_leaves_what_a_crash_left(tmp_path: Path) -> None:
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


def test_what_a_crash_left_is_collected(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with toy_store(folder) as store:
        fill(store, [1.0])
        (kept,) = (folder / "weights").iterdir()
    left = [folder / "weights" / f"{'0' * 64}.npz", folder / "weights" / ".a.npz.1.tmp", folder / ".results.csv.1.tmp"]
    for path in left:
        path.write_bytes(b"left")
    RunStore.open(folder).close()
    assert not any(path.exists() for path in left)
    assert kept.exists()


def snapshot(number: float) -> Snapshot:
    arrays = {"output/kernel": np.full((2, 2), number, np.float32)}
    return Snapshot(arrays, {}, arrays, arrays, np.ones((3, 1), np.float32), np.inf, 0.5, 2, (1.0, np.nan), (2.0, 0.1))


def test_snapshots_are_kept_for_those_that_may_be_started_from(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with toy_store(folder) as store:
        first = [replace(each, keep=True) for each in candidates(3)]
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
        # A candidate that was known is started from where it was trained; another origin is another training.
        again = replace(first[1], generation=1, index=0)
        store.add_candidates([again], ToySpace())
        known = store.evaluation(again)
        assert known is not None
        assert (known[0], known[1].scores) == (0, {"rmse": 1.0})
        child = replace(first[1], generation=2, index=0, origin=Origin(1, 0, "inherit"))
        assert store.evaluation(child) is None
        assert store.located(child).origin == Origin(0, 1, "inherit")
        with pytest.raises(RuntimeError, match="number 5 of generation 1"):
            store.located(replace(child, origin=Origin(1, 5, "inherit")))
        store.complete_generation(1, {}, 0.0, None, frozenset({(1, 0)}))
        assert store.kept(Origin(0, 1, "inherit")) is not None
        store.complete_generation(2, {}, 0.0)
        assert store.kept(Origin(0, 1, "inherit")) is None
        named = {record.weights for record in store.records()} - {None}
        assert {path.stem for path in (folder / "weights").iterdir()} == named


def test_the_best_are_networks_each_with_its_best_evaluation(tmp_path: Path) -> None:
    """Also when one was evaluated after more and more epochs."""
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
        with pytest.raises(InputError, match="must be asked for as before"):
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


def test_a_directory_with_a_run_is_refused_untouched_or_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    with toy_store(folder) as store:
        fill(store, [1.0])
    before = files_under(folder)
    with pytest.raises(InputError, match=r"evonas resume '.*my run'\), replace it \(--overwrite\)"):
        toy_store(folder)
    assert {**files_under(folder), str(folder / "run.lock"): b""} == before
    with toy_store(folder, overwrite=True) as store:
        assert store.evaluated == 0
        assert not list((folder / "weights").iterdir())


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"must be new or empty, but .* holds thesis.tex"):
            toy_store(tmp_path, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        toy_store(tmp_path / "file" / "run")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if not os.access(locked, os.W_OK):  # root may write anywhere
        with pytest.raises(InputError, match="must be writable"):
            toy_store(locked)


def test_a_creation_that_was_killed_leaves_room(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("data.npz", "run.sqlite.tmp", "run.sqlite.tmp-journal", "run.lock", ".results.csv.77.tmp"):
        (folder / name).write_bytes(b"half")
    with pytest.raises(InputError, match="there is none"):
        RunStore.open(folder)
    toy_store(folder).close()
    RunStore.open(folder).close()


OWN = """
import sys
from evonas.runs import RunStore
store = RunStore.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_the_owner_and_readers_are_not_blocked(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with toy_store(folder) as store:
        fill(store, [1.0])
    owner = subprocess.Popen(
        [sys.executable, "-c", OWN, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert owner.stdout is not None
        owner.stdout.readline()
        for attempt in (lambda: RunStore.open(folder), lambda: toy_store(folder, overwrite=True)):
            with pytest.raises(InputError, match=rf"is being used by process {owner.pid}"):
                attempt()
        with RunReader(folder) as run:
            assert run.owner == owner.pid
            assert run.evaluated == 1
    finally:
        owner.kill()
        owner.communicate()
    RunStore.open(folder).close()


def set_version(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def damage(folder: Path, how: str) -> None:
    path = folder / "run.sqlite"
    if how == "newer":
        set_version(path, FORMAT + 1)
    elif how == "older":
        set_version(path, 1)
    elif how == "text":
        path.write_text("not a database " * 100)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "foreign":
        path.unlink()
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (a)")
        connection.close()
    elif how == "schema":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TRIGGER evil AFTER UPDATE ON session BEGIN DELETE FROM evaluation; END")
        connection.close()
    elif how == "missing":
        path.unlink()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("newer", f"at most {FORMAT}, .* has format {FORMAT + 1}: upgrade evonas; nothing was changed"),
        ("older", f"must be 2 or {FORMAT}, .* has format 1, .* nothing was changed"),
        ("text", "is no SQLite file"),
        ("empty", "is no SQLite file"),
        ("truncated", "is damaged"),
        ("foreign", "another program wrote it"),
        ("schema", "is damaged .*tables"),
        ("missing", "there is none in"),
    ],
)
def test_what_is_no_run_of_this_format_is_refused_untouched(tmp_path: Path, how: str, text: str) -> None:
    folder = tmp_path / "run"
    with toy_store(folder) as store:
        fill(store, [1.0])
    damage(folder, how)
    before = files_under(folder)
    for attempt in (RunReader, RunStore.open):
        with pytest.raises(InputError, match=text):
            attempt(folder)
        assert files_under(folder) == before


def toy_data(shift: float = 0.0) -> PreparedData:
    x, y = np.arange(12, dtype=np.float32).reshape(6, 2) + shift, np.ones((6, 1), np.float32)
    problem = Problem("regression", 2, 1, (0.0,), (1.0,))
    return PreparedData(problem, (Split(x[:4], y[:4], x[4:], y[4:]),), fingerprint=f"fingerprint {shift}")


def test_changed_data_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    toy_store(folder, data=toy_data()).close()
    with RunStore.open(folder) as store:
        assert store.fingerprint == "fingerprint 0.0"
        assert store.problem_json["task"] == "regression"
    toy_data(1.0).save(folder / "data.npz")
    with pytest.raises(InputError, match=r"data.npz must be as the run wrote it"):
        RunStore.open(folder)
    (folder / "data.npz").unlink()
    with pytest.raises(InputError, match="must be readable"):
        RunStore.open(folder)
    toy_data().save(folder / "data.npz")
    RunStore.open(folder).close()


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    for attempt in (RunReader, RunStore.open):
        with pytest.raises(InputError, match="there is none in"):
            attempt(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


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
