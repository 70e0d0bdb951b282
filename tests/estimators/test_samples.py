"""Estimators for images, series and texts: suitable networks, original labels, and a model that takes raw samples."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from evonas.estimators import EvolutionClassifier, EvolutionRegressor
from evonas.estimators.samples import flatten, kind_of_samples
from genomes import InputError

RNG = np.random.default_rng(0)
BRIGHT = np.arange(60) % 2
IMAGES = (RNG.integers(0, 100, (60, 6, 5, 3)) + 100 * BRIGHT[:, None, None, None]).astype(np.uint8)
SERIES = [RNG.normal(3.0 * bright, 1.0, (5 + row % 3, 2)) for row, bright in enumerate(BRIGHT)]
TEXTS = ["a very good film" if bright else "a bad film, really" for bright in BRIGHT]
SAMPLES: dict[str, Any] = {"image": IMAGES, "series": SERIES, "text": TEXTS}
SMALL = {"evaluations": 1, "population": 1, "epochs": 3, "random_state": 0}


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_kind_of_rows_follows_from_their_shape(kind: str) -> None:
    assert kind_of_samples(SAMPLES[kind], None) == kind
    assert kind_of_samples(np.zeros((4, 2)), None) == ""


def test_dense_networks_take_pixels_as_numbers_and_no_text() -> None:
    space = {"network": {"layers": 1, "units": 8}}
    assert kind_of_samples(IMAGES, space) == ""
    assert flatten(IMAGES).shape == (60, 90)
    with pytest.raises(InputError, match="dense"):
        kind_of_samples(TEXTS, space)


@pytest.mark.keras
@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", ["series", "image", "text"])
@pytest.mark.soak
def test_a_classifier_of_samples(kind: str) -> None:
    x, labels = SAMPLES[kind], np.where(BRIGHT, "yes", "no")
    classifier = EvolutionClassifier(**SMALL, in_process=True).fit(x, labels)
    chances = classifier.predict_proba(x[:7])
    assert list(classifier.predict(x[:7])) == ["yes" if chance > 0.5 else "no" for chance in chances[:, 1]]
    assert 0 <= classifier.score(x, labels) <= 1
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict_proba(x[:7]), chances)
    rows = classifier.network_.preparation.inputs(x[:7])
    given = classifier.best_model_.predict(rows, verbose=0)["probability"].ravel()
    np.testing.assert_allclose(given, chances[:, 1], atol=1e-5)
    with pytest.raises(ValueError):
        classifier.predict(np.zeros((2, 3)))


@pytest.mark.keras
@pytest.mark.soak
def test_a_regressor_of_series() -> None:
    x = RNG.normal(size=(40, 6, 2))
    regressor = EvolutionRegressor(**SMALL, in_process=True).fit(x, x.mean(axis=(1, 2)))
    assert regressor.predict(x[:3]).shape == (3,)
