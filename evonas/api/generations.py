"""The search loop, shared by searches of networks and of trials."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from evonas.config import Budget
from evonas.evolution.asynchronous import loop_of
from evonas.protocols import Evaluator, Strategy
from evonas.runs.progress import Generation
from evonas.runs.store import RunStore
from evonas.user_model import check_first
from genomes.space import SearchSpace

__all__ = ["run_generations"]


def run_generations(
    store: RunStore,
    space: SearchSpace,
    strategy: Strategy,
    evaluator: Evaluator,
    budget: Budget,
    *,
    log: str | Path | None,
    **options: Any,
) -> Generator[Generation, None, None]:
    """Searches generation by generation; `store.stop` is the reason for its end.

    Args:
        store: open, of the run.
        space: of the genomes.
        strategy: proposes genomes.
        evaluator: trains the networks.
        budget: of the run.
        log: file with the output of user-defined models, for the message if all of the first generation fail in the
            same way; None to skip this check.
        ***options: as for `evonas.evolution.loop.evolve`.

    Raises:
        InputError: all models of the first generation failed in the same way.
    """
    with closing(loop_of(strategy, evaluator, store, space, budget, **options)) as generations:
        for generation in generations:
            if log is not None and generation.number == 0:
                check_first([each.reason for each in generation.evaluations], log)
            yield generation
