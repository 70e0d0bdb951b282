"""The end of a search: its best networks are trained again from scratch, from other seeds, and tested.

Members of one batch, committed as they come, so that a run that is killed in the midst of it goes on where it was.
Imports no Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from evonas.evaluation import Candidate, Evaluator, Status, Weights
from evonas.interruption import Abandoned, Interruption
from evonas.runs.finals import Retraining, retraining_seeds
from evonas.runs.store import RunStore
from genomes.space import SearchSpace

__all__ = ["OnRetraining", "Tester", "retrain_finalists"]

#: Called with the re-trainings that are done and those that there are to be.
OnRetraining = Callable[[int, int], None]


@runtime_checkable
class Tester(Protocol):
    """An evaluator that can score given weights on the test split, too."""

    def test(self, genome: Any, weights: Weights) -> dict[str, float]:
        """Scores on the test split; empty when there is none."""
        ...


def retrain_finalists(
    store: RunStore,
    evaluator: Evaluator,
    space: SearchSpace,
    top: int,
    seeds: int,
    *,
    interruption: Interruption | None = None,
    on_part: OnRetraining | None = None,
) -> bool:
    """Trains the best networks of a run again and commits what comes of it; what is committed is not trained again.

    Args:
        store: open, of this run.
        evaluator: not closed here. One that is no `Tester` leaves the finalists without test scores.
        space: that the genomes are from.
        top: networks, >= 1; fewer where fewer have a score.
        seeds: re-trainings of each, >= 1.
        interruption: asks for a stop.
        on_part: called after every commit.

    Returns:
        whether all is done; False when a stop was asked for.
    """
    interruption = interruption or Interruption()
    store.finals.ask(store.evaluated, top, seeds)
    # As after the last generation, however often this is begun: the same plan, hence the same bits.
    evaluator.restore(store.evaluator_state)
    candidates = _candidates(store, space, top, seeds)
    done = frozenset(place for place, each in enumerate(candidates) if _retraining(store, each) is not None)
    if on_part is not None:
        on_part(len(done), len(candidates))
    parts = evaluator.evaluate(candidates, done)
    while True:
        try:
            with interruption.waiting():
                part = next(parts, None)
        except Abandoned:
            return False
        if part is None:
            break
        store.finals.commit([(candidates[place], part[place]) for place in sorted(part)])
        done |= part.keys()
        if on_part is not None and part:
            on_part(len(done), len(candidates))
        if interruption.requested and len(done) < len(candidates):
            return False
    if len(done) < len(candidates):
        raise RuntimeError(f"the evaluator ended with {len(candidates) - len(done)} candidates left, give each once")
    return _test(store, evaluator, candidates, interruption)


def _candidates(store: RunStore, space: SearchSpace, top: int, seeds: int) -> list[Candidate]:
    """One for each re-training, network by network."""
    settings = store.settings
    candidates: list[Candidate] = []
    for record in store.best(top):
        genome = space.genome_from_json(record.genome)
        first = replace(Candidate(genome, record.digest, 0, settings.epochs), operator="finalist")
        for seed in retraining_seeds(settings.seed or 0, record.digest, seeds):
            candidates.append(replace(first, seed=seed, generation=store.generations, index=len(candidates)))
    return candidates


def _test(store: RunStore, evaluator: Evaluator, candidates: Sequence[Candidate], interruption: Interruption) -> bool:
    for candidate in candidates:
        retraining = _retraining(store, candidate)
        if retraining is None or retraining.test is not None:
            continue
        scores: dict[str, float] = {}
        if isinstance(evaluator, Tester) and retraining.evaluation.status is Status.OK and retraining.weights:
            try:
                with interruption.waiting():
                    scores = evaluator.test(candidate.genome, store.weights_named(retraining.weights))
            except Abandoned:
                return False
        store.finals.commit_test(retraining, scores)
    return True


def _retraining(store: RunStore, candidate: Candidate) -> Retraining | None:
    return store.finals.retraining(candidate.digest, candidate.seed, candidate.epochs)
