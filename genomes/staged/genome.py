"""`Stage`: blocks one after the other, then a smaller map. The genomes of stages hold a tuple of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["DOWNSAMPLINGS", "Stage"]

#: How a stage halves its map: the first convolution of its first block moves by two, or its last block is pooled.
DOWNSAMPLINGS = ("none", "stride", "max", "average")


@dataclass(frozen=True)
class Stage:
    """Blocks one after the other.

    Attributes:
        blocks: at least one, of the class of the encoding.
        downsampling: one of `DOWNSAMPLINGS`.
    """

    blocks: tuple[Any, ...]
    downsampling: str
