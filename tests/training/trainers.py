"""Every trainer of dense networks, in one table: what `test_contract.py` and `test_equivalence.py` enrol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from evonas.training_tasks import TrainingSettings

__all__ = ["EXACT", "TRAINERS", "params", "the_default_at_once"]


def _native(data: Any, settings: TrainingSettings) -> Any:
    from evonas.training.native import NativeTrainer

    return NativeTrainer(data, settings, threads=2)


def _population(data: Any, settings: TrainingSettings) -> Any:
    from evonas.training.population.trainer import PopulationTrainer

    return PopulationTrainer(data, settings)


def _single(data: Any, settings: TrainingSettings) -> Any:
    from evonas.training.single.trainer import SingleTrainer

    return SingleTrainer(data, settings)


#: Name -> what makes the trainer of data and settings.
TRAINERS: Mapping[str, Callable[[Any, TrainingSettings], Any]] = {
    "native": _native,
    "population": _population,
    "single": _single,
}
#: Those whose results have the same bits whoever is trained beside them, in programs of any shape.
EXACT = ("native", "single")


def params() -> list[Any]:
    """The names as parameters; those that need Keras are marked."""
    return [name if name == "native" else pytest.param(name, marks=pytest.mark.keras) for name in TRAINERS]


def the_default_at_once(
    cases: str | None = None, all_of: Sequence[Any] = (), some: Sequence[Any] = (), compiled: bool = False
) -> Any:
    """Parameters of a test that takes a trainer built on Keras long: the whole of it is for `make soak`.

    Args:
        cases: names of further parameters.
        all_of: their values: the native trainer takes all of them at once.
        some: those of them that `fit` takes at once, too.
        compiled: whether the population trainer does as well, which compiles for seconds.
    """
    rows = []
    for name in TRAINERS:
        for case in all_of if cases else [()]:
            marks = [] if name == "native" else [pytest.mark.keras]
            at_once = name == "native" or (case in some and (name == "single" or compiled))
            if not at_once:
                marks.append(pytest.mark.soak)
            values = case if cases and "," in cases else [case] if cases else []
            rows.append(pytest.param(name, *values, marks=marks))
    return pytest.mark.parametrize(
        ("name", *(cases.replace(" ", "").split(",") if cases else [])), rows, indirect=["name"], scope="module"
    )
