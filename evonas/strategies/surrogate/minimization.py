"""Batched bound-constrained minimisation: projected BFGS from many starts, with vectorised evaluations.

Each start has its own inverse Hessian and backtracking line search; one evaluation covers all unconverged starts.
scipy's L-BFGS-B minimises one start at a time, which took longer at equal quality (`benchmarks/minimization.py`).

References:
    Nocedal and Wright, "Numerical Optimization", 2006, chapters 3.1 (Armijo), 6.1 (BFGS) and 16.7 (projection on
    bounds).
"""

from __future__ import annotations

from collections.abc import Callable

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
    place = starts.copy()
    diagonal = np.ones(starts.shape[1]) if metric is None else metric / metric.max(initial=1e-12)
    value, gradient = loss(place, np.arange(len(place)))
    inverse = np.tile(np.diag(diagonal), (len(place), 1, 1))
    fresh = np.ones(len(place), bool)
    cuts, idle = np.zeros(len(place), np.intp), np.zeros(len(place), np.intp)
    step = np.zeros_like(place)
    going = np.arange(len(place))
    turning = going
    for _ in range(evaluations):
        if len(turning):
            step[turning] = _steps(place, gradient, inverse, fresh, low, high, diagonal, turning)
        going = going[np.abs(step[going]).max(axis=1, initial=0.0) > 0.0]
        if not len(going):
            break
        nearby = np.clip(place[going] + step[going], low[going], high[going])
        lower, slope = loss(nearby, going)
        moved = nearby - place[going]
        accepted = lower <= value[going] + _ARMIJO * (gradient[going] * moved).sum(axis=1)
        taken = going[accepted]
        gained = value[taken] - lower[accepted]
        turned = slope[accepted] - gradient[taken]
        place[taken], value[taken], gradient[taken] = nearby[accepted], lower[accepted], slope[accepted]
        _update(inverse, fresh, moved[accepted], turned, taken)
        cuts[taken] = 0
        refused = going[~accepted]
        step[refused] *= _CUT
        cuts[refused] += 1
        idle[taken] = np.where(gained < _LEAST_GAIN, idle[taken] + 1, 0)
        turning = taken[idle[taken] < _IDLE]
        going = np.sort(np.concatenate([turning, refused[cuts[refused] < _CUTS]]))
    return place, value


def _steps(
    place: Array,
    gradient: Array,
    inverse: Array,
    fresh: NDArray[np.bool_],
    low: Array,
    high: Array,
    diagonal: Array,
    of: NDArray[np.intp],
) -> Array:
    """Quasi-Newton steps, projected on active bounds; gradient steps where they would ascend."""
    here, slope = place[of], gradient[of]
    free = ~(((here <= low[of]) & (slope > 0)) | ((here >= high[of]) & (slope < 0)))
    slope = np.where(free, slope, 0.0)
    step = np.where(free, -np.einsum("nij,nj->ni", inverse[of], slope), 0.0)
    rising = (step * slope).sum(axis=1) >= 0.0
    step = np.where(rising[:, None], -diagonal * slope, step)
    longest = np.abs(step).max(axis=1, initial=0.0)
    limit = np.where(fresh[of] | rising, _FIRST, np.minimum(longest, _LONGEST))
    return step * (limit / np.where(longest > 0.0, longest, 1.0))[:, None]


def _update(inverse: Array, fresh: NDArray[np.bool_], moved: Array, turned: Array, of: NDArray[np.intp]) -> None:
    """BFGS update, equation 6.17 of Nocedal and Wright, if the curvature along the step is positive."""
    along = (moved * turned).sum(axis=1)
    good = along > 1e-12
    which, moved, turned, along = of[good], moved[good], turned[good], along[good]
    if not len(which):
        return
    old = inverse[which]
    weighed = np.einsum("nij,nj->ni", old, turned)
    # Scaling of the initial Hessian, equation 6.20.
    scale = np.where(fresh[which], along / np.maximum((turned * weighed).sum(axis=1), 1e-300), 1.0)
    old, weighed = old * scale[:, None, None], weighed * scale[:, None]
    crossed = np.einsum("ni,nj->nij", moved, weighed) / along[:, None, None]
    factor = (1.0 + (turned * weighed).sum(axis=1) / along) / along
    outer = np.einsum("ni,nj->nij", moved, moved)
    inverse[which] = old + factor[:, None, None] * outer - crossed - crossed.transpose(0, 2, 1)
    fresh[which] = False
