"""`evonas.search`, `resume` and `load_run` over the dense space, with an evaluator that does not train."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.data.prepare import prepare_arrays
from evonas.data.prepared import PreparedData
from evonas.display.next_steps import next_lines
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.runs import RunReader
from evonas.strategies.random_search import RandomSearch
from genomes import DenseSpace, InputError, Range, space_to_toml
from genomes.architecture.layers import NUMERIC_ENCODINGS
from tests.strategies.test_outside import install
from tests.stub import no_standby


class StubEvaluator:
    """Scores a network by its digest."""

    def __init__(self, space: Any, data: Path, settings: evonas.Settings) -> None:
        self.data = PreparedData.load(data)
        self.metric = settings.objective or ""

    def state(self) -> None:
        """Has no state."""

    def restore(self, state: Any) -> None:
        """Has no state."""

    def evaluate(
        self, candidates: Sequence[Candidate], done: frozenset[int] = frozenset(), starts: Any = None
    ) -> Iterator[Mapping[int, Evaluation]]:
        for index, candidate in enumerate(candidates):
            if index not in done:
                score = int(candidate.digest[:8], 16) / 2**32
                weights = {"output/bias": np.zeros(1, np.float32)}
                scores = {self.metric: score}
                yield {
                    index: Evaluation(Status.OK, scores, best_epoch=1, epochs=2, curve=(2.0, score), weights=weights)
                }

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def stub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not request.node.get_closest_marker("keras"):
        monkeypatch.setattr(api, "_worker", StubEvaluator)
        monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    monkeypatch.chdir(tmp_path)


def table(rows: int = 60, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    x = np.random.default_rng(seed).normal(size=(rows, 3))
    return x, x @ [1.0, -2.0, 0.5]


def digest(run_dir: Path) -> str:
    with RunReader(run_dir) as run:
        return run.digest()


def test_search_returns_its_result(tmp_path: Path) -> None:
    x, y = table()
    result = evonas.search(x, y, generations=3, population=5, out=tmp_path / "run")
    assert result.run_dir == tmp_path / "run"
    assert result.stop == "generations"
    assert result.settings.objective == "rmse"
    # These are derived from the data, or dropped because the objective does not use them.
    found = {"neighbour_columns": (), "neighbour_sets": (), "label_smoothing": DenseSpace().label_smoothing}
    found["embedding"] = DenseSpace().embedding  # too few rows for a tree to split
    assert set(result.space.neighbour_columns) == {"x0", "x1", "x2"}
    assert replace(result.space, numbers=DenseSpace().numbers, **found) == DenseSpace()
    assert set(result.space.numbers.options) < set(DenseSpace().numbers.options)  # without those unsuited to these data
    assert result.space.contains(result.best_genome)
    assert result.population[0] == result.best_genome
    assert len(result.population) == 5
    assert list(result.history["generation"]) == [0, 1, 2]
    assert result.history["best_rmse_so_far"].iloc[-1] == result.best_score
    assert len(result.evaluations) == 15
    assert result.evaluations["rmse"].min() == result.best_score
    assert evonas.load_run(result.run_dir).best_score == result.best_score
    assert "15 evaluations, 3 generations" in repr(result)


def test_each_run_gets_its_own_directory() -> None:
    x, y = table()
    first = evonas.search(x, y, generations=1, population=2)
    second = evonas.search(x, y, generations=1, population=2)
    assert first.run_dir != second.run_dir
    assert first.run_dir.parent == Path("evonas-runs")


def test_seeds(tmp_path: Path) -> None:
    x, y = table()

    def run(name: str, seed: int | None) -> str:
        options: dict[str, Any] = {"strategy": "ga", "generations": 2, "population": 4}
        return digest(evonas.search(x, y, seed=seed, out=tmp_path / name, **options).run_dir)

    assert run("a", 0) == run("b", 0)
    assert len({run("c", 0), run("d", 1), run("e", None), run("f", None)}) == 4


def test_a_resumed_run_equals_a_longer_one(tmp_path: Path) -> None:
    x, y = table()
    long = evonas.search(x, y, generations=5, population=4, out=tmp_path / "long")
    short = evonas.search(x, y, generations=2, population=4, out=tmp_path / "short")
    assert evonas.resume(short.run_dir).stop == "generations"
    evonas.resume(short.run_dir, generations="+3")
    assert digest(short.run_dir) == digest(long.run_dir)


def test_resume_refuses_other_settings_and_other_data(tmp_path: Path) -> None:
    x, y = table()
    result = evonas.search(x, y, generations=1, population=4, out=tmp_path / "run")
    before = digest(result.run_dir)
    with pytest.raises(InputError, match="these differ: population: 4 -> 5; epochs: 200 -> 9"):
        evonas.resume(result.run_dir, generations=2, population=5, epochs=9)
    with pytest.raises(InputError, match="data must be those of the run"):
        evonas.resume(result.run_dir, generations=2, data=prepare_arrays(x, y + 1, seed=0, numbers=NUMERIC_ENCODINGS))
    assert digest(result.run_dir) == before
    evonas.resume(
        result.run_dir, generations=2, population=4, data=prepare_arrays(x, y, seed=0, numbers=NUMERIC_ENCODINGS)
    )


def test_signals_stop_the_search_cleanly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = table()
    straight = evonas.search(x, y, generations=4, population=4, out=tmp_path / "straight")

    class Stopped(StubEvaluator):
        given = 0

        def evaluate(self, *arguments: Any) -> Iterator[Any]:
            for part in super().evaluate(*arguments):
                Stopped.given += 1
                if Stopped.given == 7:
                    signal.raise_signal(signal.SIGTERM)
                yield part

    monkeypatch.setattr(api, "_worker", Stopped)
    with pytest.raises(evonas.Interrupted, match=r"evonas\.resume\(.*\) continues it") as caught:
        evonas.search(x, y, generations=4, population=4, out=tmp_path / "run")
    assert (caught.value.exit_code, caught.value.run_dir) == (143, tmp_path / "run")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert evonas.load_run(tmp_path / "run").stop == "interrupted"
    evonas.resume(tmp_path / "run")
    assert digest(tmp_path / "run") == digest(straight.run_dir)


def test_spaces_and_populations_come_from_files(tmp_path: Path) -> None:
    x, y = table()
    space = DenseSpace(layers=Range(1, 2), units=8, numbers="standard", embedding=["none", "linear"])
    (tmp_path / "space.toml").write_text(space_to_toml(space))
    first = evonas.search(
        x, y, space=tmp_path / "space.toml", generations=2, population=4, out=tmp_path / "first", known_defaults=False
    )
    # Regression does not use label smoothing.
    assert replace(first.space, neighbour_columns=(), neighbour_sets=()) == replace(space, label_smoothing=0.0)
    second = evonas.search(
        x,
        y,
        space=space,
        generations=1,
        population=6,
        seed=9,
        initial=first.run_dir / "population.json",
        known_defaults=False,
    )
    with RunReader(second.run_dir) as run:
        genomes = [first.space.genome_from_json(record.genome) for record in run.records()]
        assert [record.operator for record in run.records()] == ["seed"] * 4 + ["sample"] * 2
    assert genomes[:4] == first.population


def test_csv_files_and_tables(tmp_path: Path) -> None:
    x, y = table()
    lines = ["a,b,c,y", *(",".join(map(str, [*row, target])) for row, target in zip(x, y, strict=True))]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    result = evonas.search(tmp_path / "table.csv", "y", generations=1, population=3)
    with RunReader(result.run_dir) as run:
        assert sum(view != "robust" for view in run.problem_json["views"]) == 3
        assert run.source["target"] == "y"
    with pytest.raises(InputError, match="test must be a table or its path when y names the target"):
        evonas.search(tmp_path / "table.csv", "y", test=(x, y))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"population": 0}, "population must be at least 1"),
        ({"generations": -1}, "generations must be at least 1, not -1"),
        ({"time": "soon"}, "time must be a duration"),
        ({"objective": "acuracy"}, "objective must be a metric, not .acuracy.: did you mean"),
        ({"strategy": "gaa"}, "did you mean 'ga'"),
        ({"space": "nowhere.toml"}, "space file"),
        ({"initial": "nowhere.json"}, "population file"),
        ({"poplation": 3}, "did you mean 'population'"),
        ({"target": "income"}, "the column that is predicted is y"),
        ({"neighbours": "off"}, "neighbours must be true or false, not 'off'"),
        ({"baseline": "off"}, "baseline must be true or false, not 'off'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    x, y = table()
    with pytest.raises(InputError, match=text):
        evonas.search(x, y, **options)
    assert not list(tmp_path.iterdir())


def test_a_strategy_in_a_custom_loop() -> None:
    space = DenseSpace(layers=Range(1, 3))
    strategy = evonas.strategy("ga", space, seed=0, population=6)
    for _ in range(3):
        scores = [sum(layer.units for layer in candidate.genome.layers) for candidate in strategy.ask()]
        strategy.tell([evonas.Evaluation(evonas.Status.OK, {"score": score}) for score in scores])
    assert len(strategy.state()["population"]) == 6


@pytest.mark.keras
@pytest.mark.parametrize(
    "trainer",
    ["native", pytest.param("population", marks=pytest.mark.soak), pytest.param("single", marks=pytest.mark.soak)],
)
def test_real_networks_are_resumed_to_the_same_bits(tmp_path: Path, trainer: str) -> None:
    x, y = table(80)
    space = DenseSpace(layers=Range(1, 2), units=Range(4, 8))
    options: dict[str, Any] = {"space": space, "population": 2, "epochs": 2, "trainer": trainer, "finalists": 0}
    straight = evonas.search(x, y, generations=2, out=tmp_path / "straight", **options)
    evonas.search(x, y, evaluations=3, out=tmp_path / "run", **options)
    result = evonas.resume(tmp_path / "run", generations=2)
    assert digest(result.run_dir) == digest(straight.run_dir)


@pytest.mark.keras
@pytest.mark.soak
def test_any_network_of_a_real_search_is_exported(tmp_path: Path) -> None:
    x, y = table(80)
    space = DenseSpace(layers=Range(1, 2), units=Range(4, 8))
    result = evonas.search(x, y, space=space, population=2, epochs=2, generations=1, finalists=0, out=tmp_path / "run")
    exported = evonas.export(result.run_dir, tmp_path / "second.keras", rank=2)
    with RunReader(result.run_dir) as run:
        assert exported.validation_scores["rmse"] == pytest.approx(run.ranked(2).evaluation.scores["rmse"], rel=1e-5)
    assert result.test_scores["rmse"] > 0
    given = result.best_model.predict(result.inputs(x[:4]), verbose=0)
    np.testing.assert_allclose(result.predict(x[:4]), given[:, 0], rtol=1e-4)
    with pytest.raises(InputError, match="must end in"):
        result.export(tmp_path / "best.h5")


class Wander(RandomSearch):
    """A user's own random search."""


