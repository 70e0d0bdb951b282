"""Exported preprocessing: layers that take raw columns, and one after the network that outputs class labels.

The layers compute `Preparation.apply` with built-in Keras layers and operations, so that plain Keras opens the file in
safe mode. Text (categories, flags, dates) is looked up by layers that need TensorFlow; numeric tables, and text columns
given as codes (`evonas.data.encoding.codes`), need only `keras.ops`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from evonas.data.cells import FLAGS
from evonas.data.encoding.bag_of_words import BagOfWords
from evonas.data.encoding.codes import cases, code_width, is_date, words_of
from evonas.data.encoding.logarithm import Logarithm
from evonas.data.encoding.periodic import Periodic
from evonas.data.encoding.piecewise import PiecewiseLinear
from evonas.data.encoding.preprocessor import ARRAY, DATE_PARTS, Categories, Number, Preparation
from evonas.data.encoding.robust import BOUND, Robust
from evonas.data.encoding.robust import FURTHEST as NEAR
from evonas.data.encoding.samples import SamplePreparation
from evonas.data.prepared import Problem, labels_of
from evonas.data.read_options import MISSING
from evonas.training.export.dates import date_fields, date_numbers
from evonas.training.export.samples import sample_encoder
from genomes.errors import InputError

__all__ = ["can_take_raw", "encoder", "with_label"]

#: Lower bound on the norm of a bag-of-words vector; vectors without words are divided by it.
_SHORTEST = 1e-12
#: A step and its position among the steps.
Placed = tuple[int, Any]


def can_take_raw(preparation: Preparation | None) -> bool:
    """Whether a model that takes the raw columns can be built here: text needs TensorFlow."""
    if preparation is None:
        return False
    return keras.backend.backend() == "tensorflow" or not preparation.takes_text()


def encoder(preparation: Preparation, coded: bool = False, resize: bool = False) -> tuple[Any, Any]:
    """Layers from raw columns to a network's input.

    Args:
        preparation: the preparation that they compute.
        coded: whether text columns are given as integer codes, see `evonas.data.encoding.codes`.
        resize: whether images may be of any size.

    Returns:
        The inputs: name -> tensor `(num_samples, 1)`, or one tensor `(num_samples, num_columns)`, or of rows of more
        dimensions, such as images; and the features, `(num_samples, num_features)`.
    """
    if isinstance(preparation, SamplePreparation):
        return sample_encoder(preparation, coded, resize)
    if resize:
        raise InputError("resize must be used with models of images, not of tables: leave it out")
    steps: dict[str, list[Placed]] = {}
    for placed in enumerate(preparation.steps):
        steps.setdefault(placed[1].column, []).append(placed)
    features = _Features()
    numbers = [name for name, found in steps.items() if found[0][1].form == "number"]
    if preparation.array:
        inputs = keras.Input(preparation.shape or (len(preparation.array),), name=ARRAY)
        columns = layers.Reshape((len(preparation.array),))(inputs) if preparation.shape else inputs
        places = {name: index for index, name in enumerate(preparation.array)}
        _add_numbers(features, _take(columns, [places[name] for name in numbers]), steps, numbers)
        return inputs, features.in_order(preparation)
    names = preparation.input_names()
    text, columns = "int32" if coded else "string", {}
    for name, found in steps.items():
        width = code_width(found[0][1]) if coded else 1
        columns[name] = keras.Input((width,), name=names[name], dtype="float32" if name in numbers else text)
    if numbers:
        _add_numbers(features, _join([columns[name] for name in numbers]), steps, numbers)
    for name, found in steps.items():
        if name not in numbers:
            _add_text(features, columns[name], found, coded, preparation.dates_of(name))
    return {names[name]: column for name, column in columns.items()}, features.in_order(preparation)


def with_label(probability: Any, problem: Problem) -> dict[str, Any]:
    """The outputs of a classifier: probabilities, and the label of the most probable class, `(num_samples,)`.

    Labels have the type of the target. Without TensorFlow there are no text labels.
    """
    both = probability
    if probability.shape[-1] == 1:
        both = layers.Concatenate()([layers.Rescaling(-1.0, 1.0)(probability), probability])
    place = ops.argmax(both, axis=1)
    labels = labels_of(problem)
    if labels.dtype.kind in "biuf" and (labels.dtype.kind != "i" or abs(labels).max() < 2**31 or _has_wide_integers()):
        if labels.dtype.kind == "i" and abs(labels).max() < 2**31:
            labels = labels.astype(np.int32)
        return {"probability": probability, "label": ops.take(labels, place, axis=0)}
    if keras.backend.backend() != "tensorflow":
        return {"probability": probability}
    decoded = _lookup(problem.classes, num_oov_indices=0, invert=True, name="label")
    return {"probability": probability, "label": decoded(place)}


def _has_wide_integers() -> bool:
    """Whether 64-bit integers are available; JAX has them only if enabled."""
    return bool(keras.backend.backend() == "tensorflow")


class _Features:
    """Feature columns, identified by the index of their step and their index among the step's features."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._keys: list[tuple[int, int]] = []

    def add(self, tensor: Any, keys: Sequence[tuple[int, int]]) -> None:
        """Adds float32 `(num_samples, len(keys))`."""
        if keys:
            self._tensors.append(tensor)
            self._keys += keys

    def in_order(self, preparation: Preparation) -> Any:
        """The features in the order of the network's input."""
        wanted = [(index, k) for index, step in enumerate(preparation.steps) for k in range(len(step.names()))]
        places = {key: index for index, key in enumerate(self._keys)}
        return _take(_join(self._tensors), [places[key] for key in wanted])


