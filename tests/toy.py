"""A search space and an evaluator that need no training: what the search, the store and the loop are tested with.

A toy genome is a tuple of three numbers in 0..9 and a letter that builds nothing: genomes that differ in the letter
alone have the same digest. Its score is a pure function of the digest.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation, Snapshot, Start, Status
from evonas.objective import Objective
from evonas.runs import RunStore
from evonas.strategies import make_strategy
from genomes.domains import Choice, Range
from genomes.errors import InputError
from genomes.gene import Gene

ToyGenome = tuple[int, int, int, str]


class ToySpace:
    """Numbers below `size`; with `size=1` the space holds a single network."""

    mutations = ("step", "rename")

    def __init__(self, size: int = 10) -> None:
        self.size = size

    def sample(self, rng: np.random.Generator) -> ToyGenome:
        a, b, c = (int(number) for number in rng.integers(self.size, size=3))
        return (a, b, c, "ab"[int(rng.integers(2))])

    def mutate(self, genome: ToyGenome, rng: np.random.Generator, operator: str | None = None) -> tuple[ToyGenome, str]:
        operator = operator or self.mutations[int(rng.random() < 0.2)]
        numbers, letter = list(genome[:3]), genome[3]
        if operator == "rename":
            letter = "b" if letter == "a" else "a"
        else:
            place = int(rng.integers(3))
            numbers[place] = int((numbers[place] + rng.choice([-1, 1])) % self.size)
        return (numbers[0], numbers[1], numbers[2], letter), operator

    def crossover(self, a: ToyGenome, b: ToyGenome, rng: np.random.Generator) -> ToyGenome:
        cut = int(rng.integers(1, 3))
        return a[:cut] + b[cut:]  # type: ignore[return-value]

    def contains(self, genome: Any) -> bool:
        return len(genome) == 4 and all(0 <= number < self.size for number in genome[:3]) and genome[3] in ("a", "b")

    def digest(self, genome: ToyGenome) -> str:
        return hashlib.sha256(repr(genome[:3]).encode()).hexdigest()[:32]

    def features(self, genome: ToyGenome) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array(genome[:3]) / max(self.size - 1, 1)

    @property
    def genes(self) -> tuple[Gene, ...]:
        numbers = Range(0, self.size - 1) if self.size > 1 else Choice((0,))
        return (*(Gene(numbers, (), name) for name in "xyz"), Gene(Choice(("a", "b")), (), "letter"))

    def values(self, genome: ToyGenome) -> dict[str, Any]:
        return dict(zip(("x", "y", "z", "letter"), genome, strict=True))

    def from_values(self, values: Mapping[str, Any]) -> ToyGenome:
        return (values["x"], values["y"], values["z"], values["letter"])

    def genome_to_json(self, genome: ToyGenome) -> dict[str, Any]:
        return {"numbers": list(genome[:3]), "letter": genome[3]}

    def genome_from_json(self, value: Any) -> ToyGenome:
        try:
            a, b, c = value["numbers"]
            genome = (int(a), int(b), int(c), str(value["letter"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"a toy genome must have three numbers and a letter, not {value!r}: {error}") from None
        if not self.contains(genome):
            raise InputError(f"a toy genome must be in the space, which {genome} is not")
        return genome

    def to_json(self) -> dict[str, Any]:
        return {"kind": "toy", "size": self.size}


def toy_score(genome: ToyGenome) -> float:
    """Lowest, 0.5, at (3, 7, 5)."""
    return 0.5 + sum((number - best) ** 2 for number, best in zip(genome[:3], (3, 7, 5), strict=True)) / 7


def toy_evaluation(candidate: Candidate) -> Evaluation:
    """A pure function of the genome; some fail, in every way that a training can."""
    number = int(candidate.digest[:8], 16)
    if number % 11 == 0:
        return Evaluation(Status.FAILED, reason="diverged", epochs=3, curve=(1.0, float("inf"), float("nan")))
    if number % 13 == 0:
        return Evaluation(Status.OK, {"rmse": float("nan")})
    weights = {"output/kernel": np.full((2, 3), number % 97, np.float32), "output/bias": np.zeros(3, np.float32)}
    score = toy_score(candidate.genome)
    return Evaluation(
        Status.OK,
        {"rmse": score, "r2": 1 - score},
        best_epoch=2,
        epochs=candidate.epochs,
        curve=(score + 1, score),
        train_curve=(score + 2, score + 1),
        train_seconds=time.monotonic() % 1,
        parameters=sum(candidate.genome[:3]),
        weights=weights,
    )


def toy_evaluation_from(candidate: Candidate, evaluation: Evaluation, start: Start | None) -> Evaluation:
    """The evaluation of a candidate that may start from another one: its curve goes on with the one behind it."""
    weights = evaluation.weights or {}
    before = start.snapshots[0] if start else None
    if before is not None and candidate.origin is not None and candidate.origin.kind == "inherit":
        curve = (float(before.weights["output/kernel"][0, 0]), *evaluation.curve)
    else:
        curve = (*(before.curve if before else ()), *evaluation.curve)
    evaluation = replace(evaluation, curve=curve)
    if not candidate.keep or evaluation.status is not Status.OK:
        return evaluation
    outputs = np.zeros((2, 1), np.float32)
    return replace(evaluation, snapshots=(Snapshot(weights, {}, {}, weights, outputs, 1.0, 2.0, 3, curve, curve),))


class ToyEvaluator:
    """Gives parts of `part_size`; notes what it trained. Parts begin at fixed places, whatever is done."""

    def __init__(
        self,
        part_size: int = 3,
        sleep_seconds: float = 0.0,
        evaluation: Callable[[Candidate], Evaluation] = toy_evaluation,
    ) -> None:
        self.part_size, self.sleep_seconds, self.evaluation = part_size, sleep_seconds, evaluation
        self.trained: list[str] = []
        self.plans: list[tuple[str, ...]] = []
        self.closed = False
        self.remembered = 0

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        self.plans.append(tuple(candidate.digest for candidate in candidates))
        self.remembered += 1
        for start in range(0, len(candidates), self.part_size):
            places = [
                place for place in range(start, min(start + self.part_size, len(candidates))) if place not in done
            ]
            if places:
                time.sleep(self.sleep_seconds)
                self.trained += [candidates[place].digest for place in places]
                yield {
                    place: toy_evaluation_from(candidates[place], self.evaluation(candidates[place]), starts.get(place))
                    for place in places
                }

    def close(self) -> None:
        self.closed = True

    def state(self) -> Any:
        """Remembers how many generations it planned, as an evaluator with a memory does."""
        return self.remembered

    def restore(self, state: Any) -> None:
        self.remembered = state or 0


RMSE = Objective("rmse", "min")


def toy_settings(**values: Any) -> Settings:
    return Settings(**{"population": 8, "seed": 0, "keep": 4, **values}).resolved("rmse")


def toy_store(
    directory: Any, settings: Settings | None = None, space: ToySpace | None = None, **values: Any
) -> RunStore:
    settings, space = settings or toy_settings(), space or ToySpace()
    strategy = make_strategy(settings.strategy, space, objective=RMSE, settings=settings)
    return RunStore.create(directory, settings=settings, space=space, state=strategy.state(), **values)


class ToyStreamingEvaluator(ToyEvaluator):
    """Trains `slots` candidates at a time; which of them comes back next is drawn."""

    def __init__(self, slots: int = 1, seed: int = 0, sleep_seconds: float = 0.0, **options: Any) -> None:
        super().__init__(1, sleep_seconds, **options)
        self.slots, self.rng = slots, random.Random(seed)

    def stream(self) -> ToyStream:
        return ToyStream(self)


class ToyStream:
    """Meets `Stream`."""

    def __init__(self, evaluator: ToyStreamingEvaluator) -> None:
        self.evaluator, self.slots = evaluator, evaluator.slots
        self.training: dict[int, tuple[Candidate, Start | None]] = {}
        self.most = 0

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        assert number not in self.training
        self.training[number] = (candidate, start)
        self.most = max(self.most, len(self.training))

    def wait(self) -> Mapping[int, Evaluation]:
        time.sleep(self.evaluator.sleep_seconds)
        if self.evaluator.rng.random() < 0.1:
            return {}
        number = self.evaluator.rng.choice(sorted(self.training))
        candidate, start = self.training.pop(number)
        self.evaluator.trained.append(candidate.digest)
        return {number: toy_evaluation_from(candidate, self.evaluator.evaluation(candidate), start)}

    def close(self) -> None:
        self.training.clear()
