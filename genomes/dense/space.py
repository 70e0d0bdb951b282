"""`DenseSpace`: the dense networks that a search may try, a `genomes.space.SearchSpace`."""

# ruff: noqa: RUF009 (domains are frozen: as defaults they can be shared)

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genomes.architecture.graph import digest
from genomes.architecture.layers import ADAPTERS, EMBEDDINGS, MEMBER_STARTS, NUMERIC_ENCODINGS, OUTPUTS
from genomes.architecture.neighbours import read_columns
from genomes.checks import boolean, table
from genomes.codec import VERSION, canonical_json, check_header
from genomes.dense import flat
from genomes.dense.crossover import mix_settings, splice_layers
from genomes.dense.features import Features
from genomes.dense.genes import (
    DENSE_OUTPUT_GENES,
    EMBEDDING_GENES,
    MEMBER_GENES,
    NETWORK_GENES,
    OPTIMIZERS_OF,
    SETTINGS,
    TRAINING_GENES,
    gene_of,
    with_gene,
)
from genomes.dense.genome import DenseGenome, Layer
from genomes.dense.graph import to_graph
from genomes.dense.json import genome_from_json, genome_to_json
from genomes.dense.membership import faults
from genomes.dense.mutation import GENES_MOVED, MUTATIONS, STRUCTURAL
from genomes.dense.neighbourhood import MOST_LISTED, read_sets
from genomes.dense.sampling import sample, typical
from genomes.dense.tables import GENES, LISTS, TABLES, WORDS, read_tables
from genomes.domains import Choice, Domain, Range, Value, domain_to_json, read_domain
from genomes.errors import InputError
from genomes.gene import Gene
from genomes.mutations import mutate_once, read_names

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["DenseSpace"]

#: Accepted forms of a gene: a domain, the options of a choice, or a fixed value.
Given = Domain | Sequence[Value] | Value

#: Genes of hidden layers, which have no effect in a network without hidden layers.
_OF_LAYERS = (
    *("units", "activation", "skip_connections", "dropout", "normalization", "parametric_activation"),
    *MEMBER_GENES,
)


