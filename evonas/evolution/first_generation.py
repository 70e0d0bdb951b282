"""A first generation that can be trained in a short time: as it would be, or of smaller networks where those are many.

A run of seconds is worth most when it has compared a whole generation of cheap networks, instead of a few costly ones.
What a network costs is foreseen from its architecture, the rows and what one core of this machine computes. Where the
time is long enough for the generation that the strategy would begin with, nothing is changed. Else random networks
that are cheap enough take their place: as genomes to begin with, in the strategy's recorded state, so that a resumed
run asks for the same. Networks of later generations may be of any size.

Not for users' own models or GPUs, whose cost cannot be predicted, nor where weights are evolved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from evonas.data.neighbours import num_visible_columns
from evonas.machine import core_share, multiplications_a_second
from evonas.networks.initial import rows_of_epoch
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
#: Of these the cheapest, so many for each one that is wanted, are cheap enough whatever they cost: not all alike.
_CHEAPEST = 3
#: What networks may take together, over what there is, before their epochs are cut; and the fewest epochs that they
#: are cut to.
_TOLERANCE, _FEWEST_EPOCHS = 1.25, 3
#: Epochs of networks over images, series and texts that are worth more than further networks: these begin slowly, and a
#: good one says more after few epochs than a tiny one after all. Only while the number of epochs was not set.
_TELLING_EPOCHS = 10
#: Of these, known defaults may cost what they would if a generation had so few networks.
_FEW_NETWORKS = 8
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
    """

    share: float
    step_seconds: float
    start_seconds: float
    at_once: bool


#: Trainer -> its speed on a CPU, rather too low than too high.
SPEEDS = {
    "native": Speed(0.2, 15e-6, 0.02, True),
    "single": Speed(0.2, 300e-6, 2.0, True),
}


@dataclass(frozen=True)
class FirstGeneration:
    """What a run of short time begins with.

    Attributes:
        genomes: the networks.
        epochs: the most that any network of the run trains.
        seconds: in which they are expected to be trained.
        core_flops: operations a second that one core was measured to do.
    """

    genomes: tuple[Any, ...]
    epochs: int
    seconds: float
    core_flops: float

    def to_json(self) -> dict[str, Any]:
        """What a run records of it."""
        return {
            "networks": len(self.genomes),
            "epochs": self.epochs,
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
    whole = sum(cost(each.genome, each.epochs) for each in candidates)
    if whole <= room:
        return None
    if data.problem.sample_shape and epochs == most and "epochs" not in settings.model_fields_set:
        fewer = int(epochs * room / whole)
        if fewer >= _TELLING_EPOCHS:
            return FirstGeneration(tuple(each.genome for each in candidates), fewer, room, core)
        epochs = most = min(epochs, _TELLING_EPOCHS)
        shared = min(shared, _FEW_NETWORKS)
    mean = max(room - sum(cost(genome, epochs) for genome in initial), 0.0) / shared
    fit = (next((genome for genome in each if cost(genome, epochs) <= mean), None) for each in known)
    begun = (*initial, *(genome for genome in fit if genome is not None))
    kept = list({space.digest(genome): genome for genome in begun}.values())[: len(candidates)]
    room -= sum(cost(genome, epochs) for genome in kept)
    rng = first_generation_rng(settings.seed or 0)
    drawn = list(dict.fromkeys(space.sample(rng) for _ in range(_DRAWS * len(candidates))))
    costs = [cost(genome, epochs) for genome in drawn]
    wanted = len(candidates) - len(kept)
    found: dict[str, Any] = {}
    for genome in _cheap(drawn, costs, wanted, room):
        if len(found) < wanted:
            found.setdefault(space.digest(genome), genome)
    genomes = (*kept, *found.values())
    taken = sum(cost(genome, epochs) for genome in genomes[len(kept) :])
    if taken > _TOLERANCE * room and "epochs" not in settings.model_fields_set:
        most = min(most, max(_FEWEST_EPOCHS, int(most * max(room, 0.0) / taken)))
    return FirstGeneration(genomes, most, taken * most / epochs, core)


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
    def epoch(genome: Any) -> float:
        graph = problem.attach_columns(space.architecture(genome))
        features = num_visible_columns(problem.views, problem.num_features, problem.num_outputs, *views_of(graph))
        return training_seconds(graph, features, problem.num_outputs, *sizes, speed, flops, problem.sample_shape)

    def cost(genome: Any, epochs: int) -> float:
        return trainings * (speed.start_seconds + epochs * epoch(genome))

    return cost
