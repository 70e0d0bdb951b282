"""Population files: genomes with their space and, if known, their scores, from which another run can start."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from genomes.checks import Real, items, table
from genomes.codec import VERSION, check_header, parse_json, read_text
from genomes.encodings import space_from_json
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["Population", "population_from_json", "population_to_json", "population_to_text", "read_population"]

MAX_GENOMES = 100_000

_KEYS = ("encoding", "version", "space", "genomes")
#: The last three document the origin of a genome and are ignored on reading.
_MEMBER_KEYS = ("genome", "score", "operator", "parents", "origin")
_SCORE = Real(-1e308, 1e308)


@dataclass(frozen=True)
class Population:
    """Genomes of one space, best first if the scores are known.

    >>> from genomes import DenseSpace
    >>> space = DenseSpace()
    >>> Population(space, (space.typical(),), (0.5,)).scores
    (0.5,)

    Attributes:
        space: space that contains all genomes.
        genomes: the genomes, shape `(num_genomes,)`.
        scores: score of each genome, None if unknown, shape `(num_genomes,)`.
    """

    space: SearchSpace
    genomes: tuple[Any, ...]
    scores: tuple[float | None, ...]


def population_to_json(
    space: SearchSpace, genomes: Sequence[Any], scores: Sequence[float | None] | None = None
) -> dict[str, Any]:
    """The population as JSON values; a score that is not finite becomes None."""
    known = [None if score is None or not math.isfinite(score) else float(score) for score in scores or ()]
    pairs = zip(genomes, known if scores is not None else [None] * len(genomes), strict=True)
    members = [{"genome": space.genome_to_json(genome), "score": score} for genome, score in pairs]
    return {"encoding": "population", "version": VERSION, "space": space.to_json(), "genomes": members}


def population_to_text(space: SearchSpace, genomes: Sequence[Any], scores: Sequence[float | None] | None = None) -> str:
    """The population as the text of a file: a header, then one genome per line.

    >>> from genomes import DenseSpace
    >>> space = DenseSpace()
    >>> population_from_json(json.loads(population_to_text(space, [space.typical()], [0.5]))).scores
    (0.5,)
    """
    value = population_to_json(space, genomes, scores)
    members = ",\n".join(json.dumps(member, allow_nan=False) for member in value.pop("genomes"))
    return json.dumps(value, allow_nan=False)[:-1] + f', "genomes": [\n{members}\n]}}\n'


def population_from_json(value: Any, space: SearchSpace | None = None) -> Population:
    """Reads a population from JSON values.

    Args:
        space: space that must contain the genomes, instead of that in the file.

    Raises:
        InputError: the value is not a population, or a genome is not in the space; the message names the location.
    """
    check_header(value, "population", "population")
    parts = table(value, "population", _KEYS, required=("encoding", "genomes"))
    if space is None:
        if "space" not in parts:
            raise InputError("population.space must be given and is missing: add it")
        space = space_from_json(parts["space"])
    genomes, scores = [], []
    for index, item in enumerate(items(parts["genomes"], "population.genomes", MAX_GENOMES)):
        where = f"population.genomes[{index}]"
        member = table(item, where, _MEMBER_KEYS, required=("genome",))
        try:
            genomes.append(space.genome_from_json(member["genome"]))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        score = member.get("score")
        scores.append(None if score is None else _SCORE.read(score, f"{where}.score"))
    return Population(space, tuple(genomes), tuple(scores))


def read_population(path: str | PathLike[str], space: SearchSpace | None = None) -> Population:
    """Reads a population file. Raises InputError like `population_from_json`, or if the file cannot be read.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from genomes import DenseSpace
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "population.json"
    ...     size = path.write_text(population_to_text(DenseSpace(), [DenseSpace().typical()]))
    ...     len(read_population(path).genomes)
    1
    """
    return population_from_json(parse_json(read_text(path, "population file"), "population"), space)
