"""Published convolutional networks, as recipes of genomes.

References:
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86, 1998.
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015, 1409.1556.
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, arXiv 1512.03385.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genomes.staged.known_defaults import Recipe, StageRecipe

__all__ = ["RECIPES"]

_TRAINING: Mapping[str, Any] = {
    "optimizer": ("adamw", "adam"),
    "learning_rate": 2e-3,
    "batch_size": 64,
    "schedule": ("cosine", "flat_cosine"),
    "weight_decay": 0.01,
    "beta2": 0.999,
    "shift": 0.07,
}


def _stage(downsampling: str | tuple[str, ...], count: int, **block: Any) -> StageRecipe:
    return StageRecipe({"downsampling": downsampling}, (block,) * count)


#: Ordered by how quickly they train well, since short searches may not reach the last ones.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "small VGG",
        "Simonyan and Zisserman 2015, arXiv 1409.1556: pairs of convolutions of 3 between maximum poolings, narrower",
        (
            _stage("max", 1, filters=24, convolutions=2, kernel=3),
            _stage("max", 1, filters=48, convolutions=2, kernel=3),
        ),
        {
            **_TRAINING,
            "activation": "relu",
            "normalization": ("batch", "none"),
            "dropout": 0.1,
            "head_pooling": ("flatten", "average"),
            "head_layers": 1,
            "head_units": 128,
            "head_dropout": 0.4,
        },
    ),
    Recipe(
        "small ResNet",
        "He et al. 2016, arXiv 1512.03385: the ResNet for small images, of two stages less",
        (
            _stage(("stride", "max"), 1, filters=16, convolutions=2, kernel=3, residual=True),
            _stage(("stride", "max"), 1, filters=32, convolutions=2, kernel=3, residual=True),
            _stage(("stride", "max"), 1, filters=64, convolutions=2, kernel=3, residual=True),
        ),
        {**_TRAINING, "activation": "relu", "normalization": ("batch", "layer"), "head_pooling": "average"},
    ),
    Recipe(
        "LeNet",
        "LeCun et al. 1998: LeNet-5 with relu, maximum pooling and one dense layer",
        (_stage("max", 1, filters=8, kernel=5), _stage("max", 1, filters=16, kernel=5)),
        {
            **_TRAINING,
            "activation": "relu",
            "normalization": ("none", "batch"),
            "head_pooling": ("flatten", "average"),
            "head_layers": 1,
            "head_units": 120,
        },
    ),
)
