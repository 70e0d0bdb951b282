"""Settings and budgets: what is refused and how, durations, and extending a budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evonas.config import DEFAULT_GENERATIONS, Budget, Settings
from evonas.quantities import duration
from genomes.errors import InputError


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"population": 0}, "population must be at least 1, not 0"),
        ({"population": -3}, "population must be at least 1, not -3"),
        ({"population": 2.5}, "population must be a whole number, not 2.5"),
        ({"population": "20"}, "population must be a whole number, not '20'"),
        ({"population": True}, "population must be a whole number, not True"),
        ({"popluation": 20}, "'popluation' is not a setting: did you mean 'population'"),
        ({"zzz": 20}, "'zzz' is not a setting: known are strategy, population"),
        ({"inherit": "never"}, "inherit must be on or off, not 'never'"),
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"patience": 0}, "patience must be at least 1, not 0"),
        (
            {"min_delta": float("nan")},
            "min_delta must be at least 0.*, not nan|min_delta must be a finite number, not nan",
        ),
        ({"crossover": 1.5}, "crossover must be at most 1.*, not 1.5"),
        ({"crossover": 0.6, "mutation": 0.6}, r"crossover \+ mutation must be at most 1, not 0.6 \+ 0.6 = 1.2"),
        ({"trainer": "magic"}, "trainer must be one of 'auto', 'native', 'population' or 'single', not 'magic'"),
        ({"trainer": "native", "precision": "bfloat16"}, "precision must be float32 .* not bfloat16"),
        ({"precision": "float8"}, "precision must be one of"),
        ({"cv": 1}, "cv must be at least 2, not 1"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"keep": 0}, "keep must be at least 1, not 0"),
        ({"population": 0, "epochs": 0}, "(?s)population must be.*epochs must be"),
    ],
)
def test_bad_settings_are_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        Settings(**given)


@pytest.mark.parametrize("name", ["generations", "evaluations"])
@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_bad_budgets_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"{name} must be .*, not {value}"):
        Budget(**{name: value})


def test_seed_0_is_a_seed_and_no_seed_is_drawn() -> None:
    assert Settings(seed=0).resolve("rmse").seed == 0
    drawn = {Settings(seed=None).resolve("rmse").seed for _ in range(5)}
    assert len(drawn) == 5
    assert None not in drawn


def test_settings_are_frozen_and_take_numbers_of_numpy() -> None:
    settings = Settings(population=np.int64(7), min_delta=np.float32(0.5))
    assert (type(settings.population), type(settings.min_delta)) == (int, float)
    with pytest.raises(ValueError, match="frozen"):
        settings.population = 8  # type: ignore[misc]


def test_resolved_settings_leave_nothing_open() -> None:
    settings = Settings(population=7, crossover=0.25).resolve("rmse")
    assert (settings.offspring, settings.mutation, settings.objective) == (7, 0.75, "rmse")
    assert Settings(**settings.model_dump()) == settings == settings.resolve("rmse")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("1h 5s", 3605), ("300", 300), (300, 300), (0.5, 0.5)],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "abc", "10x", "-5s", "0", 0, -1, float("nan"), float("inf"), True, "5m1h", None])
def test_bad_durations_are_refused(text: Any) -> None:
    with pytest.raises(InputError, match="time must be a duration above 0"):
        duration(text)


def test_a_new_budget_has_a_bound() -> None:
    assert Budget.from_bounds() == Budget(generations=DEFAULT_GENERATIONS)
    assert Budget.from_bounds(target=0.5) == Budget(generations=DEFAULT_GENERATIONS, target=0.5)
    assert Budget.from_bounds(time="5m") == Budget(seconds=300)
    assert Budget.from_bounds(evaluations=9) == Budget(evaluations=9)


DONE = Budget(generations=10, evaluations=200, seconds=61.0)


@pytest.mark.parametrize(
    ("budget", "changes", "expected"),
    [
        (Budget(generations=10), {}, Budget(generations=10)),
        (Budget(generations=10), {"generations": "+5"}, Budget(generations=15)),
        (Budget(generations=10), {"generations": 30}, Budget(generations=30)),
        (Budget(generations=10), {"time": "+1m"}, Budget(seconds=121)),
        (Budget(generations=10), {"time": "5m"}, Budget(seconds=300)),
        (Budget(seconds=60), {"generations": "+5"}, Budget(generations=15)),
        (Budget(seconds=600), {"generations": "+5"}, Budget(generations=15, seconds=600)),
        (Budget(generations=10), {"evaluations": "+50", "target": 0.1}, Budget(evaluations=250, target=0.1)),
    ],
)
def test_budgets_are_extended(budget: Budget, changes: dict[str, Any], expected: Budget) -> None:
    assert budget.extend(DONE, changes) == expected


@pytest.mark.parametrize("changes", [{"generations": "ten"}, {"generations": "+-1"}, {"evaluations": "1.5"}])
def test_bad_extensions_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"must be a whole number from 1, such as 30 or \+10"):
        Budget(generations=10).extend(DONE, changes)
