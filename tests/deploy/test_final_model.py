"""The final model: the mean of the finalists' trainings, which use training and validation rows if there are few."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import evonas
from evonas.api import session
from evonas.api.final_model import chooses_members
from evonas.api.predictor import open_predictor
from evonas.data.prepare import prepare_table
from evonas.data.prepared import PreparedData
from evonas.data.splits import join_split
from evonas.deploy import final_model as final_model_module
from evonas.deploy.final_model import choose_ensemble, final_network, score_final_model
from evonas.display.next_steps import scored_values
from evonas.display.scores import format_score
from evonas.display.text import Plain
from evonas.metrics.calibration import temperature_of
from evonas.networks.forward import raw_outputs
from evonas.reporting.markdown import markdown
from evonas.reporting.report import make_report
from evonas.reporting.rundata import read_run
from evonas.runs import RunReader, RunStore, finalists
from evonas.runs.ensemble_networks import networks_to_choose_from
from evonas.runs.final_model import FinalModel
from evonas.runs.reader import DATA_NAME
from evonas.seeds import RandomStream, stream_rng
from evonas.training.native import NativeTrainer
from evonas.training_tasks import ALL_ROWS, TrainingSettings, TrainingTask
from genomes import DenseSpace
from genomes.architecture.graph import graph_from_json, graph_to_json, views_of
from genomes.encodings import blueprint, space_from_json
from genomes.errors import InputError
from tests.evolution.test_finalists import R2, finalist

_OF_PREDICTIONS = ("predicted-against-true", "residuals", "columns")


def table(rows: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype("float32")
    return pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=x[:, 0] + 0.3 * np.sin(3 * x[:, 1]))


def search(classes: bool = False, **options: Any) -> evonas.SearchResult:
    given = {"population": 3, "evaluations": 3, "epochs": 4, "finalists": 2, "finalist_seeds": 1, "average": 3}
    given["neighbours"] = False
    rows = table()
    rows["y"] = np.where(rows["y"] > 0, "yes", "no") if classes else rows["y"]
    return evonas.search(
        rows, "y", execution="local", baseline=False, overwrite=True, out="run", known_defaults=False,
        threads=1, **{**given, **options},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finalists, "_NEAR", 100.0)  # after four epochs a poor score means little


def predict_with(record: Any, run: RunReader, data: PreparedData, x: Any) -> Any:
    space = space_from_json(run.space_json)
    graph = data.problem.attach_columns(graph_from_json(blueprint(space, space.genome_from_json(record.genome))))
    raw = raw_outputs(graph, run.weights(record), data.new_rows(x, *views_of(graph)))
    return raw * data.problem.target_std[0] + data.problem.target_mean[0]


def test_the_temperature_of_networks_of_folds_is_that_of_rows_held_out_with_the_neighbours_of_their_fold() -> None:
    search(
        classes=True, cv=3, ensemble=3, calibrate=True, neighbours=True, average=None, space=DenseSpace(output="dense")
    )
    data = PreparedData.load(Path("run") / DATA_NAME)
    with RunReader("run") as run:
        model = run.final_model
        assert model is not None
        found = final_network(run, model, data)
        seen = data.for_views(*found.views)
        assert seen.problem.num_features > data.problem.for_views(found.views[0]).num_features  # neighbours
        outputs = [
            raw_outputs(graph, weights, seen.splits[fold].x_validation)
            for graph, weights, fold in zip(found.graphs, found.weights, model.folds, strict=True)
        ]
    labels = np.concatenate([seen.splits[fold].y_validation for fold in model.folds])
    assert found.temperature == pytest.approx(temperature_of(data.problem, labels, np.concatenate(outputs)), rel=1e-3)


def test_all_rows_are_trained_on_for_all_epochs() -> None:
    data = prepare_table(table(), "y", seed=0)
    space = DenseSpace()
    graph = graph_to_json(space.architecture(space.typical()))
    whole = replace(data, splits=(join_split(data.splits[0]),))
    ((found,),) = [part.values() for part in train(data, TrainingSettings(patience=1), graph, ALL_ROWS)]
    ((same,),) = [part.values() for part in train(whole, TrainingSettings(patience=None), graph, None)]
    assert found.epochs == same.epochs == 5
    assert found.curve == same.curve
    assert all((found.weights[name] == each).all() for name, each in same.weights.items())
    ((other,),) = [part.values() for part in train(data, TrainingSettings(), graph, None)]
    assert other.curve != found.curve


def train(data: PreparedData, settings: TrainingSettings, graph: Any, fold: int | None) -> list[Any]:
    task = TrainingTask(graph, 3, 5, horizon=9, fold=fold)
    return list(NativeTrainer(data, settings, threads=1).train([task]))


def test_it_is_the_mean_of_networks_trained_on_all_rows() -> None:
    result = search()
    with RunReader("run") as run:
        model, digest = run.final_model, run.digest()
        assert model is not None
        assert model.all_rows
        assert len(set(model.names)) == 3
        first, second = run.finalists
        assert [each.digest for each in model.members] == [each.record.digest for each in (first, second, first)]
        assert [each.epochs for each in model.members] == [each.best_epoch for each in (first, second, first)]
        data = PreparedData.load(Path("run") / DATA_NAME)
        mean = np.mean([predict_with(each, run, data, data.x_test) for each in model.members], axis=0)[:, 0]
        truth = np.asarray(data.y_test)[:, 0] * data.problem.target_std[0] + data.problem.target_mean[0]
        scores = run.final_test.scores_of(model)
        text = io.StringIO()
        Plain(text).finish(run, None, scores)
    assert text.getvalue().count("test rmse") == 1
    assert "Test, which" not in text.getvalue()  # a second line with the same scores
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((mean - truth) ** 2)), rel=1e-5)
    assert result.test_scores == scores
    answer = markdown(make_report(read_run("run"))).split("## ")[1]
    assert f"**rmse {format_score(scores['rmse'])} on " in answer
    assert f"| final model | {format_score(scores['rmse'])} |" in answer
    assert f"| best network | {format_score(scores['rmse'])} |" not in answer
    rows = table().drop(columns="y")
    assert result.predict(rows) == pytest.approx(evonas.load_run("run").predict(rows))
    pages = [figure for figure in make_report(read_run("run")).figures if figure.name in _OF_PREDICTIONS]
    assert len(pages) == 3
    assert all(each.caption.startswith("The final model (mean of 3 networks trained on") for each in pages)
    assert result.test["predicted"].to_numpy() == pytest.approx(mean, rel=1e-4)
    assert result.test["true"].to_numpy() == pytest.approx(truth, rel=1e-4)
    assert len(set(np.round(result.predict(rows), 5))) > 50
    with RunReader("run") as run:
        values = scored_values(run, scores)
        assert values == {"scores_of": model.note, "validation_scores": None, "test_scores": scores}
        assert scored_values(run, {"rmse": 1.0})["scores_of"] == "best network"
    evonas.resume("run", baseline=False)
    with RunReader("run") as run:
        assert run.digest() == digest


def test_scoring_stops_between_rows_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    search()
    monkeypatch.setattr(final_model_module, "_ROWS_AT_A_TIME", 7)
    data = PreparedData.load(Path("run") / DATA_NAME)
    with RunReader("run") as run:
        model = run.final_model
        assert model is not None
        assert score_final_model(run, model, data) == pytest.approx(dict(run.final_test.scores_of(model)), rel=1e-5)
        checks = iter([False, True])
        assert score_final_model(run, model, data, lambda: next(checks)) == {}


def test_it_is_the_mean_of_the_finalists_own_trainings_where_rows_are_many_or_given() -> None:
    search(all_rows=False, finalist_seeds=2)  # four trainings, three of which are used
    with RunReader("run") as run:
        model = run.final_model
        assert model is not None
        assert not model.all_rows
        first, second = run.finalists
        assert model.names == [first.members[0].weights, second.members[0].weights, first.members[1].weights]
    search(validation=table(40))
    with RunReader("run") as run:
        assert run.settings.all_rows is False


def test_it_is_the_best_network_unless_asked_for_or_in_a_run_of_limited_time() -> None:
    search(average=None)
    with RunReader("run") as run:
        assert run.settings.average == 0
        assert run.final_model is None
    search(average=None, time="90s")
    with RunReader("run") as run:
        assert run.settings.average == 8
    refused: tuple[dict[str, Any], ...] = ({"cv": 3}, {"finalists": 0}, {"max_parameters": 10**6}, {"ensemble": 2})
    for options in refused:
        with pytest.raises(InputError, match="average must"):
            search(**options)


def test_the_searchs_best_join_where_the_time_was_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    search(average=4, all_rows=False)
    with RunReader("run") as run:
        model = run.final_model
        assert model is not None
        names = [each.members[0].weights for each in run.finalists]
        assert model.names == [*names, *(record.weights for record in run.best(2))]
        assert "search's best" in model.note
        monkeypatch.setattr(RunReader, "finalists", [])
        alone = run.final_model
        assert alone is not None
        assert alone.names == [record.weights for record in run.best(3)]
        monkeypatch.setattr(finalists, "_NEAR", 0.0)  # the worse ones would worsen the mean
        assert run.final_model is None


def test_a_network_far_behind_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    good, near, far = finalist(1.0, 1.0, 1.02), finalist(1.1, 1.04, 1.05), finalist(1.0, 1.0, 1.2)
    assert finalists.near_the_best([good, near, far]) == [good, near]
    assert finalists.near_the_best([good, finalist(1.0, 1.0, None)]) == [good]
    assert [each for each, _ in finalists.all_rows_members([good, near, far], 0, 2, 3)] == [good, near, good]
    assert finalists.near_the_best([]) == []
    close, worse = finalist(0.9, 0.86, objective=R2), finalist(0.9, 0.7, objective=R2)
    assert finalists.near_the_best([close, worse]) == [close]


def test_a_requested_ensemble_is_the_final_model() -> None:
    result = search(average=None, ensemble=3, finalists=2, finalist_seeds=2)
    with RunReader("run") as run:
        model = run.final_model
        assert model is not None
        assert 2 <= len(model.members) <= 3
        data = PreparedData.load(Path("run") / DATA_NAME)
        pairs = zip(model.members, model.shares, strict=True)
        mean = sum(share * predict_with(record, run, data, data.x_test)[:, 0] for record, share in pairs)
        held = networks_to_choose_from(run)
        x, y = data.splits[0].x_validation, data.splits[0].y_validation
        target = np.asarray(y)[:, 0] * data.problem.target_std[0] + data.problem.target_mean[0]
        errors = {name: np.mean((predict_with(each, run, data, x)[:, 0] - target) ** 2) for name, each in held.items()}
        together = sum(
            share * predict_with(each, run, data, x)[:, 0]
            for each, share in zip(model.members, model.shares, strict=True)
        )
        assert np.mean((together - target) ** 2) <= min(errors.values()) * 1.0001
    assert sum(model.shares) == pytest.approx(1.0)
    assert result.test["predicted"].to_numpy() == pytest.approx(mean, rel=1e-4, abs=1e-5)
    assert result.predict(result.test) == pytest.approx(mean, rel=1e-4, abs=1e-5)
    answer = markdown(make_report(read_run("run"))).split("## ")[1]
    assert f"**rmse {format_score(result.test_scores['rmse'])} on " in answer
    assert "is the ensemble of" in answer
    with RunReader("run") as run:  # the choice is valid for these networks only
        assert run.final_test.ensemble_of(list(held)[1:]) == {}


def test_the_best_network_is_exported_where_no_ensemble_is_better_than_a_single_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def choose_one(run: RunReader, *_: Any) -> tuple[list[str], list[float]]:
        names = list(networks_to_choose_from(run))
        return names, [0.0, 1.0, *(0.0 for _ in names[2:])]

    exported: list[str] = []
    monkeypatch.setattr(session, "choose_ensemble", choose_one)
    monkeypatch.setattr(session, "export", lambda *_, **__: exported.append("best network"))
    monkeypatch.setattr(session, "export_ensemble", lambda *_, **__: exported.append("ensemble"))
    search(average=None, ensemble=3, export="best.keras")
    assert exported == ["best network"]  # as predicted with, scored on the test rows and compared with the baselines


@pytest.mark.keras
@pytest.mark.soak
@pytest.mark.parametrize("options", [{}, {"average": None, "ensemble": 3}], ids=["mean", "ensemble"])
def test_everything_shown_about_the_final_model_comes_from_its_file(options: dict[str, Any]) -> None:
    import keras

    from evonas.reporting.column_importance import permutation_importance
    from evonas.reporting.predictions import load_data, predict_held_out

    result = search(classes=True, **options)
    exported = result.export("final.keras")
    rows = result.test
    model = keras.models.load_model("final.keras")
    given = model.predict({name: rows[[name]].to_numpy() for name in "abc"}, verbose=0)["probability"].ravel()
    run = read_run("run")
    data = load_data(run)
    found = predict_held_out(run, data)
    assert found is not None
    assert data is not None
    shown = [found.predicted[:, 1], rows["probability_yes"], result.predict_proba(rows)[:, 1]]
    shown.append(open_predictor("run").outputs(rows)[:, 1])
    for each in shown:
        assert np.asarray(each) == pytest.approx(given, rel=1e-3, abs=1e-5)
    labels = np.where(given > 0.5, "yes", "no")
    assert (result.predict(rows) == labels).all()
    assert (rows["predicted"] == labels).all()
    report = {figure.name: figure for figure in make_report(run).figures}
    counts = [[int(((rows["true"] == t) & (labels == p)).sum()) for p in ("no", "yes")] for t in ("no", "yes")]
    assert report["confusion"].rows == [
        [f"true {name}", *map(str, row)] for name, row in zip(("no", "yes"), counts, strict=True)
    ]
    assert report["calibration"].rows[0][0] == f"{np.sort(given)[: len(given) // 3].mean():.1%}"
    area = roc_auc_score(rows["true"] == "yes", given)
    assert float(report["roc"].rows[0][1]) == pytest.approx(area, abs=1e-3)
    labelled = rows[["a", "b", "c"]].assign(y=rows["true"])
    evaluated, loss = result.evaluate(labelled)["log_loss"], exported.test_scores["log_loss"]
    assert evaluated == pytest.approx(loss, rel=1e-3)
    assert result.test_scores["log_loss"] == pytest.approx(loss, rel=1e-3)
    card = json.loads(Path("final.keras.card.json").read_text())
    assert card["scores"]["test"]["log_loss"] == loss
    columns = permutation_importance(run, data, found, repeats=1)
    shuffled = rows.assign(a=stream_rng(RandomStream.PERMUTED_COLUMNS, 0).permutation(rows["a"]))
    inputs = {name: shuffled[[name]].to_numpy() for name in "abc"}
    worse = log_loss(rows["true"] == "yes", model.predict(inputs, verbose=0)["probability"].ravel())
    assert columns["a"][0] == pytest.approx(worse - loss, rel=1e-2, abs=1e-4)


@pytest.mark.keras
@pytest.mark.soak
def test_the_file_predicts_the_mean() -> None:
    import keras

    result = search()
    exported = result.export("mean.keras")
    assert exported.note.startswith("mean of 3 networks trained on training and validation rows")
    assert exported.test_scores["rmse"] == pytest.approx(result.test_scores["rmse"], rel=1e-4)
    assert not exported.validation_scores
    rows = table().drop(columns="y")
    model = keras.models.load_model("mean.keras")
    given = model.predict({name: rows[[name]].to_numpy() for name in rows}, verbose=0)
    assert np.asarray(given).ravel() == pytest.approx(result.predict(rows), rel=1e-3, abs=1e-4)
    single = result.export("single.keras", 1)
    assert single.validation_scores


def test_a_mean_is_chosen_on_the_validation_rows_if_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final_model_module, "_ROWS_TO_CHOOSE", 18)
    result = search(all_rows=False, finalist_seeds=2)
    with RunReader("run") as run:
        model = run.final_model
        assert model is not None
        assert model.note.endswith("chosen on the validation rows")
        assert 2 <= len(model.members) <= 3
        assert run.final_test.ensemble_of(list(networks_to_choose_from(run)))
    assert result.test_scores["rmse"] > 0
    rows = table().drop(columns="y")
    assert result.predict(rows) == pytest.approx(evonas.load_run("run").predict(rows))


def test_half_of_a_classifiers_mean_are_the_searchs_best_networks() -> None:
    result = search(classes=True)
    with RunReader("run") as run:
        model, data = run.final_model, PreparedData.load(Path("run") / DATA_NAME)
        assert model is not None
        assert model.note == "mean of 5 networks: 3 trained on training and validation rows, 2 of the search's best"
        assert model.all_rows
        assert model.names[3:] == [each.weights for each in run.best(2)]
        assert model.shares == pytest.approx((1 / 6,) * 3 + (1 / 4,) * 2)
        together = score_final_model(run, model, data)
        assert result.test_scores == pytest.approx(together)
        assert together != score_final_model(run, FinalModel(model.members[:3], all_rows=True), data)
    evonas.resume("run", evaluations=6, baseline=False)
    with RunReader("run") as run:
        assert run.final_model is not None
        assert run.final_model.names[3:] == [each.weights for each in run.best(2)]
        assert sum(run.final_model.shares[:3]) == pytest.approx(0.5)


def test_a_mean_has_equal_shares_if_validation_rows_are_few() -> None:
    search(all_rows=False)
    with RunReader("run") as run:
        assert run.final_model is not None
        assert run.final_model.chosen == ()


def test_time_for_a_choice_is_reserved_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_reserved(**options: Any) -> bool:
        search(finalists=2, evaluations=2, **options)
        with RunStore.open("run") as store:
            return chooses_members(store)

    assert not is_reserved(all_rows=False)  # too few validation rows
    monkeypatch.setattr(final_model_module, "_ROWS_TO_CHOOSE", 18)
    assert is_reserved(all_rows=False)
    assert not is_reserved(all_rows=True)
    assert not is_reserved(average=0)


def test_the_choice_is_between_the_networks_that_were_scored_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final_model_module, "_ROWS_TO_CHOOSE", 18)
    search(all_rows=False, finalist_seeds=2)
    with RunReader("run") as run:
        data = PreparedData.load(Path("run") / DATA_NAME)
        every = networks_to_choose_from(run)
        best = sorted(every, key=lambda name: every[name].loss or 0.0)
        for scored in (0, 1, 2, 3):
            calls = iter(range(100))
            names, shares = choose_ensemble(run, data, lambda calls=calls, scored=scored: next(calls) >= scored)
            assert names == (list(every) if scored > 1 else [])
            assert {name for name, share in zip(names, shares, strict=True) if share} <= set(best[:scored])
            assert sum(shares) == pytest.approx(1.0 if scored > 1 else 0.0)
