"""Run directories that are truncated or have a flipped bit: opened correctly or refused."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evonas.config import Budget
from evonas.data.prepared import PreparedData
from evonas.evolution.loop import evolve
from evonas.runs import RunReader, RunStore
from evonas.strategies import make_strategy
from genomes.errors import InputError
from tests.reliability.battery import Row
from tests.reliability.counts import count, make_rng
from tests.runs.cases import toy_data
from tests.toy import RMSE, ToyEvaluator, ToySpace, toy_settings, toy_store


class Torn:
    """A small run whose files are restored after each change."""

    def __init__(self, folder: Path) -> None:
        self.directory = folder / "run"
        settings = toy_settings(population=4, keep=2)
        with toy_store(self.directory, settings, data=toy_data()) as store:
            strategy = make_strategy(settings.strategy, ToySpace(), objective=RMSE, settings=settings)
            for _ in evolve(strategy, ToyEvaluator(), store, ToySpace(), Budget(generations=2)):
                pass
        self.content = self.read()
        weights = next((self.directory / "weights").iterdir())
        self.paths = [self.directory / "run.sqlite", self.directory / "data.npz", weights]
        self.originals = [path.read_bytes() for path in self.paths]

    def read(self) -> str:
        """Everything that a reader can access, as text."""
        with RunReader(self.directory) as run:
            found = [
                run.digest(),
                run.settings,
                run.space_json,
                run.problem_json,
                run.source,
                run.generations,
                run.state,
            ]
            found += [run.evaluator_state, run.budget, run.stop, run.environment, run.seconds, run.summaries()]
            found += [list(run.records()), run.best(9)]
            found += [sorted(run.weights(record).items()) for record in run.best(2)]
        data = PreparedData.load(self.directory / "data.npz")
        split = data.splits[0]
        found += [
            data.problem,
            data.fingerprint,
            data.notes,
            data.preparation,
            data.x_test,
            data.y_test,
            len(data.splits),
        ]
        found += [split.x_train, split.y_train, split.x_validation, split.y_validation, split.weight_train]
        with np.printoptions(threshold=100_000, floatmode="unique"):
            return repr(found)

    def try_with(self, number: int, content: bytes) -> bool:
        """Whether the changed file is opened; if so, it must be read correctly."""
        path, started = self.paths[number], time.process_time()  # processor time: the machine may be busy
        path.write_bytes(content)
        try:
            return self.read() == self.content or pytest.fail(f"{path.name} was read wrongly")
        except InputError:
            return False
        finally:
            assert time.process_time() - started < 5.0
            path.write_bytes(self.originals[number])


@pytest.fixture
def torn(fast_path: Path) -> Torn:
    return Torn(fast_path)


def count_opened(torn: Torn, row: Row, changes: list[tuple[int, Callable[[bytes], bytes]]]) -> int:
    """The number of changed files that were opened, all correctly."""
    opened = 0
    for number, change in changes:
        content = change(torn.originals[number])
        opened += torn.try_with(number, content)
        row.count += 1
    assert torn.read() == torn.content
    row.notes = f"{opened} opened rightly, {row.count - opened} refused"
    return opened


def flip_bit(content: bytes, rng: random.Random) -> bytes:
    """The content with one bit flipped."""
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def test_truncated_files(torn: Torn, row: Row) -> None:
    row("truncation at every 512-byte boundary", "opened correctly or refused, within 5 s")
    places = [(k, size) for k, original in enumerate(torn.originals) for size in range(0, len(original), 512)]
    wanted = count(40, len(places))
    chosen = places if wanted == len(places) else random.Random(0).sample(places, wanted)
    opened = count_opened(torn, row, [(k, lambda content, size=size: content[:size]) for k, size in chosen])
    assert row.count == wanted
    assert opened < wanted / 4  # pages at the end of a database may be empty


def test_flipped_bits(torn: Torn, row: Row) -> None:
    row("bit flips in the database, the data and the weights", "opened correctly or refused, within 5 s")
    rng = make_rng()
    numbers = [rng.choice((0, 0, 0, 1, 2)) for _ in range(count(150, 10_000))]
    opened = count_opened(torn, row, [(number, lambda content: flip_bit(content, rng)) for number in numbers])
    # Much of a database is free space; the rest has a checksum.
    assert 0.2 < opened / row.count < 0.8


def test_a_torn_journal(torn: Torn, row: Row) -> None:
    """A crash during a commit, followed by damage to the file that would undo it."""
    row("torn rollback journal after a crash in a commit", "the state before, or refused")
    rng, copy, started = make_rng(), torn.directory.with_name("copy"), torn.directory.with_name("started")
    with RunStore.open(torn.directory) as store:
        store.begin_session(Budget(generations=3))
        shutil.copytree(torn.directory, started)
        connection = store._connection
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE evaluation SET result = result || hex(zeroblob(3000))")
        shutil.copytree(torn.directory, copy)
        connection.execute("ROLLBACK")
    journal, database = (copy / "run.sqlite-journal").read_bytes(), (copy / "run.sqlite").read_bytes()
    with RunReader(started) as run:
        expected = run.digest()
    for _ in range(count(20, 500)):
        changed = flip_bit(journal, rng) if rng.random() < 0.5 else journal[: rng.randrange(len(journal))]
        (copy / "run.sqlite-journal").write_bytes(changed)
        (copy / "run.sqlite").write_bytes(database)
        try:
            with RunReader(copy) as run:
                assert run.digest() == expected
        except InputError:
            pass
        row.count += 1
