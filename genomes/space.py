"""`SearchSpace`: the protocol of all encodings, through which strategies use them.

`FlatSpace` is an optional extension for strategies whose models require named values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from genomes.domains import Value
from genomes.gene import Gene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FlatSpace", "SearchSpace"]


class SearchSpace(Protocol):
    """A set of genomes with sampling, mutation and crossover. Genomes are frozen, hashable values.

    All methods are pure: randomness is an argument, and equal generators give equal genomes.
    """

    @property
    def mutations(self) -> tuple[str, ...]:
        """Names of the mutations of this space, which also label candidates."""
        ...

    def sample(self, rng: np.random.Generator) -> Any:
        """A random genome."""
        ...

    def mutate(self, genome: Any, rng: np.random.Generator, operator: str | None = None) -> tuple[Any, str]:
        """A changed genome and the name of the mutation that made it (by default a random applicable one)."""
        ...

    def crossover(self, a: Any, b: Any, rng: np.random.Generator) -> Any:
        """A child of two genomes."""
        ...

    def contains(self, genome: Any) -> bool:
        """Whether the genome is a member of this space."""
        ...

    def digest(self, genome: Any) -> str:
        """Hexadecimal digest of the network and its training settings; equal for equal networks."""
        ...

    def features(self, genome: Any) -> NDArray[np.float64]:
        """The genome as numbers for a surrogate model, shape `(num_features,)`, each in [0, 1]."""
        ...

    def genome_to_json(self, genome: Any) -> dict[str, Any]:
        """The genome as JSON values."""
        ...

    def genome_from_json(self, value: Any) -> Any:
        """Reads a genome. Raises InputError that names the location if the value is not a genome of this space."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The space as JSON values."""
        ...


@runtime_checkable
class FlatSpace(SearchSpace, Protocol):
    """A space whose genomes are determined by named values."""

    @property
    def genes(self) -> tuple[Gene, ...]:
        """The genes, each after those in its condition."""
        ...

    def values(self, genome: Any) -> dict[str, Value]:
        """The genome's value of each gene that is active in it."""
        ...

    def from_values(self, values: Mapping[str, Value]) -> Any:
        """A genome with these values, ignoring those of inactive genes; all such genomes have the same digest."""
        ...
