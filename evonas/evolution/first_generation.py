"""The first generation of short runs: smaller networks if the default ones would take too long.

A run of a few seconds achieves most by comparing a whole generation of cheap networks instead of a few costly ones. The
cost of a network is predicted from its architecture, the number of rows and the measured speed of a core. If there is
enough time for the strategy's first generation, nothing is changed. Otherwise it is replaced by random networks that
are cheap enough, which become the initial genomes in the strategy's recorded state, so that a resumed run proposes the
same networks. Later networks may have any size, except for images, series and texts, where a single network could use
up all the time: for these, the FLOPs of all networks of the run are bounded.

It does not apply to user-defined models and GPUs, whose cost cannot be predicted, nor if weights are evolved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, takewhile
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from evonas.evolution.early_stopping import epochs_that_take, expected_epochs
from evonas.evolution.training_cost import MULTIPLICATIONS, Speed, cost_of_training, speed_of
from evonas.machine import core_share, multiplications_a_second
from evonas.networks.initial import passes_of_epoch, rows_of_epoch
from evonas.objective import Objective
from evonas.seeds import first_generation_rng
from evonas.strategies import find_row, make_strategy
from genomes.architecture.cost import count_training_flops
from genomes.architecture.layers import has_frozen_layers, may_find_neighbours
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData

__all__ = ["FirstGeneration", "first_generation"]

#: Share of a run's time for its first generation.
_SHARE = 0.5
#: Maximum share of that time for known defaults of tables, since random networks are worse. Beyond this many seconds,
#: only the root of the time counts: with the widest ones, whose children are wide, too few networks are trained.
_KNOWN_SHARE, _KNOWN_SECONDS = 0.7, 60.0
#: Seconds until the worker begins to train.
_START_SECONDS = 2.0
#: Number of random networks drawn per network needed, to find cheap ones among them.
_DRAWS = 8
#: This many of the cheapest networks per network needed are eligible, for diversity, unless they take too long.
_CHEAPEST = 3
#: Tolerated excess of the total time before epochs are reduced, and the smallest number of epochs.
_TOLERANCE, _FEWEST_EPOCHS = 1.25, 3
#: Smallest number of epochs for images, series and texts, unless set by the user: networks for these learn slowly, and
#: a good network after a few epochs is more informative than a tiny one after all epochs.
_INFORMATIVE_EPOCHS = 10
#: Smallest number of epochs of the first rung, if there are several.
_INFORMATIVE_RUNG = 6
#: This many networks must fit into the generation's time; otherwise the search would compare too few, and have no time
#: for finalists.
_FEWEST_NETWORKS = 3
#: Share of the FLOPs for which there is time that a network may have if its activations take time, too.
_FLOPS_BESIDE_ACTIVATIONS = 0.5
#: Smallest cost of a random network relative to the allowed cost, since tiny networks learn hardly anything.
_TINY = 0.25


@dataclass(frozen=True)
class FirstGeneration:
    """The start of a short run.

    Attributes:
        genomes: the networks.
        epochs: largest number of epochs of any network of the run.
        seconds: expected training time of the networks.
        core_flops: measured FLOPS of one core.
        rungs: number of rungs of the run, which may be lower than in the settings; None if unchanged.
        max_flops: bound on the FLOPs of a forward pass; None for no bound.
        flops_of_training: whether the bound excludes the FLOPs of frozen layers and of reference rows.
    """

    genomes: tuple[Any, ...]
    epochs: int
    seconds: float
    core_flops: float
    rungs: int | None = None
    max_flops: int | None = None
    flops_of_training: bool = False

    def settings(self) -> dict[str, Any]:
        """The settings of the run that follow from it."""
        bounds = {"rungs": self.rungs, "max_flops": self.max_flops, "flops_of_training": self.flops_of_training or None}
        return {"epochs": self.epochs} | {name: value for name, value in bounds.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Converts it to JSON values, for the run's record."""
        return {
            "networks": len(self.genomes),
            **self.settings(),
            "seconds": self.seconds,
            "core_flops": self.core_flops,
        }


