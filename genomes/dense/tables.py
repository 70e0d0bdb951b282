"""The TOML tables of dense spaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genomes.architecture.layers import OFF
from genomes.checks import Word, check_table, table
from genomes.dense.genes import COSTLY, EMBEDDING_GENES, MEMBER_GENES, NETWORK_GENES, TRAINING_GENES

__all__ = ["GENES", "LISTS", "TABLES", "WORDS", "read_tables"]

#: Genes -> valid values.
GENES = {**NETWORK_GENES, **TRAINING_GENES}
#: Settings with a fixed set of values.
WORDS = {"shape": Word(("free", "uniform", "pyramid")), "activation_scope": Word(("network", "layer"))}
#: Settings that are lists.
LISTS = ("neighbour_columns", "neighbour_sets")
#: Table -> its keys, in the order in which they are written.
TABLES = {
    "network": (*NETWORK_GENES, *WORDS, "skip_connections", "neighbours", *LISTS),
    "training": tuple(TRAINING_GENES),
}
#: Genes added later, which are off in all older networks.
_LATER = (
    *("category_units", "bias_rate", "parametrization", "decay_schedule", "bias_initializer"),
    "parametric_activation",
)
#: A space that names all of these, as spaces are written, and none of the others is of a time without them.
_BEFORE = {*NETWORK_GENES, *TRAINING_GENES} - {*EMBEDDING_GENES, *MEMBER_GENES, *_LATER}


def read_tables(value: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of all tables of a space, without those left out, except in spaces from before these genes.

    Raises:
        InputError: a table has an invalid value.
    """
    settings: dict[str, Any] = {}
    for name, keys in TABLES.items():
        settings |= table(check_table(value.get(name, {}), name, TABLES), name, keys)
    if settings.keys() >= _BEFORE:
        settings = {**COSTLY, **{name: OFF[name] for name in _LATER}, **settings}
    return settings
