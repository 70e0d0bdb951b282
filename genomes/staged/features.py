"""Features of staged genomes for a surrogate model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genomes.domains import Choice, Domain, Value
from genomes.staged.rows import GeneRow

if TYPE_CHECKING:
    from genomes.staged.space import StagedSpace

__all__ = ["Features"]


class Features:
    """Computes the feature vectors of genomes; quantities that depend only on the space are computed once.

    The features, each in [0, 1], in order: number of stages relative to the maximum; for each stage the number of
    blocks relative to the maximum, its free genes, and for each free block gene the mean over the blocks in which it is
    active, or the share of them with each option; each free network gene, as its position in its range or one number
    per option. A number at position p is encoded as (1 + p) / 2, so that the smallest value differs from an inactive
    gene. Inactive genes are 0.

    Args:
        space: the space of the genomes.
    """

    def __init__(self, space: StagedSpace) -> None:
        encoding = self._encoding = space.encoding
        self._most = space.max_stages, space.max_blocks
        self._block, self._stage, self._once = (
            _parts(space, rows) for rows in (encoding.block, encoding.stage, encoding.once)
        )

    def __call__(self, genome: Any) -> NDArray[np.float64]:
        """The genome's features, shape `(num_features,)`; the length depends only on the space."""
        encoding, (most_stages, most_blocks) = self._encoding, self._most
        parts = [len(genome.stages) / max(most_stages, 1)]
        idle = [0.0] * (1 + sum(part.width for part in (*self._stage, *self._block)))
        for stage in genome.stages:
            parts.append(len(stage.blocks) / most_blocks)
            parts += _means(self._stage, [encoding.stage_values(stage)])
            parts += _means(self._block, [encoding.block_values(block) for block in stage.blocks])
        parts += idle * (most_stages - len(genome.stages))
        parts += _means(self._once, [encoding.once_values(genome)])
        return np.array(parts, np.float64).clip(0.0, 1.0)


class _Part:
    """The features of one gene."""

    def __init__(self, name: str, domain: Domain) -> None:
        self.name = name
        self._domain = domain
        words = isinstance(domain, Choice) and isinstance(domain.options[0], str)
        self._options: Sequence[Value] = domain.options if words and isinstance(domain, Choice) else ()
        self.width = len(self._options) or 1

    def numbers(self, value: Value) -> list[float]:
        """The features of a value of the gene."""
        if self._options:
            return [float(value == option) for option in self._options]
        return [(1.0 + self._domain.position(value)) / 2.0]


def _parts(space: StagedSpace, rows: Mapping[str, GeneRow]) -> list[_Part]:
    return [_Part(name, space.domain(name)) for name in rows if space.is_free(name)]


def _means(parts: Iterable[_Part], holders: Sequence[Mapping[str, Value]]) -> list[float]:
    """The mean features of each gene over the holders in which it is active."""
    found: list[float] = []
    for part in parts:
        rows = [part.numbers(values[part.name]) for values in holders if part.name in values]
        found += [sum(column) / len(rows) for column in zip(*rows, strict=True)] if rows else [0.0] * part.width
    return found
