"""Dense genomes as named values, for methods that do not know layers: the genes of a space, and conversion both ways.

Widths, activations and edges are conditional genes, active if the network has enough layers. Values may be chosen one
by one in the order of the genes; inconsistent values are repaired (the widths of a pyramid are sorted, a layer without
source or user is connected as in a chain), so that every choice yields a genome.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from genomes.dense.genes import DENSE_OUTPUT_GENES, MEMBER_GENES, OPTIMIZERS_OF, SETTINGS, gene_of, with_genes
from genomes.dense.genome import DenseGenome, Layer, replace_fields
from genomes.dense.neighbourhood import neighbours_from_values, neighbours_genes, neighbours_values
from genomes.dense.wiring import Wires, chain, rewire, wires_of
from genomes.domains import Choice, Domain, Value
from genomes.gene import Condition, Gene, drop_inactive

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = ["from_values", "genes", "values"]

_SWITCH = Choice((False, True))


def genes(space: DenseSpace) -> tuple[Gene, ...]:
    """The genes that are not fixed, each after those in its condition."""
    most = space.max_layers
    parts = [Gene(space.domain("layers"), (), "layers")]
    for name, scope in (("units", space.shape == "uniform"), ("activation", space.activation_scope == "network")):
        if scope and most:
            parts.append(Gene(space.domain(name), _layer_condition(space, 1), name))
        else:
            parts += [Gene(space.domain(name), _layer_condition(space, k), f"{name}_{k}") for k in range(1, most + 1)]
    if space.skip_connections:
        for k in range(1, most + 1):
            parts += [Gene(_SWITCH, _layer_condition(space, k), _edge(u, k, most + 1)) for u in range(k)]
        parts += [Gene(_SWITCH, _layer_condition(space, u), _edge(u, most + 1, most + 1)) for u in range(most + 1)]
    for name in SETTINGS:
        of_layers = name in ("dropout", "normalization", "parametric_activation")
        if of_layers and not most:
            continue
        when = _layer_condition(space, 1) if of_layers else ()
        if name in OPTIMIZERS_OF:
            acting = space.optimizers_of(name)
            if not acting:
                continue
            whichever = len(acting) == len(space.domain("optimizer").options)  # type: ignore[union-attr]
            when = () if whichever else (("optimizer", Choice(acting)),)
        if name in (*_EMBEDDINGS, *MEMBER_GENES):
            condition = _switch_condition(space, name)
            if condition is None:
                continue
            when = condition
        if name in DENSE_OUTPUT_GENES and space.is_free("output"):
            when = (*when, ("output", Choice(("dense",))))
        elif name in DENSE_OUTPUT_GENES and not space.domain("output").contains("dense"):
            continue
        parts.append(Gene(space.domain(name), when, name))
    return (*parts, *neighbours_genes(space))


#: Gene -> the embeddings with which it is active.
_EMBEDDINGS = {
    "embedding_units": ("linear", "tree", "periodic"),
    "embedding_sigma": ("periodic",),
    "embedding_rate": ("linear", "tree", "periodic"),
    "numbers": ("none",),
    "scaling": ("none",),
}


def _switch_condition(space: DenseSpace, name: str) -> Condition | None:
    """The condition of a gene of the embedding or the members; None if the gene is never active."""
    if name in _EMBEDDINGS:
        domain = space.domain("embedding")
        options = domain.options if isinstance(domain, Choice) else ()
        kept = tuple(option for option in options if option in _EMBEDDINGS[name])
        if not kept:
            return None
        return () if len(kept) == len(options) else (("embedding", Choice(kept)),)
    least = 2 if name == "member_start" else 1
    if space.max_layers < least:
        return None
    when = _layer_condition(space, least)
    several = space.domain("members").restrict(low=2)
    if name == "members":
        return when
    if several is None:
        return None
    return when if space.domain("members").least > 1 else (*when, ("members", several))


def values(space: DenseSpace, genome: DenseGenome) -> dict[str, Value]:
    """The values of the genes that are active in the genome."""
    count, wires = len(genome.layers), wires_of(genome)
    all_values: dict[str, Value] = {"layers": count}
    for k, layer in enumerate(genome.layers, start=1):
        for name in ("units", "activation"):
            all_values[name] = all_values[f"{name}_{k}"] = getattr(layer, name)
    for node, wire in enumerate(wires, start=1):
        to = space.max_layers + 1 if node == count + 1 else node
        all_values |= {_edge(u, to, space.max_layers + 1): u in wire for u in range(node)}
    all_values |= {name: gene_of(genome, name) for name in SETTINGS}
    all_values |= neighbours_values(space, genome.neighbours)
    active: dict[str, Value] = {}
    for gene in space.genes:
        if gene.is_active(active):
            active[gene.name] = all_values[gene.name]
    return active


def from_values(space: DenseSpace, given: Mapping[str, Value]) -> DenseGenome:
    """The genome with these values, as `DenseSpace.from_values`."""
    active = drop_inactive(space.genes, given)
    count = int(active["layers"])
    units, activations = (_layer_values(name, active, count) for name in ("units", "activation"))
    if space.shape == "pyramid":
        units.sort(reverse=True)
    layers = [Layer(*parts, sources=()) for parts in zip(units, activations, strict=True)]
    genome = rewire(DenseGenome((), (0,)), layers, _wires(space, active, count))
    genome = with_genes(genome, {name: active.get(name, _idle(space.domain(name))) for name in SETTINGS})
    return replace_fields(genome, neighbours=neighbours_from_values(space, active))


def _layer_condition(space: DenseSpace, k: int) -> Condition:
    """The condition that there are at least k layers; empty if it always holds."""
    enough = space.domain("layers").restrict(low=k)
    return () if enough is None or space.domain("layers").least >= k else (("layers", enough),)


def _layer_values(name: str, active: Mapping[str, Value], count: int) -> list[Value]:
    """The values of a gene for each layer, whether set per layer or for the whole network."""
    return [active[name] if name in active else active[f"{name}_{k}"] for k in range(1, count + 1)]


def _edge(source: int, node: int, output: int) -> str:
    return f"{f'input_{node}' if node < output else 'output'}_from_{source}"


def _wires(space: DenseSpace, active: Mapping[str, Value], count: int) -> Wires:
    """The selected edges, with chain edges added for nodes without source or user."""
    if not space.skip_connections:
        return chain(count)
    output = space.max_layers + 1
    wires: Wires = []
    for node in range(1, count + 2):
        to = output if node == count + 1 else node
        wires.append({u for u in range(node) if active[_edge(u, to, output)]} or {node - 1})
    for u in range(1, count + 1):
        if not any(u in wire for wire in wires):
            wires[u].add(u)  # the next node takes it
    return wires


def _idle(domain: Domain) -> Value:
    """The value of an inactive gene."""
    return domain.options[0] if isinstance(domain, Choice) else domain.least
