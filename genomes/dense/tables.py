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
#: Settings with lists as values.
LISTS = ("neighbour_columns", "neighbour_sets")
#: Table -> its keys, in the order of writing.
TABLES = {
    "network": (*NETWORK_GENES, *WORDS, "skip_connections", "neighbours", *LISTS),
    "training": tuple(TRAINING_GENES),
}
#: Genes added later, which are off in all older networks.
_LATER = (
    *("category_units", "bias_rate", "parametrization", "decay_schedule", "bias_initializer"),
    *("parametric_activation", "embedding_rate", "output_rate", "output"),
)
#: A written space that has all of these keys and none of the others predates the others.
_BEFORE = {*NETWORK_GENES, *TRAINING_GENES} - {*EMBEDDING_GENES, *MEMBER_GENES, *_LATER}


def read_tables(value: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the settings that are given in a space's tables; genes that an older space predates are set to off.

    Raises:
        InputError: a table has an invalid value.
    """
    settings: dict[str, Any] = {}
    for name, keys in TABLES.items():
        settings |= table(check_table(value.get(name, {}), name, TABLES), name, keys)
    if settings.keys() >= _BEFORE:
        settings = {**COSTLY, **{name: OFF[name] for name in _LATER}, **settings}
    return settings
