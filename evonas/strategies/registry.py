"""The table of strategies, and functions that create them by name. Strategies are imported on first use."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evonas.objective import Objective
from evonas.strategies.outside import check_methods, installed_names, installed_row, register, registered_row
from evonas.strategies.row import StrategyRow
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.config import Settings
    from evonas.protocols import Strategy
    from evonas.strategies.repairs import Repair
    from genomes.space import SearchSpace

__all__ = ["STRATEGIES", "STRATEGY_SETTINGS", "StrategyRow", "check_given", "check_settings", "find_row"]
__all__ += ["given_settings", "make_strategy", "strategy_name", "strategy_row"]


#: Fields of `Settings` that only some strategies use -> their neutral value.
STRATEGY_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        **dict.fromkeys(("population", "offspring", "crossover", "mutation", "tournament", "eta")),
        "rungs": 1,
        "brackets": None,
        "inherit": False,
        "evaluation_seconds": None,
    }
)


#: Name -> strategy. Classes are imported on first use, so that no unneeded library is loaded.
STRATEGIES: Mapping[str, StrategyRow] = MappingProxyType(
    {
        "evolution": StrategyRow(
            "evonas.strategies.surrogate.evolution:SurrogateEvolution",
            "evolution whose offspring are screened by a Gaussian process before they are trained",
            "Jin 2011; Jones, Schonlau and Welch 1998; DEAP, Fortin et al. 2012",
            ("population", "offspring", "eta", "rungs", "inherit", "evaluation_seconds"),
            mutates=True,
            one_by_one=True,
        ),
        "ga": StrategyRow(
            "evonas.strategies.ga:GeneticAlgorithm",
            "(mu + lambda) evolution with tournament selection and elitism",
            "Bäck, Fogel and Michalewicz 2000; DEAP, Fortin et al. 2012",
            ("population", "offspring", "crossover", "mutation", "tournament"),
            mutates=True,
        ),
        "aging": StrategyRow(
            "evonas.strategies.aging:AgingEvolution",
            "regularised evolution: tournament winners are mutated, the oldest networks removed",
            "Real et al. 2019",
            ("population", "offspring", "tournament"),
            mutates=True,
            one_by_one=True,
        ),
        "nsga2": StrategyRow(
            "evonas.strategies.nsga2:ParetoEvolution",
            "several objectives: NSGA-II for two, NSGA-III for three or more",
            "Deb et al. 2002; Deb and Jain 2014; DEAP, Fortin et al. 2012",
            ("population", "offspring", "crossover"),
            several=True,
            mutates=True,
        ),
        "random": StrategyRow(
            "evonas.strategies.random_search:RandomSearch",
            "random search, the baseline",
            "Bergstra and Bengio 2012",
            ("population", "offspring"),  # offspring: the size of later generations with `ask_one`
            one_by_one=True,
        ),
        "hyperband": StrategyRow(
            "evonas.strategies.hyperband:Hyperband",
            "trains many networks for few epochs and the best of them for more; `brackets=1` is successive halving",
            "Li et al. 2018",
            ("population", "eta", "brackets"),
            rungs=True,
        ),
        "pbt": StrategyRow(
            "evonas.strategies.pbt:PopulationBasedTraining",
            "population-based training: during training, the worst networks are replaced by mutated copies of the best",
            "Jaderberg et al. 2017",
            ("population", "inherit"),
            rungs=True,
        ),
        "neuroevolution": StrategyRow(
            "evonas.strategies.neuroevolution:Neuroevolution",
            "a genetic algorithm over the weights, without gradients",
            "Such et al. 2017",
            ("population", "offspring"),
            trains=False,
        ),
        "tpe": StrategyRow(
            "evonas.strategies.optuna_samplers:TreeParzen",
            "tree-structured Parzen estimators, multivariate, by Optuna",
            "Bergstra et al. 2011; Optuna, Akiba et al. 2019",
            ("population", "offspring"),
            extra="optuna",
            one_by_one=True,
        ),
        "gp": StrategyRow(
            "evonas.strategies.optuna_samplers:GaussianProcess",
            "expected improvement of a Gaussian process, by Optuna",
            "Jones, Schonlau and Welch 1998; Optuna, Akiba et al. 2019",
            ("population", "offspring"),
            extra="gp",
            one_by_one=True,
        ),
        "cmaes": StrategyRow(
            "evonas.strategies.optuna_samplers:CMAES",
            "CMA-ES for numeric genes, categorical genes at random, by Optuna",
            "Hansen and Ostermeier 2001; Optuna, Akiba et al. 2019",
            ("population", "offspring"),
            extra="optuna",
            one_by_one=True,
        ),
    }
)


def find_row(name: str) -> StrategyRow | None:
    """The row of a strategy: built in, passed as an object, or installed by another distribution.

    Entry points are read only if the name is not built in.

    Args:
        name: a key of `STRATEGIES`, the name of an entry point, or a result of `strategy_name`.

    Returns:
        The row; None if there is no such strategy.

    Raises:
        InputError: the entry point with this name cannot be used, or an entry point has the name of a built-in
            strategy.
    """
    return STRATEGIES.get(name) or registered_row(name) or installed_row(name, STRATEGIES)


def strategy_row(name: str) -> StrategyRow:
    """The row of a strategy that must exist.

    Raises:
        InputError: as for `find_row`, or there is no such strategy.
    """
    if row := find_row(name):
        return row
    if ":" in name:
        raise InputError(f"strategy must be given again as an object: {name!r} cannot be found by its name")
    known = (*STRATEGIES, *installed_names(STRATEGIES))
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
    raise InputError(f"strategy must be one of {', '.join(known)}, not {name!r}: {hint}")


def strategy_name(strategy: Any) -> str:
    """The name of a strategy in `Settings.strategy` and `make_strategy`.

    Args:
        strategy: a name, which is returned unchanged; or a class, a factory function, or a `StrategyRow`, which is
            registered in this process as `module:qualname`.

    Raises:
        InputError: the object is none of these, or lacks methods of `evonas.protocols.Strategy`.
    """
    return strategy if isinstance(strategy, str) else register(strategy)


def check_given(strategy: str, given: Mapping[str, Any]) -> None:
    """Rejects settings that the strategy does not use, since ignoring them would be misleading.

    Args:
        strategy: name of the strategy; unknown names are ignored here.
        given: settings that were given explicitly, without defaults.

    Raises:
        InputError: a setting is used by other strategies only; the message names them.

    Example:
        >>> check_given("ga", {"tournament": 7})
        >>> check_given("evolution", {"tournament": 7})
        Traceback (most recent call last):
        genomes.errors.InputError: tournament must be left at its default with strategy evolution, which does \
