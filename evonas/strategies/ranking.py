"""Feasibility first: who is better than whom, for every strategy. Imports no DEAP.

A rank is a pair of finite numbers, and the lower pair is better: what has a score ranks by its loss, before what breaks
a limit, which ranks by how much it does; all else (failed, no finite score) comes last. A space with few feasible
networks is thus searched towards the feasible ones, with no weight to choose between the score and the limits.

References:
    Deb, "An Efficient Constraint Handling Method for Genetic Algorithms", Computer Methods in Applied Mechanics and
    Engineering 186, 2000.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from evonas.evaluation import Evaluation, Status
from evonas.objective import Objective

__all__ = [
    "UNRANKED",
    "VIOLATION",
    "Rank",
    "is_feasible",
    "penalise_losses",
    "rank_from_json",
    "rank_of",
    "violation_of",
]

#: (0, loss) of what has a score, (1, violation) of what breaks a limit, (2, 0.0) of the rest.
Rank = tuple[int, float]

#: Of what has neither a score nor a violation.
UNRANKED: Rank = (2, 0.0)

#: Name of the score in which an evaluation says by how much it breaks the limits: the sum of the relative excesses.
VIOLATION = "violation"


def rank_of(evaluation: Evaluation, objective: Objective) -> Rank:
    """The evaluation's rank; pairs compare as tuples do, and hold no NaN."""
    if evaluation.status is Status.OK:
        loss = objective.loss(evaluation.scores.get(objective.name))
        return (0, loss) if math.isfinite(loss) else UNRANKED
    violation = violation_of(evaluation)
    return UNRANKED if violation is None else (1, violation)


def violation_of(evaluation: Evaluation) -> float | None:
    """By how much an infeasible evaluation breaks the limits, above 0; None for every other."""
    violation = evaluation.scores.get(VIOLATION, math.nan)
    return violation if evaluation.status is Status.INFEASIBLE and 0 < violation < math.inf else None


def is_feasible(rank: Rank) -> bool:
    """Whether the rank is that of something with a score."""
    return rank[0] == 0


def penalise_losses(ranks: Sequence[Rank]) -> list[float]:
    """The ranks as finite losses in the same order, for methods that know nothing but one number.

    What has no score gets the worst loss there is, and up to as much again as the losses spread: Deb's penalty without
    a parameter, bounded so that one broken limit does not flatten a model of all the others.
    """
    losses = [amount for tier, amount in ranks if tier == 0]
    worst = max(losses, default=0.0)
    spread = (worst - min(losses, default=0.0)) or 1.0
    return [amount if tier == 0 else worst + spread * _excess(tier, amount) for tier, amount in ranks]


def rank_from_json(value: Sequence[float]) -> Rank:
    """The rank back from the list that JSON makes of it."""
    tier, amount = value
    return int(tier), float(amount)


def _excess(tier: int, violation: float) -> float:
    """In (1/2, 1] of the spread: by the violation, and all of it for what failed."""
    return 1.0 if tier == 2 else 0.5 + 0.5 * violation / (1.0 + violation)
