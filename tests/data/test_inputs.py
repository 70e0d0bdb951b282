"""Arrays of any shape: what is accepted, and how they are split, saved and fingerprinted."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.inputs import as_inputs, map_arrays, named_arrays, num_rows
from evonas.data.prepare_inputs import prepare_inputs, read_arrays
from evonas.data.prepared import PreparedData
from genomes.errors import InputError

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
FORMS = {
    "images": RNG.normal(size=(60, 4, 4, 1)),
    "numbers": np.arange(60.0),
    "bytes": RNG.integers(0, 256, (60, 5)).astype(np.uint8),
    "tuple": (RNG.normal(size=(60, 2)), RNG.integers(0, 9, (60, 3, 3))),
    "list": [RNG.normal(size=(60, 2)), RNG.normal(size=60)],
    "mapping": {"b": RNG.normal(size=(60, 2)), "a/c": RNG.integers(0, 9, (60, 7))},
}
every_form = pytest.mark.parametrize("x", FORMS.values(), ids=FORMS.keys())


@every_form
def test_rows_stay_together_and_survive_the_disk(x, tmp_path):
    data = prepare_inputs(x, np.arange(60.0), seed=1, sample_weight=np.arange(60.0) + 1)
    data.save(tmp_path / "data.npz")
    read = PreparedData.load(tmp_path / "data.npz")
    assert read.problem == data.problem
    assert read.fingerprint == data.fingerprint
    whole, split = as_inputs(x), read.splits[0]
    std, mean = data.problem.target_std[0], data.problem.target_mean[0]
    for part, y in (
        (split.x_train, split.y_train),
        (split.x_validation, split.y_validation),
        (read.x_test, read.y_test),
    ):
        assert type(part) is type(whole)
        rows = np.rint(y[:, 0].astype(np.float64) * std + mean).astype(int)
        map_arrays(lambda found, given, rows=rows: np.testing.assert_array_equal(found, given[rows]), part, whole)
    assert [num_rows(part) for part in (split.x_train, split.x_validation, read.x_test)] == [36, 12, 12]
    assert list(named_arrays(read.x_test)) == list(named_arrays(whole))
    assert data.problem.input_shapes == tuple(part.shape[1:] for part in named_arrays(whole).values())
    assert split.weight_train.shape == (36,)


@every_form
def test_fingerprints_distinguish_values_shapes_and_targets(x):
    def fingerprint(x, y=Y, **options):
        return prepare_inputs(x, y, seed=0, **options).fingerprint

    whole = as_inputs(x)
    changed = map_arrays(np.copy, whole)
    next(iter(named_arrays(changed).values())).flat[-1] += 1
    reshaped = map_arrays(lambda part: part[..., None], whole)
    prints = [
        fingerprint(x),
        fingerprint(changed),
        fingerprint(reshaped),
        fingerprint(x, Y[::-1]),
        fingerprint(x, folds=2),
    ]
    assert len(set(prints)) == 5
    assert fingerprint(map_arrays(np.copy, whole)) == prints[0]


def test_parts_that_are_given_stay_as_they_are():
    x, y = FORMS["mapping"], Y
    part = {name: value[:6] for name, value in x.items()}
    data = prepare_inputs(x, y, seed=0, validation=(part, y[:6]), test=(part, y[:6]))
    np.testing.assert_array_equal(data.splits[0].x_validation["a/c"], part["a/c"])
    np.testing.assert_array_equal(data.x_test["b"], part["b"].astype(np.float32))
    assert num_rows(data.splits[0].x_train) == 60
    folded = prepare_inputs(x, y, seed=0, folds=4)
    assert len(folded.splits) == 4
    with pytest.raises(InputError, match="validation x must have the form of training x"):
        prepare_inputs(x, y, seed=0, validation=({"b": part["b"]}, y[:6]))


BAD = {
    "text": (np.array([["a"]] * 60), "x must be an array of numbers with one row a sample, not <U1"),
    "ragged": ([[1, 2], [3]] * 30, "x must have rows of equal length"),
    "nan": (np.full((60, 2), np.nan), "x must be finite"),
    "rows": (np.zeros((59, 2)), "x must have one row for each of 60, not 59"),
    "rows of one": (
        {"a": np.zeros((60, 2)), "b": np.zeros((59, 2))},
        "x must have one row for each of 60, not 60 in a",
    ),
    "empty": ({}, "x must have one row for each of 60, not none"),
    "number": (3, "x must be an array of numbers with one row a sample"),
}


@pytest.mark.parametrize(("x", "words"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(x, words):
    with pytest.raises(InputError) as caught:
        prepare_inputs(x, Y, seed=0)
    assert words in str(caught.value)


def test_files_of_arrays(tmp_path):
    np.savez(tmp_path / "one.npz", x=FORMS["images"], y=Y)
    x, y = read_arrays(tmp_path / "one.npz", "y")
    np.testing.assert_array_equal(x, FORMS["images"])
    np.testing.assert_array_equal(y, Y)
    np.savez(tmp_path / "two.npz", a=FORMS["images"], b=FORMS["numbers"], y=Y)
    assert set(read_arrays(tmp_path / "two.npz", "y")[0]) == {"a", "b"}
    with pytest.raises(InputError, match="holds 'a', 'b', 'y'"):
        read_arrays(tmp_path / "two.npz", "z")
    np.savez(tmp_path / "objects.npz", x=np.zeros((4, 2)), y=np.array(list("abab"), object))
    with pytest.raises(
        InputError, match=r"'y.npy' must hold numbers or text, not Python objects: save texts with astype"
    ):
        read_arrays(tmp_path / "objects.npz", "y")
    with pytest.raises(InputError, match=r"must be an .npz file of arrays of numbers or text"):
        read_arrays(tmp_path / "objects.npz", "y")


def test_images_without_a_build_function_are_flattened_and_archives_are_tables_of_numbers(tmp_path) -> None:
    from evonas.data.load import read_data

    images = np.random.default_rng(0).normal(size=(40, 2, 3, 1)).astype(np.float32)
    target = images[:, 0, 0, 0] + 1.0
    data, _ = read_data(images, target)
    assert data.problem.num_features == 6
    np.savez(tmp_path / "images.npz", pixels=images, y=target)
    read, source = read_data(tmp_path / "images.npz", "y")
    assert read.problem.num_features == 6
    assert source["target"] == "y"
    np.testing.assert_array_equal(read.splits[0].x_train, data.splits[0].x_train)


@pytest.mark.parametrize(
    ("labels", "target"),
    [
        ([0, 1, 2], np.int64(2)),
        ([0.5, 1.5, 2.5], 2.5),
        ([("x", "a"), ("x", "b"), ("y", "c")], ("y", "c")),
        (list(pd.date_range("2024-01-01", periods=3)), pd.Timestamp("2024-01-03")),
    ],
    ids=["numpy", "float", "tuple", "date"],
)
def test_a_target_is_named_by_whatever_labels_its_column(labels: list[Any], target: Any) -> None:
    from evonas.data.load import read_data

    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(40, 3)), columns=pd.Index(labels))
    prepared, _ = read_data(table, target, drop=np.int64(0) if labels[0] == 0 else ())
    assert prepared.problem.target_names == (str(target),)
    assert prepared.problem.num_features == (1 if labels[0] == 0 else 2)


def _npy(shape: str, content: bytes = b"", kind: str = "<f8") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_npy("(1000000000000,)"), "must hold .* values of 8 bytes, not 0"),
        (_npy("(-1, 3)", b"0" * 24), "must hold"),
        (_npy("(0, 10000000000)"), "must hold values"),
        (_npy("(9,"), "EOF in multi-line statement"),
        (_npy("(2,)", b"0" * 16, "|O"), "not Python objects: save texts with astype"),
        (_npy("(2,)", b"0" * 16, "|V8"), "not .V8"),
        (_npy("(8,)", b"0" * 64, "|S2000000000"), "2000000000 bytes"),
        (_npy(f"({1 << 20},)", bytes(1 << 23)), "must expand to at most"),
    ],
)
def test_a_file_of_arrays_takes_no_more_than_it_holds(
    tmp_path: Path, content: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evonas.io.opened.LEAST_BOUND", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bad.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", _npy("(2,)", b"0" * 16))
    with pytest.raises(InputError, match=said):
        read_arrays(tmp_path / "bad.npz", "y")


def test_only_archives_in_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    np.save(tmp_path / "single.npy", np.arange(3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    for name, said in {"pipe.npz": "a pipe", "single.npz": "not a zip file"}.items():
        with pytest.raises(InputError, match=said):
            read_arrays(tmp_path / name, "y")
    np.savez_compressed(tmp_path / "real.npz", x=np.zeros((9, 2)), y=np.array(["a", "b", "c"] * 3))
    (tmp_path / "link.npz").symlink_to("real.npz")
    assert read_arrays(tmp_path / "link.npz", "y")[1].tolist() == ["a", "b", "c"] * 3
