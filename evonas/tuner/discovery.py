"""`discovered`: the hyperparameters that a build function asks for, found by calling it.

The first call is with the defaults. Then each conditional scope is entered once, and each option of a choice and the
largest number of what may count layers is tried once, since Python's own `if` and `for` may hide more behind them. What
stays hidden all the same is drawn at random in the trials that reveal it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.kinds import Condition, Hyperparameter

__all__ = ["discovered", "discovered_in_fit"]

#: Calls of a `fit`, which may do more than ask before it uses the model.
_CALLS_OF_FIT = 6
#: Whole numbers up to this may count layers; larger ones are widths, and a model with all of them at most is large.
_MOST_LAYERS = 64

Key = tuple[str, tuple[Condition, ...]]


class Probe:
    """Stands for a model, and its methods, in a `fit` that is called for what it asks for: calling it ends that."""

    def __getattr__(self, name: str) -> Probe:
        return self  # Python looks a method up before it computes the arguments, which may ask for more

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise _Reached


class _Reached(Exception):
    """The model is to be used: all that is asked for before has been."""


def discovered_in_fit(
    fit: Callable[..., Any], known: Iterable[Hyperparameter], args: Iterable[Any], kwargs: Mapping[str, Any]
) -> tuple[Hyperparameter, ...]:
    """What is known and what `fit(hp, model, *args, **kwargs)` asks for before it uses the model. Trains nothing."""

    def ask(hp: Any) -> None:
        with suppress(Exception):
            fit(hp, Probe(), *args, **{**kwargs, "callbacks": []})

    return discovered(ask, known, calls=_CALLS_OF_FIT)


def discovered(
    build: Callable[[Any], Any], known: Iterable[Hyperparameter] = (), calls: int = 40
) -> tuple[Hyperparameter, ...]:
    """All that the function asks for, in the order in which it came up.

    Args:
        build: is called with `HyperParameters`; what the first call raises is raised, what a later one does is not.
        known: what is given already, and takes the place of what is asked for under the same name.
        calls: at most so many; each builds a model.
    """
    found: dict[Key, Hyperparameter] = {(each.name, each.conditions): each for each in known}
    entered: set[tuple[Condition, ...]] = set()
    seen: set[tuple[str, Any]] = set()
    called = 0

    def call(values: Mapping[str, Any]) -> None:
        nonlocal called
        called += 1
        hp = HyperParameters.of(list(found.values()), values)
        try:
            build(hp)
        except Exception:
            if called == 1:
                raise
        for each in hp.space:
            found.setdefault((each.name, each.conditions), each)
        entered.update(conditions for conditions, held in hp.scopes if held)
        waiting.update(dict.fromkeys(conditions for conditions, held in hp.scopes if not held))
        seen.update((name, _mark(value)) for name, value in hp.values.items())

    waiting: dict[tuple[Condition, ...], None] = {}
    call({})
    while called < calls:
        closed = next((conditions for conditions in waiting if conditions not in entered), None)
        if closed is not None:
            del waiting[closed]
            entered.add(closed)  # tried once, whether or not it could be entered
            call(_opening(closed, found))
            continue
        probe = _unseen(found, seen)
        if not probe:
            break
        seen.update((name, _mark(value)) for name, value in probe.items())
        call(probe)
    return tuple(found.values())


def _opening(conditions: tuple[Condition, ...], found: Mapping[Key, Hyperparameter]) -> dict[str, Any]:
    """Values with which the conditions hold, those of their parents included."""
    values: dict[str, Any] = {}
    waiting = list(conditions)
    while waiting:
        name, wanted = waiting.pop()
        if name not in values:
            values[name] = wanted[0]
            parents = [each for (other, _), each in found.items() if other == name]
            waiting += parents[0].conditions if parents else ()
    return values


def _unseen(found: Mapping[Key, Hyperparameter], seen: set[tuple[str, Any]]) -> dict[str, Any]:
    """Of as many as go together, a value that may hide more and was not tried, and what it takes to be there."""
    probe: dict[str, Any] = {}
    for each in found.values():
        for option in _telling(each):
            if (each.name, _mark(option)) not in seen:
                wanted = {**_opening(each.conditions, found), each.name: option}
                if all(probe.get(name, value) == value for name, value in wanted.items()):
                    probe |= wanted
                break
    return probe


def _telling(each: Hyperparameter) -> list[Any]:
    """Values that may hide more."""
    settings = dict(each.settings)
    if each.kind == "Boolean":
        return [True, False]
    if each.kind == "Choice":
        return list(settings["values"])
    if each.kind == "Int" and settings["max_value"] <= _MOST_LAYERS:
        return [each.options[-1] if each.options else settings["max_value"]]
    return []


def _mark(value: Any) -> Any:
    """The value as a member of a set: True is not 1, and fixed values may be lists."""
    return type(value).__name__, repr(value)
