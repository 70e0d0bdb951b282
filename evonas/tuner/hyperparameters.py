"""`HyperParameters`: the argument of a build function, whose method calls define the space, as in KerasTuner."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from evonas.seeds import RandomStream, stream_rng
from evonas.tuner.kinds import (
    Condition,
    Hyperparameter,
    boolean,
    choice,
    fixed_value,
    is_same,
    late_gene,
    number,
    widen,
)
from genomes.errors import InputError

__all__ = ["HyperParameters"]

Key = tuple[str, tuple[Condition, ...]]


class HyperParameters:
    """A space and the values in it, like KerasTuner's class of the same name.

    A hyperparameter in a scope whose condition does not hold is None.

    Attributes:
        values: name -> value, for the active hyperparameters.
        space: all hyperparameters requested so far, in order; a name may occur under several conditions.
    """

    def __init__(
        self,
        values: Mapping[str, Any] | None = None,
        seed: int | None = None,
        genes: Mapping[str, Any] | None = None,
        pinned: Iterable[str] = (),
    ) -> None:
        """Creates an empty space.

        Args:
            values: name -> value, for later requests.
            seed: seed, together with the name, for drawing missing values; None uses the defaults.
            genes: gene name -> gene, for hyperparameters that are not known yet; see `late_gene`.
            pinned: names whose known definitions override requests.
        """
        self.values: dict[str, Any] = {}
        self._given, self._seed = dict(values or {}), seed
        self._genes, self._pinned = dict(genes or {}), frozenset(pinned)
        self._space: dict[Key, Hyperparameter] = {}
        self._known: dict[Key, Hyperparameter] = {}
        #: Hyperparameters requested in this call, as first requested.
        self._asked_first: dict[Key, Hyperparameter] = {}
        self._scopes: list[str] = []
        self._conditions: list[Condition] = []
        self._entered: list[tuple[tuple[Condition, ...], bool]] = []

    @classmethod
    def from_space(
        cls,
        space: Iterable[Hyperparameter],
        values: Mapping[str, Any] | None = None,
        seed: int | None = None,
        genes: Mapping[str, Any] | None = None,
        pinned: Iterable[str] = (),
    ) -> HyperParameters:
        """Creates the values of a known space; further hyperparameters are defined when first requested."""
        made = cls(values, seed, genes, pinned)
        for known in space:
            made._space.setdefault((known.name, known.conditions), known)
            made._value_of(known)
        made._known = dict(made._space)
        return made

    @property
    def scopes(self) -> list[tuple[tuple[Condition, ...], bool]]:
        """The conditional scopes that were entered, and whether their conditions held."""
        return list(self._entered)

    @property
    def space(self) -> list[Hyperparameter]:
        """All requested hyperparameters."""
        return list(self._space.values())

    @property
    def asked(self) -> frozenset[str]:
        """Names of the hyperparameters that were requested and have a value."""
        return frozenset(name for name, _ in self._asked_first)

    @property
    def new(self) -> list[Hyperparameter]:
        """Requested hyperparameters that were unknown: new names, or new values of a known one."""
        return [each for key, each in self._space.items() if key not in self._known or each is not self._known[key]]

    def report(self) -> dict[str, Any]:
        """The record of a trial, as JSON values: its values, and newly found hyperparameters."""
        fixed = {each.name for each in self.space if each.kind == "Fixed"}
        values = {name: value for name, value in self.values.items() if name not in fixed}
        return {"values": values, "new": [each.to_json() for each in self.new]}

    def Int(
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """An integer from `min_value` to `max_value`, both inclusive.

        Args:
            step: difference of consecutive values, or their ratio with `sampling="log"`.
            sampling: "linear", "log" or "reverse_log".
            default: default value, by default `min_value`.
            parent_name, parent_values: equivalent to a `conditional_scope` around the call.
        """
        with self._within(parent_name, parent_values):
            whole = (min_value, max_value, step, sampling, default)
            return self._ask(number("Int", self._full(name), *whole, tuple(self._conditions)))

    def Float(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A number from `min_value` to `max_value`; arguments as in `Int`."""
        with self._within(parent_name, parent_values):
            real = (min_value, max_value, step, sampling, default)
            return self._ask(number("Float", self._full(name), *real, tuple(self._conditions)))

    def Choice(
        self,
        name: str,
        values: Sequence[Any],
        ordered: bool | None = None,
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """One of several texts, numbers or booleans, by default the first.

        Args:
            ordered: whether the order is meaningful; by default for numbers only.
        """
        with self._within(parent_name, parent_values):
            return self._ask(choice(self._full(name), values, ordered, default, tuple(self._conditions)))

    def Boolean(
        self, name: str, default: bool = False, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        """True or False."""
        with self._within(parent_name, parent_values):
            return self._ask(boolean(self._full(name), default, tuple(self._conditions)))

    def Fixed(self, name: str, value: Any, parent_name: str | None = None, parent_values: Any = None) -> Any:
        """A value that is not searched."""
        with self._within(parent_name, parent_values):
            return self._ask(fixed_value(self._full(name), value, tuple(self._conditions)))

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """Hyperparameters requested within are active only while the parent has one of the values.

        Raises:
            InputError: no such parent was requested.
        """
        name = self._full(parent_name)
        if not any(known == name for known, _ in self._space):
            known = ", ".join(dict.fromkeys(known for known, _ in self._space)) or "none"
            raise InputError(f"parent_name must be that of a requested hyperparameter ({known}), not {name!r}")
        several = isinstance(parent_values, (list, tuple, set, np.ndarray))
        values = parent_values if several else [parent_values]
        self._conditions.append((name, tuple(value.item() if hasattr(value, "item") else value for value in values)))
        self._entered.append((tuple(self._conditions), self._holds(self._conditions)))
        try:
            yield
        finally:
            self._conditions.pop()

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Prefixes names within the scope with this name and a slash."""
        self._scopes.append(str(name))
        try:
            yield
        finally:
            self._scopes.pop()

    def get(self, name: str) -> Any:
        """The value of a hyperparameter.

        Raises:
            KeyError: the hyperparameter was never requested.
            ValueError: its condition does not hold.
        """
        name = self._full(name)
        if name in self.values:
            return self.values[name]
        if name in self._given and not any(known == name for known, _ in self._space):
            return self._given[name]
        if any(known == name for known, _ in self._space):
            raise ValueError(f"{name} is inactive: the condition with which it was requested does not hold")
        raise KeyError(f"{name} was not requested")

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: object) -> bool:
        try:
            self.get(str(name))
        except (KeyError, ValueError):
            return False
        return True

    def is_active(self, hyperparameter: str | Hyperparameter) -> bool:
        """Whether all conditions of a hyperparameter of that name hold."""
        if isinstance(hyperparameter, Hyperparameter):
            return self._holds(hyperparameter.conditions)
        return any(self._holds(conditions) for name, conditions in self._space if name == str(hyperparameter))

    def copy(self) -> HyperParameters:
        """A copy of the space and the values."""
        other = HyperParameters({**self._given, **self.values}, self._seed, self._genes, self._pinned)
        other._space, other._known, other.values = dict(self._space), dict(self._known), dict(self.values)
        return other

    def get_config(self) -> dict[str, Any]:
        """The space and the values, in KerasTuner's format."""
        space = [{"class_name": known.kind, "config": known.get_config()} for known in self.space]
        return {"space": space, "values": dict(self.values)}

    def _ask(self, asked: Hyperparameter) -> Any:
        """The value of a requested hyperparameter; None if its conditions do not hold."""
        if any(name == asked.name for name, _ in asked.conditions):
            raise InputError(f"a hyperparameter must not depend on its own value, as {asked.name!r} does: rename it")
        key = asked.name, asked.conditions
        known = self._space.setdefault(key, asked)
        union: Hyperparameter | None = known
        if asked.name not in self._pinned and known.kind != "Fixed" and not is_same(known, asked):
            union = widen(known, asked)
            if union is not None and not is_same(union, known):
                self._space[key] = union
        if not self._holds(asked.conditions):
            return None
        value = self._value_of(asked if union is not None and union is not known else known)
        first = self._asked_first.setdefault(key, asked)
        if asked.name in self._pinned or known.kind == "Fixed":
            return value
        if first is asked and union is not None:
            # Bounds may depend on other values: an invalid value is replaced by the nearest valid one.
            value = self.values[asked.name] = asked.nearest(self._genes.get(late_gene(asked), value))
        elif asked.nearest(value) != value:
            warnings.warn(
                f"hyperparameter {asked.name!r} was requested twice with different values: {_text(first)}, then "
                f"{_text(asked)}. Both times it is {value!r}, as in KerasTuner; give them different names",
                stacklevel=4,
            )
        return value

    def _value_of(self, known: Hyperparameter) -> Any:
        if not self._holds(known.conditions):
            return None
        if known.name not in self.values:
            self.values[known.name] = self._new(known)
        return self.values[known.name]

    def _new(self, known: Hyperparameter) -> Any:
        if known.kind == "Fixed":
            return known.default
        if known.name in self._given:
            return self._given[known.name]
        if (gene := self._genes.get(late_gene(known))) is not None:
            return known.nearest(gene)
        if self._seed is None:
            return known.default
        return known.draw(stream_rng(RandomStream.LATE_HYPERPARAMETER, self._seed, known.name))

    def _holds(self, conditions: Sequence[Condition]) -> bool:
        return all(name in self.values and self.values[name] in values for name, values in conditions)

    def _full(self, name: str) -> str:
        return "/".join([*self._scopes, str(name)])

    @contextmanager
    def _within(self, parent_name: str | None, parent_values: Any) -> Iterator[None]:
        if not parent_name:
            yield
            return
        with self.conditional_scope(parent_name, parent_values):
            yield


def _text(each: Hyperparameter) -> str:
    settings = (f"{name}={value!r}" for name, value in each.settings if value is not None)
    return f"{each.kind}({', '.join(settings)})"
