"""The model card of an export: the model, its data and scores, and its usage.

`card_values` collects it as JSON values, which `card_text` (`evonas.deploy.card_text`) renders as Markdown. Imports
neither Keras nor pandas.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evonas.data.encoding.bag_of_words import BagOfWords
from evonas.data.encoding.piecewise import PiecewiseLinear
from evonas.data.encoding.preprocessor import Categories, Number, Preparation, Step
from evonas.data.encoding.robust import Robust
from evonas.data.encoding.samples import SamplePreparation
from evonas.data.inputs import num_rows
from evonas.data.kernel_regression import MOST_CENTRES
from evonas.data.neighbours import marks_of
from evonas.data.prepared import PreparedData, Problem
from evonas.deploy.card_text import card_text
from evonas.deploy.usage import usage_of
from evonas.display.baseline_summaries import FINAL_MODEL, NETWORK, verdict_of
from evonas.export_tasks import Exported
from evonas.io.marked_files import check_place, mark_json, mark_text, publish
from evonas.metrics.scores import compute_scores, constant_outputs
from evonas.runs.genome_files import fixed_parameters, network_facts
from evonas.runs.reader import RunReader
from evonas.runs.records import Record
from evonas.runs.versions import environment_versions
from genomes.architecture.cost import count_flops
from genomes.architecture.embedding import with_columns
from genomes.architecture.graph import finds_neighbours, views_of
from genomes.architecture.neighbours import neighbours_of_view
from genomes.architecture.options import MAX_REFERENCES
from genomes.encodings import describe, space_from_json
from genomes.errors import InputError

__all__ = ["Exhibit", "card_paths", "card_values", "check_card_paths", "write_card"]

#: Version of the JSON format.
VERSION = 1
#: Settings that say how each network was trained; the others say how networks were searched for.
_TRAINING = ("trainer", "epochs", "patience", "min_delta", "loss", "cv", "replicates", "precision")
_OF_SAMPLES = ("kind", "shape", "mean", "std", "masked", "column", "length", "names", "series_id", "time_column")
_MEASURES = ("accuracy", "auc", "f1", "log_loss", "mae", "mse", "pinball", "r2", "rmse")


@dataclass(frozen=True)
class Exhibit:
    """What a card describes.

    Attributes:
        exported: the file.
        members: the networks in it and their shares, which sum to 1.
        rank: of the network in the run; None for an ensemble.
    """

    exported: Exported
    members: tuple[tuple[Record, float], ...]
    rank: int | None


def card_paths(path: Path) -> tuple[Path, Path]:
    """Paths of the JSON and Markdown cards of an exported file."""
    return path.with_name(f"{path.name}.card.json"), path.with_name(f"{path.name}.card.md")


def check_card_paths(path: Path) -> None:
    """Raises InputError if a card's path is a folder or a file that evonas did not write."""
    for card in card_paths(path):
        if card.is_dir():
            raise InputError(f"model card must be a file, but {card} is a folder: move it, or leave the card out")
        check_place(card, "model card")


def write_card(exhibit: Exhibit, run: RunReader, data: PreparedData) -> Path:
    """Writes the two files of the card next to the model, each atomically; returns the Markdown path."""
    values = card_values(exhibit, run, data)
    machine, person = card_paths(exhibit.exported.path)
    publish(machine, mark_json(json.dumps(values, indent=1)))
    publish(person, mark_text(card_text(values)))
    return person


def card_values(exhibit: Exhibit, run: RunReader, data: PreparedData) -> dict[str, Any]:
    """The card as JSON values."""
    space, problem = space_from_json(run.space_json), data.problem
    marks: Sequence[str] = ()
    graphs: list[Any] = []
    if hasattr(space, "architecture"):
        genomes = [space.genome_from_json(record.genome) for record, _ in exhibit.members]
        graphs = [space.architecture(genome) for genome in genomes]
        views = [view for graph in graphs for view in views_of(graph)]
        marks = marks_of(views)
        problem = problem.for_views(*views)
        data = data.for_views(*(view for view in views if view not in marks))
    return {
        "card": VERSION,
        "model": _model(exhibit, run, data),
        "data": _data(run, data, problem, marks, graphs),
        "scores": _scores(exhibit, run, data, problem),
        "networks": [_network(record, share, run, data) for record, share in exhibit.members],
        "training": {name: value for name, value in run.settings.model_dump().items() if name in _TRAINING},
        "search": _search(exhibit, run),
        "versions": {
            "search": run.environment,
            "export": {**environment_versions(), "backend": exhibit.exported.interface.get("backend")},
        },
    }


