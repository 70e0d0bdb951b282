"""TF-IDF and a linear model of scikit-learn, for texts as word ids. Imports scikit-learn and scipy for training.

Source: Spärck Jones 1972, A statistical interpretation of term specificity (inverse document frequency).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.baselines.boosting import BaselineRows, logits
from evonas.baselines.linear import fit_linear
from evonas.data.encoding.tokens import FIRST_WORD
from evonas.data.prepared import Problem

__all__ = ["BagOfWordsModel"]

Array = NDArray[Any]


class BagOfWordsModel:
    """Ridge or logistic regression on the TF-IDF of known words, with scikit-learn's default penalty."""

    def __init__(self, problem: Problem, training: BaselineRows) -> None:
        """Trains the model.

        Args:
            problem: the prediction problem, with the size of the vocabulary.
            training: word ids, shape `(num_rows, length)`, and targets.
        """
        from sklearn.feature_extraction.text import TfidfTransformer

        self._problem, self._tfidf = problem, TfidfTransformer(sublinear_tf=True)
        x, y = self._tfidf.fit_transform(self._counts(training.x)), np.asarray(training.y)
        self._model, self._shift = fit_linear(problem, x, y, training.weight)

    @property
    def name(self) -> str:
        """Name of the model."""
        return f"{type(self._model).__name__} over TF-IDF"

    def raw_outputs(self, x: Array) -> Array:
        """Raw outputs like those of a network, shape `(num_rows, num_outputs)`."""
        found = self._tfidf.transform(self._counts(x))
        if self._problem.task == "regression":
            return np.asarray(self._model.predict(found).reshape(len(x), -1) + self._shift)
        return logits(self._model.predict_proba(found), self._model.classes_, self._problem.num_outputs)

    def _counts(self, x: Array) -> Any:
        """Counts of each known word in each text, a sparse array of shape `(num_rows, num_words)`."""
        from scipy.sparse import csr_array

        ids = np.asarray(x).astype(np.intp)
        rows, columns = np.nonzero(ids >= FIRST_WORD)
        words = ids[rows, columns] - FIRST_WORD
        shape = (len(ids), max(1, self._problem.vocabulary - FIRST_WORD))
        return csr_array((np.ones(len(rows)), (rows, words)), shape=shape)  # repeated words are summed
