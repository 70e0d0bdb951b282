"""`lower_model`: a compiled `keras.Model` as a program of the native trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.training.native.instructions import LOSSES
from evonas.training.native.program import Program, Tensor
from evonas.training.native.program_builder import Builder
from evonas.training.native.training import CHUNK_ROWS, blank_arrays, predict, run_program
from evonas.training.native.user_model.graph import Graph, graph_of
from evonas.training.native.user_model.inputs import PREPARATIONS, Prepare, arrays_of, as_array
from evonas.training.native.user_model.layers import LAYERS, Lowering, activation_name, check
from evonas.training.native.user_model.losses import ENDINGS, Loss, loss_of
from evonas.training.native.user_model.optimizers import Rule, rule_of
from evonas.training.native.user_model.refusal import Refusal, Refused

__all__ = ["LoweredModel", "lower_model"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class LoweredModel:
    """A model as the kernels run it.

    Attributes:
        program: the network, up to its raw outputs.
        loss, rule: what it was compiled with.
        preparations: for each block of features, the input that it comes from and what is done to that.
        names: of the inputs.
        variables: name in the program -> weight of Keras's.
        constants: name in the program -> what no weight of Keras's holds.
        penalties: name, L1 and L2 of weights that the loss keeps small.
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
        """The rows that go into the program, shape `(num_rows, num_features)`.

        Raises:
            Refusal: x is nothing that can be read so.
        """
        arrays = arrays_of(x, self.names, name)
        with np.errstate(all="ignore"):
            blocks = [prepare(arrays[number]) for number, prepare in self.preparations]
        for block in blocks:
            if block.ndim != 2 or len(block) != len(blocks[0]):
                raise Refusal(f"{name} has the shape {arrays[0].shape}, which the model does not take")
        whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
        if whole.shape[1] != self.program.input.width:
            raise Refusal(f"{name} has {whole.shape[1]} columns for the {self.program.input.width} of the model")
        return np.ascontiguousarray(whole, np.float32)

    def weights(self) -> dict[str, Array]:
        """The weights of the model as it is now, by their names in the program."""
        values = {name: keras.ops.convert_to_numpy(each.value) for name, each in self.variables.items()}
        return {**values, **self.constants}

    def outputs(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the model gives where the program gives raw outputs."""
        return np.asarray(ENDINGS[self.loss.ending](raw), np.float32)

    def predict(self, x: Any) -> NDArray[np.float32]:
        """As `keras.Model.predict`, with the weights that the model has now. Raises as `features`."""
        return self.outputs(predict(self.program, self.weights(), self.features(x)))

    def evaluate(self, x: Any, y: Any) -> float:
        """The loss, as of `keras.Model.evaluate`, with the weights that the model has now. Raises as `features`."""
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
        """What the penalties of weights, flat as in the program, add to a loss."""
        total = 0.0
        for name, l1, l2 in self.penalties:
            place = self.program.variables[name]
            values = weights[place.start : place.stop].astype(np.float64)
            total += l1 * float(np.abs(values).sum()) + l2 * float((values * values).sum())
        return total


def lower_model(model: keras.Model, batch_size: int = 32) -> LoweredModel | Refused:
    """The model as a program, or why it cannot be one.

    Args:
        model: compiled and built.
        batch_size: rows of a step.
    """
    try:
        return _lower(model, batch_size)
    except Refusal as refusal:
        return Refused(str(refusal))


def _lower(model: keras.Model, batch_size: int) -> LoweredModel:
    graph = graph_of(model)  # refuses classes of a user's own, too
    if not model.compiled:
        raise Refusal("the model is not compiled")
    if getattr(model, "run_eagerly", False):
        raise Refusal("the model is to run eagerly")
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
    """What is done in numpy: tensor -> the input and the function; and the tensors that layers take."""
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
        raise Refusal(f"layers that take inputs of the shape {shape}, not rows of numbers")
    return int(shape[0])


def _inputs(builder: Builder, blocks: list[int], widths: list[int]) -> dict[int, Tensor]:
    """The tensors that layers take; several are columns of one."""
    if len(blocks) == 1:
        return {blocks[0]: builder.input}
    tensors, column = {}, 0
    for number, width in zip(blocks, widths, strict=True):
        tensors[number] = builder.columns(builder.input, column, width)
        column += width
    return tensors


def _last_activation(graph: Graph) -> str:
    """The activation that the model ends in, where a loss may take it away."""
    last: Any = next((step.operation for step in graph.steps if step.target == graph.output), None)
    if type(last) in (keras.layers.Dense, keras.layers.Activation):
        kind = activation_name(last.activation)
        return kind if kind in ENDINGS else ""
    return "softmax" if type(last) is keras.layers.Softmax else ""
