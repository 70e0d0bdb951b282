"""The genes of a dense network outside its layers, with uniform access by name wherever the genome stores them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from genomes.architecture.layers import INPUT_KINDS, LAYER_KINDS, MAX_LAYERS, OUTPUT_KINDS
from genomes.checks import Kind, Whole
from genomes.dense.genome import DenseGenome, Training, replace_fields
from genomes.domains import Value
from genomes.training import OPTIMIZERS_OF, training_kinds

__all__ = [
    "CHEAP_SHARES",
    "COSTLY",
    "DENSE_OUTPUT_GENES",
    "EMBEDDING_GENES",
    "MEMBER_GENES",
    "NETWORK_GENES",
    "OPTIMIZERS_OF",
    "SETTINGS",
    "TRAINING_GENES",
    "gene_of",
    "is_active",
    "with_gene",
    "with_genes",
]

#: Genes of a space's [network] table, and their valid values.
NETWORK_GENES: Mapping[str, Kind] = MappingProxyType(
    {"layers": Whole(0, MAX_LAYERS)}
    | {name: LAYER_KINDS[name] for name in ("units", "activation", "dropout", "normalization", "initializer")}
    | {"parametric_activation": LAYER_KINDS["parametric_activation"]}
    | dict(INPUT_KINDS)
    | {"output": OUTPUT_KINDS["output"]}
)

#: Genes of the [training] table: the fields of `Training`.
TRAINING_GENES: Mapping[str, Kind] = training_kinds(Training)

#: Genes of the numeric embedding and of the members; the first of each determines whether the others are active.
EMBEDDING_GENES = ("embedding", "embedding_units", "embedding_sigma")
MEMBER_GENES = ("members", "adapters", "member_start")

#: Genes of the whole network, each stored in a field of the genome or of its training settings; those that determine
#: whether others are active come first.
SETTINGS = (
    *(
        "output",
        "dropout",
        "normalization",
        "initializer",
        *(name for name in TRAINING_GENES if name != "embedding_rate"),
    ),
    *(*EMBEDDING_GENES, "embedding_rate", "numbers", "scaling", "category_units", *MEMBER_GENES),
    "parametric_activation",
)

#: Genes that multiply the cost of a network -> the value at which they add no cost.
COSTLY: Mapping[str, Value] = MappingProxyType({"embedding": "none", "members": 1, "output": "dense"})
#: Share of random networks with that value: an embedding often pays off, members cost several times as much.
CHEAP_SHARES: Mapping[str, float] = MappingProxyType({"embedding": 0.5, "members": 0.8, "output": 0.8})
#: Genes without effect if predictions are those of neighbours: members would need a representation each, and the
#: classes of reference rows are not smoothed.
DENSE_OUTPUT_GENES = (*MEMBER_GENES, "label_smoothing")

#: Embedding -> its genes.
_WITH_EMBEDDING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "none": ("numbers", "scaling"),
        "linear": ("embedding_units",),
        "tree": ("embedding_units",),
        "periodic": ("embedding_units", "embedding_sigma"),
    }
)


def gene_of(genome: DenseGenome, name: str) -> Value:
    """Value of one of `SETTINGS`."""
    value: Value = getattr(genome.training if name in TRAINING_GENES else genome, name)
    return value


def with_gene(genome: DenseGenome, name: str, value: Value) -> DenseGenome:
    """The genome with another value of one of `SETTINGS`."""
    if name in TRAINING_GENES:
        return replace_fields(genome, training=replace_fields(genome.training, **{name: value}))
    return replace_fields(genome, **{name: value})


def with_genes(genome: DenseGenome, values: Mapping[str, Value]) -> DenseGenome:
    """The genome with other values of some of `SETTINGS`, in a single copy."""
    inner = {name: value for name, value in values.items() if name in TRAINING_GENES}
    outer = {name: value for name, value in values.items() if name not in TRAINING_GENES}
    return replace_fields(genome, training=replace_fields(genome.training, **inner), **outer)


def is_active(genome: DenseGenome, name: str) -> bool:
    """Whether one of `SETTINGS` is active in this genome."""
    if name in DENSE_OUTPUT_GENES and genome.output != "dense":
        return False
    if name in ("dropout", "normalization", "parametric_activation", "members"):
        return bool(genome.layers)
    if name in MEMBER_GENES:
        return genome.members > 1 and len(genome.layers) > (1 if name == "member_start" else 0)
    if name in (*EMBEDDING_GENES[1:], "numbers", "scaling"):
        return name in _WITH_EMBEDDING[genome.embedding]
    if name == "embedding_rate":
        return genome.embedding != "none"
    if name == "decay_schedule" and not genome.training.weight_decay:
        return False
    return name not in OPTIMIZERS_OF or genome.training.optimizer in OPTIMIZERS_OF[name]
