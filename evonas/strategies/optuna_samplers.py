"""Optuna's samplers as strategies: TPE, a Gaussian process, and CMA-ES, on any space that is a `FlatSpace`.

The state is the history of trials, as JSON: a study is made anew from it, with a sampler whose seed derives from (run
seed, generation), so that nothing of Optuna's is ever stored. CMA-ES alone remembers more than its trials; its study is
played through again when a run is resumed.

What has no score is told so: TPE and the Gaussian process get the penalised loss of `evonas.strategies.ranking`
(feasibility first, then the violation, failures last); CMA-ES gets a failed trial, which it draws again. Where a
sampler repeats a point that was tried, a neighbour stands in for it.

Imports optuna (`evonas[optuna]`; the Gaussian process needs torch too, `evonas[gp]`), and is the only one that does,
with `evonas.strategies.coding`.

References:
    Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011 (TPE).
    Hansen and Ostermeier, "Completely Derandomized Self-Adaptation in Evolution Strategies", Evolutionary Computation
    9, 2001 (CMA-ES).
    Akiba, Sano, Yanase, Ohta and Koyama, "Optuna", KDD 2019.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import optuna
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, TPESampler
from optuna.trial import TrialState, create_trial

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.seeds import generation_rng
from evonas.strategies.coding import Coding
from evonas.strategies.proposals import Proposal, new_proposal, sampled, to_candidates
from evonas.strategies.ranking import Rank, is_feasible, penalised, rank_from_json, rank_of
from evonas.strategies.turns import Turns
from genomes.errors import InputError
from genomes.space import FlatSpace, SearchSpace

__all__ = ["CMAES", "GaussianProcess", "TreeParzen"]


@dataclass(frozen=True)
class _Trial:
    """What a sampler learns from: parameters, and what became of them."""

    parameters: Mapping[str, Any]
    rank: Rank


class _Sampled(ABC):
    """A strategy that leaves the choice to a sampler of Optuna's."""

    name: ClassVar[str]
    #: Whether the sampler models only parameters that every trial has, see `Coding`.
    every: ClassVar[bool] = True
    #: Whether the sampler remembers more than its trials.
    remembers: ClassVar[bool] = False

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        if not isinstance(space, FlatSpace):
            raise InputError(
                f"strategy {self.name} needs a space of named genes (`genes`, `values` and `from_values`), which "
                f"{type(space).__name__} is not: choose a strategy that needs no more than mutations, such as ga"
            )
        self._space, self._objective, self._settings = space, objective, settings.resolved(objective.name)
        self._coding = Coding(space.genes, self.every)
        first: dict[str, Any] = {}
        for genome in initial:
            first.setdefault(space.digest(genome), genome)
        self._initial = tuple(first.values())
        self._history: list[list[_Trial]] = []
        self._seen: set[str] = set()
        self._study: optuna.Study | None = None
        self._asked: list[tuple[optuna.Trial, Mapping[str, Any]]] = []
        self._turns = Turns(objective.name)

    @abstractmethod
    def _sampler(self, seed: int) -> BaseSampler:
        """The sampler of Optuna's that chooses, made from a seed."""

    @property
    def _size(self) -> int:
        """Candidates of a generation."""
        settings = self._settings
        return (settings.offspring if self._history else None) or settings.population

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The initial genomes, then what the sampler suggests, `count` or a generation at a time."""
        self._turns.check_ask(count)
        rng = generation_rng(self._settings.seed or 0, len(self._history))
        seen, proposals = set(self._seen), []
        self._asked = []
        with _quiet():
            study = self._prepared(int(rng.integers(2**32)))
            for place in range(count or self._size):
                genome = self._initial[place] if not self._history and place < len(self._initial) else None
                proposals.append(self._proposed(study, genome, seen, rng))
                seen.add(proposals[-1].digest)
        return self._turns.asked(to_candidates(proposals, self._settings, len(self._history)))

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Adds the trials to the history."""
        batch = []
        told = self._turns.told(evaluations)
        for (candidate, evaluation), (trial, parameters) in zip(told, self._asked, strict=True):
            rank = rank_of(evaluation, self._objective)
            batch.append(_Trial(parameters, rank))
            self._seen.add(candidate.digest)
            if self.remembers:
                self._finish(trial, rank)
        self._history.append(batch)

    def _proposed(self, study: optuna.Study, initial: Any, seen: set[str], rng: np.random.Generator) -> Proposal:
        """The next suggestion, or its neighbour; of an initial genome, the genome itself."""
        space = self._space
        if initial is not None:
            study.enqueue_trial(self._coding.parameters(space.values(initial)))
        trial = study.ask()
        values, parameters = self._coding.suggested(trial)
        genome = space.from_values(values) if initial is None else initial
        proposal = Proposal(genome, space.digest(genome), operator=self.name if initial is None else "seed")
        if initial is None and proposal.digest in seen:
            nearby = [genome]

            def neighbour() -> Proposal:
                nearby.append(space.mutate(nearby[-1], rng)[0])
                return Proposal(nearby[-1], space.digest(nearby[-1]), operator=self.name)

            proposal = new_proposal(seen, neighbour, lambda: sampled(space, rng))
            if not self.remembers:
                parameters = self._coding.parameters(space.values(proposal.genome), parameters)
        self._asked.append((trial, parameters))
        return proposal

    def _prepared(self, seed: int) -> optuna.Study:
        """The study of the history, with a sampler of that seed."""
        if self._study is None or not self.remembers:
            self._study = optuna.create_study(sampler=self._sampler(seed), direction="minimize")
            self._replay(self._study)
        self._study.sampler = self._sampler(seed)
        return self._study

    def _replay(self, study: optuna.Study) -> None:
        if self.remembers:
            for batch in self._history:
                for told in batch:
                    study.enqueue_trial(dict(told.parameters))
                asked = [study.ask() for _ in batch]
                for trial in asked:
                    # Fixed parameters ask the sampler for nothing, and it has to note the trial before any is told.
                    _ = trial.relative_params
                    self._coding.suggested(trial)
                for trial, told in zip(asked, batch, strict=True):
                    self._finish(trial, told.rank)
            return
        trials = [told for batch in self._history for told in batch]
        for told, loss in zip(trials, penalised([each.rank for each in trials]), strict=True):
            distributions = {name: self._coding.distributions[name] for name in told.parameters}
            study.add_trial(create_trial(params=dict(told.parameters), distributions=distributions, value=loss))

    def _finish(self, trial: optuna.Trial, rank: Rank) -> None:
        assert self._study is not None
        if is_feasible(rank):
            self._study.tell(trial, rank[1])
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def state(self) -> dict[str, Any]:
        """The history of trials, generation by generation, and the digests tried."""
        self._turns.check_settled("state")
        return {
            "history": [
                [{"parameters": dict(trial.parameters), "rank": list(trial.rank)} for trial in batch]
                for batch in self._history
            ],
            "seen": sorted(self._seen),
            "initial": [] if self._history else [self._space.genome_to_json(genome) for genome in self._initial],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state`."""
        self._history = [
            [_Trial(dict(trial["parameters"]), rank_from_json(trial["rank"])) for trial in batch]
            for batch in state["history"]
        ]
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._study, self._asked = None, []
        self._turns.reset()

    def retained(self) -> frozenset[tuple[int, int]]:
        """Starts nothing from what was trained before."""
        return frozenset()


class TreeParzen(_Sampled):
    """Tree-structured Parzen estimators, multivariate over the genes that are active together."""

    name = "tpe"
    every = False

    def _sampler(self, seed: int) -> BaseSampler:
        return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)


class GaussianProcess(_Sampled):
    """Expected improvement of a Gaussian process over all genes; those that are not active are modelled too."""

    name = "gp"

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        if find_spec("torch") is None:
            raise ModuleNotFoundError("no module named torch", name="torch")
        super().__init__(space, objective, settings, initial)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """As the others', on one thread: the matrices are small, and sums come out the same on every run."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super().ask(count)
        finally:
            torch.set_num_threads(threads)

    def _sampler(self, seed: int) -> BaseSampler:
        return GPSampler(seed=seed, warn_independent_sampling=False)


class CMAES(_Sampled):
    """CMA-ES over the numbers; names are drawn at random. A generation of it is at least as large as ours."""

    name = "cmaes"
    remembers = True

    def _sampler(self, seed: int) -> BaseSampler:
        settings, numbers = self._settings, max(self._coding.num_numbers, 1)
        usual = 4 + math.floor(3 * math.log(numbers))
        size = max(usual, settings.offspring or settings.population)
        return CmaEsSampler(seed=seed, popsize=size, warn_independent_sampling=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Optuna from writing to the terminal about studies that nobody else sees."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
