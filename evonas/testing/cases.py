"""A strategy under test, the spaces for testing it, and the candidates that it asks for there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from evonas.evaluation import Candidate, Evaluation, Status
from evonas.objective import Objective
from evonas.protocols import Strategy
from evonas.strategies import StrategyRow, make_strategy, strategy_name, strategy_row
from evonas.testing.toy_space import ToySpace
from genomes import DenseSpace, HyperparameterSpace, SequenceSpace
from genomes.domains import Range
from genomes.space import SearchSpace

__all__ = [
    "RMSE",
    "SPACES",
    "StrategyCase",
    "as_text",
    "ask_everywhere",
    "ok",
    "play",
    "raises",
    "score",
    "toy_distance",
]

RMSE = Objective("rmse", "min")

SPACES: Mapping[str, SearchSpace] = MappingProxyType(
    {
        "toy": ToySpace(),
        "dense": DenseSpace(),
        "sequence": SequenceSpace(
            stages=Range(1, 2),
            blocks=1,
            layer=["conv", "recurrent"],
            convolutions=1,
            dilation=1,
            separable=False,
            squeeze_excite=0,
            bidirectional=False,
            activation="relu",
            head_layers=0,
            optimizer="adam",
            schedule="constant",
            warmup=0.0,
            l2=0.0,
            beta2=0.999,
            label_smoothing=0.0,
            shift=0.0,
            noise=0.0,
            cutout=0.0,
        ),
        "hyperparameters": HyperparameterSpace(
            {
                "rate": Range(1e-4, 1e-1, log=True),
                "penalty": Range(1e-6, 1e-2, log=True, zero=True),
                "layers": Range(1, 3),
                "units_2": {"low": 4, "high": 64, "when": {"layers": {"low": 2}}},
                "activation": ["relu", "tanh", "gelu"],
                "batch_size": [32, 64, 128],
                "regularise": [False, True],
                "kind": {"options": ["dropout", "l2"], "when": {"regularise": True}},
                "epochs": 3,
            }
        ),
    }
)


@dataclass(frozen=True)
class StrategyCase:
    """A strategy under test.

    Attributes:
        strategy: a name, a class, or an `evonas.strategies.StrategyRow`.
        options: fields of `evonas.Settings` that are always passed to it, as pairs.

    Example:
        >>> StrategyCase("ga", (("tournament", 2),)).make(ToySpace(), population=4).ask()[0].operator
        'sample'
    """

    strategy: str | StrategyRow | Callable[..., Any]
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def row(self) -> StrategyRow:
        """The row of the strategy."""
        return strategy_row(strategy_name(self.strategy))

    @property
    def in_rungs(self) -> bool:
        """Whether it trains a network several times."""
        return self.row.rungs or dict(self.options).get("rungs", 1) > 1

    def make(self, space: SearchSpace, **options: Any) -> Strategy:
        """The strategy on a space; for options, see `evonas.strategies.make_strategy`."""
        return make_strategy(self.strategy, space, **{**options, **dict(self.options)})


def score(candidate: Candidate) -> float:
    """A number that depends only on the digest."""
    return int(candidate.digest[:8], 16) / 2**32


def ok(value: float, name: str = "rmse") -> Evaluation:
    """A successful evaluation with one score."""
    return Evaluation(Status.OK, {name: value})


def play(strategy: Strategy, generations: int) -> list[list[Candidate]]:
    """The candidates of a strategy, generation by generation, evaluated by `score`."""
    asked = []
    for _ in range(generations):
        asked.append(strategy.ask())
        strategy.tell([ok(score(candidate)) for candidate in asked[-1]])
    return asked


def as_text(generations: Sequence[Sequence[Candidate]], space: SearchSpace) -> list[Any]:
    """Candidates as JSON values."""
    return [[_as_list(candidate, space) for candidate in generation] for generation in generations]


def _as_list(each: Candidate, space: SearchSpace) -> list[Any]:
    genome = space.genome_to_json(each.genome)
    place = [each.generation, each.index]
    origin = [str(each.origin), each.horizon, each.keep_snapshots]
    return [genome, each.digest, each.seed, each.epochs, *place, list(each.parents), each.operator, *origin]


def ask_everywhere(case: StrategyCase) -> list[Any]:
    """The candidates of a strategy on each of `SPACES`, as JSON values."""
    made = {name: case.make(space, objective=RMSE, population=6, seed=0) for name, space in SPACES.items()}
    return [as_text(play(made[name], 4), space) for name, space in SPACES.items()]


def raises(error: type[Exception], call: Callable[[], Any], what: str) -> str:
    """The text of the error that the call must raise. Raises AssertionError if it does not."""
    try:
        call()
    except error as raised:
        return str(raised)
    raise AssertionError(f"{what} must raise {error.__name__}")


def toy_distance(candidate: Candidate, target: tuple[int, ...]) -> Evaluation:
    """Evaluation in a `ToySpace` where only the target is feasible, and others violate by their distance from it."""
    excess = sum(abs(number - best) for number, best in zip(candidate.genome[:3], target, strict=True))
    return Evaluation(Status.INFEASIBLE, {"violation": float(excess)}) if excess else ok(9.0)
