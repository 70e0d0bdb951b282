"""Published networks for series and texts, as recipes of genomes.

References:
    Dempster, Schmidt and Webb, "MiniRocket: a very fast (almost) deterministic transform for time series
        classification", KDD 2021, arXiv 2012.08791.
    Wang, Yan and Oates, "Time series classification from scratch with deep neural networks", IJCNN 2017, 1611.06455.
    Bai, Kolter and Koltun, "An empirical evaluation of generic convolutional and recurrent networks for sequence
        modeling", 2018, arXiv 1803.01271.
    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014, arXiv 1406.1078.
    Spärck Jones, "A statistical interpretation of term specificity and its application in retrieval", Journal of
        Documentation 28, 1972.
    Wang and Manning, "Baselines and bigrams: simple, good sentiment and topic classification", ACL 2012.
    Joulin, Grave, Bojanowski and Mikolov, "Bag of tricks for efficient text classification", EACL 2017, 1607.01759.
    Kim, "Convolutional neural networks for sentence classification", EMNLP 2014, arXiv 1408.5882.
    Graves and Schmidhuber, "Framewise phoneme classification with bidirectional LSTM", Neural Networks 18, 2005.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genomes.staged.known_defaults import Recipe, StageRecipe

__all__ = ["RECIPES"]

_TRAINING: Mapping[str, Any] = {
    "optimizer": ("adam", "adamw"),
    "learning_rate": 1e-3,
    "batch_size": 16,
    "schedule": ("cosine", "flat_cosine", "constant"),
    "warmup": 0.0,
    "beta2": 0.999,
}
_SERIES: Mapping[str, Any] = {
    **_TRAINING,
    "tokens": False,
    "activation": "relu",
    "normalization": ("batch", "layer"),
    "head_pooling": "average",
}
_TEXT: Mapping[str, Any] = {
    **_TRAINING,
    "batch_size": 32,
    "tokens": True,
    "vocabulary": 20_000,
    "length": 256,
    "token_units": 64,
    "normalization": "none",
}
_BAG: Mapping[str, Any] = {
    "bag_of_words": True,
    "length": 512,
    "token_units": 16,
    "token_dropout": 0.3,
    "head_layers": 0,
    "learning_rate": 3e-3,
    "batch_size": 64,
}


def _stage(downsampling: str, *blocks: Mapping[str, Any]) -> StageRecipe:
    return StageRecipe({"downsampling": downsampling}, blocks)


def _conv(units: int, kernel: int, convolutions: int = 1, **other: Any) -> Mapping[str, Any]:
    return {"layer": "conv", "units": units, "kernel": kernel, "convolutions": convolutions, **other}


#: Ordered by how quickly they train well, since short searches may not reach the last ones.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "small MiniRocket",
        "Dempster, Schmidt and Webb 2021, arXiv 2012.08791, with a fifth of its features",
        (),
        {**_SERIES, "random_convolutions": 2_000, "head_layers": 0, "learning_rate": 3e-3},
    ),
    Recipe(
        "MiniRocket",
        "Dempster, Schmidt and Webb 2021, arXiv 2012.08791: shares of positive outputs of fixed random convolutions",
        (),
        {**_SERIES, "random_convolutions": 10_000, "head_layers": 0, "learning_rate": 3e-3},
    ),
    Recipe(
        "FCN",
        "Wang, Yan and Oates 2017, arXiv 1611.06455: three convolutions of 8, 5 and 3 steps, then the mean",
        (_stage("none", _conv(128, 8)), _stage("none", _conv(256, 5)), _stage("none", _conv(128, 3))),
        _SERIES,
    ),
    Recipe(
        "ResNet of series",
        "Wang, Yan and Oates 2017, arXiv 1611.06455: three residual blocks, of two convolutions instead of three",
        (
            _stage("none", _conv(64, 7, 2, residual=True)),
            _stage("none", _conv(128, 5, 2, residual=True)),
            _stage("none", _conv(128, 3, 2, residual=True)),
        ),
        _SERIES,
    ),
    Recipe(
        "TCN",
        "Bai, Kolter and Koltun 2018, arXiv 1803.01271: residual blocks of more and more dilated convolutions",
        tuple(_stage("none", _conv(64, 3, 2, dilation=dilation, residual=True)) for dilation in (1, 2, 4)),
        {**_SERIES, "normalization": ("layer", "batch"), "dropout": 0.1},
    ),
    Recipe(
        "GRU",
        "Cho et al. 2014, arXiv 1406.1078: the last state of a gated recurrent unit, behind one convolution",
        (_stage("max", _conv(32, 5)),),
        {**_SERIES, "head_pooling": "gru", "state_units": 64},
    ),
    Recipe(
        "bag of words",
        "Spärck Jones 1972, Joulin et al. 2017, arXiv 1607.01759: a linear classifier of low rank over weighted words",
        (),
        {**_TEXT, **_BAG, "pair_buckets": 0},
    ),
    Recipe(
        "bag of words and pairs",
        "Wang and Manning 2012, Joulin et al. 2017, arXiv 1607.01759: the same with hashed pairs of words",
        (),
        {**_TEXT, **_BAG, "pair_buckets": 1 << 15},
    ),
    Recipe(
        "mean of word vectors",
        "Joulin et al. 2017, arXiv 1607.01759: fastText without n-grams",
        (),
        {**_TEXT, "head_pooling": "average", "token_dropout": 0.3, "learning_rate": 5e-3},
    ),
    Recipe(
        "convolution over words",
        "Kim 2014, arXiv 1408.5882: the largest number of each filter, of one kernel",
        (_stage("none", _conv(128, 3)),),
        {**_TEXT, "activation": "relu", "head_pooling": "max", "dropout": 0.3, "token_dropout": 0.3},
    ),
    Recipe(
        "bidirectional LSTM",
        "Graves and Schmidhuber 2005: both directions, then the largest number of each",
        (_stage("none", {"layer": "recurrent", "units": 64, "cell": "lstm", "bidirectional": True}),),
        {**_TEXT, "length": 128, "head_pooling": "max", "dropout": 0.3, "token_dropout": 0.3},
    ),
)
