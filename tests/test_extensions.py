"""Mutations, metrics, layer kinds and encodings from outside evonas: given as objects, or installed."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.display.next_steps import next_lines
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.metrics.named import chosen_metric
from evonas.objective import Objective
from evonas.runs.consistency import must_be_given
from evonas.runs.reader import RunReader
from evonas.testing import check_layer_kind, check_metric, check_mutation_function
from genomes import ConvolutionalSpace, DenseSpace, InputError, space_from_json, space_from_toml, space_to_toml
from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE
from genomes.encodings import ENCODINGS_FROM_OUTSIDE
from tests.genomes.test_layers import DEFAULTS
from tests.outside import install
from tests.strategies.test_outside import site
from tests.stub import no_standby

__all__ = ["site"]

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), RNG.normal(size=60)
SMALL: dict[str, Any] = {"population": 4, "generations": 1, "finalists": 0, "baseline": False}


@pytest.fixture
def module(site: Path) -> Any:
    """The module of the distribution, which is installed."""
    install(site)
    importlib.invalidate_caches()
    return importlib.import_module("outside_module")


class Stub:
    """Scores a network by its digest."""

    def __init__(self, space: Any, data: Path, settings: evonas.Settings) -> None:
        self.metric = settings.objective or ""

    def state(self) -> None: ...

    def restore(self, state: Any) -> None: ...

    def close(self) -> None: ...

    def evaluate(
        self, candidates: Sequence[Candidate], done: frozenset[int] = frozenset(), starts: Any = None
    ) -> Iterator[Mapping[int, Evaluation]]:
        for place, candidate in enumerate(candidates):
            score = {self.metric: int(candidate.digest[:8], 16) / 2**32}
            weights = {"output/bias": np.zeros(1, np.float32)}
            if place not in done:
                yield {place: Evaluation(Status.OK, score, best_epoch=1, epochs=1, curve=(1.0,), weights=weights)}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Searches train nothing."""
    monkeypatch.setattr(api, "_worker", Stub)
    monkeypatch.setattr(api.launch, "standby_for", no_standby)
    monkeypatch.chdir(tmp_path)


def test_the_contract_kit_passes_what_keeps_its_promises(module: Any) -> None:
    check_mutation_function(module.equalise, DenseSpace(), range(8))
    check_metric(module.WORST)
    check_metric(module.SURE)
    check_layer_kind(module.DEPTHWISE, {"kernel": [3, 5]}, (6, 5, 3), keras=False)


SAMPLES = {
    **dict.fromkeys(("recurrent", "attention", "positions", "random_convolutions"), (7, 4)),
    **dict.fromkeys(("dense", "add", "normalize"), (5,)),
}


@pytest.mark.parametrize("kind", sorted(set(DEFAULTS) - {"tokens", "bag_of_words"}))
def test_kinds_of_evonas_go_through_the_same_kit(kind: str) -> None:
    check_layer_kind(kind, DEFAULTS[kind], SAMPLES.get(kind, (5, 4, 3)), keras=False)


def same(genome: Any, space: Any, rng: Any) -> Any:
    return genome


def foreign(genome: Any, space: Any, rng: Any) -> Any:
    return replace(genome, layers=genome.layers * 9)


def unseeded(genome: Any, space: Any, rng: Any) -> Any:
    return space.mutate(genome, RNG, "scale_learning_rate")[0]


@pytest.mark.parametrize("broken", [same, foreign, unseeded])
def test_the_kit_finds_broken_mutations(broken: Any) -> None:
    with pytest.raises(AssertionError):
        check_mutation_function(broken, DenseSpace(), range(8))


def test_the_kit_finds_broken_metrics_and_layers(module: Any) -> None:
    with pytest.raises(AssertionError, match="must be best for perfect predictions"):
        check_metric(replace(module.SURE, direction="min"))
    wrong = replace(module.DEPTHWISE.layer, parameters=lambda attributes, taken, given: 1)
    with pytest.raises(AssertionError, match="but its row counts"):
        check_layer_kind(replace(module.DEPTHWISE, layer=wrong), {"kernel": [3, 5]}, (6, 5, 3), keras=False)


