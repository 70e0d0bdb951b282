"""Computation of a task's built-in metrics from raw outputs, in the target's units. Imports no Keras."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.data.quantiles import point_prediction
from genomes.errors import InputError

__all__ = ["compute_scores", "constant_outputs", "mean_loss", "pinball", "predictions"]

Values = NDArray[np.float64]


def constant_outputs(problem: Problem, y_train: NDArray[Any]) -> Values:
    """Raw outputs of the best constant prediction, shape `(num_outputs,)`.

    It predicts the mean, the quantiles or the class frequencies of the training rows.
    """
    if problem.quantiles:
        return np.quantile(np.asarray(y_train, np.float64)[:, 0], problem.quantiles)
    if problem.task == "regression":
        return np.zeros(problem.num_outputs)
    classes = np.asarray(y_train).reshape(-1).astype(np.intp)
    counts = np.bincount(classes, minlength=len(problem.classes)) + 1e-9
    return np.log(counts[1:] / counts[:1]) if problem.task == "binary" else np.log(counts / counts.sum())


def compute_scores(problem: Problem, y_true: NDArray[Any], raw_outputs: NDArray[Any]) -> dict[str, float]:
    """All metrics of `evonas.objective.METRICS` that are defined for the task and the rows.

    If a regression has several targets, each metric is averaged over targets, in each target's units (for RMSE, the
    mean of the targets' RMSEs). F1 is that of the positive class in binary problems, and the unweighted mean over
    classes in multiclass problems. AUC is omitted if only one class occurs, pinball if no quantiles are predicted, and
    R2 if there are fewer than two rows or the targets do not vary.

    Args:
        problem: the prediction problem.
        y_true: targets, encoded as in `Split`.
        raw_outputs: standardised predictions or logits, shape `(num_samples, num_outputs)`.

    Returns:
        Metric name -> finite value; empty if an output is not finite, so that the caller marks the network as failed.

    Raises:
        InputError: the shapes do not fit.
    """
    outputs = np.asarray(raw_outputs, dtype=np.float64)
    expected = (len(y_true), problem.num_outputs)
    if outputs.shape != expected or not len(y_true):
        raise InputError(
            f"raw outputs must have shape (num_samples, num_outputs) = {expected} with at least one row, not "
            f"{outputs.shape}: score the rows that were predicted"
        )
    if not np.isfinite(outputs).all():
        return {}
    if problem.quantiles:
        found = _quantiles(problem, np.asarray(y_true, dtype=np.float64), outputs)
    elif problem.task == "regression":
        found = _regression(problem, np.asarray(y_true, dtype=np.float64), outputs)
    elif problem.task == "binary":
        found = _binary(np.asarray(y_true).reshape(-1).astype(np.intp), outputs[:, 0])
    else:
        found = _multiclass(np.asarray(y_true).reshape(-1).astype(np.intp), outputs)
    finite = {name: float(value) for name, value in found.items() if np.isfinite(value)}
    return finite if len(finite) == len(found) else {}


def predictions(problem: Problem, raw_outputs: NDArray[Any]) -> Values:
    """Predictions in the target's units, or probabilities of each class.

    Args:
        problem: the prediction problem.
        raw_outputs: standardised predictions or logits, shape `(num_samples, num_outputs)`.

    Returns:
        A float64 array, shape `(num_samples, num_outputs)` for regression, `(num_samples, num_classes)` otherwise.
    """
    outputs = np.asarray(raw_outputs, dtype=np.float64)
    if problem.quantiles:
        outputs = np.sort(outputs, axis=1)
    if problem.task == "regression":
        return np.asarray(outputs * np.array(problem.target_std) + np.array(problem.target_mean))
    if problem.task == "binary":
        outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=1)
    return np.asarray(np.exp(outputs - _log_sum_exp(outputs)[:, None]))


def mean_loss(
    problem: Problem, loss: str, y_true: NDArray[Any], raw_outputs: NDArray[Any], weight: NDArray[Any] | None = None
) -> float:
    """The mean training loss over rows, without penalties: a loss of standardised errors, or the log loss.

    Args:
        problem: the prediction problem.
        loss: "auto" (mse), "mse", "mae" or "huber"; only used in regression without quantiles.
        y_true: targets, encoded as in `Split`, shape `(num_samples, ...)`.
        raw_outputs: standardised predictions or logits, shape `(num_samples, num_outputs)`.
        weight: weight of each row, shape `(num_samples,)`; None for equal weights.
    """
    outputs = np.asarray(raw_outputs, dtype=np.float64)
    if problem.task == "multiclass":
        chosen = np.asarray(y_true).reshape(-1).astype(np.intp)
        rows = _log_sum_exp(outputs) - outputs[np.arange(len(outputs)), chosen]
    elif problem.task == "binary":
        rows = np.logaddexp(0, np.where(np.asarray(y_true).reshape(-1) == 1, -outputs[:, 0], outputs[:, 0]))
    else:
        error = np.asarray(y_true, dtype=np.float64).reshape(outputs.shape) - outputs
        size = np.abs(error)
        each = {"mae": size, "huber": np.where(size <= 1, 0.5 * size**2, size - 0.5)}.get(loss, size**2)
        if problem.quantiles:
            each = pinball(error, problem.quantiles)
        rows = each.mean(axis=1)
    return float(np.mean(rows if weight is None else rows * weight))


def _log_sum_exp(logits: Values) -> Values:
    largest = logits.max(axis=1)
    return np.asarray(largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1)))


def _regression(problem: Problem, y_true: Values, outputs: Values) -> dict[str, float]:
    # Errors are rescaled rather than values, since targets around 1e9 with a spread of 1 would lose precision.
    std = np.array(problem.target_std)
    with np.errstate(over="ignore", invalid="ignore"):
        errors = (outputs - y_true.reshape(outputs.shape)) * std
        squared = (errors**2).mean(axis=0)
        found = {
            "mse": squared.mean(),
            "rmse": np.sqrt(squared).mean(),
            "mae": np.abs(errors).mean(axis=0).mean(),
        }
        variance = (y_true.reshape(outputs.shape) * std).var(axis=0)
        if (variance > 0).all():
            found["r2"] = (1 - squared / variance).mean()
    return found


def pinball(error: Values, quantiles: Any) -> Values:
    """Pinball losses, whose mean is minimised by the quantiles (Koenker and Bassett 1978).

    Args:
        error: target minus prediction, shape `(num_rows, num_quantiles)`.
        quantiles: the quantiles, shape `(num_quantiles,)`.
    """
    shares = np.asarray(quantiles, np.float64)
    return np.maximum(shares * error, (shares - 1) * error)


def _quantiles(problem: Problem, y_true: Values, outputs: Values) -> dict[str, float]:
    """Mean pinball loss over rows and quantiles, and the regression scores of the point prediction.

    Outputs are sorted, as in predictions, which never increases the pinball loss (Chernozhukov et al. 2010).
    """
    outputs = np.sort(outputs, axis=1)
    point = replace(
        problem, num_outputs=1, quantiles=(), target_mean=problem.target_mean[:1], target_std=problem.target_std[:1]
    )
    found = {"pinball": pinball((y_true - outputs) * np.array(problem.target_std), problem.quantiles).mean()}
    return found | _regression(point, y_true[:, :1], point_prediction(problem.quantiles, outputs)[:, None])


def _binary(y_true: NDArray[np.intp], logits: Values) -> dict[str, float]:
    predicted = (logits > 0).astype(np.intp)
    found = {
        # -log sigmoid(z) = log(1 + exp(-z)), without overflow
        "log_loss": np.logaddexp(0, np.where(y_true == 1, -logits, logits)).mean(),
        "accuracy": (predicted == y_true).mean(),
        "f1": _f1(y_true == 1, predicted == 1),
    }
    if 0 < y_true.sum() < len(y_true):
        found["auc"] = _auc(y_true == 1, logits)
    return found


def _multiclass(y_true: NDArray[np.intp], logits: Values) -> dict[str, float]:
    predicted = logits.argmax(axis=1)
    classes = np.union1d(y_true, predicted)
    return {
        "log_loss": (_log_sum_exp(logits) - logits[np.arange(len(logits)), y_true]).mean(),
        "accuracy": (predicted == y_true).mean(),
        "f1": float(np.mean([_f1(y_true == each, predicted == each) for each in classes])),
    }


# Implemented here, since importing scikit-learn takes longer than training a small network.


def _f1(true: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall of a class; 0 if the class neither occurs nor is predicted."""
    either = np.count_nonzero(true) + np.count_nonzero(predicted)
    return 2.0 * np.count_nonzero(true & predicted) / either if either else 0.0


def _auc(positive: NDArray[np.bool_], logits: Values) -> float:
    """Share of pairs of a positive and a negative row in which the positive one has the greater logit; ties count half.

    Source: Mann and Whitney 1947; Hanley and McNeil 1982 show that it is the area under the ROC curve.
    """
    _, index, count = np.unique(logits, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - 0.5 * (count - 1))[index]
    num_positive = np.count_nonzero(positive)
    excess = ranks[positive].sum() - 0.5 * num_positive * (num_positive + 1)
    return float(excess / num_positive / (len(positive) - num_positive))
