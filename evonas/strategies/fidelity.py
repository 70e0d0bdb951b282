"""Multi-fidelity training in rungs of epochs, each of which continues where the previous one stopped.

References:
    Li et al., "A System for Massively Parallel Hyperparameter Tuning" (ASHA), MLSys 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evonas.config import Settings
from evonas.evaluation import Candidate, Origin, Reduction
from evonas.seeds import candidate_seed
from evonas.strategies.proposals import EvaluatedProposal, Proposal
from evonas.strategies.ranking import UNRANKED, Rank, is_feasible
from genomes.space import SearchSpace

__all__ = ["PartialTraining", "RungQueue", "RungQueues", "rungs"]

#: Most networks per rung that may still be promoted, and whose training states are therefore kept.
_MOST_WAITING = 40


def rungs(epochs: int, eta: int) -> list[int]:
    """Epochs of every rung, ascending: `epochs` divided by powers of eta, rounded and at least 1."""
    values = [epochs]
    while values[0] >= eta:
        values.insert(0, max(1, round(epochs / eta ** len(values))))
    return values


@dataclass(frozen=True)
class PartialTraining:
    """A network with its training progress.

    Attributes:
        proposal: the network.
        rank: its rank after the last evaluation.
        epochs: number of epochs trained so far.
        place: generation and index of the candidate from whose state it continues; None if it starts from scratch.
        kind: kind of the origin; "continue" once the network itself has been trained.
        reduction: reduced data of its lower rungs, if any.
    """

    proposal: Proposal
    rank: Rank = UNRANKED
    epochs: int = 0
    place: tuple[int, int] | None = None
    kind: Literal["continue", "inherit"] = "continue"
    reduction: Reduction | None = None

    def candidate(
        self, settings: Settings, epochs: int, generation: int, index: int, keep_snapshots: bool
    ) -> Candidate:
        """The candidate that trains the network up to `epochs`, with a learning-rate schedule over the whole budget."""
        proposal = self.proposal
        return Candidate(
            genome=proposal.genome,
            digest=proposal.digest,
            seed=candidate_seed(settings.seed or 0, proposal.digest),
            epochs=epochs,
            generation=generation,
            index=index,
            parents=proposal.parents,
            operator=proposal.operator,
            horizon=settings.epochs,
            origin=None if self.place is None else Origin(*self.place, self.kind),
            keep_snapshots=keep_snapshots,
            reduction=self.reduction,
        )

    def with_evaluation(self, candidate: Candidate, rank: Rank) -> PartialTraining:
        """The progress after the candidate's evaluation."""
        place = (candidate.generation, candidate.index)
        return replace(self, rank=rank, epochs=candidate.epochs, place=place, kind="continue")

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """Converts the progress to JSON values."""
        member = EvaluatedProposal(self.proposal, self.rank).to_json(space)
        reduction = {} if self.reduction is None else {"reduction": str(self.reduction)}
        place = self.place and list(self.place)
        return {**member, "epochs": self.epochs, "place": place, "kind": self.kind, **reduction}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], space: SearchSpace) -> PartialTraining:
        """Restores the progress from JSON values."""
        member, place = EvaluatedProposal.from_json(value, space), value["place"]
        return cls(
            member.proposal,
            member.rank,
            value["epochs"],
            None if place is None else (place[0], place[1]),
            value["kind"],
            Reduction.from_text(value["reduction"]) if "reduction" in value else None,
        )


