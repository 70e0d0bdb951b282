"""`discover`: finds the hyperparameters of a build function by calling it.

The first call uses the defaults. Then each conditional scope is entered once, and each option of a choice and the
largest value of possible layer counts is tried once, since Python's `if` and `for` may depend on them. Hyperparameters
that stay hidden are drawn at random in the trials that reveal them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import GeneratorType
from typing import Any

from evonas.seeds import unchanged_random
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.kinds import Condition, Hyperparameter

__all__ = ["discover", "discover_in_fit"]

#: Maximum number of calls of a `fit`, which may have side effects before it uses the model.
_CALLS_OF_FIT = 6
#: Integers up to this may be layer counts; larger ones are widths.
_MOST_LAYERS = 64

Key = tuple[str, tuple[Condition, ...]]


class Probe:
    """A stand-in for a model in the discovery of `fit`; calling it ends the discovery."""

    def __getattr__(self, name: str) -> Probe:
        return self  # Python looks up a method before it evaluates its arguments, which may request more

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise _ModelUsed


class _ModelUsed(Exception):
    """Raised when the model is used, after all hyperparameters were requested."""


def discover_in_fit(
    fit: Callable[..., Any], known: Iterable[Hyperparameter], args: Iterable[Any], kwargs: Mapping[str, Any]
) -> tuple[Hyperparameter, ...]:
    """The known hyperparameters and those that `fit(hp, model, *args, **kwargs)` requests before it uses the model.
    Trains nothing.
    """

    unread = [_replace_streams(value) for value in args]
    named = {name: _replace_streams(value) for name, value in kwargs.items()} | {"callbacks": []}

    def ask(hp: Any) -> None:
        with suppress(Exception):
            fit(hp, Probe(), *unread, **named)

    return discover(ask, known, calls=_CALLS_OF_FIT)


def _replace_streams(value: Any) -> Any:
    """The value, with iterators and data sets, which reading would consume, replaced by probes that end the call."""
    if type(value) in (tuple, list) and len(value) <= 3:
        return type(value)(map(_replace_streams, value))
    return Probe() if isinstance(value, GeneratorType) or hasattr(value, "as_numpy_iterator") else value


def discover(
    build: Callable[[Any], Any],
    known: Iterable[Hyperparameter] = (),
    calls: int = 40,
    pinned: Iterable[str] = (),
) -> tuple[Hyperparameter, ...]:
    """All hyperparameters that the function requests, in the order of their discovery.

    Args:
        build: function to call with `HyperParameters`; exceptions of the first call are raised, those of later calls
            are not.
        known: hyperparameters that are already known.
        calls: maximum number of calls; each builds a model.
        pinned: names in `known` whose definitions override requests.
    """
    search = _Discovery(build, known, pinned)
    search.call({}, strict=True)
    while search.calls < calls:
        values = search.next_scope() or search.next_values()
        if values is None:
            break
        search.call(values)
    return tuple(search.found.values())


class _Discovery:
    """Calls of one function, and the hyperparameters known from them.

    Attributes:
        found: requested hyperparameters, by name and conditions.
        calls: number of calls so far.
    """

    def __init__(
        self, build: Callable[[Any], Any], known: Iterable[Hyperparameter], pinned: Iterable[str] = ()
    ) -> None:
        self._build, self._pinned = build, frozenset(pinned)
        self.found: dict[Key, Hyperparameter] = {(each.name, each.conditions): each for each in known}
        self.calls = 0
        #: The values of the first call that requested each hyperparameter; with these it is requested again.
        self._context: dict[str, dict[str, Any]] = {}
        self._entered: set[tuple[Condition, ...]] = set()
        self._closed: dict[tuple[Condition, ...], None] = {}
        #: Requested pairs of name and value, and pairs that were tried without being requested, with others or alone.
        self._seen: set[tuple[str, Any]] = set()
        self._missed: set[tuple[str, Any]] = set()

    def call(self, values: Mapping[str, Any], strict: bool = False) -> None:
        """Calls the function with these values and with defaults for the others."""
        self.calls += 1
        hp = HyperParameters.from_space(list(self.found.values()), values, pinned=self._pinned)
        try:
            with unchanged_random():
                self._build(hp)
        except Exception:
            if strict:
                raise
        for each in hp.space:
            self.found[each.name, each.conditions] = each
        self._entered.update(conditions for conditions, held in hp.scopes if held)
        self._closed.update(dict.fromkeys(conditions for conditions, held in hp.scopes if not held))
        there = {name: hp.values[name] for name in hp.asked if name in hp.values}
        for name in there:
            self._context.setdefault(name, dict(hp.values))
        self._seen.update((name, _mark(value)) for name, value in there.items())
        tried = {(name, _mark(value)) for name, value in values.items() if name not in there}
        # Give up after the second failed attempt.
        self._seen |= self._missed & tried
        self._missed |= tried

    def next_scope(self) -> dict[str, Any] | None:
        """Values that enter a conditional scope that no call has entered; each scope is tried once."""
        closed = next((conditions for conditions in self._closed if conditions not in self._entered), None)
        if closed is None:
            return None
        del self._closed[closed]
        self._entered.add(closed)
        return self._opening(closed)

    def next_values(self) -> dict[str, Any] | None:
        """A value that may reveal hyperparameters and was not tried yet, with compatible values of others."""
        probe: dict[str, Any] | None = None
        where: dict[str, Any] = {}
        chosen: set[str] = set()
        for each in self.found.values():
            option = next((one for one in _revealing_values(each) if (each.name, _mark(one)) not in self._seen), None)
            if option is None or each.name in self._pinned or each.name not in self._context or each.name in chosen:
                continue
            context = {**self._context[each.name], **self._opening(each.conditions)}
            if (each.name, _mark(option)) in self._missed:  # failed together with others: now alone
                return {**context, each.name: option}
            if probe is None:
                probe, where = {**context, each.name: option}, context
            elif all(where.get(name, value) == value for name, value in context.items()):
                probe |= {**{name: value for name, value in context.items() if name not in probe}, each.name: option}
            else:
                continue
            chosen.add(each.name)
        return probe

    def _opening(self, conditions: tuple[Condition, ...]) -> dict[str, Any]:
        """Values for which the conditions hold, including those of their parents."""
        values: dict[str, Any] = {}
        waiting = list(conditions)
        while waiting:
            name, wanted = waiting.pop()
            if name not in values:
                values[name] = wanted[0]
                parents = [each for (other, _), each in self.found.items() if other == name]
                waiting += parents[0].conditions if parents else ()
        return values


def _revealing_values(each: Hyperparameter) -> list[Any]:
    """Values that may reveal further hyperparameters."""
    settings = dict(each.settings)
    if each.kind == "Boolean":
        return [True, False]
    if each.kind == "Choice":
        return list(settings["values"])
    if each.kind == "Int" and settings["max_value"] <= _MOST_LAYERS:
        return [each.options[-1] if each.options else settings["max_value"]]
    return []


def _mark(value: Any) -> Any:
    """A hashable key of a value: True differs from 1, and fixed values may be lists."""
    return type(value).__name__, repr(value)
