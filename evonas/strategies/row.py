"""`StrategyRow`: the description of a strategy, available without importing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["StrategyRow"]


@dataclass(frozen=True)
class StrategyRow:
    """A strategy: a callable of (space, objective, settings, initial genomes).

    Attributes:
        path: `module:Class`, or the class itself for user-defined strategies.
        description, source: a short description, and the reference.
        settings: names of the `STRATEGY_SETTINGS` that the strategy uses; all others are rejected.
        extra: the installation extra that the strategy requires; "" for none.
        several: whether it supports several objectives.
        rungs: whether it trains in rungs, each of which continues the previous one.
        trains: whether networks are trained; otherwise their weights are evolved.
        mutates: whether it creates networks by mutation and accepts `repair` as a keyword argument
            (`evonas.strategies.repairs`).
        one_by_one: whether it implements `evonas.protocols.OneByOne`.

    Example:
        >>> StrategyRow("evonas.strategies.ga:GeneticAlgorithm", "a genetic algorithm", "", ("population",)).where
        'evonas.strategies.ga:GeneticAlgorithm'
    """

    path: str | Callable[..., Any]
    description: str
    source: str
    settings: tuple[str, ...]
    extra: str = ""
    several: bool = False
    rungs: bool = False
    trains: bool = True
    mutates: bool = False
    one_by_one: bool = False

    @property
    def where(self) -> str:
        """The import path of the callable, `module:qualname`."""
        if isinstance(self.path, str):
            return self.path
        return f"{self.path.__module__}:{self.path.__qualname__}"

    def load(self) -> Callable[..., Any]:
        """Returns the callable that creates the strategy, importing it if necessary."""
        if not isinstance(self.path, str):
            return self.path
        module, _, attributes = self.path.partition(":")
        found: Any = import_module(module)
        for attribute in attributes.split("."):
            found = getattr(found, attribute)
        made: Callable[..., Any] = found
        return made
