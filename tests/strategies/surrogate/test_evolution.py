"""`evolution` and its parts: the surrogate, the credit of operators, the rungs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import norm

from evonas.evaluation import Evaluation, Status
from evonas.strategies import make_strategy
from evonas.strategies.surrogate import gaussian_process as gp
from evonas.strategies.surrogate.acquisition import Observations, Surrogate, fit_to_observations, warp
from evonas.strategies.surrogate.exploration import LengthScaleShrinkage
from evonas.strategies.surrogate.local_search import improve_numbers
from evonas.strategies.surrogate.operator_rates import CROSSOVER, OperatorRates
from genomes import Gene, HyperparameterSpace, Range
from tests.toy import RMSE, ToySpace

SPACE = HyperparameterSpace(
    {
        "rate": Range(1e-4, 1.0, log=True),
        "units": Range(4, 64),
        "kind": ["a", "b", "c"],
        "share": Gene(Range(0.0, 1.0), when={"kind": "c"}),
    }
)


def bowl(values: dict[str, object]) -> float:
    """Lowest, 0, at rate 0.01, 40 units, kind c and share 0.7; fails where the rate is large."""
    rate = float(np.log10(values["rate"]))  # type: ignore[arg-type]
    if rate > -0.5:
        return float("nan")
    off = (rate + 2) ** 2 + ((values["units"] - 40) / 20) ** 2  # type: ignore[operator]
    return float(off + (1.0 if values["kind"] != "c" else (values["share"] - 0.7) ** 2))  # type: ignore[operator]


def test_the_gradient_of_the_hyperparameters_is_right() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((30, 4))
    y = np.sin(3 * x[:, 0]) + x[:, 1]
    mean, spread = gp._prior(4)
    theta = mean + 0.3 * rng.standard_normal(len(mean))
    found = gp._loss_and_gradient(theta, x, y, mean, spread)[1]
    expected = approx_fprime(theta, lambda t: gp._loss_and_gradient(t, x, y, mean, spread)[0], 1e-6)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_a_process_knows_what_it_saw_and_guesses_between() -> None:
    rng = np.random.default_rng(1)
    x, new = rng.random((40, 3)), rng.random((20, 3))

    def function(at: np.ndarray) -> np.ndarray:
        return np.asarray(np.sin(4 * at[:, 0]) + at[:, 1] ** 2)

    theta = gp.fit_hyperparameters(x, function(x), [gp.prior_hyperparameters(3)])
    process = gp.GaussianProcess.fit(x, function(x), theta)
    np.testing.assert_allclose(process.predict(x)[0], function(x), atol=0.01)
    mean, deviation = process.predict(new)
    assert np.abs(mean - function(new)).max() < 0.1
    conditioned = process.condition_on_mean(new[0])
    np.testing.assert_allclose(conditioned.predict(new)[0], mean, atol=1e-6)
    assert conditioned.predict(new)[1][0] < 0.2 * max(deviation[0], 0.01)


def test_expected_improvement_agrees_with_its_definition_and_survives_where_that_vanishes() -> None:
    mean, deviation = np.array([0.5, -1.0, 0.0, 2.0]), np.array([1.0, 0.5, 2.0, 0.7])
    z = -mean / deviation
    expected = np.log(deviation * (norm.pdf(z) + z * norm.cdf(z)))
    np.testing.assert_allclose(gp.log_expected_improvement(mean, deviation, 0.0), expected, rtol=1e-6)
    far = gp.log_expected_improvement(np.array([20.0, 40.0, 2e3, 1e6]), np.ones(4), 0.0)
    assert np.isfinite(far).all()
    assert (np.diff(far) < 0).all()


def test_warping_keeps_the_order_and_tames_disasters() -> None:
    losses = np.array([0.1, 0.2, 0.3, 0.9, 1e6])
    y = warp(losses, typical=0.9)
    assert (np.diff(y) > 0).all()
    assert y[2] - y[0] > 0.01 * (y[4] - y[0])


def test_positive_losses_that_span_magnitudes_differ_near_the_best_too() -> None:
    losses = np.logspace(-5, 0, 11)
    y = warp(losses, typical=0.1)
    np.testing.assert_allclose(np.diff(y), y[1] - y[0])
    np.testing.assert_allclose(warp(1e3 * losses, typical=1e2), y, atol=1e-9)
    even = np.linspace(5.0, 6.0, 11)
    np.testing.assert_allclose(warp(even, typical=5.5), (even - even.mean()) / even.std(), atol=0.05)


def test_the_first_candidate_is_the_centre_and_the_next_are_not() -> None:
    space = HyperparameterSpace({"rate": Range(1e-4, 1e-2, log=True), "size": [16, 32, 64, 128, 256]})
    strategy = make_strategy("evolution", space, seed=0)
    first, second = strategy.ask(2)
    assert dict(first.genome.pairs) == {"rate": pytest.approx(1e-3), "size": 64}
    assert dict(second.genome.pairs) != dict(first.genome.pairs)


@pytest.mark.parametrize(("seconds", "fits"), [(None, range(5, 11)), (2.0, range(15, 30))])
def test_hyperparameters_are_fitted_less_often_where_evaluations_cost_nothing(
    seconds: float | None, fits: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = []

    def fit(observations: Observations, last: Sequence[float]) -> list[float]:
        fitted.append(len(observations.losses))
        return gp.prior_hyperparameters(observations.features.shape[1])

    monkeypatch.setattr("evonas.strategies.surrogate.state.fit_to_observations", fit)
    strategy = make_strategy("evolution", CUBE, seed=0, evaluation_seconds=seconds)
    for _ in range(40):
        (candidate,) = strategy.ask(1)
        strategy.tell([off(candidate.genome)])
    assert len(fitted) in fits
    assert fitted == sorted(set(fitted))


def test_operators_that_do_well_are_used_more() -> None:
    operator_rates = OperatorRates()
    for k in range(60):
        operator_rates.note("good", k % 2 == 0)
        operator_rates.note("bad", False)
    rates = operator_rates.rates(("good", "bad"))
    assert sum(rates.values()) == pytest.approx(1.0)
    assert rates["good"] > 2 * rates["bad"] > 0
    assert rates[CROSSOVER] > 0
    assert OperatorRates.from_json(json.loads(json.dumps(operator_rates.to_json()))).rates(("good", "bad")) == rates


def test_finds_the_optimum_of_a_mixed_conditional_function() -> None:
    strategy = make_strategy("evolution", SPACE, seed=0)
    best = np.inf
    for _ in range(60):
        candidates = strategy.ask(1)
        scores = [bowl(candidate.genome) for candidate in candidates]
        strategy.tell(scores)
        best = np.fmin(best, scores[0])
    assert best < 0.01


def test_without_anything_feasible_it_looks_for_the_least_violation() -> None:
    strategy = make_strategy("evolution", ToySpace(), objective=RMSE, population=6, seed=1)
    sums = []
    for _ in range(8):
        candidates = strategy.ask()
        sums += [sum(candidate.genome[:3]) for candidate in candidates]
        strategy.tell([Evaluation(Status.INFEASIBLE, {"violation": 1.0 + sum(c.genome[:3])}) for c in candidates])
    assert min(sums) <= 1 < min(sums[:6])


def test_rungs_go_on_with_the_best() -> None:
    strategy = make_strategy("evolution", ToySpace(), objective=RMSE, population=9, epochs=27, rungs=3, seed=0)
    origins: dict[tuple[int, int], tuple[str, int]] = {}
    scores: dict[str, float] = {}
    kept: frozenset[tuple[int, int]] = frozenset()
    for generation in range(6):
        candidates = strategy.ask()
        assert len(candidates) == 9
        for candidate in candidates:
            assert candidate.horizon == 27
            assert candidate.keep_snapshots == (candidate.epochs < 27)
            if candidate.origin is None:
                assert candidate.epochs == 3
            else:
                place = (candidate.origin.generation, candidate.origin.index)
                assert place in kept
                digest, epochs = origins[place]
                assert (candidate.digest, candidate.epochs) == (digest, 3 * epochs)
            origins[generation, candidate.index] = (candidate.digest, candidate.epochs)
            scores[candidate.digest] = sum(candidate.genome[:3]) + 1 / candidate.epochs
        strategy.tell([scores[candidate.digest] for candidate in candidates])
        kept = strategy.retained()
    assert {epochs for _, epochs in origins.values()} == {3, 9, 27}
    gone_on = [scores[digest] for digest, epochs in origins.values() if epochs > 3]
    assert np.mean(gone_on) < np.mean([scores[digest] for digest, epochs in origins.values() if epochs == 3])


def test_the_slope_of_what_is_promised_is_right() -> None:
    rng = np.random.default_rng(3)
    x, failures = rng.random((30, 3)), rng.random((4, 3))
    losses = np.sin(5 * x[:, 0]) + x[:, 1] ** 2
    observations = Observations(x, losses, failures, typical=float(np.median(losses)))
    surrogate = Surrogate.from_observations(observations, fit_to_observations(observations, []))
    for place in np.vstack([rng.random((10, 3)), x[:3] + 1e-3]):
        (acquisition,), (gradient,) = surrogate.acquisition_and_gradient(place[None])
        assert acquisition == pytest.approx(float(surrogate.acquisition(place[None])[0]), rel=1e-5, abs=1e-5)
        expected = approx_fprime(place, lambda at: float(surrogate.acquisition(at[None])[0]), 1e-6)
        np.testing.assert_allclose(gradient, expected, rtol=1e-2, atol=2e-2)


def test_refining_moves_numbers_to_where_most_is_promised_and_keeps_names() -> None:
    best = np.array([0.4, 0.6])  # of the positions of rate and units

    def acquisition(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = np.zeros_like(features)
        away[:, 3:5] = features[:, 3:5] - best
        return -(away * away).sum(axis=1), -2 * away

    first = [gene.name for gene in SPACE.genes if isinstance(gene.domain, Range)][:2]
    start = SPACE.from_values({"rate": 0.9, "units": 8, "kind": "b"})
    (found,) = improve_numbers(SPACE, [start], acquisition, 20)
    assert SPACE.contains(found)
    assert found.kind == "b"
    positions = [gene.domain.position(found[gene.name]) for gene in SPACE.genes if gene.name in first]
    np.testing.assert_allclose(positions, best, atol=0.02)


def test_refining_leaves_alone_what_decides_which_genes_there_are() -> None:
    space = HyperparameterSpace(
        {"layers": Range(1, 4), "rate": Range(0.0, 1.0), "units_3": Gene(Range(8, 64), when={"layers": {"low": 3}})}
    )
    rises = np.ones(len(space.features(space.sample(np.random.default_rng(0)))))
    start = space.from_values({"layers": 1, "rate": 0.2})
    (found,) = improve_numbers(space, [start], lambda features: (features @ rises, np.tile(rises, (1, 1))), 20)
    assert dict(found) == {"layers": 1, "rate": 1.0}


def test_children_start_from_the_weights_of_their_parents() -> None:
    strategy = make_strategy("evolution", ToySpace(), objective=RMSE, population=9, seed=0, inherit=True)
    places: dict[tuple[int, int], str] = {}
    heirs = 0
    for generation in range(5):
        kept = strategy.retained()
        candidates = strategy.ask()
        for candidate in candidates:
            assert candidate.keep_snapshots
            if candidate.origin is not None:
                assert candidate.origin.kind == "inherit"
                assert candidate.origin.place in kept
                assert places[candidate.origin.place] in candidate.parents
                heirs += 1
        places |= {(generation, candidate.index): candidate.digest for candidate in candidates}
        strategy.tell([sum(candidate.genome[:3]) for candidate in candidates])
    assert heirs > 10
    for inherit in (None, False):
        alone = make_strategy("evolution", ToySpace(), objective=RMSE, population=9, seed=0, inherit=inherit)
        for _ in range(3):
            candidates = alone.ask()
            assert not any(candidate.origin or candidate.keep_snapshots for candidate in candidates)
            alone.tell([sum(candidate.genome[:3]) for candidate in candidates])


@pytest.mark.soak
def test_a_search_that_is_stuck_begins_anew_beside_the_first_one() -> None:
    strategy = make_strategy("evolution", SPACE, seed=0)
    strategy.tell([-1.0] * len(strategy.ask(1)))
    for _ in range(10):  # a hundred evaluations, of which none is better
        assert not strategy.state()["restart"]
        strategy.tell([1.0 + bowl(candidate.genome) for candidate in strategy.ask(10)])
    own: set[str] = set()
    parents: set[str] = set()
    for generation in range(5):
        state = json.loads(json.dumps(strategy.state()))
        candidates = strategy.ask(10)
        restored = make_strategy("evolution", SPACE, seed=0)
        restored.restore(state)
        assert [each.digest for each in restored.ask(10)] == [each.digest for each in candidates]
        parents |= {parent for candidate in candidates[-5:] for parent in candidate.parents}
        assert bool(parents) == (generation > 0)  # spread, until there is something to learn from
        assert parents <= own
        own |= {candidate.digest for candidate in candidates[-5:]}
        strategy.tell([1.0 + bowl(candidate.genome) for candidate in candidates])
        assert len(strategy.state()["restart"]["archive"]["records"]) == len(own)


CUBE = HyperparameterSpace({name: Range(0.0, 1.0) for name in "abcd"})


def off(values: dict[str, float]) -> float:
    return sum(abs(values[name] - best) for name, best in zip("abcd", (0.2, 0.6, 0.4, 0.8), strict=True))


def test_one_network_that_works_is_enough_to_learn_from() -> None:
    given = CUBE.from_values({"a": 0.25, "b": 0.55, "c": 0.45, "d": 0.75})
    strategy = make_strategy("evolution", CUBE, seed=0, initial=[given])
    losses = []
    for _ in range(60):
        (candidate,) = strategy.ask(1)
        losses.append(off(candidate.genome) if off(candidate.genome) < 0.4 else np.nan)  # one sample in 300
        strategy.tell(losses[-1:])
    assert np.isfinite(losses).sum() > 20
    assert np.nanmin(losses) < 0.05


def test_the_first_network_within_the_limits_is_not_the_last() -> None:
    strategy = make_strategy("evolution", CUBE, seed=0)
    losses = []
    for _ in range(80):
        (candidate,) = strategy.ask(1)
        excess = off(candidate.genome) - 0.15
        if excess > 0:
            strategy.tell([Evaluation(Status.INFEASIBLE, {"violation": excess})])
        else:
            losses.append(candidate.genome.a)
            strategy.tell(losses[-1:])
    assert len(losses) > 20
    assert min(losses) < 0.1


def test_less_of_a_violation_is_better_until_something_has_a_loss() -> None:
    exploration = LengthScaleShrinkage()
    for rank, waited in (
        ((2, 0.0), 1),
        ((1, 5.0), 0),
        ((1, 4.0), 0),
        ((1, 3.99), 1),  # not worth the name
        ((2, 0.0), 2),
        ((0, 9.0), 0),
        ((1, 0.1), 1),
        ((0, 8.0), 0),
        ((0, 7.999), 1),
    ):
        exploration.note(rank, typical=10.0)
        assert exploration.waited == waited
        exploration = LengthScaleShrinkage.from_json(json.loads(json.dumps(exploration.to_json())))


def test_the_threads_of_scipy_s_library_are_limited_too() -> None:
    """It has one of its own, and no other one is there before SciPy is: in a process that has not imported it."""
    script = (
        "from evonas.strategies.surrogate.evolution import _linear_algebra as limited; import numpy, threadpoolctl; "
        "few = limited(); import scipy.linalg; every = threadpoolctl.ThreadpoolController().select(user_api='blas'); "
        "print(sorted(each['filepath'] for each in few.info()) == sorted(each['filepath'] for each in every.info()))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"True\n"
