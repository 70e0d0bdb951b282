"""`HyperParameters`, their discovery and their genes: the behaviour that KerasTuner documents, without Keras."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.tuner import HyperParameters, Objective
from evonas.tuner.discovery import discover, discover_in_fit
from evonas.tuner.encoding import GeneCodec
from evonas.tuner.objectives import objective_of
from evonas.tuner.reading import from_json, to_json
from genomes import InputError

NUMBERS = {
    "a range": (("Int", "n", 6, 12), {}, {6, 7, 8, 9, 10, 11, 12}),
    "steps that end before the maximum": (("Int", "n", 6, 13, 3), {}, {6, 9, 12}),
    "multiplied steps": (("Int", "n", 2, 32, 2), {"sampling": "log"}, {2, 4, 8, 16, 32}),
    "steps from the upper end": (("Int", "n", 1, 8, 2), {"sampling": "reverse_log"}, {8, 7, 5, 1}),
    "real steps": (("Float", "n", 0, 1, 0.25), {}, {0.0, 0.25, 0.5, 0.75, 1.0}),
    "real multiplied steps": (("Float", "n", 0.125, 8, 4), {"sampling": "log"}, {0.125, 0.5, 2.0, 8.0}),
    "whole choices": (("Choice", "n", [8, 2, 64]), {}, {8, 2, 64}),
    "words": (("Choice", "n", ["a", "b/c", ""]), {}, {"a", "b/c", ""}),
    "truth": (("Boolean", "n"), {}, {True, False}),
    "one value": (("Int", "n", 3, 3), {}, {3}),
    "fixed": (("Fixed", "n", [1, {"a": None}]), {}, None),
}


def ask(hp, call, **more):
    method, *arguments = call
    return getattr(hp, method)(*arguments, **more)


@pytest.mark.parametrize("case", NUMBERS)
def test_values_are_the_requested_ones(case):
    call, more, wanted = NUMBERS[case]
    hp = HyperParameters()
    first = ask(hp, call, **more)
    (known,) = hp.space
    drawn = [known.draw(np.random.default_rng(seed)) for seed in range(80)]
    if wanted is None:
        assert first == call[2]
        assert all(value == first for value in drawn)
        return
    assert set(drawn) == wanted
    assert {type(value) for value in drawn} == {type(first)}
    assert first in wanted
    assert all(known.value(known.gene(value)) == value for value in wanted)


@pytest.mark.parametrize(("sampling", "low", "high"), [("linear", 0.4, 0.6), ("log", 0, 0.1), ("reverse_log", 0.9, 1)])
def test_sampling_says_where_numbers_crowd(sampling, low, high):
    hp = HyperParameters()
    hp.Float("rate", 1e-3, 1.0, sampling=sampling)
    drawn = [hp.space[0].draw(np.random.default_rng(seed)) for seed in range(300)]
    assert low <= np.median(drawn) <= high
    assert all(1e-3 <= value <= 1.0 for value in drawn)
    known = hp.space[0]
    assert known.value(known.gene(drawn[0])) == pytest.approx(drawn[0], rel=1e-3)


@pytest.mark.parametrize(
    ("call", "more", "text"),
    [
        (("Int", "n", 5, 1), {}, "at most max_value"),
        (("Int", "n", 0, 8), {"sampling": "log"}, "above 0 with sampling"),
        (("Int", "n", 1, 8, 1), {"sampling": "log"}, "step of 'n' must be above 1"),
        (("Int", "n", 1.5, 8), {}, "whole numbers"),
        (("Float", "n", 1, 8), {"sampling": "cubic"}, "sampling of 'n' must be one of"),
        (("Choice", "n", []), {}, "some of one type"),
        (("Choice", "n", ["a", 1]), {}, "some of one type"),
        (("Choice", "n", ["a"]), {"default": "b"}, "default of 'n' must be one of its values"),
        (
            ("Boolean", "n"),
            {"parent_name": "m", "parent_values": 1},
            "parent_name must be that of a requested hyperparameter",
        ),
    ],
)
def test_impossible_values_are_refused(call, more, text):
    with pytest.raises(InputError, match=text):
        ask(HyperParameters(), call, **more)


def test_defaults_names_and_conditions():
    hp = HyperParameters()
    assert hp.Int("units", 8, 64, default=32) == 32
    assert hp.Choice("kind", ["mlp", "cnn"]) == "mlp"
    with hp.conditional_scope("kind", ["cnn"]):
        assert hp.Int("filters", 4, 8) is None
    with hp.name_scope("head"):
        assert hp.Boolean("wide", default=True) is True
        assert hp.get("wide") is True
    assert hp.Float("rate", 0.1, 0.5, parent_name="kind", parent_values=["mlp"]) == 0.1
    assert hp.values == {"units": 32, "kind": "mlp", "head/wide": True, "rate": 0.1}
    assert hp["units"] == 32
    assert "filters" not in hp
    assert "rate" in hp
    with pytest.raises(ValueError, match="does not hold"):
        hp.get("filters")
    with pytest.raises(KeyError, match="was not requested"):
        hp.get("strides")
    assert hp.copy().values == hp.values


def documented(hp):
    """Conditions of every sort: scopes, nested scopes, Python's own `if`."""
    kind = hp.Choice("kind", ["mlp", "cnn", "rnn"])
    with hp.conditional_scope("kind", ["cnn"]):
        if kind == "cnn":
            for layer in range(hp.Int("convolutions", 1, 2)):
                hp.Int(f"filters_{layer}", 4, 8)
            hp.Boolean("pool")
            with hp.conditional_scope("pool", [True]):
                if hp.get("pool"):
                    hp.Choice("pooling", ["max", "avg"])
    if kind == "rnn":
        hp.Choice("cell", ["gru", "lstm"])
    for layer in range(hp.Int("num_layers", 1, 4)):
        hp.Int(f"units_{layer}", 32, 512, step=32)
    return None


