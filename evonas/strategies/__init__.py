"""Search strategies, which propose candidates. Each strategy has its own file and a row in `STRATEGIES`; the rows drive
the command line, the documentation and the contract tests. This is the only package that imports deap and optuna, and
it is independent of training.

A strategy works for any `genomes.space.SearchSpace` and any evaluator, also in your own loop::

    strategy = make_strategy("evolution", space, seed=0)
    for _ in range(100):
        candidates = strategy.ask(1)  # as many as can be evaluated at once; by default, a whole generation
        strategy.tell([f(candidate.genome) for candidate in candidates])  # numbers or `Evaluation`s; NaN means failure

Strategies with `StrategyRow.one_by_one` can also propose candidates while others are being evaluated, for example by
several workers: `ask_one()` and, in any order, `tell_one(candidate, score)`.

User-defined strategies are passed as objects (a class or a `StrategyRow`) or installed as entry points
(`evonas.strategies.outside`); `evonas.testing` checks them.

`state()` returns a strategy's state as JSON values and `restore(state)` restores it: the next `ask` then returns the
same candidates as in the original run. Calls out of order raise RuntimeError. All randomness derives from (run seed,
generation).
"""

from evonas.strategies.registry import (
    STRATEGIES,
    STRATEGY_SETTINGS,
    StrategyRow,
    check_given,
    check_settings,
    find_row,
    given_settings,
    make_strategy,
    strategy_name,
    strategy_row,
)

__all__ = [
    "STRATEGIES",
    "STRATEGY_SETTINGS",
    "StrategyRow",
    "check_given",
    "check_settings",
    "find_row",
    "given_settings",
    "make_strategy",
    "strategy_name",
    "strategy_row",
]