def _model(exhibit: Exhibit, run: RunReader, data: PreparedData) -> dict[str, Any]:
    """The exported file, what goes in and out, and how to call it."""
    exported = exhibit.exported
    return {
        "file": exported.path.name,
        "format": exported.format,
        "note": exported.note,
        "retrained": exported.retrained,
        "parameters": sum(record.evaluation.parameters for record, _ in exhibit.members),
        "fixed_parameters": _fixed(exhibit.members, run),
        "flops": _flops(exhibit.members, run),
        "inputs": list(exported.interface.get("inputs", ())),
        "outputs": list(exported.interface.get("outputs", ())),
        "usage": usage_of(exported, data),
    }


def _data(
    run: RunReader, data: PreparedData, problem: Problem, marks: Sequence[str], graphs: Sequence[Any]
) -> dict[str, Any]:
    """The data as the networks see them; `marks` are those of the neighbour features that they use."""
    return {
        "file": Path(run.source["path"]).name if "path" in run.source else None,
        "sha256": run.source.get("sha256"),
        "fingerprint": data.fingerprint,
        "rows": _rows(data),
        "folds": len(data.splits) if len(data.splits) > 1 else None,
        "task": problem.task,
        "targets": list(problem.target_names),
        "classes": list(problem.classes),
        "quantiles": list(problem.quantiles),
        "columns": [] if data.preparation is None else _columns(data.preparation),
        "features": problem.num_features,
        "samples": _samples(data),
        "neighbours": _neighbours(marks, data),
        "references": _references(graphs, data),
        "notes": list(data.notes),
    }


def _scores(exhibit: Exhibit, run: RunReader, data: PreparedData, problem: Problem) -> dict[str, Any]:
    """The scores of the exported model, of baselines, and of the finalists' re-trainings."""
    exported = exhibit.exported
    return {
        "objective": run.objective.name,
        "direction": run.objective.direction,
        "validation": dict(exported.validation_scores),
        "test": dict(exported.test_scores),
        "baseline": {"predicts": _constant(problem), **_baseline(data)},
        "baselines": _baselines(run, exported),
        "temperature": exported.temperature,
        "calibration": {part: dict(values) for part, values in exported.calibration.items()},
        "finalists": [] if exhibit.rank is None else _finalists(exhibit.members[0][0], run),
    }


def _search(exhibit: Exhibit, run: RunReader) -> dict[str, Any]:
    """How the networks were searched for."""
    return {
        "rank": exhibit.rank,
        "generations": run.generations,
        "trained": run.evaluated,
        "failed": run.failed,
        "infeasible": run.infeasible,
        "seconds": round(run.seconds, 1),
        "budget": {name: value for name, value in run.budget.model_dump().items() if value is not None},
        "settings": {name: value for name, value in run.settings.model_dump().items() if name not in _TRAINING},
    }


def _network(record: Record, share: float, run: RunReader, data: PreparedData) -> dict[str, Any]:
    """A network with everything that `evonas build` needs."""
    space = space_from_json(run.space_json)
    genome = space.genome_from_json(record.genome)
    origin = None if record.origin is None else record.origin.kind
    return {
        "genome": dict(record.genome),
        "loss": run.settings.loss,
        **network_facts(run.problem_json, space, genome),
        "seed": record.seed,
        "rows": num_rows(data.splits[0].x_train),
        "epochs": record.horizon,
        "best_epoch": record.evaluation.best_epoch,
        "starts_from": origin or ("transferred weights" if data.pretrained is not None else "the seed's weights"),
        "digest": record.digest,
        "share": share,
        "scores": dict(record.evaluation.scores),
        "drawing": describe(space, genome),
    }


def _fixed(members: Sequence[tuple[Record, float]], run: RunReader) -> int:
    """Number of values of the networks that are not trained, in addition to their parameters."""
    space: Any = space_from_json(run.space_json)
    genomes = [space.genome_from_json(record.genome) for record, _ in members]
    return sum(fixed_parameters(run.problem_json, space, genome) for genome in genomes)


def _flops(members: Sequence[tuple[Record, float]], run: RunReader) -> int | None:
    """FLOPs of the networks for one row; None for user-defined models."""
    space: Any = space_from_json(run.space_json)
    if not hasattr(space, "architecture"):
        return None
    total = 0
    for record, _ in members:
        genome = space.genome_from_json(record.genome)
        facts = network_facts(run.problem_json, space, genome)
        columns = (facts.get(name, ()) for name in ("numeric", "views", "categorical"))
        graph = with_columns(space.architecture(genome), *columns)
        total += count_flops(graph, facts["num_features"], facts["num_outputs"], tuple(facts.get("sample_shape", ())))
    return total


