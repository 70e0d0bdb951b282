"""Run directories of earlier formats and of this release open; one of format 2 is migrated, and a copy is kept."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from evonas.config import Budget
from evonas.data.prepared import PreparedData
from evonas.evaluation import TRAINER_VERSION
from evonas.evolution.loop import evolve
from evonas.runs import RunReader, RunStore, migrations, schema
from evonas.strategies import make_strategy
from genomes.encodings import space_from_json
from genomes.errors import InputError
from tests.stub import StubEvaluator
from tests.toy import RMSE

GOLDEN = Path(__file__).parents[1] / "golden" / "run"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "run"))


def everything(directory: Path) -> tuple[object, ...]:
    with RunReader(directory) as run:
        records = list(run.records())
        weights = [run.weights(record) for record in run.best(3)]
        return (run.digest(), run.settings, run.budget, run.stop, run.generations, len(records), len(weights))


def test_the_golden_run_opens_and_is_resumed(run: Path) -> None:
    before = everything(run)
    assert before[3:] == ("generations", 3, 12, 3)
    assert PreparedData.load(run / "data.npz").problem.num_features == 3
    with RunStore.open(run) as store:
        space = space_from_json(store.space_json)
        strategy = make_strategy(store.settings.strategy, space, objective=RMSE, settings=store.settings)
        evaluator = StubEvaluator(space, run / "data.npz", store.settings)
        for _ in evolve(strategy, evaluator, store, space, Budget(generations=5)):
            pass
        assert store.generations == 5


def as_format_2(path: Path) -> None:
    """Removes what format 3 added; such runs are from the first version of the trainer."""
    connection = sqlite3.connect(path, isolation_level=None)
    rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in migrations.TABLES}
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        connection.execute(f"DROP TABLE {table}")
    connection.executescript(migrations.SCHEMAS[2])
    for table, held in rows.items():
        plain = [(*row[:7], *row[9:-1]) if table == "evaluation" else row[:-1] for row in held if row[0] != "trainer"]
        for row in plain:
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    connection.execute("PRAGMA user_version = 2")
    connection.close()


def test_an_older_format_is_read_directly_and_migrated_with_a_copy(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evonas.runs.store.TRAINER_VERSION", 1)
    path = run / schema.DATABASE
    now = everything(run)
    as_format_2(path)
    old, before = path.read_bytes(), everything(run)
    assert before[1:] == now[1:]
    assert path.read_bytes() == old
    assert not (run / "run.sqlite.format-2").exists()
    RunStore.open(run).close()
    assert everything(run) == before
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.FORMAT,)
    connection.close()
    shutil.copyfile(run / "run.sqlite.format-2", path)
    assert everything(run) == before


def test_a_migration_that_fails_leaves_the_old_format(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run / schema.DATABASE
    as_format_2(path)
    before = everything(run)
    monkeypatch.setattr("evonas.runs.store.TRAINER_VERSION", 1)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("no luck today")

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "insert", fail)
        with pytest.raises(InputError, match="no luck today"):
            RunStore.open(run)
    assert everything(run) == before
    RunStore.open(run).close()
    assert everything(run) == before


def test_a_run_of_another_trainer_is_read_but_not_continued(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evonas.runs.store.TRAINER_VERSION", TRAINER_VERSION + 1)
    everything(run)
    with pytest.raises(InputError, match=f"trained by version {TRAINER_VERSION + 1} of the trainer"):
        RunStore.open(run)
