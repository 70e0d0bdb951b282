"""`TurnTakingStrategy`: base class of strategies whose `ask` and `tell` calls alternate generation by generation.

It implements the order of calls, the initial genomes, the set of digests tried, and the state of these.
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
    """Subclasses define the next candidates, how the strategy learns from evaluations, and their own state."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        self._space, self._objective, self._settings = space, objective, settings
        self._initial = tuple(initial)
        self._generation = 0
        self._seen: set[str] = set()
        self._ask_tell = AskTell(objective.name)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The next generation, or the next `count` candidates."""
        self._ask_tell.check_ask(count)
        return self._ask_tell.note_asked(self._next(count))

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Learns from the evaluations of the last `ask`, given in the same order."""
        told = self._ask_tell.pair_evaluations(evaluations)
        self._learn(told)
        self._seen.update(candidate.digest for candidate, _ in told)
        self._generation += 1

    @abstractmethod
    def _next(self, count: int | None) -> list[Candidate]:
        """The next `count` candidates; a whole generation if None."""

    @abstractmethod
    def _learn(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Learns from the evaluated candidates."""

    @abstractmethod
    def _own_state(self) -> dict[str, Any]:
        """The subclass's part of the state, as JSON values."""

    @abstractmethod
    def _restore_own(self, state: Mapping[str, Any]) -> None:
        """Restores the values of `_own_state` from the whole state."""

    def _initial_left(self) -> Sequence[Any]:
        """The initial genomes that have not been proposed yet."""
        return () if self._generation else self._initial

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, as JSON values."""
        self._ask_tell.check_settled("state")
        return {
            "generation": self._generation,
            **self._own_state(),
            "seen": sorted(self._seen),
            "initial": [self._space.genome_to_json(genome) for genome in self._initial_left()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self._generation = int(state.get("generation", 0))  # absent in old runs of Optuna's samplers
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._restore_own(state)
        self._ask_tell.reset()

    def retained(self) -> frozenset[tuple[int, int]]:
        """The empty set: no candidate continues an earlier training run."""
        return frozenset()
