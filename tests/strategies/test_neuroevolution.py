"""What is specific to neuroevolution: chains of seeds, selection by training loss, and genomes without weights."""

from __future__ import annotations

import json

from evonas.evaluation import Candidate, Evaluation, Status
from evonas.strategies import make_strategy
from tests.toy import RMSE, ToySpace


def evaluate_chain(candidate: Candidate) -> Evaluation:
    """The fitness is the chain's last seed; the score says the opposite."""
    fitness = candidate.lineage[-1] / 2**31
    return Evaluation(Status.OK, {"rmse": 1 - fitness}, epochs=1, curve=(1 - fitness,), train_curve=(fitness,))


def test_children_continue_the_chains_of_the_best_fifth_by_training_loss() -> None:
    strategy = make_strategy("neuroevolution", ToySpace(), objective=RMSE, population=20, offspring=40)
    living: dict[tuple[int, ...], float] = {}
    seeds: set[int] = set()
    for generation in range(6):
        candidates = strategy.ask()
        assert len(candidates) == (40 if generation else 20)
        parents = sorted(living, key=lambda lineage: living[lineage])[:4]
        for candidate in candidates:
            assert candidate.seed == candidate.lineage[-1]
            assert candidate.seed not in seeds
            assert candidate.lineage[:-1] in ([()] if generation == 0 else parents)
            seeds.add(candidate.seed)
        evaluations = [evaluate_chain(candidate) for candidate in candidates]
        strategy.tell(evaluations)
        living |= {
            candidate.lineage: evaluation.train_curve[-1]
            for candidate, evaluation in zip(candidates, evaluations, strict=True)
        }
        living = {lineage: living[lineage] for lineage in sorted(living, key=lambda lineage: living[lineage])[:4]}
    operators = {candidate.operator for candidate in candidates}
    assert "perturb_weights" in operators
    assert max(len(lineage) for lineage in living) > 3


def test_most_children_keep_their_architecture_and_a_few_do_not() -> None:
    strategy = make_strategy("neuroevolution", ToySpace(), objective=RMSE, population=10, offspring=400)
    strategy.tell([evaluate_chain(candidate) for candidate in strategy.ask()])
    changed = sum(candidate.operator != "perturb_weights" for candidate in strategy.ask())
    assert 5 <= changed <= 40


def test_a_restored_search_of_weights_continues_with_the_same_chains() -> None:
    strategies = [make_strategy("neuroevolution", ToySpace(), objective=RMSE, population=10) for _ in "ab"]
    for _ in range(3):
        strategies[0].tell([evaluate_chain(candidate) for candidate in strategies[0].ask()])
    strategies[1].restore(json.loads(json.dumps(strategies[0].state())))
    assert strategies[0].ask() == strategies[1].ask()


def test_without_weights_genomes_evolve() -> None:
    strategy = make_strategy("neuroevolution", ToySpace(), objective=RMSE, population=10)
    for generation in range(3):
        candidates = strategy.ask()
        assert all(bool(candidate.lineage) == (generation == 0) for candidate in candidates)
        assert len({candidate.digest for candidate in candidates}) == 10
        strategy.tell([Evaluation(Status.OK, {"rmse": float(index)}) for index in range(10)])
