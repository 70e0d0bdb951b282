"""Conversion of staged genomes to JSON values and back, with validation. Inactive genes are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from genomes.architecture.options import OFF
from genomes.checks import format_value, items, table
from genomes.codec import VERSION, check_header
from genomes.domains import Value
from genomes.errors import InputError
from genomes.staged.genome import Stage
from genomes.staged.rows import Encoding, GeneRow, active_values

__all__ = ["genome_from_json", "genome_to_json"]

_MOST = 64


def genome_to_json(encoding: Encoding, genome: Any) -> dict[str, Any]:
    """The genome as JSON values."""
    stages = [
        {**encoding.stage_values(stage), "blocks": [encoding.block_values(block) for block in stage.blocks]}
        for stage in genome.stages
    ]
    values = encoding.once_values(genome)
    network = {name: value for name, value in values.items() if name in encoding.network}
    training = {name: values[name] for name in encoding.training if name in values and values[name] != OFF.get(name)}
    return {"encoding": encoding.name, "version": VERSION, "stages": stages, **network, "training": training}


def genome_from_json(encoding: Encoding, value: Any, place: str = "genome") -> Any:
    """Reads a genome from JSON values.

    Raises:
        InputError: the value is not a genome of this encoding; the message names the location.
    """
    check_header(value, place, encoding.name)
    keys = ("encoding", "version", "stages", *encoding.network, "training")
    parts = table(value, place, keys, required=("stages", "training"))
    stages = tuple(
        _read_stage(encoding, stage, f"{place}.stages[{k}]")
        for k, stage in enumerate(items(parts["stages"], f"{place}.stages", _MOST))
    )
    network = {name: parts[name] for name in encoding.network if name in parts}
    training = table(parts["training"], f"{place}.training", encoding.training)
    values = _read(
        encoding.once,
        {**network, **training},
        lambda name: f"{place}.training.{name}" if name in encoding.training else f"{place}.{name}",
        {"stages": len(stages)},
    )
    return encoding.from_parts(stages, values)


def _read_stage(encoding: Encoding, value: Any, place: str) -> Stage:
    parts = table(value, place, (*encoding.stage, "blocks"), required=("blocks",))
    given = items(parts["blocks"], f"{place}.blocks", _MOST)
    if not given:
        raise InputError(f"{place}.blocks must have at least one block, not []: add one, or leave the stage out")
    blocks = []
    for k, each in enumerate(given):
        where = f"{place}.blocks[{k}]"
        blocks.append(encoding.block_class(**_read(encoding.block, table(each, where, encoding.block), _locate(where))))
    own = {name: parts[name] for name in encoding.stage if name in parts}
    return Stage(tuple(blocks), **_read(encoding.stage, own, _locate(place)))


def _locate(place: str) -> Callable[[str], str]:
    return lambda name: f"{place}.{name}"


def _read(
    rows: Mapping[str, GeneRow],
    given: Mapping[str, Any],
    place_of: Callable[[str], str],
    beside: Mapping[str, Value] | None = None,
) -> dict[str, Value]:
    """Reads all genes of a holder: validates the active ones and rejects inactive ones.

    Args:
        rows: rows of the holder's genes.
        given: written values.
        place_of: gene -> its location, for error messages.
        beside: as in `active_values`.
    """
    read = {name: row.kind.read(given[name], place_of(name)) for name, row in rows.items() if name in given}
    off = {name: row.idle for name, row in rows.items() if name in OFF}
    acting = active_values(rows, _RequiredValues({**off, **read}, place_of), beside)
    for name, value in read.items():
        if name not in acting and value != rows[name].idle:
            raise InputError(
                f"{place_of(name)} must be absent, as it does nothing here, not {format_value(value)}: leave it out"
            )
    return {**{name: row.idle for name, row in rows.items()}, **acting}


class _RequiredValues(dict[str, Value]):
    """Values by gene, with an InputError that names the location of a missing one."""

    def __init__(self, values: Mapping[str, Value], place_of: Callable[[str], str]) -> None:
        super().__init__(values)
        self._place_of = place_of

    def __missing__(self, name: str) -> Value:
        raise InputError(f"{self._place_of(name)} must be given and is missing: add it")
