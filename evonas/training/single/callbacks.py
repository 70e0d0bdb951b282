"""scikit-learn classifiers and regressors that wrap a trained `keras.Model`, so that scorers can use it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from evonas.training.native.refusal import Refusal
from evonas.training.single.fit_dispatch import train
from evonas.training.single.outputs import own_loss

__all__ = ["KerasClassifier", "KerasRegressor", "classifies", "encode_labels", "wrap_as_estimator"]

#: Losses that take class numbers.
_NUMBERED = ("sparse_categorical_crossentropy",)
#: Losses that take one column per class.
_ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge", "kl_divergence")


class _Wrapped(BaseEstimator):  # type: ignore[misc]
    """Common base of the classifier and the regressor.

    Attributes:
        model_: the model.
        history_: values logged by `fit`, name -> values by epoch.
    """

    def __init__(self, model: Any = None) -> None:
        self.model = model

    @property
    def model_(self) -> Any:
        """The trained model."""
        return self.model

    def fit(self, X: Any, y: Any, **arguments: Any) -> _Wrapped:
        """Continues to train the model, as `keras.Model.fit`."""
        history = train(self.model, X, self.encode_target(y), **{"verbose": 0, **arguments})
        self.history_ = dict(history.history)
        self._lowered = getattr(history, "lowered", None)
        return self

    def encode_target(self, y: Any) -> Any:
        """Encodes the target for the model's loss."""
        return y

    def __getstate__(self) -> dict[str, Any]:
        """Excludes the native trainer's objects; the model has everything that was learned."""
        return {**super().__getstate__(), "_lowered": None}

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def outputs(self, X: Any) -> NDArray[Any]:
        """The model's predictions, shape `(num_samples, num_outputs)`."""
        given = self._natively("predict", X)
        if given is None:
            given = np.asarray(self.model.predict(X, verbose=0))
        found: NDArray[Any] = given[:, None] if given.ndim == 1 else given
        return found

    def _natively(self, method: str, *arguments: Any) -> Any:
        """Calls a method of a natively trained model without Keras, which would trace a graph; else returns None."""
        lowered = getattr(self, "_lowered", None)
        if lowered is None:
            return None
        try:
            return getattr(lowered, method)(*arguments)
        except Refusal:
            return None


class KerasRegressor(RegressorMixin, _Wrapped):  # type: ignore[misc]
    """A trained regression model."""

    def predict(self, X: Any) -> NDArray[Any]:
        """Shape `(num_samples,)`, or `(num_samples, num_targets)`."""
        given = self.outputs(X)
        return given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The negative loss of the model, as in Keras's former wrappers: greater is better."""
        loss = self._natively("evaluate", X, y) if sample_weight is None else None
        if loss is not None:
            return -float(loss)
        found = self.model.evaluate(X, y, sample_weight=sample_weight, verbose=0, return_dict=True)
        return -float(found["loss"])


class KerasClassifier(ClassifierMixin, _Wrapped):  # type: ignore[misc]
    """A trained classifier.

    Attributes:
        classes_: labels in the order of the outputs.
        form: form of the target: "labels", or one column per class with a single 1 in each row ("one_hot") or any
            number of them ("several"); predictions have the same form.
    """

    def __init__(self, model: Any = None, classes: Any = None, form: str = "labels") -> None:
        super().__init__(model)
        self.classes = classes
        self.form = form

    @property
    def classes_(self) -> Any:
        """Labels, in the order of the outputs."""
        return self.classes

    def encode_target(self, y: Any) -> Any:
        return encode_labels(y, self.classes, self.model)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Shape `(num_samples, num_classes)`; each row sums to 1, unless a row may have several labels."""
        given = self.outputs(X).astype(np.float64)
        loss = own_loss(self.model)
        if self.form == "several":
            return np.asarray(_sigmoid(given) if getattr(loss, "from_logits", False) else given)
        if getattr(loss, "from_logits", False):
            # exp overflows above 709.
            given = np.exp(given - given.max(axis=1, keepdims=True)) if given.shape[1] > 1 else _sigmoid(given)
        if given.shape[1] == 1:
            given = np.concatenate([1 - given, given], axis=1)
        total = given.sum(axis=1, keepdims=True)
        return np.asarray(given / np.where(total == 0, 1, total))

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels, shape `(num_samples,)`, or one column per class. Raises ValueError if an output is not finite."""
        chances = self.predict_proba(X)
        if not np.isfinite(chances).all():
            raise ValueError("outputs must be finite, but the model has diverged")
        if self.form == "several":
            return np.asarray((chances > 0.5).astype(np.int64))
        if self.form == "one_hot":
            return np.asarray(np.eye(chances.shape[1], dtype=np.int64)[chances.argmax(axis=1)])
        labels: NDArray[Any] = np.asarray(self.classes)[chances.argmax(axis=1)]
        return labels


def wrap_as_estimator(model: keras.Model, classes: Any, columns: int = 1) -> Any:
    """Wraps the model as an estimator: a classifier if its loss is a classification loss or labels are not numbers.

    Args:
        model: a compiled model.
        classes: sorted labels; None for a target with several columns.
        columns: number of the target's columns.
    """
    if not classifies(model, classes):
        return KerasRegressor(model)
    if classes is not None:
        return KerasClassifier(model, classes)
    form = "one_hot" if _loss_name(model) in (*_ONE_HOT, *_NUMBERED) else "several"
    return KerasClassifier(model, np.arange(columns), form)


def classifies(model: keras.Model, classes: Any = None) -> bool:
    """Whether the model's loss is a classification loss or labels are not numbers."""
    name = _loss_name(model)
    words = classes is not None and np.asarray(classes).dtype.kind in "OSUb"
    return words or "crossentropy" in name or "hinge" in name


def encode_labels(y: Any, classes: Any, model: keras.Model) -> NDArray[Any]:
    """Encodes labels for the model's loss: class numbers or one column per class."""
    labels: NDArray[Any] = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        return np.asarray(labels.argmax(axis=1)) if _loss_name(model) in _NUMBERED else labels
    numbers: NDArray[np.intp] = np.searchsorted(classes, labels)
    return np.asarray(np.eye(len(classes), dtype=np.float32)[numbers]) if _loss_name(model) in _ONE_HOT else numbers


def _loss_name(model: keras.Model) -> str:
    loss = own_loss(model)
    return str(getattr(loss, "name", getattr(loss, "__name__", ""))).lower()


def _sigmoid(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -700, 700))))
