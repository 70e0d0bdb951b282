"""The compiled program: trains `slots` networks of one padded shape for some epochs. Contains only the mathematics.

The first axis of every tensor is that of the slots. A network narrower than the program has zero rows and columns in
its kernels; unit masks after each activation keep them zero under every optimizer. Edges that a network lacks are
masked. Differences between networks (activation, optimizer, rate, normalisation, dropout, batch size) are data, not
code.

The function that `build_program` returns is pure: arrays in, arrays out. `slots.py` assigns members to slots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from keras import ops

from evonas.training.optimizers import FROZEN
from evonas.training.population.activations import activate
from evonas.training.population.dropout import keep_mask
from evonas.training.population.normalization import (
    EPSILON,
    MOVING_MOMENTUM,
    Rows,
    batch_moments,
    layer_moments,
    make_normalize,
    rows_of,
)
from evonas.training.population.shape import MIXED, ProgramShape, node_name

__all__ = ["build_program"]

Arrays = dict[str, Any]


def build_program(shape: ProgramShape, backend: ModuleType) -> Callable[..., tuple[Arrays, Arrays]]:
    """The compiled function `(state, members, schedule, data) -> (state, history)`.

    state: "parameters", "first", "second" (moments; empty if no network keeps them), "moving", "best" and
        "best_moving" (name -> (slots, ...)), and
        "best_loss", "reference", "wait" (slots,), "best_outputs" (chunks, slots, chunk_rows, num_outputs).
    members: "activation_<node>" (slots, NUM_COEFFICIENTS); "mask_<node>" (slots, 1, width); "edge_<source>_<node>",
        "batch_norm_<node>", "layer_norm_<node>", "unbatched_<node>", "plain_<node>" (not batch norm, no norm) and
        "drop_<node>" (slots, 1, 1); "share_<node>", mask / units (slots, 1, width); "seen" (slots, 1, num_features)
        where views are mixed; "l2_<node>", "min_delta" and int32 "seed", "patience", "train_rows", "validation_rows",
        "validation_start" (slots,).
    schedule: "rows" int32 (epochs * steps, slots, rows); "steps" (epochs * steps, slots, NUM_COEFFICIENTS + 1), last
        the number of rows of the batch; int32 (slots,) "first_step" (steps trained before), "slot_steps" (an epoch) and
        "remaining" (epochs still to train); int32 scalars "num_steps", "num_epochs".
    data: "x", "y", "weight", "x_validation", "y_validation"; the folds' rows one after the other.

    history: "train" and "validation" losses and "trained", 1 if the slot trained that epoch, each (epochs, slots).
    """
    activation = backend.custom_gradient(
        partial(activate, saturating=shape.saturating, smooth=shape.smooth, gaussian=shape.gaussian, mish=shape.mish),
        lambda upstream, derivative: (upstream * derivative,),
    )
    frozen = ops.convert_to_tensor([[*FROZEN, 0.0]], "float32")
    program = _Program(shape, backend, activation, make_normalize(shape, backend), frozen)

    def run(state: Arrays, members: Arrays, schedule: Arrays, data: Arrays) -> tuple[Arrays, Arrays]:
        return program.run(state, members, schedule, data)

    return backend.compile_function(run)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class _Program:
    """The parts of the function that `build_program` compiles.

    Attributes:
        shape, backend: arguments of `build_program`.
        activation: function of `(z, coefficients)` with a custom gradient.
        normalized: result of `make_normalize`.
        frozen: settings of a step that changes nothing.
    """

    shape: ProgramShape
    backend: ModuleType
    activation: Callable[..., Any]
    normalized: Callable[..., Any]
    frozen: Any

    def mask_features(self, x: Any, members: Arrays) -> Any:
        """Masks the features that each slot's network does not use with 0, so that their weights stay 0."""
        return x * members["seen"] if self.shape.view == MIXED else x

    def product(self, h: Any, kernel: Any, training: bool) -> Any:
        # Validation uses float32 in any precision: scores must be those of the exported network.
        if self.shape.precision == "float32" or not training:
            return ops.matmul(h, kernel)
        return ops.cast(
            ops.matmul(ops.cast(h, self.shape.precision), ops.cast(kernel, self.shape.precision)), "float32"
        )

    def normalize(
        self, z: Any, node: int, p: Arrays, moving: Arrays, members: Arrays, rows: Rows | None
    ) -> tuple[Any, Arrays]:
        """Bias and batch, layer or no normalisation, as selected by each slot; `rows` is None at inference."""
        name = f"layer_{node}"
        batch, layer = members[f"batch_norm_{node}"], members[f"layer_norm_{node}"]
        unbatched, plain = members[f"unbatched_{node}"], members[f"plain_{node}"]
        share = members[f"share_{node}"]
        bias, gamma, beta = (p[f"{name}/{part}"] for part in ("bias", "gamma", "beta"))
        center, spread = moving[f"{name}/moving_mean"], moving[f"{name}/moving_variance"]
        if rows is None:
            z = z + unbatched * bias
            standard = (z - batch * center) * (unbatched + batch * ops.rsqrt(spread + EPSILON))
            if self.shape.layer_norm:
                mean, variance = layer_moments(z, share)
                standard = ops.where(layer > 0.0, (z - mean) * ops.rsqrt(variance + EPSILON), standard)
            return standard * (plain + (1.0 - plain) * gamma) + (1.0 - plain) * beta, {}
        kept: Arrays = {}
        mean, variance = center, spread
        if self.shape.batch_norm:
            mean, variance = batch_moments(self.backend.constant(z), rows)
            step = ops.where(rows.trained, batch * (1.0 - MOVING_MOMENTUM), 0.0)
            kept[f"{name}/moving_mean"] = center * (1.0 - step) + mean * step
            kept[f"{name}/moving_variance"] = spread * (1.0 - step) + variance * step
        constants = (batch, layer, unbatched, plain, share, rows.sums, rows.share, mean, variance)
        return self.normalized(z, bias, gamma, beta, *constants), kept

    def forward(
        self, p: Arrays, moving: Arrays, members: Arrays, x: Any, rows: Rows | None = None, step: Any = None
    ) -> tuple[Any, Arrays]:
        """Raw outputs (slots, rows, num_outputs) and the moving statistics after this batch."""
        held: dict[int, Any] = {0: x}
        kept: Arrays = {}
        for node in range(1, self.shape.output + 1):
            inputs = []
            for source in self.shape.sources(node):
                h = held[source]
                inputs.append(h * members[f"edge_{source}_{node}"] if self.shape.mixed_edges else h)
            name = node_name(node, self.shape.output)
            z = inputs[0] if len(inputs) == 1 else ops.concatenate(inputs, axis=2)
            z = self.product(z, p[f"{name}/kernel"], rows is not None)
            if node == self.shape.output:
                return z + p[f"{name}/bias"], kept
            if self.shape.normalized:
                z, statistics = self.normalize(z, node, p, moving, members, rows)
                kept |= statistics
            else:
                z = z + p[f"{name}/bias"]
            mask = members[f"mask_{node}"]
            if self.shape.dropout and step is not None:
                drop = members[f"drop_{node}"]
                mask = mask * keep_mask(members["seed"], step, node, drop, self.shape.rows, self.shape.width(node))
            held[node] = self.activation(z, members[f"activation_{node}"]) * mask
        raise AssertionError("a shape has an output node")

    def row_losses(self, outputs: Any, y: Any) -> Any:
        """Loss of each row, (slots, rows)."""
        match self.shape.loss:
            case "binary":
                z = outputs[..., 0]
                return ops.maximum(z, 0.0) - z * y[..., 0] + ops.log1p(ops.exp(-ops.abs(z)))
            case "multiclass":
                peak = self.backend.constant(ops.max(outputs, axis=2, keepdims=True))
                total = ops.log(ops.sum(ops.exp(outputs - peak), axis=2)) + peak[..., 0]
                hit = ops.cast(ops.arange(self.shape.num_outputs, dtype="float32") == y, "float32")
                return total - ops.sum(outputs * hit, axis=2)
        error = outputs - y
        size = ops.abs(error)
        match self.shape.loss:
            case "mse":
                losses = ops.square(error)
            case "mae":
                losses = size
            case "huber":
                losses = ops.where(size <= 1.0, 0.5 * ops.square(error), size - 0.5)
            case _:
                raise ValueError(f"unknown loss {self.shape.loss!r}")
        return ops.mean(losses, axis=2)

    def step(
        self,
        s: Any,
        since: Any,
        active: Any,
        learner: Arrays,
        total: Any,
        members: Arrays,
        schedule: Arrays,
        data: Arrays,
    ) -> Any:
        index, settings = self.backend.row(schedule["rows"], s), self.backend.row(schedule["steps"], s)
        settings = ops.where(active[:, None], settings, self.frozen)
        count = settings[:, -1]
        row_mask = ops.cast(ops.arange(self.shape.rows, dtype="float32")[None, :] < count[:, None], "float32")
        weight = row_mask * self.backend.gather(data["weight"], index) if self.shape.weighted else row_mask
        weight = weight / ops.maximum(count, 1.0)[:, None]
        x, y = self.mask_features(self.backend.gather(data["x"], index), members), self.backend.gather(data["y"], index)
        rows = rows_of(row_mask)

        def objective(p: Arrays) -> tuple[Any, Any]:
            outputs, moving = self.forward(p, learner["moving"], members, x, rows, since)
            losses = ops.sum(self.row_losses(outputs, y) * weight, axis=1)
            if self.shape.penalised:
                for node in range(1, self.shape.output + 1):
                    kernel = p[f"{node_name(node, self.shape.output)}/kernel"]
                    losses = losses + members[f"l2_{node}"] * ops.sum(ops.square(kernel), axis=(1, 2))
            return ops.sum(losses), (losses, moving)

        gradients, (losses, moving) = self.backend.gradients(objective, learner["parameters"])
        c = ops.unstack(settings[:, :, None, None], settings.shape[1], axis=1)
        updated: dict[str, Arrays] = {"parameters": {}, "first": {}, "second": {}}
        for name, g in gradients.items():
            change = c[5] * g
            if self.shape.first_moment:
                updated["first"][name] = c[0] * learner["first"][name] + c[1] * g
                change = c[4] * updated["first"][name] + change
            if self.shape.second_moment:
                updated["second"][name] = c[2] * learner["second"][name] + c[3] * ops.square(g)
                change = change / (c[7] * ops.sqrt(updated["second"][name] + c[8]) + c[9])
            updated["parameters"][name] = c[6] * learner["parameters"][name] - change
        return {**updated, "moving": {**learner["moving"], **moving}}, total + losses * count

    def validate(self, learner: Arrays, members: Arrays, data: Arrays) -> tuple[Any, Any]:
        """Mean loss (slots,) over the validation rows and the outputs (chunks, slots, chunk_rows, num_outputs)."""
        within = ops.arange(self.shape.chunk_rows, dtype="int32")[None, :]
        last, start = members["validation_rows"][:, None] - 1, members["validation_start"][:, None]

        def body(chunk: Any, total: Any, outputs: Any) -> tuple[Any, Any, Any]:
            place = chunk * self.shape.chunk_rows + within
            index = start + ops.minimum(place, last)
            x = self.mask_features(self.backend.gather(data["x_validation"], index), members)
            y = self.backend.gather(data["y_validation"], index)
            z, _ = self.forward(learner["parameters"], learner["moving"], members, x)
            losses = ops.where(place <= last, self.row_losses(z, y), 0.0)
            return chunk + 1, total + ops.sum(losses, axis=1), self.backend.set_row(outputs, chunk, z)

        blank = ops.zeros(
            (self.shape.chunks, self.shape.slots, self.shape.chunk_rows, self.shape.num_outputs), "float32"
        )
        begin = (ops.zeros((), "int32"), ops.zeros((self.shape.slots,), "float32"), blank)
        _, total, outputs = self.backend.loop(lambda chunk, *_: chunk < self.shape.chunks, body, begin)
        return total / ops.cast(members["validation_rows"], "float32"), outputs

    def run(self, state: Arrays, members: Arrays, schedule: Arrays, data: Arrays) -> tuple[Arrays, Arrays]:
        def epoch(e: Any, state: Arrays, history: Arrays) -> tuple[Any, Arrays, Arrays]:
            # A slot that has ended does not change until the call ends.
            active = ops.logical_and(e < schedule["remaining"], state["wait"] < members["patience"])
            learner = {name: state[name] for name in ("parameters", "first", "second", "moving")}

            def body(t: Any, learner: Arrays, total: Any) -> tuple[Any, Arrays, Any]:
                since = schedule["first_step"] + e * schedule["slot_steps"] + t
                return t + 1, *self.step(
                    e * self.shape.steps + t, since, active, learner, total, members, schedule, data
                )

            begin = (ops.zeros((), "int32"), learner, ops.zeros((self.shape.slots,), "float32"))
            _, learner, total = self.backend.loop(lambda t, *_: t < schedule["num_steps"], body, begin)
            loss, outputs = self.validate(learner, members, data)

            better = ops.logical_and(active, loss < state["best_loss"])
            ahead = ops.logical_and(active, loss + members["min_delta"] < state["reference"])
            waited = ops.where(ahead, 0, state["wait"] + 1)
            # A diverged slot waits for the rest of the call: it never improves, and does not affect other slots.
            waited = ops.where(ops.isfinite(loss), waited, members["patience"])
            new = dict(learner)
            for best, source in (("best", "parameters"), ("best_moving", "moving")):
                new[best] = {k: ops.where(better[:, None, None], learner[source][k], v) for k, v in state[best].items()}
            new["best_loss"] = ops.where(better, loss, state["best_loss"])
            new["reference"] = ops.where(ahead, loss, state["reference"])
            new["wait"] = ops.where(active, waited, state["wait"])
            new["best_outputs"] = ops.where(better[None, :, None, None], outputs, state["best_outputs"])
            rows = {
                "train": total / ops.cast(members["train_rows"], "float32"),
                "validation": loss,
                "trained": ops.cast(active, "float32"),
            }
            return e + 1, new, {name: self.backend.set_row(history[name], e, value) for name, value in rows.items()}

        blank = {
            name: ops.zeros((self.shape.epochs, self.shape.slots), "float32")
            for name in ("train", "validation", "trained")
        }
        begin = (ops.zeros((), "int32"), state, blank)
        _, state, history = self.backend.loop(lambda e, *_: e < schedule["num_epochs"], epoch, begin)
        return state, history
