"""`Stage`: blocks in sequence, then downsampling. Staged genomes hold a tuple of stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["DOWNSAMPLINGS", "Stage"]

#: How a stage halves its feature map: by a stride of its first convolution, or by pooling after its last block.
DOWNSAMPLINGS = ("none", "stride", "max", "average")


@dataclass(frozen=True)
class Stage:
    """Blocks in sequence, with downsampling.

    Attributes:
        blocks: at least one block, of the encoding's `block_class`.
        downsampling: how the feature map is halved, one of `DOWNSAMPLINGS`.
    """

    blocks: tuple[Any, ...]
    downsampling: str
