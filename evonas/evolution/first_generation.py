"""A first generation that can be trained in a short time: as it would be, or of smaller networks where those are many.

A run of seconds is worth most when it has compared a whole generation of cheap networks, instead of a few costly ones.
What a network costs is foreseen from its architecture, the rows and what one core of this machine computes. Where the
time is long enough for the generation that the strategy would begin with, nothing is changed. Else random networks
that are cheap enough take their place: as genomes to begin with, in the strategy's recorded state, so that a resumed
run asks for the same. Networks of later generations may be of any size, but over images, series and texts, where one
of any size could take all the time: there the FLOPs of all networks of the run are bounded.

Not for user-defined models or GPUs, whose cost cannot be predicted, nor where weights are evolved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, chain, takewhile
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from evonas.data.neighbours import num_visible_columns
from evonas.machine import core_share, multiplications_a_second
from evonas.networks.initial import passes_of_epoch, rows_of_epoch
from evonas.objective import Objective
from evonas.seeds import first_generation_rng
from evonas.strategies import find_row, make_strategy
from genomes.architecture.cost import count_flops
from genomes.architecture.graph import views_of
from genomes.space import SearchSpace

if TYPE_CHECKING:
    import networkx as nx

    from evonas.data.prepared import PreparedData

__all__ = ["SPEEDS", "FirstGeneration", "Speed", "cost_of_training", "first_generation", "training_seconds"]

#: Share of a run's time in which its first generation is to be trained.
_SHARE = 0.5
#: Seconds that the worker takes until it trains, which are not there for it.
_START_SECONDS = 2.0
#: Random networks that are looked at for each one that is wanted, to find the cheap ones among them.
_DRAWS = 8
#: Of these the cheapest, this many for each one that is wanted, are cheap enough whatever they cost: not all alike.
_CHEAPEST = 3
#: What networks may take together, over what exists, before their epochs are cut; and the fewest epochs that they
#: are cut to.
_TOLERANCE, _FEWEST_EPOCHS = 1.25, 3
#: Epochs of networks over images, series and texts that are worth more than further networks: these begin slowly, and a
#: good one says more after few epochs than a tiny one after all. Only while the number of epochs was not set.
_TELLING_EPOCHS = 10
#: The same of the first of several rungs: what is good after them goes on.
_TELLING_RUNG = 6
#: No network of these may cost more than it would if a generation had so few networks: the search would compare little,
#: and have no time to train its best networks again.
_FEW_NETWORKS = 4
#: Random networks of them take at least such a share of what the costliest takes: tiny ones learn next to nothing.
_TINY = 0.25
#: A step of training multiplies three times: forward, for the weights' gradients and for those of the inputs.
_MULTIPLICATIONS = 3


@dataclass(frozen=True)
class Speed:
    """How fast a trainer is.

    Attributes:
        share: of what a core can multiply, that it does.
        step_seconds: of a training step per layer, in addition to the multiplications.
        start_seconds: of a network.
        at_once: whether networks are trained on several cores at a time.
        layer_seconds: that tracing and compiling a network takes for each layer, beside the start.
    """

    share: float
    step_seconds: float
    start_seconds: float
    at_once: bool
    layer_seconds: float = 0.0


#: Trainer -> its speed on a CPU, rather too low than too high.
SPEEDS = {
    "native": Speed(0.2, 15e-6, 0.02, True),
    "single": Speed(0.2, 400e-6, 1.0, True, 0.3),
}


@dataclass(frozen=True)
class FirstGeneration:
    """What a run of short time begins with.

    Attributes:
        genomes: the networks.
        epochs: the most that any network of the run trains.
        seconds: in which they are expected to be trained.
        core_flops: operations a second that one core was measured to do.
        rungs: of the run, which may be fewer than the settings'; None for those.
        max_flops: of one sample's prediction, that a network of the run may take; None for no bound.
    """

    genomes: tuple[Any, ...]
    epochs: int
    seconds: float
    core_flops: float
    rungs: int | None = None
    max_flops: int | None = None

    def settings(self) -> dict[str, Any]:
        """Settings of the run that follow from it."""
        bounds = {"rungs": self.rungs, "max_flops": self.max_flops}
        return {"epochs": self.epochs} | {name: value for name, value in bounds.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """What a run records of it."""
        return {
            "networks": len(self.genomes),
            **self.settings(),
            "seconds": self.seconds,
            "core_flops": self.core_flops,
        }


def training_seconds(
    graph: nx.DiGraph,
    num_features: int,
    num_outputs: int,
    rows: int,
    validation_rows: int,
    speed: Speed,
    flops: float,
    sample_shape: tuple[int, ...] = (),
) -> float:
    """Seconds that an epoch of a network takes on one core.

    Args:
        graph: the architecture.
        num_features, num_outputs: of the network.
        rows, validation_rows: of an epoch.
        speed: of the trainer.
        flops: operations a second of the core.
        sample_shape: of a sample, see `Problem.sample_shape`.
    """
    operations: int = count_flops(graph, num_features, num_outputs, sample_shape)
    operations *= _MULTIPLICATIONS * rows + validation_rows
    steps = math.ceil(rows / int(graph.graph["training"]["batch_size"]))
    return operations / (speed.share * flops) + steps * (len(graph) - 1) * speed.step_seconds


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
    """What a run is to begin with, None for what the strategy begins with anyway.

    Args:
        space: that is searched.
        data: to train on.
        settings: of the run, resolved; epochs that they name are kept.
        objective: of the run.
        initial: genomes that the user wants to begin with; they stay.
        seconds: of the run that are left, infinite where it has no bound.
        threads: networks at a time.
        flops: measures what one core of the machine does.
        share: of a core that each of the threads will have.
        known: genomes of known defaults, of each the widest first; a run of short time takes those that are as cheap as
            a generation's mean network may be.
    """
    widest = [variants[0] for variants in known]
    speed = SPEEDS.get(settings.trainer)
    row = find_row(settings.strategy)  # none is refused elsewhere
    foreseen = hasattr(space, "architecture") and row is not None and row.trains
    if speed is None or not foreseen or seconds == math.inf:
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
    few = min(shared, _FEW_NETWORKS)
    if whole <= room and not (bounds_all and any(cost(each.genome, most) > room / few for each in candidates)):
        return None
    rng = first_generation_rng(settings.seed or 0)
    drawn = list(dict.fromkeys(space.sample(rng) for _ in range(_DRAWS * len(candidates))))
    if not bounds_all:
        genomes, most, taken = _of_tables(space, initial, known, drawn, cost, epochs, settings, room, len(candidates))
        return FirstGeneration(genomes, most, taken, core)
    offered = list(chain.from_iterable(known)) or drawn
    passes = passes_of_epoch(len(data.splits[0].y_train))
    cheapest = partial(_least, cost, offered)
    cut = _cut(settings, epochs, int(epochs * room / whole), room / few, cheapest, passes)
    limit = max(room / few, _least(cost, offered, cut.epochs))
    begun = (*initial, *_first_within(known, lambda genome: cost(genome, cut.epochs) <= limit))
    genomes = _of_samples(space, begun, drawn, cost, cut, limit, room, len(candidates))
    taken = sum(cost(genome, cut.first) for genome in genomes)
    within = _flops_within(limit, data, settings, speed, core, cut.epochs)
    most_flops = settings.max_flops or _most_flops(space, data, genomes, within)
    return FirstGeneration(genomes, cut.epochs, taken, core, cut.rungs, most_flops)


def _of_tables(
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
    """What a short run over a table begins with, the most epochs of a network, and the seconds that this takes.

    Args:
        space: of the genomes.
        initial: genomes that are begun with, whatever they cost.
        known: of each known default its genomes, the widest first.
        drawn: random genomes.
        cost: seconds of a genome and epochs.
        epochs: of the first generation.
        settings: of the run; epochs that they name are kept.
        room: seconds of the generation.
        count: genomes of it.
    """
    mean = max(room - sum(cost(genome, epochs) for genome in initial), 0.0) / count
    begun = (*initial, *_first_within(known, lambda genome: cost(genome, epochs) <= mean))
    kept = _different(space, begun)[:count]
    room -= sum(cost(genome, epochs) for genome in kept)
    wanted = count - len(kept)
    found = _different(space, _cheap(drawn, [cost(genome, epochs) for genome in drawn], wanted, room))[:wanted]
    taken, most = sum(cost(genome, epochs) for genome in found), settings.epochs
    if taken > _TOLERANCE * room and "epochs" not in settings.model_fields_set:
        most = min(most, max(_FEWEST_EPOCHS, int(most * max(room, 0.0) / taken)))
    return (*kept, *found), most, taken * most / epochs


def _of_samples(
    space: Any,
    begun: Sequence[Any],
    drawn: Sequence[Any],
    cost: Callable[[Any, int], float],
    cut: _Cut,
    limit: float,
    room: float,
    count: int,
) -> tuple[Any, ...]:
    """What a short run over samples begins with: those given, and random ones, none tiny, as many as there is room for.

    Args:
        space: of the genomes.
        begun: genomes that are begun with, whatever they cost.
        drawn: random genomes.
        cost: seconds of a genome and epochs.
        cut: of the run.
        limit: seconds that a network may be trained.
        room: seconds of the first rungs of all.
        count: genomes at most.
    """
    tiny = _least(cost, drawn, 0) * (1.0 - _TINY) + _TINY * limit
    some = [genome for genome in drawn if tiny <= cost(genome, cut.epochs) <= limit]
    genomes = _different(space, (*begun, *some))[:count]
    within = list(takewhile(lambda total: total <= room, accumulate(cost(genome, cut.first) for genome in genomes)))
    return genomes[: max(len(within), min(len(begun), count))]


def _first_within(known: Sequence[Sequence[Any]], fits: Callable[[Any], bool]) -> list[Any]:
    """Of each known default the first genome, hence the widest, that fits."""
    firsts = (next(filter(fits, variants), None) for variants in known)
    return [genome for genome in firsts if genome is not None]


def _different(space: Any, genomes: Iterable[Any]) -> tuple[Any, ...]:
    """The genomes in their order, each network once."""
    found: dict[str, Any] = {}
    for genome in genomes:
        found.setdefault(space.digest(genome), genome)
    return tuple(found.values())


@dataclass(frozen=True)
class _Cut:
    """Epochs of a run over samples that is short: of the first rung, of all, and how many rungs."""

    first: int
    epochs: int
    rungs: int


def _cut(
    settings: Settings, first: int, affordable: int, limit: float, cheapest: Callable[[int], float], passes: int = 1
) -> _Cut:
    """As many rungs as a cheap network can climb within the limit.

    Args:
        settings: of the run.
        first: epochs that its first rung would have.
        affordable: the same, for the first generation to fit into its time.
        limit: seconds that a network may be trained.
        cheapest: seconds of a cheap network that is trained for this many epochs.
        passes: see `passes_of_epoch`.
    """
    for rungs in range(settings.rungs, 1, -1):
        telling = min(first, max(_TELLING_RUNG * passes, affordable))
        epochs = min(settings.epochs, telling * settings.eta ** (rungs - 1))
        if cheapest(epochs) <= limit:
            return _Cut(telling, epochs, rungs)
    epochs = min(settings.epochs, max(_TELLING_EPOCHS * passes, affordable))
    return _Cut(epochs, epochs, 1)


def _least(cost: Callable[[Any, int], float], genomes: Sequence[Any], epochs: int) -> float:
    """Seconds of the cheapest of the genomes."""
    return min(cost(genome, epochs) for genome in genomes)


def _most_flops(space: Any, data: PreparedData, genomes: Sequence[Any], least: int) -> int:
    """The FLOPs of the costliest of the genomes, or `least` where that is more."""
    problem = data.problem
    size = problem.num_features, problem.num_outputs, problem.sample_shape
    return max([least, *(count_flops(problem.attach_columns(space.architecture(genome)), *size) for genome in genomes)])


def _flops_within(
    seconds: float, data: PreparedData, settings: Settings, speed: Speed, core: float, epochs: int
) -> int:
    """FLOPs of one sample's prediction by a network that is trained for this many epochs in this many seconds."""
    split = data.splits[0]
    rows = rows_of_epoch(len(split.y_train), settings.epoch_rows)
    samples = epochs * (_MULTIPLICATIONS * rows + len(split.y_validation))
    spare = max(seconds / (len(data.splits) * settings.replicates) - speed.start_seconds, 0.25 * seconds)
    return max(1, int(spare * speed.share * core / samples))


