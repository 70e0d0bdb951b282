"""`Archive`: a bounded archive of evaluations, which are genomes with their features and ranks."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Reduction
from evonas.strategies.proposals import EvaluatedProposal
from evonas.strategies.ranking import Rank, is_feasible, penalise_losses
from evonas.strategies.surrogate.acquisition import MOST_FAILURES, Observations, spread_ranks
from genomes.space import SearchSpace

__all__ = ["Archive", "ArchiveEntry"]

#: Number of best and of latest entries that are kept. Trimmed at twice that number, to amortise the cost.
_BEST, _LATEST = 300, 100
#: Number of losses below which constraint violations are used as well.
_FEW_LOSSES = 20
#: Largest number of losses of random genomes that define the typical loss.
_TYPICAL = 40


@dataclass(frozen=True)
class ArchiveEntry:
    """An evaluation.

    Attributes:
        member: the genome and its rank.
        epochs: number of epochs trained.
        features: features of the genome, shape `(num_features,)`.
        place: generation and index of the candidate.
        reduction: data that it was scored on, if these were reduced.
    """

    member: EvaluatedProposal
    epochs: int
    features: NDArray[np.float64]
    place: tuple[int, int]
    reduction: Reduction | None = None

    @property
    def rank(self) -> Rank:
        """The rank of the evaluation."""
        return self.member.rank


class Archive:
    """Entries in the order of evaluation and, for fast access to the best, in the order of ranks.

    Attributes:
        entries: the entries in the order of evaluation.
    """

    def __init__(self, typical: Sequence[float] = ()) -> None:
        """Creates an empty archive.

        Args:
            typical: known losses of random genomes, for example from another search.
        """
        self.entries: list[ArchiveEntry] = []
        self._ranked: list[ArchiveEntry] = []  # best first; ties by age
        self._typical = list(typical)

    def add(self, entry: ArchiveEntry, at_random: bool) -> None:
        """Adds an entry; `at_random` genomes also contribute to the typical loss."""
        self.entries.append(entry)
        insort(self._ranked, entry, key=_rank)
        if at_random and is_feasible(entry.rank) and len(self._typical) < _TYPICAL:
            self._typical.append(entry.rank[1])

    def trim(self) -> None:
        """Removes entries that are neither among the best nor among the latest."""
        if len(self.entries) < 2 * (_BEST + _LATEST):
            return
        older = sorted(self.entries[:-_LATEST], key=_rank)[:_BEST]
        kept = {id(entry) for entry in (*older, *self.entries[-_LATEST:])}
        self.entries = [entry for entry in self.entries if id(entry) in kept]
        self._ranked = sorted(self.entries, key=_rank)

    @property
    def typical_losses(self) -> tuple[float, ...]:
        """Losses of random genomes."""
        return tuple(self._typical)

    @property
    def typical(self) -> float:
        """Median loss of random genomes; infinite if there are none."""
        return float(np.median(self._typical)) if self._typical else math.inf

    @property
    def is_informative(self) -> bool:
        """Whether there are at least two entries, one of them with a loss or a violation."""
        return self._num_informative > 0 and len(self.entries) > 1

    def would_be_elite(self, rank: Rank, count: int) -> bool:
        """Whether an entry with this rank would be among the best `count`."""
        best = self.best(count)
        return is_feasible(rank) and (len(best) < count or rank < best[-1].rank)

    def best(self, count: int) -> list[ArchiveEntry]:
        """The best `count` informative entries with distinct networks, best first; ties by age."""
        best: dict[str, ArchiveEntry] = {}
        for entry in islice(self._ranked, self._num_informative):
            best.setdefault(entry.member.digest, entry)
            if len(best) == count:
                break
        return list(best.values())

    def observations(self, features_of: Callable[[ArchiveEntry], NDArray[np.float64]], most: int) -> Observations:
        """The observations for a surrogate: at most `most` losses, the best ones and an even spread of the others.

        Without any losses, violations are used instead; with few losses, both are used, with violations as worse
        losses.
        """
        count = self._num_informative
        informative = self._ranked[:count]
        tier, mixed = informative[-1].rank[0], informative[0].rank[0] < informative[-1].rank[0]
        if count > most:
            kept = [informative[index] for index in spread_ranks(count, most)]
        else:
            kept = [entry for entry in self.entries if entry.rank[0] <= tier]
        failed = (entry for entry in reversed(self.entries) if entry.rank[0] > tier)
        failures = [features_of(entry) for entry in islice(failed, min(len(self.entries) - count, MOST_FAILURES))][::-1]
        features = np.array([features_of(entry) for entry in kept])
        losses = np.array(penalise_losses([entry.rank for entry in kept]) if mixed else [each.rank[1] for each in kept])
        return Observations(
            features=features,
            losses=losses,
            failures=np.array(failures).reshape(len(failures), features.shape[1]),
            typical=self.typical if self._typical and tier == 0 else float(np.median(losses)),
        )

    @property
    def _num_informative(self) -> int:
        """Number of informative entries: those with losses and, as long as these are few, those with violations."""
        with_losses = bisect_left(self._ranked, (1, -math.inf), key=_rank)
        return with_losses if with_losses >= _FEW_LOSSES else bisect_left(self._ranked, (2, -math.inf), key=_rank)

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """Converts the archive to JSON values."""
        entries = [
            {
                **entry.member.to_json(space),
                "epochs": entry.epochs,
                "place": list(entry.place),
                **({} if entry.reduction is None else {"reduction": str(entry.reduction)}),
            }
            for entry in self.entries
        ]
        return {"records": entries, "typical": list(self._typical)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: SearchSpace) -> Archive:
        """Restores an archive from JSON values, recomputing the features."""
        archive = cls()
        for each in value["records"]:
            member = EvaluatedProposal.from_json(each, space)
            features, (generation, index) = space.features(member.proposal.genome), each["place"]
            reduction = Reduction.from_text(each["reduction"]) if "reduction" in each else None
            place = int(generation), int(index)
            archive.entries.append(ArchiveEntry(member, int(each["epochs"]), features, place, reduction))
        archive._ranked = sorted(archive.entries, key=_rank)
        archive._typical = [float(loss) for loss in value["typical"]]
        return archive


def _rank(entry: ArchiveEntry) -> Rank:
    return entry.member.rank
