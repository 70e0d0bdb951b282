"""Computational effort per proposal, which is higher for costly evaluations and at the beginning of a search.

A proposal takes a few percent of an evaluation's time. That time is a setting (`Settings.evaluation_seconds`), which is
predicted and recorded with the run rather than measured, so that runs are reproducible on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from evonas.strategies.surrogate.prescreening import ScreeningEffort
from evonas.strategies.surrogate.rows import RowEffort

__all__ = ["Effort", "effort_of"]


@dataclass(frozen=True)
class Effort:
    """The effort for one proposal.

    Attributes:
        genomes: effort in spaces that are searched genome by genome.
        rows: effort in spaces with codes.
        observations: most evaluations in the surrogate; more would cost time and add little about the best region.
        refit_after: relative growth of the number of evaluations after which hyperparameters are refitted.
    """

    genomes: ScreeningEffort
    rows: RowEffort
    observations: int
    refit_after: float = 1 / 15


#: (number of evaluations up to which it applies, effort), for cheap evaluations.
_CHEAP = (
    (
        100,
        Effort(
            ScreeningEffort(samples=30, offspring=30, rounds=2, survivors=10, improved=2, evaluations=15),
            RowEffort(
                samples=150,
                offspring=80,
                rounds=0,
                starts=3,
                evaluations=10,
                exchanged=2,
                exchanges=3,
                alternating=False,
            ),
            observations=200,
            refit_after=1 / 6,
        ),
    ),
    (
        300,
        Effort(
            ScreeningEffort(samples=30, offspring=20, rounds=2, survivors=10, improved=1, evaluations=15),
            RowEffort(
                samples=40,
                offspring=60,
                rounds=0,
                starts=2,
                evaluations=10,
                exchanged=1,
                exchanges=2,
                alternating=False,
            ),
            observations=120,
            refit_after=1 / 5,
        ),
    ),
    (
        1_000,
        Effort(
            ScreeningEffort(samples=20, offspring=20, rounds=2, survivors=10, improved=1, evaluations=15),
            RowEffort(
                samples=40,
                offspring=40,
                rounds=0,
                starts=1,
                evaluations=8,
                exchanged=1,
                exchanges=1,
                alternating=False,
            ),
            observations=120,
            refit_after=1 / 4,
        ),
    ),
    (
        1 << 62,
        Effort(
            ScreeningEffort(samples=5, offspring=15, rounds=1, survivors=8, improved=1, evaluations=4),
            RowEffort(samples=15, offspring=15, rounds=0, starts=1, evaluations=4, exchanged=1, exchanges=1),
            observations=80,
        ),
    ),
)
#: Effort for costly evaluations, before it is multiplied by a factor.
_COSTLY = Effort(
    ScreeningEffort(samples=30, offspring=30, rounds=2, survivors=10, improved=2, evaluations=15),
    RowEffort(samples=150, offspring=80, rounds=1, starts=4, evaluations=20, exchanged=2, exchanges=3),
    observations=200,
)
#: (seconds per evaluation from which it applies, factor on the effort).
_FACTORS = ((4.0, 6), (1.0, 3), (0.25, 1))


def effort_of(num_evaluated: int, evaluation_seconds: float | None) -> Effort:
    """The effort for the next proposal.

    Args:
        num_evaluated: number of networks evaluated so far.
        evaluation_seconds: seconds per evaluation; None if unknown.
    """
    factor = next((factor for least, factor in _FACTORS if (evaluation_seconds or 0.0) >= least), 0)
    if not factor:
        return next(effort for most, effort in _CHEAP if num_evaluated < most)
    first = _COSTLY
    genomes = replace(
        first.genomes,
        samples=first.genomes.samples * factor,
        offspring=first.genomes.offspring * factor,
        improved=first.genomes.improved * factor,
        evaluations=15 + 5 * factor,
    )
    rows = replace(
        first.rows,
        samples=first.rows.samples * factor,
        offspring=first.rows.offspring * factor,
        starts=first.rows.starts + 2 * factor,
        evaluations=15 + 5 * factor,
        exchanged=first.rows.exchanged + factor,
    )
    return Effort(genomes, rows, first.observations)