def _add_numbers(features: _Features, x: Any, steps: dict[str, list[Placed]], names: Sequence[str]) -> None:
    """The features of numeric columns, all at once: `x` is float32 `(num_samples, len(names))`."""
    is_missing = ops.isnan(x)
    missing = ops.cast(is_missing, "float32")
    # Imputed before rounding: numbers close to the subtracted constant keep their precision.
    imputed = [next((s.imputed for _, s in steps[name] if not isinstance(s, Categories)), 0.0) for name in names]
    present = ops.where(is_missing, np.array([imputed], np.float32), x)
    placed = [(column, place, step) for column, name in enumerate(names) for place, step in steps[name]]
    scaled = [each for each in placed if isinstance(each[2], Number) and each[2].part in ("number", "flag")]
    if scaled:
        found = [step for _, _, step in scaled]
        chosen = _take(present, [column for column, _, _ in scaled])
        centred = layers.Rescaling([1.0] * len(found), [-step.imputed for step in found])(chosen)
        features.add(_standardise(centred, found), [(place, 0) for _, place, _ in scaled])
        marked = [(column, place) for column, place, step in scaled if step.indicator]
        features.add(_take(missing, [column for column, _ in marked]), [(place, 1) for _, place in marked])
    pieces = [each for each in placed if isinstance(each[2], PiecewiseLinear)]
    if ways := [each for each in pieces if not each[2].values]:
        keys = [(place, k) for _, place, step in ways for k in range(len(step.knots) - 1)]
        features.add(_within(present, [(column, step) for column, _, step in ways]), keys)
    if ranks := [each for each in pieces if each[2].values]:
        heights = _heights(present, [(column, step) for column, _, step in ranks])
        features.add(heights, [(place, 0) for _, place, _ in ranks])
    if logarithms := [each for each in placed if isinstance(each[2], Logarithm)]:
        chosen = _take(present, [column for column, _, _ in logarithms])
        features.add(_logarithms(chosen, [step for *_, step in logarithms]), [(place, 0) for _, place, _ in logarithms])
    if robust := [each for each in placed if isinstance(each[2], Robust)]:
        chosen = _take(present, [column for column, _, _ in robust])
        features.add(_robust(chosen, [step for *_, step in robust]), [(place, 0) for _, place, _ in robust])
        if marked := [(column, place) for column, place, step in robust if step.indicator]:
            features.add(_take(missing, [column for column, _ in marked]), [(place, 1) for _, place in marked])
    if waves := [each for each in placed if isinstance(each[2], Periodic)]:
        _add_waves(features, present, waves)
    for column, place, step in placed:
        if isinstance(step, Categories):
            _add_number_categories(features, x, missing, column, place, step)
        elif isinstance(step, Number) and step.part == "present":
            features.add(layers.Rescaling(-1.0, 1.0)(_take(missing, [column])), [(place, 0)])


