"""The cost model: compile time, run time and memory of a program of a given shape. Pure functions, fitted to
measurements.
"""

from __future__ import annotations

from dataclasses import dataclass

from evonas.training.population.shape import MIXED, ProgramShape

__all__ = ["CPU", "GPU", "Device", "compile_seconds", "pack_bytes", "step_microseconds", "step_parts"]
__all__ += ["weights_of"]


@dataclass(frozen=True)
class Device:
    """Constants of the cost model, fitted to measurements (benchmarks/results); only ratios matter.

    Attributes:
        slots: group sizes to choose from.
        width_buckets: widths to which hidden layers are rounded up.
        step_overhead, node_overhead: microseconds per step, and per node and step, whatever the size.
        product_overhead: microseconds per node, slot and step, whatever the size, since each slot's products are calls.
        flops: floating-point operations per microsecond in matrix products of one program.
        element, parameter: microseconds per activation (all terms of its formula) and per weight (both moments) and
        step.
        compile_seconds, node_compile_seconds: to compile a program, and for each of its nodes.
        compile_weight: weight of a second of compilation relative to one of training. Above 1, since fewer, wider
            programs are more often reused by later generations.
    """

    slots: tuple[int, ...]
    width_buckets: tuple[int, ...]
    step_overhead: float
    node_overhead: float
    product_overhead: float
    flops: float
    element: float
    parameter: float
    compile_seconds: float
    node_compile_seconds: float
    compile_weight: float


# Multiples of 16: a full AVX-512 register of float32; ragged widths cost up to 1.6 times as much.
_WIDTH_BUCKETS = (16, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024)
CPU = Device(
    slots=(1, 2, 4, 8),
    width_buckets=_WIDTH_BUCKETS,
    step_overhead=3.0,
    node_overhead=5.0,
    product_overhead=0.8,
    flops=80e3,
    element=0.0007,
    parameter=0.0003,
    compile_seconds=0.65,
    node_compile_seconds=0.4,
    compile_weight=1.8,
)
GPU = Device(
    slots=tuple(2**k for k in range(14)),
    width_buckets=(32, 64, 128, 256, 512, 1024),
    step_overhead=60.0,
    node_overhead=40.0,
    product_overhead=0.0,
    flops=8e6,
    element=0.00002,
    parameter=0.00001,
    compile_seconds=4.0,
    node_compile_seconds=1.0,
    compile_weight=1.0,
)


def step_microseconds(shape: ProgramShape, device: Device) -> float:
    """Estimated cost of one step of all slots of a program."""
    overhead, work = step_parts(shape, device)
    return overhead + shape.slots * work


def step_parts(shape: ProgramShape, device: Device) -> tuple[float, float]:
    """Estimated microseconds of a step regardless of the slots, and for each slot."""
    weights = weights_of(shape)
    elements = float(shape.rows * sum(shape.widths))
    # Normalisation and dropout read the activations several times more.
    elements *= (
        0.4
        + 0.2 * shape.saturating
        + 0.4 * shape.smooth
        + 1.5 * shape.normalized
        + 0.9 * shape.dropout
        + 0.5 * shape.mixed_edges
    )
    if shape.view == MIXED:
        elements += 0.5 * shape.rows * shape.num_features
    kernels = shape.output * (1 + 2 * shape.normalized + 0.3 * shape.dropout)
    state = weights * (0.3 + 0.3 * shape.first_moment + 0.4 * shape.second_moment)
    work = 6 * shape.rows * weights / device.flops + elements * device.element + state * device.parameter
    work += shape.output * device.product_overhead
    return device.step_overhead + kernels * device.node_overhead, work


def weights_of(shape: ProgramShape) -> int:
    """Padded kernel entries of one slot."""
    widths = (shape.num_features, *shape.widths, shape.num_outputs)
    return sum(widths[source] * widths[node] for source, node in shape.edges)


def compile_seconds(shape: ProgramShape, device: Device) -> float:
    """Estimated time to compile a program."""
    heavy = (
        1
        + 0.3 * shape.smooth
        + 0.15 * shape.first_moment
        + 0.1 * shape.second_moment
        + 1.0 * shape.batch_norm
        + 1.2 * shape.layer_norm
        + 0.3 * shape.dropout
        + 0.2 * shape.penalised
    )
    return (device.compile_seconds + device.node_compile_seconds * shape.output) * heavy


def pack_bytes(shape: ProgramShape) -> int:
    """Estimated memory of a program's state and buffers."""
    weights = weights_of(shape) + 3 * (sum(shape.widths) + shape.num_outputs)
    activations = 6 * max(shape.rows, shape.chunk_rows) * (sum(shape.widths) + shape.num_features)
    outputs = 2 * shape.chunks * shape.chunk_rows * shape.num_outputs
    order = shape.epochs * shape.steps * shape.rows
    return 4 * shape.slots * (6 * weights + activations + outputs + order)
