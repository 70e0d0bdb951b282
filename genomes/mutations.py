"""User-defined mutations: `(genome, space, rng) -> genome`, or None if they do not apply.

A space lists them in `extra_mutations`, in addition to the built-in ones of its encoding. They are functions passed to
`evonas.search(mutations=...)`, or installed as entry points::

    [project.entry-points."evonas.mutations"]
    equalise = "my_package.mutations:equalise"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from genomes.checks import format_value, items
from genomes.errors import InputError
from genomes.extensions import Extensions, path_of
from genomes.operators import mutation_order

__all__ = ["MUTATIONS_FROM_OUTSIDE", "apply_mutation", "mutate_once", "mutation_name", "read_names"]

Mutation = Callable[[Any, Any, np.random.Generator], Any]

#: Maximum number of extra mutations of a space.
_MOST = 64


def _mutation(value: Any, what: str) -> Mutation:
    if not callable(value) or isinstance(value, type) or not path_of(value):
        raise InputError(f"{what} must be a function of genome, space and rng, not {value!r:.80}: give the function")
    mutation: Mutation = value
    return mutation


MUTATIONS_FROM_OUTSIDE: Extensions[Mutation] = Extensions("mutation", "mutations", "evonas.mutations", _mutation)


def mutation_name(mutation: Any) -> str:
    """The name of a mutation as listed in `extra_mutations`.

    Args:
        mutation: name of an entry point, returned unchanged, or a function, which is registered in this process as
            `module:qualname`.

    Raises:
        InputError: the value is neither.
    """
    if isinstance(mutation, str):
        return mutation
    _mutation(mutation, "mutation")
    return MUTATIONS_FROM_OUTSIDE.give(path_of(mutation), mutation)


def read_names(value: Any) -> tuple[str, ...]:
    """Reads the names of a space's `extra_mutations`, without duplicates. Raises InputError if the value is not a list
    of names.
    """
    names = items(list(value) if isinstance(value, tuple) else value, "space.extra_mutations", _MOST)
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"space.extra_mutations must be names of mutations, not {format_value(name)}: name them")
    return tuple(dict.fromkeys(names))


def apply_mutation(name: str, genome: Any, space: Any, rng: np.random.Generator) -> Any:
    """The mutated genome; None if the mutation does not apply.

    Raises:
        InputError: there is no such mutation, or its result is not another member of the space.
    """
    child = MUTATIONS_FROM_OUTSIDE.get(name)(genome, space, rng)
    if child is None:
        return None
    if not space.contains(child):
        raise InputError(
            f"mutation {name} must return a genome of the space, or None if it does not apply, not "
            f"{format_value(child)}: try it with evonas.testing.check_mutation"
        )
    return child if space.digest(child) != space.digest(genome) else None


def mutate_once(
    genome: Any, space: Any, known: Mapping[str, Mutation], operator: str | None, rng: np.random.Generator
) -> tuple[Any, str] | None:
    """The genome changed by the first mutation that applies, and its name; None if none does.

    Args:
        genome: of the space.
        space: whose `mutations` are tried in random order, and whose `extra_mutations` are user-defined.
        known: the built-in mutations of its encoding.
        operator: the mutation to try first; a random one if None.
        rng: of the change.

    Raises:
        InputError: there is no such mutation.
    """
    for name in mutation_order(operator, (*known, *space.extra_mutations), space.mutations, rng):
        own = known.get(name)
        child = apply_mutation(name, genome, space, rng) if own is None else own(genome, space, rng)
        if child is not None:
            return child, name
    return None