def first_generation(
    space: SearchSpace,
    data: PreparedData,
    settings: Settings,
    objective: Objective,
    initial: Sequence[Any],
    seconds: float,
    threads: int,
    flops: Callable[[], float] = multiplications_a_second,
    share: Callable[[int], float] = core_share,
    known: Sequence[Sequence[Any]] = (),
) -> FirstGeneration | None:
    """The start of a short run; None to use the strategy's own first generation.

    Args:
        space: the space to search.
        data: the training data.
        settings: the run's resolved settings; epochs that were set explicitly are kept.
        objective: the run's objective.
        initial: genomes given by the user, which are always included.
        seconds: remaining seconds of the run; infinite without a limit.
        threads: number of networks trained at a time.
        flops: measures the FLOPS of one core.
        share: number of threads -> share of a core that each of them gets.
        known: genomes of each known default, the widest first. A short run uses the first one whose cost is at most the
            allowed mean.
    """
    widest = [variants[0] for variants in known]
    speed = speed_of(settings.trainer, data.problem.sample_shape)
    row = find_row(settings.strategy)  # unknown strategies are rejected elsewhere
    is_predictable = hasattr(space, "architecture") and row is not None and row.trains
    if speed is None or not is_predictable or seconds == math.inf:
        return None
    core = flops()
    cost = cost_of_training(space, data, settings, speed, core)
    strategy = make_strategy(
        settings.strategy, space, objective=objective, initial=(*initial, *widest), settings=settings
    )
    candidates = strategy.ask()
    at_once = min(threads, len(candidates)) if speed.at_once else 1
    room = max(0.0, _SHARE * seconds - _START_SECONDS) * at_once * share(at_once)
    epochs, most, shared = candidates[0].epochs, settings.epochs, len(candidates)
    named = "epochs" in settings.model_fields_set
    whole = sum(cost(each.genome, each.epochs) for each in candidates)
    bounds_all = bool(data.problem.sample_shape) and not named and (epochs == most or settings.rungs > 1)
    few = min(shared, _FEWEST_NETWORKS)
    is_cheap = sum(cost(genome, epochs) for genome in widest) <= _for_known(room)
    if whole <= room and is_cheap and not (bounds_all and any(cost(x.genome, most) > room / few for x in candidates)):
        return None
    rng = first_generation_rng(settings.seed or 0)
    drawn = list(dict.fromkeys(space.sample(rng) for _ in range(_DRAWS * len(candidates))))
    if not bounds_all:
        count = len(candidates)
        genomes, most, taken = _select_for_table(space, initial, known, drawn, cost, epochs, settings, room, count)
        return FirstGeneration(genomes, most, taken, core)
    offered = list(chain.from_iterable(known)) or drawn
    passes = passes_of_epoch(len(data.splits[0].y_train))
    cheapest = partial(_lowest_cost, cost, offered)
    plan = _plan_epochs(settings, epochs, int(epochs * room / whole), room / few, cheapest, passes)
    limit = max(room / few, _lowest_cost(cost, offered, plan.epochs))
    included = (*initial, *_first_affordable(known, lambda genome: cost(genome, plan.epochs) <= limit))
    genomes = _select_for_samples(space, included, drawn, cost, plan, limit, room, len(candidates))
    taken = sum(cost(genome, plan.first) for genome in genomes)
    within = _flops_within(limit, data, settings, speed, core, plan.epochs)
    most_flops = settings.max_flops or _most_flops(space, data, genomes, within)
    of_training = settings.max_flops is None and (has_frozen_layers(space) or may_find_neighbours(space))
    return FirstGeneration(genomes, plan.epochs, taken, core, plan.rungs, most_flops, of_training)


