"""Folders of images as data: notes on all parts, and options that have no effect on images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.data.load import read_data
from evonas.data.new_rows import read_new_rows
from evonas.data.prepared import Problem
from evonas.data.read_options import ReadOptions
from evonas.data.sample_kind import SampleOptions
from genomes.errors import InputError
from tests.data.readers.test_images import write_folder

Image = pytest.importorskip("PIL.Image")


def test_notes_on_images_and_classes_of_all_parts(tmp_path: Path) -> None:
    folder, other = write_folder(tmp_path / "pets", 24), write_folder(tmp_path / "other", 8, (9, 9))
    for label in ("cat", "dog", "emu"):
        (folder / "emu").mkdir(exist_ok=True)
        Image.new("RGB", (4, 6)).save(folder / "emu" / f"{label}.png")
    data, _ = read_data(folder, test=other)
    said = "\n".join(data.notes)
    assert "test: images of 9x9 pixels are resized to 6x4 (image size)" in said
    assert "test: no row of the class 'emu'" in said
    assert "validation: no row" not in said


def test_classes_absent_from_a_part_of_arrays_are_noted() -> None:
    labels = np.array(["a", "b", "c"] * 10)
    x = np.random.default_rng(0).normal(size=(30, 2))
    data, _ = read_data(x, labels, validation=(x[:9], labels[[0, 1] * 4 + [0]]))
    assert "validation: no row of the class 'c'" in data.notes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"roles": {"review": "text"}}, "text must be given with a table, not 'review' with a folder of images"),
        ({"group": "x"}, "group must be given with a table, not 'x' with a folder of images"),
        ({"drop": ["x", "z"]}, "drop must be given with a table, not 'x, z'"),
        ({"samples": SampleOptions(series=True)}, "series must be given with a table or arrays, not a folder"),
        ({"samples": SampleOptions(split="random")}, "split must be given with series, not 'random'"),
        ({"options": ReadOptions(encoding="cp1252")}, "encoding must be given with a table as text, not 'cp1252'"),
        ({"options": ReadOptions(skip_rows=2)}, "skip_rows must be given with a table as text, not 2"),
    ],
)
def test_options_without_effect_on_images_are_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_data(write_folder(tmp_path / "pets"), **options)


def test_a_class_of_a_single_image_names_its_folder(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pets", 8)
    (folder / "emu").mkdir()
    Image.new("RGB", (4, 6)).save(folder / "emu" / "one.png")
    with pytest.raises(InputError, match=r"every class must have at least 2 images, but .*pets/emu has only one"):
        read_data(folder)


def test_the_format_of_a_table_is_refused_for_new_images(tmp_path: Path) -> None:
    problem = Problem("binary", 2, 72, (0.0,), (1.0,), ("cat", "dog"))
    with pytest.raises(InputError, match="decimal must be given with a table as text, not ',' with images"):
        read_new_rows(write_folder(tmp_path / "pets"), problem, None, (6, 4, 3), ReadOptions(decimal=","))
