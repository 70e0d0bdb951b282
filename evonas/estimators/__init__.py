"""scikit-learn estimators whose `fit` runs a search.

=======================  ============================================================================================
`EvolutionClassifier`    evolves networks and predicts with the best one: `fit`, `predict`, `predict_proba`, `score`
`EvolutionRegressor`     the same for regression
`EvolutionSearchCV`      searches the parameters of a function that builds a compiled Keras model, by cross-validation:
                         like `RandomizedSearchCV` for a wrapped model
=======================  ============================================================================================

They are also available in `evonas`, which loads scikit-learn only when they are used.
"""

from evonas.estimators.classifier import EvolutionClassifier
from evonas.estimators.regressor import EvolutionRegressor
from evonas.estimators.search_cv import EvolutionSearchCV

__all__ = ["EvolutionClassifier", "EvolutionRegressor", "EvolutionSearchCV"]
