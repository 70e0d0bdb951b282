"""scikit-learn's own checks of its estimators."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import check_estimator

from evonas.estimators import EvolutionClassifier, EvolutionRegressor

pytestmark = pytest.mark.keras

#: One small network, a few epochs: what is checked is the estimator, not the search.
TINY = {
    "evaluations": 1,
    "population": 1,
    "epochs": 4,
    "random_state": 0,
    "space": {
        "network": {"layers": 1, "units": 8, "activation": "relu", "skip_connections": False, "normalization": "none"},
        "training": {"optimizer": "adam", "learning_rate": 0.05, "batch_size": 64, "schedule": "constant"},
    },
}
ESTIMATORS = {"classifier": EvolutionClassifier(**TINY), "regressor": EvolutionRegressor(**TINY)}
#: Check -> why it cannot pass.
EXPECTED: dict[str, dict[str, str]] = {"classifier": {}, "regressor": {}}
#: Those that `make test` runs; `make soak` runs all.
CHOSEN = (
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_dict_unchanged",
    "check_fit2d_1sample",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_pipeline_consistency",
    "check_supervised_y_no_nan",
)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.soak
def test_all_checks(kind):
    check_estimator(ESTIMATORS[kind], expected_failed_checks=EXPECTED[kind])
