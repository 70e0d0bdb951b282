"""Cost measures of networks, computed from the architecture graph before training, and their limits. Imports no Keras.

=================  ==================================================================================================
measure            meaning
=================  ==================================================================================================
`parameters`       trainable parameters, without fixed ones such as random convolutions
`flops`            floating-point operations of matrix products and biases in the forward pass of one row
`memory_bytes`     float32 bytes of all weights, including moving averages, and of the activations of one row
`latency_ms`       milliseconds of the forward pass of one row, measured by the worker (`evonas.training.latency`)
=================  ==================================================================================================

The parameters of user-defined models are counted by the worker when it builds them; their FLOPs are unknown.

A network that exceeds a limit is not trained: its evaluation is INFEASIBLE with the score "violation", the sum of
relative excesses. It does not count towards the budget of evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evonas.config import Settings
from evonas.data.neighbours import num_visible_columns
from evonas.data.views import features_seen
from evonas.evaluation import Candidate, Evaluation
from evonas.networks.cost import measured_before, over_limit
from evonas.objective import MEASURES
from genomes.architecture.cost import count_training_flops
from genomes.architecture.embedding import with_columns
from genomes.architecture.graph import views_of
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["Screen"]

#: Measures that are part of evaluations; all others are computed from the graph.
_EVALUATED = ("latency_ms", "parameters")


@dataclass(frozen=True)
class Screen:
    """Checks networks against limits before training.

    Attributes:
        space: the space of the genomes.
        limits: measure -> upper limit.
        wanted: measures that are objectives.
        columns: views of a network -> its number of features.
        num_outputs: number of outputs.
        with_columns: attaches the data's columns to a graph, for embeddings.
        sample_shape: shape of a sample, see `Problem.sample_shape`.
    """

    space: Any
    limits: Mapping[str, float]
    wanted: tuple[str, ...]
    columns: Callable[..., int]
    num_outputs: int
    with_columns: Callable[[Any], Any] = lambda graph: graph
    sample_shape: tuple[int, ...] = ()

    @classmethod
    def from_settings(cls, settings: Settings, space: SearchSpace, problem: Mapping[str, Any]) -> Screen:
        """Creates the screen for a run's settings.

        Raises:
            InputError: limits or measures are requested, but the space has no architectures.
        """
        given = {
            "parameters": settings.max_parameters,
            "training_flops" if settings.flops_of_training else "flops": settings.max_flops,
        }
        limits = {name: float(limit) for name, limit in given.items() if limit is not None}
        wanted = tuple(name for name in settings.objectives or () if name in MEASURES and name not in _EVALUATED)
        if problem and not hasattr(space, "architecture"):
            limits.pop("parameters", None)  # counted by the worker when it builds a model
        if (limits or wanted) and not hasattr(space, "architecture"):
            raise InputError(
                f"{' and '.join([*limits, *wanted])} must be known before training, but {type(space).__name__} gives "
                "no architecture: leave these limits and objectives out"
            )
        views, width = tuple(problem.get("views", ())), int(problem.get("num_features", 0))
        outputs = int(problem.get("num_outputs", 0))
        numeric, categorical = (tuple(problem.get(name, ())) for name in ("numeric", "categorical"))

        def columns(*seen: str) -> int:
            return num_visible_columns(views, width, outputs, *seen)

        def attach(graph: Any) -> Any:
            visible, new = features_seen(graph, views, width, outputs)
            known, kinds = (
                [*(each[k] for k in visible), *[-1] * new] if each else [] for each in (numeric, categorical)
            )
            forms = [*(views[k] for k in visible), *["standard"] * new] if views else []
            return with_columns(graph, known, forms, kinds)

        return cls(space, limits, wanted, columns, outputs, attach, tuple(problem.get("sample_shape", ())))

    def measures(self, candidate: Candidate) -> dict[str, float]:
        """The measures that are objectives and not part of the evaluation."""
        return self._measure(candidate, self.wanted)

    def reject(self, candidate: Candidate) -> Evaluation | None:
        """The evaluation of a candidate that exceeds a limit; None if it should be trained."""
        return over_limit(self._measure(candidate, tuple(self.limits)), self.limits)

    def _measure(self, candidate: Candidate, names: tuple[str, ...]) -> dict[str, float]:
        if not names:
            return {}
        graph = self.with_columns(self.space.architecture(candidate.genome))
        measured = measured_before(graph, self.columns(*views_of(graph)), self.num_outputs, self.sample_shape)
        size = self.columns(*views_of(graph)), self.num_outputs, self.sample_shape
        measured["training_flops"] = float(count_training_flops(graph, *size))
        return {name: measured[name] for name in names}