def _within(x: Any, pieces: Sequence[tuple[int, PiecewiseLinear]], count: int | None = None) -> Any:
    """Piecewise-linear encodings of the columns of `x`, concatenated; with `count`, this many features each."""
    columns: list[int] = []
    starts: list[float] = []
    factors: list[float] = []
    low: list[float] = []
    high: list[float] = []
    for column, step in pieces:
        # Padding stays 0.
        more = [0.0] * (0 if count is None else count - len(step.knots) + 1)
        columns += [column] * (len(step.knots) - 1 + len(more))
        starts += [*step.knots[:-1], *more]
        factors += [*(1 / np.diff(step.knots)).tolist(), *more]
        least, most = step.bounds()
        low, high = [*low, *least, *more], [*high, *most, *more]
    shifted = layers.Rescaling([1.0] * len(starts), [-start for start in starts])(ops.take(x, columns, axis=1))
    inside = layers.Rescaling(factors)(shifted)
    return ops.minimum(ops.maximum(inside, np.array([low], np.float32)), np.array([high], np.float32))


def _heights(x: Any, ranks: Sequence[tuple[int, PiecewiseLinear]]) -> Any:
    """Linear interpolation between the points of each encoding, `(num_samples, len(ranks))`."""
    count = max(len(step.knots) for _, step in ranks) - 1
    inside = _within(x, ranks, count)
    rises = [rise for _, step in ranks for rise in [*np.diff(step.values), *[0.0] * (count - len(step.knots) + 1)]]
    risen = layers.Reshape((len(ranks), count))(layers.Rescaling([float(rise) for rise in rises])(inside))
    return layers.Rescaling([1.0] * len(ranks), [step.values[0] for _, step in ranks])(ops.sum(risen, axis=2))


def _logarithms(x: Any, steps: Sequence[Logarithm]) -> Any:
    """Computes `Logarithm.encode`, `(num_samples, len(steps))`."""
    shares = layers.Rescaling([1.0] * len(steps), [-step.origin for step in steps])(x)
    shares = layers.Rescaling([1 / step.scale for step in steps])(shares)
    # Not log1p, which ONNX lacks.
    logarithms = ops.multiply(ops.sign(shares), ops.log(ops.add(ops.abs(shares), 1.0)))
    return layers.Rescaling([1 / step.std for step in steps], [-step.mean / step.std for step in steps])(logarithms)


def _robust(x: Any, steps: Sequence[Robust]) -> Any:
    """The clipped numbers of `Robust.encode`, `(num_samples, len(steps))`."""
    centred = layers.Rescaling([1.0] * len(steps), [-step.centre for step in steps])(x)
    scaled = ops.clip(layers.Rescaling([1.0 / step.scale for step in steps])(centred), -NEAR, NEAR)
    shares = layers.Rescaling(1.0 / BOUND)(scaled)
    return ops.divide(scaled, ops.sqrt(ops.add(ops.multiply(shares, shares), 1.0)))


def _add_waves(features: _Features, x: Any, waves: Sequence[tuple[int, int, Periodic]]) -> None:
    """Computes `Periodic.encode` for all columns at once."""
    ranks = _heights(x, [(column, step.rank) for column, _, step in waves])
    columns = [number for number, (*_, step) in enumerate(waves) for _ in step.frequencies]
    factors = [2 * np.pi * frequency for *_, step in waves for frequency in step.frequencies]
    angles = layers.Rescaling(factors)(ops.take(ranks, columns, axis=1))
    features.add(ops.sin(angles), [(place, k) for _, place, step in waves for k in range(len(step.frequencies))])
    keys = [(place, k + len(step.frequencies)) for _, place, step in waves for k in range(len(step.frequencies))]
    features.add(ops.cos(angles), keys)


def _add_number_categories(
    features: _Features, x: Any, missing: Any, column: int, place: int, step: Categories
) -> None:
    words = {"True": 1.0, "False": 0.0}
    values = [words[text] if text in words else float(text) for text in step.categories if text]
    known = [ops.cast(ops.equal(_take(x, [column]), np.array([values], np.float32)), "float32")] if values else []
    if "" in step.categories:
        known.insert(step.categories.index(""), _take(missing, [column]))  # the first in sorted order
    if step.other:
        known.append(layers.Rescaling(-1.0, 1.0)(ops.sum(_join(known), axis=1, keepdims=True)))
    features.add(_join(known), [(place, k) for k in range(len(step.names()))])