def _cheap(genomes: Sequence[Any], costs: Sequence[float], count: int, room: float) -> list[Any]:
    """Those genomes, in their order, of which `count` are expected to fit into the room together; or the cheapest."""
    ranked = sorted(costs)
    eligible = min(len(ranked), _CHEAPEST * count)
    total = sum(ranked[:eligible])
    while eligible < len(ranked) and (total + ranked[eligible]) / (eligible + 1) * count <= room:
        total += ranked[eligible]
        eligible += 1
    return [genome for genome, cost in zip(genomes, costs, strict=True) if eligible and cost <= ranked[eligible - 1]]


def cost_of_training(
    space: Any, data: PreparedData, settings: Settings, speed: Speed, flops: float
) -> Callable[[Any, int], float]:
    """Seconds to train a genome for that many epochs, on all folds and replicates."""
    problem, split = data.problem, data.splits[0]
    rows = rows_of_epoch(len(split.y_train), settings.epoch_rows)
    trainings, sizes = len(data.splits) * settings.replicates, (rows, len(split.y_validation))

    @cache
    def seconds(genome: Any) -> tuple[float, float]:
        """Of its start, and of an epoch."""
        graph = problem.attach_columns(space.architecture(genome))
        features = num_visible_columns(problem.views, problem.num_features, problem.num_outputs, *views_of(graph))
        epoch = training_seconds(graph, features, problem.num_outputs, *sizes, speed, flops, problem.sample_shape)
        return speed.start_seconds + speed.layer_seconds * (len(graph) - 1), epoch

    def cost(genome: Any, epochs: int) -> float:
        start, epoch = seconds(genome)
        return trainings * (start + epochs * epoch)

    return cost
