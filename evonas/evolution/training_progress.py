"""Progress of networks in training, passed from the evaluator to the run's `in-training.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol, runtime_checkable

from evonas.evaluation import Candidate, InTraining
from evonas.runs.in_training import MOST_NETWORKS, NetworkInTraining
from evonas.runs.store import RunStore
from genomes.encodings import short_name

__all__ = ["Watchable", "watching"]

_NAME_CHARACTERS = 60


@runtime_checkable
class Watchable(Protocol):
    """An evaluator that can report the progress of networks in training."""

    def watch_training(self, listener: Callable[[Sequence[InTraining]], None]) -> None:
        """Calls `listener` from time to time with the networks in training, in the thread that waits for results.

        Numbers are indices of the candidates passed to `evaluate`, or the numbers passed to a stream.
        """
        ...


@contextmanager
def watching(
    evaluator: object,
    store: RunStore,
    space: Any,
    candidate_of: Callable[[int], Candidate | None],
    kind: Literal["search", "finalist", "member"] = "search",
) -> Iterator[None]:
    """Within the context, records in the run's directory what is in training, if the evaluator reports it.

    Results are not affected.

    Args:
        evaluator: the evaluator.
        store: the run's store.
        space: the space of the genomes.
        candidate_of: number -> candidate; None if it is no longer in training.
        kind: kind of the networks.
    """
    if not isinstance(evaluator, Watchable):
        yield
        return
    notes, names = store.training_notes, dict[str, str]()

    def note(found: Sequence[InTraining]) -> None:
        if not notes.is_due:
            return
        networks: list[NetworkInTraining] = []
        for each in found[:MOST_NETWORKS]:
            if (candidate := candidate_of(each.number)) is None:
                continue
            if candidate.digest not in names:
                names[candidate.digest] = _name_of(space, candidate)
            networks.append(
                NetworkInTraining(
                    generation=candidate.generation,
                    index=candidate.index,
                    kind=kind,
                    name=names[candidate.digest],
                    parameters=each.parameters,
                    epoch=each.epoch,
                    epochs=each.epochs,
                    seconds=round(each.seconds, 1),
                )
            )
        notes.note(networks)

    evaluator.watch_training(note)
    try:
        yield
    finally:
        evaluator.watch_training(lambda found: None)
        notes.clear()


def _name_of(space: Any, candidate: Candidate) -> str:
    """A short description of the network; for genomes of unknown spaces, the first characters of the digest."""
    try:
        return short_name(space.genome_to_json(candidate.genome))[:_NAME_CHARACTERS]
    except (TypeError, LookupError, AttributeError):
        return candidate.digest[:12]
