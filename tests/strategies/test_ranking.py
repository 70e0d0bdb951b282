"""Feasibility first."""

from __future__ import annotations

import json
import math

import pytest

from evonas.evaluation import Evaluation, Status
from evonas.objective import Objective
from evonas.strategies.ranking import UNRANKED, Rank, penalise_losses, rank_from_json, rank_of

LOW, HIGH = Objective("score", "min"), Objective("score", "max")


@pytest.mark.parametrize(
    ("evaluation", "rank"),
    [
        (Evaluation(Status.OK, {"score": 2.0}), (0, 2.0)),
        (Evaluation(Status.OK, {"score": 2.0, "violation": 1.0}), (0, 2.0)),
        (Evaluation(Status.INFEASIBLE, {"score": -9.0, "violation": 0.5}), (1, 0.5)),
        (Evaluation(Status.INFEASIBLE, {"score": -9.0}), UNRANKED),
        (Evaluation(Status.INFEASIBLE, {"violation": math.nan}), UNRANKED),
        (Evaluation(Status.INFEASIBLE, {"violation": math.inf}), UNRANKED),
        (Evaluation(Status.FAILED, {"score": -9.0, "violation": 0.5}), UNRANKED),
        (Evaluation(Status.OK, {"score": math.nan}), UNRANKED),
        (Evaluation(Status.OK, {"score": -math.inf}), UNRANKED),
        (Evaluation(Status.OK), UNRANKED),
    ],
)
def test_a_rank_is_by_loss_then_by_violation(evaluation: Evaluation, rank: Rank) -> None:
    assert rank_of(evaluation, LOW) == rank
    assert rank_of(evaluation, HIGH) == ((0, -rank[1]) if rank[0] == 0 else rank)
    assert rank_from_json(json.loads(json.dumps(rank, allow_nan=False))) == rank


def test_penalised_losses_are_finite_and_in_the_order_of_the_ranks() -> None:
    ranks: list[Rank] = [(0, -3.0), (0, 1.0), (0, 5.0), (1, 1e-6), (1, 2.0), (1, 1e9), UNRANKED]
    losses = penalise_losses(ranks)
    assert losses == sorted(losses)
    assert len(set(losses)) == len(losses)
    assert losses[:3] == [-3.0, 1.0, 5.0]
    assert max(losses) == 5.0 + 8.0
    assert penalise_losses([UNRANKED, (1, 1.0)]) == [1.0, 0.75]
    assert penalise_losses([]) == []
