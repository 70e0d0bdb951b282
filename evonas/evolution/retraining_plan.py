"""Which re-trainings of the finalists, and how many networks for the final model after them, fit into a time.

The forecast is what the same network took before: its earlier re-trainings, or its training in the search, which is
often too long, since the first networks of a search share the machine with what starts beside them. Imports no Keras.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from evonas.evaluation import Candidate, Status
from evonas.runs.final_model import FEWEST_ON_ALL_ROWS
from evonas.runs.finalists import Finalist, Retraining, is_near, retraining_seeds

if TYPE_CHECKING:
    from evonas.config import Settings
    from evonas.runs.records import Record
    from evonas.runs.store import RunStore

__all__ = [
    "RETRAINING_FACTOR",
    "RetrainingCosts",
    "RetrainingPlan",
    "forecast_costs",
    "forecast_members",
    "makespan",
    "next_retrainings",
    "plan_retrainings",
    "seconds_in_full",
]

#: Safety factor on the measured training time of a network, since training from other seeds may stop later.
RETRAINING_FACTOR = 1.2


def makespan(seconds: Iterable[float], slots: float) -> float:
    """Makespan in seconds of training several networks, scheduled by the longest-processing-time-first rule.

    Args:
        seconds: training time of each network.
        slots: number of networks trained at a time, > 0; may be fractional.
    """
    schedule = _Schedule(slots)
    for each in sorted(seconds, reverse=True):
        schedule.add(each)
    return schedule.seconds


class _Schedule:
    """Networks in the order of training, each on the machine that is free first."""

    def __init__(self, slots: float) -> None:
        self._machines = [0.0] * max(1, round(slots))
        self._stretch = len(self._machines) / slots

    @property
    def seconds(self) -> float:
        """The makespan."""
        return max(self._machines) * self._stretch

    def add(self, *seconds: float) -> None:
        """Adds networks."""
        for each in seconds:
            self._machines[self._machines.index(min(self._machines))] += each

    def add_within(self, limit: float, *seconds: float) -> bool:
        """Adds networks if the last of them ends by the limit; returns whether it did."""
        before = list(self._machines)
        self.add(*seconds)
        if self.seconds <= limit:
            return True
        self._machines = before
        return False


def seconds_in_full(seconds: float, record: Record, epochs: int) -> float:
    """Estimated seconds to train a network for all epochs, from the time up to a rung.

    A network that stopped before its rung is assumed to stop at the same epoch again. Epochs on reduced data are
    assumed to cost in proportion to rows and pixels.

    Args:
        seconds: measured seconds, see `Times.training_seconds`.
        record: the network's record at its rung.
        epochs: total number of epochs.
    """
    reached = record.evaluation.epochs
    whole = reached if reached < record.epochs or not 0 < reached < epochs else epochs
    cost = float(reached)  # in epochs on all data
    if record.reduction is not None:
        share = record.reduction.rows / record.reduction.factor**2
        cost -= (1.0 - share) * min(reached, record.reduction.epochs)
    return seconds * whole / cost if cost else seconds


@dataclass(frozen=True)
class RetrainingCosts:
    """Estimated seconds of everything that is trained after the search; 0 for what is trained already.

    Attributes:
        finalists: of all networks with their first seed, best first, then with their second, etc.
        networks: number of finalists, so that an index below it is a first seed.
        members: of the networks trained after the finalists, in order.
        fewest: minimum number of these; with fewer, the final model uses none of them. 0 for no minimum.
    """

    finalists: Sequence[float] = ()
    networks: int = 0
    members: Sequence[float] = ()
    fewest: int = 0


@dataclass(frozen=True)
class RetrainingPlan:
    """What fits into the time.

    Attributes:
        finalists: indices of finalists' re-trainings, including those that are done.
        members: the same for the networks trained after the finalists.
        seconds: the seconds that these take.
        is_complete: whether everything fits.
    """

    finalists: frozenset[int]
    members: frozenset[int]
    seconds: float
    is_complete: bool = False


def plan_retrainings(costs: RetrainingCosts, slots: float, limit: float) -> RetrainingPlan:
    """Returns what fits into the time.

    First come the best finalist's first seed and as many members as the final model needs, or none, since a mean of
    networks trained on all rows is better than one of re-trainings (`benchmarks/results/LOG.md`, "Finalists in
    folds"); then the other finalists' first seeds, best first, since the ranking ends at a network that was never
    retrained; then further seeds and further members in turn, of which those that do not fit are left out for shorter
    ones.

    Args:
        costs: estimated seconds.
        slots: number of networks trained at a time, > 0; may be fractional.
        limit: the time in seconds; may be infinite.

    Example:
        >>> costs = RetrainingCosts([2.0, 1.0, 2.0, 1.0], 2, [2.0, 2.0], fewest=2)
        >>> plan = plan_retrainings(costs, slots=1, limit=8.5)
        >>> sorted(plan.finalists), sorted(plan.members), plan.seconds
        ([0, 1, 3], [0, 1], 8.0)
    """
    numbers, members = range(len(costs.finalists)), range(len(costs.members))
    together = makespan([*costs.finalists, *costs.members], slots)
    if together <= limit:
        return RetrainingPlan(frozenset(numbers), frozenset(members), together, is_complete=True)
    in_order = sorted(members, key=lambda index: costs.members[index] > 0)  # those that are trained are the first
    least, others = in_order[: costs.fewest], in_order[costs.fewest :]
    schedule, ranked = _first_seeds(costs, [costs.members[index] for index in least], slots, limit)
    if schedule is None:
        (schedule, ranked), least, others = _first_seeds(costs, [], slots, limit), [], []
    if schedule is None:
        return RetrainingPlan(frozenset(), frozenset(), 0.0)
    chosen, chosen_members = set(range(ranked)), set(least)
    further = [index for index in numbers[costs.networks :] if index % costs.networks < ranked]
    for finalist, member in zip_longest(further, others):
        if finalist is not None and schedule.add_within(limit, costs.finalists[finalist]):
            chosen.add(finalist)
        if member is not None and schedule.add_within(limit, costs.members[member]):
            chosen_members.add(member)
    return RetrainingPlan(frozenset(chosen), frozenset(chosen_members), schedule.seconds)


def next_retrainings(
    plan: RetrainingPlan, done: frozenset[int], missing: frozenset[int], has_members: bool, is_late: bool
) -> frozenset[int]:
    """Which of the finalists' re-trainings come next, after which the plan is made again with their times.

    Args:
        plan: by the times of all that is trained so far.
        done: indices of the re-trainings that are done; they may be among those returned.
        missing: indices of the finalists that were never retrained.
        has_members: whether networks are trained after the finalists.
        is_late: whether the remaining time is needed for the end of the run.
    """
    if plan.is_complete:
        return plan.finalists
    if missing and not (plan.finalists - done or plan.members):
        # The next one may take less time than in the search, and the time would be of no other use.
        return frozenset([] if is_late else [min(missing)])
    if has_members and not plan.members and 0 in missing:
        return frozenset([0])  # its own time decides whether members fit
    return plan.finalists & missing or plan.finalists


def _first_seeds(
    costs: RetrainingCosts, members: Sequence[float], slots: float, limit: float
) -> tuple[_Schedule | None, int]:
    """Schedules as many finalists with their first seed, but at least one, as fit beside all these members.

    Returns:
        The schedule and the number of finalists; None and 0 if not even one fits.
    """
    for count in range(costs.networks, 0, -1) if costs.networks else [0]:
        schedule = _Schedule(slots)
        if schedule.add_within(limit, *costs.finalists[:count], *members):
            return schedule, count
    return None, 0


def forecast_costs(store: RunStore, top: int, seeds: int, members: int, test_seconds: float = 0.0) -> RetrainingCosts:
    """Estimated seconds of the finalists' re-trainings and of the members after them.

    Args:
        store: the run's store.
        top: number of finalists.
        seeds: number of re-trainings of each.
        members: number of networks trained after the finalists.
        test_seconds: seconds to score a re-training on the test split.
    """
    settings, records = store.settings, store.best(top)
    if not records or not seeds:
        return RetrainingCosts()
    found = [_retrainings_of(store, record, seeds) for record in records]
    seconds = [_typical_seconds(store, record, each) for record, each in zip(records, found, strict=True)]
    finalists = [
        seconds[place] + test_seconds if _is_missing(each[which]) else 0.0
        for which in range(seeds)
        for place, each in enumerate(found)
    ]
    if settings.all_rows:  # the best ones take turns
        near = [place for place, record in enumerate(records) if is_near(record.loss, records[0].loss)]
        turns = [seconds[place] for place in near]
    else:
        turns = [seconds[0] / (settings.cv or 1)]
    later = [turns[index % len(turns)] for index in range(members)]
    return RetrainingCosts(finalists, len(records), later, _fewest_members(settings, members))


def _retrainings_of(store: RunStore, record: Record, seeds: int) -> list[Retraining | None]:
    """The re-trainings of a network, in the order of its seeds; None for those that have not begun."""
    asked, settings = store.retrainings.asked, store.settings
    if asked is None or asked[0] != store.evaluated:  # before any, or the search has continued since
        return [None] * seeds
    numbers = retraining_seeds(settings.seed or 0, record.digest, seeds)
    return [store.retrainings.retraining(record.digest, number, settings.epochs) for number in numbers]


def _is_missing(retraining: Retraining | None) -> bool:
    return retraining is None or retraining.evaluation.status is Status.STOPPED


def forecast_members(
    store: RunStore, finalists: Sequence[Finalist], candidates: Sequence[Candidate]
) -> RetrainingCosts:
    """Estimated seconds of the networks trained after the finalists.

    Args:
        store: the run's store.
        finalists: the finalists.
        candidates: the networks, each of which is a finalist's.
    """
    settings, retrained = store.settings, {each.record.digest: each for each in finalists}
    found = [store.retrainings.retraining(each.digest, each.seed, each.epochs) for each in candidates]
    folds = 1 if settings.all_rows else settings.cv or 1
    seconds: dict[str, float] = {}
    for digest in {candidate.digest for candidate in candidates}:
        finalist = retrained[digest]
        own = [each for each in found if each is not None and each.digest == digest]
        before = _typical_seconds(store, finalist.record, finalist.retrainings) / folds
        seconds[digest] = RETRAINING_FACTOR * _mean_seconds(own) or before
    costs = [seconds[each.digest] if known is None else 0.0 for each, known in zip(candidates, found, strict=True)]
    return RetrainingCosts(members=costs, fewest=_fewest_members(settings, len(candidates)))


def _fewest_members(settings: Settings, count: int) -> int:
    """Minimum number of networks trained after the finalists that are of use, if `count` are wanted."""
    return min(count, FEWEST_ON_ALL_ROWS) if settings.all_rows else 0


def _typical_seconds(store: RunStore, record: Record, retrainings: Iterable[Retraining | None]) -> float:
    """Seconds of a network's training, with the safety factor: by its re-trainings or, without any, by the search."""
    in_search = seconds_in_full(store.times.training_seconds(record), record, store.settings.epochs)
    return RETRAINING_FACTOR * (_mean_seconds(retrainings) or in_search)


def _mean_seconds(retrainings: Iterable[Retraining | None]) -> float:
    """Mean seconds of the successful ones; 0 if there are none."""
    good = [each.evaluation for each in retrainings if each is not None and each.evaluation.status is Status.OK]
    return statistics.fmean(each.train_seconds for each in good) if good else 0.0
