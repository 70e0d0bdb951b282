"""Optuna's samplers as strategies: TPE, a Gaussian process, and CMA-ES, for any `FlatSpace`.

The state is the history of trials as JSON: the study is rebuilt from it, with a sampler whose seed derives from (run
seed, generation), so that no Optuna objects are stored. CMA-ES has further state, so its study is replayed when a run
is resumed. Pending candidates are running trials, which each sampler treats in its own way: TPE as bad trials (constant
liar), the Gaussian process as the best value so far or as its expectation; CMA-ES ignores them.

For failures, TPE and the Gaussian process receive the penalised loss from `evonas.strategies.ranking` (feasible
networks first, then by violation, failures last); CMA-ES receives a failed trial and draws again. A suggestion that was
tried before is replaced by a neighbour.

Requires optuna (`evonas[optuna]`), and torch for the Gaussian process (`evonas[gp]`).

References:
    Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011 (TPE).
    Hansen and Ostermeier, "Completely Derandomized Self-Adaptation in Evolution Strategies", Evolutionary Computation
    9, 2001 (CMA-ES).
    Akiba, Sano, Yanase, Ohta and Koyama, "Optuna", KDD 2019.
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from evonas.strategies.optuna_distributions import DistributionCodec
from evonas.strategies.pending import Pending
from evonas.strategies.proposals import (
    Proposal,
    new_proposal,
    sample_proposal,
    seed_proposal,
    to_candidate,
    to_candidates,
)
from evonas.strategies.ranking import UNRANKED, Rank, is_feasible, penalise_losses, rank_from_json, rank_of
from evonas.strategies.turn_taking import TurnTakingStrategy
from genomes.errors import InputError
from genomes.space import FlatSpace, SearchSpace

__all__ = ["CMAES", "GaussianProcess", "TreeParzen"]


@dataclass(frozen=True)
class _Trial:
    """A trial: its parameters and their outcome.

    Attributes:
        parameters: the parameters as suggested.
        rank: rank of the evaluation; `UNRANKED` while pending.
        number: position in the order of asking.
        told_before: number of trials that had been told when this one was asked for.
    """

    parameters: Mapping[str, Any]
    rank: Rank
    number: int
    told_before: int


class _OptunaStrategy(TurnTakingStrategy):
    """A strategy based on an Optuna sampler. Implements `OneByOne`."""

    name: ClassVar[str]
    #: Whether the sampler models only parameters that all trials have, see `DistributionCodec`.
    every: ClassVar[bool] = True
    #: Whether the sampler has state in addition to its trials.
    is_stateful: ClassVar[bool] = False

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        if not isinstance(space, FlatSpace):
            raise InputError(
                f"strategy {self.name} needs a space of named genes (`genes`, `values` and `from_values`), which "
                f"{type(space).__name__} is not: choose a strategy that needs only mutations, such as ga"
            )
        self._codec = DistributionCodec(space.genes, self.every)
        first: dict[str, Any] = {}
        for genome in initial:
            first.setdefault(space.digest(genome), genome)
        super().__init__(space, objective, settings.resolve(objective.name), tuple(first.values()))
        self._space: FlatSpace = space
        self._history: list[list[_Trial]] = []
        self._study: optuna.Study | None = None
        self._asked: list[tuple[optuna.Trial, Mapping[str, Any]]] = []
        #: Pending candidates of `ask_one`, by number, and their Optuna trials.
        self._out: dict[int, _Trial] = {}
        self._running: dict[int, optuna.Trial] = {}
        self._pending = Pending(self._settings)

    @abstractmethod
    def _sampler(self, seed: int) -> BaseSampler:
        """Creates the sampler with a seed."""

    @property
    def _size(self) -> int:
        """Number of candidates of the next generation."""
        settings = self._settings
        return (settings.offspring if self._history else None) or settings.population

    def _next(self, count: int | None) -> list[Candidate]:
        """The initial genomes, then suggestions of the sampler: `count` of them, or a whole generation."""
        self._pending.check_unused()
        rng = generation_rng(self._settings.seed or 0, len(self._history))
        seen, proposals = set(self._seen), []
        self._asked = []
        with _quiet():
            study = self._prepare(int(rng.integers(2**32)))
            for index in range(count or self._size):
                genome = self._initial[index] if not self._history and index < len(self._initial) else None
                proposals.append(self._propose(study, genome, seen, rng))
                seen.add(proposals[-1].digest)
        return to_candidates(proposals, self._settings, len(self._history))

    def _learn(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Adds the trials to the history."""
        batch: list[_Trial] = []
        before = len(self._told)
        for (_, evaluation), (trial, parameters) in zip(told, self._asked, strict=True):
            rank = rank_of(evaluation, self._objective)
            batch.append(_Trial(parameters, rank, before + len(batch), before))
            if self.is_stateful:
                self._finish(trial, rank)
        self._history.append(batch)

    def ask_one(self) -> Candidate:
        """An initial genome, or a suggestion of the sampler with pending candidates as running trials."""
        number = self._pending.asked
        self._ask_tell.check_one_by_one(0 if number else len(self._history))
        rng = generation_rng(self._settings.seed or 0, number)
        genome, self._initial = (self._initial[0] if self._initial else None), self._initial[1:]
        with _quiet():
            study = self._prepare(int(rng.integers(2**32)))
            proposal = self._propose(study, genome, self._seen | self._pending.digests, rng)
        ((trial, parameters),), self._asked = self._asked, []
        self._out[number], self._running[number] = _Trial(parameters, UNRANKED, number, len(self._told)), trial
        return self._pending.add(to_candidate(proposal, self._settings, self._pending.place))

    @property
    def out(self) -> tuple[Candidate, ...]:
        """See `OneByOne.out`."""
        return self._pending.candidates

    def tell_one(self, candidate: Candidate, evaluation: Evaluation | float) -> None:
        """Adds the trial to the history."""
        number, _ = self._pending.take(candidate)
        rank = rank_of(self._ask_tell.evaluation(evaluation), self._objective)
        if self.is_stateful:
            with _quiet():
                self._prepare(0)
                self._finish(self._running[number], rank)
        self._running.pop(number, None)
        self._history.append([replace(self._out.pop(number), rank=rank)])
        self._seen.add(candidate.digest)

    @property
    def _told(self) -> list[_Trial]:
        """The evaluated trials, in the order of telling."""
        return [trial for batch in self._history for trial in batch]

    def _propose(self, study: optuna.Study, initial: Any, seen: set[str], rng: np.random.Generator) -> Proposal:
        """Proposes `initial` if given; otherwise the next suggestion, or a neighbour if it was tried before."""
        space = self._space
        if initial is not None:
            study.enqueue_trial(self._codec.parameters(space.values(initial)))
        trial = study.ask()
        values, parameters = self._codec.suggest(trial)
        genome = space.from_values(values) if initial is None else initial
        suggested = Proposal(genome, space.digest(genome), operator=self.name)
        proposal = suggested if initial is None else seed_proposal(space, initial)
        if initial is None and proposal.digest in seen:
            nearby = [genome]

            def neighbour() -> Proposal:
                nearby.append(space.mutate(nearby[-1], rng)[0])
                return Proposal(nearby[-1], space.digest(nearby[-1]), operator=self.name)

            proposal = new_proposal(seen, neighbour, lambda: sample_proposal(space, rng))
            if not self.is_stateful:
                parameters = self._codec.parameters(space.values(proposal.genome), parameters)
        self._asked.append((trial, parameters))
        return proposal

    def _prepare(self, seed: int) -> optuna.Study:
        """The study with the history, and with a sampler that is seeded by `seed`."""
        if self._study is None or not self.is_stateful:
            self._study = optuna.create_study(sampler=self._sampler(seed), direction="minimize")
            self._add_history(self._study)
        self._study.sampler = self._sampler(seed)
        return self._study

    def _add_history(self, study: optuna.Study) -> None:
        told = self._told
        if self.is_stateful:
            self._replay_calls(study, told)
            return
        losses: list[float | None] = [*penalise_losses([each.rank for each in told]), *(None for _ in self._out)]
        for each, loss in zip([*told, *self._out.values()], losses, strict=True):
            study.add_trial(
                create_trial(
                    params=dict(each.parameters),
                    distributions={name: self._codec.distributions[name] for name in each.parameters},
                    state=TrialState.RUNNING if loss is None else TrialState.COMPLETE,
                    value=loss,
                )
            )

    def _replay_calls(self, study: optuna.Study, told: Sequence[_Trial]) -> None:
        """Replays the earlier asks and tells in their order."""
        waiting = deque(sorted([*told, *self._out.values()], key=lambda each: (each.told_before, each.number)))
        self._running = {}
        for index in range(len(told) + 1):
            while waiting and waiting[0].told_before <= index:
                each = waiting.popleft()
                study.enqueue_trial(dict(each.parameters))
                trial = self._running[each.number] = study.ask()
                # With fixed parameters the sampler is not called, but it must register the trial before any is told.
                _ = trial.relative_params
                self._codec.suggest(trial)
            if index < len(told):
                self._finish(self._running.pop(told[index].number), told[index].rank)

    def _finish(self, trial: optuna.Trial, rank: Rank) -> None:
        assert self._study is not None
        if is_feasible(rank):
            self._study.tell(trial, rank[1])
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def _initial_left(self) -> Sequence[Any]:
        return self._initial if self._pending.asked or not self._history else ()

    def _own_state(self) -> dict[str, Any]:
        """The trials of each generation, and the pending ones."""
        one_by_one = self._pending.state(self._space)
        state: dict[str, Any] = {
            "history": [[_to_json(trial, bool(one_by_one)) for trial in batch] for batch in self._history]
        }
        if one_by_one:
            state["out"] = [_to_json(trial, True) for trial in self._out.values()]
        return state | one_by_one

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        self._history = []
        for batch in state["history"]:
            before = len(self._told)
            self._history.append([_from_json(trial, before + k, before) for k, trial in enumerate(batch)])
        out = [_from_json(trial, 0, 0) for trial in state.get("out", ())]
        self._out, self._running = {trial.number: trial for trial in out}, {}
        self._pending.restore(state, self._space)
        self._study, self._asked = None, []


