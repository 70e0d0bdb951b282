"""A `keras.Model` as a list of steps, models within models taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
from keras.src.models.functional import Functional

from evonas.training.native.user_model.refusal import Refusal

__all__ = ["Graph", "Step", "graph_of", "is_model"]

#: Classes of models that do nothing of their own: what derives from them may.
_PLAIN = (keras.Model, keras.Sequential, Functional)


@dataclass(frozen=True, eq=False)
class Step:
    """A layer that is called.

    Attributes:
        operation: the layer, or another operation of Keras's.
        sources: numbers of the tensors that it takes.
        target: number of the tensor that it gives.
    """

    operation: Any
    sources: tuple[int, ...]
    target: int


@dataclass(eq=False)
class Graph:
    """All steps, in an order in which they can be done.

    Attributes:
        inputs: numbers of the model's inputs.
        steps: each operation occurs once.
        output: number of the one output.
        shapes: number -> shape of the tensor, without the rows.
    """

    inputs: tuple[int, ...] = ()
    steps: list[Step] = field(default_factory=list)
    output: int = -1
    shapes: dict[int, tuple[int | None, ...]] = field(default_factory=dict)

    def users(self, number: int) -> list[Step]:
        """The steps that take a tensor."""
        return [step for step in self.steps if number in step.sources]

    def add(self, tensor: Any) -> int:
        """A new number for a tensor of Keras's."""
        number = len(self.shapes)
        self.shapes[number] = tuple(tensor.shape[1:])
        return number


def is_model(operation: Any) -> bool:
    """Whether it is a model that consists of layers alone."""
    return type(operation) in _PLAIN


def graph_of(model: keras.Model) -> Graph:
    """The steps of a built model.

    Raises:
        Refusal: it is not a graph of layers, or has several outputs.
    """
    if not is_model(model):
        raise Refusal(f"the model is of a class of its own, {type(model).__name__}")
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
    """Number of the tensor, after the steps that it needs.

    Args:
        numbers: by identity, those of the same model that have one.
        seen: operations that have been met.
    """
    if id(tensor) in numbers:
        return numbers[id(tensor)]
    operation, at, place = tensor._keras_history
    node = operation._inbound_nodes[at]
    # Whether it is training is what `fit` says, whatever was said when the model was put together.
    named = {name: value for name, value in node.arguments.kwargs.items() if name != "training"}
    values = [value for value in keras.tree.flatten((node.arguments.args, named)) if value is not None]
    if len(values) != len(node.input_tensors) or not values:
        raise Refusal(f"{_name(operation)} is called with more than tensors")
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
