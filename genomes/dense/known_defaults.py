"""Published defaults for tables, as genomes of a space that a search can start from.

A recipe specifies values of genes. Genes that a space lacks are skipped, numbers are clipped to its ranges, and the
first valid of several names is used. Learning rates are for the standard parametrisation; those published for RealMLP
are for the neural tangent parametrisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genomes.architecture.neighbours import Neighbours
from genomes.dense.genes import SETTINGS, gene_of, with_genes
from genomes.dense.genome import DenseGenome, Layer, replace_fields
from genomes.dense.wiring import chain, rewire
from genomes.domains import Choice, Domain, Range, Value

if TYPE_CHECKING:
    from genomes.dense.space import DenseSpace

__all__ = ["RECIPES", "TASKS", "Recipe", "known_defaults"]

CLASSIFICATION = ("binary", "multiclass")
TASKS = ("regression", *CLASSIFICATION)
#: Widths of the narrower variants of recipes for short searches, as shares of the full width.
_WIDTHS = (1.0, 0.5, 0.25, 0.125)
#: Genes that define a recipe; a space without them skips the recipe.
_ESSENTIAL = ("optimizer", "activation", "embedding", "output")


@dataclass(frozen=True)
class Recipe:
    """A published default.

    Attributes:
        name: name of the method.
        source: publication.
        tasks: tasks that it is for.
        layers, units: number of hidden layers, and their width.
        genes: gene -> value, or several names, the first of which that the space has is used.
        bandwidths: bandwidths of neighbour features on the space's most promising columns; empty for no neighbour
            features. A space without such columns skips a recipe with bandwidths.
        few_rows_batch_size: batch size for few rows, for more steps per epoch; None for the usual one.
    """

    name: str
    source: str
    tasks: tuple[str, ...]
    layers: int
    units: int
    genes: Mapping[str, Value | tuple[str, ...]]
    bandwidths: tuple[float, ...] = ()
    few_rows_batch_size: int | None = None


_REALMLP: Mapping[str, Any] = {
    "dropout": 0.15,
    "normalization": "none",
    "initializer": ("he_normal", "lecun_normal"),
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "batch_size": 256,
    "schedule": ("coslog4", "flat_cosine", "cosine"),
    "warmup": 0.0,
    "l2": 0.0,
    "weight_decay": 0.02,
    "beta2": 0.95,
    "numbers": ("robust", "standard"),
    "scaling": True,
}
_TABM: Mapping[str, Any] = {
    "activation": "relu",
    "dropout": 0.1,
    "normalization": "none",
    "initializer": "he_uniform",
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "batch_size": 256,
    "schedule": "constant",
    "warmup": 0.0,
    "l2": 0.0,
    "weight_decay": 3e-4,
    "numbers": ("quantile", "standard"),
    "scaling": False,
    "embedding": ("linear", "tree", "none"),
    "embedding_units": 16,
    "members": 32,
    "adapters": ("full", "mini"),
    "member_start": "hidden",
}
_PLAIN: Mapping[str, Any] = {
    "activation": ("silu", "relu", "gelu"),
    "dropout": 0.1,
    "normalization": "none",
    "initializer": "he_normal",
    "optimizer": ("adamw", "adam"),
    "learning_rate": 2e-3,
    "batch_size": 128,
    "schedule": "cosine",
    "warmup": 0.0,
    "l2": 0.0,
    "weight_decay": 0.01,
    "scaling": False,
}
_TREE_CUTS: Mapping[str, Any] = {**_PLAIN, "embedding": "tree", "embedding_units": 16}
_HIGH_FREQUENCIES: Mapping[str, Any] = {
    **_PLAIN,
    "activation": ("relu", "silu"),
    "dropout": 0.0,
    "batch_size": 64,
    "numbers": "standard",
    "embedding": "periodic",
    "embedding_units": 24,
    "embedding_sigma": 50.0,
    "members": 8,
    "adapters": ("mini", "full"),
    "member_start": "hidden",
}
_LEARNED_NEIGHBOURS: Mapping[str, Any] = {
    **_PLAIN,
    "activation": ("relu", "silu", "gelu"),
    "dropout": 0.0,
    "batch_size": 256,  # few or many rows: they are each other's neighbours
    "numbers": ("quantile", "standard"),
    "embedding": ("periodic", "tree", "none"),
    "embedding_units": 12,
    "embedding_sigma": 0.1,
    "output": "neighbours",
}
_BANDWIDTHS = (0.01, 0.03, 0.1)
#: Batch sizes for few rows, see benchmarks/results/LOG.md.
_PLAIN_BATCH, _TABM_BATCH = 32, 64
#: Ordered by how quickly they train well, since short searches may not reach the last ones.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "plain network with neighbours",
        "a plain network of ranks, with kernel regressions of the target: Nadaraya 1964, Watson 1964",
        TASKS,
        2,
        192,
        {**_PLAIN, "numbers": ("quantile", "standard")},
        _BANDWIDTHS,
        few_rows_batch_size=_PLAIN_BATCH,
    ),
    Recipe(
        "tree cuts",
        "Gorishniy, Rubachev and Babenko 2022, arXiv 2203.05556: target-aware intervals, in a plain network",
        TASKS,
        2,
        192,
        _TREE_CUTS,
        few_rows_batch_size=_PLAIN_BATCH,
    ),
    Recipe(
        "tree cuts with neighbours",
        "the same, with kernel regressions of the target: Nadaraya 1964, Watson 1964",
        TASKS,
        2,
        192,
        _TREE_CUTS,
        _BANDWIDTHS,
        few_rows_batch_size=_PLAIN_BATCH,
    ),
    Recipe(
        "learned neighbours",
        "Ye, Yin, Zhan and Chao 2024, arXiv 2407.03257: ModernNCA, with two plain layers before the representation",
        TASKS,
        2,
        128,
        _LEARNED_NEIGHBOURS,
    ),
    Recipe(
        "high frequencies",
        "Gorishniy, Rubachev and Babenko 2022, arXiv 2203.05556: periodic embeddings, here for columns whose values "
        "repeat; their noise is averaged by members (Gorishniy, Kotelnikov and Babenko 2025)",
        TASKS,
        2,
        192,
        _HIGH_FREQUENCIES,
        few_rows_batch_size=_PLAIN_BATCH,
    ),
    Recipe(
        "RealMLP",
        "Holzmüller, Grinsztajn and Steinwart 2024, arXiv 2407.04491: RealMLP-TD for regression",
        ("regression",),
        3,
        256,
        {**_REALMLP, "activation": ("mish", "silu", "selu")},
    ),
    Recipe(
        "RealMLP",
        "the same for classification",
        CLASSIFICATION,
        3,
        256,
        {**_REALMLP, "activation": ("selu", "mish", "silu"), "label_smoothing": 0.1},
    ),
    Recipe(
        "TabM",
        "Gorishniy, Kotelnikov and Babenko 2025, arXiv 2410.24210: the package tabm's, with embeddings, of 128 units",
        TASKS,
        3,
        128,
        _TABM,
        few_rows_batch_size=_TABM_BATCH,
    ),
    Recipe(
        "TabM with neighbours",
        "the same over tree cuts, with kernel regressions of the target: Nadaraya 1964, Watson 1964",
        TASKS,
        3,
        128,
        {**_TABM, "embedding": ("tree", "linear", "none")},
        _BANDWIDTHS,
        few_rows_batch_size=_TABM_BATCH,
    ),
    Recipe("plain network", "a usual first choice", TASKS, 2, 128, _PLAIN, few_rows_batch_size=_PLAIN_BATCH),
)


def known_defaults(space: DenseSpace, task: str, few_rows: bool = False) -> tuple[Mapping[str, DenseGenome], ...]:
    """For each recipe for a task, its genomes in a space by name: at full width, then narrower ones.

    Recipes that the space cannot express, or that equal an earlier one, are left out. See `genomes.known_defaults`.

    Args:
        space: searched space.
        task: "regression", "binary" or "multiclass".
        few_rows: whether there are few rows, so that batches are small.

    Example:
        >>> from genomes import DenseSpace
        >>> [next(iter(each)) for each in known_defaults(DenseSpace(), "regression")]
        ['tree cuts', 'learned neighbours', 'high frequencies', 'RealMLP', 'TabM', 'plain network']
        >>> [next(iter(each)) for each in known_defaults(DenseSpace(optimizer="adam"), "regression")]
        ['tree cuts', 'learned neighbours', 'high frequencies', 'plain network']
    """
    seen: set[str] = set()
    found = []
    for recipe in RECIPES:
        variants: dict[str, DenseGenome] = {}
        for share in _WIDTHS if task in recipe.tasks else ():
            genome = _express(recipe, share, space, few_rows)
            if genome is None or (digest := space.digest(genome)) in seen:
                continue
            seen.add(digest)
            width = f", {max(layer.units for layer in genome.layers)} wide" if variants and genome.layers else ""
            variants[f"{recipe.name}{width}"] = genome
        if variants:
            found.append(variants)
    return tuple(found)


def _express(recipe: Recipe, share: float, space: DenseSpace, few_rows: bool) -> DenseGenome | None:
    """The recipe at a share of its width in the space; None if the space cannot express it."""
    genes = dict(recipe.genes)
    if few_rows and recipe.few_rows_batch_size is not None:
        genes["batch_size"] = recipe.few_rows_batch_size
    values = {name: _nearest(space.domain(name), value) for name, value in genes.items() if _has(space, name)}
    if any(values.get(name, "") is None for name in _ESSENTIAL):
        return None
    count = int(_nearest(space.domain("layers"), recipe.layers) or 0)
    units = int(_nearest(space.domain("units"), max(1, round(recipe.units * share))) or 1)
    activation = str(values.pop("activation"))
    genome = rewire(DenseGenome((), (0,)), [Layer(units, activation, sources=())] * count, chain(count))
    for name in SETTINGS:
        value = values.get(name)
        if value is None:  # the space has none of the names, or the recipe leaves it open
            value = gene_of(genome, name)
            values[name] = value if space.domain(name).contains(value) else _first(space.domain(name))
    genome = with_genes(genome, values)
    if recipe.bandwidths:
        if not space.is_free("neighbours") or not space.neighbour_sets:
            return None
        genome = replace_fields(genome, neighbours=Neighbours(space.neighbour_sets[0], recipe.bandwidths))
    return genome if space.contains(genome) else None


def _has(space: DenseSpace, gene: str) -> bool:
    return gene == "activation" or gene in SETTINGS


def _nearest(domain: Domain, value: Value | tuple[str, ...]) -> Any:
    """The member nearest to a number, or the first member among several names; None if there is none."""
    if isinstance(value, (str, tuple)):
        words = (value,) if isinstance(value, str) else value
        return next((word for word in words if domain.contains(word)), None)
    if isinstance(value, bool):
        return value if domain.contains(value) else None
    if domain.contains(value):
        return value
    if isinstance(domain, Range):
        return domain.clip(value)
    numbers = [option for option in domain.options if not isinstance(option, str)]
    return min(numbers, key=lambda option: abs(option - value)) if numbers else None


def _first(domain: Domain) -> Value:
    return domain.options[0] if isinstance(domain, Choice) else domain.least
