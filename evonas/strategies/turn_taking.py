"""`TurnTakingStrategy`: what strategies share that ask for a generation and are told of it as a whole.

Whose turn it is, the genomes to begin with, the digests tried, and all of these in the state of the strategy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.strategies.ask_tell import AskTell

if TYPE_CHECKING:
    from evonas.config import Settings
    from genomes.space import SearchSpace

__all__ = ["TurnTakingStrategy"]


class TurnTakingStrategy(ABC):
    """A strategy whose subclasses say what comes next, what they learn of it, and what of that their state holds."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        self._space, self._objective, self._settings = space, objective, settings
        self._initial = tuple(initial)
        self._generation = 0
        self._seen: set[str] = set()
        self._ask_tell = AskTell(objective.name)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The next generation, or this many candidates."""
        self._ask_tell.check_ask(count)
        return self._ask_tell.note_asked(self._next(count))

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Learns from the evaluations of the last `ask`, in its order."""
        told = self._ask_tell.pair_evaluations(evaluations)
        self._learn(told)
        self._seen.update(candidate.digest for candidate, _ in told)
        self._generation += 1

    @abstractmethod
    def _next(self, count: int | None) -> list[Candidate]:
        """The next candidates; a whole generation of them if None."""

    @abstractmethod
    def _learn(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Takes in what came of the candidates."""

    @abstractmethod
    def _own_state(self) -> dict[str, Any]:
        """What is to be kept beside what all have, as JSON values."""

    @abstractmethod
    def _restore_own(self, state: Mapping[str, Any]) -> None:
        """Goes on from `_own_state`, which stands in the whole state."""

    def _initial_left(self) -> Sequence[Any]:
        """The genomes to begin with that are not asked for yet."""
        return () if self._generation else self._initial

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as JSON values."""
        self._ask_tell.check_settled("state")
        return {
            "generation": self._generation,
            **self._own_state(),
            "seen": sorted(self._seen),
            "initial": [self._space.genome_to_json(genome) for genome in self._initial_left()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state`."""
        self._generation = int(state.get("generation", 0))  # runs of Optuna's samplers had none
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._restore_own(state)
        self._ask_tell.reset()

    def retained(self) -> frozenset[tuple[int, int]]:
        """Starts nothing from what was trained before."""
        return frozenset()
