"""`HyperparameterSpace`: flat typed genes, a `genomes.space.SearchSpace`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genomes.checks import Kind, format_value, table
from genomes.codec import VERSION, check_header, sha256
from genomes.codes import Codes
from genomes.domains import Value, domain_to_json
from genomes.errors import InputError
from genomes.gene import Gene
from genomes.hyperparameters.features import Features, option_codes
from genomes.hyperparameters.genome import HyperparameterGenome
from genomes.hyperparameters.json import kind_of, read_genes
from genomes.hyperparameters.mutation import MUTATIONS, applies_to, complete_values
from genomes.operators import mutation_order

__all__ = ["HyperparameterSpace"]


@dataclass(frozen=True)
class HyperparameterSpace:
    """Named genes, for user-defined models.

    >>> import numpy as np
    >>> from genomes import Range
    >>> space = HyperparameterSpace({"filters": Range(8, 64, log=True), "pool": ["avg", "max"]})
    >>> genome = space.sample(np.random.default_rng(0))
    >>> space.contains(genome), sorted(genome)
    (True, ['filters', 'pool'])

    Attributes:
        genes: passed as a mapping from names to domains: a `Range`, a `Choice` or a list of options (all numbers, all
            names, or true and false; also a `range` or an array), a fixed value, a frozen scipy `uniform`, `loguniform`
            or `randint`, or a `Gene` of one of these with a condition. Stored as `Gene`s, each after those in its
            condition, otherwise sorted by name.

    Raises:
        InputError: a gene is invalid; the message names the gene, the value and the fix.
    """

    genes: tuple[Gene, ...]

    def __init__(self, genes: Mapping[str, Any]) -> None:
        object.__setattr__(self, "genes", read_genes(genes))

    # ---------------------------------------------------------------- operators

    @cached_property
    def mutations(self) -> tuple[str, ...]:
        """Names of the mutations that apply to this space."""
        return tuple(name for name in MUTATIONS if applies_to(name, self.genes))

    def sample(self, rng: np.random.Generator) -> HyperparameterGenome:
        """A random genome."""
        return HyperparameterGenome.from_values(complete_values({}, self.genes, rng))

    def mutate(
        self, genome: HyperparameterGenome, rng: np.random.Generator, operator: str | None = None
    ) -> tuple[HyperparameterGenome, str]:
        """A changed genome and the name of the mutation that made it.

        Args:
            operator: mutation to try first, by default a random one. If it does not apply, others are tried.

        Returns:
            A genome other than the given one; the given one and "none" if the space has no other.

        Raises:
            InputError: there is no such mutation.
        """
        for name in mutation_order(operator, MUTATIONS, self.mutations, rng):
            values = MUTATIONS[name](dict(genome.pairs), self.genes, rng)
            if values is not None:
                return HyperparameterGenome.from_values(complete_values(values, self.genes, rng)), name
        return genome, "none"

    def crossover(
        self, a: HyperparameterGenome, b: HyperparameterGenome, rng: np.random.Generator
    ) -> HyperparameterGenome:
        """Uniform crossover; genes that only one parent has are taken from that parent."""
        coins = rng.random(len(self.genes)) < 0.5
        first, second = dict(a.pairs), dict(b.pairs)
        mixed = first | second
        for gene, coin in zip(self.genes, coins.tolist(), strict=True):
            if coin and gene.name in first:
                mixed[gene.name] = first[gene.name]
        return HyperparameterGenome.from_values(complete_values(mixed, self.genes, rng))

    # ---------------------------------------------------------------- representations of genomes

    def contains(self, genome: Any) -> bool:
        """Whether the genome is a member of this space."""
        if not isinstance(genome, HyperparameterGenome):
            return False
        try:
            values = dict(genome.pairs)
            same = {name: (type(value), value) for name, value in values.items()}
            read = self._read(values, "genome")
            return genome == read and same == {name: (type(value), value) for name, value in read.items()}
        except (TypeError, ValueError):
            return False

    def digest(self, genome: HyperparameterGenome) -> str:
        """Hexadecimal digest of the values; absent genes do not affect it."""
        return sha256(self.genome_to_json(genome))

    def features(self, genome: HyperparameterGenome) -> NDArray[np.float64]:
        """The genome as numbers in [0, 1], shape `(num_features,)`; see `Features`."""
        return self._features(self.values(genome))

    @cached_property
    def _features(self) -> Features:
        return Features(self.genes)

    @cached_property
    def codes(self) -> Codes:
        """The codes of the space, for batches of genomes as rows of numbers."""
        return Codes(self.genes, lambda domain: bool(option_codes(domain)))

    @cached_property
    def _kinds(self) -> dict[str, Kind]:
        return {gene.name: kind_of(gene.domain) for gene in self.genes}

    def values(self, genome: HyperparameterGenome) -> dict[str, Value]:
        """The genome's values by the names of `genes`; `from_values` is the inverse."""
        return dict(genome.pairs)

    def from_values(self, values: Mapping[str, Value]) -> HyperparameterGenome:
        """The genome with these values, without those of inactive genes.

        Raises:
            InputError: a gene is unknown, or an active gene has no value or one outside its domain.
        """
        table(values, "genome", [gene.name for gene in self.genes])
        active: dict[str, Value] = {}
        for gene in self.genes:
            if gene.is_active(active):
                active |= {gene.name: values[gene.name]} if gene.name in values else {}
        return self._read(active, "genome")

    def genome_to_json(self, genome: HyperparameterGenome) -> dict[str, Any]:
        """The genome as JSON values: {"encoding": "hyperparameters", "version", "values": {...}}."""
        return {"encoding": "hyperparameters", "version": VERSION, "values": dict(genome.pairs)}

    def genome_from_json(self, value: Any) -> HyperparameterGenome:
        """Reads a genome. Raises InputError that names the location if the value is not a genome of this space."""
        check_header(value, "genome", "hyperparameters")
        return self._read(
            table(value, "genome", ("encoding", "version", "values"), required=("values",))["values"], "genome.values"
        )

    def _read(self, values: Any, place: str) -> HyperparameterGenome:
        """Reads the genome with exactly these values."""
        table(values, place, [gene.name for gene in self.genes])
        read: dict[str, Value] = {}
        for gene, where in ((gene, f"{place}.{gene.name}") for gene in self.genes):
            if not gene.is_active(read):
                if gene.name in values:
                    condition = {name: domain_to_json(domain) for name, domain in gene.when}
                    raise InputError(
                        f"{where} must be absent, as {format_value(condition)} does not hold: leave it out"
                    )
                continue
            if gene.optional and gene.name not in values:
                continue
            table(values, place, values, required=(gene.name,))
            value = self._kinds[gene.name].read(values[gene.name], where)
            if not gene.domain.contains(value):
                domain = format_value(domain_to_json(gene.domain))
                fix = "widen the space or change the genome"
                raise InputError(f"{where} must be in {domain} of the space, not {format_value(value)}: {fix}")
            read[gene.name] = value
        return HyperparameterGenome.from_values(read)

    # ---------------------------------------------------------------- serialisation

    def to_json(self) -> dict[str, Any]:
        """The space as JSON values: {"encoding": "hyperparameters", "version", "genes": {...}}."""
        genes = {gene.name: gene.to_json() for gene in self.genes}
        return {"encoding": "hyperparameters", "version": VERSION, "genes": genes}

    @classmethod
    def from_json(cls, value: Any) -> HyperparameterSpace:
        """Reads a space from JSON values.

        Raises:
            InputError: the value is not a hyperparameter space; the message names the gene, the value and the fix.
        """
        check_header(value, "space", "hyperparameters")
        return cls(table(value, "space", ("encoding", "version", "genes"), required=("genes",))["genes"])