def _select_for_table(
    space: Any,
    initial: Sequence[Any],
    known: Sequence[Sequence[Any]],
    drawn: Sequence[Any],
    cost: Callable[[Any, int], float],
    epochs: int,
    settings: Settings,
    room: float,
    count: int,
) -> tuple[tuple[Any, ...], int, float]:
    """Selects the first generation of a short run on a table.

    Args:
        space: the space of the genomes.
        initial: genomes to include regardless of their cost.
        known: genomes of each known default, the widest first.
        drawn: random genomes.
        cost: (genome, epochs) -> seconds.
        epochs: epochs of the first generation.
        settings: the run's settings; epochs that were set explicitly are kept.
        room: seconds available for the generation.
        count: number of genomes in the generation.

    Returns:
        The genomes, the largest number of epochs of a network, and the expected seconds.
    """
    left = max(room - sum(cost(genome, epochs) for genome in initial), 0.0)
    widest = _widest_within(known, lambda genome: cost(genome, epochs), _for_known(left), left / count)
    kept = _unique(space, (*initial, *widest))[:count]
    room -= sum(cost(genome, epochs) for genome in kept)
    wanted = count - len(kept)
    costs, most = [cost(genome, epochs) for genome in drawn], settings.epochs
    for choice in range(_CHEAPEST, 0, -1):  # less diverse networks are better than fewer epochs
        found = _unique(space, _cheapest(drawn, costs, wanted, room, choice))[:wanted]
        taken = sum(cost(genome, epochs) for genome in found)
        if taken <= _TOLERANCE * room:
            break
    if taken > _TOLERANCE * room and "epochs" not in settings.model_fields_set:
        most = min(most, max(_FEWEST_EPOCHS, epochs_that_take(expected_epochs(most) * max(room, 0.0) / taken)))
    return (*kept, *found), most, taken * expected_epochs(most) / expected_epochs(epochs)


def _for_known(room: float) -> float:
    """Seconds for the known defaults, of the seconds for the first generation."""
    return _KNOWN_SHARE * min(room, math.sqrt(room * _KNOWN_SECONDS))


def _select_for_samples(
    space: Any,
    included: Sequence[Any],
    drawn: Sequence[Any],
    cost: Callable[[Any, int], float],
    plan: _EpochPlan,
    limit: float,
    room: float,
    count: int,
) -> tuple[Any, ...]:
    """Selects the first generation of a short run on samples: given genomes, and all random ones that fit.

    Args:
        space: the space of the genomes.
        included: genomes to include regardless of their cost.
        drawn: random genomes, of which tiny networks are left out.
        cost: (genome, epochs) -> seconds.
        plan: the run's epochs.
        limit: largest number of seconds for one network.
        room: seconds available for the first rung of all networks.
        count: largest number of genomes.
    """
    tiny = _lowest_cost(cost, drawn, 0) * (1.0 - _TINY) + _TINY * limit
    some = [genome for genome in drawn if tiny <= cost(genome, plan.epochs) <= limit]
    genomes = _unique(space, (*included, *some))[:count]
    within = list(takewhile(lambda total: total <= room, accumulate(cost(genome, plan.first) for genome in genomes)))
    return genomes[: max(len(within), min(len(included), count))]


def _first_affordable(known: Sequence[Sequence[Any]], fits: Callable[[Any], bool]) -> list[Any]:
    """The first, and thus widest, affordable genome of each known default that has one."""
    firsts = (next(filter(fits, variants), None) for variants in known)
    return [genome for genome in firsts if genome is not None]


def _widest_within(
    known: Sequence[Sequence[Any]], cost: Callable[[Any], float], total: float, least: float
) -> list[Any]:
    """A genome of each known default, the wider the better, within a total cost.

    Their costs have a common limit, the highest one within the total. With what is left, the first ones get wider.

    Args:
        known: genomes of each known default, the widest first.
        cost: genome -> seconds.
        total: limit of the sum of costs.
        least: limit of each cost if the total is exceeded even so.
    """
    found = _first_affordable(known, lambda genome: cost(genome) <= least)
    for limit in sorted({cost(genome) for genome in chain.from_iterable(known)}):
        wider = _first_affordable(known, lambda genome, limit=limit: cost(genome) <= limit)  # type: ignore[misc]
        if limit > least and sum(map(cost, wider)) <= total:
            found = wider
    left = total - sum(map(cost, found))
    for variants in known:
        narrow = next((genome for genome in variants if genome in found), None)
        if narrow is None:
            continue
        wide = next(genome for genome in variants if genome == narrow or cost(genome) - cost(narrow) <= left)
        left -= cost(wide) - cost(narrow)
        found[found.index(narrow)] = wide
    return found