@dataclass(frozen=True)
class DenseSpace:
    """Networks of dense layers. Each gene is a `Range`, a `Choice` (or a list of options), or a fixed value.

    The default is a typical search space for tables: one to five layers of 16 to 256 units, activations that train
    well, no or moderate dropout and penalties, adaptive and momentum optimizers over a wide range of learning rates.

    >>> import numpy as np
    >>> space = DenseSpace(layers=Range(1, 3), activation=["relu", "tanh"], batch_size=64)
    >>> rng = np.random.default_rng(0)
    >>> child, mutation = space.mutate(space.sample(rng), rng)
    >>> space.contains(child), mutation in space.mutations
    (True, True)

    Attributes:
        layers: number of hidden layers, 0 to 64.
        units: width of a hidden layer, 1 to 65,536.
        shape: "free", "uniform" (all layers equally wide) or "pyramid" (no layer wider than the one before it).
        activation: among `genomes.dense.ACTIVATIONS`.
        activation_scope: "network" (the same for all layers) or "layer".
        skip_connections: whether a layer may take the outputs of several earlier layers; otherwise networks are chains.
        dropout: share of outputs dropped, 0 to 0.9.
        normalization: among "none", "batch", "layer".
        parametric_activation: whether each unit has a trained activation weight.
        initializer: initializer of all kernels.
        numbers: encoding of numeric columns, among `genomes.dense.genome.NUMERIC_ENCODINGS`. A search drops those that
            its table lacks.
        scaling: whether each feature has a trained factor before the first layer.
        category_units: output size of a trained map of each categorical column, 0 (none) to 256. Fixed to 0 for data
            without categorical columns and on GPUs.
        neighbours: whether networks may have features that are mean targets of the training rows nearby in some
            columns, see `genomes.dense.Neighbours`. Columns and bandwidths are genes.
        neighbour_columns: names of the standardised numeric columns to choose from; filled in by a search if empty.
        neighbour_sets: promising sets of these columns, best first, from which half of the samples are drawn; filled in
            together with the columns.
        embedding: embedding of numeric columns, among `genomes.dense.EMBEDDINGS`; half of all random networks have
            "none" if the space allows it. Fixed to "none" for data without numeric columns and on GPUs.
        embedding_units: output size per column, 2 to 256.
        embedding_sigma: standard deviation of the initial frequencies of "periodic", 0.001 to 1,000.
        members: number of weight-sharing networks, 1 to 64; four in five random networks have 1 if the space allows it.
            Fixed to 1 on GPUs.
        adapters, member_start: see `genomes.dense.DenseGenome`.
        output: "dense", or "neighbours" for predictions from learned neighbours, see `genomes.dense.DenseGenome`; four
            in five random networks have "dense" if the space allows it. Fixed to "dense" on GPUs, for weighted rows
            and for quantiles.
        optimizer, learning_rate, batch_size, schedule, warmup, l2, weight_decay, beta2, label_smoothing, bias_rate,
            embedding_rate, output_rate, parametrization, decay_schedule, bias_initializer: see
            `genomes.dense.Training`. A gene that can be off is a range with `zero=True`.

        extra_mutations: names of user-defined mutations in addition to the built-in ones, see `genomes.mutations`.

    Raises:
        InputError: a value is invalid for its gene; the message names the table, the key, the value and the fix.
    """

    layers: Given = Range(1, 5)
    units: Given = Range(16, 256, log=True)
    shape: str = "free"
    activation: Given = Choice(("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh"))
    activation_scope: str = "network"
    skip_connections: bool = False
    dropout: Given = Range(0.05, 0.5, zero=True)
    normalization: Given = Choice(("none", "batch", "layer"))
    initializer: Given = Choice(("glorot_uniform", "he_normal", "lecun_normal"))
    embedding: Given = Choice(EMBEDDINGS)
    embedding_units: Given = Range(4, 32, log=True)
    embedding_sigma: Given = Range(0.01, 50.0, log=True)
    numbers: Given = Choice(NUMERIC_ENCODINGS)
    scaling: Given = Choice((False, True))
    category_units: Given = 0
    parametric_activation: Given = False
    neighbours: bool = True
    neighbour_columns: tuple[str, ...] = ()
    neighbour_sets: tuple[tuple[str, ...], ...] = ()
    members: Given = Choice((1, 8))
    adapters: Given = Choice(ADAPTERS)
    member_start: Given = Choice(MEMBER_STARTS)
    output: Given = Choice(OUTPUTS)
    optimizer: Given = Choice(("nesterov", "rmsprop", "adam", "adamw", "nadam"))
    learning_rate: Given = Range(1e-4, 3e-2, log=True)
    batch_size: Given = Choice((32, 64, 128, 256))
    schedule: Given = Choice(("constant", "cosine", "exponential", "flat_cosine"))
    warmup: Given = Choice((0.0, 0.05, 0.1))
    l2: Given = Range(1e-6, 1e-3, log=True, zero=True)
    weight_decay: Given = Range(1e-5, 1e-1, log=True, zero=True)
    beta2: Given = Choice((0.95, 0.99, 0.999))
    label_smoothing: Given = Choice((0.0, 0.05, 0.1, 0.2))
    bias_rate: Given = 1.0
    embedding_rate: Given = 1.0
    output_rate: Given = 1.0
    parametrization: Given = "standard"
    decay_schedule: Given = "constant"
    bias_initializer: Given = "zeros"
    extra_mutations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for place, kinds in (("network", NETWORK_GENES), ("training", TRAINING_GENES)):
            for name, kind in kinds.items():
                object.__setattr__(self, name, read_domain(getattr(self, name), kind, f"{place}.{name}"))
        for name, word in WORDS.items():
            word.read(getattr(self, name), f"network.{name}")
        boolean(self.skip_connections, "network.skip_connections")
        boolean(self.neighbours, "network.neighbours")
        columns = read_columns(self.neighbour_columns, "network.neighbour_columns", MOST_LISTED)
        object.__setattr__(self, "neighbour_columns", columns)
        object.__setattr__(self, "extra_mutations", read_names(self.extra_mutations))
        object.__setattr__(self, "neighbour_sets", read_sets(self.neighbour_sets, columns, MOST_LISTED))

    # ---------------------------------------------------------------- contents

    @property
    def layer_kinds(self) -> frozenset[str]:
        """Layer kinds that its networks may have."""
        return frozenset({"dense"})

    @cached_property
    def mutations(self) -> tuple[str, ...]:
        """Names of the mutations that apply to this space."""
        own = tuple(name for name in MUTATIONS if any(self.is_free(gene) for gene in GENES_MOVED[name]))
        return (*own, *self.extra_mutations)

    @property
    def structural_mutations(self) -> frozenset[str]:
        """Names of the mutations of layers and their connections."""
        return STRUCTURAL

    def with_gene(self, genome: DenseGenome, gene: str, value: Value) -> DenseGenome:
        """The genome with another value of a gene of the network or its training."""
        return with_gene(genome, gene, value)

    def domain(self, gene: str) -> Domain:
        """The domain of a gene."""
        domain: Domain = getattr(self, gene)
        return domain

    def is_free(self, gene: str) -> bool:
        """Whether the gene is free and has an effect."""
        return gene in self._free

    @cached_property
    def _free(self) -> frozenset[str]:
        return frozenset(
            gene
            for gene in (*NETWORK_GENES, *TRAINING_GENES, "skip_connections", "neighbours")
            if self._compute_is_free(gene)
        )

    def _compute_is_free(self, gene: str) -> bool:
        if gene == "neighbours":
            return self.neighbours and bool(self.neighbour_columns)
        if gene in OPTIMIZERS_OF and not self.optimizers_of(gene):
            return False
        if gene in DENSE_OUTPUT_GENES and not self.domain("output").contains("dense"):
            return False
        if gene in _OF_LAYERS and not self.max_layers:
            return False
        if (gene in EMBEDDING_GENES[1:] and not self._has_embedding(gene)) or (
            gene in MEMBER_GENES[1:] and self.domain("members").greatest == 1
        ):
            return False
        if gene in ("numbers", "scaling") and not self.domain("embedding").contains("none"):
            return False
        if gene == "member_start" and self.max_layers < 2:
            return False
        return self.skip_connections if gene == "skip_connections" else not self.domain(gene).is_fixed

    def optimizers_of(self, gene: str) -> tuple[str, ...]:
        """The optimizers of this space with which a gene of `genomes.dense.genes.OPTIMIZERS_OF` has an effect."""
        domain = self.domain("optimizer")
        return tuple(each for each in OPTIMIZERS_OF[gene] if domain.contains(each))

    def _has_embedding(self, gene: str) -> bool:
        """Whether the space has an embedding that uses this gene."""
        kinds = ("periodic",) if gene == "embedding_sigma" else ("linear", "tree", "periodic")
        return any(self.domain("embedding").contains(kind) for kind in kinds)

    @property
    def max_layers(self) -> int:
        """The maximum number of hidden layers."""
        return int(self.domain("layers").greatest)

    def next_count(self, count: int) -> int | None:
        """The next larger number of layers that is allowed; None if there is none."""
        larger = self.domain("layers").restrict(low=count + 1)
        return None if larger is None else int(larger.least)

    def previous_count(self, count: int) -> int | None:
        """The next smaller number of layers that is allowed; None if there is none."""
        smaller = self.domain("layers").restrict(high=count - 1)
        return None if smaller is None else int(smaller.greatest)

    def units_between(self, before: Layer | None = None, after: Layer | None = None) -> Domain:
        """Valid widths of a layer between two others, which restrict it only in a pyramid."""
        domain = self.domain("units")
        if self.shape != "pyramid":
            return domain
        low, high = after.units if after else -math.inf, before.units if before else math.inf
        return domain.restrict(low, high) or domain  # never empty: the neighbours are members

    # ---------------------------------------------------------------- operators

    def sample(self, rng: np.random.Generator) -> DenseGenome:
        """A random genome: half of them are chains, the others have a few skip connections if the space allows them."""
        return sample(self, rng)

    def typical(self) -> DenseGenome:
        """A genome in the middle of the space; deterministic."""
        return typical(self)

    def mutate(
        self, genome: DenseGenome, rng: np.random.Generator, operator: str | None = None
    ) -> tuple[DenseGenome, str]:
        """A changed genome and the name of the mutation that made it.

        Args:
            operator: mutation to try first, by default a random one. If it does not apply, others are tried.

        Returns:
            A genome other than the given one; the given one and "none" if the space has no other.

        Raises:
            InputError: there is no such mutation.
        """
        if (found := mutate_once(genome, self, MUTATIONS, operator, rng)) is not None:
            return found
        for gene in SETTINGS:  # no active gene can change, only inactive ones
            if not (domain := self.domain(gene)).is_fixed:
                return with_gene(genome, gene, domain.vary(gene_of(genome, gene), rng)), "change_training_gene"
        return genome, "none"

    def crossover(self, a: DenseGenome, b: DenseGenome, rng: np.random.Generator) -> DenseGenome:
        """A child with the first layers of one parent, the last layers of the other, and training genes of both."""
        if rng.random() < 0.5:
            a, b = b, a
        return mix_settings(splice_layers(a, b, self, rng), b, rng)

    # ---------------------------------------------------------------- representations of genomes

    def contains(self, genome: Any) -> bool:
        """Whether the genome is a member of this space."""
        if not isinstance(genome, DenseGenome):
            return False
        try:
            value = genome_to_json(genome)
            canonical_json(value)  # fails for numpy numbers, which Keras rejects
            return next(faults(self, genome_from_json(value)), None) is None
        except (TypeError, ValueError):
            return False

    def architecture(self, genome: DenseGenome) -> nx.DiGraph:
        """The graph that training sees; see `genomes.architecture.graph`."""
        return to_graph(genome)

    def digest(self, genome: DenseGenome) -> str:
        """Hexadecimal digest of the network and its training settings."""
        return digest(to_graph(genome))

    def features(self, genome: DenseGenome) -> NDArray[np.float64]:
        """The genome as numbers in [0, 1], shape `(num_features,)`; see `genomes.dense.features`."""
        return self._features(genome)

    @cached_property
    def _features(self) -> Features:
        return Features(self)

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The space as named genes; see `genomes.dense.flat`."""
        return flat.genes(self)

    def values(self, genome: DenseGenome) -> dict[str, Value]:
        """The genome's values by the names of `genes`; `from_values` returns a genome with the same digest."""
        return flat.values(self, genome)

    def from_values(self, values: Mapping[str, Value]) -> DenseGenome:
        """The genome with these values, without those of inactive genes.

        Raises:
            InputError: a gene is unknown, or an active gene has no value or one outside its domain.
        """
        return flat.from_values(self, values)

    def known_defaults(self, task: str) -> tuple[Mapping[str, DenseGenome], ...]:
        """Published defaults for a task, see `genomes.dense.known_defaults`."""
        from genomes.dense.known_defaults import known_defaults  # imports this module for its type

        return known_defaults(self, task)

    def known_defaults_of_few_rows(self, task: str) -> tuple[Mapping[str, DenseGenome], ...]:
        """The same with smaller batches, for few rows."""
        from genomes.dense.known_defaults import known_defaults

        return known_defaults(self, task, few_rows=True)

    def genome_to_json(self, genome: DenseGenome) -> dict[str, Any]:
        """The genome as JSON values."""
        return genome_to_json(genome)

    @staticmethod
    def read_genome(value: Any) -> DenseGenome:
        """Reads a genome of this encoding, in this space or not. Raises InputError that names the location."""
        return genome_from_json(value)

    def genome_from_json(self, value: Any) -> DenseGenome:
        """Reads a genome. Raises InputError that names the location if the value is not a genome of this space."""
        genome = genome_from_json(value)
        for place, fault in faults(self, genome):
            raise InputError(f"genome.{place} {fault}: widen the space or change the genome")
        return genome

    # ---------------------------------------------------------------- serialisation

    def to_json(self) -> dict[str, Any]:
        """The space as JSON values: {"encoding": "dense", "version", "network": {...}, "training": {...}}."""
        extra = {"extra_mutations": list(self.extra_mutations)} if self.extra_mutations else {}
        return {"encoding": "dense", "version": VERSION, **extra} | {
            name: {key: self._key_to_json(key) for key in keys if key not in LISTS or getattr(self, key)}
            for name, keys in TABLES.items()
        }

    @classmethod
    def from_json(cls, value: Any) -> DenseSpace:
        """Reads a space; missing keys are as in the default space.

        Raises:
            InputError: the value is not a dense space; the message names the table, the key, the value and the fix.
        """
        check_header(value, "space", "dense")
        table(value, "space", ("encoding", "version", "extra_mutations", *TABLES))
        return cls(**read_tables(value), extra_mutations=read_names(value.get("extra_mutations", [])))

    def _key_to_json(self, key: str) -> Any:
        if key in LISTS:
            return [each if isinstance(each, str) else list(each) for each in getattr(self, key)]
        return domain_to_json(self.domain(key)) if key in GENES else getattr(self, key)
