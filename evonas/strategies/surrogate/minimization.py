"""Batched bound-constrained minimisation: projected BFGS from many starts, with vectorised evaluations.

Each start has its own inverse Hessian and backtracking line search; one evaluation covers all unconverged starts.
scipy's L-BFGS-B minimises one start at a time, which took longer at equal quality (`benchmarks/minimization.py`).

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
#: (points `(count, num_numbers)`, their starts) -> losses `(count,)` and gradients.
ValuesAndGradients = Callable[[Array, NDArray[np.intp]], tuple[Array, Array]]

#: Largest step and first step, as shares of a range; backtracking factor.
_LONGEST, _FIRST, _CUT = 0.25, 0.1, 0.3
#: A start has converged after this many consecutive backtracks or small gains.
_CUTS, _LEAST_GAIN, _IDLE = 5, 1e-3, 2
_ARMIJO = 1e-4


def minimize_all(
    loss: ValuesAndGradients, starts: Array, low: Array, high: Array, evaluations: int, metric: Array | None = None
) -> tuple[Array, Array]:
    """Minimises a loss from each start, within bounds.

    Args:
        loss: to be minimised, with its gradients.
        starts, low, high: shape `(count, num_numbers)` each; coordinates with equal bounds are fixed.
        evaluations: most evaluations, each for all unconverged starts.
        metric: squared length scales, shape `(num_numbers,)`: the initial inverse Hessian.

    Returns:
        Points `(count, num_numbers)` and their losses `(count,)`, none higher than at its start.
    """
    found, reached = starts.copy(), np.empty(len(starts))
    diagonal = np.ones(starts.shape[1]) if metric is None else metric / metric.max(initial=1e-12)
    of = np.arange(len(starts))
    value, gradient = loss(found, of)
    going = _Starts(
        of=of,
        places=found.copy(),
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
    going.steps = _steps(going, diagonal)
    active = np.abs(going.steps).max(axis=1, initial=0.0) > 0.0
    for remaining in range(evaluations, -1, -1):
        if not remaining or not active.all():
            found[going.of], reached[going.of] = going.places, going.values
            going = going.take(active)
        if not remaining or not len(going.of):
            break
        active = _advance(going, loss, diagonal)
    return found, reached


@dataclass
class _Starts:
    """The starts that have not converged; the first axis of each array is theirs.

    Attributes:
        of: their indices among all.
        places, low, high, values, gradients: where they are.
        inverse: approximate inverse Hessians.
        steps: to be tried next.
        fresh: whether the inverse Hessian is the initial one.
        cuts: consecutive backtracks.
        idle: consecutive small gains.
    """

    of: NDArray[np.intp]
    places: Array
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
        """Some of them."""
        return _Starts(*(getattr(self, each.name)[which] for each in fields(self)))


def _advance(starts: _Starts, loss: ValuesAndGradients, diagonal: Array) -> NDArray[np.bool_]:
    """One evaluation of each start, and its next step; which of them have not converged."""
    nearby = np.minimum(np.maximum(starts.places + starts.steps, starts.low), starts.high)
    values, gradients = loss(nearby, starts.of)
    moved, turned = nearby - starts.places, gradients - starts.gradients
    accepted = values <= starts.values + _ARMIJO * np.vecdot(starts.gradients, moved)
    gained = starts.values - values
    if accepted.all():
        starts.places, starts.values, starts.gradients = nearby, values, gradients
    else:
        starts.places = np.where(accepted[:, None], nearby, starts.places)
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
    """Quasi-Newton steps, projected on active bounds; gradient steps where they would ascend."""
    slope, here = starts.gradients, starts.places
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
    """BFGS update, equation 6.17 of Nocedal and Wright, if the curvature along the step is positive."""
    along = np.vecdot(moved, turned)
    good = accepted & (along > 1e-12)
    if not good.all():
        if not good.any():
            return
        moved, turned = moved * good[:, None], turned * good[:, None]  # no change of the inverse Hessian
        along = np.where(good, along, 1.0)
    weighed = (starts.inverse @ turned[:, :, None])[:, :, 0]
    curvature = np.vecdot(turned, weighed)
    first = starts.fresh & good
    if first.any():  # scaling of the initial Hessian, equation 6.20
        scale = np.where(first, along / np.maximum(curvature, 1e-300), 1.0)
        starts.inverse = starts.inverse * scale[:, None, None]
        weighed, curvature = weighed * scale[:, None], curvature * scale
        starts.fresh = starts.fresh & ~good
    weighed /= along[:, None]
    other = moved * ((1.0 + curvature / along) / along)[:, None] - weighed
    starts.inverse = starts.inverse + moved[:, :, None] * other[:, None, :] - weighed[:, :, None] * moved[:, None, :]
