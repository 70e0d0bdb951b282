"""The genes of convolutional networks."""

from __future__ import annotations

from genomes.architecture.options import MAX_KERNEL, MAX_UNITS
from genomes.checks import Truth, Whole, Word
from genomes.staged.convolutional_genome import POOLINGS, Block, ConvolutionalGenome
from genomes.staged.convolutional_graph import LAYER_KINDS
from genomes.staged.genome import DOWNSAMPLINGS
from genomes.staged.rows import Encoding, GeneRow
from genomes.staged.training import head_rows, network_rows, training_rows
from genomes.training import AugmentedTraining

__all__ = ["AUGMENTATION", "CONVOLUTIONAL"]

#: Augmentation genes for images.
AUGMENTATION = ("flip", "shift", "rotation", "zoom", "cutout", "mixup")

_HEAD = head_rows(POOLINGS)
_TRAINING = training_rows(AUGMENTATION)

CONVOLUTIONAL = Encoding(
    name="convolutional",
    block={
        "filters": GeneRow(Whole(1, MAX_UNITS), 1),
        "convolutions": GeneRow(Whole(1, 3), 1),
        "kernel": GeneRow(Whole(1, MAX_KERNEL), 1),
        "separable": GeneRow(Truth(), False),
        "residual": GeneRow(Truth(), False),
        "squeeze_excite": GeneRow(Whole(0, 1024), 0, usually_off=0.6),
    },
    stage={"downsampling": GeneRow(Word(DOWNSAMPLINGS), "none")},
    network={**network_rows(), "input_pooling": GeneRow(Whole(1, 8), 1, usually_off=0.6), **_HEAD},
    training=_TRAINING,
    block_class=Block,
    genome_class=ConvolutionalGenome,
    training_class=AugmentedTraining,
    width="filters",
    moves={
        "resize_block": ("filters",),
        "change_depth": ("convolutions",),
        "change_kernel": ("kernel",),
        "change_separable": ("separable",),
        "change_residual": ("residual",),
        "change_squeeze_excite": ("squeeze_excite",),
        "change_downsampling": ("downsampling",),
        "change_input_pooling": ("input_pooling",),
        "change_activation": ("activation",),
        "change_normalization": ("normalization",),
        "change_head": tuple(_HEAD),
        "change_augmentation": AUGMENTATION,
        "change_training_gene": (
            *("dropout", "initializer"),
            *(name for name in _TRAINING if name not in (*AUGMENTATION, "learning_rate")),
        ),
    },
    layer_kinds=LAYER_KINDS,
)