def _rows(data: PreparedData) -> dict[str, int]:
    split = data.splits[0]
    test = 0 if data.y_test is None else len(data.y_test)
    return {"training": len(split.y_train), "validation": len(split.y_validation), "test": test}


def _columns(preparation: Preparation) -> list[dict[str, Any]]:
    """The role of each raw column, and how its missing and unknown values are handled."""
    found: dict[str, dict[str, Any]] = {}
    for step in preparation.steps:
        column = found.setdefault(step.column, {"name": step.column, "role": _role(step), "features": 0})
        column["features"] += len(step.names())
        if isinstance(step, Categories):
            column |= {"categories": len(step.categories), "other": step.other}
        elif isinstance(step, Number) and step.part in ("number", "flag"):
            column |= {"imputed": step.imputed, "indicator": step.indicator}
            if step.part == "number":
                column |= {"mean": step.mean, "std": step.std}
        elif isinstance(step, Robust):
            column |= {"imputed": step.imputed, "indicator": step.indicator}
        elif isinstance(step, PiecewiseLinear):
            column["knots"] = len(step.knots)
        elif isinstance(step, BagOfWords):
            column["words"] = len(step.words)
    return list(found.values())


def _samples(data: PreparedData) -> dict[str, Any] | None:
    """Describes whole samples and their preprocessing; None for rows of a table."""
    preparation = data.preparation
    if not isinstance(preparation, SamplePreparation):
        return None
    values = {name: value for name, value in preparation.to_json().items() if name in _OF_SAMPLES}
    shape, words = list(data.problem.sample_shape), data.problem.vocabulary
    return {"words": preparation.describe(), "network_shape": shape, "vocabulary": words, **values}


def _neighbours(marks: Sequence[str], data: PreparedData) -> dict[str, Any] | None:
    """Describes the training rows stored in the file; None if there are none."""
    known = [found for mark in marks if (found := neighbours_of_view(mark)) is not None]
    if not known:
        return None
    columns = sorted({name for names, _ in known for name in names})
    return {"columns": columns, "rows": min(len(data.splits[0].y_train), MOST_CENTRES)}


def _references(graphs: Sequence[Any], data: PreparedData) -> int | None:
    """The largest number of training rows that a network refers to, whose targets are in the file; None if there are
    none.
    """
    split = data.splits[0]
    rows = min(MAX_REFERENCES, len(split.y_train) + len(split.y_validation))
    return rows if any(finds_neighbours(graph) for graph in graphs) else None


def _role(step: Step) -> str:
    if isinstance(step, (Categories, BagOfWords)):
        return "categorical" if isinstance(step, Categories) else "text"
    part = step.part if isinstance(step, Number) else "number"
    return {"number": "numeric", "flag": "boolean", "present": "presence"}.get(part, "date")


def _constant(problem: Problem) -> str:
    if problem.quantiles:
        return "the training rows' quantiles"
    return "the training rows' mean" if problem.task == "regression" else "the training rows' share of each class"


def _baseline(data: PreparedData) -> dict[str, dict[str, float]]:
    """Scores of a constant prediction."""
    problem, split = data.problem, data.splits[0]
    outputs = constant_outputs(problem, split.y_train)

    def score(y: Any) -> dict[str, float]:
        found = compute_scores(problem, y, np.tile(outputs, (len(y), 1)))
        return {name: found[name] for name in _MEASURES if name in found}

    return {
        "validation": score(split.y_validation),
        "test": {} if data.y_test is None else score(data.y_test),
    }


def _baselines(run: RunReader, exported: Exported) -> dict[str, Any] | None:
    """The run's scikit-learn baselines, and whether the exported model is better; None if none were requested."""
    if (found := run.baselines.found) is None:
        return None
    ours = FINAL_MODEL if exported.members else NETWORK
    verdict = verdict_of(run.objective, exported.validation_scores, exported.test_scores, found, ours)
    return {**asdict(found), "verdict": None if verdict is None else verdict.words}


def _finalists(record: Record, run: RunReader) -> list[dict[str, Any]]:
    """The re-trainings of the network, if it is a finalist."""
    return [
        {
            "search_score": finalist.search_score,
            "retrained": len(finalist.retrainings),
            "failed": finalist.failed,
            "mean": finalist.mean,
            "spread": finalist.spread,
            "test_mean": finalist.test_mean,
            "test_spread": finalist.test_spread,
        }
        for finalist in run.finalists
        if finalist.record.digest == record.digest
    ]