class RungQueue:
    """Networks waiting at each rung for promotion to the next.

    Attributes:
        rungs: epochs of each rung, ascending.
    """

    def __init__(self, rungs: Sequence[int], eta: int) -> None:
        self.rungs = tuple(rungs)
        self._eta = eta
        # For each rung but the last: the waiting networks, best first, and the numbers that reached it and were
        # promoted.
        self._waiting: list[list[PartialTraining]] = [[] for _ in self.rungs[:-1]]
        self._counts = [[0, 0] for _ in self.rungs[:-1]]

    def add(self, training: PartialTraining) -> None:
        """Adds a network that has reached a rung."""
        rung = self.rungs.index(training.epochs)
        if rung == len(self.rungs) - 1:
            return
        self._counts[rung][0] += 1
        if is_feasible(training.rank):
            waiting = sorted([*self._waiting[rung], training], key=lambda each: each.rank)
            self._waiting[rung] = waiting[:_MOST_WAITING]

    def take(self, count: int) -> list[PartialTraining]:
        """Removes and returns up to `count` networks to promote, highest rung first: the best 1/eta of each rung."""
        taken: list[PartialTraining] = []
        for rung in reversed(range(len(self._waiting))):
            reached, promoted = self._counts[rung]
            number = min(reached // self._eta - promoted, count - len(taken), len(self._waiting[rung]))
            if number > 0:
                taken += self._waiting[rung][:number]
                self._waiting[rung] = self._waiting[rung][number:]
                self._counts[rung][1] += number
        return taken

    def next_epochs(self, training: PartialTraining) -> int:
        """Epochs of a network's next rung."""
        return next(rung for rung in self.rungs if rung > training.epochs)

    def retained(self) -> frozenset[tuple[int, int]]:
        """Generation and index of the candidates whose networks may still be promoted."""
        places = (training.place for waiting in self._waiting for training in waiting)
        return frozenset(place for place in places if place is not None)

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """Converts the queue to JSON values."""
        waiting = [[training.to_json(space) for training in rung] for rung in self._waiting]
        return {"waiting": waiting, "counts": [list(counts) for counts in self._counts]}

    def restore(self, value: Any, space: SearchSpace) -> None:
        """Restores the queue from JSON values."""
        self._waiting = [[PartialTraining.from_json(training, space) for training in rung] for rung in value["waiting"]]
        self._counts = [[int(reached), int(promoted)] for reached, promoted in value["counts"]]


class RungQueues:
    """A queue for networks without reduced data, and one for each kind of reduced data: only equal data are comparable.

    Attributes:
        rungs: epochs of each rung, ascending.
    """

    def __init__(self, rungs: Sequence[int], eta: int) -> None:
        self.rungs = tuple(rungs)
        self._eta = eta
        self._queues: dict[Reduction | None, RungQueue] = {None: RungQueue(rungs, eta)}

    def add(self, training: PartialTraining) -> None:
        """Adds a network that has reached a rung."""
        self._queue(training.reduction).add(training)

    def take(self, count: int) -> list[PartialTraining]:
        """Removes and returns up to `count` networks to promote, see `RungQueue.take`."""
        taken: list[PartialTraining] = []
        for queue in self._queues.values():
            taken += queue.take(count - len(taken))
        return taken

    def next_epochs(self, training: PartialTraining) -> int:
        """Epochs of a network's next rung."""
        return self._queues[None].next_epochs(training)

    def retained(self) -> frozenset[tuple[int, int]]:
        """Generation and index of the candidates whose networks may still be promoted."""
        return frozenset().union(*(queue.retained() for queue in self._queues.values()))

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """Converts the queues to JSON values."""
        reduced = [[str(key), queue.to_json(space)] for key, queue in self._queues.items() if key is not None]
        return {**self._queues[None].to_json(space), **({"reduced": reduced} if reduced else {})}

    def restore(self, value: Any, space: SearchSpace) -> None:
        """Restores the queues from JSON values."""
        self._queues = {None: RungQueue(self.rungs, self._eta)}
        self._queues[None].restore(value, space)
        for key, queue in value.get("reduced", ()):
            self._queue(Reduction.from_text(key)).restore(queue, space)

    def _queue(self, reduction: Reduction | None) -> RungQueue:
        return self._queues.setdefault(reduction, RungQueue(self.rungs, self._eta))