not use it: leave it out, or choose ga, aging
    """
    row = find_row(strategy)
    if row is None:
        return
    for name, unused in STRATEGY_SETTINGS.items():
        if name in row.settings or given.get(name) in (None, unused):
            continue
        known = ", ".join(other for other, each in STRATEGIES.items() if name in each.settings)
        raise InputError(
            f"{name} must be left at its default with strategy {strategy}, which does not use it: leave it out, or "
            f"choose {known}"
        )
    if "rungs" in row.settings and given.get("eta") is not None and (given.get("rungs") or 1) == 1:
        raise InputError(
            f"eta must be left at its default with strategy {strategy} and 1 rung, which does not use it: "
            "leave it out, or set rungs above 1"
        )


def given_settings(settings: Settings) -> dict[str, Any]:
    """The fields that were given explicitly. Must be called before the settings are resolved."""
    return {name: getattr(settings, name) for name in settings.model_fields_set}


def check_settings(settings: Settings) -> None:
    """Raises InputError if resolved settings are not supported by their strategy."""
    row = find_row(settings.strategy)
    if settings.window is not None and settings.asynchronous is False:
        raise InputError("window must be left out unless asynchronous is on: leave it out, or set asynchronous")
    if settings.asynchronous and row:
        _check_asynchronous(settings, row)


def _check_asynchronous(settings: Settings, row: StrategyRow) -> None:
    if not row.one_by_one:
        known = ", ".join(other for other, each in STRATEGIES.items() if each.one_by_one)
        raise InputError(
            f"asynchronous must be off with strategy {settings.strategy}, which needs the results of a whole "
            f"generation: leave it out, or choose {known}"
        )
    if settings.repair:
        raise InputError(
            "asynchronous must be off with repair, whose range tests need an idle worker: leave one of them out"
        )
    if settings.trainer == "population":
        raise InputError(
            "asynchronous must be off with trainer population, which trains a whole generation in one program: "
            "leave it out, or choose another trainer"
        )


def make_strategy(
    name: str | StrategyRow | Callable[..., Strategy],
    space: SearchSpace,
    *,
    objective: Objective | str = "score",
    direction: str = "min",
    initial: Sequence[Any] = (),
    seed: int = 0,
    settings: Settings | None = None,
    repair: Repair | bool | None = None,
    **options: Any,
) -> Strategy:
    """Creates a strategy.

    >>> from genomes import DenseSpace
    >>> strategy = make_strategy("random", DenseSpace(), population=4, seed=0)
    >>> candidates = strategy.ask()
    >>> strategy.tell([0.5, 0.4, 0.3, 0.6])
    >>> len(candidates)
    4

    Args:
        name: a key of `STRATEGIES`, the name of an installed entry point, or your own class or `StrategyRow`.
        space: the space to search.
        objective: the objective to optimise, an `Objective` or the name of a score in `Evaluation.scores`.
        direction: "min" or "max", if the objective is given by name.
        initial: genomes of `space` to begin with, best first; the first `population` of them are used.
        seed: seed of all random numbers.
        repair: repairs children, for strategies with `mutates`; set by searches with the setting `repair`.
        settings: settings of the run; if None, `options` are fields of `Settings`, such as `population=20`.

    Raises:
        InputError: there is no such strategy or setting, a required package is not installed, the strategy cannot
            search such a space, or a genome in `initial` is not in the space.
    """
    name = strategy_name(name)
    row = strategy_row(name)
    if not isinstance(objective, Objective):
        if direction not in ("min", "max"):
            raise InputError(
                f"direction must be min or max, not {direction!r}: choose the one in which the score improves"
            )
        objective = Objective(objective, "min" if direction == "min" else "max")
    if isinstance(repair, bool):
        if repair:
            raise InputError("repair must be left out in your own loop, which has no data for range tests: use search")
        repair = None
    if settings is None:
        from evonas.config import Settings

        settings = Settings(strategy=name, seed=seed, **options)
        check_given(name, given_settings(settings))
        settings = settings.resolve(objective.name)
        check_settings(settings)
    if not hasattr(space, "sample"):
        raise InputError(
            f"space must be a search space, not {space!r:.80}: create one, for example a genomes.HyperparameterSpace"
        )
    for index, genome in enumerate(initial):
        if not space.contains(genome):
            raise InputError(
                f"initial genomes must be in the search space, but genome {index + 1} is not ({genome!r:.200}): "
                "widen the space or leave the genome out"
            )
    if settings.objectives and len(settings.objectives) > 1 and not row.several:
        several = ", ".join(other for other, each in STRATEGIES.items() if each.several)
        raise InputError(
            f"objectives must be one with strategy {name}, not {', '.join(settings.objectives)}: choose {several}"
        )
    try:
        given: dict[str, Any] = {"repair": repair} if repair is not None and row.mutates else {}
        strategy: Strategy = row.load()(space, objective, settings, tuple(initial), **given)
    except ModuleNotFoundError as error:
        if not row.extra:
            raise
        raise InputError(
            f"strategy {name} needs {error.name}, which is not installed: pip install 'evonas[{row.extra}]'"
        ) from None
    if name not in STRATEGIES:
        check_methods(strategy, name)
    return strategy
