"""Statistics of a column equal those that scikit-learn fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from evonas.data.statistics import frequent_categories, mean_and_scale, value_for_gaps

NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, -2.5, 1e12, 1e12 + 1e-4, 1e-300]))


@given(st.lists(st.one_of(NUMBERS, st.just(np.nan)), min_size=1, max_size=30))
def test_the_value_for_gaps(values: list[float]) -> None:
    column = np.array(values)
    for strategy in ("median", "most_frequent"):
        imputer = SimpleImputer(strategy=strategy, keep_empty_features=True).fit(column[:, None])
        assert value_for_gaps(column, strategy == "most_frequent") == imputer.statistics_[0]


@given(st.lists(NUMBERS, min_size=1, max_size=30), st.integers(1, 100))
def test_mean_and_scale(values: list[float], times: int) -> None:
    column = np.array(values * times)
    scaler = StandardScaler().fit(column[:, None])
    mean, scale = mean_and_scale(column)
    spread = np.abs(column).max()
    assert mean == pytest.approx(scaler.mean_[0], rel=1e-12, abs=1e-12 * spread)
    assert scale == pytest.approx(scaler.scale_[0], rel=1e-6, abs=1e-9 * spread)


@given(st.lists(st.sampled_from(["", "a", "b", "B", "ü", "c", "d", "10", "9"]), min_size=1), st.integers(1, 5))
def test_frequent_categories(cells: list[str], least: int) -> None:
    column = np.array(cells, dtype=object)
    for most in (2, 4, 20):
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=least, max_categories=most)
        rare = encoder.fit(column[:, None]).infrequent_categories_[0]
        kept = [word for word in encoder.categories_[0] if rare is None or word not in rare]
        assert frequent_categories(column, least, most) == (tuple(kept), rare is not None)
