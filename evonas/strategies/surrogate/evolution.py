"""The default strategy: evolution whose offspring are screened by a Gaussian process.

The first candidates are spread over the space, starting from its centre. Each later candidate is the winner of an inner
evolution (`prescreening`) that starts from the best genomes, maximises the acquisition function of a surrogate
(`acquisition`), and is refined by gradients (`local_search`). At pending candidates and those proposed earlier in the
same generation, the surrogate is conditioned on its own mean (kriging believer). During stagnation, one in three
candidates is chosen by a surrogate with shorter length scales (`exploration`); after longer stagnation, every other
candidate belongs to a restarted search with its own archive. With `settings.rungs` above 1, networks are trained in
rungs: all of them for a few epochs, and the best for more (`fidelity`); the surrogate predicts the loss after all
epochs. With `settings.inherit`, children of the best networks start from a parent's weights.

References:
    Jin, "Surrogate-assisted evolutionary computation", Swarm and Evolutionary Computation 1, 2011.
    Jones, Schonlau and Welch, "Efficient Global Optimization of Expensive Black-Box Functions", J. Glob. Opt. 13, 1998.
    Auger and Hansen, "A Restart CMA Evolution Strategy With Increasing Population Size", CEC 2005 (restarts).
    Fialho et al., "Analyzing bandit-based adaptive operator selection mechanisms", AMAI 60, 2010.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.seeds import generation_rng
from evonas.strategies import deferred
from evonas.strategies.fidelity import PartialTraining, RungQueue, rungs
from evonas.strategies.pending import Pending
from evonas.strategies.proposals import (
    EvaluatedProposal,
    Proposal,
    central_proposal,
    new_proposal,
    sample_proposal,
    seed_proposal,
)
from evonas.strategies.ranking import is_feasible, rank_of
from evonas.strategies.repairs import REPAIRED, Repair, repair_children
from evonas.strategies.surrogate.acquisition import Surrogate
from evonas.strategies.surrogate.archive import ArchiveEntry
from evonas.strategies.surrogate.effort import effort_of
from evonas.strategies.surrogate.inner_search import highest_acquisition
from evonas.strategies.surrogate.operator_rates import OperatorRates
from evonas.strategies.surrogate.prescreening import Offspring
from evonas.strategies.surrogate.state import SurrogateState
from evonas.strategies.turn_taking import TurnTakingStrategy
from genomes.space import SearchSpace

__all__ = ["SurrogateEvolution"]

Array = NDArray[np.float64]

#: Number of candidates before screening begins, if they are requested a few at a time.
_STARTUP = 8
#: Number of random samples from which the initial design takes the most distant one.
_DISTANCE_SAMPLES = 5
#: Number of genomes from which the inner evolution starts.
_ELITE = 12
#: Number of winners, best first, that are searched for an untried network.
_MOST_WINNERS = 50
#: During stagnation, one candidate in this many is chosen by a surrogate with shorter length scales.
_EXPLORE_EVERY = 3
#: Evaluations without improvement after which a restarted search is added, and after which the restarted search ends.
_RESTART_AFTER, _END_RESTART_AFTER = 100, 30


class SurrogateEvolution(TurnTakingStrategy):
    """Evolution with offspring screened by a surrogate. Implements `OneByOne`."""

    def __init__(
        self,
        space: SearchSpace,
        objective: Objective,
        settings: Settings,
        initial: Sequence[Any] = (),
        repair: Repair | None = None,
    ) -> None:
        once: dict[str, Any] = {}
        for genome in initial:
            once.setdefault(space.digest(genome), genome)
        first = tuple(once.values())[: settings.population]
        super().__init__(space, objective, settings.resolve(objective.name), first)
        self._inherits = bool(settings.inherit)
        self._rung_queue = RungQueue(
            rungs(self._settings.epochs, self._settings.eta)[-self._settings.rungs :], self._settings.eta
        )
        #: Pending networks by index in the generation or, with `ask_one`, by number.
        self._out: dict[int, PartialTraining] = {}
        self._pending = Pending(self._settings)
        self._search = SurrogateState()
        self._operator_rates = OperatorRates()
        #: The restarted search, if any, and the digests of the networks that it proposed.
        self._restart: SurrogateState | None = None
        self._asked_by_restart: set[str] = set()
        #: Repairs children before they become candidates.
        self._repair = repair

    def _next(self, count: int | None) -> list[Candidate]:
        """The first population, then `offspring` candidates per generation."""
        self._pending.check_unused()
        settings = self._settings
        if count is None:
            count = settings.offspring or settings.population if self._generation else settings.population
        rng = generation_rng(settings.seed or 0, self._generation)
        startup = _STARTUP if self._generation else count  # the first generation is spread as a whole
        self._out = dict(enumerate(self._next_networks(count, startup, rng)))
        return [self._candidate(each, (self._generation, k)) for k, each in self._out.items()]

    def ask_one(self) -> Candidate:
        """The next candidate; the surrogate is conditioned on its mean at pending candidates."""
        self._ask_tell.check_one_by_one(self._generation)
        rng = generation_rng(self._settings.seed or 0, self._pending.asked)
        (training,) = self._next_networks(1, _STARTUP, rng)
        self._out[self._pending.asked] = training
        return self._pending.add(self._candidate(training, self._pending.place))

    def _next_networks(self, count: int, startup: int, rng: np.random.Generator) -> list[PartialTraining]:
        """`count` networks to train: promoted ones first, then new ones."""
        continued = self._rung_queue.take(count)
        return [*continued, *map(self._start, self._new_proposals(count - len(continued), startup, rng))]

    def _candidate(self, training: PartialTraining, place: tuple[int, int]) -> Candidate:
        """The candidate that trains a network up to its next rung."""
        epochs = self._rung_queue.next_epochs(training)
        keep_snapshots = self._inherits or epochs < self._settings.epochs
        return training.candidate(self._settings, epochs, *place, keep_snapshots)

    def _start(self, proposal: Proposal) -> PartialTraining:
        """A new network, which starts from its parent's weights if weights are inherited and these were kept."""
        place = next((self._parents[parent] for parent in proposal.parents if parent in self._parents), None)
        return PartialTraining(proposal, place=place, kind="continue" if place is None else "inherit")

    @property
    def _parents(self) -> dict[str, tuple[int, int]]:
        """Digest -> generation and index, of the networks from whose weights children may start."""
        best = self._search.archive.best(_ELITE) if self._inherits else []
        return {entry.member.digest: entry.place for entry in best if is_feasible(entry.rank)}

    def _new_proposals(self, count: int, startup: int, rng: np.random.Generator) -> list[Proposal]:
        """`count` networks that were not tried before, as long as the space has any."""
        out = [training.proposal for training in self._out.values() if not training.epochs]
        initial = self._initial[:count]
        proposals = [seed_proposal(self._space, genome) for genome in initial]
        self._initial = self._initial[count:]
        seen = _Seen(self._seen, {proposal.digest for proposal in (*out, *proposals)})
        share = self._share_of_restart(count - len(proposals), len(self._seen) + len(out))
        proposals = self._propose(self._search, [*out, *proposals], count - len(proposals) - share, startup, seen, rng)
        proposals, restart = proposals[len(out) :], []
        if self._restart:
            pending = [proposal for proposal in out if proposal.digest in self._asked_by_restart]
            restart = self._propose(self._restart, pending, share, _STARTUP, seen, rng)[len(pending) :]
        tried = _Seen(self._seen, {proposal.digest for proposal in out})
        found = repair_children([*proposals, *restart], self._space, tried, self._repair)
        self._asked_by_restart.update(proposal.digest for proposal in found[len(proposals) :])
        return found

    def _share_of_restart(self, count: int, tried: int) -> int:
        """Starts or ends the restarted search if due, and returns its share of the candidates.

        Args:
            count: number of networks to propose.
            tried: number of networks proposed before.
        """
        if len(self._rung_queue.rungs) > 1:  # rungs would compare the networks of two searches unfairly
            return 0
        if self._restart and self._restart.exploration.waited >= _END_RESTART_AFTER:
            self._restart, self._asked_by_restart = None, set()
        if self._restart is None and self._search.exploration.waited >= _RESTART_AFTER:
            self._restart = SurrogateState(self._search.archive.typical_losses)
        return (count + tried % 2) // 2 if self._restart else 0

    def _propose(
        self,
        search: SurrogateState,
        pending: Sequence[Proposal],
        count: int,
        startup: int,
        seen: _Seen,
        rng: np.random.Generator,
    ) -> list[Proposal]:
        """The `pending` proposals and `count` more: first space-filling, then screened.

        Args:
            search: state of the search.
            pending: unevaluated proposals.
            count: number of proposals to add.
            startup: number of archive entries and proposals at which screening begins.
            seen: digests to avoid; new ones are added.
            rng: source of all random numbers.
        """
        archive, proposals, count = search.archive, list(pending), len(pending) + count
        points = [self._space.features(proposal.genome) for proposal in proposals]
        known = self._search.archive.entries
        while len(proposals) < count and (
            len(archive.entries) + len(proposals) < startup or not archive.is_informative
        ):
            proposals.append(self._most_distant_sample([*(entry.features for entry in known), *points], seen, rng))
            seen.add(proposals[-1].digest)
            points.append(self._space.features(proposals[-1].genome))
        if len(proposals) < count:
            # The matrices are too small to benefit from threads.
            with _linear_algebra().limit(limits=1):
                self._screen(search, proposals, count, seen, rng)
        return proposals

    def _learn(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Adds the evaluations of the last `ask` to the archive."""
        early = self._generation == 0 or len(self._search.archive.entries) < _STARTUP
        for training, (candidate, evaluation) in zip(self._out.values(), told, strict=True):
            self._note(training, candidate, evaluation, early)
        self._trim()
        self._out = {}

    @property
    def out(self) -> tuple[Candidate, ...]:
        """See `OneByOne.out`."""
        return self._pending.candidates

    def tell_one(self, candidate: Candidate, evaluation: Evaluation | float) -> None:
        """Adds the evaluation of a pending candidate to the archive."""
        number, asked = self._pending.take(candidate)
        self._note(self._out.pop(number), asked, self._ask_tell.evaluation(evaluation), number < _STARTUP)
        self._trim()

    def _trim(self) -> None:
        for search in filter(None, (self._search, self._restart)):
            search.archive.trim()

    def _note(self, training: PartialTraining, candidate: Candidate, evaluation: Evaluation, early: bool) -> None:
        """Adds an evaluation to the archive; `early` if samples are part of the space-filling initial design."""
        member = EvaluatedProposal.from_candidate(candidate, rank_of(evaluation, self._objective))
        new = not training.epochs
        if new:
            if candidate.digest in self._seen:
                return
            self._seen.add(candidate.digest)
            is_elite = self._search.archive.would_be_elite(member.rank, _ELITE)
            self._operator_rates.note(candidate.operator.removesuffix(REPAIRED), is_elite)
        place, features = (candidate.generation, candidate.index), self._space.features(candidate.genome)
        entry = ArchiveEntry(member, candidate.epochs, features, place)
        in_full = candidate.epochs == self._settings.epochs
        self._search.note(entry, new, in_full, at_random=early and candidate.operator == "sample")
        if self._restart and candidate.digest in self._asked_by_restart:
            self._restart.note(entry, new, in_full, at_random=False)
        self._rung_queue.add(training.with_evaluation(candidate, member.rank))

    def _most_distant_sample(self, points: list[Array], seen: _Seen, rng: np.random.Generator) -> Proposal:
        """The one of a few samples that is farthest from all given points; the centre if there are no points."""
        if not points:
            return new_proposal(
                seen, lambda: central_proposal(self._space, rng), lambda: sample_proposal(self._space, rng)
            )
        options = [new_proposal(seen, lambda: sample_proposal(self._space, rng)) for _ in range(_DISTANCE_SAMPLES)]
        known = np.array(points)
        distances = [((known - self._space.features(option.genome)) ** 2).sum(axis=1).min() for option in options]
        return options[int(np.argmax(distances))]

    def _screen(
        self, search: SurrogateState, proposals: list[Proposal], count: int, seen: _Seen, rng: np.random.Generator
    ) -> None:
        """Adds winners of the inner search until there are `count` proposals."""
        effort = effort_of(len(self._seen), self._settings.evaluation_seconds)
        factories = search.surrogates(self._features_of, effort.observations, effort.refit_after)
        surrogates: dict[int, Surrogate] = {}
        members = [entry.member for entry in search.archive.best(_ELITE)]
        elite = [Offspring(member.proposal.genome, (member.digest,)) for member in members]
        rates = self._operator_rates.rates(self._space.mutations)
        while len(proposals) < count:
            which = int(len(factories) > 1 and len(seen) % _EXPLORE_EVERY == 0)
            surrogate = surrogates.get(which) or factories[which]()
            for proposal in proposals[surrogate.num_conditioned :]:
                surrogate = surrogate.condition_on_mean(self._in_full(self._space.features(proposal.genome)))
            surrogates[which] = surrogate
            ranked = highest_acquisition(self._space, elite, surrogate, self._in_full, rates, effort, rng)
            options = (
                Proposal(each.genome, self._space.digest(each.genome), each.parents, each.operator)
                for each in islice(ranked, _MOST_WINNERS)
            )
            new = next((option for option in options if option.digest not in seen), None)
            proposals.append(new or new_proposal(seen, lambda: sample_proposal(self._space, rng)))
            seen.add(proposals[-1].digest)

    def _features_of(self, entry: ArchiveEntry) -> Array:
        """An entry's features and, if there are several rungs, its rung scaled to [0, 1]; shape `(num_features,)`."""
        last = len(self._rung_queue.rungs) - 1
        fidelity = self._rung_queue.rungs.index(entry.epochs) / last if last else 1.0
        return np.append(entry.features, fidelity) if last else entry.features

    def _in_full(self, features: Array) -> Array:
        """The features `(..., num_features)`, with the rung of full fidelity if there are several rungs."""
        if len(self._rung_queue.rungs) == 1:
            return features
        return np.concatenate([features, np.ones((*features.shape[:-1], 1))], axis=-1)

    def _initial_left(self) -> Sequence[Any]:
        return self._initial

    def _own_state(self) -> dict[str, Any]:
        """The states of both searches, the rungs and the operator rates."""
        state: dict[str, Any] = {
            "search": self._search.to_json(self._space),
            "restart": self._restart and self._restart.to_json(self._space),
            "asked_by_restart": sorted(self._asked_by_restart),
            "rung_queue": self._rung_queue.to_json(self._space),
            "operator_rates": self._operator_rates.to_json(),
        }
        if self._pending.asked:
            state["out"] = [[number, training.to_json(self._space)] for number, training in self._out.items()]
        return state | self._pending.state(self._space)

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        self._search = SurrogateState.from_json(state["search"], self._space)
        self._restart = state["restart"] and SurrogateState.from_json(state["restart"], self._space)
        self._asked_by_restart = set(state["asked_by_restart"])
        self._rung_queue.restore(state["rung_queue"], self._space)
        self._operator_rates = OperatorRates.from_json(state["operator_rates"])
        self._out = {number: PartialTraining.from_json(value, self._space) for number, value in state.get("out", ())}
        self._pending.restore(state, self._space)

    def retained(self) -> frozenset[tuple[int, int]]:
        """Candidates that may be promoted, and those from whose weights children, also pending ones, start."""
        starting = {each.origin.place for each in self._pending.candidates if each.origin is not None}
        return self._rung_queue.retained() | frozenset(self._parents.values()) | starting


class _Seen(AbstractSet[str]):
    """The union of the digests tried and those about to be tried, without copying the former."""

    def __init__(self, tried: AbstractSet[str], more: Iterable[str]) -> None:
        self._tried, self._more = tried, set(more) - tried

    def add(self, digest: str) -> None:
        """Adds a digest that is about to be tried."""
        if digest not in self._tried:
            self._more.add(digest)

    def __contains__(self, digest: object) -> bool:
        return digest in self._more or digest in self._tried

    def __iter__(self) -> Iterator[str]:
        return chain(self._tried, self._more)

    def __len__(self) -> int:
        return len(self._tried) + len(self._more)


@cache
def _linear_algebra() -> ThreadpoolController:
    """Controls the threads of NumPy's and SciPy's linear algebra; SciPy loads its own BLAS library."""
    deferred.lapack  # noqa: B018
    return ThreadpoolController().select(user_api="blas")
