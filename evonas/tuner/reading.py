"""Reading of hyperparameters that are passed to a tuner (evonas's or KerasTuner's) or stored in runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evonas.tuner.kinds import Condition, Hyperparameter, boolean, choice, fixed_value, number
from genomes.errors import InputError

__all__ = ["from_json", "read_hyperparameters", "to_json"]


def read_hyperparameters(given: Any) -> tuple[Hyperparameter, ...]:
    """Reads the entries of evonas's or KerasTuner's `HyperParameters`.

    Raises:
        InputError: the value is neither.
    """
    space = getattr(given, "space", None)
    if not isinstance(space, list):
        raise InputError(
            f"hyperparameters must be a HyperParameters object, not {given!r:.80}: create one, and call its Int, ..."
        )
    return tuple(each if isinstance(each, Hyperparameter) else _convert(each) for each in space)


def to_json(known: Iterable[Hyperparameter]) -> list[dict[str, Any]]:
    """The hyperparameters as JSON values."""
    return [each.to_json() for each in known]


def from_json(value: Any) -> tuple[Hyperparameter, ...]:
    """Reads the result of `to_json`.

    Raises:
        InputError: the value is not such a result.
    """
    try:
        return tuple(
            _make(each["kind"], each["config"], tuple((name, tuple(values)) for name, values in each["conditions"]))
            for each in value
        )
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"hyperparameters of the run must be as evonas wrote them, but {error}: restore it") from None


def _convert(each: Any) -> Hyperparameter:
    conditions: tuple[Condition, ...] = tuple((one.name, tuple(one.values)) for one in each.conditions)
    return _make(type(each).__name__, each.get_config(), conditions)


def _make(kind: str, config: Mapping[str, Any], conditions: tuple[Condition, ...]) -> Hyperparameter:
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
            return fixed_value(name, config["value"], conditions)
    raise InputError(f"hyperparameters must be Int, Float, Choice, Boolean or Fixed, not {kind}: remove it")