def test_everything_is_found_that_conditions_hide():
    names = [each.name for each in discover(documented)]
    assert sorted(names) == sorted(
        [
            "kind",
            "convolutions",
            "filters_0",
            "filters_1",
            "pool",
            "pooling",
            "cell",
            "num_layers",
            *(f"units_{layer}" for layer in range(4)),
        ]
    )
    assert names.index("pool") < names.index("pooling")


def test_a_fit_is_traced_until_it_uses_the_model():
    def fit(hp, model, x, callbacks=None):
        assert callbacks == []
        if hp.Boolean("augment"):
            hp.Float("factor", 0.0, hp.get("units"))
        model.fit(x, batch_size=hp.Choice("batch_size", [16, 32]))
        raise AssertionError("nothing is trained")

    known = discover(lambda hp: hp.Int("units", 8, 64))
    found = discover_in_fit(fit, known, [[1.0]], {"callbacks": [object()]})
    assert [each.name for each in found] == ["units", "augment", "batch_size", "factor"]
    assert from_json(to_json(found)) == found


def test_errors_with_the_defaults_are_raised_and_other_failures_are_not():
    def fails(hp):
        if hp.Boolean("bad"):
            raise RuntimeError("too wide")

    assert [each.name for each in discover(fails)] == ["bad"]
    with pytest.raises(ZeroDivisionError):
        discover(lambda hp: 1 / 0)


def test_genes_correspond_to_the_hyperparameters():
    coding = GeneCodec(discover(documented))
    rng = np.random.default_rng(0)
    for _ in range(50):
        genome = coding.space.sample(rng)
        values = coding.values(genome)
        assert ("convolutions" in values) == (values["kind"] == "cnn")
        assert ("pooling" in values) == values.get("pool", False)
        assert values["units_0"] % 32 == 0
        assert coding.genome(values) == genome
        hp = coding.fill(genome, seed=1)
        documented(hp)
        assert hp.values == values
        assert hp.copy().values == values


def test_hyperparameters_revealed_by_a_trial_are_drawn_from_its_seed():
    coding = GeneCodec(discover(lambda hp: hp.Int("units", 100, 1000)))

    def build(seed):
        hp = coding.fill({"units": 900}, seed)
        return hp.get("units"), hp.Float("late", 0.0, 1.0)

    assert build(1) == build(1) != build(2)
    assert build(1)[0] == 900


def test_entries_given_beforehand_override_those_asked_for():
    given = HyperParameters()
    given.Fixed("kind", "rnn")
    given.Int("num_layers", 1, 2)
    coding = GeneCodec(discover(documented, given.space), frozenset(each.name for each in given.space))
    assert [each.name for each in coding.names.values()] == ["num_layers"]
    assert coding.values({"num_layers": 2})["kind"] == "rnn"


@pytest.mark.parametrize(
    ("given", "name", "direction"),
    [
        ("val_accuracy", "val_accuracy", "max"),
        ("val_loss", "val_loss", "min"),
        ("val_auc_1", "val_auc_1", "max"),
        ("head_sparse_categorical_accuracy", "head_sparse_categorical_accuracy", "max"),
        ("val_root_mean_squared_error", "val_root_mean_squared_error", "min"),
        (Objective("val_gain", "max"), "val_gain", "max"),
        (None, "default_objective", "min"),
        (["val_loss", Objective("val_gain", "max")], "multi_objective", "min"),
    ],
)
def test_objectives_have_a_direction(given, name, direction):
    objective = objective_of(given)
    assert (objective.name, objective.direction) == (name, direction)