def _unique(space: Any, genomes: Iterable[Any]) -> tuple[Any, ...]:
    """The genomes in order, without duplicate networks."""
    found: dict[str, Any] = {}
    for genome in genomes:
        found.setdefault(space.digest(genome), genome)
    return tuple(found.values())


@dataclass(frozen=True)
class _EpochPlan:
    """Epochs of a short run on samples: epochs of the first rung, total epochs, and number of rungs."""

    first: int
    epochs: int
    rungs: int


def _plan_epochs(
    settings: Settings, first: int, affordable: int, limit: float, cheapest: Callable[[int], float], passes: int = 1
) -> _EpochPlan:
    """The plan with the largest number of rungs that a cheap network can complete within the limit.

    Args:
        settings: the run's settings.
        first: epochs of the first rung according to the settings.
        affordable: epochs of the first rung with which the first generation fits into its time.
        limit: largest number of seconds for one network.
        cheapest: epochs -> seconds of a cheap network.
        passes: see `passes_of_epoch`.
    """
    for rungs in range(settings.rungs, 1, -1):
        first_rung = min(first, max(_INFORMATIVE_RUNG * passes, affordable))
        epochs = min(settings.epochs, first_rung * settings.eta ** (rungs - 1))
        if cheapest(epochs) <= limit:
            return _EpochPlan(first_rung, epochs, rungs)
    epochs = min(settings.epochs, max(_INFORMATIVE_EPOCHS * passes, affordable))
    return _EpochPlan(epochs, epochs, 1)


def _lowest_cost(cost: Callable[[Any, int], float], genomes: Sequence[Any], epochs: int) -> float:
    """Seconds to train the cheapest of the genomes."""
    return min(cost(genome, epochs) for genome in genomes)


def _most_flops(space: Any, data: PreparedData, genomes: Sequence[Any], least: int) -> int:
    """The FLOPs of the costliest of the genomes, but at least `least`."""
    problem = data.problem
    size = problem.num_features, problem.num_outputs, problem.sample_shape
    graphs = [problem.attach_columns(space.architecture(genome)) for genome in genomes]
    return max([least, *(count_training_flops(graph, *size) for graph in graphs)])


def _flops_within(
    seconds: float, data: PreparedData, settings: Settings, speed: Speed, core: float, epochs: int
) -> int:
    """FLOPs per forward pass of one sample with which a network is trained for `epochs` epochs in `seconds` seconds."""
    split = data.splits[0]
    rows = rows_of_epoch(len(split.y_train), settings.epoch_rows)
    samples = epochs * (MULTIPLICATIONS * rows + len(split.y_validation))
    spare = max(seconds / (len(data.splits) * settings.replicates) - speed.start_seconds, 0.25 * seconds)
    share = speed.share * (_FLOPS_BESIDE_ACTIVATIONS if speed.activation_operations else 1.0)
    return max(1, int(spare * share * core / samples))


def _cheapest(genomes: Sequence[Any], costs: Sequence[float], count: int, room: float, choice: int) -> list[Any]:
    """The cheapest genomes, in the given order: as many as let `count` of them fit into `room` on average.

    At least `choice * count` of them, for diversity.
    """
    ranked = sorted(costs)
    eligible = min(len(ranked), choice * count)
    total = sum(ranked[:eligible])
    while eligible < len(ranked) and (total + ranked[eligible]) / (eligible + 1) * count <= room:
        total += ranked[eligible]
        eligible += 1
    return [genome for genome, cost in zip(genomes, costs, strict=True) if eligible and cost <= ranked[eligible - 1]]
