"""Batched bound-constrained minimisation: projected BFGS from many starts, with vectorised evaluations.

Each start has its own inverse Hessian and backtracking line search; one evaluation covers all unconverged starts.
scipy's L-BFGS-B minimises from one start at a time, which was slower at equal quality (`benchmarks/minimization.py`).

References:
    Nocedal and Wright, "Numerical Optimization", 2006, chapters 3.1 (Armijo), 6.1 (BFGS) and 16.7 (projection on
    bounds).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["minimize_all"]

Array = NDArray[np.float64]
#: (points `(count, num_numbers)`, indices of their starts) -> losses `(count,)`, gradients `(count, num_numbers)`.
ValuesAndGradients = Callable[[Array, NDArray[np.intp]], tuple[Array, Array]]

#: Largest step and first step, as shares of the range; backtracking factor.
_LONGEST, _FIRST, _CUT = 0.25, 0.1, 0.3
#: A start has converged after this many consecutive backtracks, or small gains, which are below the second number.
_CUTS, _LEAST_GAIN, _IDLE = 5, 1e-3, 2
#: Sufficient decrease, as a share of the predicted one.
_ARMIJO = 1e-4


def minimize_all(
    loss: ValuesAndGradients, starts: Array, low: Array, high: Array, evaluations: int, metric: Array | None = None
) -> tuple[Array, Array]:
    """Minimises a loss from each start, within bounds.

    Args:
        loss: the loss to minimise, with its gradients.
        starts, low, high: starts and bounds, shape `(count, num_numbers)` each; coordinates with equal bounds are
            fixed.
        evaluations: largest number of evaluations, each for all unconverged starts.
        metric: squared length scales, shape `(num_numbers,)`, the diagonal of the initial inverse Hessian; None for the
            identity.

    Returns:
        Points `(count, num_numbers)` and their losses `(count,)`, none of which is higher than at its start.
    """
    found, reached = starts.copy(), np.empty(len(starts))
    diagonal = np.ones(starts.shape[1]) if metric is None else metric / metric.max(initial=1e-12)
    indices = np.arange(len(starts))
    value, gradient = loss(found, indices)
    unconverged = _Starts(
        indices=indices,
        points=found.copy(),
        low=low,
        high=high,
        values=value,
        gradients=gradient,
        inverse=np.tile(np.diag(diagonal), (len(starts), 1, 1)),
        steps=np.zeros_like(starts),
        fresh=np.ones(len(starts), bool),
        cuts=np.zeros(len(starts), np.intp),
        idle=np.zeros(len(starts), np.intp),
    )
    unconverged.steps = _steps(unconverged, diagonal)
    active = np.abs(unconverged.steps).max(axis=1, initial=0.0) > 0.0
    for remaining in range(evaluations, -1, -1):
        if not remaining or not active.all():
            found[unconverged.indices], reached[unconverged.indices] = unconverged.points, unconverged.values
            unconverged = unconverged.take(active)
        if not remaining or not len(unconverged.indices):
            break
        active = _advance(unconverged, loss, diagonal)
    return found, reached


@dataclass
class _Starts:
    """The starts that have not converged, along the first axis of each array.

    Attributes:
        indices: their indices among all starts.
        points, low, high, values, gradients: current points, bounds, losses and gradients.
        inverse: approximate inverse Hessians.
        steps: steps to try next.
        fresh: whether the inverse Hessian is still the initial one.
        cuts: number of consecutive backtracks.
        idle: number of consecutive small gains.
    """

    indices: NDArray[np.intp]
    points: Array
    low: Array
    high: Array
    values: Array
    gradients: Array
    inverse: Array
    steps: Array
    fresh: NDArray[np.bool_]
    cuts: NDArray[np.intp]
    idle: NDArray[np.intp]

    def take(self, which: NDArray[np.bool_]) -> _Starts:
        """The selected starts."""
        return _Starts(*(getattr(self, each.name)[which] for each in fields(self)))


def _advance(starts: _Starts, loss: ValuesAndGradients, diagonal: Array) -> NDArray[np.bool_]:
    """Evaluates each start at its next step and updates it; returns which starts have not converged."""
    trial = np.minimum(np.maximum(starts.points + starts.steps, starts.low), starts.high)
    values, gradients = loss(trial, starts.indices)
    moved, turned = trial - starts.points, gradients - starts.gradients
    accepted = values <= starts.values + _ARMIJO * np.vecdot(starts.gradients, moved)
    gained = starts.values - values
    if accepted.all():
        starts.points, starts.values, starts.gradients = trial, values, gradients
    else:
        starts.points = np.where(accepted[:, None], trial, starts.points)
        starts.values = np.where(accepted, values, starts.values)
        starts.gradients = np.where(accepted[:, None], gradients, starts.gradients)
    _update(starts, moved, turned, accepted)
    starts.steps = np.where(accepted[:, None], _steps(starts, diagonal), _CUT * starts.steps)
    starts.cuts = np.where(accepted, 0, starts.cuts + 1)
    starts.idle = np.where(accepted, np.where(gained < _LEAST_GAIN, starts.idle + 1, 0), starts.idle)
    moving = np.abs(starts.steps).max(axis=1, initial=0.0) > 0.0
    active: NDArray[np.bool_] = (starts.idle < _IDLE) & (starts.cuts < _CUTS) & moving
    return active


def _steps(starts: _Starts, diagonal: Array) -> Array:
    """Quasi-Newton steps, projected onto the bounds; gradient steps where a quasi-Newton step would ascend."""
    slope, here = starts.gradients, starts.points
    free = ~(((here <= starts.low) & (slope > 0)) | ((here >= starts.high) & (slope < 0)))
    slope = slope * free
    step = -1.0 * free * (starts.inverse @ slope[:, :, None])[:, :, 0]
    rising = np.vecdot(step, slope) >= 0.0
    if rising.any():
        step = np.where(rising[:, None], -diagonal * slope, step)
    longest = np.abs(step).max(axis=1, initial=0.0)
    limit = np.where(starts.fresh | rising, _FIRST, np.minimum(longest, _LONGEST))
    scaled: Array = step * (limit / np.where(longest > 0.0, longest, 1.0))[:, None]
    return scaled


def _update(starts: _Starts, moved: Array, turned: Array, accepted: NDArray[np.bool_]) -> None:
    """BFGS update, equation 6.17 of Nocedal and Wright, of the starts with positive curvature along the step."""
    along = np.vecdot(moved, turned)
    good = accepted & (along > 1e-12)
    if not good.all():
        if not good.any():
            return
        moved, turned = moved * good[:, None], turned * good[:, None]  # leaves the inverse Hessian unchanged
        along = np.where(good, along, 1.0)
    product = (starts.inverse @ turned[:, :, None])[:, :, 0]
    curvature = np.vecdot(turned, product)
    first = starts.fresh & good
    if first.any():  # scaling of the initial inverse Hessian, equation 6.20
        scale = np.where(first, along / np.maximum(curvature, 1e-300), 1.0)
        starts.inverse = starts.inverse * scale[:, None, None]
        product, curvature = product * scale[:, None], curvature * scale
        starts.fresh = starts.fresh & ~good
    product /= along[:, None]
    other = moved * ((1.0 + curvature / along) / along)[:, None] - product
    starts.inverse = starts.inverse + moved[:, :, None] * other[:, None, :] - product[:, :, None] * moved[:, None, :]
