"""Estimators for scikit-learn that search when they are fitted.

=======================  ============================================================================================
`EvolutionClassifier`    evolves networks and predicts with the best one: `fit`, `predict`, `predict_proba`, `score`
`EvolutionRegressor`     the same for numbers
`EvolutionSearchCV`      searches the parameters of a function that builds a compiled Keras model, by cross-validation:
                         what `RandomizedSearchCV` does over a wrapped model
=======================  ============================================================================================

They are also available in `evonas`, which loads scikit-learn only when they are used.
"""

from evonas.estimators.classifier import EvolutionClassifier
from evonas.estimators.regressor import EvolutionRegressor
from evonas.estimators.search_cv import EvolutionSearchCV

__all__ = ["EvolutionClassifier", "EvolutionRegressor", "EvolutionSearchCV"]
