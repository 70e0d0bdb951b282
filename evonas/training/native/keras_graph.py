"""Converts a `keras.Model` into a list of steps, including those of nested models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
from keras.src.models.functional import Functional

from evonas.training.native.refusal import Refusal

__all__ = ["Graph", "Step", "graph_of", "is_model"]

#: Model classes without custom behaviour; subclasses may have some.
_PLAIN = (keras.Model, keras.Sequential, Functional)


@dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer.

    Attributes:
        operation: the layer or another Keras operation.
        sources: numbers of its input tensors.
        target: number of its output tensor.
    """

    operation: Any
    sources: tuple[int, ...]
    target: int


@dataclass(eq=False)
class Graph:
    """All steps in topological order.

    Attributes:
        inputs: numbers of the model's inputs.
        steps: each operation occurs once.
        output: number of the only output.
        shapes: number -> shape of the tensor without the batch dimension.
    """

    inputs: tuple[int, ...] = ()
    steps: list[Step] = field(default_factory=list)
    output: int = -1
    shapes: dict[int, tuple[int | None, ...]] = field(default_factory=dict)

    def users(self, number: int) -> list[Step]:
        """The steps that take the tensor as input."""
        return [step for step in self.steps if number in step.sources]

    def add(self, tensor: Any) -> int:
        """Assigns a number to a Keras tensor."""
        number = len(self.shapes)
        self.shapes[number] = tuple(tensor.shape[1:])
        return number


def is_model(operation: Any) -> bool:
    """Whether the operation is a model that consists only of layers."""
    return type(operation) in _PLAIN


def graph_of(model: keras.Model) -> Graph:
    """The steps of a built model.

    Raises:
        Refusal: the model is not a graph of layers, or has several outputs.
    """
    if not is_model(model):
        raise Refusal(f"the model is of the custom class {type(model).__name__}")
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise Refusal("the model is not built")
    if len(model.outputs) != 1:
        raise Refusal(f"the model has {len(model.outputs)} outputs")
    graph = Graph()
    numbers = {id(tensor): graph.add(tensor) for tensor in model.inputs}
    graph.inputs = tuple(numbers.values())
    try:
        graph.output = _visit(graph, model.outputs[0], numbers, set())
    except RecursionError:
        raise Refusal("the model is too deep") from None
    return graph


def _visit(graph: Graph, tensor: Any, numbers: dict[int, int], seen: set[int]) -> int:
    """Adds the steps that the tensor depends on, and returns its number.

    Args:
        numbers: identity of a tensor of the same model -> its number.
        seen: operations visited so far.
    """
    if id(tensor) in numbers:
        return numbers[id(tensor)]
    operation, at, place = tensor._keras_history
    node = operation._inbound_nodes[at]
    # `fit` decides whether the model is training, whatever was passed when the model was assembled.
    named = {name: value for name, value in node.arguments.kwargs.items() if name != "training"}
    values = [value for value in keras.tree.flatten((node.arguments.args, named)) if value is not None]
    if len(values) != len(node.input_tensors) or not values:
        raise Refusal(f"{_name(operation)} is called with arguments other than tensors")
    sources = tuple(_visit(graph, source, numbers, seen) for source in node.input_tensors)
    if id(operation) in seen:
        raise Refusal(f"{_name(operation)} is used more than once")
    seen.add(id(operation))
    if is_model(operation):
        inner = dict(zip(map(id, operation.inputs), sources, strict=True))
        number = _visit(graph, operation.outputs[place], inner, seen)
    else:
        if len(node.output_tensors) != 1:
            raise Refusal(f"{_name(operation)} has several outputs")
        number = graph.add(tensor)
        graph.steps.append(Step(operation, sources, number))
    numbers[id(tensor)] = number
    return number


def _name(operation: Any) -> str:
    return f"the layer {operation.name} ({type(operation).__name__})"
