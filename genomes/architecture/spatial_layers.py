"""Layer rows for feature maps `(height, width, channels)` and series `(steps, channels)`; each kind supports both.

All use "same" padding, so that any graph is valid for inputs of any size: a stride divides the size, rounding up, and a
size of 1 stays 1.

References:
    Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017, arXiv 1610.02357.
    Hu, Shen and Sun, "Squeeze-and-excitation networks", CVPR 2018, arXiv 1709.01507.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from genomes.architecture.layer_row import (
    VECTORS,
    Attributes,
    LayerRow,
    Shape,
    details,
    moving_averages,
    needs_rank,
    no_flops,
    no_parameters,
    positions_in,
    same_shape,
)
from genomes.architecture.options import ACTIVATIONS, LAYER_KINDS, MAX_KERNEL, MAX_UNITS, NORMALIZATIONS, POOLINGS
from genomes.checks import Truth, Whole, Wholes, Word
from genomes.errors import InputError

__all__ = ["ADD", "CONV", "FLATTEN", "GLOBAL_POOL", "NORMALIZE", "POOL", "SQUEEZE_EXCITE", "kernel_of"]


def kernel_of(attributes: Attributes, taken: Shape) -> tuple[int, ...]:
    """The kernel's width along each axis, for an input of this shape."""
    kernel = tuple(attributes["kernel"])
    return kernel * (len(taken) - 1) if len(kernel) == 1 else kernel


def _apply_stride(taken: Shape, stride: int, channels: int) -> Shape:
    return (*(math.ceil(size / stride) for size in taken[:-1]), channels)


def _conv_shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 2, 3)
    if len(kernel_of(attributes, taken)) != len(taken) - 1:
        raise InputError(
            f"must be given as many axes as its kernel {list(attributes['kernel'])} has, not {len(taken) - 1}"
        )
    return _apply_stride(taken, attributes["stride"], attributes["filters"])


def _conv_kernel(attributes: Attributes, taken: Shape) -> int:
    """Size of the kernel, or of both kernels of a separable convolution, without biases."""
    area, channels, filters = math.prod(kernel_of(attributes, taken)), taken[-1], int(attributes["filters"])
    return channels * (area + filters) if attributes["separable"] else area * channels * filters


def _conv_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return _conv_kernel(attributes, taken) + VECTORS[attributes["normalization"]] * given[-1]


def _conv_flops(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return 2 * positions_in(given) * _conv_kernel(attributes, taken)


def _conv_label(attributes: Attributes) -> str:
    name = "separable conv" if attributes["separable"] else "conv"
    kernel = "x".join(map(str, attributes["kernel"]))
    text = f"{name} {attributes['filters']} of {kernel} {attributes['activation']}"
    text += f", stride {attributes['stride']}" if attributes["stride"] > 1 else ""
    text += f", dilation {attributes['dilation']}" if attributes["dilation"] > 1 else ""
    return details(text, attributes)


def _conv_check(attributes: Attributes) -> str | None:
    if attributes["stride"] > 1 and attributes["dilation"] > 1:
        return f"dilation must be 1 with a stride above 1, not {attributes['dilation']}: set one of them to 1"
    return None


def _pool_shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 2, 3)
    return _apply_stride(taken, attributes["size"], taken[-1])


def _pool_label(attributes: Attributes) -> str:
    return f"{attributes['pooling']} pooling by {attributes['size']}"


def _global_shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 2, 3)
    return (taken[-1],)


def _global_label(attributes: Attributes) -> str:
    return f"global {attributes['pooling']} pooling"


def _flat_shape(attributes: Attributes, taken: Shape) -> Shape:
    return (math.prod(taken),)


def _equal(shapes: Sequence[Shape]) -> Shape:
    if len(set(shapes)) > 1:
        raise InputError(f"must be given outputs of one shape, not {sorted(set(shapes))}")
    return shapes[0]


def _add_label(attributes: Attributes) -> str:
    return f"add, {attributes['activation']}"


def _squeeze(attributes: Attributes, taken: Shape) -> int:
    """Number of units between the two dense layers."""
    return max(1, taken[-1] // int(attributes["ratio"]))


def _excite_shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 2, 3)
    return taken


def _excite_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    channels, units = taken[-1], _squeeze(attributes, taken)
    return 2 * channels * units + channels + units


def _excite_flops(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return 4 * taken[-1] * _squeeze(attributes, taken)


def _excite_label(attributes: Attributes) -> str:
    return f"squeeze and excite by {attributes['ratio']}"


def _normalize_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return 2 * given[-1]


def _normalize_label(attributes: Attributes) -> str:
    return details(f"{attributes['activation']}", attributes)


#: Convolution, then normalisation, activation and spatial dropout. No bias with batch normalisation.
CONV = LayerRow(
    attributes={
        "filters": Whole(1, MAX_UNITS),
        "kernel": Wholes(1, MAX_KERNEL, 2),
        "stride": Whole(1, 8),
        "dilation": Whole(1, 512),
        "separable": Truth(),
        **{name: LAYER_KINDS[name] for name in ("activation", "normalization", "dropout", "initializer", "l2")},
    },
    shape=_conv_shape,
    parameters=_conv_parameters,
    flops=_conv_flops,
    label=_conv_label,
    moving=moving_averages,
    check=_conv_check,
)

#: Maximum or average pooling over non-overlapping windows of `size`.
POOL = LayerRow(
    attributes={"pooling": Word(POOLINGS), "size": Whole(1, 64)},
    shape=_pool_shape,
    parameters=no_parameters,
    flops=no_flops,
    label=_pool_label,
)

#: Global maximum or average pooling; the output is flat.
GLOBAL_POOL = LayerRow(
    attributes={"pooling": Word(POOLINGS)},
    shape=_global_shape,
    parameters=no_parameters,
    flops=no_flops,
    label=_global_label,
)

FLATTEN = LayerRow(
    attributes={},
    shape=_flat_shape,
    parameters=no_parameters,
    flops=no_flops,
    label=lambda attributes: "flatten",
)

#: The sum of outputs of equal shape, then an activation: the end of a residual block (He et al. 2016).
ADD = LayerRow(
    attributes={"activation": Word(ACTIVATIONS)},
    shape=same_shape,
    parameters=no_parameters,
    flops=no_flops,
    label=_add_label,
    shaped=False,
    merge=_equal,
)

#: Multiplies channels by gates: global average, dense to channels / ratio units, relu, dense, sigmoid.
SQUEEZE_EXCITE = LayerRow(
    attributes={"ratio": Whole(1, 1024)},
    shape=_excite_shape,
    parameters=_excite_parameters,
    flops=_excite_flops,
    label=_excite_label,
)

#: Normalisation over channels, activation and dropout, without a preceding matrix product.
NORMALIZE = LayerRow(
    attributes={
        "normalization": Word(tuple(name for name in NORMALIZATIONS if name != "none")),
        **{name: LAYER_KINDS[name] for name in ("activation", "dropout")},
    },
    shape=same_shape,
    parameters=_normalize_parameters,
    flops=no_flops,
    label=_normalize_label,
    shaped=False,
    moving=moving_averages,
)
