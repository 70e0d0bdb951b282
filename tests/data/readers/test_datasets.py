"""Reading a `tf.data.Dataset` into arrays: every form of its elements, and what is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.data.encoding.samples import channel_statistics
from evonas.data.load import read_data
from evonas.data.prepared import PreparedData
from evonas.data.readers.datasets import is_dataset, read_dataset
from evonas.data.splits import join_split
from evonas.io.disk_arrays import is_on_disk
from evonas.machine import DATA_VARIABLE
from genomes.errors import InputError

COUNT = 30
X = np.random.default_rng(0).normal(size=(COUNT, 3)).astype(np.float32)
Y = np.arange(COUNT) % 3
WEIGHTS = np.arange(COUNT) + 1.0
TOWNS = np.array([b"north", "é".encode(), b""] * 10, dtype=object)


@dataclass
class Spec:
    shape: tuple[int | None, ...]


@dataclass
class Fake:
    """The part of the Dataset interface that is used."""

    elements: list[Any]
    element_spec: Any = None
    count: int | None = None

    def as_numpy_iterator(self) -> Iterator[Any]:
        return iter(self.elements)

    def cardinality(self) -> int:
        return len(self.elements) if self.count is None else self.count


def batches(*arrays: Any, size: int = 7) -> list[Any]:
    def cut(array: Any, start: int) -> Any:
        if isinstance(array, dict):
            return {name: part[start : start + size] for name, part in array.items()}
        return array[start : start + size]

    return [tuple(cut(array, start) for array in arrays) for start in range(0, COUNT, size)]


FORMS: dict[str, Fake] = {
    "rows": Fake([(x, y) for x, y in zip(X, Y, strict=True)]),
    "rows of as many targets as columns": Fake([(x, x) for x in X], (Spec((3,)), Spec((3,)))),
    "batches": Fake(batches(X, Y)),
    "batches of one column": Fake(batches(X[:, 0], Y), (Spec((None,)), Spec((None,)))),
    "batches of images": Fake(batches(X.reshape(COUNT, 3, 1, 1), Y), (Spec((None, 3, 1, 1)), Spec((None,)))),
    "batches with weights": Fake(batches(X, Y[:, None], WEIGHTS)),
    "batches with weights in a column": Fake(batches(X, Y, WEIGHTS[:, None])),
    "columns by name": Fake(batches({"a": X[:, 0], "b": X[:, 1:2], "town": TOWNS}, Y)),
    "rows by name": Fake([({"a": x[0], "b": x[1]}, y, w) for x, y, w in zip(X, Y, WEIGHTS, strict=True)]),
    "several arrays": Fake(batches(X, Y)[:0] + [((x, x[:, :1]), y) for x, y in batches(X, Y)]),
}


@pytest.mark.parametrize("name", FORMS)
def test_rows_are_those_of_the_dataset(name: str) -> None:
    dataset = FORMS[name]
    assert is_dataset(dataset)
    x, y, weight = read_dataset(dataset)
    np.testing.assert_array_equal(y, X if "as many targets" in name else Y)
    if "weights" in name or name == "rows by name":
        np.testing.assert_array_equal(weight, WEIGHTS)
    else:
        assert weight is None
    if isinstance(x, dict):
        np.testing.assert_array_equal(x["a"], X[:, 0])
        assert "town" not in x or x["town"].tolist() == ["north", "é", ""] * 10
    elif isinstance(x, tuple):
        np.testing.assert_array_equal(x[1], X[:, :1])
    else:
        np.testing.assert_array_equal(x.reshape(COUNT, -1), X[:, :1] if "one column" in name else X)


def endless() -> Iterator[Any]:
    while True:
        yield X[0], Y[0]


BAD: dict[str, tuple[Fake, str]] = {
    "endless": (Fake([], count=-1), r"x must end, but it is an infinite Dataset .*\.take\(steps\)"),
    "of unknown length and endless": (Fake(endless(), count=-2), r"at most 10 KiB, .* or never ends"),  # type: ignore[arg-type]
    "empty": (Fake([]), "with rows, not an empty one"),
    "only x": (Fake([X[0]]), r"of \(x, y\) or \(x, y, weight\), not of ndarray"),
    "four of a row": (Fake([(1, 2, 3, 4)]), "not of tuples of 4"),
    "ragged": (Fake([(X[0], 1), (X[0, :2], 2)]), "rows of one shape"),
    "sparse": (Fake([({"a": object()}, 1)]), "dense numbers or text, not of object"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_dataset_is_refused(name: str) -> None:
    dataset, words = BAD[name]
    with pytest.raises(InputError, match=words):
        read_dataset(dataset, most_bytes=10_000)


def test_datasets_become_the_same_data_as_their_arrays() -> None:
    wanted, _ = read_data(X, Y, sample_weight=WEIGHTS, task="multiclass")
    given, _ = read_data(FORMS["batches with weights"], task="multiclass")
    assert given.fingerprint == wanted.fingerprint
    table, _ = read_data(FORMS["columns by name"], validation=FORMS["columns by name"], task="multiclass")
    assert table.preparation is not None
    assert table.preparation.columns() == ("a", "b", "town")
    assert len(table.splits[0].y_validation) == COUNT
    own, _ = read_data(FORMS["batches of images"], as_given=True, task="multiclass")
    assert own.problem.input_shapes == ((3, 1, 1),)
    with pytest.raises(InputError, match="column 'a' of x must hold one value per row"):
        read_data(Fake(batches({"a": X}, Y)))
    with pytest.raises(InputError, match="must not be given with a Dataset"):
        read_data(FORMS["batches"], Y)
    with pytest.raises(InputError, match="y must be given"):
        read_data(X)


@pytest.mark.keras
def test_a_dataset_of_tensorflow() -> None:
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices(({"a": X[:, 0], "town": TOWNS}, Y))
    for dataset in (rows, rows.batch(7), rows.batch(5, drop_remainder=True), rows.filter(lambda x, y: True)):
        x, y, _ = read_dataset(dataset)
        np.testing.assert_array_equal(x["a"], X[:, 0])
        assert x["town"].tolist() == ["north", "é", ""] * 10
        np.testing.assert_array_equal(y, Y)
    numbers = tf.data.Dataset.from_tensor_slices((X, Y, WEIGHTS))
    np.testing.assert_array_equal(read_dataset(numbers.batch(7))[0], X)
    np.testing.assert_array_equal(read_dataset(numbers)[2], WEIGHTS)
    with pytest.raises(InputError, match="infinite"):
        read_dataset(rows.repeat())


@dataclass
class Batches:
    """The part of the PyDataset interface that is used."""

    batches: list[Any]
    endless: bool = False

    @property
    def num_batches(self) -> int | None:
        return None if self.endless else len(self.batches)

    def __getitem__(self, place: int) -> Any:
        return self.batches[place % len(self.batches)]


IMAGES = np.random.default_rng(1).integers(0, 256, (COUNT, 6, 5, 3)).astype(np.uint8)


def test_a_dataset_of_indexed_batches() -> None:
    dataset = Batches(batches(IMAGES, Y, WEIGHTS))
    assert is_dataset(dataset)
    x, y, weight = read_dataset(dataset)
    np.testing.assert_array_equal(x, IMAGES)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(weight, WEIGHTS)
    assert not any(map(is_dataset, (IMAGES, [1], {"a": 1})))


class Broken(Batches):
    def __getitem__(self, place: int) -> Any:
        if place == 2:
            raise KeyError("no file")
        return super().__getitem__(place)


def test_an_error_of_a_dataset_names_the_batch() -> None:
    broken = Broken(batches(IMAGES, Y))
    for options in ({}, {"validation": broken}):
        given = Batches(batches(IMAGES, Y)) if options else broken
        words = rf"^{'validation' if options else 'x'} must be .* batch 2 raised KeyError: 'no file': correct Broken\._"
        with pytest.raises(InputError, match=words) as found:
            read_data(given, **options)
        assert isinstance(found.value.__cause__, KeyError)

    def rows() -> Iterator[Any]:
        yield X, Y
        raise OSError

    with pytest.raises(InputError, match="element 1 raised OSError: correct the functions that it maps"):
        read_dataset(Fake(rows(), count=-2))  # type: ignore[arg-type]


@pytest.mark.parametrize("dataset", [Batches(batches(IMAGES, Y), endless=True), Fake(batches(IMAGES, Y) * 9, count=-1)])
def test_only_the_given_number_of_batches_of_an_infinite_dataset_is_read(dataset: Any) -> None:
    with pytest.raises(InputError, match="as steps"):
        read_dataset(dataset)
    assert len(read_dataset(dataset, steps=2)[1]) == 14
    with pytest.raises(InputError, match="steps must be a whole number of batches"):
        read_dataset(dataset, steps=0)
    with pytest.raises(InputError, match="with a Dataset only"):
        read_data(X, Y, steps=3)


@pytest.mark.parametrize("kind", ["image", "series"])
@pytest.mark.parametrize("batched", [True, False])
def test_data_larger_than_memory_are_the_same_from_the_disk(kind: str, batched: bool, tmp_path: Any) -> None:
    x = IMAGES if kind == "image" else np.random.default_rng(2).normal(size=(COUNT, 9, 4)).astype(np.float32)
    dataset = Fake(batches(x, Y) if batched else list(zip(x, Y, strict=True)))
    read, _, _ = read_dataset(dataset, most_bytes=4000)
    assert is_on_disk(read)
    np.testing.assert_array_equal(read, x)
    (wanted, _), (given, _) = (read_data(each, Y, task="multiclass") for each in (x, read))
    assert given.fingerprint == wanted.fingerprint
    assert given.preparation == wanted.preparation
    assert "read from disk" in " ".join(given.notes)
    for data in (given, wanted):
        data.save(tmp_path / "data.npz")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("evonas.data.prepared.MAPPED_BYTES", 256)
            loaded = PreparedData.load(tmp_path / "data.npz")
        assert is_on_disk(loaded.splits[0].x_train)
        for part in ("x_train", "x_validation", "y_train"):
            np.testing.assert_array_equal(getattr(loaded.splits[0], part), getattr(wanted.splits[0], part))
        assert loaded.raw.keys() == wanted.raw.keys()  # few series: no test split
        for part, rows in wanted.raw.items():
            np.testing.assert_array_equal(loaded.raw[part], rows)
    assert is_on_disk(given.splits[0].x_train)
    assert is_on_disk(join_split(given.splits[0]).x_train)


def test_memory_stays_bounded_for_a_dataset_larger_than_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In numpy arrays: the images take 49 MB as features, and writing holds 16 MB."""
    monkeypatch.setenv(DATA_VARIABLE, "1000000")
    monkeypatch.setattr("evonas.io.disk_arrays._PORTION", 1 << 16)
    monkeypatch.setattr("evonas.data.encoding.pixels.channel_statistics", partial(channel_statistics, most=1 << 16))
    rng = np.random.default_rng(0)

    def elements() -> Iterator[Any]:
        for _ in range(160):
            yield rng.integers(0, 255, (25, 32, 32, 3), np.uint8), np.arange(25) % 3

    read_data(X, Y)  # imports everything
    tracemalloc.start()
    try:
        data, _ = read_data(Fake(elements(), count=160), task="multiclass")  # type: ignore[arg-type]
        data.save(tmp_path / "data.npz")
        size = sum(each.nbytes for each in (data.splits[0].x_train, data.splits[0].x_validation, data.x_test))
        del data
        loaded = PreparedData.load(tmp_path / "data.npz")
        assert loaded.x_test is not None
        loaded.new_rows(loaded.x_test)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 48e6
    assert peak < 0.45 * size


@pytest.mark.parametrize("given", ["much", "0", "-5"])
def test_the_limit_is_a_number_of_bytes(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, given)
    with pytest.raises(InputError, match="EVONAS_DATA_MEMORY must be a whole number of bytes above 0"):
        read_dataset(Fake(batches(X, Y)))


def test_tables_and_own_models_stay_in_memory() -> None:
    for dataset, in_memory in ((Fake(batches(X, Y)), False), (Fake(batches(IMAGES, Y)), True)):
        with pytest.raises(InputError, match=r"at most 100 bytes"):
            read_dataset(dataset, most_bytes=100, in_memory=in_memory)
