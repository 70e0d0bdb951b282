"""Which part of a space is searched, given the data, the objective and the trainer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from evonas.api.resolve import fit_space, space_and_numbers, trainable, with_learned_neighbours
from evonas.api.resolved_settings import (
    with_epoch_rows,
    with_precision,
    with_reduced_rungs,
    with_rungs,
    with_usual_epochs,
)
from evonas.config import Settings
from evonas.data.prepared import Problem
from evonas.objective import Objective
from genomes.architecture.layers import NUMERIC_ENCODINGS
from genomes.dense import DenseSpace
from genomes.domains import Choice, Range
from genomes.errors import InputError
from genomes.staged import ConvolutionalSpace, SequenceSpace
from tests.training.networks import data

PROBLEM = Problem(
    "regression",
    6,
    1,
    numeric=(0, 0, 0, 0, 1, -1),
    views=("standard", "piecewise", "tree", "quantile", "standard", "standard"),
)


def test_embeddings_and_members_are_searched_where_there_are_numbers() -> None:
    space = fit_space(DenseSpace(), PROBLEM)
    assert (space.embedding, space.members) == (DenseSpace().embedding, DenseSpace().members)


@pytest.mark.parametrize("numeric", [(), (-1,) * 6, tuple(range(200))])
def test_no_embeddings_where_there_are_no_numbers_or_too_many(numeric: tuple[int, ...]) -> None:
    space = fit_space(DenseSpace(), replace(PROBLEM, numeric=numeric))
    assert space.embedding == Choice(("none",))
    assert space.members == DenseSpace().members


def test_the_population_trainer_supports_neither() -> None:
    space = fit_space(DenseSpace(), PROBLEM, "population")
    assert (space.embedding, space.members) == (Choice(("none",)), Choice((1,)))
    assert fit_space(space, PROBLEM, "population") == space


@pytest.mark.parametrize("genes", [{"embedding": "linear"}, {"members": [4, 8]}])
def test_a_space_without_anything_else_is_refused(genes: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(genes))} must be .* with the population trainer"):
        fit_space(DenseSpace(**genes), PROBLEM, "population")


def test_categories_are_embedded_if_there_are_any() -> None:
    told = replace(PROBLEM, categorical=(-1,) * (PROBLEM.num_features - 1) + (0,))
    wanted = DenseSpace(category_units=Range(2, 16, log=True, zero=True))
    for problem, trainer, left in [
        (told, "native", wanted.category_units),
        (PROBLEM, "native", Choice((0,))),
        (told, "population", Choice((0,))),
    ]:
        space = fit_space(wanted, problem, trainer)
        assert isinstance(space, DenseSpace)
        assert space.category_units == left
    with pytest.raises(InputError, match="category_units must be 0 with data without categorical columns"):
        fit_space(DenseSpace(category_units=4), PROBLEM)


def test_rates_of_single_variables_are_off_in_a_population() -> None:
    space = DenseSpace(bias_rate=[0.1, 1.0], parametrization=["standard", "ntk"], decay_schedule="flat_cosine")
    chosen = Settings(trainer="population").resolve("rmse")
    found, notes = trainable(space, chosen, Objective("rmse", "min"), "regression")
    assert isinstance(found, DenseSpace)
    assert [found.bias_rate, found.parametrization, found.decay_schedule] == [
        Choice((off,)) for off in (1.0, "standard", "constant")
    ]
    assert [note.partition(" ")[0] for note in notes] == ["scaling", "bias_rate", "parametrization", "decay_schedule"]


def test_a_space_asks_for_the_encodings_that_its_embeddings_need() -> None:
    assert set(space_and_numbers(DenseSpace(numbers="log"), None)[1]) == {"log", "piecewise", "tree", "quantile"}
    assert space_and_numbers(DenseSpace(numbers="log", embedding="none"), None)[1] == ("log",)
    assert set(space_and_numbers(None, None)[1]) == set(NUMERIC_ENCODINGS)


@pytest.mark.parametrize(("form", "left"), [("log", ("none",)), ("piecewise", ("none", "linear"))])
def test_one_encoding_for_all_leaves_the_embeddings_that_use_it(form: str, left: tuple[str, ...]) -> None:
    space, forms = space_and_numbers(None, form)
    assert isinstance(space, DenseSpace)
    assert (space.embedding, forms) == (Choice(left), (form,))


def test_a_space_from_before_embeddings_has_none() -> None:
    value = DenseSpace(layers=2).to_json()
    later = ("embedding", "embedding_units", "embedding_sigma", "members", "adapters", "member_start", "category_units")
    later += ("bias_rate", "parametrization", "decay_schedule", "bias_initializer", "parametric_activation")
    later += ("embedding_rate", "output_rate", "output")
    for place in ("network", "training"):
        value[place] = {name: domain for name, domain in value[place].items() if name not in later}
    space = DenseSpace.from_json(value)
    assert (space.embedding, space.members, space.layers) == (Choice(("none",)), Choice((1,)), Choice((2,)))
    assert space.category_units == Choice((0,))
    assert space.output == Choice(("dense",))
    del value["network"]["layers"]  # as in a file written by hand that relies on the default
    assert DenseSpace.from_json(value).embedding == DenseSpace().embedding


def test_learned_neighbours_are_searched_where_they_are_supported() -> None:
    space, prepared, settings = DenseSpace(), data(), Settings(trainer="native")
    assert with_learned_neighbours(space, prepared, settings) == (space, ())
    cases: tuple[tuple[Any, dict[str, Any], str], ...] = (
        (data(weighted=True), {}, "with weighted rows"),
        (prepared, {"quantiles": (0.1, 0.9)}, "for quantiles"),
        (prepared, {"trainer": "population"}, "with the population trainer"),
        (prepared, {"strategy": "neuroevolution"}, "with strategy neuroevolution"),
    )
    for rows, changes, why in cases:
        changed = settings.model_copy(update=changes)
        found, notes = with_learned_neighbours(space, rows, changed)
        assert found == replace(space, output="dense")
        assert notes == (f"no predictions from learned neighbours {why}",)
        with pytest.raises(InputError, match=f"output must be dense {why}"):
            with_learned_neighbours(DenseSpace(output="neighbours"), rows, changed)
        assert with_learned_neighbours(DenseSpace(output="dense"), rows, changed)[1] == ()


def test_without_neighbours_none_are_learned_either() -> None:
    found, _ = space_and_numbers(None, None, neighbours=False)
    assert found == replace(DenseSpace(), neighbours=False, output="dense")
    with pytest.raises(InputError, match="output must be dense without neighbours"):
        space_and_numbers(DenseSpace(output="neighbours"), None, neighbours=False)


def find_options(
    task: str, metric: str, space: DenseSpace | None = None, **settings: Any
) -> tuple[Any, Any, tuple[str, ...]]:
    """Returns the options searched for label smoothing and for scaling, and the notes about them."""
    options = {"trainer": "native", **settings}
    found, notes = trainable(space or DenseSpace(), Settings(**options).resolve(metric), Objective(metric, "max"), task)
    return found.domain("label_smoothing").options, found.domain("scaling").options, notes


def test_labels_are_smoothed_where_classes_are_scored() -> None:
    smoothing = DenseSpace().domain("label_smoothing").options
    for task in ("binary", "multiclass"):
        assert find_options(task, "accuracy") == (smoothing, (False, True), ())
        assert find_options(task, "log_loss") == ((0.0,), (False, True), ())
    assert find_options("regression", "rmse") == ((0.0,), (False, True), ())


@pytest.mark.parametrize(("second", "searched"), [("parameters", True), ("f1", True), ("log_loss", False)])
def test_labels_are_not_smoothed_where_a_further_objective_scores_probabilities(second: str, searched: bool) -> None:
    options, *_ = find_options("binary", "accuracy", strategy="nsga2", objectives=("accuracy", second))
    assert (len(options) > 1) is searched


def test_a_fixed_value_of_a_space_is_kept_where_it_has_an_effect() -> None:
    space = DenseSpace(label_smoothing=0.1)
    assert find_options("binary", "log_loss", space)[0] == (0.1,)
    assert find_options("regression", "rmse", space)[0] == (0.0,)


@pytest.mark.parametrize(("task", "metric", "count"), [("binary", "accuracy", 2), ("regression", "rmse", 1)])
def test_a_population_supports_neither_and_reports_it(task: str, metric: str, count: int) -> None:
    *options, notes = find_options(task, metric, trainer="population")
    assert options == [(0.0,), (False,)]
    assert len(notes) == count
    assert "scaling is off" in notes[0]


def test_neuroevolution_adds_no_note() -> None:
    assert find_options("binary", "accuracy", strategy="neuroevolution") == ((0.0,), (False,), ())


def test_a_text_space_has_the_vocabulary_of_the_texts_and_accepts_text_only():
    texts = replace(PROBLEM, num_features=40, sample_shape=(40,), vocabulary=3000, views=(), numeric=())
    found: Any = fit_space(SequenceSpace.for_text(length=Range(16, 256)), texts)
    assert found.vocabulary == Choice((2000, 3000))
    assert found.length == Range(16, 40)
    assert fit_space(SequenceSpace(tokens=[False, True]), texts).tokens == Choice((True,))
    series = replace(texts, sample_shape=(20, 2), vocabulary=0)
    assert fit_space(SequenceSpace(tokens=[False, True]), series).tokens == Choice((False,))
    for space, problem, what in (
        (SequenceSpace(), texts, "true for texts"),
        (SequenceSpace.for_text(), series, "false"),
    ):
        with pytest.raises(InputError, match=f"network.tokens of the space must be {what}"):
            fit_space(space, problem)


def test_labels_of_convolutions_are_smoothed_where_classes_are_scored():
    space, settings = ConvolutionalSpace(), Settings(trainer="single")
    assert trainable(space, settings, Objective("accuracy", "max"), "binary")[0] is space
    off: Any = trainable(space, settings, Objective("log_loss", "min"), "binary")[0]
    assert off.label_smoothing == Choice((0.0,))


def test_an_epoch_uses_a_part_of_many_samples_but_all_rows_of_a_table() -> None:
    images, settings = Problem("regression", 4, 1, sample_shape=(2, 2, 1)), Settings(trainer="single")
    assert with_epoch_rows(settings, images, 8192).epoch_rows is None
    assert with_epoch_rows(settings, images, 54_000).epoch_rows == 6750
    assert with_epoch_rows(Settings(trainer="single", epoch_rows=7), images, 54_000).epoch_rows == 7
    assert with_epoch_rows(Settings(), PROBLEM, 54_000).epoch_rows is None
    with pytest.raises(InputError, match="epochs take all rows"):
        with_epoch_rows(Settings(epoch_rows=7), PROBLEM, 54_000)


def test_evolution_over_samples_has_rungs_unless_given() -> None:
    images = replace(PROBLEM, sample_shape=(8, 8, 1))
    single = Settings(trainer="single")
    assert with_rungs(single, images).rungs == 2
    assert with_rungs(single.model_copy(update={"epoch_rows": 100}), images).rungs == 3
    assert with_rungs(Settings(trainer="single", epochs=8), images).rungs == 1
    assert with_rungs(Settings(trainer="single", rungs=1), images).rungs == 1
    assert with_rungs(Settings(trainer="single", strategy="aging"), images).rungs == 1
    assert with_rungs(single, PROBLEM).rungs == 1


def test_lower_rungs_use_reduced_data_of_many_large_images():
    images, small = (replace(PROBLEM, sample_shape=shape) for shape in ((28, 28, 1), (8, 8, 1)))
    rungs = Settings(trainer="single", rungs=2)
    assert with_reduced_rungs(rungs, images, 2000).reduced_rungs
    for settings, problem, rows in (
        (rungs, small, 2000),
        (rungs, images, 200),
        (rungs, PROBLEM, 2000),
        (Settings(trainer="single"), images, 2000),
        (Settings(trainer="single", rungs=2, reduced_rungs=False), images, 2000),
    ):
        assert not with_reduced_rungs(settings, problem, rows).reduced_rungs
    asked = Settings(trainer="single", rungs=2, reduced_rungs=True)
    assert with_reduced_rungs(asked, small, 10).reduced_rungs
    with pytest.raises(InputError, match="reduced_rungs must be left out except for images, not for tables"):
        with_reduced_rungs(asked, PROBLEM, 2000)


def test_samples_are_trained_in_mixed_precision_on_a_gpu_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    images, settings = replace(PROBLEM, sample_shape=(8, 8, 1)), Settings(trainer="single")
    for there, wanted in ((False, "float32"), (True, "bfloat16")):
        monkeypatch.setattr("evonas.api.resolved_settings.has_gpu", partial(bool, there))
        assert with_precision(settings, images).precision == wanted
        assert with_precision(settings, PROBLEM).precision == "float32"
        assert with_precision(Settings(trainer="single", precision="float32"), images).precision == "float32"


def test_few_samples_get_more_epochs_unless_given() -> None:
    images = Problem("binary", 192, 1, ("yes", "no"), sample_shape=(8, 8, 3))
    few = with_epoch_rows(Settings(trainer="single"), images, 100)
    assert (few.epochs, few.patience) == (500, 100)
    assert "epochs" not in few.model_fields_set
    named = with_epoch_rows(Settings(trainer="single", epochs=7), images, 100)
    assert (named.epochs, named.patience) == (7, 100)
    many = with_epoch_rows(Settings(trainer="single"), images, 3_000)
    assert (many.epochs, many.patience) == (50, 10)


def test_tables_of_few_rows_are_trained_for_more_epochs_unless_they_are_named() -> None:
    settings = Settings(trainer="native")
    found = {rows: with_epoch_rows(settings, PROBLEM, rows) for rows in (500, 4_000, 8_000, 16_000, 50_000)}
    epochs = {rows: (each.epochs, each.patience) for rows, each in found.items()}
    assert epochs == {500: (200, 25), 4_000: (200, 25), 8_000: (100, 15), 16_000: (50, 10), 50_000: (50, 10)}
    assert "epochs" not in found[500].model_fields_set  # which a short run may still reduce
    assert with_usual_epochs(found[500], PROBLEM) == settings
    named_patience = Settings(trainer="native", patience=7)
    assert with_usual_epochs(named_patience, PROBLEM) == named_patience
    unchanged: list[dict[str, Any]] = [{"epochs": 7}, {"patience": None}, {"rungs": 3}, {"strategy": "hyperband"}]
    for options in (*unchanged, {"strategy": "neuroevolution"}, {"trainer": "population"}):
        named = Settings(**{"trainer": "native", **options})
        assert with_epoch_rows(named, PROBLEM, 500) == named