def test_objectives_that_evonas_does_not_know_are_asked_for():
    with pytest.raises(InputError, match=r"write Objective\('val_gain', \"min\"\)"):
        objective_of("val_gain")
    several = objective_of(["val_loss", Objective("val_gain", "max")])
    assert several.value({"val_loss": 3.0, "val_gain": 1.0, "loss": 9.0}) == 2.0
    assert several.value({"val_loss": 3.0}) is None
    assert several.loss(float("nan")) == float("inf")


def published(hp):
    """Python's own `if` around `for`, as in one of KerasTuner's guides."""
    if hp.Choice("kind", ["mlp", "cnn"]) == "mlp":
        for layer in range(hp.Int("mlp_layers", 1, 3)):
            hp.Int(f"units_{layer}", 32, 128, step=32)
    else:
        for layer in range(hp.Int("cnn_layers", 1, 3)):
            hp.Int(f"filters_{layer}", 32, 128, step=32)
    hp.Boolean("dropout")


def test_everything_is_found_that_an_if_around_a_for_hides():
    calls = []
    names = {each.name for each in discover(lambda hp: [published(hp), calls.append(1)])}
    assert names >= {f"{what}_{layer}" for what in ("units", "filters") for layer in range(3)}
    assert len(calls) < 12


def test_bounds_that_depend_on_others_are_searched_whole_and_kept_where_they_are():
    def build(hp):
        most = hp.Int("most", 4, 64)
        return most, hp.Int("units", 1, most)

    coding = GeneCodec(discover(build))
    assert {each.name: dict(each.settings)["max_value"] for each in coding.known} == {"most": 64, "units": 64}
    rng = np.random.default_rng(0)
    drawn = [build(coding.fill(coding.space.sample(rng), 0)) for _ in range(50)]
    assert max(units for _, units in drawn) > 32
    for most, units in drawn:
        assert 1 <= units <= most


def test_one_name_for_two_hyperparameters_is_reported():
    hp = HyperParameters()
    assert hp.Int("units", 2, 4) == 2
    with pytest.warns(UserWarning, match="'units' was requested twice with different values.*different names"):
        assert hp.Int("units", 16, 32) == 2


LATE = {
    "a range": lambda hp: hp.Float("late", 0.5, 8.0),
    "steps": lambda hp: hp.Int("late", 32, 512, step=32),
    "words": lambda hp: hp.Choice("late", ["a", "b", "c"]),
    "numbers": lambda hp: hp.Choice("late", [16, 64, 256]),
    "truth": lambda hp: hp.Boolean("late"),
    "more of what is known": lambda hp: hp.Int("units", 100, 5000),
}


@pytest.mark.parametrize("case", LATE)
def test_hyperparameters_revealed_by_trials_get_a_gene_of_their_name(case):
    first = GeneCodec(discover(lambda hp: hp.Int("units", 100, 1000)))
    old = first.space.sample(np.random.default_rng(0))
    hp = first.fill(old, seed=3)
    had = LATE[case](hp)
    (new,) = from_json(hp.report()["new"])
    coding = first.extend([new])
    assert coding.restore_trial(hp.report()["values"], old, 3).values == hp.values
    assert coding.extend([new]) == coding
    assert coding.space.contains(old)
    told = set()
    for seed in range(40):
        genome, _ = coding.space.mutate(coding.space.sample(np.random.default_rng(seed)), np.random.default_rng(seed))
        # The worker process knows the first encoding only; driver and worker must agree.
        there = LATE[case](first.fill(genome, seed))
        assert there == coding.fill(genome, seed).values[new.name]
        told.add(there)
    assert len(told) > 1
    assert type(had) in {type(value) for value in told}


def test_late_genes_survive_further_values():
    coding = GeneCodec(discover(lambda hp: hp.Boolean("other"))).extend(from_json([]))
    for most in (10, 100, 50):
        hp = HyperParameters()
        hp.Int("late", 1, most)
        coding = coding.extend(hp.space)
    (late,) = coding.late
    assert dict(late.settings)["max_value"] == 100


def test_entries_given_beforehand_stay_whatever_is_asked_for():
    given = HyperParameters()
    given.Int("units", 8, 16)
    coding = GeneCodec(discover(lambda hp: hp.Int("units", 1, 512), given.space, pinned=["units"]), None, {"units"})
    values = [coding.fill(coding.space.sample(np.random.default_rng(k)), 0).Int("units", 1, 512) for k in range(20)]
    assert all(8 <= value <= 16 for value in values)


def test_nothing_is_read_to_find_what_a_fit_asks_for():
    numbers = (number for number in range(9))

    def fit(hp, model, data, callbacks=None):
        hp.Boolean("augment")
        next(data)

    assert [each.name for each in discover_in_fit(fit, (), [numbers], {})] == ["augment"]
    assert next(numbers) == 0
