"""The TOML tables of a dense space and their contents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genomes.architecture.layers import OFF
from genomes.checks import Word, check_table, table
from genomes.dense.genes import COSTLY, EMBEDDING_GENES, MEMBER_GENES, NETWORK_GENES, TRAINING_GENES

__all__ = ["GENES", "LISTS", "TABLES", "WORDS", "read_tables"]

#: Genes, and what they may hold.
GENES = {**NETWORK_GENES, **TRAINING_GENES}
#: Settings that are one of some words.
WORDS = {"shape": Word(("free", "uniform", "pyramid")), "activation_scope": Word(("network", "layer"))}
#: Settings that are lists.
LISTS = ("neighbour_columns", "neighbour_sets")
#: Table -> its keys, in the order in which they are written.
TABLES = {
    "network": (*NETWORK_GENES, *WORDS, "skip_connections", "neighbours", *LISTS),
    "training": tuple(TRAINING_GENES),
}
#: Genes that came later than others that can be off; every network before had them off.
_LATER = (
    *("category_units", "bias_rate", "parametrization", "decay_schedule", "bias_initializer"),
    "parametric_activation",
)
#: A space that names all of these, as spaces are written, and none of the others is of a time without them.
_BEFORE = {*NETWORK_GENES, *TRAINING_GENES} - {*EMBEDDING_GENES, *MEMBER_GENES, *_LATER}


def read_tables(value: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of all tables of a space; without those that are left out, but for one of before there were such.

    Raises:
        InputError: a table holds what it cannot.
    """
    settings: dict[str, Any] = {}
    for name, keys in TABLES.items():
        settings |= table(check_table(value.get(name, {}), name, TABLES), name, keys)
    if settings.keys() >= _BEFORE:
        settings = {**COSTLY, **{name: OFF[name] for name in _LATER}, **settings}
    return settings
