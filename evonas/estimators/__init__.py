"""For those who live in scikit-learn: estimators that search when they are fitted.

=======================  ============================================================================================
`EvolutionClassifier`    evolves networks for a table, and is the best one: `fit`, `predict`, `predict_proba`, `score`
`EvolutionRegressor`     the same for numbers
`EvolutionSearchCV`      searches the parameters of a function that builds a compiled Keras model, by cross-validation:
                         what `RandomizedSearchCV` does over a wrapped model
=======================  ============================================================================================

They are in `evonas` too, which loads scikit-learn only when one of them is asked for.
"""

from evonas.estimators.classifier import EvolutionClassifier
from evonas.estimators.regressor import EvolutionRegressor
from evonas.estimators.search_cv import EvolutionSearchCV

__all__ = ["EvolutionClassifier", "EvolutionRegressor", "EvolutionSearchCV"]
