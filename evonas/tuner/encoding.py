"""`GeneCodec`: conversion of hyperparameters to genes, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.kinds import Condition, Hyperparameter, gene_name, late_domain, late_gene, widen
from genomes import HyperparameterGenome, HyperparameterSpace
from genomes.domains import Choice, Range
from genomes.errors import InputError
from genomes.gene import Gene

__all__ = ["GeneCodec"]

Key = tuple[str, tuple[Condition, ...]]


@dataclass(frozen=True)
class GeneCodec:
    """The hyperparameters of a build function, in the order of discovery: parents before children.

    Attributes:
        known: hyperparameters found before the search began.
        tuned: names of those that are searched, None for all; others keep their defaults.
        pinned: names whose known definitions override requests.
        late: hyperparameters or values revealed by trials; their genes are optional.
    """

    known: tuple[Hyperparameter, ...]
    tuned: frozenset[str] | None = None
    pinned: frozenset[str] = frozenset()
    late: tuple[Hyperparameter, ...] = ()

    @cached_property
    def all(self) -> tuple[Hyperparameter, ...]:
        """All hyperparameters known so far."""
        found = {(each.name, each.conditions): each for each in (*self.known, *self.late)}
        return tuple(found.values())

    @cached_property
    def names(self) -> dict[str, Hyperparameter]:
        """Gene name -> hyperparameter, for all those in `known` with more than one value."""
        names: dict[str, Hyperparameter] = {}
        for each in self.known:
            if not each.domain.is_fixed and self._is_tuned(each):
                plain = gene_name(each.name)
                # Genes must not be named like methods of mappings, and several hyperparameters may share a name.
                taken = {"get", "items", "keys", "values", "pairs", *names}
                free = (plain if number == 1 else f"{plain}_{number}" for number in range(1, 10_000))
                names[next(name for name in free if name not in taken)] = each
        return names

    @cached_property
    def space(self) -> HyperparameterSpace:
        """The space of the genes.

        Raises:
            InputError: no hyperparameter has more than one value.
        """
        genes = {gene: Gene(each.domain, when=self._conditions_of(each)) for gene, each in self.names.items()}  # type: ignore[arg-type]
        for each in self.late:
            domain = late_domain(each) if self._is_tuned(each) else None
            if domain is not None:
                genes[late_gene(each)] = Gene(domain, optional=True)
        if not genes:
            asked = ", ".join(each.name for each in self.known) or "none"
            raise InputError(
                "build must ask for at least one hyperparameter with two values or more, but it asks for "
                f"{asked}: use hp.Int, hp.Float, hp.Choice or hp.Boolean"
            )
        return HyperparameterSpace(genes)

    def extend(self, found: Iterable[Hyperparameter]) -> GeneCodec:
        """Adds hyperparameters revealed by trials; values with equal names and conditions are merged."""
        late: dict[Key, Hyperparameter] = {(each.name, each.conditions): each for each in self.late}
        for each in found:
            key = each.name, each.conditions
            late[key] = widen(late[key], each) or late[key] if key in late else each
        return replace(self, late=tuple(late.values()))

    def values(self, genes: Mapping[str, Any]) -> dict[str, Any]:
        """Name -> value of the hyperparameters that are active with these genes, as far as genes determine them."""
        values: dict[str, Any] = {}
        of = {(each.name, each.conditions): gene for gene, each in self.names.items()}
        late = {(each.name, each.conditions): each for each in self.late}
        for each in self.known:
            key = each.name, each.conditions
            if _holds(each.conditions, values) and each.name not in values:
                gene = of.get(key)
                values[each.name] = each.default if gene is None or gene not in genes else each.value(genes[gene])
                if key in late and (more := genes.get(late_gene(late[key]))) is not None:
                    values[each.name] = late[key].nearest(more)
        return values

    def genome(self, values: Mapping[str, Any]) -> HyperparameterGenome | None:
        """The genome with these values; None if the genes cannot encode them."""
        genes: dict[str, Any] = {}
        for gene, each in self.names.items():
            try:
                genes[gene] = each.gene(values.get(each.name, each.default))
            except (ValueError, TypeError):
                return None
        try:
            return self.space.from_values(genes)
        except InputError:
            return None

    def fill(self, genes: Mapping[str, Any], seed: int) -> HyperParameters:
        """The argument of the build function. Hyperparameters revealed only during the call take their gene, or are
        drawn with the seed.
        """
        tunes_new = self.tuned is None
        return HyperParameters.from_space(self.all, self.values(genes), seed if tunes_new else None, genes, self.pinned)

    def restore_trial(self, values: Mapping[str, Any], genes: Mapping[str, Any], seed: int) -> HyperParameters:
        """The hyperparameters of a finished trial, with their recorded values."""
        genes_left = {} if values else genes
        hp = HyperParameters.from_space(self.all, {**self.values(genes), **values}, seed, genes_left, self.pinned)
        hp.values.update((name, value) for name, value in values.items() if name not in hp.values)
        return hp

    def _is_tuned(self, each: Hyperparameter) -> bool:
        return each.kind != "Fixed" and (self.tuned is None or each.name in self.tuned)

    def _conditions_of(self, each: Hyperparameter) -> dict[str, Any]:
        """The conditions that genes can express, on one other gene each.

        If a name denotes several hyperparameters, the gene is always present, and has an effect if it is requested.
        """
        when: dict[str, Any] = {}
        for name, values in each.conditions:
            parents = [gene for gene, other in self.names.items() if other.name == name]
            if len(parents) == 1 and parents[0] not in when:
                parent = self.names[parents[0]]
                genes = [gene for gene in map(_gene_or_none(parent), values) if gene is not None]
                if genes and len([other for other in self.known if other.name == name]) == 1:
                    when[parents[0]] = genes
        return when


def _gene_or_none(parent: Hyperparameter) -> Any:
    def gene(value: Any) -> Any:
        try:
            found = parent.gene(value)
        except (ValueError, TypeError):
            return None
        if isinstance(parent.domain, Range) and isinstance(parent.domain.low, int) and not isinstance(found, int):
            return None
        return found if isinstance(parent.domain, (Range, Choice)) and parent.domain.contains(found) else None

    return gene


def _holds(conditions: tuple[Condition, ...], values: Mapping[str, Any]) -> bool:
    return all(name in values and values[name] in wanted for name, wanted in conditions)
