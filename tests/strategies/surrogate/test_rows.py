"""The inner evolution on rows of codes."""

from __future__ import annotations

import numpy as np

from evonas.strategies.surrogate.rows import AcquisitionFunction, RowEffort, search_rows
from genomes import Gene, HyperparameterSpace, Range

SPACE = HyperparameterSpace(
    {
        "rate": Range(1e-4, 1.0, log=True),
        "layers": Range(1, 4),
        "width": Range(1, 400),
        "kind": ["a", "b", "c"],
        "momentum": Gene(Range(0.0, 1.0), when={"kind": "b"}),
    }
)
EFFORT = RowEffort(samples=30, offspring=20, rounds=1, starts=4, evaluations=25, exchanged=3, exchanges=6)
BEST = SPACE.from_values({"rate": 0.02, "layers": 3, "width": 222, "kind": "b", "momentum": 0.35})


def acquisition() -> AcquisitionFunction:
    """The maximum is at `BEST`."""
    target = SPACE.features(BEST)

    def values_and_gradients(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = features - target
        return -(away * away).sum(axis=1), -2.0 * away

    return AcquisitionFunction(lambda f: values_and_gradients(f)[0], values_and_gradients, np.ones(len(target)))


def test_finds_the_highest_acquisition_over_numbers_whole_numbers_and_options() -> None:
    codes = SPACE.codes
    rates = {"crossover": 0.3, **dict.fromkeys(SPACE.mutations, 0.7 / len(SPACE.mutations))}
    elite = codes.sample(5, np.random.default_rng(3))
    found = search_rows(codes, elite, acquisition(), rates, EFFORT, np.random.default_rng(0))
    assert (np.diff(found.values) <= 0).all()
    values = SPACE.from_values(codes.values(found.codes[0]))
    assert (values.kind, values.layers) == ("b", 3)
    assert abs(values.width - BEST.width) <= 2
    np.testing.assert_allclose(SPACE.features(values), SPACE.features(BEST), atol=0.02)
    np.testing.assert_allclose(found.values, acquisition().values(codes.features(found.codes)), atol=1e-9)


def test_every_row_is_a_genome_of_the_space_and_says_where_it_comes_from() -> None:
    codes, rng = SPACE.codes, np.random.default_rng(1)
    rates = {"crossover": 0.3, **dict.fromkeys(SPACE.mutations, 0.7 / len(SPACE.mutations))}
    elite = codes.sample(4, rng)
    found = search_rows(codes, elite, acquisition(), rates, EFFORT, rng)
    for row in found.codes:
        assert SPACE.contains(SPACE.from_values(codes.values(row)))
    assert set(found.operators.tolist()) <= {"sample", *rates}
    sampled = found.operators == "sample"
    assert sampled.any()
    assert (found.parents[sampled] < 0).all()
    assert (found.parents[:, 0] >= 0).any()
    assert found.parents.max() < len(elite)


def test_a_space_of_options_only_is_searched_too() -> None:
    space = HyperparameterSpace({"x": [1, 2, 4, 8], "y": ["p", "q", "r"], "z": [True, False]})
    target = space.features(space.from_values({"x": 4, "y": "r", "z": False}))
    function = AcquisitionFunction(
        lambda f: -((f - target) ** 2).sum(axis=1),
        lambda f: (-((f - target) ** 2).sum(axis=1), -2.0 * (f - target)),
        np.ones(len(target)),
    )
    effort = RowEffort(samples=2, offspring=0, rounds=0, starts=1, evaluations=5, exchanged=1, exchanges=6)
    found = search_rows(space.codes, np.zeros((0, 3)), function, {"crossover": 1.0}, effort, np.random.default_rng(0))
    assert space.codes.values(found.codes[0]) == {"x": 4, "y": "r", "z": False}
