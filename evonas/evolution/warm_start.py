"""Warm start and transfer: the best networks of an earlier run, possibly on other data, and their weights.

Imports no Keras and no pandas.

References:
    Yosinski, Clune, Bengio and Lipson, "How transferable are features in deep neural networks?", NeurIPS 2014.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from evonas.data.prepared import Problem
from evonas.data.pretrained import PretrainedNetwork
from evonas.runs.reader import RunReader
from evonas.strategies import find_row, strategy_row
from genomes import DenseSpace
from genomes.architecture.graph import views_of
from genomes.encodings import blueprint, space_from_json
from genomes.errors import InputError
from genomes.known_defaults import known_defaults
from genomes.population import read_population
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData

_NAMES = ("feature_names", "views", "target_names", "classes")

__all__ = ["apply_warm_start", "champions", "known_genomes", "load_pretrained"]


def champions(run_dir: str | Path, space: SearchSpace, count: int) -> tuple[tuple[Any, ...], int]:
    """The best networks of a run that are in a space, best first, and the number of those that are not.

    Args:
        run_dir: directory of the other run.
        space: the space to search now.
        count: number of the run's best networks to consider.

    Raises:
        InputError: there is no run, none of its networks has a score, or none of the best is in the space.
    """
    with RunReader(run_dir) as run:
        first = run.ranked(1)
        records = [first, *(record for record in run.best(count) if record.digest != first.digest)][:count]
    found = []
    for record in records:
        try:
            found.append(space.genome_from_json(_adapt_inputs(space, record.genome)))
        except InputError as error:
            refused = error
    if not found:
        raise InputError(
            f"a warm start must be from a run with networks of the searched space, but none of the best "
            f"{len(records)} of {run_dir} is in it ({refused}): widen the space, or leave --warm-start out"
        )
    return tuple(found), len(records) - len(found)


def _adapt_inputs(space: SearchSpace, genome: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replaces the genome's numeric encoding if the space lacks it, and drops neighbours in columns that it lacks."""
    if not isinstance(space, DenseSpace):
        return genome
    near = genome.get("neighbours")
    if near and not set(near["columns"]) <= set(space.neighbour_columns if space.neighbours else ()):
        genome = {name: value for name, value in genome.items() if name != "neighbours"}
    forms: Any = space.domain("numbers")
    return genome if forms.contains(genome.get("numbers", "standard")) else {**genome, "numbers": forms.options[0]}


def known_genomes(
    space: SearchSpace, settings: Settings, task: str, initial: Sequence[Any] = (), rows: int | None = None
) -> tuple[tuple[Any, ...], ...]:
    """Genomes of the known defaults to start with in addition to random networks, for each the widest one first.

    There are at most as many as half of a generation, and fewer if genomes are given; none for random search, which is
    a baseline, and for strategies that do not train.

    Args:
        space: the space to search.
        settings: the run's resolved settings.
        task: the task, such as "regression".
        initial: genomes given by the user.
        rows: number of training rows, see `genomes.known_defaults`.
    """
    row = find_row(settings.strategy)
    if not settings.known_defaults or row is None or not row.trains:
        return ()
    if settings.strategy == "random":
        return ()
    count = max(0, min(settings.population // 2, settings.population - len(initial)))
    found = known_defaults(space, task, rows)[:count]
    return tuple(tuple(variants.values()) for variants in found)


def load_pretrained(run_dir: str | Path, space: SearchSpace, strategy: str) -> PretrainedNetwork:
    """Loads the best network of a run, to initialise others with its weights.

    Args:
        run_dir: directory of the other run.
        space: the space to search now, with the same encoding.
        strategy: the search's strategy, which must train weights.

    Raises:
        InputError: there is no run or it has no weights, its encoding is different, or the strategy does not train.
    """
    if not strategy_row(strategy).trains:
        raise InputError(
            f"transfer must be to networks that are trained, but {strategy} evolves their weights: choose "
            "another strategy"
        )
    with RunReader(run_dir) as run:
        record = run.ranked(1)
        theirs = space_from_json(run.space_json)
        if theirs.to_json()["encoding"] != space.to_json()["encoding"]:
            raise InputError(
                f"transfer must be between networks of one kind, not from {theirs.to_json()['encoding']!r} in "
                f"{run_dir} to {space.to_json()['encoding']!r}: leave it out"
            )
        genome: Any = theirs.genome_from_json(record.genome)
        views = views_of(theirs.architecture(genome)) if hasattr(theirs, "architecture") else ()
        facts: dict[str, Any] = {name: run.problem_json[name] for name in ("task", "num_features", "num_outputs")}
        facts |= {name: tuple(run.problem_json.get(name, ())) for name in _NAMES}
        problem = Problem(**facts)
        about = {
            "architecture": blueprint(theirs, genome),
            **{name: run.problem_json.get(name, ()) for name in ("target_names", "classes")},
            "feature_names": problem.for_views(*views).feature_names,
        }
        return PretrainedNetwork.from_arrays(about, run.weights(record))


def apply_warm_start(
    data: PreparedData,
    space: SearchSpace,
    settings: Settings,
    initial: str | Path | None,
    warm_start: str | Path | None,
    transfer: str | Path | None,
    source: Mapping[str, Any],
) -> tuple[tuple[Any, ...], PreparedData, Mapping[str, Any]]:
    """Applies the options `initial`, `warm_start` and `transfer` of a search.

    Returns:
        The initial genomes, the data with pretrained weights, and `source` with the paths of the other runs.
    """
    genomes = read_population(initial, space).genomes if initial is not None else ()
    if warm_start is not None:
        found, left_out = champions(warm_start, space, settings.population)
        genomes += found
        missing = f"; {left_out} more are not in the space" if left_out else ""
        data = replace(data, notes=(*data.notes, f"begins with {len(found)} networks of {warm_start}{missing}"))
    if transfer is not None:
        pretrained = load_pretrained(transfer, space, settings.strategy)
        known = data.problem.for_views().feature_names
        same = len(set(pretrained.feature_names) & set(known))
        note = f"weights begin with those of {transfer}: {same} of {len(known)} features are the same"
        data = replace(data, pretrained=pretrained, notes=(*data.notes, note))
    given = {"warm_start": warm_start, "transfer": transfer}
    return genomes, data, {**source, **{name: str(path) for name, path in given.items() if path is not None}}