def _add_text(features: _Features, cells: Any, found: list[Placed], coded: bool, format: str) -> None:
    """The features of a text column, string `(num_samples, 1)`, or codes from `encoding.codes.code_rows`."""
    place, first = found[0]
    if isinstance(first, BagOfWords):
        _add_words(features, cells, place, first, coded)
        return
    if is_date(first):
        steps = [step for _, step in found]
        # Days are counted from a day near the training data, so that they need few digits.
        base = float(np.floor(steps[0].imputed))
        fields = ops.cast(cells, "float32") if coded else date_fields(cells, format)
        numbers, present = date_numbers(fields, base, short="y" in format and coded)
        chosen = _take(numbers, [DATE_PARTS.index(step.part) for step in steps])
        _add_scaled(features, chosen, present, found, [base if step.part == "days" else 0.0 for step in steps])
        return
    words = words_of(first)
    if isinstance(first, Categories) and "" in words and not coded:
        words += sorted(MISSING - set(words))  # they mean the same as an empty cell
    codes = ops.cast(cells if coded else _lookup(words, num_oov_indices=1)(cells), "float32")
    if isinstance(first, Categories):
        if len(words) > len(first.categories):
            empty = float(1 + words.index(""))
            extra = ops.cast(ops.greater(codes, len(first.categories) + 0.5), "float32")
            codes = ops.add(codes, ops.multiply(extra, ops.subtract(empty, codes)))
        known = [*range(1, len(first.categories) + 1), *([0] if first.other else [])]
        one_hot = ops.cast(ops.equal(codes, np.array([known], np.float32)), "float32")
        features.add(one_hot, [(place, k) for k in range(len(known))])
    elif first.part == "present":
        gone = ops.cast(ops.greater(codes, 0.5), "float32")
        features.add(layers.Rescaling(-1.0, 1.0)(gone), [(place, 0)])
    else:
        most = sum(len(cases(text)) for text, flag in FLAGS.items() if flag)
        present = ops.cast(ops.greater(codes, 0.5), "float32")
        flag = ops.subtract(present, ops.cast(ops.greater(codes, most + 0.5), "float32"))
        _add_scaled(features, flag, present, found, [0.0])


def _add_words(features: _Features, cells: Any, place: int, step: BagOfWords, coded: bool) -> None:
    """Computes `BagOfWords.encode`."""
    width = len(step.words)
    if coded:
        present = ops.cast(cells, "float32")
    else:
        # Unknown words come first. Keras reports more dimensions than the result has.
        found = layers.TextVectorization(output_mode="multi_hot", vocabulary=list(step.words))(cells)
        present = _take(layers.Reshape((width + 1,))(found), list(range(1, width + 1)))
    weights = layers.Rescaling(list(step.weights))(present)
    squares = ops.sum(ops.multiply(weights, weights), axis=1, keepdims=True)
    lengths = ops.sqrt(ops.maximum(squares, _SHORTEST))
    features.add(layers.Rescaling(step.scale)(ops.divide(weights, lengths)), [(place, k) for k in range(width)])


def _add_scaled(features: _Features, values: Any, present: Any, found: list[Placed], bases: list[float]) -> None:
    """Scales `values + bases`, `(num_samples, len(found))`, and imputes them where `present` is 0."""
    steps = [step for _, step in found]
    shift = [base - step.imputed for step, base in zip(steps, bases, strict=True)]
    centred = ops.multiply(layers.Rescaling([1.0] * len(steps), shift)(values), present)
    features.add(_standardise(centred, steps), [(place, 0) for place, _ in found])
    for place, step in found:
        if step.indicator:
            features.add(layers.Rescaling(-1.0, 1.0)(present), [(place, 1)])


def _standardise(centred: Any, steps: Sequence[Number]) -> Any:
    """Scales numbers from which the imputed value was subtracted, as `Number.encode` does."""
    offsets = [(step.imputed - step.mean) / step.std for step in steps]
    scaled = layers.Rescaling([1.0 / step.std for step in steps], offsets)(centred)
    bounds = [step.bound for step in steps]
    if len(set(bounds)) == 1:
        return ops.clip(scaled, -bounds[0], bounds[0])
    high = np.array([bounds], np.float32)
    return ops.minimum(ops.maximum(scaled, -high), high)


def _lookup(texts: Sequence[str], **settings: Any) -> Any:
    unknown = "[UNK]"
    while unknown in texts:
        unknown += "]"
    # An empty vocabulary would have to be adapted; a text that no cell contains is used instead.
    return layers.StringLookup(vocabulary=list(texts) or ["\0"], mask_token=None, oov_token=unknown, **settings)


def _join(tensors: Sequence[Any]) -> Any:
    return layers.Concatenate()(tensors) if len(tensors) > 1 else tensors[0]


def _take(x: Any, columns: list[int]) -> Any:
    """The given columns of `x`; `x` itself if these are all columns in order."""
    return x if columns == list(range(x.shape[1])) else ops.take(x, columns, axis=1)
