"""`lower_model`: converts a compiled `keras.Model` into a program of the native trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.training.native.keras_graph import Graph, graph_of
from evonas.training.native.keras_inputs import PREPARATIONS, Prepare, arrays_of, as_array
from evonas.training.native.keras_layers import LAYERS, Lowering, activation_name, check
from evonas.training.native.keras_losses import ENDINGS, Loss, loss_of
from evonas.training.native.keras_optimizers import Rule, rule_of
from evonas.training.native.kernels.instructions import LOSSES
from evonas.training.native.program import Program, Tensor
from evonas.training.native.program_builder import Builder
from evonas.training.native.refusal import Refusal, Refused
from evonas.training.native.training import CHUNK_ROWS, blank_arrays, predict, run_program

__all__ = ["LoweredModel", "lower_model"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class LoweredModel:
    """A model in the form that the kernels run.

    Attributes:
        program: the network up to its raw outputs.
        loss, rule: the loss and the optimizer with which it was compiled.
        preparations: for each block of features, its input and the function applied to that.
        names: names of the inputs.
        variables: name in the program -> Keras weight.
        constants: name in the program -> value without a Keras weight.
        penalties: name, L1 and L2 of regularised weights.
        random: layers with random numbers.
    """

    program: Program
    loss: Loss
    rule: Rule
    preparations: tuple[tuple[int, Callable[[Array], Array]], ...]
    names: list[str]
    variables: Mapping[str, Any]
    constants: Mapping[str, Array]
    penalties: tuple[tuple[str, float, float], ...]
    random: tuple[Any, ...]

    def features(self, x: Any, name: str = "x") -> NDArray[np.float32]:
        """The program's input rows, shape `(num_rows, num_features)`.

        Raises:
            Refusal: x cannot be converted.
        """
        arrays = arrays_of(x, self.names, name)
        with np.errstate(all="ignore"):
            blocks = [prepare(arrays[number]) for number, prepare in self.preparations]
        for block in blocks:
            if block.ndim != 2 or len(block) != len(blocks[0]):
                raise Refusal(f"{name} has the shape {arrays[0].shape}, which the model does not accept")
        whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
        if whole.shape[1] != self.program.input.width:
            raise Refusal(f"{name} has {whole.shape[1]} columns for the {self.program.input.width} of the model")
        return np.ascontiguousarray(whole, np.float32)

    def weights(self) -> dict[str, Array]:
        """The model's current weights by their names in the program."""
        values = {name: keras.ops.convert_to_numpy(each.value) for name, each in self.variables.items()}
        return {**values, **self.constants}

    def outputs(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Converts the program's raw outputs to the model's outputs."""
        return np.asarray(ENDINGS[self.loss.ending](raw), np.float32)

    def predict(self, x: Any) -> NDArray[np.float32]:
        """As `keras.Model.predict`, with the model's current weights. Raises as `features`."""
        return self.outputs(predict(self.program, self.weights(), self.features(x)))

    def evaluate(self, x: Any, y: Any) -> float:
        """The loss as from `keras.Model.evaluate`, with the model's current weights. Raises as `features`."""
        program, features = self.program, self.features(x)
        targets = self.loss.targets(as_array(y, "y"), program.output.width)
        weights, statistics = program.pack(self.weights())
        curve = np.zeros(1)
        arrays = blank_arrays(program) | {
            "weights": weights,
            "statistics": statistics,
            "x_validation": features,
            "y_validation": targets,
            "outputs": np.zeros((len(features), program.output.width), np.float32),
            "limits": np.array([self.loss.knee, 0], np.float32),
            "curve": curve,
        }
        control = {"validation_rows": len(features), "targets": targets.shape[1]}
        run_program(program, arrays, control | {"loss": LOSSES.index(self.loss.kind)})
        return float(curve[0]) + self.penalty(weights)

    def penalty(self, weights: NDArray[np.float32]) -> float:
        """The penalties that weights, flat as in the program, add to the loss."""
        total = 0.0
        for name, l1, l2 in self.penalties:
            place = self.program.variables[name]
            values = weights[place.start : place.stop].astype(np.float64)
            total += l1 * float(np.abs(values).sum()) + l2 * float((values * values).sum())
        return total


def lower_model(model: keras.Model, batch_size: int = 32) -> LoweredModel | Refused:
    """Converts the model into a program, or returns the reason why that is impossible.

    Args:
        model: a compiled and built model.
        batch_size: number of rows per step.
    """
    try:
        return _lower(model, batch_size)
    except Refusal as refusal:
        return Refused(str(refusal))


def _lower(model: keras.Model, batch_size: int) -> LoweredModel:
    graph = graph_of(model)  # also refuses custom classes
    if not model.compiled:
        raise Refusal("the model is not compiled")
    if getattr(model, "run_eagerly", False):
        raise Refusal("the model is set to run eagerly")
    if getattr(getattr(model, "_compile_loss", None), "_loss_weights", None):
        raise Refusal("the model has loss weights")
    early, blocks = _preparations(graph)
    widths = [_width(graph, number) for number in blocks]
    state = Lowering(Builder(sum(widths), max(CHUNK_ROWS, batch_size)))
    tensors = _inputs(state.builder, blocks, widths)
    ending = _last_activation(graph)
    loss = loss_of(model, ending)
    for number, step in enumerate(graph.steps):
        layer = step.operation
        if step.target in early:
            continue
        check(layer)
        lower = LAYERS.get(type(layer))
        if lower is None:
            raise Refusal(f"the layer {layer.name} ({type(layer).__name__})")
        last = bool(loss.ending) and step.target == graph.output
        sources = [tensors[source] for source in step.sources]
        tensors[step.target] = lower(layer, state, sources, str(number), last)
    if graph.output not in tensors:
        raise Refusal("the model has nothing to train")
    program = state.builder.finish(tensors[graph.output])
    if not program.num_weights:
        raise Refusal("the model has nothing to train")
    return LoweredModel(
        program,
        loss,
        rule_of(model.optimizer),
        tuple(early[number] for number in blocks),
        [tensor.name for tensor in model.inputs],
        state.variables,
        state.constants,
        tuple(state.penalties),
        tuple(state.random),
    )


def _preparations(graph: Graph) -> tuple[dict[int, tuple[int, Prepare]], list[int]]:
    """The part computed in numpy: tensor -> its input and the function; and the tensors that layers take."""
    early: dict[int, tuple[int, Prepare]] = {number: (place, lambda x: x) for place, number in enumerate(graph.inputs)}
    for step in graph.steps:
        make = PREPARATIONS.get(type(step.operation))
        if make is not None and len(step.sources) == 1 and step.sources[0] in early:
            place, before = early[step.sources[0]]
            early[step.target] = (place, _compose(before, make(step.operation)))
    blocks = [number for number in early if any(step.target not in early for step in graph.users(number))]
    return early, blocks


def _compose(first: Prepare, then: Prepare) -> Prepare:
    return lambda x: then(first(x))


def _width(graph: Graph, number: int) -> int:
    shape = graph.shapes[number]
    if len(shape) != 1 or shape[0] is None:
        raise Refusal(f"layers take inputs of the shape {shape} instead of rows of numbers")
    return int(shape[0])


def _inputs(builder: Builder, blocks: list[int], widths: list[int]) -> dict[int, Tensor]:
    """The tensors that layers take; if there are several, they are columns of one tensor."""
    if len(blocks) == 1:
        return {blocks[0]: builder.input}
    tensors, column = {}, 0
    for number, width in zip(blocks, widths, strict=True):
        tensors[number] = builder.columns(builder.input, column, width)
        column += width
    return tensors


def _last_activation(graph: Graph) -> str:
    """The model's last activation if a loss may include it."""
    last: Any = next((step.operation for step in graph.steps if step.target == graph.output), None)
    if type(last) in (keras.layers.Dense, keras.layers.Activation):
        kind = activation_name(last.activation)
        return kind if kind in ENDINGS else ""
    return "softmax" if type(last) is keras.layers.Softmax else ""
