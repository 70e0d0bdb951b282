"""Reduced data of lower rungs: what is chosen, what is compared with what, and what counts as a network of the run."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation, Reduction, Status, beginning_from_text, beginning_to_text
from evonas.objective import Objective
from evonas.runs.store import RunStore
from evonas.strategies import make_strategy
from evonas.strategies.fidelity import PartialTraining, RungQueues
from evonas.strategies.proposals import Proposal
from evonas.strategies.reductions import OPTIONS, ReductionChoice
from genomes import ConvolutionalSpace
from genomes.architecture.cost import accepts_any_size
from genomes.dense import DenseSpace
from tests.toy import ToySpace

SMALL, FEWER = Reduction(3, 2, 1.0), Reduction(3, 1, 0.5)


def noted(choice: ReductionChoice, reduction: Reduction | None, noise: float, count: int = 30) -> None:
    """Adds networks whose final loss is the one before and noise."""
    rng = np.random.default_rng(0)
    for lower in rng.normal(size=count):
        choice.note(reduction, float(lower), float(lower + noise * rng.normal()))


def drawn(choice: ReductionChoice, any_size: bool = True) -> list[Reduction | None]:
    rng = np.random.default_rng(1)
    return [choice.draw(rng, any_size) for _ in range(100)]


def test_cheap_data_are_chosen_unless_they_mislead() -> None:
    choice = ReductionChoice(3, 20)
    assert len(set(drawn(choice))) == len(OPTIONS)  # nothing is known yet
    noted(choice, None, 0.1)
    noted(choice, FEWER, 100.0)
    noted(choice, SMALL, 0.1)
    noted(choice, Reduction(3, 2, 0.5), 100.0)
    assert choice.correlation(0) > 0.9 > 0.5 > choice.correlation(2)
    assert drawn(choice).count(SMALL) > 90
    assert SMALL not in drawn(choice, any_size=False)
    other = ReductionChoice(3, 20)
    other.restore(choice.to_json())
    assert drawn(other) == drawn(choice)


def test_the_first_networks_use_all_data() -> None:
    choice = ReductionChoice(3, 20, first=3)
    assert drawn(choice)[:3] == [None] * 3
    assert set(drawn(choice)) != {None}
    other = ReductionChoice(3, 20, first=3)
    other.restore(ReductionChoice(3, 20, first=3).to_json())
    assert drawn(other)[:3] == [None] * 3


def test_networks_are_promoted_among_those_with_equal_data() -> None:
    queues = RungQueues([3, 9], 3)
    for number, reduction in enumerate([None, SMALL, FEWER] * 3):
        proposal = Proposal(number, str(number))
        queues.add(PartialTraining(proposal, (0, float(number % 3) * 10 + number), 3, (0, number), reduction=reduction))
    assert [each.proposal.genome for each in queues.take(9)] == [0, 1, 2]


@pytest.mark.parametrize("text", ["", "continue 0 3", "reduced 3 2 0.5", "inherit 1 2 reduced 3 1 0.25"])
def test_a_beginning_is_read_back(text: str) -> None:
    assert beginning_to_text(*beginning_from_text(text)) == text


@pytest.mark.parametrize("text", ["reduced 3 2", "reduced 3 0 0.5", "reduced 3 2 1.5", "reduced x 2 1"])
def test_no_other_beginning_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        beginning_from_text(text)


@pytest.mark.parametrize(("pooling", "accepted"), [("average", True), ("max", True), ("flatten", False)])
def test_networks_with_global_pooling_accept_any_size(pooling: str, accepted: bool) -> None:
    space = ConvolutionalSpace(head_pooling=pooling)
    graph = space.architecture(space.sample(np.random.default_rng(0)))
    assert accepts_any_size(graph) is accepted


def test_dense_networks_accept_no_images() -> None:
    space, rng = DenseSpace(), np.random.default_rng(0)
    assert not any(accepts_any_size(space.architecture(space.sample(rng))) for _ in range(20))


def test_only_networks_scored_on_all_data_are_the_best(tmp_path) -> None:
    space, objective = ToySpace(), Objective("score", "min")
    strategy = make_strategy("evolution", space, objective=objective, population=3, epochs=9, rungs=2, seed=0)
    settings = strategy._settings.model_copy(update={"objective": "score"})  # type: ignore[attr-defined]
    genomes = [space.sample(np.random.default_rng(number)) for number in range(3)]
    candidates = [
        Candidate(genome, space.digest(genome), 0, epochs, index=index, reduction=reduction)
        for index, (genome, epochs, reduction) in enumerate(zip(genomes, (3, 9, 9), (SMALL, SMALL, None), strict=True))
    ]
    assert [each.is_reduced for each in candidates] == [True, False, False]
    with RunStore.create(tmp_path / "run", settings=settings, space=space, state=strategy.state()) as store:
        store.begin_session(Budget(generations=1))
        store.add_candidates(candidates, space)
        scores = (0.1, 0.2, 0.3)
        evaluations = [Evaluation(Status.OK, {"score": score}, epochs=3) for score in scores]
        store.commit_part(list(zip(candidates, evaluations, strict=True)), 1.0)
        assert [each.index for each in store.best(3)] == [1, 2]
        assert store.failed == 0
    with RunStore.open(tmp_path / "run") as store:
        assert store.failed == 0
        assert [record.reduction for record in store.records()] == [SMALL, SMALL, None]
        assert [record.has_failed for record in store.records()] == [False] * 3
