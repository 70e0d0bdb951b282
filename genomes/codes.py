"""Batches of genomes of a flat space as rows of numbers, for methods that evaluate thousands of genomes.

A row of codes has one number per gene that is not fixed: the position in [0, 1] of a value in its range, or the index
of an option in its choice. Inactive genes have a code too, which has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from genomes.domains import Choice, Domain, Range, Value
from genomes.gene import Gene

__all__ = ["Codes"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Tolerance for equal positions.
_EQUAL = 1e-9


class Codes:
    """The codes of the genomes of one space: sampling, rounding to members, decoding and features.

    Attributes:
        genes: the free genes, in the order of the columns.
        columns: gene -> its first column of `features`, and its number of columns.

    >>> from genomes import HyperparameterSpace, Range
    >>> space = HyperparameterSpace({"rate": Range(0.001, 0.1, log=True), "layers": Range(1, 3)})
    >>> space.codes.values(space.codes.settle(np.array([[0.4, 0.5]]))[0])
    {'layers': 2, 'rate': 0.01}
    """

    def __init__(self, genes: Sequence[Gene], options_as_columns: Callable[[Domain], bool]) -> None:
        """Creates the codes for the genes of a space.

        Args:
            genes: the space's genes, in their order.
            options_as_columns: whether each option of a domain has its own feature column.
        """
        self.genes = tuple(gene for gene in genes if not gene.domain.is_fixed)
        self._fixed = {gene.name: gene for gene in genes if gene.domain.is_fixed}
        self._all = tuple(genes)
        self._conditions = list({gene.when: gene for gene in genes if gene.when}.values())
        self.columns: dict[str, tuple[int, int]] = {}
        place = 0
        for gene in self.genes:
            width = len(gene.domain.options) if options_as_columns(gene.domain) else 1  # type: ignore[union-attr]
            self.columns[gene.name] = (place, width)
            place += width
        self.num_features = place + len(self._conditions)
        self._index = {gene.name: k for k, gene in enumerate(self.genes)}

    @cached_property
    def is_range(self) -> Mask:
        """Which codes are positions, shape `(num_genes,)`."""
        return np.array([isinstance(gene.domain, Range) for gene in self.genes], bool)

    @cached_property
    def is_whole(self) -> Mask:
        """Which codes are positions of whole numbers, shape `(num_genes,)`."""
        return np.array([isinstance(g.domain, Range) and isinstance(g.domain.low, int) for g in self.genes], bool)

    @cached_property
    def decides(self) -> Mask:
        """Which genes decide whether others are active, shape `(num_genes,)`."""
        deciding = {name for gene in self._all for name, _ in gene.when}
        return np.array([gene.name in deciding for gene in self.genes], bool)

    @cached_property
    def low(self) -> Array:
        """The position of each range's lowest number, shape `(num_genes,)`: above 0 if "off" is a member too."""
        return np.array([g.domain.position(g.domain.low) if isinstance(g.domain, Range) else 0.0 for g in self.genes])

    def members(self, k: int, most: int) -> Array:
        """All codes of gene `k`; empty if there are more than `most` of them."""
        domain = self.genes[k].domain
        if isinstance(domain, Choice):
            return np.arange(min(len(domain.options), 10 * most), dtype=np.float64)
        if not isinstance(domain.low, int) or domain.high - domain.low >= most:
            return np.zeros(0)
        numbers = ([0] if domain.zero else []) + list(range(int(domain.low), int(domain.high) + 1))
        return np.array([domain.position(number) for number in numbers])

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Random rows of members, shape `(count, num_genes)`."""
        drawn = rng.random((count, len(self.genes)))
        for k, gene in enumerate(self.genes):
            if isinstance(gene.domain, Choice):
                drawn[:, k] = np.floor(drawn[:, k] * len(gene.domain.options))
        return self.settle(drawn)

    def central(self, rng: np.random.Generator) -> Array:
        """A row of members `(num_genes,)`: the middle of ranges and of lists of numbers, other options at random."""
        row = self.sample(1, rng)
        for k, gene in enumerate(self.genes):
            if isinstance(gene.domain, Range):
                row[0, k] = 0.5
            elif not isinstance(gene.domain.options[0], str | bool):
                row[0, k] = (len(gene.domain.options) - 1) // 2
        found: Array = self.settle(row)[0]
        return found

    def settle(self, codes: Array) -> Array:
        """Rounds rows `(count, num_genes)` to the nearest members of the domains."""
        found = codes.copy()
        for k, gene in enumerate(self.genes):
            if isinstance(gene.domain, Range):
                found[:, k] = _settle(gene.domain, found[:, k])
        return found

    def row(self, values: Mapping[str, Value]) -> Array:
        """The codes `(num_genes,)` of a genome's values."""
        found = np.zeros(len(self.genes))
        for k, gene in enumerate(self.genes):
            if gene.name not in values:
                found[k] = 0.5 if isinstance(gene.domain, Range) else 0.0
            elif isinstance(gene.domain, Range):
                found[k] = gene.domain.position(values[gene.name])
            else:
                found[k] = gene.domain.options.index(values[gene.name])
        return found

    def values(self, row: Array) -> dict[str, Value]:
        """The values of the genes that are active in a settled row `(num_genes,)`."""
        found: dict[str, Value] = {}
        for gene in self._all:
            if not gene.is_active(found):
                continue
            domain = gene.domain
            if gene.name in self._fixed:
                found[gene.name] = domain.options[0]  # type: ignore[union-attr]
            elif isinstance(domain, Range):
                # Slightly above the end of the "off" interval.
                found[gene.name] = domain.at(float(row[self._index[gene.name]]))
            else:
                found[gene.name] = domain.options[int(row[self._index[gene.name]])]
        return found

    def active(self, codes: Array) -> Mask:
        """Which genes are active in each settled row, shape `(count, num_genes)`."""
        if not self._conditions:
            return np.ones(codes.shape, bool)
        return self._activity(codes)[0]

    def _activity(self, codes: Array) -> tuple[Mask, dict[int, Mask]]:
        """Which genes are active, and for each condition (by identity) the rows in which it holds."""
        there: dict[str, Mask] = {}
        for gene in self._all:
            holds = np.ones(len(codes), bool)
            for name, domain in gene.when:
                holds &= there[name] & self._is_in(name, domain, codes)
            there[gene.name] = holds
        conditions = {k: there[gene.name] for k, gene in enumerate(self._conditions)}
        return np.column_stack([there[gene.name] for gene in self.genes]), conditions

    def _is_in(self, name: str, domain: Domain, codes: Array) -> Mask:
        """The rows in which a gene's value is in a domain."""
        if name in self._fixed:
            return np.full(len(codes), domain.contains(self._fixed[name].domain.options[0]))  # type: ignore[union-attr]
        own, column = self.genes[self._index[name]].domain, codes[:, self._index[name]]
        if isinstance(own, Choice):
            return np.array([domain.contains(option) for option in own.options])[column.astype(np.intp)]
        if isinstance(domain, Range):
            low, high = own.position(domain.low), own.position(domain.high)
            within = (column >= low - _EQUAL) & (column <= high + _EQUAL)
            if own.zero:
                is_off = column < own.position(own.low) - _EQUAL
                within = np.where(is_off, domain.contains(0), within)
            return within
        places = np.array([own.position(option) for option in domain.options])
        equal: Mask = (np.abs(column[:, None] - places) < _EQUAL).any(axis=1)
        return equal

    def features(self, codes: Array) -> Array:
        """The features `(count, num_features)` of settled rows, equal to the space's features of single genomes."""
        found = np.zeros((len(codes), self.num_features))
        there, conditions = self._activity(codes) if self._conditions else (None, {})
        for k, gene in enumerate(self.genes):
            start, width = self.columns[gene.name]
            column = codes[:, k]
            if width > 1:
                found[np.arange(len(codes)), start + column.astype(np.intp)] = 1.0
            elif isinstance(gene.domain, Range):
                found[:, start] = column
            else:
                found[:, start] = column / max(len(gene.domain.options) - 1, 1)
            if there is not None and not there[:, k].all():
                found[~there[:, k], start : start + width] = 1.0 / width if width > 1 else 0.5
        for k, holds in conditions.items():
            found[:, self.num_features - len(self._conditions) + k] = holds
        return found


def _settle(domain: Range, positions: Array) -> Array:
    """Positions of the nearest members of a range; for real numbers the positions themselves."""
    if not isinstance(domain.low, int) and not domain.zero:
        return np.clip(positions, 0.0, 1.0)
    floor = domain.position(domain.low) if domain.zero else 0.0
    whole = isinstance(domain.low, int)
    margin = 0.5 if whole else 0.0
    scale: Callable[[Array], Array] = np.log if domain.log else lambda value: value
    first = 0.25 if domain.zero else 0.0
    start, end = scale(np.array([domain.low - margin, domain.high + margin])).tolist()
    place = np.clip((positions - first) / (1.0 - first), 0.0, 1.0)
    if whole:
        number = start + place * (end - start)
        number = np.clip(np.rint(np.exp(number) if domain.log else number), domain.low, domain.high)
        place = (scale(number) - start) / (end - start)
    found = first + (1.0 - first) * place
    if domain.zero:
        found = np.where(positions < first, 0.0, np.maximum(found, floor))
    return found
