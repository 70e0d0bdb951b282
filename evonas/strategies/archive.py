"""What a search has seen and still learns from: genomes with their features and ranks, a bounded number of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.strategies.members import Member
from evonas.strategies.ranking import Rank, is_feasible
from evonas.strategies.surrogate import Evidence
from genomes.space import SearchSpace

__all__ = ["Archive", "Record"]

#: Records kept: the best and the latest. Trimmed when there are twice as many, so that it costs little.
_BEST, _LATEST = 300, 100
#: Losses of random genomes that tell what is typical.
_TYPICAL = 40


@dataclass(frozen=True)
class Record:
    """An evaluation.

    Attributes:
        member: the genome and its rank.
        epochs: that it was trained for.
        features: of the genome, shape `(num_features,)`.
        place: generation and index of the candidate that it was.
    """

    member: Member
    epochs: int
    features: NDArray[np.float64]
    place: tuple[int, int]

    @property
    def rank(self) -> Rank:
        """Of the member."""
        return self.member.rank


class Archive:
    """Records in the order of their evaluation."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._typical: list[float] = []

    def add(self, record: Record, at_random: bool) -> None:
        """Adds a record; those of genomes drawn at random tell what is typical."""
        self.records.append(record)
        if at_random and is_feasible(record.rank) and len(self._typical) < _TYPICAL:
            self._typical.append(record.rank[1])

    def trim(self) -> None:
        """Forgets what is neither among the best nor among the latest."""
        if len(self.records) < 2 * (_BEST + _LATEST):
            return
        older = sorted(self.records[:-_LATEST], key=lambda record: record.rank)[:_BEST]
        kept = {id(record) for record in (*older, *self.records[-_LATEST:])}
        self.records = [record for record in self.records if id(record) in kept]

    @property
    def typical(self) -> float:
        """Median loss of genomes drawn at random, infinite while there is none."""
        return float(np.median(self._typical)) if self._typical else math.inf

    @property
    def can_teach(self) -> bool:
        """Whether there are two records of one kind, with losses or else with violations, to learn from."""
        return len(self._lessons()) > 1

    def would_be_elite(self, rank: Rank, count: int) -> bool:
        """Whether a rank is among the best `count`."""
        best = self.best(count)
        return is_feasible(rank) and (len(best) < count or rank < best[-1].rank)

    def best(self, count: int) -> list[Record]:
        """The best records that have a loss, or else a violation; best first, of equals the older, no genome twice."""
        best: dict[str, Record] = {}
        for record in sorted(self._lessons(), key=lambda record: record.rank):
            best.setdefault(record.member.digest, record)
            if len(best) == count:
                break
        return list(best.values())

    def evidence(self, coded: Callable[[Record], NDArray[np.float64]]) -> Evidence:
        """All of it for a surrogate, as `coded`. While nothing has a loss, what breaks a limit least is looked for."""
        lessons = self._lessons()
        tier = lessons[0].rank[0]
        losses = np.array([record.rank[1] for record in lessons])
        features = np.array([coded(record) for record in lessons])
        failures = [coded(record) for record in self.records if record.rank[0] > tier]
        return Evidence(
            features=features,
            losses=losses,
            failures=np.array(failures).reshape(len(failures), features.shape[1]),
            typical=self.typical if self._typical and tier == 0 else float(np.median(losses)),
        )

    def _lessons(self) -> list[Record]:
        """The records of the best tier that has any, failures left out."""
        tier = min((record.rank[0] for record in self.records), default=2)
        return [record for record in self.records if record.rank[0] == tier] if tier < 2 else []

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """As JSON values."""
        records = [
            {**record.member.to_json(space), "epochs": record.epochs, "place": list(record.place)}
            for record in self.records
        ]
        return {"records": records, "typical": list(self._typical)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: SearchSpace) -> Archive:
        """Back from JSON values; features are reckoned anew."""
        archive = cls()
        for each in value["records"]:
            member = Member.from_json(each, space)
            features, (generation, index) = space.features(member.proposal.genome), each["place"]
            archive.records.append(Record(member, int(each["epochs"]), features, (int(generation), int(index))))
        archive._typical = [float(loss) for loss in value["typical"]]
        return archive