def test_an_installed_mutation_is_named_in_the_file_of_a_space(module: Any) -> None:
    plain = DenseSpace(layers=[2, 3])
    space = space_from_toml(space_to_toml(plain).replace("version = 1", 'version = 1\nextra_mutations = ["equalise"]'))
    assert space.mutations == (*plain.mutations, "equalise")
    assert space_from_json(json.loads(json.dumps(space.to_json()))) == space
    assert "extra_mutations" not in plain.to_json()
    children = [
        space.mutate(space.sample(np.random.default_rng(k)), np.random.default_rng(k), "equalise") for k in range(9)
    ]
    equal = [genome for genome, name in children if name == "equalise"]
    assert equal
    assert all(len({layer.units for layer in genome.layers}) == 1 for genome in equal)
    images = ConvolutionalSpace(extra_mutations=("gone",))
    assert space_from_json(images.to_json()) == images
    with pytest.raises(InputError, match=r"mutation must be installed .*'gone'.*known: equalise"):
        images.mutate(images.sample(RNG), RNG, "gone")


def test_a_mutation_that_leaves_the_space_is_refused() -> None:
    from genomes.mutations import mutation_name

    space = DenseSpace(layers=[2, 3], extra_mutations=(mutation_name(foreign),))
    with pytest.raises(InputError, match="must return a genome of the space"):
        space.mutate(space.sample(RNG), RNG, mutation_name(foreign))


def test_an_installed_metric_is_an_objective_by_its_name(module: Any) -> None:
    assert chosen_metric("worst", "regression") == Objective("worst", "min")
    with pytest.raises(InputError, match="must be a metric of a binary target, which 'worst' is not"):
        chosen_metric("worst", "binary")
    with pytest.raises(InputError, match="must be an identifier and not built in, not 'rmse'"):
        evonas.Metric("rmse", "min", module.worst)


def test_an_installed_encoding_reads_its_spaces(module: Any) -> None:
    space = module.DepthwiseSpace(stages=1)
    assert space_from_toml(space_to_toml(space)) == space
    assert ENCODINGS_FROM_OUTSIDE.distribution_of("depthwise_first") == ("outside", "1.2")
    assert "depthwise 3x5" in "".join(evonas_draw(space))


def test_the_space_of_an_installed_encoding_need_not_be_given_again(module: Any) -> None:
    run: Any = SimpleNamespace(source={"space_class": "outside_module.DepthwiseSpace"})
    for encoding, again in (("depthwise_first", False), ("dense", True), ("elsewhere", True)):
        run.space_json = {"encoding": encoding}
        assert must_be_given(run) == again


def evonas_draw(space: Any) -> str:
    from genomes.encodings import describe

    return describe(space, space.sample(RNG))


def squeeze(genome: Any, space: Any, rng: Any) -> Any:
    units = min(layer.units for layer in genome.layers)
    return replace(genome, layers=tuple(replace(layer, units=units) for layer in genome.layers))


def largest(y: Any, predicted: Any) -> float:
    return float(np.abs(predicted - y).max())


LARGEST = evonas.Metric("largest", "min", largest, ("regression",))


