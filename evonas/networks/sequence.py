"""Sequence layers in plain numpy, equal to Keras's: recurrence, attention and position embeddings.

A mask is a float array of shape `(num_rows, steps, 1)`: 1 for steps that are not padding, 0 for padding.

References:
    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014; with the reset gate after the
    matrix product, as in Keras.
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997.
    Vaswani et al., "Attention is all you need", NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.networks.activations import logistic

__all__ = ["attend", "recurrent", "sine_positions"]

Array = NDArray[Any]
#: Logit of padded steps, whose attention weight is then 0.
_LEAST = -1e9


def recurrent(x: Array, parts: Mapping[str, Array], cell: str, mask: Array | None, backwards: bool = False) -> Array:
    """Outputs of a recurrent layer at all steps, shape `(num_rows, steps, units)`; padded steps repeat the previous
    one.

    Args:
        x: input, shape `(num_rows, steps, channels)`.
        parts: weights "kernel", "recurrent_kernel" and "bias".
        cell: "gru" or "lstm".
        mask: mask of the steps, if any.
        backwards: whether steps are processed from the last to the first.
    """
    step = {"gru": _gru, "lstm": _lstm}[cell]
    units, count = parts["recurrent_kernel"].shape[0], x.shape[1]
    state = np.zeros((2, len(x), units), x.dtype)
    found = np.empty((len(x), count, units), x.dtype)
    bias = parts["bias"]
    given = x @ parts["kernel"] + (bias[0] if bias.ndim == 2 else bias)
    for time in reversed(range(count)) if backwards else range(count):
        new = step(given[:, time], state, parts)
        state = new if mask is None else np.where(mask[None, :, time] > 0, new, state)
        found[:, time] = state[0]
    return found


def _gru(given: Array, state: Array, parts: Mapping[str, Array]) -> Array:
    hidden = state[0]
    inner = hidden @ parts["recurrent_kernel"] + parts["bias"][1]
    units = hidden.shape[1]
    update = logistic(given[:, :units] + inner[:, :units])
    reset = logistic(given[:, units : 2 * units] + inner[:, units : 2 * units])
    candidate = np.tanh(given[:, 2 * units :] + reset * inner[:, 2 * units :])
    new = update * hidden + (1.0 - update) * candidate
    return np.stack([new, new])


def _lstm(given: Array, state: Array, parts: Mapping[str, Array]) -> Array:
    z = given + state[0] @ parts["recurrent_kernel"]
    entry, forget, cell, exit_ = np.split(z, 4, axis=1)
    carry = logistic(forget) * state[1] + logistic(entry) * np.tanh(cell)
    return np.stack([logistic(exit_) * np.tanh(carry), carry])


def attend(x: Array, parts: Mapping[str, Array], mask: Array | None) -> Array:
    """Multi-head self-attention, shape `(num_rows, steps, channels)`.

    Args:
        x: input, shape `(num_rows, steps, channels)`.
        parts: weights: kernels `(channels, heads, units)` and biases of "query", "key" and "value", and the kernel
            `(heads, units, channels)` and bias of "attention_output".
        mask: mask of the steps, if any.
    """
    query, key, value = (
        np.einsum("btc,chd->bhtd", x, parts[f"{name}_kernel"], optimize=True) + parts[f"{name}_bias"][:, None]
        for name in ("query", "key", "value")
    )
    logits = query @ key.swapaxes(-1, -2) / np.asarray(np.sqrt(query.shape[-1]), x.dtype)
    if mask is not None:
        logits = np.where(mask[:, None, None, :, 0] > 0, logits, np.asarray(_LEAST, x.dtype))
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares = shares / shares.sum(axis=-1, keepdims=True)
    found = np.einsum("bhtd,hdc->btc", shares @ value, parts["attention_output_kernel"], optimize=True)
    return np.asarray(found + parts["attention_output_bias"])


def sine_positions(steps: int, channels: int) -> NDArray[np.float32]:
    """Sinusoidal position embeddings, shape `(steps, channels)` (Vaswani et al. 2017)."""
    pairs = np.arange(channels) // 2
    angles = np.arange(steps)[:, None] / 10_000.0 ** (2.0 * pairs / channels)
    return np.where(np.arange(channels) % 2, np.cos(angles), np.sin(angles)).astype(np.float32)
