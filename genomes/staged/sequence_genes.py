"""The genes of sequence networks."""

from __future__ import annotations

from genomes.architecture.options import CELLS, MAX_KERNEL, MAX_UNITS
from genomes.checks import Real, Truth, Whole, Word
from genomes.domains import Choice
from genomes.gene import Condition
from genomes.staged.rows import Encoding, GeneRow
from genomes.staged.sequence_genome import (
    AUGMENTATION,
    BLOCK_LAYERS,
    DOWNSAMPLINGS,
    POOLINGS,
    POSITIONS,
    Block,
    SequenceGenome,
)
from genomes.staged.training import head_rows, network_rows, training_rows
from genomes.training import AugmentedTraining

__all__ = ["SEQUENCE"]


def _when_layer(*layers: str) -> Condition:
    return (("layer", Choice(layers)),)


_TEXT: Condition = (("tokens", Choice((True,))),)
_NO_STAGES: Condition = (("stages", Choice((0,))), ("tokens", Choice((False,))))
_BAG: Condition = (("bag_of_words", Choice((True,))),)
_STATE: Condition = (("head_pooling", Choice(CELLS)),)
_EMBEDDING = {
    "vocabulary": GeneRow(Whole(2, 1 << 20), 2, _TEXT),
    "length": GeneRow(Whole(1, 1 << 16), 1, _TEXT),
    "token_units": GeneRow(Whole(1, MAX_UNITS), 1, _TEXT),
    "token_dropout": GeneRow(Real(0.0, 0.9), 0.0, _TEXT),
}
_WORDS = {
    "bag_of_words": GeneRow(Truth(), False, (("stages", Choice((0,))), *_TEXT)),
    "pair_buckets": GeneRow(Whole(0, 1 << 20), 0, _BAG),
}
_RANDOM = {"random_convolutions": GeneRow(Whole(0, MAX_UNITS), 0, _NO_STAGES)}
_HEAD = {**head_rows(POOLINGS), "state_units": GeneRow(Whole(1, MAX_UNITS), 1, _STATE, subtle=True)}
_TRAINING = training_rows(AUGMENTATION, (("tokens", Choice((False,))),))

SEQUENCE = Encoding(
    name="sequence",
    block={
        "layer": GeneRow(Word(BLOCK_LAYERS), "conv"),
        "units": GeneRow(Whole(1, MAX_UNITS), 1),
        "convolutions": GeneRow(Whole(1, 3), 1, _when_layer("conv")),
        "kernel": GeneRow(Whole(1, MAX_KERNEL), 1, _when_layer("conv")),
        "dilation": GeneRow(Whole(1, 512), 1, _when_layer("conv")),
        "separable": GeneRow(Truth(), False, _when_layer("conv")),
        "squeeze_excite": GeneRow(Whole(0, 1024), 0, _when_layer("conv"), usually_off=0.6),
        "cell": GeneRow(Word(CELLS), "gru", _when_layer("recurrent")),
        "bidirectional": GeneRow(Truth(), False, _when_layer("recurrent")),
        "heads": GeneRow(Whole(1, 64), 1, _when_layer("attention"), subtle=True),
        "positions": GeneRow(Word(POSITIONS), "none", _when_layer("attention")),
        "feed_forward": GeneRow(Truth(), False, _when_layer("attention")),
        "residual": GeneRow(Truth(), False, _when_layer("conv", "recurrent")),
    },
    stage={"downsampling": GeneRow(Word(DOWNSAMPLINGS), "none")},
    network={"tokens": GeneRow(Truth(), False), **_EMBEDDING, **_WORDS, **_RANDOM, **network_rows(), **_HEAD},
    training=_TRAINING,
    block_class=Block,
    genome_class=SequenceGenome,
    training_class=AugmentedTraining,
    width="units",
    moves={
        "change_layer": ("layer",),
        "resize_block": ("units",),
        "change_depth": ("convolutions",),
        "change_kernel": ("kernel", "dilation"),
        "change_separable": ("separable",),
        "change_residual": ("residual",),
        "change_squeeze_excite": ("squeeze_excite",),
        "change_cell": ("cell", "bidirectional"),
        "change_attention": ("heads", "positions", "feed_forward"),
        "change_downsampling": ("downsampling",),
        "change_embedding": tuple(_EMBEDDING),
        "change_bag_of_words": tuple(_WORDS),
        "change_random_convolutions": tuple(_RANDOM),
        "change_activation": ("activation",),
        "change_normalization": ("normalization",),
        "change_head": tuple(_HEAD),
        "change_augmentation": AUGMENTATION,
        "change_training_gene": (
            *("dropout", "initializer"),
            *(name for name in _TRAINING if name not in (*AUGMENTATION, "learning_rate")),
        ),
    },
    layer_kinds=frozenset(
        {
            *("tokens", "positions", "conv", "recurrent", "attention", "squeeze_excite", "add", "normalize"),
            *("pool", "global_pool", "dense", "random_convolutions", "bag_of_words"),
        }
    ),
)
