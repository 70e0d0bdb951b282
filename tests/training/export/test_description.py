"""The description inside a `.keras` file is untrusted data: it is validated, or ignored."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.load import read_data
from evonas.data.prepared import PreparedData
from evonas.training.export.description import description_of, with_description
from genomes.errors import InputError

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def data() -> PreparedData:
    frame = pd.DataFrame(RNG.normal(size=(30, 2)), columns=["a/b", "a_b"]).assign(y=["no", "yes"] * 15)
    return read_data(frame, "y")[0]


def file_with_description(data: PreparedData, **changes: Any) -> bytes:
    """A file whose description has these values."""
    content, written = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("metadata.json", "{}")
    with zipfile.ZipFile(io.BytesIO(with_description(content.getvalue(), data.problem, data.preparation))) as archive:
        about = json.loads(archive.read("metadata.json"))
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"evonas": about["evonas"] | changes}))
    return written.getvalue()


def test_a_file_describes_its_labels_and_columns(data: PreparedData, tmp_path: Path) -> None:
    (tmp_path / "x.keras").write_bytes(file_with_description(data))
    found = description_of(tmp_path / "x.keras")
    assert found is not None
    assert (found.targets, found.classes, found.label_type) == (("y",), ("no", "yes"), "text")
    assert found.columns == {"a_b": "a/b", "a_b_": "a_b"}


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "other"},
        {"classes": 5},
        {"classes": ["a", "a"]},
        {"classes": ["\ud800", "b"]},
        {"label_type": "integer"},
        {"label_type": "code"},
        {"columns": [1]},
        {"series": {"kind": "series"}},
    ],
)
def test_impossible_descriptions_are_ignored(data: PreparedData, tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "x.keras").write_bytes(file_with_description(data, **changes))
    assert description_of(tmp_path / "x.keras") is None


@pytest.mark.parametrize(
    "changes", [{"label_type": "integer"}, {"label_type": "code"}, {"classes": ("a", "a"), "label_type": "text"}]
)
def test_labels_of_a_run_keep_their_type(data: PreparedData, tmp_path: Path, changes: dict[str, Any]) -> None:
    replace(data, problem=replace(data.problem, **changes)).save(tmp_path / "data.npz")
    with pytest.raises(InputError, match=r"labels|invalid literal"):
        PreparedData.load(tmp_path / "data.npz")
