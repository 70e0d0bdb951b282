"""Layer rows of the nodes with flat inputs and outputs: the input, dense layers and the output."""

from __future__ import annotations

from typing import Any

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
    same_shape,
)
from genomes.architecture.members import NodeMembers
from genomes.architecture.neighbours import neighbours_from_json, neighbours_to_json
from genomes.architecture.options import (
    INPUT_KINDS,
    LAYER_KINDS,
    MAX_REFERENCES,
    OFF,
    OUTPUT_KINDS,
    REPRESENTATION_UNITS,
    SWITCHED,
)

__all__ = ["DENSE", "INPUT", "OUTPUT", "pair_flops"]


class _Near:
    """The kind of the `neighbours` attribute: neighbours as JSON values."""

    def read(self, value: Any, place: str) -> dict[str, Any]:
        return neighbours_to_json(neighbours_from_json(value, place))


def _dense_shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 1)
    return (int(attributes["units"]),)


def _dense_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    vectors = VECTORS[attributes.get("normalization", "none")] + bool(attributes.get("parametric_activation"))
    return (taken[0] + vectors) * given[0]


def _dense_flops(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return 2 * taken[0] * given[0]


def _dense_member_parameters(attributes: Attributes, taken: Shape, given: Shape, members: NodeMembers) -> int:
    """Parameters of a dense node with members, which share all kernels but the output's and have separate factors."""
    if members.own_kernels:
        return members.count * (taken[0] + 1) * given[0]
    total = _dense_parameters(attributes, taken, given)
    if attributes.get("parametric_activation"):  # separate for each member
        total += (members.count - 1) * given[0]
    if members.adapted:
        total += members.count * taken[0]
    if members.scaled:  # their biases replace the shared one
        total += (2 * members.count - (attributes.get("normalization") != "batch")) * given[0]
    return total


def _settle_input(attributes: dict[str, Any]) -> dict[str, Any]:
    """Drops attributes that have no effect because another one is off."""
    found = attributes
    for switch, others in SWITCHED.items():
        if switch not in found:
            found = {name: value for name, value in found.items() if name not in others}
    if "embedding" in found:
        found.pop("scaling", None)  # scaling has an effect only without an embedding
    return found


def _input_label(attributes: Attributes) -> str:
    parts = ["input"]
    if "numbers" in attributes:
        parts.append(f"numbers {attributes['numbers']}")
    if attributes.get("scaling"):
        parts.append("trained factors")
    if "neighbours" in attributes:
        near = attributes["neighbours"]
        within = ", ".join(f"{bandwidth:g}" for bandwidth in near["bandwidths"])
        parts.append(f"neighbours in {', '.join(near['columns'])} within {within}")
    if "embedding" in attributes:
        waves = f" of sigma {attributes['embedding_sigma']:g}" if "embedding_sigma" in attributes else ""
        parts.append(f"{attributes['embedding']} embedding{waves} to {attributes.get('embedding_units', 8)} a number")
    if "category_units" in attributes:
        parts.append(f"categories to {attributes['category_units']} each")
    if "members" in attributes:
        start = "" if attributes.get("member_start", "input") == "hidden" else " from the input"
        parts.append(f"{attributes['members']} members ({attributes.get('adapters', 'mini')}{start})")
    return ", ".join(parts)


def _dense_label(attributes: Attributes) -> str:
    parametric = "parametric " if attributes.get("parametric_activation") else ""
    return details(f"{attributes['units']} {parametric}{attributes['activation']}", attributes)


def _finds_neighbours(attributes: Attributes) -> bool:
    return bool(attributes.get("output") == "neighbours")


def _output_parameters(attributes: Attributes, taken: Shape, given: Shape) -> int:
    """Trained parameters: with neighbours, those of the representation; the reference rows are not trained."""
    if _finds_neighbours(attributes):
        return taken[0] * REPRESENTATION_UNITS
    return _dense_parameters(attributes, taken, given)


def pair_flops(attributes: Attributes, num_outputs: int) -> int:
    """Floating-point operations of matrix products for a row and one of its neighbours; 0 for other outputs."""
    return 2 * (REPRESENTATION_UNITS + num_outputs) if _finds_neighbours(attributes) else 0


def _output_flops(attributes: Attributes, taken: Shape, given: Shape) -> int:
    """With neighbours, includes the products with the largest number of reference rows."""
    if _finds_neighbours(attributes):
        return 2 * taken[0] * REPRESENTATION_UNITS + MAX_REFERENCES * pair_flops(attributes, given[0])
    return _dense_flops(attributes, taken, given)


def _output_label(attributes: Attributes) -> str:
    return details("output, mean of learned neighbours" if _finds_neighbours(attributes) else "output", attributes)


#: The first node. All attributes are optional; those without a value in `OFF` have an effect only in combination with
#: others.
INPUT = LayerRow(
    attributes={**INPUT_KINDS, "neighbours": _Near()},
    off={name: OFF.get(name) for name in (*INPUT_KINDS, "neighbours")},
    shape=same_shape,
    parameters=no_parameters,
    flops=no_flops,
    label=_input_label,
    shaped=False,
    settle=_settle_input,
    written_as_real=("embedding_units", "members", "scaling"),
)

DENSE = LayerRow(
    attributes=LAYER_KINDS,
    off={"parametric_activation": False},
    shape=_dense_shape,
    parameters=_dense_parameters,
    flops=_dense_flops,
    label=_dense_label,
    shaped=False,
    member_parameters=_dense_member_parameters,
    moving=moving_averages,
)

#: The last node: a dense layer with one unit per output of the data.
OUTPUT = LayerRow(
    attributes=OUTPUT_KINDS,
    off={"output": OFF["output"]},
    shape=_dense_shape,
    parameters=_output_parameters,
    flops=_output_flops,
    label=_output_label,
    shaped=False,
    member_parameters=_dense_member_parameters,
)
