"""The first generation of short runs: smaller networks if the default ones would take too long.

A run of seconds achieves most by comparing a whole generation of cheap networks instead of a few costly ones. The cost
of a network is predicted from its architecture, the number of rows and the measured speed of a core. If the time
suffices for the strategy's first generation, nothing is changed. Otherwise it is replaced by random networks that are
cheap enough, which become the initial genomes in the strategy's recorded state, so that a resumed run asks for the
same. Later networks may have any size, except for images, series and texts, where a single network could use up all the
time: there the FLOPs of all networks of the run are bounded.

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
from genomes.architecture.cost import count_flops, count_frozen_flops
from genomes.architecture.graph import views_of
from genomes.architecture.layers import has_frozen_layers
from genomes.space import SearchSpace

if TYPE_CHECKING:
    import networkx as nx

    from evonas.data.prepared import PreparedData

__all__ = ["SPEEDS", "FirstGeneration", "Speed", "cost_of_training", "first_generation", "training_seconds"]

#: Share of a run's time in which its first generation is to be trained.
_SHARE = 0.5
#: Seconds until the worker starts training.
_START_SECONDS = 2.0
#: Random networks drawn per wanted one, to find cheap ones among them.
_DRAWS = 8
#: The cheapest of them, this many per wanted one, are always eligible, for diversity.
_CHEAPEST = 3
#: Tolerated excess of the total time before epochs are cut, and the fewest epochs.
_TOLERANCE, _FEWEST_EPOCHS = 1.25, 3
#: Fewest epochs of networks over images, series and texts, unless set by the user: these learn slowly, and a good
#: network after a few epochs is more informative than a tiny one after all of them.
_TELLING_EPOCHS = 10
#: The same for the first of several rungs.
_TELLING_RUNG = 6
#: At least this many networks must fit into the time of the generation; otherwise the search would compare too few, and
#: have no time for finalists.
_FEW_NETWORKS = 4
#: Smallest cost of random networks, as a share of the largest one: tiny networks learn next to nothing.
_TINY = 0.25
#: Matrix products of a training step: forward, gradients of weights, gradients of inputs.
_MULTIPLICATIONS = 3


@dataclass(frozen=True)
class Speed:
    """Speed model of a trainer.

    Attributes:
        share: achieved share of a core's peak FLOPS.
        step_seconds: overhead of a training step per layer.
        start_seconds: overhead of a network.
        at_once: whether networks are trained on several cores in parallel.
        layer_seconds: further overhead of a network per layer, for tracing and compiling.
    """

    share: float
    step_seconds: float
    start_seconds: float
    at_once: bool
    layer_seconds: float = 0.0


#: Trainer -> its speed on a CPU, conservatively estimated.
SPEEDS = {
    "native": Speed(0.2, 15e-6, 0.02, True),
    "single": Speed(0.2, 400e-6, 1.0, True, 0.3),
}


@dataclass(frozen=True)
class FirstGeneration:
    """The start of a short run.

    Attributes:
        genomes: the networks.
        epochs: the most that any network of the run trains.
        seconds: their expected training time.
        core_flops: measured FLOPS of one core.
        rungs: of the run, which may be fewer than the settings'; None for those.
        max_flops: bound on the FLOPs of a forward pass; None for no bound.
        flops_of_training: whether it leaves out those of frozen layers.
    """

    genomes: tuple[Any, ...]
    epochs: int
    seconds: float
    core_flops: float
    rungs: int | None = None
    max_flops: int | None = None
    flops_of_training: bool = False

    def settings(self) -> dict[str, Any]:
        """The resulting settings of the run."""
        bounds = {"rungs": self.rungs, "max_flops": self.max_flops, "flops_of_training": self.flops_of_training or None}
        return {"epochs": self.epochs} | {name: value for name, value in bounds.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Its record in the run."""
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
    """Estimated seconds of an epoch on one core.

    Args:
        graph: the architecture.
        num_features, num_outputs: of the network.
        rows, validation_rows: of an epoch.
        speed: of the trainer.
        flops: operations a second of the core.
        sample_shape: of a sample, see `Problem.sample_shape`.
    """
    size = num_features, num_outputs, sample_shape
    operations: int = count_flops(graph, *size) - count_frozen_flops(graph, *size)
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
    """The start of a short run; None to use the strategy's own first generation.

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
        known: genomes of known defaults, for each the widest first; a short run uses those whose cost is at most the
            mean allowed one.
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
    of_training = settings.max_flops is None and has_frozen_layers(space)
    return FirstGeneration(genomes, cut.epochs, taken, core, cut.rungs, most_flops, of_training)


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
    """The first generation of a short run over a table, the most epochs of a network, and the expected seconds.

    Args:
        space: of the genomes.
        initial: genomes to include regardless of their cost.
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
    """The first generation of a short run over samples: the given genomes, and as many random ones that are not tiny as
    fit.

    Args:
        space: of the genomes.
        begun: genomes to include regardless of their cost.
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
    """For each known default its first, and thus widest, genome that fits."""
    firsts = (next(filter(fits, variants), None) for variants in known)
    return [genome for genome in firsts if genome is not None]


def _different(space: Any, genomes: Iterable[Any]) -> tuple[Any, ...]:
    """The genomes in order, without duplicate networks."""
    found: dict[str, Any] = {}
    for genome in genomes:
        found.setdefault(space.digest(genome), genome)
    return tuple(found.values())


@dataclass(frozen=True)
class _Cut:
    """Epochs of a short run over samples: of the first rung, in total, and the number of rungs."""

    first: int
    epochs: int
    rungs: int


def _cut(
    settings: Settings, first: int, affordable: int, limit: float, cheapest: Callable[[int], float], passes: int = 1
) -> _Cut:
    """The largest number of rungs that a cheap network can complete within the limit.

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
    graphs = [problem.attach_columns(space.architecture(genome)) for genome in genomes]
    return max([least, *(count_flops(graph, *size) - count_frozen_flops(graph, *size) for graph in graphs)])


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
    """The genomes, in order, of which `count` are expected to fit together; at least the cheapest ones."""
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
    trainings, sizes = len(data.splits) * settings.replicates + data.refits, (rows, len(split.y_validation))

    @cache
    def seconds(genome: Any) -> tuple[float, float]:
        """Seconds of its start and of an epoch."""
        graph = problem.attach_columns(space.architecture(genome))
        features = num_visible_columns(problem.views, problem.num_features, problem.num_outputs, *views_of(graph))
        epoch = training_seconds(graph, features, problem.num_outputs, *sizes, speed, flops, problem.sample_shape)
        frozen = count_frozen_flops(graph, features, problem.num_outputs, problem.sample_shape) * sum(sizes)
        start = speed.start_seconds + speed.layer_seconds * (len(graph) - 1) + frozen / (speed.share * flops)
        return start, epoch

    def cost(genome: Any, epochs: int) -> float:
        start, epoch = seconds(genome)
        return trainings * (start + epochs * epoch)

    return cost
