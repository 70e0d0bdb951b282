"""Groups of options: those left out keep their defaults, and those given reach the search."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

from evonas.cli.data_options import DataFlags, FileFlags
from evonas.cli.run import run
from evonas.cli.search_options import BudgetFlags, ExecutionFlags, OutcomeFlags, SettingsFlags, TrackerFlags
from evonas.config import Budget, Settings
from evonas.data.options import DataOptions
from genomes import InputError


@pytest.mark.parametrize("group", [BudgetFlags, SettingsFlags, ExecutionFlags, TrackerFlags, OutcomeFlags, FileFlags])
def test_an_omitted_option_asks_for_nothing(group: type) -> None:
    found = group()
    assert {getattr(found, field.name) for field in fields(group)} <= {None, False}


def test_defaults_are_those_of_the_library() -> None:
    assert SettingsFlags().settings(0, None) == Settings(seed=0)
    assert BudgetFlags().budget() == Budget(generations=10)
    assert DataFlags().options(None) == DataOptions(roles={})


def test_given_options_reach_the_search() -> None:
    given = SettingsFlags(objectives="rmse, parameters", no_known_defaults=True, repair=True, inherit="off")
    settings = given.settings(3, 8)
    assert settings.objectives == ("rmse", "parameters")
    assert (settings.seed, settings.population, settings.known_defaults) == (3, 8, False)
    assert (settings.repair, settings.inherit) == (True, False)
    options = DataFlags(numeric=["a"], text=["b"], file=FileFlags(encoding="dense", decimal=",")).options("binary")
    assert (options.task, options.roles, options.architecture) == ("binary", {"a": "numeric", "b": "text"}, "dense")
    assert (options.reading.encoding, options.reading.decimal) == ("", ",")
    with pytest.raises(InputError, match="given once"):
        DataFlags(architecture="dense", file=FileFlags(encoding="sequence")).options(None)


def test_a_command_shows_the_options_and_not_their_groups() -> None:
    names = list(inspect.signature(run).parameters)
    assert {"generations", "separator", "strategy", "workers", "mlflow", "quiet", "mutation"} <= set(names)
    assert not {"stop", "flags", "file", "asked", "place", "trackers", "outcome"} & set(names)
