"""`HyperparameterGenome`: a frozen mapping from active genes to values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genomes.domains import Value

__all__ = ["HyperparameterGenome"]


@dataclass(frozen=True, repr=False)
class HyperparameterGenome(Mapping[str, Value]):
    """A read-only mapping from gene names to values; `genome.units` is `genome["units"]`.

    Inactive genes are absent: `genome.get("dropout", 0.0)`.

    >>> genome = HyperparameterGenome.from_values({"units": 32, "pool": "max"})
    >>> genome.units, genome.get("dropout", 0.0)
    (32, 0.0)

    Attributes:
        pairs: (name, value) pairs, sorted by name.
    """

    pairs: tuple[tuple[str, Value], ...]

    @classmethod
    def from_values(cls, values: Mapping[str, Value]) -> HyperparameterGenome:
        """The genome with these values."""
        return cls(tuple(sorted(values.items())))

    def __getitem__(self, name: str) -> Value:
        for key, value in self.pairs:
            if key == name:
                return value
        raise KeyError(_absent(name, self))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "pairs":  # during copying there are no pairs yet
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(_absent(name, self)) from None

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"HyperparameterGenome({', '.join(f'{name}={value!r}' for name, value in self.pairs)})"


def _absent(name: str, genome: HyperparameterGenome) -> str:
    return (
        f"no gene {name!r} here, only {', '.join(genome)}: a gene is absent if its condition does not hold; "
        f"genes.get({name!r}, default) returns the default then"
    )
