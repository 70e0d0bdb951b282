"""`PretrainedNetwork`: a trained network of another run, whose lower layers initialise the networks of this run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PretrainedNetwork"]


@dataclass(frozen=True, eq=False)
class PretrainedNetwork:
    """A trained network that initialises others.

    Attributes:
        architecture: its architecture, as in `evonas.training_tasks.TrainingTask`.
        weights: weights of its best epoch, by name.
        feature_names, target_names, classes: those of its `Problem`. Features are matched by name, and the output layer
            is used if targets and classes are equal.
    """

    architecture: Mapping[str, Any]
    weights: Mapping[str, NDArray[Any]]
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    classes: tuple[str, ...]

    def about(self) -> dict[str, Any]:
        """Everything except the weights, as JSON values."""
        return {
            "architecture": dict(self.architecture),
            "feature_names": list(self.feature_names),
            "target_names": list(self.target_names),
            "classes": list(self.classes),
        }

    @classmethod
    def from_arrays(cls, about: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> PretrainedNetwork:
        """Restores a pretrained network from `about()` and its weights.

        Raises:
            ValueError: the arguments do not describe a network.
        """
        if not isinstance(about["architecture"], dict):
            raise ValueError("the network that weights are taken from has no architecture")
        if not all(value.dtype.kind == "f" for value in weights.values()):
            raise ValueError("inherited weights are not numbers")
        names = (tuple(map(str, about[name])) for name in ("feature_names", "target_names", "classes"))
        return cls(about["architecture"], {name: np.asarray(value) for name, value in weights.items()}, *names)
