"""`Callback`, the hooks of a running search, and `EvaluatedCandidate`, a trained network as passed to them."""

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
    from evonas.export_tasks import Exported
    from evonas.runs.progress import Generation
    from evonas.runs.reader import RunReader

__all__ = ["Callback", "EvaluatedCandidate", "genes_of", "read_evaluated", "space_of"]


@dataclass(frozen=True)
class EvaluatedCandidate:
    """A candidate with its evaluation, as committed to the run.

    Attributes:
        generation, index: generation and index in the generation, from 0, which identify the candidate in the run.
        digest: digest of the network; equal networks have equal digests.
        genes: gene -> value, for active genes.
        parents: digests of the parents; empty for a sampled genome.
        operator: operator that created it: "sample", "seed", or the name of a mutation or crossover.
        evaluation: status, scores, learning curves and seconds.
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
        """Generation and index as a sortable name, such as "g003-i07"."""
        return f"g{self.generation:03}-i{self.index:02}"


class Callback:
    """Hooks of a search. Each method does nothing unless it is overridden.

    The methods are called by the search process between results: a slow method delays the search, and its time counts
    towards the time of the run. The run is open for reading and must not be written to.

    Example:
        >>> class Scores(Callback):
        ...     def on_evaluation(self, candidate):
        ...         print(candidate.name, dict(candidate.evaluation.scores))
    """

    def on_start(self, run: RunReader, budget: Budget) -> None:
        """Called before training starts in this session; `read_evaluated(run)` yields the results of earlier sessions.

        Raises:
            InputError: raised by a callback to prevent the search from starting, because of a mistake of the user.
        """

    def on_evaluation(self, candidate: EvaluatedCandidate) -> None:
        """Called once for each candidate, after it was trained and committed."""

    def on_generation(self, generation: Generation) -> None:
        """Called when a generation is complete."""

    def on_end(self, run: RunReader, exported: Exported | None) -> None:
        """Called at the end of the session, even if interrupted, with the exported best network, if any."""


def read_evaluated(run: RunReader) -> Iterator[EvaluatedCandidate]:
    """Yields all candidates that a run has committed, in order, including those over a limit, which are not trained."""
    space = space_of(run)
    for record in run.records():
        yield _from_record(record, space)


def genes_of(space: Any, genome: Mapping[str, Any]) -> dict[str, Any]:
    """Gene -> value, for active genes; for unknown spaces, the scalar values of the genome's JSON.

    Args:
        space: the run's space; None if it is user-defined.
        genome: the genome as JSON values.
    """
    if hasattr(space, "values"):
        return dict(space.values(space.genome_from_json(genome)))
    return {name: value for name, value in genome.items() if isinstance(value, str | int | float | bool)}


def space_of(run: RunReader) -> Any:
    """The space of a run; None if it is user-defined."""
    try:
        return space_from_json(run.space_json)
    except InputError:
        return None


def _from_record(record: Record, space: Any) -> EvaluatedCandidate:
    return EvaluatedCandidate(
        record.generation,
        record.index,
        record.digest,
        genes_of(space, record.genome),
        record.parents,
        record.operator,
        record.evaluation,
    )
