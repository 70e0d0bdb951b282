"""Cuts by a decision tree over one column: equal to scikit-learn's, and independent of held-out rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from evonas.data.encoding.piecewise import fit_tree_piecewise
from evonas.data.encoding.tree_cuts import impurity_columns, tree_cuts
from evonas.data.prepare import prepare_arrays


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_cuts_are_those_of_a_decision_tree(task):
    rng = np.random.default_rng(3)
    values = rng.normal(size=3000)
    if task == "regression":
        target = np.stack([np.sin(3 * values), values**2], axis=1) + 0.1 * rng.normal(size=(3000, 2))
        target = (target - target.mean(axis=0)) / target.std(axis=0)
        tree = DecisionTreeRegressor(max_leaf_nodes=10, min_samples_leaf=20)
    else:
        target = np.digitize(values + 0.3 * rng.normal(size=3000), [0.0] if task == "binary" else [-1.0, 0.5])
        tree = DecisionTreeClassifier(max_leaf_nodes=10, min_samples_leaf=20)
    fitted = tree.fit(values[:, None], target).tree_
    expected = np.sort(fitted.threshold[fitted.feature >= 0])
    found = tree_cuts(values, impurity_columns(target, task), 9, 20)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_spike_between_quantiles_has_an_interval_of_its_own():
    gain = np.zeros(1000)
    gain[:30], gain[30:60] = 7688.0, 99999.0
    pieces = fit_tree_piecewise("gain", gain, 0.0, impurity_columns(np.int64(gain == 7688.0), "binary"))
    assert pieces is not None
    assert pieces.view == "tree"
    assert pieces.knots[0] == 0.0
    assert pieces.knots[-1] == 99999.0
    assert len(pieces.knots) == 4
    assert len(set(map(tuple, pieces.encode(pd.Series([0.0, 7688.0, 99999.0]))))) == 3


def test_a_column_without_information_is_not_cut():
    values = np.arange(100.0)
    assert fit_tree_piecewise("x", values, 0.0, impurity_columns(np.zeros(100, int), "binary")) is None
    assert fit_tree_piecewise("x", np.full(100, np.nan), 0.0, impurity_columns(np.arange(100) % 2, "binary")) is None
    assert tree_cuts(np.ones(100), impurity_columns(np.arange(100.0)[:, None], "regression"), 5, 2).size == 0


def test_held_out_targets_move_no_cut_and_folds_have_none():
    rng = np.random.default_rng(0)
    x, y = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)}), rng.normal(size=400)
    y += np.sign(x["a"]) * 2
    held = (x[:100] * 3, np.sign(x["b"][:100]) * 1000)
    with_held = prepare_arrays(x, y, seed=1, validation=held, test=held, numbers=("standard", "tree"))
    other = (held[0], -np.asarray(held[1]))
    with_other = prepare_arrays(x, y, seed=1, validation=other, test=other, numbers=("standard", "tree"))
    assert with_held.preparation == with_other.preparation
    assert "tree" in with_held.problem.views
    folds = prepare_arrays(x, y, seed=1, folds=3, numbers=("standard", "tree"))
    assert "tree" not in folds.problem.views
