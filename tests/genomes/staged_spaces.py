"""The spaces of stages of blocks that the contract tests run on: adding a row adds a space."""

from __future__ import annotations

from typing import Any

from genomes import Choice, ConvolutionalSpace, Range, SequenceSpace
from genomes.staged import StagedSpace

_ONCE: dict[str, Any] = {
    "activation": "relu",
    "normalization": "batch",
    "dropout": 0.0,
    "initializer": "he_normal",
    "head_pooling": "average",
    "head_layers": 0,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "batch_size": 32,
    "schedule": "cosine",
    "warmup": 0.0,
    "l2": 0.0,
    "beta2": 0.999,
    "label_smoothing": 0.0,
    "shift": 0.0,
    "cutout": 0.0,
    "mixup": 0.0,
}
#: Fixes all genes of convolutional networks except their stages.
FIXED = {**_ONCE, "input_pooling": 1, "flip": False, "rotation": 0.0, "zoom": 0.0}

STAGED_SPACES: dict[str, StagedSpace] = {
    "images": ConvolutionalSpace(),
    "gaps in counts": ConvolutionalSpace(
        stages=Choice((0, 2)), blocks=Choice((1, 3)), head_layers=[0, 2], downsampling=["none", "stride"], flip=True
    ),
    "no stages": ConvolutionalSpace(stages=0, **{**FIXED, "head_pooling": ["max", "flatten"]}),
    "fixed convolutions": ConvolutionalSpace(
        **FIXED,
        stages=2,
        blocks=1,
        filters=8,
        convolutions=1,
        kernel=3,
        separable=False,
        squeeze_excite=0,
        downsampling="max",
        residual=True,
    ),
    "series": SequenceSpace(),
    "texts": SequenceSpace.for_text(),
    "attention alone": SequenceSpace(layer="attention", units=[8, 12], heads=Range(1, 16), stages=[1, 2], blocks=1),
    "recurrent alone": SequenceSpace(layer="recurrent", stages=1, normalization=["batch", "layer"], head_layers=0),
    "series and texts": SequenceSpace(tokens=[False, True], stages=Range(0, 2)),
}
