"""Ablation of the ingredients of networks for tables: the error without each one, relative to the error with it.

    python benchmarks/ablation.py --work FOLDER [--tables concrete,titanic] [--rows 2000] [--networks 1] [--seeds 3]

For each table, a search with the default space and strategy and `--evaluations` networks finds the best networks. Each
is trained again with and without each ingredient (`ingredients.py`), with equal seeds that the search did not use, and
scored on test rows: RMSE, log loss, or for label smoothing the share of errors. FOLDER keeps the runs and all scores,
so that a second call continues. `--search` repeats the searches themselves without a part of the space, or without
known defaults, and compares the test scores of the best networks.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ingredients import INGREDIENTS, pair_of
from raw_table import DATA, TABLES, Table
from reports import report_path, write_report

import evonas
from evonas.data.prepared import PreparedData
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.training.held_out import test_scores
from evonas.training.native import NativeTrainer
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.graph import graph_to_json
from genomes.dense import DenseGenome, DenseSpace
from genomes.encodings import space_from_json
from genomes.errors import InputError

NAMES = ("concrete", "titanic", "churn", "power_plant", "california", "kin8nm", "adult")
_MOST_TEST_ROWS = 4_000
#: Seeds of the search's own trainings are drawn from its seed; these are others.
_FIRST_SEED = 7_000
#: Parts of the space that a search of `--search` lacks: name -> changes of the default space.
_SEARCHED: Mapping[str, Mapping[str, Any]] = {
    "neighbours": {"neighbours": False},
    "members (TabM)": {"members": 1},
    "learned neighbours": {"output": "dense"},
    "embeddings": {"embedding": "none"},
    "numbers": {"numbers": "standard"},
    "scaling layer": {"scaling": False},
    "beta2": {"beta2": 0.999},
    "normalisation": {"normalization": "none"},
    "batch normalisation": {"normalization": ["none", "layer"]},
    "initializers": {"initializer": "he_normal"},
}
KNOWN_DEFAULTS = "known defaults"


Scores = Mapping[str, float]


class Trainings:
    """Scores of trainings, kept in a file so that none is repeated.

    Args:
        path: JSON file; created with the first training.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        known = json.loads(path.read_text()) if path.exists() else {}
        self._known = {key: value for key, value in known.items() if "/" in key}

    def scores(
        self, key: str, seeds: Sequence[int], train: Callable[[Sequence[int]], Sequence[Scores]]
    ) -> list[Scores]:
        """The test scores of each seed; `train` is called with the seeds that are not known yet."""
        keys = {seed: f"{key}/{seed}" for seed in seeds}
        if missing := [seed for seed in seeds if keys[seed] not in self._known]:
            for seed, scores in zip(missing, train(missing), strict=True):
                self._known[keys[seed]] = {"scores": dict(scores)}
            write_report(self._path, self._known)
        return [self._known[keys[seed]]["scores"] for seed in seeds]


@dataclass(frozen=True)
class Searched:
    """What a search of a table has found.

    Attributes:
        data: its prepared rows.
        space: its space.
        networks: its best networks, best first.
        settings: of the trainings.
        epochs: of each training.
    """

    data: PreparedData
    space: DenseSpace
    networks: tuple[DenseGenome, ...]
    settings: TrainingSettings
    epochs: int


