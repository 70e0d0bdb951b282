"""`Callback`: the hooks of a running search, and `EvaluatedCandidate`, a trained network as they receive it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evonas.evaluation import Evaluation
from evonas.runs.records import Record
from genomes.encodings import space_from_json
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.config import Budget
    from evonas.runs.progress import Generation
    from evonas.runs.reader import RunReader
    from evonas.tasks.export import Exported

__all__ = ["Callback", "EvaluatedCandidate", "genes_of", "read_evaluated", "space_of"]


@dataclass(frozen=True)
class EvaluatedCandidate:
    """A candidate and what came of it, as committed to the run.

    Attributes:
        generation, index: its place in the run, from 0: no other candidate of the run has it.
        digest: of the network; equal digests are equal networks.
        genes: gene -> value, of those that are active.
        parents: digests of its parents, empty for a sampled genome.
        operator: how it was made ("sample", "seed", or the name of a mutation or crossover).
        evaluation: status, scores, learning curves, seconds.
    """

    generation: int
    index: int
    digest: str
    genes: Mapping[str, Any]
    parents: tuple[str, ...]
    operator: str
    evaluation: Evaluation

    @property
    def name(self) -> str:
        """Its place as a name that sorts, such as "g003-i07"."""
        return f"g{self.generation:03}-i{self.index:02}"


class Callback:
    """Hooks of a search. Each method does nothing unless it is overridden.

    Called by the process that searches, between trainings: what takes long keeps the search waiting, and counts in the
    time of the run. The run is open for reading, and must not be written to.

    Example:
        >>> class Scores(Callback):
        ...     def on_evaluation(self, candidate):
        ...         print(candidate.name, dict(candidate.evaluation.scores))
    """

    def on_start(self, run: RunReader, budget: Budget) -> None:
        """Before anything is trained in this session; `read_evaluated(run)` has what earlier ones did.

        Raises:
            InputError: the search cannot begin, as something that the user gave is wrong.
        """

    def on_evaluation(self, candidate: EvaluatedCandidate) -> None:
        """A candidate was trained and committed; called once for each, by the session that trained it."""

    def on_generation(self, generation: Generation) -> None:
        """Called when a generation is complete."""

    def on_end(self, run: RunReader, exported: Exported | None) -> None:
        """The session is over, be it interrupted; the best network as a file, if one was written."""


def read_evaluated(run: RunReader) -> Iterator[EvaluatedCandidate]:
    """What a run has committed so far, in the order of the candidates; those over a limit were not trained."""
    space = space_of(run)
    for record in run.records():
        yield _of_record(record, space)


def genes_of(space: Any, genome: Mapping[str, Any]) -> dict[str, Any]:
    """Gene -> value; of a space that is not known, the plain values of the genome's JSON.

    Args:
        space: of the run, None if it is a class of the user.
        genome: as JSON values.
    """
    if hasattr(space, "values"):
        return dict(space.values(space.genome_from_json(genome)))
    return {name: value for name, value in genome.items() if isinstance(value, str | int | float | bool)}


def space_of(run: RunReader) -> Any:
    """The space of a run; None if it is a class of the user."""
    try:
        return space_from_json(run.space_json)
    except InputError:
        return None


def _of_record(record: Record, space: Any) -> EvaluatedCandidate:
    return EvaluatedCandidate(
        record.generation,
        record.index,
        record.digest,
        genes_of(space, record.genome),
        record.parents,
        record.operator,
        record.evaluation,
    )
