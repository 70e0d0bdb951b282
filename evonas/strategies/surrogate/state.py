"""`SurrogateState`: the archive of a search, the hyperparameters of its surrogate, and its exploration.

The strategy `evolution` has one state for all evaluations and, after stagnation, a second one for a restarted search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from evonas.strategies.surrogate.acquisition import Surrogate, fit_to_observations
from evonas.strategies.surrogate.archive import Archive, ArchiveEntry
from evonas.strategies.surrogate.exploration import LengthScaleShrinkage
from genomes.space import SearchSpace

__all__ = ["SurrogateState"]


class SurrogateState:
    """The archive of a search and the hyperparameters fitted to it; evaluations are added in order.

    Attributes:
        archive: the evaluations.
        exploration: shrinks length scales during stagnation.
        size: number of networks added.
    """

    def __init__(self, typical: Sequence[float] = ()) -> None:
        """Creates an empty state.

        Args:
            typical: known losses of random genomes, for example from another search.
        """
        self.archive = Archive(typical)
        self.exploration = LengthScaleShrinkage()
        self.size = 0
        self._hyperparameters: list[float] = []
        self._fitted = 0

    def note(self, entry: ArchiveEntry, new: bool, in_full: bool, at_random: bool) -> None:
        """Adds an evaluation.

        Args:
            entry: the evaluation.
            new: whether it is the network's first evaluation.
            in_full: whether it was at full fidelity.
            at_random: whether the network was sampled at random.
        """
        self.size += new
        self.archive.add(entry, at_random)
        if in_full:
            self.exploration.note(entry.rank, self.archive.typical)

    def surrogates(
        self, features_of: Callable[[ArchiveEntry], NDArray[np.float64]], most: int, refit_after: float = 1 / 15
    ) -> list[Callable[[], Surrogate]]:
        """Factories of a surrogate and, during stagnation, of another one with shorter length scales.

        Args:
            features_of: entry -> features.
            most: largest number of observations.
            refit_after: relative growth of the number of networks after which hyperparameters are refitted.
        """
        observations = self.archive.observations(features_of, most)
        if len(self._hyperparameters) != observations.features.shape[1] + 2:  # the space has grown
            self._hyperparameters = []
        if not self._hyperparameters or self.size > self._fitted + int(self._fitted * refit_after):
            self._hyperparameters = fit_to_observations(observations, self._hyperparameters)
            self._fitted = self.size
        candidates = [self._hyperparameters]
        if self.exploration.steps:
            candidates.append(self.exploration.with_shorter_length_scales(self._hyperparameters))
        return [partial(Surrogate.from_observations, observations, each) for each in candidates]

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """Converts the state to JSON values."""
        return {
            "archive": self.archive.to_json(space),
            "exploration": self.exploration.to_json(),
            "size": self.size,
            "hyperparameters": list(self._hyperparameters),
            "fitted": self._fitted,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: SearchSpace) -> Self:
        """Restores the state from JSON values."""
        found = cls()
        found.archive = Archive.from_json(value["archive"], space)
        found.exploration = LengthScaleShrinkage.from_json(value["exploration"])
        found.size = int(value["size"])
        found._hyperparameters = [float(each) for each in value["hyperparameters"]]
        found._fitted = int(value["fitted"])
        return found