def rows_of(table: Table, rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows for a search, at most four fifths of a table without test rows of its own, and test rows."""
    first, last = (
        pd.read_csv(DATA / name).drop(columns=list(table.drop)) for name in (table.files[0], table.files[-1])
    )
    order = np.random.RandomState(seed).permutation(len(first))
    count = min(rows, len(first) if len(table.files) > 1 else len(first) - len(first) // 5)
    if len(table.files) > 1:
        others = np.random.RandomState(seed).permutation(len(last))[:_MOST_TEST_ROWS]
        return first.iloc[order[:count]], last.iloc[others]
    return first.iloc[order[:count]], first.iloc[order[count : count + _MOST_TEST_ROWS]]


def run_search(table: Table, out: Path, options: argparse.Namespace, seed: int, **changes: Any) -> evonas.SearchResult:
    """A search with all defaults except `changes`; replaces a run in its directory, such as an interrupted one."""
    train, test = rows_of(table, options.rows, seed)
    own: dict[str, Any] = {"evaluations": options.evaluations, "threads": 1, "baseline": False, "overwrite": True}
    return evonas.search(train, table.target, test=test, seed=seed, out=out, **own, **changes)


def is_complete(out: Path, evaluations: int) -> bool:
    """Whether a directory has a run with that many evaluations."""
    if not out.exists():
        return False
    with RunReader(out) as run:
        return run.counts.trained + run.counts.infeasible >= evaluations


def run_of(name: str, options: argparse.Namespace, seed: int = 0, removed: str = "") -> Path:
    """Directory of a search of a table, which is run if it is not there."""
    more = ((removed or "everything").replace(" ", "_"), seed) if seed or removed else ()
    out: Path = options.work / "-".join(map(str, (name, options.rows, options.evaluations, *more)))
    if not is_complete(out, options.evaluations):
        run_search(TABLES[name], out, options, seed, finalists=0, **without(removed))
    return out


def searched(out: Path, count: int) -> Searched:
    """The best networks of a run."""
    data = PreparedData.load(out / DATA_NAME)
    with RunReader(out) as run:
        space = space_from_json(run.space_json)
        if not isinstance(space, DenseSpace):
            raise SystemExit(f"{out} must have dense networks: name another folder")
        networks = tuple(space.genome_from_json(record.genome) for record in run.best(count))
        settings = TrainingSettings(patience=run.settings.patience)
        return Searched(data, space, networks, settings, run.settings.epochs)


def trained(found: Searched, trainer: NativeTrainer, genome: DenseGenome, seeds: Sequence[int]) -> list[Scores]:
    """The test scores of trainings of one network."""
    graph = graph_to_json(found.space.architecture(genome))
    scores: list[Scores] = []
    for seed in seeds:
        (evaluation,) = (
            each for part in trainer.train([TrainingTask(graph, seed, found.epochs)]) for each in part.values()
        )
        scores.append(test_scores(graph, evaluation.weights, found.data, None) if evaluation.weights else {})
    return scores


def error_of(scores: Scores, of_classes: bool = False) -> float:
    """RMSE, log loss, or the share of wrong classes; infinite for a training that failed."""
    if of_classes:
        return 1.0 - scores["accuracy"] if "accuracy" in scores else math.inf
    return float(scores.get("rmse", scores.get("log_loss", math.inf)))


def is_compared(pair: Sequence[DenseGenome], found: Searched) -> bool:
    """Whether two genomes are different networks that can be trained on the table."""
    graphs = [found.space.architecture(each) for each in pair]
    try:
        for graph in graphs:
            found.data.problem.attach_columns(graph)
    except InputError:  # such as embeddings of categories for a table without any
        return False
    return bool(found.space.digest(pair[0]) != found.space.digest(pair[1]))


def changes_of(
    name: str, found: Searched, trainings: Trainings, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """For each ingredient and network, the logarithm of the ratio of errors without and with it, one for each seed."""
    trainer = NativeTrainer(found.data, found.settings, threads=1)
    seeds, regression = range(_FIRST_SEED, _FIRST_SEED + options.seeds), found.data.problem.task == "regression"
    for rank, genome in enumerate(found.networks):
        for ingredient in INGREDIENTS:
            pair = pair_of(ingredient, genome, found.space)
            if pair is None or not is_compared(pair, found) or (ingredient.for_classes and regression):
                continue
            digests = [found.space.digest(each) for each in pair]
            of_both = [
                trainings.scores(
                    f"{name}/{options.rows}/{digest}",
                    seeds,
                    lambda missing, each=each: trained(found, trainer, each, missing),  # type: ignore[misc]
                )
                for digest, each in zip(digests, pair, strict=True)
            ]
            errors = np.array([[error_of(each, ingredient.for_classes) for each in scores] for scores in of_both])
            if not np.isfinite(errors).all() or not errors.all():
                continue
            yield {
                "table": name,
                "network": rank,
                "ingredient": ingredient.name,
                "present": ingredient.is_present(genome),
                "log_ratios": np.log(errors[1] / errors[0]).tolist(),
                "errors_with": errors[0].tolist(),
            }


def percent(log_ratio: float) -> str:
    """A logarithmic ratio as a relative change."""
    return f"{100 * math.expm1(log_ratio):+.1f}"


def summary(changes: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[str]:
    """A Markdown table: the relative change of the error, in percent, when an ingredient is removed."""
    yield "| removed | " + " | ".join(names) + " | mean | standard error | chosen by the best network |"
    yield "|---|" + "---|" * (len(names) + 3)
    for ingredient in INGREDIENTS:
        ones = [each for each in changes if each["ingredient"] == ingredient.name]
        if not ones:
            continue
        means = {}
        for name in names:
            if values := [each["log_ratios"] for each in ones if each["table"] == name]:
                means[name] = float(np.mean(values))
        overall = list(means.values())
        chosen = sum(each["present"] for each in ones if each["network"] == 0)
        cells = [percent(means[name]) if name in means else "" for name in names]
        title = ingredient.name if ingredient.in_default_space else f"{ingredient.name} *"
        cells += [percent(float(np.mean(overall))), f"{100 * standard_error(overall):.1f}"]
        yield f"| {title} | {' | '.join(cells)} | {chosen} of {len(overall)} |"


def without(removed: str) -> dict[str, Any]:
    """Options of a search without a part; "" for the whole default."""
    if removed == KNOWN_DEFAULTS:
        return {"known_defaults": False}
    if not removed:
        return {}
    return {"space": replace(DenseSpace(), **_SEARCHED[removed])}


def of_searches(names: Sequence[str], removed: Sequence[str], options: argparse.Namespace) -> Iterator[str]:
    """A Markdown table: the relative change of the best network's test error, in percent, when a part is removed."""
    yield "| removed | " + " | ".join(names) + " | mean | standard error |"
    yield "|---|" + "---|" * (len(names) + 2)
    for part in removed:
        means = []
        for name in names:
            ratios = []
            for seed in range(options.seeds):
                whole, rest = (search_error(name, each, options, seed) for each in ("", part))
                ratios.append(math.log(rest / whole))
            means.append(float(np.mean(ratios)))
        cells = " | ".join(map(percent, means))
        yield f"| {part} | {cells} | {percent(float(np.mean(means)))} | {100 * standard_error(means):.1f} |"


def standard_error(values: Sequence[float]) -> float:
    """Of the mean; NaN for a single value."""
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def search_error(name: str, removed: str, options: argparse.Namespace, seed: int) -> float:
    """The test error of the best network of a search."""
    out = run_of(name, options, seed, removed)
    found = searched(out, 1)
    with RunReader(out) as run:
        weights = run.weights_named(str(run.best(1)[0].weights))
    graph = graph_to_json(found.space.architecture(found.networks[0]))
    return error_of(test_scores(graph, weights, found.data, None))


def main() -> None:
    """Measures each table; prints and writes the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for runs and scores")
    parser.add_argument("--tables", default=",".join(NAMES), help=f"among {', '.join(NAMES)}")
    parser.add_argument("--rows", type=int, default=2_000, help="training and validation rows, at most")
    parser.add_argument("--evaluations", type=int, default=24, help="networks of a search")
    parser.add_argument("--networks", type=int, default=1, help="best networks of each search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--search", default="", help=f"parts among {', '.join([*_SEARCHED, KNOWN_DEFAULTS])}")
    parser.add_argument("--json", type=report_path)
    options = parser.parse_args()
    names = options.tables.split(",")
    for name in names:
        if name not in NAMES:
            parser.error(f"--tables must be among {', '.join(NAMES)}, not {name!r}")
    removed = [each for each in options.search.split(",") if each]
    for each in removed:
        if each not in (*_SEARCHED, KNOWN_DEFAULTS):
            parser.error(f"--search must be among {', '.join([*_SEARCHED, KNOWN_DEFAULTS])}, not {each!r}")
    options.work.mkdir(parents=True, exist_ok=True)
    trainings = Trainings(options.work / "trainings.json")
    found: dict[str, Any] = {}
    if removed:
        lines = list(of_searches(names, removed, options))
        found = {"lines": lines}
    else:
        changes: list[dict[str, Any]] = []
        for name in names:
            changes += changes_of(name, searched(run_of(name, options), options.networks), trainings, options)
            print(f"{name}: done", flush=True)
        lines = list(summary(changes, names))
        found = {"changes": changes, "lines": lines}
    print("\n".join(lines))
    if options.json:
        about = {name: getattr(options, name) for name in ("rows", "evaluations", "networks", "seeds")}
        write_report(options.json, {**about, **found})


if __name__ == "__main__":
    main()
