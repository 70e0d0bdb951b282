"""Feasibility-first ranks of evaluations for all strategies. Imports no DEAP.

A rank is a pair of finite numbers that are compared lexicographically; lower is better. Feasible networks are ordered
by their loss, followed by infeasible ones ordered by their violation, and then failures. This guides searches towards
feasible networks without a penalty weight.

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

#: (0, loss) if there is a score, (1, violation) if infeasible, (2, 0.0) otherwise.
Rank = tuple[int, float]

#: The rank of failures.
UNRANKED: Rank = (2, 0.0)

#: Name of the score that holds the constraint violation: the sum of relative excesses.
VIOLATION = "violation"


def rank_of(evaluation: Evaluation, objective: Objective) -> Rank:
    """The evaluation's rank, which never contains NaN."""
    if evaluation.status is Status.OK:
        loss = objective.loss(evaluation.scores.get(objective.name))
        return (0, loss) if math.isfinite(loss) else UNRANKED
    violation = violation_of(evaluation)
    return UNRANKED if violation is None else (1, violation)


def violation_of(evaluation: Evaluation) -> float | None:
    """The violation of an infeasible evaluation, > 0; None for all others."""
    violation = evaluation.scores.get(VIOLATION, math.nan)
    return violation if evaluation.status is Status.INFEASIBLE and 0 < violation < math.inf else None


def is_feasible(rank: Rank) -> bool:
    """Whether the rank is that of a feasible evaluation."""
    return rank[0] == 0


def penalise_losses(ranks: Sequence[Rank]) -> list[float]:
    """Converts ranks to finite losses in the same order, for methods that need a single number.

    An evaluation without a score gets the worst loss plus a penalty of at most the range of losses: Deb's
    parameter-free penalty, bounded so that violations do not dominate a surrogate model.
    """
    losses = [amount for tier, amount in ranks if tier == 0]
    worst = max(losses, default=0.0)
    spread = (worst - min(losses, default=0.0)) or 1.0
    return [amount if tier == 0 else worst + spread * _excess(tier, amount) for tier, amount in ranks]


def rank_from_json(value: Sequence[float]) -> Rank:
    """Restores a rank from its JSON list."""
    tier, amount = value
    return int(tier), float(amount)


def _excess(tier: int, violation: float) -> float:
    """The penalty as a share of the range of losses, in (1/2, 1]: increases with the violation; 1 for failures."""
    return 1.0 if tier == 2 else 0.5 + 0.5 * violation / (1.0 + violation)
