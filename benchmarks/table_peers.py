"""Peers for tables: boosted trees and scikit-learn's perceptron, with defaults and early stopping.

All are fitted on the training rows and stop early on the validation rows. With `refit`, boosted trees are then refitted
on both parts with the number of trees found, and the perceptron on both parts, of which it holds out a tenth itself.
LightGBM and CatBoost are left out if they are not installed (`pip install lightgbm catboost`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["PEERS", "Split", "installed_peers"]

#: Maximum number of boosting rounds; early stopping ends earlier.
_ROUNDS, _PATIENCE = 5000, 100
#: Maximum number of categories in a column of scikit-learn's boosting.
_MOST_CATEGORIES = 255

#: Features and target of the training, validation and test rows, classes as integers.
Split = Mapping[str, tuple[pd.DataFrame, np.ndarray]]
#: (split, number of classes or 0, seed, refit) -> predictions for the test rows: numbers, or probabilities per class.
Peer = Callable[[Split, int, int, bool], np.ndarray]


def words(frame: pd.DataFrame) -> list[str]:
    """Categorical columns."""
    return [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]


def both(split: Split) -> tuple[pd.DataFrame, np.ndarray]:
    """Training and validation rows together."""
    (x, y), (x_val, y_val) = split["train"], split["validation"]
    return pd.concat([x, x_val]), np.concatenate([y, y_val])


def histogram(split: Split, classes: int, seed: int, refit: bool = False) -> np.ndarray:
    """scikit-learn's histogram gradient boosting; columns with more categories than it takes are numbers for it."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    parts = _categorical(split)
    x, _ = parts["train"]
    wide = [name for name in words(x) if len(x[name].dtype.categories) > _MOST_CATEGORIES]
    parts = {part: (x.assign(**{name: x[name].cat.codes for name in wide}), y) for part, (x, y) in parts.items()}
    (x, y), (x_val, y_val), (x_test, _) = (parts[part] for part in ("train", "validation", "test"))
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model = kind(max_iter=1000, early_stopping=True, categorical_features="from_dtype", random_state=seed)
    model.fit(x, y, X_val=x_val, y_val=y_val)
    if refit:
        options = {"early_stopping": False, "categorical_features": "from_dtype", "random_state": seed}
        model = kind(max_iter=model.n_iter_, **options).fit(*both(parts))
    return model.predict_proba(x_test) if classes else model.predict(x_test)


def lightgbm(split: Split, classes: int, seed: int, refit: bool = False) -> np.ndarray:
    """LightGBM."""
    from lightgbm import LGBMClassifier, LGBMRegressor, early_stopping

    parts = _categorical(split)
    (x, y), (x_val, y_val), (x_test, _) = (parts[part] for part in ("train", "validation", "test"))
    kind = LGBMClassifier if classes else LGBMRegressor
    model = kind(n_estimators=_ROUNDS, random_state=seed, verbose=-1)
    model.fit(x, y, eval_set=[(x_val, y_val)], callbacks=[early_stopping(_PATIENCE, verbose=False)])
    if refit:
        model = kind(n_estimators=model.best_iteration_, random_state=seed, verbose=-1).fit(*both(parts))
    return model.predict_proba(x_test) if classes else model.predict(x_test)


def catboost(split: Split, classes: int, seed: int, refit: bool = False) -> np.ndarray:
    """CatBoost."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    parts = {
        part: (x.assign(**{name: x[name].astype(object).fillna("missing").astype(str) for name in words(x)}), y)
        for part, (x, y) in split.items()
    }
    (x, y), (x_val, y_val), (x_test, _) = (parts[part] for part in ("train", "validation", "test"))
    kind = CatBoostClassifier if classes else CatBoostRegressor
    options: dict[str, Any] = {"random_seed": seed, "verbose": False, "allow_writing_files": False}
    options["cat_features"] = words(x) or None
    model = kind(iterations=_ROUNDS, **options)
    model.fit(x, y, eval_set=(x_val, y_val), early_stopping_rounds=_PATIENCE)
    if refit:  # with the learning rate chosen from the numbers of training rows and rounds
        rate = model.get_all_params()["learning_rate"]
        model = kind(iterations=model.tree_count_, learning_rate=rate, **options).fit(*both(parts))
    return model.predict_proba(x_test) if classes else model.predict(x_test)


def perceptron(split: Split, classes: int, seed: int, refit: bool = False) -> np.ndarray:
    """scikit-learn's multi-layer perceptron on standardised numbers and one-hot categories."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    (x, y), (x_test, _) = both(split) if refit else split["train"], split["test"]
    numbers = [name for name in x.columns if name not in words(x)]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words(x)),
    )
    mean, spread = (0.0, 1.0) if classes else (y.mean(), y.std())
    options: dict[str, Any] = {"early_stopping": True, "max_iter": 500, "random_state": seed}
    network = MLPClassifier(**options) if classes else MLPRegressor(**options)
    model = make_pipeline(columns, network).fit(x, y if classes else (y - mean) / spread)
    return model.predict_proba(x_test) if classes else model.predict(x_test) * spread + mean


#: Name -> peer.
PEERS: Mapping[str, Peer] = {
    "HistGradientBoosting": histogram,
    "LightGBM": lightgbm,
    "CatBoost": catboost,
    "MLP of scikit-learn": perceptron,
}


def installed_peers() -> dict[str, Peer]:
    """The peers whose library is installed."""
    needed = {"LightGBM": "lightgbm", "CatBoost": "catboost"}
    return {name: peer for name, peer in PEERS.items() if name not in needed or find_spec(needed[name])}


def _as_text(x: pd.DataFrame) -> pd.DataFrame:
    """The table with categories as text, including one for missing values."""
    return x.assign(**{name: x[name].astype(object).fillna("missing").astype(str) for name in words(x)})


def _categorical(split: Split) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    """The split with the training rows' categories as pandas categoricals; others are missing."""
    x, _ = split["train"]
    kinds = {name: pd.CategoricalDtype(sorted(x[name].dropna().unique())) for name in words(x)}
    return {part: (rows.astype(kinds), y) for part, (rows, y) in split.items()}
