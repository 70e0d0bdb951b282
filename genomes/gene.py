"""`Gene`: the name, domain and condition of one decision of a flat space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genomes.checks import format_value, table
from genomes.domains import Domain, Value, domain_to_json
from genomes.errors import InputError

__all__ = ["Condition", "Gene", "drop_inactive"]

#: A conjunction: genes, each with the values for which the dependent gene is active.
Condition = tuple[tuple[str, Domain], ...]


@dataclass(frozen=True)
class Gene:
    """The domain of a gene, and when it is active.

    When passed to a space, `domain` may be anything that denotes a domain (a list, a single value), and `when` a
    mapping from other genes to values, lists of values or ranges. The genes of a space have the types annotated here.

    >>> from genomes import Choice, Range
    >>> gene = Gene(Range(0.1, 0.5), when=(("augment", Choice((True,))),), name="angle")
    >>> gene.is_active({"augment": True}), gene.is_active({"augment": False})
    (True, False)

    Attributes:
        domain: values that it may take.
        when: condition under which it is active; always if empty. A gene that depends on an inactive one is inactive
            too.
        name: name, assigned by the space.
        optional: whether a genome may lack it although it is active, as do genomes that predate the gene. Children have
            it.
    """

    domain: Domain
    when: Condition = ()
    name: str = ""
    optional: bool = False

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Whether the gene is active given these values of the genes that precede it in its space."""
        # Fast path: most genes have no condition, and this is a hot spot of searches.
        return not self.when or all(other in values and domain.contains(values[other]) for other, domain in self.when)

    def to_json(self) -> Any:
        """The gene as JSON values, without its name."""
        domain = domain_to_json(self.domain)
        if not self.when and not self.optional:
            return domain
        if not isinstance(domain, dict):
            domain = {"options": domain if isinstance(domain, list) else [domain]}
        if self.when:
            domain = domain | {"when": {name: domain_to_json(values) for name, values in self.when}}
        return domain | {"optional": True} if self.optional else domain


def drop_inactive(genes: Sequence[Gene], given: Mapping[str, Value]) -> dict[str, Value]:
    """The given values without those of inactive genes.

    >>> from genomes import Choice
    >>> genes = (Gene(Choice((False, True)), name="deep"), Gene(Choice((2, 3)), (("deep", Choice((True,))),), "layers"))
    >>> drop_inactive(genes, {"deep": False, "layers": 2})
    {'deep': False}

    Args:
        genes: of a space, each after those in its condition.
        given: name -> value.

    Raises:
        InputError: a gene is unknown, or an active gene has no value or one outside its domain.
    """
    table(given, "genome", [gene.name for gene in genes])
    active: dict[str, Value] = {}
    for gene in genes:
        if not gene.is_active(active):
            continue
        if gene.name not in given:
            raise InputError(f"genome.{gene.name} must be given and is missing: add it")
        value = given[gene.name]
        if not gene.domain.contains(value):
            raise InputError(
                f"genome.{gene.name} must be in {format_value(domain_to_json(gene.domain))}, not {format_value(value)}"
            )
        active[gene.name] = value
    return active
