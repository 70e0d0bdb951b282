"""Distributions accepted by `RandomizedSearchCV`, converted to genes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evonas.estimators.parameters import read_parameters
from genomes import Gene, HyperparameterSpace, InputError, Range


class OnlyDraws:
    """A third-party distribution."""

    def rvs(self, size=None, random_state=None):
        return np.random.default_rng(random_state).poisson(50, size)


DISTRIBUTIONS = {
    "randint": (stats.randint(1, 100), int, 1, 99),
    "uniform": (stats.uniform(0.1, 0.4), float, 0.1, 0.5),
    "loguniform": (stats.loguniform(1e-4, 1e-1), float, 1e-4, 1e-1),
    "reciprocal": (stats.reciprocal(3e-4, 3e-2), float, 3e-4, 3e-2),
    "another of scipy's": (stats.norm(5, 1), float, 0, 10),
    "another discrete one": (stats.poisson(50), (int, float), 10, 100),
    "only draws": (OnlyDraws(), int, 10, 100),
    "an array": (np.arange(1, 100), int, 1, 99),
    "a range": (range(1, 100), int, 1, 99),
    "many draws": (stats.reciprocal(3e-4, 3e-2).rvs(1000, random_state=0).tolist(), float, 3e-4, 3e-2),
    "numbers": ([1, 2, 4], int, 1, 4),
    "numpy's numbers": ([np.int64(1), np.float32(0.5)], (int, float), 0.5, 1),
}


@pytest.mark.parametrize("case", DISTRIBUTIONS)
def test_values_are_plain_numbers_of_the_distribution(case):
    given, kinds, low, high = DISTRIBUTIONS[case]
    parameters = read_parameters({"value": given}, seed=0)
    rng = np.random.default_rng(0)
    drawn = [parameters(parameters.space.sample(rng))["value"] for _ in range(60)]
    assert all(isinstance(value, kinds) and low <= value <= high for value in drawn)
    assert len(set(drawn)) > 1
    assert drawn == [type(value)(value) for value in drawn]


@pytest.mark.parametrize(
    "options",
    [["relu", "tanh"], [True, False], [None, 0.5], [(32, 16), (8,)], [[30], [30, 30]], [1, 1.5, "auto"], "one", 3],
)
def test_lists_hold_anything(options):
    parameters = read_parameters({"items": options}, seed=0)  # a method's name
    rng = np.random.default_rng(0)
    found = [parameters(parameters.space.sample(rng))["items"] for _ in range(30)]
    wanted = options if isinstance(options, list) else [options]
    assert all(any(value is option or value == option for value in found) for option in wanted)
    assert all(value in wanted for value in found)


def test_genes_of_evonas_may_depend_on_each_other():
    genes = {"wide": [True, False], "units": Gene(Range(8, 64), when={"wide": True})}
    for space in (HyperparameterSpace(genes), {**genes, "wide": Gene([True, False])}):
        parameters = read_parameters(space, seed=0)
        rng = np.random.default_rng(0)
        for _ in range(20):
            given = parameters(parameters.space.sample(rng))
            assert ("units" in given) == given["wide"]


@pytest.mark.parametrize("space", [{}, [1], {"a": []}, {1: [1]}, {"a": {"low": 1}}, {"a": list("abc") * 600 + [None]}])
def test_anything_else_is_refused(space):
    with pytest.raises(InputError, match=r"space|genes"):
        _ = read_parameters(space, seed=0).space
