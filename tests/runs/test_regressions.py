"""One small test for each defect that the reliability battery has found in run directories."""

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from evonas.config import Budget, Settings
from evonas.data.prepared import PreparedData
from evonas.errors import StorageError
from evonas.evolution.loop import evolve
from evonas.runs import RunReader, RunStore
from evonas.runs.checksums import update
from evonas.runs.disk_reserve import DISK_RESERVE
from evonas.runs.progress import describe_stop
from evonas.strategies import make_strategy
from genomes.errors import InputError
from tests.runs.cases import candidates, fill, scored, toy_data
from tests.toy import RMSE, ToyEvaluator, ToySpace, toy_settings, toy_store


def refusing(code: int) -> Any:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "Input/output error")])
def test_disk_errors_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    with toy_store(tmp_path / "run") as store:
        asked = candidates(2)
        store.begin_session(Budget())
        store.add_candidates(asked, ToySpace())
        (tmp_path / "run" / DISK_RESERVE).unlink()
        monkeypatch.setattr("evonas.io.atomic.os.fsync", refusing(code))
        with pytest.raises(StorageError, match=rf"could not be written: .*{words}"):
            store.commit_part([(asked[0], scored(1.0))], 0.0)
        monkeypatch.undo()
        assert store.evaluated == 0
        store.commit_part([(asked[0], scored(1.0))], 0.0)


def test_a_file_that_cannot_be_deleted_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_store(tmp_path / "run", toy_settings(keep=1)) as store:
        asked = candidates(2)
        store.begin_session(Budget())
        store.add_candidates(asked, ToySpace())
        store.commit_part([(asked[0], scored(2.0, 2))], 0.0)
        monkeypatch.setattr(Path, "unlink", refusing(errno.EROFS))
        store.commit_part([(asked[1], scored(1.0, 1))], 0.0)
        monkeypatch.undo()
        assert len(list((tmp_path / "run" / "weights").glob("[!.]*"))) == 2
    RunStore.open(tmp_path / "run").close()
    assert len(list((tmp_path / "run" / "weights").iterdir())) == 1


def test_data_that_name_another_compression_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    toy_data().save(path)
    with zipfile.ZipFile(path) as archive:
        offset = archive.start_dir
    content = bytearray(path.read_bytes())
    content[offset + 10] = 99  # a method that Python does not have
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"data\.npz"):
        PreparedData.load(path)


def test_invalid_text_is_refused(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        fill(store, [1.0])
        store._connection.execute("UPDATE evaluation SET result = CAST(x'ff' AS TEXT)")
    for attempt in (RunReader, RunStore.open):
        with pytest.raises(InputError, match="is damaged"):
            attempt(tmp_path / "run")


def test_numbers_of_many_digits_are_refused() -> None:
    for name in ("crossover", "population", "candidate_timeout", "worker_memory"):
        with pytest.raises(InputError, match=name):
            Settings(**{"seed": 0, name: 10**400})


def test_a_state_that_was_changed_is_refused(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        update(store._connection, "state", {}, {"value": '{"evaluator":null,"strategy":{"generation":[]}}'})
    with RunStore.open(tmp_path / "run") as store:
        strategy = make_strategy("ga", ToySpace(), objective=RMSE, settings=store.settings)
        with pytest.raises(InputError, match="state of the strategy"):
            list(evolve(strategy, ToyEvaluator(), store, ToySpace(), Budget(generations=1)))


def test_an_unknown_reason_to_stop_is_refused() -> None:
    with pytest.raises(InputError, match="reason to stop must be one of"):
        describe_stop("boredom", Budget())


def test_a_loss_without_its_score_is_refused(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        fill(store, [1.0])
        place = {"generation": 0, "position": 0}
        (result,) = store._connection.execute("SELECT result FROM evaluation").fetchone()
        update(store._connection, "evaluation", place, {"result": result.replace('"rmse"', '"mae"')})
    with RunReader(tmp_path / "run") as run, pytest.raises(InputError, match="loss"):
        run.best(1)


def test_a_run_of_endless_time_is_refused(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        fill(store, [1.0])
        update(store._connection, "session", {}, {"seconds": float("inf")})
    with pytest.raises(InputError, match="infinite number"):
        RunReader(tmp_path / "run")
