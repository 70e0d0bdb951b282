"""Pending candidates of strategies that propose one candidate at a time, and their numbers.

A candidate's number is its position in the order of asking; the randomness of its proposal derives from (run seed,
number). Generation and index follow from the number: the first `population` candidates form generation 0, and every
`offspring` candidates after them form another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evonas.config import Settings
from evonas.evaluation import Candidate, Origin, Reduction
from genomes.space import SearchSpace

__all__ = ["Pending", "number_of", "place_of"]


def place_of(number: int, settings: Settings) -> tuple[int, int]:
    """Generation and index of the candidate with this number; all count from 0."""
    if number < settings.population:
        return 0, number
    generation, index = divmod(number - settings.population, settings.offspring or settings.population)
    return generation + 1, index


def number_of(place: tuple[int, int], settings: Settings) -> int:
    """The number of the candidate with this generation and index: the inverse of `place_of`.

    `number_of((generation, 0), settings)` is the number of candidates before a generation.
    """
    generation, index = place
    if generation == 0:
        return index
    return settings.population + (generation - 1) * (settings.offspring or settings.population) + index


class Pending:
    """The pending candidates.

    Attributes:
        asked: number of candidates asked for so far; the number of the next one.
    """

    def __init__(self, settings: Settings) -> None:
        """Creates an empty collection."""
        self._settings = settings
        self.asked = 0
        self._out: dict[int, Candidate] = {}

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The pending candidates in the order of asking."""
        return tuple(self._out.values())

    @property
    def digests(self) -> frozenset[str]:
        """Digests of the pending networks."""
        return frozenset(candidate.digest for candidate in self._out.values())

    @property
    def place(self) -> tuple[int, int]:
        """Generation and index of the next candidate."""
        return place_of(self.asked, self._settings)

    def check_unused(self) -> None:
        """Raises RuntimeError if candidates were asked for one by one, which excludes generations."""
        if self.asked:
            raise RuntimeError("ask() must not follow ask_one(): ask for generations or one by one, not both")

    def add(self, candidate: Candidate) -> Candidate:
        """Adds the next candidate, whose generation and index are `place`, and returns it."""
        self._out[self.asked] = candidate
        self.asked += 1
        return candidate

    def take(self, candidate: Candidate) -> tuple[int, Candidate]:
        """Removes an evaluated candidate from the pending ones; returns its number and the candidate as proposed.

        Raises:
            RuntimeError: the candidate is not pending.
        """
        number = number_of((candidate.generation, candidate.index), self._settings)
        if number not in self._out or self._out[number].digest != candidate.digest:
            raise RuntimeError(
                f"tell_one() must be given a pending candidate from ask_one(), but candidate {candidate.index} of "
                f"generation {candidate.generation} is not pending"
            )
        return number, self._out.pop(number)

    def state(self, space: SearchSpace) -> dict[str, Any]:
        """JSON values for the strategy's state; empty if `ask_one` was never called."""
        if not self.asked:
            return {}
        out = [{"number": number, **_to_json(candidate, space)} for number, candidate in self._out.items()]
        return {"pending": {"asked": self.asked, "out": out}}

    def restore(self, state: Mapping[str, Any], space: SearchSpace) -> None:
        """Restores the pending candidates from a strategy's state."""
        value = state.get("pending", {"asked": 0, "out": []})
        self.asked, self._out = int(value["asked"]), {}
        for each in value["out"]:
            number = int(each["number"])
            self._out[number] = _from_json(each, place_of(number, self._settings), space)


def _to_json(candidate: Candidate, space: SearchSpace) -> dict[str, Any]:
    return {
        "genome": space.genome_to_json(candidate.genome),
        "digest": candidate.digest,
        "seed": candidate.seed,
        "epochs": candidate.epochs,
        "parents": list(candidate.parents),
        "operator": candidate.operator,
        "horizon": candidate.horizon,
        "origin": str(candidate.origin or ""),
        "keep": candidate.keep_snapshots,
        **({} if candidate.reduction is None else {"reduction": str(candidate.reduction)}),
    }


def _from_json(value: Mapping[str, Any], place: tuple[int, int], space: SearchSpace) -> Candidate:
    return Candidate(
        genome=space.genome_from_json(value["genome"]),
        digest=value["digest"],
        seed=int(value["seed"]),
        epochs=int(value["epochs"]),
        generation=place[0],
        index=place[1],
        parents=tuple(value["parents"]),
        operator=value["operator"],
        horizon=value["horizon"],
        origin=Origin.from_text(value["origin"]) if value["origin"] else None,
        keep_snapshots=value["keep"],
        reduction=Reduction.from_text(value["reduction"]) if "reduction" in value else None,
    )