class Drift(RandomSearch):
    """A second user-defined strategy."""


def test_a_custom_strategy_searches_and_is_required_again(tmp_path: Path) -> None:
    (x, y), out = table(), tmp_path / "run"
    result = evonas.search(x, y, strategy=Wander, generations=2, population=4, out=out)
    assert result.settings.strategy == f"{__name__}:Wander"
    with RunReader(out) as run:
        assert run.source["strategy"] == {"class": f"{__name__}:Wander", "entry_point": False, "trains": True}
        assert f"evonas.resume({str(out)!r}, strategy={__name__}:Wander)" in "\n".join(next_lines(run))
    with pytest.raises(InputError, match="strategy must be given again"):
        evonas.resume(out, generations=3)
    with pytest.raises(InputError, match="strategy must be that of the run"):
        evonas.resume(out, generations=3, strategy=Drift)
    evonas.resume(out, generations=3, strategy=Wander)
    whole = evonas.search(x, y, strategy=Wander, generations=3, population=4, out=tmp_path / "whole")
    assert digest(out) == digest(whole.run_dir)
    with pytest.raises(InputError, match="tournament must be left at its default with strategy"):
        evonas.search(x, y, strategy=Wander, tournament=5)


def test_an_installed_strategy_searches_by_its_name_and_is_required_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (x, y), out, site = table(), tmp_path / "run", tmp_path / "site"
    install(site, "roam = roaming_module:ROW", "roaming")
    monkeypatch.syspath_prepend(str(site))
    evonas.search(x, y, strategy="roam", generations=2, population=4, out=out)
    with RunReader(out) as run:
        assert run.source["strategy"]["distribution"] == "roaming"
        assert any("evonas resume" in line for line in next_lines(run))
    evonas.resume(out, generations=3)
    monkeypatch.setattr("sys.path", [path for path in sys.path if path != str(site)])
    with pytest.raises(InputError, match=r"searches by roam of roaming 1.2, which is not: install it"):
        evonas.resume(out, generations=4)
    assert evonas.load_run(out).best_score is not None
    assert len(evonas.finalists(out, top=1, seeds=1).finalists) == 1
