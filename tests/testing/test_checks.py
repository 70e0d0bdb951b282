"""The contract checks fail where a contract is broken, and pass for an external class that fulfils it."""

from __future__ import annotations

import doctest
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas.testing
from evonas.evaluation import Candidate
from evonas.strategies import StrategyRow
from evonas.strategies.random_search import RandomSearch
from evonas.testing import SPACE_CHECKS, STRATEGY_CHECKS, StrategyCase, ToySpace, cases, check_space, check_strategy
from evonas.testing import strategies as kit

TOY = {"toy": ToySpace()}


class Wander(RandomSearch):
    """A user's random search."""


ROW = StrategyRow(Wander, "random search", "", ("population", "offspring"))


@pytest.mark.soak
def test_a_strategy_from_outside_passes_also_in_another_process() -> None:
    check_strategy(Wander, spaces=TOY)
    STRATEGY_CHECKS["processes"](StrategyCase(ROW))
    with pytest.raises(AssertionError, match="must be in a module, so that another process can import it"):
        STRATEGY_CHECKS["processes"](StrategyCase(type("Local", (Wander,), {"__qualname__": "f.<locals>.Local"})))


class Unseeded(RandomSearch):
    """Uses an unseeded generator."""

    def ask(self, count: int | None = None) -> list[Candidate]:
        self._settings = self._settings.model_copy(update={"seed": random.randrange(1 << 30)})
        return super().ask(count)


class Forgetful(RandomSearch):
    """Restores all state except the generation."""

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._generation = 0


class Hashing(RandomSearch):
    """Depends on the hashes of strings."""

    def ask(self, count: int | None = None) -> list[Candidate]:
        self._settings = self._settings.model_copy(update={"seed": hash("seed") % 1000})
        return super().ask(count)


class Patient(RandomSearch):
    """Accepts any number of evaluations."""

    def tell(self, evaluations: Any) -> None:
        super().tell([*evaluations, *[float("nan")] * (len(self._ask_tell._asked or ()) - len(evaluations))])


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Unseeded, lambda case: kit.check_seeds(case, ToySpace())),
        (Unseeded, STRATEGY_CHECKS["global generator"]),
        (Forgetful, lambda case: kit.check_restored(case, ToySpace(), 3)),
        (Hashing, STRATEGY_CHECKS["processes"]),
        (Patient, STRATEGY_CHECKS["order of calls"]),
    ],
    ids=["unseeded", "global", "forgetful", "hashing", "patient"],
)
def test_a_broken_strategy_is_found(broken: Any, check: Any) -> None:
    with pytest.raises(AssertionError):
        check(StrategyCase(broken))


class Impure(ToySpace):
    def sample(self, rng: np.random.Generator) -> Any:
        return super().sample(np.random.default_rng())


class Outside(ToySpace):
    def crossover(self, a: Any, b: Any, rng: np.random.Generator) -> Any:
        return (self.size, *a[1:])


class Unchanged(ToySpace):
    def mutate(self, genome: Any, rng: np.random.Generator, operator: str | None = None) -> Any:
        return genome, "step"


class Large(ToySpace):
    def features(self, genome: Any) -> Any:
        return super().features(genome) + 2


class Lossy(ToySpace):
    def genome_from_json(self, value: Any) -> Any:
        return super().genome_from_json({**value, "numbers": [0, 0, 0]})


class Constant(ToySpace):
    def from_values(self, values: Any) -> Any:
        return super().from_values({**values, "x": 1})


class Unwritten(ToySpace):
    def to_json(self) -> dict[str, Any]:
        return {"size": (self.size,)}


BROKEN = {
    "sample": Impure,
    "mutation": Unchanged,
    "crossover": Outside,
    "genome JSON": Lossy,
    "features": Large,
    "flat values": Constant,
    "space JSON": Unwritten,
}


@pytest.mark.parametrize("name", SPACE_CHECKS)
def test_a_broken_space_is_found(name: str) -> None:
    SPACE_CHECKS[name](ToySpace(), 0)
    broken, found = BROKEN[name](), 0
    for seed in range(10):
        try:
            SPACE_CHECKS[name](broken, seed)
        except AssertionError:
            found += 1
    assert found


def test_a_space_from_outside_passes() -> None:
    check_space(ToySpace(), range(5))


@pytest.mark.parametrize("module", [evonas.testing, cases, kit, evonas.testing.spaces], ids=lambda each: each.__name__)
def test_examples_run(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


def test_without_assertions_there_are_no_checks() -> None:
    done = subprocess.run(
        [sys.executable, "-O", "-c", "import evonas.testing"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "run Python without -O" in done.stderr
