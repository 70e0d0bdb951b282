"""The compiled function, which trains a network for some epochs or only computes its outputs."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types

from evonas.training.native.kernels.clock import ON_GATHER, ON_LOSS, ON_OPTIMIZER, ON_VALIDATION, now, spent
from evonas.training.native.kernels.frame import ARRAYS, CONTROL
from evonas.training.native.kernels.losses import row_loss
from evonas.training.native.kernels.memory import Memory, Run, clear, copy, kernel, part
from evonas.training.native.kernels.neighbours import Neighbours, batch_loss, predict, take_references
from evonas.training.native.kernels.network import backward, forward
from evonas.training.native.kernels.optimizers import clip, update

__all__ = ["compile_training", "run"]

F = np.float32
(
    INSTRUCTIONS, WEIGHTS, STATISTICS, FEATURES, OUTPUTS, TARGETS, ROWS, VALIDATION_ROWS, CHUNK, BATCH, STEPS,
    FIRST_EPOCH, EPOCHS, PATIENCE, LOSS, OPTIMIZER, SEED, WEIGHTED, INPUT_AT, OUTPUT_AT, STEP_LOSSES, CLIP, SEGMENTS,
    KEEP_OUTPUTS, MEMBERS, RATED, UNITS, COLUMNS, REFERENCES,
) = range(len(CONTROL))  # fmt: skip
BEST, REFERENCE, WAITED = range(3)
KNEE, LIMIT = range(2)
#: Number of coefficients of an optimizer's step.
COEFFICIENTS = 10
_TYPES = {np.int64: types.int64, np.int32: types.int32, np.float32: types.float32, np.float64: types.float64}


@kernel
def _gather(source, width, order, rows, into):
    """Copies the rows of `source` in the given order."""
    for r in range(rows):
        copy(part(source, order[r] * width), part(into, r * width), width)


@kernel
def _batch_loss(control, memory, rows, order, y, weight, knee):
    """The batch's loss without penalties, averaged over members; writes the gradient of the outputs to the errors."""
    outputs, targets, members = control[OUTPUTS], control[TARGETS], control[MEMBERS]
    share, total = F(1.0) / F(rows * members), 0.0
    for r in range(rows):
        row = order[r]
        scaled = share
        if control[WEIGHTED]:
            scaled = share * weight[row]
        for m in range(members):
            at = control[OUTPUT_AT] + (r * members + m) * outputs
            output, error = part(memory.values, at), part(memory.errors, at)
            loss = row_loss(control[LOSS], outputs, output, part(y, row * targets), error, scaled, knee)
            total += float(loss) * float(scaled)
    return total


@kernel
def _members_mean(rows, members, width, source, into):
    """Averages the members of each row, `width` numbers each."""
    share = F(1.0) / F(members)
    for r in range(rows):
        mean = part(into, r * width)
        clear(mean, width)
        for m in range(members):
            line = part(source, (r * members + m) * width)
            for j in range(width):
                mean[j] += line[j] * share


@kernel
def _step(control, memory, near, rows, order, x, y, weight, step, knee):
    """The loss of one step, including penalties; leaves the gradients in memory."""
    this = Run(rows, np.int64(1), control[SEED], step)
    since = now()
    _gather(x, control[FEATURES], order, rows, part(memory.values, control[INPUT_AT]))
    spent(memory.clock, ON_GATHER, since)
    forward(memory, this)
    since = now()
    if near.units:
        at = control[OUTPUT_AT]
        loss = batch_loss(
            near, control[LOSS], control[OUTPUTS], control[TARGETS], rows, order, y, part(memory.values, at),
            part(memory.errors, at), knee,
        )  # fmt: skip
    else:
        loss = _batch_loss(control, memory, rows, order, y, weight, knee)
    spent(memory.clock, ON_LOSS, since)
    backward(memory, this)
    return loss + float(memory.penalty[0])


@kernel
def _represent(control, memory, near, x, stop):
    """Computes the representations of the reference rows, as those of validation rows are."""
    for first in range(0, near.count, control[CHUNK]):
        if stop[0] != 0:
            return
        rows = control[CHUNK] if near.count - first > control[CHUNK] else near.count - first
        _gather(x, control[FEATURES], part(near.rows, first), rows, part(memory.values, control[INPUT_AT]))
        forward(memory, Run(rows, np.int64(0), np.int64(0), np.int64(0)))
        take_references(near, first, rows, part(memory.values, control[OUTPUT_AT]))


@kernel
def _validate(control, memory, near, x, y, outputs, stop, knee):
    """Mean loss of the validation rows; writes their raw outputs, averaged over members, to `outputs`.

    NaN if it is stopped.
    """
    count, width, features, targets = (
        control[VALIDATION_ROWS], control[OUTPUTS], control[FEATURES], control[TARGETS]
    )  # fmt: skip
    total = 0.0
    for first in range(0, count, control[CHUNK]):
        if stop[0] != 0:
            return math.nan
        rows = control[CHUNK] if count - first > control[CHUNK] else count - first
        copy(part(x, first * features), part(memory.values, control[INPUT_AT]), rows * features)
        forward(memory, Run(rows, np.int64(0), np.int64(0), np.int64(0)))
        found = part(memory.values, control[OUTPUT_AT])
        mean = part(outputs, first * width)
        if near.count:
            predict(near, control[LOSS], width, rows, found, mean)
        elif control[MEMBERS] > 1:
            _members_mean(rows, control[MEMBERS], width, found, mean)
        else:
            copy(found, mean, rows * width)
        if targets:
            errors = part(memory.errors, control[OUTPUT_AT])
            for r in range(rows):
                target = part(y, (first + r) * targets)
                at = r * width
                error = near.scratch if near.count else part(errors, at)
                loss = row_loss(control[LOSS], width, part(mean, at), target, error, F(1.0), knee)
                total += float(loss)
    return total / count if count else math.nan


