"""Calibration of probabilities and quantiles, and temperature scaling. Pure numpy, except for fitting with scipy.

References:
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.metrics.scores import mean_loss, predictions

__all__ = ["calibration_of", "coverage", "expected_calibration_error", "temperature_of"]

Array = NDArray[Any]

#: Number of bins of equal width, as in Guo et al.
BINS = 15
#: Range of temperatures.
_LOWEST, _HIGHEST = 0.05, 20.0


def temperature_of(problem: Problem, y_true: Array, raw_outputs: Array) -> float:
    """The temperature that minimises the log loss if logits are divided by it; above 1 for overconfident networks.

    Temperature scaling changes probabilities, but not the predicted classes.

    Args:
        problem: a classification problem.
        y_true: targets, encoded as in `Split`, of rows that the network was not trained on.
        raw_outputs: logits, shape `(num_samples, num_outputs)`.

    Returns:
        A temperature between 0.05 and 20; 1 if no other temperature is better.
    """
    from scipy.optimize import minimize_scalar

    logits = np.asarray(raw_outputs, np.float64)

    def loss(log_temperature: float) -> float:
        return mean_loss(problem, "auto", y_true, logits * np.exp(-log_temperature))

    found = minimize_scalar(loss, bounds=(np.log(_LOWEST), np.log(_HIGHEST)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x)) if loss(float(found.x)) < loss(0.0) else 1.0


def expected_calibration_error(problem: Problem, y_true: Array, raw_outputs: Array) -> float:
    """Expected calibration error (ECE): mean absolute difference between confidence and accuracy, over bins.

    Args:
        problem, y_true, raw_outputs: as for `temperature_of`.

    Returns:
        A number between 0 (perfectly calibrated) and 1.
    """
    probabilities = predictions(problem, raw_outputs)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == np.asarray(y_true).reshape(-1)
    bins = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    differences = np.bincount(bins, weights=confidence - correct, minlength=BINS)
    return float(np.abs(differences).sum() / len(confidence))


def coverage(problem: Problem, y_true: Array, raw_outputs: Array) -> list[dict[str, float]]:
    """Nominal and observed coverage of the intervals between symmetric quantiles.

    Args:
        problem: a quantile regression problem.
        y_true, raw_outputs: standardised targets and predictions, shape `(num_samples, num_quantiles)`.

    Returns:
        One dictionary per interval, the widest first: its quantiles `low` and `high`, the `nominal` and `observed`
            share
        of rows in it, and its mean `width` in the target's units.
    """
    sorted_outputs, shares = np.sort(np.asarray(raw_outputs, np.float64), axis=1), problem.quantiles
    true = np.asarray(y_true, np.float64)[:, 0]
    found = []
    for index in range(len(shares) // 2):
        low, high = sorted_outputs[:, index], sorted_outputs[:, -1 - index]
        found.append(
            {
                "low": shares[index],
                "high": shares[-1 - index],
                "nominal": round(shares[-1 - index] - shares[index], 10),
                "observed": float(((low <= true) & (true <= high)).mean()),
                "width": float((high - low).mean() * problem.target_std[0]),
            }
        )
    return found


def calibration_of(problem: Problem, y_true: Array, raw_outputs: Array, temperature: float = 1.0) -> dict[str, Any]:
    """Calibration statistics as JSON values: `ece` for classes, `coverage` for quantiles; empty otherwise.

    Args:
        problem: the prediction problem.
        y_true: targets, encoded as in `Split`.
        raw_outputs: the model's raw outputs after temperature scaling.
        temperature: the temperature; if it is not 1, `ece_before` is the error without scaling.
    """
    if not len(y_true) or not np.isfinite(raw_outputs).all():
        return {}
    if problem.task == "regression":
        return {"coverage": coverage(problem, y_true, raw_outputs)} if problem.quantiles else {}
    found = {"ece": expected_calibration_error(problem, y_true, raw_outputs)}
    if temperature != 1.0:
        raw = np.asarray(raw_outputs, np.float64) * temperature
        found["ece_before"] = expected_calibration_error(problem, y_true, raw)
    return found
