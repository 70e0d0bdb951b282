"""Lowers Keras layers to instructions, with one table row per kind; other kinds are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.training.native.program import Tensor
from evonas.training.native.program_builder import Builder
from evonas.training.native.refusal import Refusal

__all__ = ["ACTIVATIONS", "LAYERS", "Lowering", "activation_name", "check"]

#: Keras function -> the kernels' activation.
ACTIVATIONS: Mapping[Any, str] = {
    getattr(keras.activations, name): kind
    for name, kind in {
        "linear": "linear", "relu": "relu", "leaky_relu": "leaky_relu", "elu": "elu", "selu": "selu",
        "sigmoid": "sigmoid", "tanh": "tanh", "silu": "silu", "gelu": "gelu", "relu6": "relu6",
        "hard_tanh": "hard_tanh", "hard_sigmoid": "hard_sigmoid", "softplus": "softplus", "softsign": "softsign",
        "exponential": "exponential", "mish": "mish", "softmax": "softmax",
    }.items()
    if hasattr(keras.activations, name)
}  # fmt: skip


@dataclass(eq=False)
class Lowering:
    """A program under construction.

    Attributes:
        builder: builder of the program.
        variables: name in the program -> Keras weight.
        constants: name in the program -> value without a Keras weight.
        penalties: name, L1 and L2 of regularised weights.
        random: layers with random numbers so far.
    """

    builder: Builder
    variables: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    penalties: list[tuple[str, float, float]] = field(default_factory=list)
    random: list[Any] = field(default_factory=list)

    def bind(self, name: str, variable: Any, regularizer: Any = None) -> None:
        """Binds a name in the program to a Keras weight and its regularizer."""
        self.variables[name] = variable
        if regularizer is None or not variable.trainable:
            return
        if type(regularizer) not in (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2):
            raise Refusal(f"the regularizer {type(regularizer).__name__} of {variable.path}")
        l1, l2 = (float(getattr(regularizer, kind, 0.0) or 0.0) for kind in ("l1", "l2"))
        self.penalties.append((name, l1, l2))
        self.builder.penalty(name, l1, l2)


def check(layer: Any) -> None:
    """Refuses features of any layer that the kernels do not support."""
    name = f"the layer {layer.name}"
    if isinstance(layer, keras.layers.Layer):
        if layer.compute_dtype != "float32" or layer.variable_dtype != "float32":
            raise Refusal(f"{name} computes in {layer.compute_dtype}")
        if getattr(layer, "activity_regularizer", None) is not None:
            raise Refusal(f"{name} has an activity regularizer")
        if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
            raise Refusal(f"{name} is quantized or has LoRA weights")
        for variable in layer.weights:
            if getattr(variable, "constraint", None) is not None:
                raise Refusal(f"{name} has a constraint")


def activation_name(function: Any) -> str:
    """The kernels' name of an activation function.

    Raises:
        Refusal: the function is not in `ACTIVATIONS`.
    """
    try:
        return ACTIVATIONS[function]
    except (KeyError, TypeError):
        raise Refusal(f"the activation {getattr(function, '__name__', type(function).__name__)}") from None


def _activate(state: Lowering, source: Tensor, kind: str, **options: float) -> Tensor:
    return state.builder.softmax(source) if kind == "softmax" else state.builder.activation(source, kind, **options)


def _dense(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    kind = activation_name(layer.activation)
    frozen = not layer.kernel.trainable
    target = state.builder.dense(sources, layer.units, name, bias=layer.use_bias, frozen=frozen)
    state.bind(f"{name}/kernel", layer.kernel, layer.kernel_regularizer)
    if layer.use_bias:
        state.bind(f"{name}/bias", layer.bias, layer.bias_regularizer)
    return target if ending else _activate(state, target, kind)


def _activation(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    return sources[0] if ending else _activate(state, sources[0], activation_name(layer.activation))


def _relu(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    slope, most, threshold = float(layer.negative_slope), layer.max_value, float(layer.threshold)
    if threshold == 0 and most is None:
        return _activate(state, sources[0], "leaky_relu" if slope else "relu", slope=slope)
    if threshold == 0 and slope == 0 and float(most) == 6:
        return _activate(state, sources[0], "relu6")
    raise Refusal(f"the layer {layer.name} (ReLU) has a threshold, or a bound other than 6")


def _leaky(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    return _activate(state, sources[0], "leaky_relu", slope=float(layer.negative_slope))


def _elu(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    if float(layer.alpha) != 1:
        raise Refusal(f"the layer {layer.name} (ELU) has alpha {layer.alpha}")
    return _activate(state, sources[0], "elu")


def _softmax(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    if layer.axis not in (-1, 1):
        raise Refusal(f"the layer {layer.name} (Softmax) has the axis {layer.axis}")
    return sources[0] if ending else state.builder.softmax(sources[0])


def _dropout(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    if getattr(layer, "noise_shape", None) is not None:
        raise Refusal(f"the layer {layer.name} (Dropout) has a noise_shape")
    state.random.append(layer)
    return state.builder.dropout(sources[0], float(layer.rate), len(state.random))


def _batch_norm(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    if not layer.trainable or layer.axis not in (-1, 1) or getattr(layer, "synchronized", False):
        raise Refusal(f"the layer {layer.name} (BatchNormalization) is frozen or synchronized, or has another axis")
    missing = _missing_parts(layer)
    target = state.builder.batch_norm(sources[0], name, float(layer.epsilon), float(layer.momentum), missing)
    _bind_scale(layer, state, sources[0].width, name)
    state.bind(f"{name}/moving_mean", layer.moving_mean)
    state.bind(f"{name}/moving_variance", layer.moving_variance)
    return target


def _layer_norm(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    axis = tuple(layer.axis) if isinstance(layer.axis, (list, tuple)) else (layer.axis,)
    if axis not in ((-1,), (1,)) or getattr(layer, "rms_scaling", False):
        raise Refusal(f"the layer {layer.name} (LayerNormalization) has another axis, or scales by the mean square")
    missing = {"gamma", "beta"} if not layer.trainable else _missing_parts(layer)
    target = state.builder.layer_norm(sources[0], name, float(layer.epsilon), missing)
    _bind_scale(layer, state, sources[0].width, name)
    return target


def _missing_parts(layer: Any) -> set[str]:
    return {part for part in ("gamma", "beta") if getattr(layer, part, None) is None}


def _bind_scale(layer: Any, state: Lowering, width: int, name: str) -> None:
    for part, blank in (("gamma", 1.0), ("beta", 0.0)):
        if getattr(layer, part, None) is None:
            state.constants[f"{name}/{part}"] = np.full(width, blank, np.float32)
        else:
            state.bind(f"{name}/{part}", getattr(layer, part), getattr(layer, f"{part}_regularizer", None))


def _merge(factors: Callable[[int], list[float]]) -> Any:
    def lower(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
        if len({source.width for source in sources}) != 1:
            raise Refusal(f"the layer {layer.name} ({type(layer).__name__}) merges tensors of different widths")
        return state.builder.merge(list(zip(factors(len(sources)), sources, strict=True)))

    return lower


def _concatenate(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    if layer.axis not in (-1, 1):
        raise Refusal(f"the layer {layer.name} (Concatenate) has the axis {layer.axis}")
    return state.builder.concatenate(sources)


def _same(layer: Any, state: Lowering, sources: list[Tensor], name: str, ending: bool) -> Tensor:
    return sources[0]


#: Kind -> the function that lowers it. With `ending`, the activation is left to the loss.
LAYERS: Mapping[type, Callable[[Any, Lowering, list[Tensor], str, bool], Tensor]] = {
    keras.layers.Dense: _dense,
    keras.layers.Activation: _activation,
    keras.layers.ReLU: _relu,
    keras.layers.LeakyReLU: _leaky,
    keras.layers.ELU: _elu,
    keras.layers.Softmax: _softmax,
    keras.layers.Dropout: _dropout,
    keras.layers.BatchNormalization: _batch_norm,
    keras.layers.LayerNormalization: _layer_norm,
    keras.layers.Add: _merge(lambda count: [1.0] * count),
    keras.layers.Average: _merge(lambda count: [1.0 / count] * count),
    keras.layers.Subtract: _merge(lambda count: [1.0, -1.0]),
    keras.layers.Concatenate: _concatenate,
    keras.layers.Flatten: _same,
    keras.layers.Identity: _same,
}
