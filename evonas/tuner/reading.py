"""`read_hyperparameters`: entries that a tuner is given beforehand, evonas's own or KerasTuner's."""

from __future__ import annotations

from typing import Any

from evonas.tuner.kinds import Condition, Hyperparameter, boolean, choice, fixed, number
from genomes.errors import InputError

__all__ = ["read_hyperparameters"]


def read_hyperparameters(given: Any) -> tuple[Hyperparameter, ...]:
    """The entries of `HyperParameters` of evonas's or KerasTuner's.

    Raises:
        InputError: it is neither.
    """
    space = getattr(given, "space", None)
    if not isinstance(space, list):
        raise InputError(
            f"hyperparameters must be a HyperParameters, not {given!r:.80}: make one, and call its Int, ..."
        )
    return tuple(each if isinstance(each, Hyperparameter) else _converted(each) for each in space)


def _converted(each: Any) -> Hyperparameter:
    kind, config = type(each).__name__, each.get_config()
    conditions: tuple[Condition, ...] = tuple((one.name, tuple(one.values)) for one in each.conditions)
    name, default = config["name"], config.get("default")
    match kind:
        case "Int" | "Float":
            ends = config["min_value"], config["max_value"]
            return number(kind, name, *ends, config["step"], config["sampling"], default, conditions)
        case "Choice":
            return choice(name, config["values"], config["ordered"], default, conditions)
        case "Boolean":
            return boolean(name, bool(default), conditions)
        case "Fixed":
            return fixed(name, config["value"], conditions)
    raise InputError(f"hyperparameters must hold Int, Float, Choice, Boolean and Fixed, not {kind}: take it out")
