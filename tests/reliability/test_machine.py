"""Any order of the events of a run (ask, commit, kill, reopen, export), and round trips of what it writes."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from evonas.config import Budget, Settings
from evonas.evaluation import Candidate
from evonas.runs import RunReader, RunStore
from evonas.strategies import make_strategy
from genomes.dense import DenseSpace
from genomes.encodings import space_from_json, space_from_toml, space_to_toml
from tests.reliability.battery import Row
from tests.reliability.conftest import MEMORY
from tests.reliability.counts import count
from tests.toy import RMSE, ToySpace, toy_evaluation, toy_settings, toy_store

SPACE = ToySpace()


class RunMachine(RuleBasedStateMachine):
    """A search by hand. A kill is a copy of the directory at that instant, from which everything continues."""

    tried = 0

    def __init__(self) -> None:
        super().__init__()
        RunMachine.tried += 1
        self.folder = Path(tempfile.mkdtemp(prefix="evonas-", dir=MEMORY if MEMORY.is_dir() else None))
        self.number = 0
        self.store: RunStore = toy_store(self.directory, toy_settings(population=4, keep=2))
        self.committed: dict[tuple[int, int], str] = {}
        self.exported: list[Any] | None = None
        self.begin()

    @property
    def directory(self) -> Path:
        return self.folder / str(self.number)

    def begin(self) -> None:
        self.strategy = make_strategy(self.store.settings.strategy, SPACE, objective=RMSE, settings=self.store.settings)
        self.strategy.restore(self.store.state)
        self.store.begin_session(Budget(generations=100))
        self.asked: list[Candidate] = []
        self.waiting: list[Candidate] = []

    @precondition(lambda self: not self.asked)
    @rule()
    def ask(self) -> None:
        self.asked = self.strategy.ask()
        self.store.add_candidates(self.asked, SPACE)
        planned: dict[Any, Candidate] = {}
        for candidate in self.asked:
            if self.store.evaluation(candidate) is None:
                planned.setdefault(candidate.key, candidate)
        self.waiting = list(planned.values())

    @precondition(lambda self: self.waiting)
    @rule(size=st.integers(1, 3))
    def commit(self, size: int) -> None:
        part, self.waiting = self.waiting[:size], self.waiting[size:]
        self.store.commit_part([(candidate, toy_evaluation(candidate)) for candidate in part], 1.0)
        self.committed |= {(candidate.generation, candidate.index): candidate.digest for candidate in part}

    @precondition(lambda self: self.asked and not self.waiting)
    @rule()
    def tell(self) -> None:
        found = [self.store.evaluation(candidate) for candidate in self.asked]
        self.strategy.tell([known[1] for known in found if known is not None])
        self.store.complete_generation(self.asked[0].generation, self.strategy.state(), 2.0)
        self.asked = []

    @precondition(lambda self: self.waiting)
    @rule(statement=st.integers(1, 12))
    def kill_in_a_commit(self, statement: int) -> None:
        left, copy = statement, self.folder / str(self.number + 1)

        def trace(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                shutil.copytree(self.directory, copy)

        self.store._connection.set_trace_callback(trace)
        part = self.waiting[:2]
        self.store.commit_part([(candidate, toy_evaluation(candidate)) for candidate in part], 1.0)
        self.store._connection.set_trace_callback(None)
        if not copy.exists():
            shutil.copytree(self.directory, copy)
        self.move_on()

    @rule()
    def kill(self) -> None:
        shutil.copytree(self.directory, self.folder / str(self.number + 1))
        self.move_on()

    def move_on(self) -> None:
        self.store.close()
        self.number += 1
        self.store = RunStore.open(self.directory)
        self.begin()

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = RunStore.open(self.directory)
        self.begin()

    @precondition(lambda self: self.store.best(1))
    @rule()
    def export(self) -> None:
        self.store.write_reports()
        best = self.store.best(1)[0]
        weights = self.store.weights(best)
        expected = toy_evaluation(best.candidate(SPACE.genome_from_json(best.genome))).weights or {}
        assert {name: value.tolist() for name, value in weights.items()} == {
            name: value.tolist() for name, value in expected.items()
        }
        lines = (self.directory / "population.json").read_text()
        assert json.loads(lines)["genomes"][0]["genome"] == best.genome

    @invariant()
    def nothing_is_lost(self) -> None:
        found = {(record.generation, record.index): record.digest for record in self.store.records()}
        assert self.committed.items() <= found.items()
        best = [record.loss for record in self.store.best(3)]
        assert best == sorted(best)
        named = {record.weights for record in self.store.best(10)} - {None}
        assert all((self.directory / "weights" / f"{name}.npz").is_file() for name in named)

    def teardown(self) -> None:
        self.store.close()
        with RunReader(self.directory) as run:
            assert run.evaluated >= len(self.committed)
        shutil.rmtree(self.folder)


def test_any_order_of_events(row: Row) -> None:
    row("state machine {ask, evaluate, commit, tell, kill, reopen, export}", "0 failures")
    RunMachine.tried = 0
    run_state_machine_as_test(
        RunMachine,
        settings=settings(
            max_examples=count(8, 2000),
            stateful_step_count=12,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    row.count = RunMachine.tried


def test_round_trips_of_genomes_and_settings(row: Row) -> None:
    row("round trips of genomes, spaces and settings", "0 failures")
    space, rng = DenseSpace(), random.Random()
    generator = np.random.default_rng(rng.randrange(2**32))
    for number in range(count(100, 10_000)):
        genome = space.sample(generator)
        if number % 2:
            genome, _ = space.mutate(genome, generator)
        assert space.genome_from_json(json.loads(json.dumps(space.genome_to_json(genome)))) == genome
        made = Settings(
            seed=rng.randrange(2**62),
            population=rng.randint(1, 1000),
            crossover=rng.random() / 2,
            mutation=rng.random() / 2,
            epochs=rng.randint(1, 10_000),
            min_delta=rng.random() * 10 ** rng.randint(-9, 3),
            cv=rng.choice([None, 2, 5]),
            patience=rng.choice([None, 1, 10]),
        ).resolve("rmse")
        assert Settings(**json.loads(json.dumps(made.model_dump()))) == made
        row.count += 1
    assert space_from_json(json.loads(json.dumps(space.to_json()))).to_json() == space.to_json()
    assert space_from_toml(space_to_toml(space)).to_json() == space.to_json()
