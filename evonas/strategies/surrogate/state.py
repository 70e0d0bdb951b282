"""What one line of a search remembers and believes: its archive, its surrogate's hyperparameters and its doubt.

`evolution` has one memory of all that was evaluated and, once that is stuck, a second one of what was found since the
search began anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from evonas.strategies.surrogate.acquisition import Surrogate, fitted_hyperparameters
from evonas.strategies.surrogate.archive import Archive, Record
from evonas.strategies.surrogate.exploration import Doubt
from genomes.space import SearchSpace

__all__ = ["Memory"]


class Memory:
    """Told of evaluations in their order.

    Attributes:
        archive: what was seen.
        doubt: how long nothing better was found.
        size: how many networks it was told of.
    """

    def __init__(self, typical: Sequence[float] = ()) -> None:
        """Has seen nothing.

        Args:
            typical: losses of random genomes, known from elsewhere.
        """
        self.archive = Archive(typical)
        self.doubt = Doubt()
        self.size = 0
        self._hyperparameters: list[float] = []
        self._fitted = 0

    def note(self, record: Record, new: bool, in_full: bool, at_random: bool) -> None:
        """An evaluation.

        Args:
            record: what came of it.
            new: whether it is the network's first one.
            in_full: whether it was of all epochs.
            at_random: whether the network was drawn at random.
        """
        self.size += new
        self.archive.add(record, at_random)
        if in_full:
            self.doubt.note(record.rank, self.archive.typical)

    def surrogates(self, coded: Callable[[Record], NDArray[np.float64]], most: int) -> list[Callable[[], Surrogate]]:
        """What to choose by: a surrogate, and while nothing better is found another one, which doubts it.

        Args:
            coded: features of a record.
            most: losses to learn from.
        """
        evidence = self.archive.evidence(coded, most)
        if len(self._hyperparameters) != evidence.features.shape[1] + 2:  # the space has grown
            self._hyperparameters = []
        if not self._hyperparameters or self.size > self._fitted + self._fitted // 15:
            self._hyperparameters = fitted_hyperparameters(evidence, self._hyperparameters)
            self._fitted = self.size
        beliefs = [self._hyperparameters]
        if self.doubt.steps:
            beliefs.append(self.doubt.loosened(self._hyperparameters))
        return [partial(Surrogate.of, evidence, belief) for belief in beliefs]

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """As JSON values."""
        return {
            "archive": self.archive.to_json(space),
            "doubt": self.doubt.to_json(),
            "size": self.size,
            "hyperparameters": list(self._hyperparameters),
            "fitted": self._fitted,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: SearchSpace) -> Self:
        """Back from JSON values."""
        memory = cls()
        memory.archive = Archive.from_json(value["archive"], space)
        memory.doubt = Doubt.from_json(value["doubt"])
        memory.size = int(value["size"])
        memory._hyperparameters = [float(each) for each in value["hyperparameters"]]
        memory._fitted = int(value["fitted"])
        return memory