def _to_json(trial: _Trial, one_by_one: bool) -> dict[str, Any]:
    value = {"parameters": dict(trial.parameters), "rank": list(trial.rank)}
    return value | ({"number": trial.number, "told_before": trial.told_before} if one_by_one else {})


def _from_json(value: Mapping[str, Any], number: int, told_before: int) -> _Trial:
    """Restores a trial; in generations, which are told as a whole, its numbers follow from its position."""
    return _Trial(
        dict(value["parameters"]),
        rank_from_json(value["rank"]),
        int(value.get("number", number)),
        int(value.get("told_before", told_before)),
    )


class TreeParzen(_OptunaStrategy):
    """Tree-structured Parzen estimators, multivariate over genes that are active together."""

    name = "tpe"
    every = False

    def _sampler(self, seed: int) -> BaseSampler:
        return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)


class GaussianProcess(_OptunaStrategy):
    """Expected improvement of a Gaussian process over all genes, including inactive ones."""

    name = "gp"

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        if find_spec("torch") is None:
            raise ModuleNotFoundError("no module named torch", name="torch")
        super().__init__(space, objective, settings, initial)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """As in the base class, but on one thread: matrices are small, and sums become reproducible."""
        with _one_thread():
            return super().ask(count)

    def ask_one(self) -> Candidate:
        """As in the base class, but on one thread."""
        with _one_thread():
            return super().ask_one()

    def _sampler(self, seed: int) -> BaseSampler:
        return GPSampler(seed=seed, warn_independent_sampling=False)


class CMAES(_OptunaStrategy):
    """CMA-ES for numeric genes; categorical genes are drawn at random.

    Its population is at least as large as a generation.
    """

    name = "cmaes"
    is_stateful = True

    def _sampler(self, seed: int) -> BaseSampler:
        settings, numbers = self._settings, max(self._codec.num_numbers, 1)
        default = 4 + math.floor(3 * math.log(numbers))
        size = max(default, settings.offspring or settings.population)
        return CmaEsSampler(seed=seed, popsize=size, warn_independent_sampling=False)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Restricts torch to one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses Optuna's messages about internal studies."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
