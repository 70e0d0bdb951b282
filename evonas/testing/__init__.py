"""Contract checks for user-defined extensions; evonas's own components must pass the same checks.

    >>> from evonas.testing import ToySpace, check_space, check_strategy
    >>> check_strategy("aging", spaces={"toy": ToySpace()}, processes=False)
    >>> check_space(ToySpace())

`check_strategy` and `check_space` run all checks. In a test suite, each check can be a separate test::

    import pytest
    from evonas.testing import SPACE_CHECKS, STRATEGY_CHECKS, StrategyCase

    @pytest.mark.parametrize("name", STRATEGY_CHECKS)
    def test_strategy(name):
        STRATEGY_CHECKS[name](StrategyCase(MyStrategy))

    @pytest.mark.parametrize("seed", range(25))
    @pytest.mark.parametrize("name", SPACE_CHECKS)
    def test_space(name, seed):
        SPACE_CHECKS[name](MySpace(), seed)

`check_mutation_function`, `check_metric` and `check_layer_kind` are for the other extensions.

A check raises AssertionError with the expectation. Does not import pytest; with
`pytest.register_assert_rewrite("evonas.testing")` in a `conftest.py`, pytest shows the values that differ.
"""

from evonas.testing.cases import SPACES, StrategyCase
from evonas.testing.extensions import check_layer_kind, check_metric, check_mutation_function
from evonas.testing.processes import ask_in_another_process
from evonas.testing.spaces import SPACE_CHECKS, check_space
from evonas.testing.strategies import FAILURES, STRATEGY_CHECKS, check_strategy
from evonas.testing.toy_space import ToyGenome, ToySpace

__all__ = [
    "FAILURES",
    "SPACES",
    "SPACE_CHECKS",
    "STRATEGY_CHECKS",
    "StrategyCase",
    "ToyGenome",
    "ToySpace",
    "ask_in_another_process",
    "check_layer_kind",
    "check_metric",
    "check_mutation_function",
    "check_space",
    "check_strategy",
]

if not __debug__:
    raise ImportError("evonas.testing uses assert, which python -O disables: run Python without -O")
