"""The searchers to compare: evonas's strategies, Optuna's samplers, and SMAC if it is installed (`pip install smac`),
on the same function, one evaluation at a time.

A searcher is `(problem, budget, seed) -> losses`, in the order of the evaluations. Genes are suggested to Optuna as a
person would do it: floats and ints with their scale, lists of ascending numbers by index, other options as categories,
without inactive genes.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import evonas
from genomes import Choice, HyperparameterSpace, Range

__all__ = ["SEARCHERS", "Problem"]


class Problem(Protocol):
    """A function of genes to be minimised."""

    space: HyperparameterSpace
    epochs: int

    def value(self, values: Mapping[str, Any]) -> float:
        """The loss of a genome, after all epochs."""
        ...

    def curve(self, values: Mapping[str, Any]) -> Sequence[float]:
        """The loss after each epoch."""
        ...


Searcher = Callable[[Problem, int, int], list[float]]


def with_evonas(strategy: str, generation: int = 1, **settings: Any) -> Searcher:
    """One of evonas's strategies, asked for `generation` candidates at a time; with fields of `evonas.Settings`."""

    def search(problem: Problem, budget: int, seed: int) -> list[float]:
        searched = evonas.strategy(strategy, problem.space, seed=seed, **settings)
        losses: list[float] = []
        while len(losses) < budget:
            candidates = searched.ask(min(generation, budget - len(losses)))
            found = [problem.value(candidate.genome) for candidate in candidates]
            searched.tell(found)
            losses += found
        return losses

    return search


def at_random(problem: Problem, budget: int, seed: int) -> list[float]:
    """Random search."""
    import numpy as np

    rng = np.random.default_rng([seed, 1])
    return [problem.value(problem.space.sample(rng)) for _ in range(budget)]


def with_optuna(sampler: Callable[[int], Any]) -> Searcher:
    """One of Optuna's samplers, created from a seed."""

    def search(problem: Problem, budget: int, seed: int) -> list[float]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        losses: list[float] = []

        def objective(trial: Any) -> float:
            losses.append(problem.value(suggested(trial, problem.space)))
            return losses[-1] if math.isfinite(losses[-1]) else 1e9

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optuna.create_study(sampler=sampler(seed)).optimize(objective, n_trials=budget)
        return losses

    return search


def suggested(trial: Any, space: HyperparameterSpace) -> dict[str, Any]:
    """The values suggested by an Optuna trial."""
    values: dict[str, Any] = {}
    for gene in space.genes:
        if not gene.is_active(values):
            continue
        domain = gene.domain
        if isinstance(domain, Range):
            suggest = trial.suggest_int if isinstance(domain.low, int) else trial.suggest_float
            values[gene.name] = suggest(gene.name, domain.low, domain.high, log=domain.log)
        elif _is_ordered(domain):
            values[gene.name] = domain.options[trial.suggest_int(gene.name, 0, len(domain.options) - 1)]
        else:
            values[gene.name] = trial.suggest_categorical(gene.name, domain.options)
    return values


def with_smac(problem: Problem, budget: int, seed: int) -> list[float]:
    """SMAC's facade for hyperparameters, with its defaults; inactive genes are given, and ignored."""
    from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer
    from smac import HyperparameterOptimizationFacade, Scenario

    space, names = ConfigurationSpace(seed=seed), {f"g{k}": gene for k, gene in enumerate(problem.space.genes)}
    ordered = {name for name, gene in names.items() if isinstance(gene.domain, Choice) and _is_ordered(gene.domain)}
    for name, gene in names.items():
        domain = gene.domain
        if isinstance(domain, Range):
            kind = Integer if isinstance(domain.low, int) else Float
            space.add(kind(name, (domain.low, domain.high), log=domain.log))
        elif name in ordered:
            space.add(Integer(name, (0, len(domain.options) - 1)))
        else:
            space.add(Categorical(name, range(len(domain.options))))
    losses: list[float] = []

    def objective(configuration: Any, seed: int = 0) -> float:
        values: dict[str, Any] = {}
        for name, gene in names.items():
            if gene.is_active(values):
                given = configuration[name]
                numeric = isinstance(gene.domain, Range)
                values[gene.name] = type(gene.domain.low)(given) if numeric else gene.domain.options[int(given)]
        losses.append(problem.value(values))
        return losses[-1] if math.isfinite(losses[-1]) else 1e9

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scenario = Scenario(space, deterministic=True, n_trials=budget, seed=seed, output_directory=folder)
        HyperparameterOptimizationFacade(scenario, objective, overwrite=True, logging_level=40).optimize()
    return losses + [math.inf] * (budget - len(losses))


def _is_ordered(domain: Choice) -> bool:
    """Whether the options are numbers in ascending order, which evonas's strategies treat as ordered, too."""
    numbers = not any(isinstance(option, (str, bool)) for option in domain.options)
    return numbers and len(domain.options) > 1 and list(domain.options) == sorted(domain.options)


def _sampler(name: str, **options: Any) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        import optuna

        return getattr(optuna.samplers, name)(seed=seed, **options)

    return make


#: Name -> searcher.
SEARCHERS: Mapping[str, Searcher] = {
    "evolution": with_evonas("evolution"),
    "evolution, dear": with_evonas("evolution", evaluation_seconds=5.0),
    "evolution, 20 at a time": with_evonas("evolution", 20),
    "random": at_random,
    "Optuna TPE": with_optuna(_sampler("TPESampler")),
    "Optuna TPE multivariate": with_optuna(_sampler("TPESampler", multivariate=True, group=True)),
    "Optuna CMA-ES": with_optuna(_sampler("CmaEsSampler")),
    "Optuna GP": with_optuna(_sampler("GPSampler")),
    **({"SMAC": with_smac} if find_spec("smac") else {}),
}
