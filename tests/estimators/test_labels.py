"""Labels with pandas types: they come back with numpy's type, and a missing one is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.estimators.checks import check_labels, plain_labels
from genomes.errors import InputError


@pytest.mark.parametrize(
    ("kind", "wanted"), [("Int64", "int64"), ("UInt8", "uint8"), ("boolean", "bool"), ("Float32", "float32")]
)
def test_labels_of_nullable_types_keep_their_type(kind: str, wanted: str) -> None:
    labels = pd.Series([0, 1, 1]).astype(kind)
    assert check_labels(labels, None).dtype == wanted
    with pytest.raises(InputError, match=r"a label in every row, but 1 are missing \(the first in row 2\)"):
        plain_labels(pd.Series([0, None, 1], dtype=kind))


@pytest.mark.parametrize("labels", [["a", None, "b"], np.array(["a", None, "b"], object)], ids=["list", "array"])
def test_a_label_none_is_missing(labels: Any) -> None:
    with pytest.raises(InputError, match="missing"):
        plain_labels(labels)


def test_other_labels_stay_as_they_are() -> None:
    for labels in (["a", "b"], np.array([1.5, np.nan]), [[0, 1], [1, 0]], pd.Series(["a", "b"])):
        assert plain_labels(labels) is labels
