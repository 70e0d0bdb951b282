"""`StagedSpace`: the base of spaces of networks made of stages of blocks, a `genomes.space.FlatSpace`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from genomes.architecture.graph import digest
from genomes.checks import Kind, Whole, check_table, format_value, table
from genomes.codec import VERSION, canonical_json, check_header
from genomes.domains import Choice, Domain, Range, Value, domain_to_json, read_domain
from genomes.errors import InputError
from genomes.gene import Condition, Gene
from genomes.mutations import mutate_once, read_names
from genomes.staged import flat
from genomes.staged.crossover import splice_stages
from genomes.staged.features import Features
from genomes.staged.json import genome_from_json, genome_to_json
from genomes.staged.known_defaults import Recipe, express_recipes
from genomes.staged.mutation import MOVED, Mutation, change_idle
from genomes.staged.rows import Encoding
from genomes.staged.sampling import sample

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["MAX_BLOCKS", "MAX_STAGES", "StagedSpace"]

MAX_STAGES = 8
#: Maximum number of blocks of a stage, and of a whole network, whose graph has a bounded number of nodes.
MAX_BLOCKS = 8
MAX_BLOCKS_IN_ALL = 32

_COUNTS: Mapping[str, Kind] = {"stages": Whole(0, MAX_STAGES), "blocks": Whole(1, MAX_BLOCKS)}


class StagedSpace:
    """Networks of stages of blocks.

    A subclass is a frozen dataclass with a field for `stages`, `blocks` and each gene of its `encoding`: a `Range`, a
    `Choice` (or a list of options), or a fixed value.

    Example:
        >>> from genomes import ConvolutionalSpace
        >>> isinstance(ConvolutionalSpace(), StagedSpace)
        True
    """

    encoding: ClassVar[Encoding]
    known_mutations: ClassVar[Mapping[str, Mutation]]
    recipes: ClassVar[tuple[Recipe, ...]] = ()
    extra_mutations: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, kind in self._kinds().items():
            place = f"{'training' if name in self.encoding.training else 'network'}.{name}"
            object.__setattr__(self, name, read_domain(getattr(self, name), kind, place))
        object.__setattr__(self, "extra_mutations", read_names(self.extra_mutations))
        most = self.domain("stages").greatest * self.domain("blocks").greatest
        if most > MAX_BLOCKS_IN_ALL:
            raise InputError(
                f"network.stages times network.blocks must be at most {MAX_BLOCKS_IN_ALL}, not {most}: lower one"
            )

    @classmethod
    def _kinds(cls) -> dict[str, Kind]:
        """Gene -> the kind of its values."""
        return {**_COUNTS, **{name: row.kind for name, row in cls.encoding.rows.items()}}

    @classmethod
    def _tables(cls) -> dict[str, tuple[str, ...]]:
        """Tables of a file, and the genes in each."""
        training = tuple(cls.encoding.training)
        return {"network": tuple(name for name in cls._kinds() if name not in training), "training": training}

    def architecture(self, genome: Any) -> nx.DiGraph:
        """The graph that training sees; see `genomes.architecture.graph`."""
        raise NotImplementedError

    # ---------------------------------------------------------------- contents

    @property
    def layer_kinds(self) -> frozenset[str]:
        """Layer kinds that its networks may have."""
        return self.encoding.layer_kinds

    @cached_property
    def mutations(self) -> tuple[str, ...]:
        """Names of the mutations that apply to this space."""
        moved = {**MOVED, **self.encoding.moves}
        own = tuple(name for name in self.known_mutations if any(self.is_free(gene) for gene in moved[name]))
        return (*own, *self.extra_mutations)

    def domain(self, gene: str) -> Domain:
        """The domain of a gene."""
        domain: Domain = getattr(self, gene)
        return domain

    def is_free(self, gene: str) -> bool:
        """Whether the gene is free and has an effect."""
        return gene in self._free

    def acts(self, gene: str) -> bool:
        """Whether the gene is active in some genome."""
        return gene in self._acting

    def always_meets(self, gene: str, wanted: Domain) -> bool:
        """Whether the gene is active in every holder and all of its values are wanted."""
        row, domain = self.encoding.rows.get(gene), self.domain(gene)
        if row is not None and row.when:
            return False
        if isinstance(domain, Choice):
            return all(wanted.contains(option) for option in domain.options)
        return isinstance(wanted, Range) and wanted.contains(domain.least) and wanted.contains(domain.greatest)

    @cached_property
    def _free(self) -> frozenset[str]:
        return frozenset(name for name in self._kinds() if name in self._acting and not self.domain(name).is_fixed)

    @cached_property
    def _acting(self) -> frozenset[str]:
        """Genes that are active in some genome."""
        found = {"stages"} if not self.max_stages else {"stages", "blocks"}
        for name, row in self.encoding.rows.items():
            of_stages = name in self.encoding.block or name in self.encoding.stage
            if (self.max_stages or not of_stages) and self._can_hold(row.when, found):
                found.add(name)
        return frozenset(found)

    def _can_hold(self, when: Condition, acting: set[str]) -> bool:
        return all(other in acting and _intersects(self.domain(other), domain) for other, domain in when)

    @property
    def max_stages(self) -> int:
        """The maximum number of stages."""
        return int(self.domain("stages").greatest)

    @property
    def max_blocks(self) -> int:
        """The maximum number of blocks of a stage."""
        return int(self.domain("blocks").greatest)

    # ---------------------------------------------------------------- operators

    def sample(self, rng: np.random.Generator) -> Any:
        """A random genome; later stages are not narrower, and genes that usually hurt are often off."""
        return sample(self, rng)

    def mutate(self, genome: Any, rng: np.random.Generator, operator: str | None = None) -> tuple[Any, str]:
        """A changed genome and the name of the mutation that made it.

        Args:
            genome: a genome of this space.
            rng: random generator.
            operator: mutation to try first, by default a random one. If it does not apply, others are tried.

        Returns:
            A genome other than the given one; the given one and "none" if the space has no other.

        Raises:
            InputError: there is no such mutation.
        """
        if (found := mutate_once(genome, self, self.known_mutations, operator, rng)) is not None:
            return found
        child = change_idle(genome, self, rng)
        return (genome, "none") if child is None else (child, "change_training_gene")

    def crossover(self, a: Any, b: Any, rng: np.random.Generator) -> Any:
        """A child with the first stages of one parent, the last stages of the other, and other genes of both."""
        if rng.random() < 0.5:
            a, b = b, a
        return splice_stages(a, b, self, rng)

    # ---------------------------------------------------------------- representations of genomes

    def contains(self, genome: Any) -> bool:
        """Whether the genome is a member of this space."""
        if not isinstance(genome, self.encoding.genome_class):  # type: ignore[arg-type]
            return False
        try:
            value = genome_to_json(self.encoding, genome)
            canonical_json(value)  # fails for numpy numbers, which Keras rejects
            back = genome_from_json(self.encoding, value)
            return bool(back == genome) and next(self._faults(back), None) is None
        except (TypeError, ValueError, AttributeError):
            return False

    def digest(self, genome: Any) -> str:
        """Hexadecimal digest of the network and its training settings."""
        return digest(self.architecture(genome))

    def features(self, genome: Any) -> NDArray[np.float64]:
        """The genome as numbers in [0, 1], shape `(num_features,)`; see `genomes.staged.features`."""
        return self._features(genome)

    @cached_property
    def _features(self) -> Features:
        return Features(self)

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The space as named genes; see `genomes.staged.flat`."""
        return flat.genes(self)

    def values(self, genome: Any) -> dict[str, Value]:
        """The genome's values by the names of `genes`; `from_values` is the inverse."""
        return flat.values(self, genome)

    def from_values(self, values: Mapping[str, Value]) -> Any:
        """The genome with these values, without those of inactive genes.

        Raises:
            InputError: a gene is unknown, or an active gene has no value or one outside its domain.
        """
        return flat.from_values(self, values)

    def genome_to_json(self, genome: Any) -> dict[str, Any]:
        """The genome as JSON values."""
        return genome_to_json(self.encoding, genome)

    @classmethod
    def read_genome(cls, value: Any) -> Any:
        """Reads a genome of this encoding, in this space or not. Raises InputError that names the location."""
        return genome_from_json(cls.encoding, value)

    def genome_from_json(self, value: Any) -> Any:
        """Reads a genome. Raises InputError that names the location if the value is not a genome of this space."""
        genome = genome_from_json(self.encoding, value)
        for place, fault in self._faults(genome):
            raise InputError(f"genome.{place} {fault}: widen the space or change the genome")
        return genome

    def _faults(self, genome: Any) -> Iterator[tuple[str, str]]:
        """Reasons why a well-formed genome is not in this space: (location inside the genome, constraint and value)."""
        yield from self._outside("stages", "stages", len(genome.stages))
        for k, stage in enumerate(genome.stages):
            yield from self._outside(f"stages[{k}].blocks", "blocks", len(stage.blocks))
            for name, value in self.encoding.stage_values(stage).items():
                yield from self._outside(f"stages[{k}].{name}", name, value)
            for j, block in enumerate(stage.blocks):
                for name, value in self.encoding.block_values(block).items():
                    yield from self._outside(f"stages[{k}].blocks[{j}].{name}", name, value)
        for name, value in self.encoding.once_values(genome).items():
            yield from self._outside(f"{'training.' if name in self.encoding.training else ''}{name}", name, value)

    def _outside(self, place: str, gene: str, value: Value) -> Iterator[tuple[str, str]]:
        if not self.domain(gene).contains(value):
            yield (
                place,
                f"must be in {format_value(domain_to_json(self.domain(gene)))} of the space, not {format_value(value)}",
            )

    def known_defaults(self, task: str) -> tuple[Mapping[str, Any], ...]:
        """For each published network that the space can express, its genomes by name: at full width, then narrower
        ones.

        Args:
            task: "regression", "binary" or "multiclass".
        """
        return express_recipes(self, self.recipes)

    # ---------------------------------------------------------------- serialisation

    def to_json(self) -> dict[str, Any]:
        """The space as JSON values: {"encoding", "version", "network": {...}, "training": {...}}."""
        extra = {"extra_mutations": list(self.extra_mutations)} if self.extra_mutations else {}
        return {"encoding": self.encoding.name, "version": VERSION, **extra} | {
            name: {key: domain_to_json(self.domain(key)) for key in keys} for name, keys in self._tables().items()
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Reads a space; missing keys are as in the default space.

        Raises:
            InputError: the value is not a space of this encoding; the message names the table, the key and the value.
        """
        check_header(value, "space", cls.encoding.name)
        tables = cls._tables()
        table(value, "space", ("encoding", "version", "extra_mutations", *tables))
        settings: dict[str, Any] = {"extra_mutations": read_names(value.get("extra_mutations", []))}
        for name, keys in tables.items():
            settings |= table(check_table(value.get(name, {}), name, tables), name, keys)
        return replace(cls(), **settings)  # type: ignore[type-var]


def _intersects(domain: Domain, wanted: Domain) -> bool:
    """Whether some member of a gene's domain is among the wanted values."""
    if isinstance(domain, Choice):
        return any(wanted.contains(option) for option in domain.options)
    if isinstance(wanted, Range):
        return domain.restrict(wanted.low, wanted.high) is not None
    return any(domain.contains(option) for option in wanted.options)
