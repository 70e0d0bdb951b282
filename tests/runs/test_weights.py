"""Weights are restored bit by bit: every shape and type that a model may have."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.runs.weights import WeightFiles

ARRAYS = {
    "a scalar": np.array(2.5, np.float32),
    "a count": np.array(7, np.int64),
    "a flag": np.array(True),
    "nothing": np.zeros((0, 3), np.float32),
    "by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "a view": np.arange(12.0)[::3],
    "extremes": np.array([-0.0, np.inf, -np.inf, np.nan, 5e-324, 1.8e308]),
    "halves": np.array([[1.5]], np.float16),
    "bytes": np.frombuffer(b"\x00\xff", np.uint8),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_weights_come_back_unchanged(case, tmp_path):
    files = WeightFiles(tmp_path)
    found = files.get(files.put({"w": ARRAYS[case]}))["w"]
    assert (found.shape, found.dtype) == (ARRAYS[case].shape, ARRAYS[case].dtype)
    assert found.tobytes() == ARRAYS[case].tobytes()
