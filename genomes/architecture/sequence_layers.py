"""Layer rows for series `(steps, channels)` and for the tokens of a text.

References:
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997.
    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014, arXiv 1406.1078.
    Vaswani et al., "Attention is all you need", NeurIPS 2017, arXiv 1706.03762.
    Xiong et al., "On layer normalization in the transformer architecture", ICML 2020, arXiv 2002.04745.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from genomes.architecture.layer_row import (
    Attributes,
    LayerRow,
    Shape,
    details,
    needs_rank,
    no_flops,
)
from genomes.architecture.options import CELLS, LAYER_KINDS, MAX_UNITS, POSITIONS
from genomes.checks import Truth, Whole, Word

__all__ = ["ATTENTION", "POSITION", "RECURRENT", "TOKENS"]

#: Cell -> (kernels, biases) per unit: a GRU has one bias for the input and one for the state ("reset after").
_GATES: Mapping[str, tuple[int, int]] = MappingProxyType({"gru": (3, 6), "lstm": (4, 4)})


def _directions(attributes: Attributes) -> int:
    return 2 if attributes["bidirectional"] else 1


def _recurrent_shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 2)
    width = int(attributes["units"]) * _directions(attributes)
    return (taken[0], width) if attributes["sequences"] else (width,)


def _recurrent_kernels(attributes: Attributes, taken: Shape) -> int:
    units = int(attributes["units"])
    return _directions(attributes) * _GATES[attributes["cell"]][0] * (taken[-1] + units) * units


def _recurrent_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    biases = _directions(attributes) * _GATES[attributes["cell"]][1] * int(attributes["units"])
    return _recurrent_kernels(attributes, taken) + biases


def _recurrent_flops(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return 2 * taken[0] * _recurrent_kernels(attributes, taken)


def _recurrent_label(attributes: Attributes) -> str:
    name = ("bidirectional " if attributes["bidirectional"] else "") + attributes["cell"].upper()
    last = "" if attributes["sequences"] else ", last step"
    return details(f"{name} {attributes['units']}{last}", attributes)


def _steps_shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 2)
    return taken


def _attention_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    """Parameters of the layer normalisation, the three projections to keys, queries and values, and the output
    projection.
    """
    channels, keys = taken[-1], int(attributes["key_units"])
    return 2 * channels + 3 * (channels + 1) * keys + (keys + 1) * channels


def _attention_flops(attributes: Attributes, taken: Shape, given: Shape) -> int:
    (steps, channels), keys = taken, int(attributes["key_units"])
    return 2 * steps * 4 * channels * keys + 2 * 2 * steps * steps * keys


def _attention_label(attributes: Attributes) -> str:
    return details(f"attention of {attributes['heads']} heads, {attributes['key_units']} units", attributes)


def _attention_check(attributes: Attributes) -> str | None:
    heads, keys = attributes["heads"], attributes["key_units"]
    return (
        f"key_units must be a multiple of its {heads} heads, not {keys}: change one of them" if keys % heads else None
    )


def _position_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return given[0] * given[1] if attributes["positions"] == "learned" else 0


def _tokens_shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 1)
    return (min(int(attributes["length"]), taken[0]), int(attributes["units"]))


def _tokens_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return int(attributes["vocabulary"]) * int(attributes["units"])


def _tokens_label(attributes: Attributes) -> str:
    text = f"embedding of {attributes['vocabulary']} tokens to {attributes['units']}, first {attributes['length']}"
    return details(text, attributes)


#: Keras's GRU (reset after) and LSTM, then dropout of the output; the two directions are concatenated.
RECURRENT = LayerRow(
    attributes={
        "cell": Word(CELLS),
        "units": Whole(1, MAX_UNITS),
        "bidirectional": Truth(),
        "sequences": Truth(),
        **{name: LAYER_KINDS[name] for name in ("dropout", "initializer")},
    },
    shape=_recurrent_shape,
    parameters=_recurrent_parameters,
    flops=_recurrent_flops,
    label=_recurrent_label,
)

#: Pre-norm multi-head self-attention with dropout and a residual connection.
ATTENTION = LayerRow(
    attributes={"heads": Whole(1, 64), "key_units": Whole(1, MAX_UNITS), "dropout": LAYER_KINDS["dropout"]},
    shape=_steps_shape,
    parameters=_attention_parameters,
    flops=_attention_flops,
    label=_attention_label,
    check=_attention_check,
)

#: Adds a position encoding to each step.
POSITION = LayerRow(
    attributes={"positions": Word(POSITIONS)},
    shape=_steps_shape,
    parameters=_position_parameters,
    flops=no_flops,
    label=lambda attributes: f"{attributes['positions']} positions",
)

#: Embedding of tokens. Ids at or above `vocabulary` are mapped to 1, the unknown token; id 0 is padding.
TOKENS = LayerRow(
    attributes={
        "vocabulary": Whole(2, 1 << 20),
        "length": Whole(1, 1 << 16),
        "units": Whole(1, MAX_UNITS),
        "dropout": LAYER_KINDS["dropout"],
    },
    shape=_tokens_shape,
    parameters=_tokens_parameters,
    flops=no_flops,
    label=_tokens_label,
    shaped=False,
)
