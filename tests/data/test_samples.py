"""Samples with a shape (images, series and texts): what is fitted, how they are split, what is kept and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.data.encoding.pixels import fit_images
from evonas.data.encoding.series import fit_series
from evonas.data.encoding.tokens import fit_text
from evonas.data.load import read_data
from evonas.data.prepare_samples import prepare_samples, read_samples
from evonas.data.prepared import PreparedData
from evonas.data.sample_kind import as_images, chosen_architecture, kind_of_array
from evonas.data.series import as_series
from evonas.data.windows import overlap_of
from genomes.errors import InputError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (60, 5, 4, 3)).astype(np.uint8)
LABELS = np.array(["cat", "dog", "emu"] * 20)
SERIES = RNG.normal(3, 2, (60, 7, 2)).astype(np.float32)
TEXTS = ["A good film, really!", "bad film", "so good", "bad. so BAD", "", "a film"] * 10


def prepare(kind: str, x: Any, y: Any = LABELS, **options: Any) -> PreparedData:
    return prepare_samples({"training": read_samples(kind, x, "x")}, {"training": y}, seed=0, **options)


def test_images_are_standardised_channel_by_channel_and_keep_their_shape(tmp_path: Path) -> None:
    pixels = PIXELS.copy()
    pixels[:, 0, 0] = 7  # constant pixels are not dropped
    data = prepare("image", pixels)
    assert data.problem.sample_shape == (5, 4, 3)
    assert data.problem.num_features == 60 == data.splits[0].x_train.shape[1]
    maps = data.splits[0].x_train.reshape(-1, 5, 4, 3)
    np.testing.assert_allclose(maps.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(maps.std(axis=(0, 1, 2)), 1, atol=1e-4)
    data.save(tmp_path / "data.npz")
    again = PreparedData.load(tmp_path / "data.npz")
    assert again.preparation == data.preparation
    assert again.problem == data.problem
    assert again.raw["test"].dtype == np.uint8
    assert again.preparation is not None
    np.testing.assert_array_equal(again.preparation.apply(again.raw["test"]), data.x_test)
    other = PIXELS.copy()
    other[3, 0, 0, 0] += 1
    assert prepare("image", other).fingerprint != prepare("image", PIXELS).fingerprint


def test_grey_images_need_no_axis_of_channels() -> None:
    preparation = fit_images(as_images(PIXELS[..., 0], "x"))
    np.testing.assert_array_equal(preparation.apply(PIXELS[..., 0]), preparation.apply(PIXELS[..., :1]))
    with pytest.raises(InputError, match=r"5 x 4 pixels and 1 channels, .* not the shape \(5, 4, 3\)"):
        preparation.apply(PIXELS)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 3, 9, 9)), "channels last"),
        (np.full((4, 9, 9, 3), np.nan), "finite"),
        (np.zeros((4, 9)), "shape"),
        ([np.zeros((3, 3)), np.zeros((4, 3))], "images of one size"),
    ],
)
def test_arrays_that_are_not_images_are_refused(x: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_images(x, "x")


def test_series_of_one_length_with_gaps() -> None:
    series = SERIES.copy()
    series[3, 2, 1] = np.nan
    data = prepare("series", series)
    assert data.problem.sample_shape == (7, 2)
    assert not data.problem.masked
    assert any("1 values of series are missing" in note for note in data.notes)
    preparation = fit_series(series, masked=False)
    assert preparation.apply(series)[3].reshape(7, 2)[2, 1] == 0
    with pytest.raises(InputError, match="7 steps and 2 channels"):
        preparation.apply(series[:, :5])


def test_few_series_are_validated_in_folds_and_none_held_out() -> None:
    data = prepare("series", SERIES, few_in_folds=True)
    assert [len(split.y_validation) for split in data.splits] == [12] * 5
    assert data.x_test is None
    assert data.refits
    (said,) = data.notes
    assert said.startswith("60 series are few: networks are validated in 5 folds (cv)")
    assert "held out" in said
    rare = np.array(["a"] * 58 + ["b"] * 2)
    assert len(prepare("series", SERIES, rare, few_in_folds=True).splits) == 2
    assert len(prepare("series", np.tile(SERIES, (5, 1, 1)), np.tile(LABELS, 5), few_in_folds=True).splits) == 1
    assert len(prepare("image", PIXELS, few_in_folds=True).splits) == 1
    assert len(prepare("series", SERIES).splits) == 1
    parts = {"training": read_samples("series", SERIES, "x"), "test": read_samples("series", SERIES[:9], "x")}
    given = prepare_samples(parts, {"training": LABELS, "test": LABELS[:9]}, seed=0, few_in_folds=True)
    assert (len(given.splits), len(given.y_test)) == (5, 9)  # type: ignore[arg-type]
    assert "held out" not in given.notes[0]


def test_a_series_without_values_is_reported() -> None:
    series = SERIES.copy()
    series[3] = np.nan
    data = prepare("series", series)
    assert "1 of 60 series have no value at all" in data.notes
    assert data.problem.sample_shape == (7, 2)  # the others have one length


def test_series_that_all_end_early_have_no_padding() -> None:
    series = SERIES.copy()
    series[:, 5:] = np.nan
    data = prepare("series", series)
    assert data.problem.sample_shape == (7, 2)
    assert data.notes[0].startswith("the last 2 of 7 steps have no value in any series")
    assert data.notes[1].startswith("240 values of series are missing")


def test_series_of_several_lengths_are_padded_and_masked() -> None:
    samples = [SERIES[row, : 4 + row % 4] for row in range(60)]
    data = prepare("series", samples)
    assert data.problem.sample_shape == (7, 3)
    assert data.problem.masked
    assert any("from 4 to 7 steps" in note for note in data.notes)
    assert data.preparation is not None
    features = data.preparation.apply(samples[:1]).reshape(1, 7, 3)  # type: ignore[arg-type]
    assert features[0, :, 2].tolist() == [1, 1, 1, 1, 0, 0, 0]
    assert not features[0, 4:].any()
    inner = SERIES[:1].copy()
    inner[0, 2] = np.nan  # a gap in all channels is not the end
    assert data.preparation.apply(inner).reshape(7, 3)[:, 2].all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([[1.0, np.inf]]), "infinite"),
        ([np.zeros((3, 2)), np.zeros((3, 1)), np.zeros((2, 1))], r"x\[1\] must have shape \(steps, 2\)"),
        ([["a", "b"], ["c", "d"]], "series of numbers"),
        (np.zeros((2, 3, 4, 5)), "reshape it"),
    ],
)
def test_arrays_that_are_not_series_are_refused(x: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_series(x, "x")


def test_texts_become_ids_of_the_most_frequent_words() -> None:
    preparation = fit_text("review", np.array(TEXTS, object))
    assert preparation.words == ("bad", "film", "a", "good", "so", "really")
    assert preparation.length == 4
    ids = preparation.apply(np.array(["Film! a   unheard-of", "so so so so so"], object))
    assert ids.tolist() == [[3, 4, 1, 0], [6, 6, 6, 6]]
    data = prepare("text", TEXTS)
    assert data.problem.sample_shape == (4,)
    assert data.problem.vocabulary == 8
    assert any("10 of 60 texts have no word" in note for note in data.notes)
    with pytest.raises(InputError, match="none of its 2 words"):
        fit_text("review", np.array(["one", "two"], object))
    with pytest.raises(InputError, match="must be texts, not int"):
        read_samples("text", ["a", 3], "x")


def test_texts_of_punctuation_have_no_word() -> None:
    data = prepare("text", [text or "!!!" for text in TEXTS])
    assert "10 of 60 texts have no word: they are all padding" in data.notes


def test_a_foreign_preparation_is_refused() -> None:
    preparation = fit_series(SERIES, masked=False)
    for change in ({"mean": (0.0,)}, {"std": (1.0, 0.0)}, {"shape": (7,)}, {"shape": (0, 2)}):
        with pytest.raises(InputError, match="use the preparation that the run wrote"):
            replace(preparation, **change)  # type: ignore[arg-type]


def test_windows_that_overlap_are_split_in_their_order() -> None:
    line = np.cumsum(RNG.normal(size=500))
    windows = np.lib.stride_tricks.sliding_window_view(line, 10)[::2].copy()  # each overlaps the next four
    target = windows[:, -1] ** 2
    assert overlap_of(windows[..., None]) == 4
    assert overlap_of(RNG.permutation(windows)[..., None]) == 0
    assert overlap_of(np.zeros((50, 10, 1))) == 0
    data = prepare("series", windows, target)
    split = data.splits[0]
    assert any("overlapping windows of one series" in note for note in data.notes)
    assert data.preparation is not None
    features = data.preparation.apply(windows)
    train = len(split.y_train)
    np.testing.assert_array_equal(split.x_train, features[:train])
    np.testing.assert_array_equal(data.x_test, features[-len(data.y_test) :])  # type: ignore[arg-type]
    first = int(np.flatnonzero((features == split.x_validation[0]).all(axis=1))[0])
    assert first - train == 4
    assert len(prepare("series", windows, target, split="random").splits[0].y_train) > train
    with pytest.raises(InputError, match="cv must not be given with windows"):
        prepare("series", windows, target, folds=3)


def test_the_shape_of_rows_decides_their_networks() -> None:
    assert kind_of_array(PIXELS) == "image"
    assert kind_of_array(np.zeros((3, 28, 28), np.uint8)) == "image"
    assert kind_of_array(PIXELS[..., 0] / 255.0) == "series"  # not square
    assert kind_of_array(RNG.random((4, 8, 8))) == "image"
    assert kind_of_array(RNG.normal(size=(4, 8, 8))) == "series"
    assert kind_of_array(RNG.random((4, 8, 8)), series=True) == "series"
    assert kind_of_array(np.zeros((4, 8))) == "table"
    assert kind_of_array(TEXTS) == kind_of_array(np.array(TEXTS)) == "text"
    assert kind_of_array([np.zeros(3), np.zeros(4)]) == "series"
    assert kind_of_array([[1, 2], [3, 4]]) == "table"
    assert [chosen_architecture(kind) for kind in ("image", "series", "text", "table")] == [
        "convolutional",
        "sequence",
        "sequence",
        "dense",
    ]
    assert chosen_architecture("series", "convolutional") == "convolutional"
    with pytest.raises(InputError, match="architecture must be sequence or dense for texts, not 'convolutional'"):
        chosen_architecture("text", "convolutional")


def test_folds_share_one_vocabulary() -> None:
    data = prepare("text", TEXTS, folds=3)
    assert len({split.x_train.shape[1] for split in data.splits}) == 1
    assert len(prepare("image", PIXELS, folds=3).splits) == 3


def test_a_list_of_samples_is_read_like_an_array() -> None:
    y = np.arange(len(PIXELS)) % 2
    wanted, given = (read_data(x, y)[0] for x in (PIXELS, list(PIXELS)))
    assert given.fingerprint == wanted.fingerprint
    assert given.problem.sample_shape == PIXELS.shape[1:]


@pytest.mark.parametrize(
    "other", [np.zeros((9, 4, 3), np.uint8), np.zeros((5, 4), np.uint8), np.zeros((5, 4, 1), np.uint8)]
)
@pytest.mark.parametrize("as_objects", [False, True])
def test_a_list_of_images_of_several_shapes_is_refused(other: Any, as_objects: bool) -> None:
    images: Any = [*PIXELS[:-1], other]
    if as_objects:
        images = np.empty(len(PIXELS), object)
        images[:] = [*PIXELS[:-1], other]
    with pytest.raises(InputError, match=r"images of (one size|shape)"):
        read_data(images, np.arange(len(PIXELS)) % 2)


def test_samples_that_are_flattened_are_reported() -> None:
    data, _ = read_data(PIXELS[:, None], np.arange(len(PIXELS)) % 2)
    assert "neither images nor series" in " ".join(data.notes)


def test_series_without_any_value_are_refused() -> None:
    with pytest.raises(InputError, match="series must have values, but all of them are missing"):
        read_data(np.full((30, 6, 2), np.nan), np.arange(30) % 2)
