"""Predictions from learned neighbours: mean targets of other rows, weighted by distances between representations.

In training, a row's neighbours are the other rows of its batch; otherwise they are reference rows. Distances follow
from matrix products, a block of rows at a time, so that memory does not grow with the square of the batch.

References:
    Goldberger, Roweis, Hinton and Salakhutdinov, "Neighbourhood components analysis", NeurIPS 2004.
    Ye, Yin, Zhan and Chao, "Revisiting nearest neighbor for tabular data" (ModernNCA), 2024, arXiv 2407.03257.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from evonas.training.native.kernels.functions import exp
from evonas.training.native.kernels.instructions import BLOCK_COLUMNS, BLOCK_ROWS, LOSSES
from evonas.training.native.kernels.losses import row_loss
from evonas.training.native.kernels.memory import clear, kernel, part
from evonas.training.native.kernels.products import ACCUMULATE, OVERWRITE, matmul_into

__all__ = ["Neighbours", "batch_loss", "predict", "take_references"]

F = np.float32
_FAR = F(3e38)
_BINARY, _MULTICLASS, _CATEGORICAL = (LOSSES.index(name) for name in ("binary", "multiclass", "categorical"))

# numba supports plain named tuples only.
#: units: width of representations; 0 for a network that does not predict from neighbours. columns: width of targets, a
#: share per class for classifiers. targets: of all training rows. count: number of reference rows. rows: their numbers
#: among the training rows. representations, squares: of the reference rows, and their squared norms. scratch: working
#: memory, see `evonas.training.native.neighbour_arrays`. floor, least: constants of `evonas.networks.neighbours`.
Neighbours = namedtuple("Neighbours", "units columns targets count rows representations squares scratch floor least")


@kernel
def _square_norms(rows, units, values, into):
    for r in range(rows):
        line = part(values, r * units)
        total = F(0.0)
        for j in range(units):
            total += line[j] * line[j]
        into[r] = total


@kernel
def _distances(units, floor, rows, values, squares, count, others, their_squares, into):
    """Distances of rows to others, `(rows, count)`; the floor below the root bounds its slope."""
    matmul_into(values, units, 1, others, 1, units, into, count, rows, count, units, OVERWRITE, into)
    for r in range(rows):
        line, own = part(into, r * count), squares[r] + floor
        for j in range(count):
            square = own + their_squares[j] - F(2.0) * line[j]
            line[j] = np.sqrt(floor if square < floor else square)  # NaN stays NaN


@kernel
def _raw_outputs(kind, least, columns, shares, into):
    """Raw outputs of a row from its mean targets."""
    if kind == _BINARY:
        into[0] = F(math.log(shares[1] + least)) - F(math.log(shares[0] + least))
    else:
        logs = kind in (_MULTICLASS, _CATEGORICAL)
        for k in range(columns):
            into[k] = F(math.log(shares[k] + least)) if logs else shares[k]


@kernel
def _mean_slopes(kind, least, columns, shares, slopes):
    """Replaces the gradient of raw outputs by that of the mean targets; returns their product with the means."""
    if kind == _BINARY:
        slope = slopes[0]
        slopes[0] = -slope / (shares[0] + least)
        slopes[1] = slope / (shares[1] + least)
    elif kind in (_MULTICLASS, _CATEGORICAL):
        for k in range(columns):
            slopes[k] /= shares[k] + least
    total = F(0.0)
    for k in range(columns):
        total += slopes[k] * shares[k]
    return total


@kernel
def _weigh(rows, first, count, distances, weights):
    """Softmax of negative distances, without the pairs of a row with itself: row r is column `first + r`."""
    for r in range(rows):
        line, weight = part(distances, r * count), part(weights, r * count)
        line[first + r] = _FAR
        nearest = _FAR
        for j in range(count):
            nearest = line[j] if line[j] < nearest else nearest
        total = F(0.0)
        for j in range(count):
            weight[j] = exp(nearest - line[j])
            total += weight[j]
        total -= weight[first + r]
        weight[first + r] = F(0.0)
        scale = F(1.0) / total if count > 1 else F(0.0)
        for j in range(count):
            weight[j] *= scale


@kernel
def _mean_targets(rows, count, columns, weights, targets, into):
    if columns > 1:
        matmul_into(weights, count, 1, targets, columns, 1, into, columns, rows, columns, count, OVERWRITE, into)
        return
    for r in range(rows):
        weight, total = part(weights, r * count), F(0.0)
        for j in range(count):
            total += weight[j] * targets[j]
        into[r] = total


@kernel
def _pair_slopes(rows, count, columns, means, slopes, targets, distances, weights, products, totals, first):
    """Replaces the weights by the negative gradient of distances over distances; adds its sums of rows and columns.

    `means` contains the product of each row's `slopes` with its mean targets.
    """
    if columns > 1:
        matmul_into(slopes, columns, 1, targets, 1, columns, products, count, rows, count, columns, OVERWRITE, products)
    for r in range(rows):
        weight, line, product = part(weights, r * count), part(distances, r * count), part(products, r * count)
        mean, slope, total = means[r], slopes[r * columns], F(0.0)
        if columns == 1:
            for j in range(count):
                product[j] = slope * targets[j]
        for j in range(count):
            g = weight[j] * (product[j] - mean) / line[j]
            weight[j] = g
            total += g
            totals[j] += g
        totals[first + r] += total


@kernel
def batch_loss(near, kind, outputs, targets, rows, order, y, values, errors, knee):
    """The mean loss of a batch; `errors` becomes the gradient with respect to the representations `values`.

    Args:
        near: see `Neighbours`.
        kind, outputs, targets: the loss, and the widths of raw outputs and of `y`.
        rows, order: number of rows of the batch, and their numbers.
        y: targets of the loss, of all training rows.
        values, errors: `(rows, units)`.
        knee: of Huber's loss.
    """
    units, columns, share, total = near.units, near.columns, F(1.0) / F(rows), 0.0
    squares, scratch = near.scratch, part(near.scratch, rows)
    totals, scratch = scratch, part(scratch, rows)
    known, scratch = scratch, part(scratch, rows * columns)
    distances, scratch = scratch, part(scratch, rows * BLOCK_ROWS)
    weights, scratch = scratch, part(scratch, rows * BLOCK_ROWS)
    products, scratch = scratch, part(scratch, rows * BLOCK_ROWS)
    shares, scratch = scratch, part(scratch, BLOCK_ROWS * columns)
    slopes, scratch = scratch, part(scratch, BLOCK_ROWS * columns)
    means, raw = scratch, part(scratch, BLOCK_ROWS)
    for r in range(rows):
        for k in range(columns):
            known[r * columns + k] = near.targets[order[r] * columns + k]
    _square_norms(rows, units, values, squares)
    clear(totals, rows)
    clear(errors, rows * units)
    for first in range(0, rows, BLOCK_ROWS):
        count = BLOCK_ROWS if rows - first > BLOCK_ROWS else rows - first
        block = part(values, first * units)
        _distances(units, near.floor, count, block, part(squares, first), rows, values, squares, distances)
        _weigh(count, first, rows, distances, weights)
        _mean_targets(count, rows, columns, weights, known, shares)
        for r in range(count):
            row, slope = part(shares, r * columns), part(slopes, r * columns)
            _raw_outputs(kind, near.least, columns, row, raw)
            target = part(y, order[first + r] * targets)
            total += float(row_loss(kind, outputs, raw, target, slope, share, knee)) * float(share)
            means[r] = _mean_slopes(kind, near.least, columns, row, slope)
        _pair_slopes(count, rows, columns, means, slopes, known, distances, weights, products, totals, first)
        into = part(errors, first * units)
        matmul_into(weights, rows, 1, values, units, 1, into, units, count, units, rows, ACCUMULATE, into)
        matmul_into(weights, 1, rows, block, units, 1, errors, units, rows, units, count, ACCUMULATE, errors)
    for r in range(rows):
        value, error = part(values, r * units), part(errors, r * units)
        for j in range(units):
            error[j] -= totals[r] * value[j]
    return total


@kernel
def take_references(near, first, rows, values):
    """Stores the representations of some reference rows, from number `first` on."""
    into = part(near.representations, first * near.units)
    for i in range(rows * near.units):
        into[i] = values[i]
    _square_norms(rows, near.units, into, part(near.squares, first))


@kernel
def predict(near, kind, outputs, rows, values, into):
    """Raw outputs of rows from the reference rows, a block of these at a time: softmax with a running maximum."""
    units, columns = near.units, near.columns
    squares, scratch = near.scratch, part(near.scratch, BLOCK_ROWS)
    distances, scratch = scratch, part(scratch, BLOCK_ROWS * BLOCK_COLUMNS)
    known, scratch = scratch, part(scratch, BLOCK_COLUMNS * columns)
    nearest, scratch = scratch, part(scratch, BLOCK_ROWS)
    totals, scratch = scratch, part(scratch, BLOCK_ROWS)
    shares, added = scratch, part(scratch, BLOCK_ROWS * columns)
    for first in range(0, rows, BLOCK_ROWS):
        count = BLOCK_ROWS if rows - first > BLOCK_ROWS else rows - first
        block = part(values, first * units)
        _square_norms(count, units, block, squares)
        clear(totals, count)
        clear(shares, count * columns)
        for r in range(count):
            nearest[r] = _FAR
        for begin in range(0, near.count, BLOCK_COLUMNS):
            width = BLOCK_COLUMNS if near.count - begin > BLOCK_COLUMNS else near.count - begin
            others = part(near.representations, begin * units)
            for j in range(width):
                for k in range(columns):
                    known[j * columns + k] = near.targets[near.rows[begin + j] * columns + k]
            _distances(units, near.floor, count, block, squares, width, others, part(near.squares, begin), distances)
            _rescale(count, width, columns, distances, nearest, totals, shares)
            _mean_targets(count, width, columns, distances, known, added)
            for i in range(count * columns):
                shares[i] += added[i]
        for r in range(count):
            share = part(shares, r * columns)
            for k in range(columns):
                share[k] /= totals[r]
            _raw_outputs(kind, near.least, columns, share, part(into, (first + r) * outputs))


@kernel
def _rescale(rows, width, columns, distances, nearest, totals, shares):
    """Replaces distances by weights relative to the nearest row so far, and rescales what has been summed."""
    for r in range(rows):
        line, share = part(distances, r * width), part(shares, r * columns)
        least = nearest[r]
        for j in range(width):
            least = line[j] if line[j] < least else least
        factor = exp(least - nearest[r])
        nearest[r] = least
        total = F(0.0)
        for j in range(width):
            line[j] = exp(least - line[j])
            total += line[j]
        totals[r] = totals[r] * factor + total
        for k in range(columns):
            share[k] *= factor
