"""`ToySpace`: a search space whose genomes build nothing, for fast checks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from genomes.domains import Choice, Range
from genomes.errors import InputError
from genomes.gene import Gene

__all__ = ["ToyGenome", "ToySpace"]

ToyGenome = tuple[int, int, int, str]


class ToySpace:
    """Genomes of numbers below `size` and an ineffective letter: if only the letter differs, digests are equal.

    With `size=1`, the space contains a single network.
    """

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
            raise InputError(f"a toy genome must be in the space, but {genome} is not")
        return genome

    def to_json(self) -> dict[str, Any]:
        return {"kind": "toy", "size": self.size}
