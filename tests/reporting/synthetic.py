"""Runs of any size without training: real genomes and data, made-up scores, written by the store's normal commits."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evonas.config import Budget, Settings
from evonas.data.prepare import prepare_table
from evonas.evaluation import Candidate, Evaluation, Span, Status
from evonas.networks.initial import initial_weights
from evonas.networks.neighbours import blank_references
from evonas.runs.store import RunStore
from genomes.architecture.graph import finds_neighbours, numbers_of
from genomes.dense import DenseSpace

#: The name of a column that runs a script if it is interpreted as HTML.
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
_GENERATION = 20


def synthetic_run(
    directory: Path,
    networks: int = 60,
    *,
    classes: int = 0,
    hostile: bool = False,
    finish: bool = True,
    spans: bool = False,
) -> Path:
    """Creates a run with that many networks, a twentieth of them failed.

    Args:
        directory: of the run, new.
        networks: how many.
        classes: of the target; 0 for a regression.
        hostile: whether a column, a class and a reason are HTML with a script.
        finish: whether the session ended; otherwise the run looks as if it was killed.
        spans: whether the time of each training is recorded, on two threads.
    """
    rng, space = np.random.default_rng(0), DenseSpace()
    odd = HOSTILE if hostile else "odd"
    x = rng.normal(size=(300, 3))
    frame = pd.DataFrame({"area": x[:, 0], "rooms": x[:, 1], odd: x[:, 2]})
    signal = x @ [2.0, -1.0, 0.3] + 0.3 * rng.normal(size=300)
    names = np.array([odd, "second", "third", "fourth"])
    ranks = np.argsort(np.argsort(signal))
    frame["price"] = names[ranks * classes // 300] if classes else signal
    data = prepare_table(frame, "price", seed=0)
    settings = Settings(seed=0, population=_GENERATION, keep=3).resolve("log_loss" if classes else "rmse")
    source = {"path": f"{odd.replace('/', '|')}.csv"}
    store = RunStore.create(directory, settings=settings, space=space, state={}, data=data, source=source)
    with store:
        store.begin_session(Budget(evaluations=max(1, networks)))
        best: list[tuple[float, Any, str]] = []
        for generation in range(-(-networks // _GENERATION)):
            count = min(_GENERATION, networks - generation * _GENERATION)
            made = [_candidate(space, best, generation, index, rng) for index in range(count)]
            part = [(each, _evaluation(each, space, data.problem, odd, rng, best)) for each in made]
            if spans:
                part = [(each, replace(found, spans=_spans(each.index))) for each, found in part]
            store.add_candidates(made, space)
            store.commit_part(part, generation + 1.0)
            store.complete_generation(generation, {}, generation + 1.0)
            best = sorted(best, key=lambda item: item[0])[:_GENERATION]
        if finish:
            store.end_session("evaluations", networks / 10)
    return directory


def _spans(index: int) -> tuple[Span, ...]:
    """Spans of a tenth of a second each, the last one ending now."""
    began = time.time() - 1.0 + 0.1 * (index // 2)
    return (Span("1-synthetic", index % 2, began, began + 0.1),)


def _candidate(space: DenseSpace, best: list[Any], generation: int, index: int, rng: np.random.Generator) -> Candidate:
    while True:
        genome, parents, operator = space.sample(rng), (), "sample"
        if best and index:
            _, parent, digest = best[int(rng.integers(len(best)))]
            genome, operator = space.mutate(parent, rng)
            parents = (digest,)
        digest = space.digest(genome)
        if all(digest != other for _, _, other in best):
            # Genomes repeat; the seed makes each a separate evaluation.
            return Candidate(genome, digest, int(rng.integers(1 << 40)), 30, generation, index, parents, operator)


def _evaluation(
    candidate: Candidate, space: DenseSpace, problem: Any, odd: str, rng: np.random.Generator, best: list[Any]
) -> Evaluation:
    if rng.random() < 0.05:
        return Evaluation(Status.FAILED, reason=f"diverged {odd}", epochs=3, train_seconds=0.1)
    features = space.features(candidate.genome)
    score = 0.5 + float(((features - 0.4) ** 2).mean()) + 0.02 * float(rng.random()) - 0.02 * candidate.generation
    score -= 0.02 * bool(candidate.parents)  # the best one has parents
    weights = None
    if not best or score < best[0][0]:
        graph = problem.attach_columns(space.architecture(candidate.genome))
        seen = problem.for_views(numbers_of(graph))
        weights = initial_weights(graph, seen.num_features, seen.num_outputs, candidate.seed)
        if finds_neighbours(graph):
            weights |= blank_references(seen, 9)
    best.append((score, candidate.genome, candidate.digest))
    curve = tuple(score + 1.0 / epoch for epoch in range(1, 31))
    names = ("log_loss", "accuracy") if problem.classes else ("rmse", "mae", "r2")
    return Evaluation(
        Status.OK,
        dict(zip(names, (score, 0.8 * score, 0.5), strict=False)),
        best_epoch=28,
        epochs=30,
        curve=curve,
        train_curve=tuple(0.9 * value for value in curve),
        train_seconds=0.05 + float(rng.random()),
        parameters=int(rng.integers(100, 50_000)),
        weights=weights,
    )
