"""The planner: which networks share a compiled program, and how wide it is. Pure Python, tested without Keras.

A program is compiled for one padded shape. Fewer programs cost less compilation and more padding; the cost model weighs
one against the other for the device at hand. Plans are a pure function of the networks and of the shapes planned before
(the `shape_cache`, so that programs are reused across generations); measured times are not used, so that a resumed run
makes the same plans.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from typing import Any

from evonas.training import optimizers
from evonas.training.population import activations
from evonas.training.population.cost import Device, compile_seconds, pack_bytes, step_parts
from evonas.training.population.network import Network
from evonas.training.population.shape import MIXED, ProgramShape, shape_from_json
from genomes.errors import InputError

__all__ = ["Planner", "ProgramRun", "Workload"]


@dataclass(frozen=True)
class Workload:
    """Properties common to all networks of a plan.

    Attributes:
        num_features: number of all features.
        num_outputs, loss, weighted, precision: as in `ProgramShape`.
        train_rows, validation_rows: of the largest fold.
        memory_bytes: maximum memory of one program's state.
        stops_early: whether trainings may end before their epochs; slots are then idle for longer at the end.
        views: view -> number of its features; views not listed have all.
    """

    num_features: int
    num_outputs: int
    loss: str
    train_rows: int
    validation_rows: int
    weighted: bool = False
    precision: str = "float32"
    memory_bytes: int = 1 << 30
    stops_early: bool = False
    views: Mapping[str, int] = field(default_factory=dict)

    def width(self, view: str) -> int:
        """Number of features of a view."""
        return self.views.get(view, self.num_features)


@dataclass(frozen=True)
class ProgramRun:
    """Members that are trained by one program, in this order.

    Attributes:
        shape: the program.
        members: indices into the planned networks.
        seconds: estimated cost, without compilation.
    """

    shape: ProgramShape
    members: tuple[int, ...]
    seconds: float


#: Minimum number of steps per call of a program, so that the call's overhead is small.
CALL_STEPS = 512
_MAX_EPOCHS_A_CALL = 16
_CHUNK_ROWS = 256
_CACHE_SIZE = 64
_MOST_COMPARED = 200


@dataclass(frozen=True)
class _Cluster:
    shape: ProgramShape
    members: tuple[int, ...]
    steps: int
    compiled: bool = False


@dataclass
class Planner:
    """Plans generation after generation; the cache of planned shapes is its only state.

    Attributes:
        device: the cost model's constants.
        shape_cache: shapes planned so far, most recently used last.
    """

    device: Device
    shape_cache: list[ProgramShape] = field(default_factory=list)

    def state(self) -> list[dict[str, Any]]:
        """The cache as JSON values."""
        return [asdict(shape) for shape in self.shape_cache]

    def restore(self, state: list[dict[str, Any]] | None) -> None:
        """Restores the cache.

        Raises:
            InputError: the state does not belong to this planner.
        """
        try:
            self.shape_cache = [shape_from_json(value) for value in state or ()]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the planner's state must be a list of program shapes: {error}; start a new run"
            ) from None

    def plan(self, networks: Sequence[Network], epochs: Sequence[int], workload: Workload) -> list[ProgramRun]:
        """Partitions the networks into parts, one per program, the most expensive first.

        Args:
            networks: networks to train.
            epochs: maximum epochs of each.
            workload: their common properties.
        """
        needs: dict[ProgramShape, list[int]] = {}
        for position, network in enumerate(networks):
            needs.setdefault(self.need(network, workload), []).append(position)
        steps = [e * math.ceil(workload.train_rows / n.batch_size) for n, e in zip(networks, epochs, strict=True)]
        clusters = [_Cluster(shape, tuple(m), sum(steps[k] for k in m)) for shape, m in needs.items()]
        clusters = [_Cluster(shape, (), 0, compiled=True) for shape in self.shape_cache] + clusters
        # First among networks of equal depth, which share best and are fewer to compare; then across depths.
        depths = sorted({len(cluster.shape.widths) for cluster in clusters})
        deep = [self._coarsen([c for c in clusters if len(c.shape.widths) == depth], workload) for depth in depths]
        clusters = [merged for each in deep for merged in self._merge(each, workload)]
        clusters = [c for c in self._merge(clusters, workload) if c.members]
        parts = []
        for cluster in clusters:
            shape = self._with_slots(cluster, workload)
            # Networks of equal batch size and length are adjacent, so that their slots step and end together.
            ordered = sorted(cluster.members, key=lambda k: (networks[k].batch_size, -steps[k], k))
            parts.append(
                ProgramRun(
                    shape, tuple(ordered), self._run_seconds(shape, shape.slots, len(ordered), cluster.steps, workload)
                )
            )
        self._remember([part.shape for part in parts])
        return sorted(parts, key=lambda part: -part.seconds)

    def need(self, network: Network, workload: Workload) -> ProgramShape:
        """The smallest shape of the width buckets that holds a network."""
        steps = math.ceil(workload.train_rows / network.batch_size)
        saturating, smooth, gaussian, mish = activations.terms(network.activations)
        first_moment, second_moment = optimizers.moments(network.optimizer)
        return ProgramShape(
            slots=1,
            num_features=workload.width(network.view),
            num_outputs=workload.num_outputs,
            loss=workload.loss,
            widths=tuple(_round_widths(width, self.device.width_buckets) for width in network.widths),
            edges=network.edges,
            rows=network.batch_size,
            steps=steps,
            epochs=min(max(CALL_STEPS // steps, 1), _MAX_EPOCHS_A_CALL),
            chunks=math.ceil(workload.validation_rows / _CHUNK_ROWS),
            chunk_rows=min(_CHUNK_ROWS, workload.validation_rows),
            batch_norm="batch" in network.normalizations,
            layer_norm="layer" in network.normalizations,
            dropout=any(rate > 0.0 for rate in network.dropouts),
            penalised=any(factor > 0.0 for factor in network.penalties),
            saturating=saturating,
            smooth=smooth,
            gaussian=gaussian,
            mish=mish,
            first_moment=first_moment,
            second_moment=second_moment,
            weighted=workload.weighted,
            precision=workload.precision,
            view=network.view,
        )

    def _cost(self, cluster: _Cluster, workload: Workload) -> float:
        """Estimated seconds of a cluster, with compilation."""
        if not cluster.members:
            return 0.0
        run = self._run_seconds(
            cluster.shape, self._best_slots(cluster, workload), len(cluster.members), cluster.steps, workload
        )
        if cluster.compiled:
            return run
        return run + self.device.compile_weight * compile_seconds(cluster.shape, self.device)

    def _run_seconds(self, shape: ProgramShape, slots: int, count: int, steps: int, workload: Workload) -> float:
        overhead, work = step_parts(shape, self.device)
        return _rounds(count, slots, workload) * (steps / count) * (overhead + slots * work) * 1e-6

    def _best_slots(self, cluster: _Cluster, workload: Workload) -> int:
        if cluster.compiled:
            return cluster.shape.slots
        count = len(cluster.members)
        overhead, work = step_parts(cluster.shape, self.device)
        rounds = {slots: _rounds(count, slots, workload) for slots in self.device.slots}
        return min(rounds, key=lambda slots: (rounds[slots] * (overhead + slots * work), slots))

    def _coarsen(self, clusters: list[_Cluster], workload: Workload) -> list[_Cluster]:
        """At most about `_MOST_COMPARED` clusters, rounding widths to every second bucket repeatedly if necessary.

        Comparing all pairs takes quadratic time, and large populations end in few programs anyway.
        """
        width_buckets = self.device.width_buckets
        while len(clusters) > _MOST_COMPARED and len(width_buckets) > 1:
            width_buckets = width_buckets[1::2]
            held: dict[ProgramShape, _Cluster] = {}
            for cluster in clusters:
                if cluster.members:
                    widths = tuple(_round_widths(width, width_buckets) for width in cluster.shape.widths)
                    cluster = replace(cluster, shape=replace(cluster.shape, widths=widths))
                same = held.get(cluster.shape)
                held[cluster.shape] = _union(same, cluster, workload) if same else cluster
            clusters = list(held.values())
        return clusters

    def _merge(self, clusters: list[_Cluster], workload: Workload) -> list[_Cluster]:
        """Merges the pair that saves most until no merge within the memory limit saves anything."""
        held = dict(enumerate(clusters))
        costs = {k: self._cost(c, workload) for k, c in held.items()}
        gains: dict[tuple[int, int], tuple[float, _Cluster]] = {}

        def consider(a: int, b: int) -> None:
            if held[a].members or held[b].members:
                merged = _union(held[a], held[b], workload)
                gain = costs[a] + costs[b] - self._cost(merged, workload)
                if gain > 0.0 and pack_bytes(merged.shape) <= workload.memory_bytes:
                    gains[a, b] = gain, merged

        for a in held:
            for b in range(a + 1, len(clusters)):
                consider(a, b)
        fresh = len(clusters)
        while gains:
            a, b = max(gains, key=lambda pair: (gains[pair][0], -pair[0], -pair[1]))
            held[fresh] = gains[a, b][1]
            costs[fresh] = self._cost(held[fresh], workload)
            del held[a], held[b]
            gains = {pair: gain for pair, gain in gains.items() if a not in pair and b not in pair}
            for other in held:
                if other != fresh:
                    consider(other, fresh)
            fresh += 1
        return list(held.values())

    def _with_slots(self, cluster: _Cluster, workload: Workload) -> ProgramShape:
        """The cluster's shape with as many slots as serve it best within the memory budget."""
        if cluster.compiled:
            return cluster.shape
        shape = replace(cluster.shape, slots=self._best_slots(cluster, workload))
        while shape.slots > 1 and pack_bytes(shape) > workload.memory_bytes:
            shape = replace(shape, slots=shape.slots // 2)
        return shape

    def _remember(self, shapes: list[ProgramShape]) -> None:
        used = list(dict.fromkeys(shapes))
        self.shape_cache = [shape for shape in self.shape_cache if shape not in used] + used
        del self.shape_cache[:-_CACHE_SIZE]


def _rounds(count: int, slots: int, workload: Workload) -> float:
    """How often the slots are filled; of trainings that stop early, half of the last round runs half empty."""
    if not workload.stops_early:
        return math.ceil(count / slots)
    return max(1.0, (count + 0.5 * (slots - 1)) / slots)


def _round_widths(width: int, width_buckets: tuple[int, ...]) -> int:
    for bucket in width_buckets:
        if width <= bucket:
            return bucket
    return math.ceil(width / width_buckets[-1]) * width_buckets[-1]


def _union(a: _Cluster, b: _Cluster, workload: Workload) -> _Cluster:
    """Merges two clusters into one whose shape holds both; reuses a compiled shape if one does.

    The layers of a shallower network are the first ones of the shape; the output takes what the network's output takes.
    """
    p, q = a.shape, b.shape
    output = max(p.output, q.output)
    each = [{(u, output if v == shape.output else v) for u, v in shape.edges} for shape in (p, q)]
    edges = tuple(sorted(each[0] | each[1], key=lambda edge: (edge[1], edge[0])))
    steps = max(p.steps, q.steps)
    view = p.view if p.view == q.view else MIXED
    shape = replace(
        p,
        view=view,
        num_features=workload.width(view),
        widths=tuple(max(pair) for pair in zip_longest(p.widths, q.widths, fillvalue=0)),
        edges=edges,
        rows=max(p.rows, q.rows),
        steps=steps,
        epochs=min(p.epochs, q.epochs),
        batch_norm=p.batch_norm or q.batch_norm,
        layer_norm=p.layer_norm or q.layer_norm,
        dropout=p.dropout or q.dropout,
        penalised=p.penalised or q.penalised,
        saturating=p.saturating or q.saturating,
        smooth=p.smooth or q.smooth,
        gaussian=p.gaussian or q.gaussian,
        mish=p.mish or q.mish,
        first_moment=p.first_moment or q.first_moment,
        second_moment=p.second_moment or q.second_moment,
        mixed_edges=p.mixed_edges or q.mixed_edges or each[0] != each[1],
    )
    for cluster in (a, b):
        if cluster.compiled and replace(shape, slots=cluster.shape.slots, epochs=cluster.shape.epochs) == cluster.shape:
            return _Cluster(cluster.shape, a.members + b.members, a.steps + b.steps, compiled=True)
    return _Cluster(shape, a.members + b.members, a.steps + b.steps)
