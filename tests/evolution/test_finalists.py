"""Finalists: how they are ranked, which network is then the best, and that the exported network is the scored one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.evaluation import Candidate, Evaluation, Status, Weights
from evonas.objective import Objective
from evonas.runs import Record, RunReader
from evonas.runs.finalists import Finalist, Retraining, retraining_seeds
from genomes.errors import InputError
from tests.cli.commands import evonas as command
from tests.cli.commands import write_table
from tests.stub import StubEvaluator, no_standby

RMSE, R2 = Objective("rmse", "min"), Objective("r2", "max")


def finalist(search: float, *scores: float | None, objective: Objective = RMSE) -> Finalist:
    """A finalist with that score in the search and in its re-trainings; None stands for a failed one."""
    name = objective.name
    good = Evaluation(Status.OK, {name: search})
    record = Record(0, 0, "d", 1, 5, {}, (), "sample", good, objective.loss(search), "w", 5, None)
    found = [
        Retraining("d", seed, 5, Evaluation(Status.FAILED, reason="diverged"), {})
        if score is None
        else Retraining("d", seed, 5, replace(good, scores={name: score}), {name: 10 * score}, f"w{seed}")
        for seed, score in enumerate(scores)
    ]
    return Finalist(record, tuple(found), objective)


def test_a_finalist_in_numbers() -> None:
    each = finalist(1.0, 1.5, 1.1, 1.6)
    assert each.mean == pytest.approx(1.4)
    assert each.spread == pytest.approx(np.std([1.5, 1.1, 1.6], ddof=1))
    assert each.gap == pytest.approx(0.4)
    assert each.test_mean == pytest.approx(14)
    assert (each.champion.weights, each.champion.seed, each.champion.loss) == ("w0", 0, 1.5)
    assert finalist(0.9, 0.7, 0.8, objective=R2).gap == pytest.approx(0.15)
    assert finalist(0.9, 0.7, 0.8, objective=R2).champion.loss == -0.8


def test_failures_and_single_seeds() -> None:
    once = finalist(1.0, 2.0)
    assert (once.mean, once.spread, once.champion.weights) == (2.0, None, "w0")
    never = finalist(1.0, None, None)
    assert (never.mean, never.gap, never.test_mean, never.failed) == (None, None, None, 2)
    assert never.champion == never.record
    ranked = sorted([never, finalist(1.0, 1.2, None), finalist(1.0, 3.0, 3.0), once], key=lambda each: each.loss)
    assert [each.mean for each in ranked] == [2.0, 3.0, 1.2, None]


class SeededEvaluator(StubEvaluator):
    """Scores depend on the digest and, in part, on the seed; any weights get a test score."""

    def evaluate(
        self, candidates: Sequence[Candidate], done: frozenset[int] = frozenset(), *starts: Any
    ) -> Iterator[Mapping[int, Evaluation]]:
        for index, candidate in enumerate(candidates):
            if index not in done:
                score = int(candidate.digest[:8], 16) / 2**32 + candidate.seed / 2**31
                weights = {"output/bias": np.array([score], np.float32)}
                yield {index: Evaluation(Status.OK, {self.metric: score}, best_epoch=1, epochs=2, weights=weights)}

    def test(self, genome: Any, weights: Weights) -> dict[str, float]:
        return {self.metric: 2 * float(weights["output/bias"][0])}


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "_worker", SeededEvaluator)
    monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    monkeypatch.setattr("evonas.api.result.SearchResult.exported", None)
    write_table(tmp_path / "table.csv")


def search(**options: Any) -> evonas.SearchResult:
    options = {"strategy": "ga", **options}
    return evonas.search("table.csv", "price", generations=2, population=6, out="run", **options)


@pytest.mark.usefixtures("seeded")
def test_finalists_are_ranked_by_their_mean_and_lead_the_ranking() -> None:
    result = search(finalists=4, finalist_seeds=3)
    table = result.finalists
    assert len(table) == 4
    assert list(table["rmse_mean"]) == sorted(table["rmse_mean"])
    assert np.allclose(table["gap"], table["rmse_mean"] - table["search_rmse"])
    assert np.allclose(table["test_rmse_mean"], 2 * table["rmse_mean"])
    with RunReader("run") as run:
        searched, ranked = run.best(6), [run.ranked(rank) for rank in range(1, 7)]
        assert [each.digest for each in ranked[:4]] == list(table["digest"])
        assert [each.digest for each in ranked[4:]] == [each.digest for each in searched[4:]]
        assert result.best == ranked[0]
        assert result.best_score == pytest.approx(float(run.weights(result.best)["output/bias"][0]))
        median = sorted(run.finalists[0].scores)[1]
        assert result.best_score == pytest.approx(median)


@pytest.mark.usefixtures("seeded")
def test_more_retrainings_are_added_and_a_continued_search_discards_them() -> None:
    search(finalists=2, finalist_seeds=2)
    counts: list[tuple[int, int]] = []
    result = evonas.finalists("run", 3, 3, on_finalists=lambda *count: counts.append(count))
    assert counts[0] == (4, 9)
    assert counts[-1] == (9, 9)
    assert list(result.finalists["retrained"]) == [3, 3, 3]
    evonas.finalists("run", 3, 3, on_finalists=lambda *count: counts.append(count))
    assert counts[-1] == (9, 9)
    assert len(counts) == 7
    assert evonas.resume("run").finalists.equals(result.finalists)
    evonas.resume("run", generations="+1")
    with RunReader("run") as run:
        assert run.retrainings.asked == (run.evaluated, 2, 2)  # as in the settings
        assert len(run.finalists) == 2


@pytest.mark.usefixtures("seeded")
def test_an_ensemble_takes_the_best_one_from_further_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    # These networks have placeholders for weights, whose predictions are meaningless.
    monkeypatch.setattr("evonas.api.session.choose_ensemble", lambda *_: ([], []))
    plain = search(finalists=2, finalist_seeds=2).finalists
    found = search(finalists=2, finalist_seeds=2, ensemble=3, overwrite=True)
    assert found.finalists.equals(plain)  # they do not affect the ranking
    with RunReader("run") as run:
        best, other = (each.record.digest for each in run.finalists)
        seeds = {each.seed for each in run.retrainings.trained(best)}
        assert seeds == set(retraining_seeds(0, best, 5))
        assert len(run.retrainings.trained(other)) == 2
        assert run.retrainings_progress == (4, 4)
        digest = run.digest()
    assert "7 re-trainings of the finalists" in command("status", "run").output
    evonas.resume("run")
    with RunReader("run") as run:
        assert run.digest() == digest
    evonas.resume("run", generations="+1")
    with RunReader("run") as run:
        assert len(run.retrainings.trained(run.finalists[0].record.digest)) == 5
    for options in ({"finalists": 0}, {"ensemble": 101}):
        with pytest.raises(InputError, match="ensemble must be"):
            search(**{"ensemble": 3, **options}, overwrite=True)


@pytest.mark.usefixtures("seeded")
def test_finalists_of_an_earlier_state_do_not_count() -> None:
    first = search(finalists=0)
    assert first.finalists.empty
    assert first.best != evonas.finalists("run", 2, 2).best
    again = evonas.resume("run", generations="+1")
    assert again.finalists.empty
    with RunReader("run") as run:
        assert again.best == run.best(1)[0]
    assert "evonas finalists run" in command("status", "run").output


@pytest.mark.usefixtures("seeded")
def test_the_command_line_shows_them() -> None:
    run = ["run", "table.csv", "--target", "price", "--population", "4", "--generations", "1"]
    assert "Finalists: training the best networks again, 9 times in all" in command(*run, "--out", "run").output
    status = command("status", "run").output
    assert "Finalists, trained again from 3 other seeds" in status
    assert max(map(len, status.splitlines())) <= 100, max(status.splitlines(), key=len)
    finalists = json.loads(command("status", "run", "--json").output)["finalists"]
    assert len(finalists) == 3
    assert all(len(each["scores"]) == 3 for each in finalists)
    assert "Finalists" not in command(*run, "--out", "none", "--finalists", "0").output
    events = [json.loads(line) for line in command(*run, "--out", "json", "--json", "--quiet").stdout.splitlines()]
    assert [each["done"] for each in events if each["event"] == "finalists"] == list(range(10))
    shown = command("finalists", "run", "--top", "2", "--seeds", "1", "--random-baseline")
    assert shown.exit_code == 0, shown.output
    assert "4 random networks of the same space" in shown.output
    both = json.loads(command("finalists", "run", "--random-baseline", "--json").stdout)
    assert both["random_baseline"]["random"]["evaluated"] == 4
    assert command(*run, "--out", "run", "--overwrite").exit_code == 0
    assert not Path("run/random-baseline").exists()


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["gone"], "gone"),
        (["run", "--top", "0"], "at least 1"),
        (["run", "--seeds", "2000"], "at most 1000"),
        (["run", "--top", "x"], "whole number"),
        (["run"], "no network has a score"),
    ],
)
def test_mistakes_exit_with_2(options: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StubEvaluator, "evaluation", Evaluation(Status.FAILED, reason="diverged"))
    monkeypatch.setattr(api, "_worker", StubEvaluator)
    monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    search()
    result = command("finalists", *options)
    assert result.exit_code == 2, result.output
    assert words in result.output


@pytest.mark.keras
@pytest.mark.parametrize("searches", [1, pytest.param(2, marks=pytest.mark.soak)])
@pytest.mark.soak
def test_the_exported_network_is_the_median_re_training(tmp_path: Path, searches: int) -> None:
    """The same holds for an identical second search."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = x[:, 0] - x[:, 1] ** 2 + 0.1 * rng.normal(size=300)
    options: dict[str, Any] = {"generations": 1, "population": 3, "epochs": 2, "finalists": 2, "finalist_seeds": 2}
    results = [evonas.search(x, y, out=tmp_path / name, **options) for name in "ab"[:searches]]
    tables = [result.finalists for result in results]
    assert tables[0].equals(tables[-1])
    result, table = results[0], tables[0]
    assert (table["rmse_std"] > 0).all()
    assert result.best_score != result.best.evaluation.curve[0]
    with RunReader(result.run_dir) as run:
        tests = [each.test for each in run.finalists[0].retrainings if each.weights == result.best.weights]
    exported = result.exported
    assert math.isclose(exported.validation_scores["rmse"], result.best_score, rel_tol=1e-5)
    assert math.isclose(exported.test_scores["rmse"], (tests[0] or {})["rmse"], rel_tol=1e-6)
    assert exported.note == "weights of the median of 2 re-trainings"
