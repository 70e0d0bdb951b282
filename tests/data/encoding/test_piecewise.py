"""Piecewise-linear encodings: exact at the knots, monotone, constant or linear outside, used only with enough knots."""

import numpy as np
import pandas as pd
import pytest

from evonas.data.columns import infer_columns
from evonas.data.encoding.fit import fit_encoding
from evonas.data.encoding.piecewise import REACH, PiecewiseLinear, fit_piecewise
from evonas.data.encoding.preprocessor import Preparation
from genomes.errors import InputError


def test_intervals_fill_one_after_the_other() -> None:
    pieces = PiecewiseLinear("x", 1.0, (0.0, 1.0, 3.0, 4.0))
    cells = pd.Series([0.0, 0.5, 2.0, 4.0, -1.0, 6.0, -1e9, None])
    wanted = [[0, 0, 0], [0.5, 0, 0], [1, 0.5, 0], [1, 1, 1], [-1, 0, 0], [1, 1, 3], [-REACH, 0, 0], [1, 0, 0]]
    np.testing.assert_allclose(pieces.encode(cells), wanted)
    assert pieces.names() == ["x:piece 1", "x:piece 2", "x:piece 3"]


def test_values_are_a_line_through_points() -> None:
    pieces = PiecewiseLinear("x", 1.0, (0.0, 1.0, 3.0), (-2.0, 0.0, 5.0))
    cells = pd.Series([-4.0, 0.0, 0.5, 2.0, 3.0, 9.0])
    np.testing.assert_allclose(pieces.encode(cells)[:, 0], np.interp(cells, (0, 1, 3), (-2, 0, 5)))


def test_quantiles_make_a_skewed_column_normal() -> None:
    values = np.exp(np.random.default_rng(0).normal(0, 3, 4000))
    pieces = fit_piecewise("x", values, float(np.median(values)), ranks=True)
    assert pieces is not None
    coded = np.sort(pieces.encode(pd.Series(values))[:, 0])
    assert abs(coded.mean()) < 0.02
    assert abs(coded.std() - 1) < 0.05
    assert abs(coded[3000] - 0.6745) < 0.02


def test_few_values_get_no_pieces() -> None:
    assert fit_piecewise("x", np.arange(30.0), 15.0, ranks=False) is None
    assert fit_piecewise("x", np.repeat([0.0, 1.0], 500), 0.0, ranks=False) is None
    ties = fit_piecewise("x", np.repeat([0.0, 1.0, 2.0, 3.0], 500), 1.0, ranks=True)
    assert ties is not None
    assert ties.knots == (0.0, 1.0, 2.0, 3.0)
    assert np.all(np.diff(ties.values) > 0)


def test_pieces_follow_their_number_and_survive_json() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.choice(["u", "v"], 200)})
    fitted = fit_encoding(frame, infer_columns(frame), np.arange(150), numbers=["piecewise"])
    assert fitted.feature_names()[:3] == ("a", "a:piece 1", "a:piece 2")
    assert Preparation.from_json(fitted.to_json()) == fitted
    damaged = fitted.to_json()
    damaged["steps"][1]["knots"] = [1.0, 0.0]
    with pytest.raises(InputError, match="ascending"):
        Preparation.from_json(damaged)
