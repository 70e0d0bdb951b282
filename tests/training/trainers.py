"""Every trainer of dense networks, in one table: what `test_contract.py` and `test_equivalence.py` enrol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from evonas.training.trainer import TrainingSettings

__all__ = ["EXACT", "TRAINERS", "params"]


def _native(data: Any, settings: TrainingSettings) -> Any:
    from evonas.training.native import NativeTrainer

    return NativeTrainer(data, settings, threads=2)


def _population(data: Any, settings: TrainingSettings) -> Any:
    from evonas.training.population import PopulationTrainer

    return PopulationTrainer(data, settings)


def _single(data: Any, settings: TrainingSettings) -> Any:
    from evonas.training.single import SingleTrainer

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
