"""Exported preprocessing of raw images, series or texts: `SamplePreparation.apply` as Keras layers.

Text needs TensorFlow; images and series need only `keras.ops`.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from evonas.data.encoding.pixels import ImagePreparation
from evonas.data.encoding.preprocessor import ARRAY, FURTHEST
from evonas.data.encoding.samples import SamplePreparation
from evonas.data.encoding.series import SeriesPreparation
from evonas.data.encoding.tokens import TextPreparation
from genomes.errors import InputError

__all__ = ["sample_encoder"]


def sample_encoder(preparation: SamplePreparation, coded: bool = False, resize: bool = False) -> tuple[Any, Any]:
    """Layers from raw samples to a network's input.

    Args:
        preparation: the preparation that they compute.
        coded: whether text is given as word ids, see `evonas.data.encoding.codes`.
        resize: whether images may be of any size.

    Returns:
        The inputs: one tensor of the samples' shape, or name -> tensor `(num_samples, 1)` of text; and the features,
        `(num_samples, num_features)`.

    Raises:
        InputError: resizing was requested for samples other than images.
    """
    if resize and not isinstance(preparation, ImagePreparation):
        raise InputError("resize must be used with models of images, not of other samples: leave it out")
    if isinstance(preparation, ImagePreparation):
        return _images(preparation, resize)
    if isinstance(preparation, SeriesPreparation):
        return _series(preparation)
    assert isinstance(preparation, TextPreparation)
    return _texts(preparation, coded)


def _images(preparation: ImagePreparation, resize: bool) -> tuple[Any, Any]:
    height, width, channels = preparation.shape
    inputs = x = keras.Input((None, None, channels) if resize else preparation.shape, name=ARRAY)
    if resize:
        x = layers.Resizing(height, width, interpolation="bilinear", antialias=True)(x)
    x = _standardise(x, preparation.mean, preparation.std)
    return inputs, layers.Reshape((preparation.num_features,))(x)


def _series(preparation: SeriesPreparation) -> tuple[Any, Any]:
    inputs = keras.Input(preparation.shape, name=ARRAY)
    is_missing = ops.isnan(inputs)
    x = ops.where(is_missing, np.array([[preparation.mean]], np.float32), inputs)
    x = ops.clip(_standardise(x, preparation.mean, preparation.std), -FURTHEST, FURTHEST)
    if preparation.masked:
        gaps = ops.sum(ops.cast(is_missing, "float32"), axis=2, keepdims=True)
        valued = ops.cast(ops.less(gaps, preparation.shape[1] - 0.5), "float32")
        behind = ops.flip(ops.cumsum(ops.flip(valued, axis=1), axis=1), axis=1)
        present = ops.cast(ops.greater(behind, 0.5), "float32")
        x = layers.Concatenate()([ops.multiply(x, present), present])
    return inputs, layers.Reshape((preparation.num_features,))(x)


def _texts(preparation: TextPreparation, coded: bool) -> tuple[Any, Any]:
    (name,) = preparation.input_names().values()
    if coded:
        inputs = ids = keras.Input((preparation.length,), name=name, dtype="int32")
    else:
        inputs = keras.Input((1,), name=name, dtype="string")
        ids = layers.TextVectorization(
            output_mode="int", output_sequence_length=preparation.length, vocabulary=list(preparation.words)
        )(inputs)
        ids = layers.Reshape((preparation.length,))(ids)
    return {name: inputs}, ops.cast(ids, "float32")


def _standardise(x: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> Any:
    """Standardises in two steps, so that numbers near their mean keep their precision."""
    centred = layers.Rescaling([1.0] * len(mean), [-each for each in mean])(x)
    return layers.Rescaling([1.0 / each for each in std])(centred)
