"""`StrategyRow`: what is known of a strategy without importing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["StrategyRow"]


@dataclass(frozen=True)
class StrategyRow:
    """One strategy: what is called with (space, objective, settings, initial genomes).

    Attributes:
        path: `module:Class`; or the class itself, of a strategy from outside evonas.
        description, source: what it does, and the paper that it is from.
        settings: those of `STRATEGY_SETTINGS` that it uses; others are refused.
        extra: of the distribution which installs what the strategy imports, "" when all is there.
        several: whether it takes several objectives.
        rungs: whether it trains a network in several evaluations, each of which continues from the last.
        trains: whether networks are trained at all; otherwise their weights evolve.
        mutates: whether it makes new networks by mutations, and takes a `repair` of them as a keyword argument
            (`evonas.strategies.repairs`).
        one_by_one: whether it can propose while others are out (`evonas.evaluation.OneByOne`).

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
        """`module:qualname`."""
        if isinstance(self.path, str):
            return self.path
        return f"{self.path.__module__}:{self.path.__qualname__}"

    def load(self) -> Callable[..., Any]:
        """What makes the strategy, imported if need be."""
        if not isinstance(self.path, str):
            return self.path
        module, _, attributes = self.path.partition(":")
        found: Any = import_module(module)
        for attribute in attributes.split("."):
            found = getattr(found, attribute)
        made: Callable[..., Any] = found
        return made
