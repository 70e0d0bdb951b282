"""Published networks of all encodings that a search can start from, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import Any

__all__ = ["known_default_name", "known_defaults"]

_TASKS = ("regression", "binary", "multiclass")


#: Number of training rows below which batches are small.
FEW_ROWS = 2_000


def known_defaults(space: Any, task: str, rows: int | None = None) -> tuple[Mapping[str, Any], ...]:
    """For each published network for a task, its genomes in a space by name: at full width, then narrower ones.

    Args:
        space: searched space; the result is empty for encodings without `known_defaults`.
        task: "regression", "binary" or "multiclass".
        rows: number of training rows; with fewer than `FEW_ROWS`, batches are small.

    Example:
        >>> from genomes import ConvolutionalSpace, DenseSpace
        >>> [next(iter(each)) for each in known_defaults(DenseSpace(), "regression")]
        ['tree cuts', 'learned neighbours', 'high frequencies', 'RealMLP', 'TabM', 'plain network']
        >>> [next(iter(each)) for each in known_defaults(ConvolutionalSpace(kernel=5, separable=False), "multiclass")]
        ['small VGG', 'small ResNet', 'LeNet']
    """
    find = getattr(space, "known_defaults", None)
    if rows is not None and rows < FEW_ROWS:
        find = getattr(space, "known_defaults_of_few_rows", find)
    return () if find is None else find(task)


def known_default_name(space: Any, genome: Any) -> str | None:
    """The name of the published network that a genome is, such as "RealMLP" or "TabM, 64 wide"; else None."""
    return _names(space).get(space.digest(genome)) if hasattr(space, "known_defaults") else None


@lru_cache(maxsize=8)
def _names(space: Any) -> Mapping[str, str]:
    """Digest -> name."""
    names: dict[str, str] = {}
    for task, rows in product(_TASKS, (None, 1)):
        for variants in known_defaults(space, task, rows):
            for name, genome in variants.items():
                names.setdefault(space.digest(genome), name)
    return names
