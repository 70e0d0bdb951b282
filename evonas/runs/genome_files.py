"""Reads genomes from files that contain one: genomes, populations, model cards, `status --json`, runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evonas.data.inputs import num_rows
from evonas.data.prepared import PreparedData
from evonas.data.views import features_seen
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.runs.schema import DATABASE
from genomes import DenseSpace
from genomes.architecture.cost import count_fixed
from genomes.architecture.layers import row_of
from genomes.codec import parse_json, read_text
from genomes.encodings import genome_of_any_space, space_from_json
from genomes.errors import InputError
from genomes.population import population_from_json
from genomes.space import SearchSpace

__all__ = ["network_facts", "read_described", "read_genome"]

#: Facts that may accompany a genome.
_FACTS = (
    *("num_features", "num_outputs", "task", "loss", "seed", "rows", "epochs"),
    *("numeric", "views", "categorical", "sample_shape", "masked"),
)


def read_genome(path: str | Path, space: SearchSpace | None = None) -> tuple[SearchSpace, Any]:
    """The genome of a file, and its space; see `read_described`."""
    return read_described(path, space)[:2]


def read_described(source: Any, space: SearchSpace | None = None) -> tuple[SearchSpace, Any, dict[str, Any]]:
    """A genome, and facts about its network.

    Args:
        source: a genome; the JSON values or the file of a genome, a population (its first genome), a model card or
            `evonas status --json`; or a run directory, whose best network is used.
        space: the space that must contain the genome; None for the source's own space, or any.

    Returns:
        The space, the genome, and the known ones of "num_features", "num_outputs", "task", "loss", "seed", "rows" and
        "epochs".

    Raises:
        InputError: the source has no genome, or the genome is not in the space.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.is_dir() and (path / DATABASE).exists():
            return _of_run(path, space)
        file = path / "population.json" if path.is_dir() else path
        source = parse_json(read_text(file, "genome file"), "genome")
    elif not isinstance(source, Mapping):
        return space or DenseSpace(), source, {}
    facts: dict[str, Any] = {}
    if isinstance(source, Mapping):
        if source.get("encoding") == "population":
            population = population_from_json(source, space)
            if not population.genomes:
                raise InputError("genome file must contain a genome, but its population is empty: choose another")
            return population.space, population.genomes[0], facts
        source, facts = _inside(source)
    if space is not None:
        return space, space.genome_from_json(source), facts
    return (*genome_of_any_space(source), facts)


def network_facts(problem: Mapping[str, Any], space: Any, genome: Any) -> dict[str, Any]:
    """Facts about a genome's network on the data of a run: "num_features" (those that it sees), "num_outputs", "task",
    and "loss" if that is not a setting.

    For samples with a shape, also "sample_shape" and "masked". For networks that embed numeric columns, "numeric" and
    "views" of these features, for those that embed categorical columns, "categorical", as in `Problem`.
    """
    width, views = problem["num_features"], problem.get("views", ())
    numeric, categorical = problem.get("numeric", ()), problem.get("categorical", ())
    facts: dict[str, Any] = {"loss": "pinball"} if problem.get("quantiles") else {}
    if problem.get("sample_shape"):
        facts |= {"sample_shape": list(problem["sample_shape"]), "masked": bool(problem.get("masked"))}
    if hasattr(space, "architecture"):
        graph = space.architecture(genome)
        indices, new = features_seen(graph, views, width, problem["num_outputs"])
        width = len(indices) + new
        if "category_units" in graph.nodes[0] and categorical:
            facts["categorical"] = [*(categorical[index] for index in indices), *[-1] * new]
        if "embedding" in graph.nodes[0] and numeric:
            facts |= {
                "numeric": [*(numeric[index] for index in indices), *[-1] * new],
                "views": [*(views[index] for index in indices), *["standard"] * new] if views else [],
            }
    return {"num_features": width, "num_outputs": problem["num_outputs"], "task": problem["task"], **facts}


def fixed_parameters(problem: Mapping[str, Any], space: Any, genome: Any) -> int:
    """Number of a network's values that are fitted to the training rows but not trained, which its count of parameters
    leaves out; 0 for user-defined models.
    """
    if not hasattr(space, "architecture"):
        return 0
    graph = space.architecture(genome)
    if not any(row_of(graph.nodes[node]).frozen for node in range(1, len(graph))):
        return 0
    facts = network_facts(problem, space, genome)
    return count_fixed(graph, facts["num_features"], facts["num_outputs"], tuple(facts.get("sample_shape", ())))


def _inside(value: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The genome in a model card or in the output of `evonas status --json`, and the accompanying facts."""
    place: Any = value
    if "card" in value:
        networks = value.get("networks")
        if not isinstance(networks, list) or len(networks) != 1:
            raise InputError("model card must be of one network, not of an ensemble: pass the genome of one of them")
        place = networks[0]
    elif "best" in value:
        place = value["best"]
    if place is value:
        return value, {}
    if not isinstance(place, Mapping) or "genome" not in place:
        raise InputError("genome file must contain a genome, but no network in it has one: choose another")
    return place["genome"], {name: place[name] for name in _FACTS if place.get(name) is not None}


def _of_run(path: Path, space: SearchSpace | None) -> tuple[SearchSpace, Any, dict[str, Any]]:
    with RunReader(path) as run:
        record = run.ranked(1)
        home = space or space_from_json(run.space_json)
        facts = network_facts(run.problem_json, home, home.genome_from_json(record.genome))
        facts = {"loss": run.settings.loss, **facts, "seed": record.seed, "epochs": record.horizon}
        facts["rows"] = num_rows(PreparedData.load(run.directory / DATA_NAME).splits[0].x_train)
        return home, home.genome_from_json(record.genome), facts