def test_a_run_with_objects_wants_them_again(stub: None) -> None:
    evonas.search(X, Y, mutations=[squeeze], objective=LARGEST, out="run", **SMALL)
    with RunReader("run") as run:
        assert run.objective.name == "largest"
        assert run.space_json["extra_mutations"] == [f"{__name__}:squeeze"]
        assert run.source["extensions"] == {
            "mutation": {f"{__name__}:squeeze": {"class": f"{__name__}:squeeze", "entry_point": False}},
            "metric": {"largest": {"class": f"{__name__}:largest", "entry_point": False}},
        }
        assert "evonas.resume('run', mutations=[...], objective=...)" in "\n".join(next_lines(run))
    for given, text in [
        ({}, r"mutation must be given again: the run run uses .*:squeeze, which is not kept"),
        ({"mutations": [squeeze]}, r"metric must be given again: .* largest, .*evonas.resume\(run_dir, objective="),
        ({"mutations": [squeeze, same], "objective": LARGEST}, r"mutation must be one of the run .*:same"),
        (
            {"mutations": [squeeze], "objective": replace(LARGEST, score=squeeze)},
            r"metric .*differs \(class: .*largest",
        ),
    ]:
        with pytest.raises(InputError, match=text):
            evonas.resume("run", generations="+1", **given)
    done = evonas.resume("run", generations="+1", mutations=[squeeze], objective=LARGEST, baseline=False)
    with RunReader(done.run_dir) as run:
        assert run.evaluated == 8


def test_a_run_with_installed_ones_wants_the_same_distribution(
    stub: None, module: Any, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evonas.search(X, Y, mutations=["equalise"], objective="worst", out="run", **SMALL)
    with RunReader("run") as run:
        about = {"entry_point": True, "distribution": "outside", "version": "1.2"}
        assert run.source["extensions"]["metric"] == {"worst": {"class": "outside_module:worst", **about}}
        assert "Continue: evonas resume run" in "\n".join(next_lines(run))
    evonas.resume("run", generations="+1", baseline=False)
    metadata = site / "outside-1.2.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.2", "1.3"))
    with pytest.raises(InputError, match=r"mutation must be unchanged .* equalise differs \(version: 1.2 -> 1.3\)"):
        evonas.resume("run", generations="+1")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(site)])
    with pytest.raises(InputError, match=r"mutation must be installed: the run run uses equalise of outside 1.2"):
        evonas.resume("run", generations="+1")
    with pytest.raises(InputError, match="mutation must be installed"):
        evonas.search(X, Y, mutations=["equalise"], out="other", **SMALL)


def test_what_cannot_be_is_refused_in_words(stub: None, module: Any) -> None:
    for given, text in [
        ({"mutations": "equalise"}, "must be a list of functions or names"),
        ({"mutations": [3]}, "must be a function of genome, space and rng"),
        ({"layer_kinds": ["depthwise"]}, "must be genomes.architecture.LayerKind objects"),
        ({"layer_kinds": [replace(module.DEPTHWISE, name="conv")]}, "must not have the name of a built-in kind"),
        ({"objective": largest}, "must be a name or an evonas.Metric"),
    ]:
        with pytest.raises(InputError, match=text):
            evonas.search(X, Y, **given)


@pytest.mark.keras
@pytest.mark.soak
def test_a_layer_kind_and_a_metric_from_outside_are_trained_in_a_worker_and_exported(
    module: Any, tmp_path: Path
) -> None:
    """One row from outside, and its encoding and objective, known by their names alone: to a file that Keras opens."""
    y = np.arange(60) % 2
    x = RNG.integers(0, 256, (60, 8, 8, 3)).astype(np.uint8)
    space = module.DepthwiseSpace(
        stages=1, blocks=1, filters=8, convolutions=1, head_layers=0, batch_size=32, kernel=3, head_pooling="average"
    )
    small = {**SMALL, "population": 1, "epochs": 1, "known_defaults": False, "trainer": "single"}
    result = evonas.search(x, y, space=space, objective="sure", out=tmp_path / "run", **small)
    exported = result.export(tmp_path / "best.keras")
    assert exported.validation_scores["sure"] == pytest.approx(result.best_score, abs=1e-5)
    import keras

    model = keras.models.load_model(tmp_path / "best.keras", compile=False)
    np.testing.assert_array_equal(np.asarray(model(x[:8])["label"]).ravel(), result.predict(x[:8]))
    assert LAYER_KINDS_FROM_OUTSIDE.loaded("depthwise") is not None
