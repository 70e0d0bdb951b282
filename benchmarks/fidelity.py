"""Multi-fidelity searchers with a budget in epochs.

A searcher is `(problem, budget, seed) -> losses`, with one loss per trained epoch, and with as many epochs as `budget`
full training runs. A stopped network counts with its last loss.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from searchers import Problem, suggested

import evonas
from genomes import Range

__all__ = ["EPOCH_SEARCHERS"]


def with_rungs(strategy: str, **options: Any) -> Callable[[Problem, int, int], list[float]]:
    """One of evonas's strategies with rungs; networks that continue from a rung pay only for the additional epochs."""

    def search(problem: Problem, budget: int, seed: int) -> list[float]:
        searched = evonas.strategy(strategy, problem.space, seed=seed, epochs=problem.epochs, **options)
        losses: list[float] = []
        behind: dict[tuple[int, int], int] = {}
        while len(losses) < budget * problem.epochs:
            (candidate,) = searched.ask(1)
            behind[candidate.generation, candidate.index] = candidate.epochs
            origin = candidate.origin
            trained = behind[origin.generation, origin.index] if origin and origin.kind == "continue" else 0
            curve = problem.curve(candidate.genome)[: candidate.epochs]
            losses += curve[trained:]
            searched.tell([curve[-1]])
        return losses[: budget * problem.epochs]

    return search


def with_extrapolation(quantile: float, first: int = 10, rank: int = 2) -> Callable[[Problem, int, int], list[float]]:
    """`evolution` that stops training early if the run's own curves predict that a network will not be among the best.

    After each epoch, the final loss is extrapolated by the remaining decrease, in logarithms, of this run's full curves
    after that epoch. The idea is from LC-PFN (Adriaensen et al., NeurIPS 2023, arXiv:2310.20447), with the run itself
    instead of a network trained on other curves.

    Args:
        quantile: quantile of the decreases; 0 stops only networks for which even the largest would not suffice.
        first: number of full training runs before any is stopped.
        rank: number of networks that count as the best.
    """

    def search(problem: Problem, budget: int, seed: int) -> list[float]:
        searched = evonas.strategy("evolution", problem.space, seed=seed)
        losses: list[float] = []
        whole: list[list[float]] = []
        while len(losses) < budget * problem.epochs:
            (candidate,) = searched.ask(1)
            curve = np.log(problem.curve(candidate.genome))
            end, reported = len(curve), curve[-1]
            if len(whole) >= first:
                known = np.array(whole)
                falls = known[:, -1:] - known
                bound = np.sort(known[:, -1])[rank]
                best_case = curve + np.quantile(falls, quantile, axis=0)
                hopeless = np.flatnonzero(best_case[2:-1] > bound)
                if len(hopeless):
                    end = int(hopeless[0]) + 3
                    reported = curve[end - 1] + np.median(falls[:, end - 1])
            if end == len(curve):
                whole.append(list(curve))
            losses += np.exp(curve[:end]).tolist()
            searched.tell([float(np.exp(reported))])
        return losses[: budget * problem.epochs]

    return search


def tpe_with_hyperband(problem: Problem, budget: int, seed: int) -> list[float]:
    """Optuna's TPE with its Hyperband pruner."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    losses: list[float] = []
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=problem.epochs, reduction_factor=3),
    )

    def objective(trial: Any) -> float:
        for epoch, loss in enumerate(problem.curve(suggested(trial, problem.space)), 1):
            losses.append(loss)
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss

    while len(losses) < budget * problem.epochs:
        study.optimize(objective, n_trials=1)
    return losses[: budget * problem.epochs]


def dehb(problem: Problem, budget: int, seed: int) -> list[float]:
    """DEHB: differential evolution with Hyperband's rungs; each rung trains its networks from the beginning."""
    from dehb import DEHB  # not a dependency; installed by the user

    losses: list[float] = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = DEHB(
            cs=_configuration_space(problem, seed),
            min_fidelity=1,
            max_fidelity=problem.epochs,
            eta=3,
            n_workers=1,
            seed=seed,
            output_path=folder,
            log_level="ERROR",
        )
        while len(losses) < budget * problem.epochs:
            job = search.ask()
            curve = problem.curve(_values(job["config"], problem))[: max(1, round(job["fidelity"]))]
            losses += curve
            search.tell(job, {"fitness": curve[-1], "cost": float(len(curve))})
    return losses[: budget * problem.epochs]


def _configuration_space(problem: Problem, seed: int) -> Any:
    import ConfigSpace

    space = ConfigSpace.ConfigurationSpace(seed=seed)
    for gene in problem.space.genes:
        domain = gene.domain
        if isinstance(domain, Range):
            kind = ConfigSpace.UniformIntegerHyperparameter if isinstance(domain.low, int) else None
            kind = kind or ConfigSpace.UniformFloatHyperparameter
            space.add(kind(gene.name, domain.low, domain.high, log=domain.log))
        else:
            space.add(ConfigSpace.CategoricalHyperparameter(gene.name, list(domain.options)))
    return space


def _values(configuration: Any, problem: Problem) -> dict[str, Any]:
    """Plain values of a configuration: ConfigSpace gives numpy's."""
    values = dict(configuration)
    return {
        gene.name: values[gene.name].item() if hasattr(values[gene.name], "item") else values[gene.name]
        for gene in problem.space.genes
    }


#: Name -> searcher.
EPOCH_SEARCHERS: Mapping[str, Callable[[Problem, int, int], list[float]]] = {
    "evolution, rungs": with_rungs("evolution", rungs=3),
    "evolution, extrapolation": with_extrapolation(0.0),
    "Optuna TPE + Hyperband": tpe_with_hyperband,
    "DEHB": dehb,
}
