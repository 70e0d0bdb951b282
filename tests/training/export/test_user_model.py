"""Users' own models as files: what was scored, and opened by plain Keras in the form that a user expects."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.data.inputs import num_rows
from evonas.data.prepare_inputs import prepare_inputs
from evonas.export_tasks import ExportTask
from evonas.metrics.scores import predictions
from evonas.training_tasks import TrainingSettings
from genomes.errors import InputError
from tests.training.own_models import KINDS, images, sequences
from tests.training.single.test_user_model import learned, run, task

pytestmark = pytest.mark.keras
SETTINGS = TrainingSettings(trainer="single")


def subclassed(genes):
    """Uncompiled, a regression, no graph of layers."""
    import keras

    @keras.saving.register_keras_serializable("tests")
    class Plain(keras.Model):
        def __init__(self, units, **options):
            super().__init__(**options)
            self.units = units
            self.hidden, self.last = keras.layers.Dense(units), keras.layers.Dense(1)

        def call(self, x):
            return self.last(self.hidden(keras.ops.mean(x, axis=1)))

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return Plain(genes.units)


def logits(genes):
    """Compiled, with logits."""
    import keras

    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


FORMS = {
    **KINDS,
    "subclassed": (subclassed, sequences),
    "compiled logits": (logits, images),
}


def exported(build, data, given, path, found, **options):
    from evonas.training.export.export import export

    order = ExportTask(given.architecture, path, found.weights, found.scores, **options)
    return export(order, data, SETTINGS, build)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.sampled(1)
def test_the_file_is_the_model_that_was_scored(name, tmp_path):
    import keras

    build, make = FORMS[name]
    x, y = make()
    data, given = prepare_inputs(x, y, seed=0), task(3)
    found = learned(name) if name in KINDS else run(build, data, given)
    written = exported(build, data, given, tmp_path / "best.keras", found)
    assert written.validation_scores == pytest.approx(dict(found.scores), rel=1e-4)
    assert written.test_scores.keys() == found.scores.keys()
    model = keras.models.load_model(tmp_path / "best.keras")
    outputs = np.asarray(model.predict_on_batch(data.splits[0].x_validation))
    assert len(outputs) == num_rows(data.splits[0].x_validation)
    if data.problem.task == "regression":
        truth = predictions(data.problem, data.splits[0].y_validation)
        assert np.mean((outputs - truth) ** 2) == pytest.approx(found.scores["mse"], rel=1e-4)
    elif name == "compiled logits":
        assert model.compiled
        assert outputs.min() < 0
    else:
        assert ((outputs >= 0) & (outputs <= 1)).all()


def unregistered(genes):
    import keras

    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    return keras.Sequential([keras.Input((6, 6, 1)), Mine(), keras.layers.Flatten(), keras.layers.Dense(3)])


def test_what_keras_cannot_open_is_refused_in_words(tmp_path):
    x, y = images()
    data, given = prepare_inputs(x, y, seed=0), task(1)
    found = run(unregistered, data, given)
    with pytest.raises(InputError, match=r"@keras.saving.register_keras_serializable\(\)"):
        exported(unregistered, data, given, tmp_path / "best.keras", found)
    assert not list(tmp_path.iterdir())


@pytest.mark.soak
def test_retraining_takes_all_rows(tmp_path):
    build, make = KINDS["two inputs"]
    x, y = make()
    data, given = prepare_inputs(x, y, seed=0, sample_weight=np.linspace(1, 2, len(y))), task(2)
    found = learned("two inputs")  # its weights are not used
    written = exported(build, data, given, tmp_path / "best.keras", found, retrain=True, best_epoch=2, seed=given.seed)
    assert written.retrained
    assert written.validation_scores == {}
    assert written.test_scores["log_loss"] < 0.8