@kernel
def _keep_best(control, state, loss, min_delta, memory, outputs, best_weights, best_statistics, best_outputs):
    """Early stopping: keeps the weights with the lowest loss, and counts the epochs since the last improvement."""
    if loss < state[BEST]:
        state[BEST] = loss
        copy(memory.weights, best_weights, control[WEIGHTS])
        copy(memory.statistics, best_statistics, control[STATISTICS])
        copy(outputs, best_outputs, control[VALIDATION_ROWS] * control[OUTPUTS])
    state[WAITED] += 1
    if loss + min_delta < state[REFERENCE]:
        state[REFERENCE] = loss
        state[WAITED] = 0


@kernel
def _epoch(
    control, memory, near, first, second, x, y, weight, order, coefficients, step_losses, stop, number, segments,
    limits, rated_segments, rate_factors, train_outputs,
):  # fmt: skip
    """Trains one epoch; returns its mean loss and the number of steps taken."""
    rows, batch, steps, width = control[ROWS], control[BATCH], control[STEPS], control[OUTPUTS]
    total = 0.0
    for s in range(steps):
        if stop[0] != 0:
            return total, s
        begin = s * batch
        count = batch if rows - begin > batch else rows - begin
        step = (control[FIRST_EPOCH] + number) * steps + s
        loss = _step(control, memory, near, count, part(order, number * rows + begin), x, y, weight, step, limits[KNEE])
        if control[KEEP_OUTPUTS]:
            copy(part(memory.values, control[OUTPUT_AT]), part(train_outputs, begin * width), count * width)
        if control[CLIP]:
            clip(control[CLIP], limits[LIMIT], control[SEGMENTS], segments, memory.gradients)
        total += loss * count
        at = number * steps + s
        if at < control[STEP_LOSSES]:
            step_losses[at] = loss
        coefficient = part(coefficients, at * COEFFICIENTS)
        since = now()
        for k in range(control[RATED]):
            at, end = rated_segments[k], rated_segments[k + 1]
            update(
                control[OPTIMIZER], coefficient, rate_factors[k], end - at, part(memory.weights, at),
                part(memory.gradients, at), part(first, at), part(second, at),
            )  # fmt: skip
        spent(memory.clock, ON_OPTIMIZER, since)
    return total / rows, steps


def run(
    control, code, reals, weights, gradients, first, second, statistics, best_weights, best_statistics, best_outputs,
    values, errors, slopes, penalty, segments, limits, rated_segments, rate_factors, train_outputs, clock,
    x, y, weight, x_validation, y_validation, outputs, order, coefficients,
    min_delta, state, train_curve, curve, step_losses, stop, progress, known, reference_rows, representations, squares,
    pairs, smoothing,
):  # fmt: skip
    """Trains for at most `epochs` epochs; if 0, only computes the outputs and the loss of the validation rows.

    Ends early if the patience is exhausted, the validation loss is not finite, or `stop` is set (within a step).
    """
    memory = Memory(
        control[INSTRUCTIONS], code, reals, weights, gradients, statistics, values, errors, slopes, penalty, clock
    )
    near = Neighbours(
        control[UNITS], control[COLUMNS], known, control[REFERENCES], reference_rows, representations, squares, pairs,
        smoothing[0], smoothing[1],
    )  # fmt: skip
    if control[EPOCHS] == 0:
        curve[0] = _validate(control, memory, near, x_validation, y_validation, outputs, stop, limits[KNEE])
    for number in range(control[EPOCHS]):
        loss, steps = _epoch(
            control, memory, near, first, second, x, y, weight, order, coefficients, step_losses, stop, number,
            segments, limits, rated_segments, rate_factors, train_outputs,
        )  # fmt: skip
        progress[1] = steps
        if steps < control[STEPS] or stop[0] != 0:
            progress[2] = 1
            return
        train_curve[number] = loss
        validation = loss
        if control[VALIDATION_ROWS]:
            since = now()
            _represent(control, memory, near, x, stop)
            validation = _validate(control, memory, near, x_validation, y_validation, outputs, stop, limits[KNEE])
            spent(clock, ON_VALIDATION, since)
            if stop[0] != 0:
                progress[2] = 1
                return
        curve[number] = validation
        progress[0] = number + 1
        _keep_best(
            control, state, validation, min_delta[0], memory, outputs, best_weights, best_statistics, best_outputs
        )
        if not math.isfinite(validation) or (control[PATIENCE] >= 0 and state[WAITED] >= control[PATIENCE]):
            return


def compile_training() -> Any:
    """The function compiled by numba; it takes pointers to arrays of the types in `frame.ARRAYS`."""
    signature = types.void(*(types.CPointer(_TYPES[dtype]) for dtype in ARRAYS.values()))
    return numba.cfunc(signature, nopython=True, error_model="numpy")(run)
