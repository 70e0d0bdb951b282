"""Folders of images: what is read, at which size, and what is refused."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from evonas.data.load import read_data
from evonas.data.readers.images import image_size, read_image_folder, read_images, read_new_images
from evonas.io.disk_arrays import is_on_disk
from genomes.errors import InputError

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


def write_folder(path: Path, count: int = 12, size: tuple[int, int] = (6, 4), channels: int = 3) -> Path:
    for index in range(count):
        label = ("cat", "dog")[index % 2]
        (path / label).mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (*size, channels)).astype(np.uint8)
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path / label / f"{index:02}.png")
    (path / "notes.txt").write_text("no image")
    (path / ".cache").mkdir()
    return path


def test_pixels_and_classes_in_order(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pets")
    pixels, classes = read_images(folder)
    assert pixels.shape == (12, 6, 4, 3)
    assert pixels.dtype == np.uint8
    assert classes.tolist() == ["cat"] * 6 + ["dog"] * 6
    np.testing.assert_array_equal(pixels[7], np.asarray(Image.open(folder / "dog" / "03.png")))
    (folder / "cat" / "more").mkdir()
    Image.fromarray(pixels[0]).save(folder / "cat" / "more" / "x.JPEG", quality=95)
    assert read_images(folder)[1].tolist() == ["cat"] * 7 + ["dog"] * 6


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (6, 4, 3)),
        ({"grayscale": True}, (6, 4, 1)),
        ({"size": (3, 5)}, (3, 5, 3)),
        ({"as_they_are": True}, (6, 4, 3)),
    ],
)
def test_sizes(tmp_path: Path, options: dict[str, object], shape: tuple[int, ...]) -> None:
    assert read_images(write_folder(tmp_path / "pets"), **options)[0].shape[1:] == shape  # type: ignore[arg-type]


def test_usual_sizes(tmp_path: Path) -> None:
    assert read_images(write_folder(tmp_path / "gray", channels=1))[0].shape[1:] == (6, 4, 1)
    assert read_images(write_folder(tmp_path / "large", 4, (70, 80)))[0].shape[1:] == (32, 32, 3)
    assert read_images(tmp_path / "large", as_they_are=True)[0].shape[1:] == (70, 80, 3)
    Image.new("RGBA", (9, 9)).save(tmp_path / "large" / "cat" / "other.png")
    assert read_images(tmp_path / "large")[0].shape == (5, 32, 32, 3)
    with pytest.raises(InputError, match=r"must be of one size, not 2 \(9x9, 70x80\): give an image size"):
        read_images(tmp_path / "large", as_they_are=True)
    assert image_size("28x30") == image_size((28, 30)) == (28, 30)
    assert image_size(28) == image_size("28") == (28, 28)
    for wrong in ("0x3", "big", "3x4x5", "99999"):
        with pytest.raises(InputError, match="image size must be height x width"):
            image_size(wrong)


def test_a_folder_that_holds_no_classes_of_images_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "pets", 4)
    monkeypatch.setattr("evonas.machine.free_bytes", lambda: 1000)
    with pytest.raises(InputError, match=r"4 images of 6x4 pixels with 3 channels .* smaller image size"):
        read_images(folder)
    monkeypatch.undo()
    (folder / "emu").mkdir()
    with pytest.raises(InputError, match="none in 'emu'"):
        read_images(folder)
    (folder / "emu" / "x.png").write_bytes(b"GIF89a")
    with pytest.raises(InputError, match=r"emu.x\.png must be a whole PNG or JPEG image"):
        read_images(folder)
    image = (folder / "cat" / "00.png").read_bytes()
    (folder / "emu" / "x.png").write_bytes(image[: len(image) // 2])
    with pytest.raises(InputError, match=r"emu.x\.png must be a whole PNG or JPEG image"):
        read_images(folder)
    Image.fromarray(np.zeros((6, 4), np.uint16)).save(folder / "emu" / "x.png")
    with pytest.raises(InputError, match=r"emu.x\.png must have 8 bits per channel"):
        read_images(folder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"evonas\[images\]"):
        read_images(folder)
    with pytest.raises(InputError, match="subfolder for each class, at least two"):
        read_images(folder / "emu")


def test_folders_as_data(tmp_path: Path) -> None:
    folder, other = write_folder(tmp_path / "pets", 40), write_folder(tmp_path / "other", 8, (9, 9))
    data, source = read_data(folder, test=other)
    assert source["path"] == str(folder)
    assert data.problem.classes == ("cat", "dog")
    assert data.problem.num_features == 72
    assert data.preparation is not None
    assert data.preparation.shape == (6, 4, 3)
    assert data.raw["test"].shape == (8, 6, 4, 3)
    assert data.raw["validation"].max() > 200
    own, _ = read_data(folder, as_given=True, size="5x5", grayscale=True)
    assert own.problem.input_shapes == ((5, 5, 1),)
    assert own.splits[0].x_train.dtype == np.uint8
    with pytest.raises(InputError, match="target must not be given with a folder of images"):
        read_data(folder, "y")
    with pytest.raises(InputError, match="with a folder of images only"):
        read_data(np.zeros((9, 2)), np.zeros(9), grayscale=True)
    with pytest.raises(InputError, match=r"test x must have rows of shape \(6, 4, 3\)"):
        read_data(folder, test=(np.zeros((5, 4, 4, 3)), ["cat"] * 5))


def test_unusual_images_are_reported_or_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pets", 8, (40, 30))
    assert not read_image_folder(folder).notes
    Image.new("CMYK", (30, 40)).save(folder / "cat" / "press.jpg")
    Image.new("L", (60, 80)).save(folder / "dog" / "grey.png")
    frames = [Image.new("RGB", (30, 40), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "dog" / "moving.png", save_all=True, append_images=frames[1:])
    Image.new("RGBA", (30, 40)).save(folder / "cat" / "clear.png")
    frames[0].save(folder / "dog" / "film.gif", save_all=True, append_images=frames[1:])
    found = read_image_folder(folder, shaped=True)
    assert found.pixels.shape == (12, 40, 30, 3)
    said = "\n".join(found.notes)
    assert "1 of 12 images have an alpha channel" in said
    assert "files that are neither PNG nor JPEG are left out: 1 (.gif)" in said
    for words in ("images of 40x30, 80x60 pixels are resized to 40x30", "1 of 12 images are grey", "CMYK", "frames"):
        assert words in said
    Image.new("I;16", (30, 40)).save(folder / "dog" / "deep.png")
    with pytest.raises(InputError, match=r"deep.png must have 8 bits per channel, not mode I"):
        read_image_folder(folder)


def write_png(path: Path, size: tuple[int, int], bits: int, colour_type: int) -> None:
    """Writes a PNG file of zeros with a number of bits per channel that Pillow does not write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    rows = b"".join(b"\0" + bytes(size[0] * channels * bits // 8) for _ in range(size[1]))
    header = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
def test_16_bits_per_channel_are_refused_in_colour_too(tmp_path: Path, colour_type: int) -> None:
    folder = write_folder(tmp_path / "pets")
    write_png(folder / "dog" / "deep.png", (4, 6), 8, colour_type)
    assert len(read_images(folder)[0]) == 13
    write_png(folder / "dog" / "deep.png", (4, 6), 16, colour_type)
    with pytest.raises(InputError, match=r"deep.png must have 8 bits per channel, not (16|mode I)"):
        read_images(folder)
    with pytest.raises(InputError, match=r"deep.png must have 8 bits per channel"):
        read_new_images(folder / "dog" / "deep.png", None, 3)


def test_new_images_keep_their_sizes_without_a_size(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pets", 4)
    Image.new("RGB", (7, 9)).save(folder / "dog" / "other.png")
    images, names, labels = read_new_images(folder, None, 3)
    assert [image.shape for image in images] == [(6, 4, 3)] * 4 + [(9, 7, 3)]
    assert (names[-1], labels[-1]) == ("dog/other.png", "dog")
    alone, names, labels = read_new_images(folder / "dog" / "other.png", None, 3)
    assert np.shape(alone) == (1, 9, 7, 3)
    assert (names, labels) == (["other.png"], [""])


def test_new_images_of_several_sizes_are_limited_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "pets", 4)
    Image.new("RGB", (7, 9)).save(folder / "dog" / "other.png")
    monkeypatch.setattr("evonas.machine.free_bytes", lambda: 1000)
    with pytest.raises(InputError, match="5 images of different sizes must be smaller than"):
        read_new_images(folder, None, 3)


def test_large_images_keep_their_shape_for_convolutions(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "large", 4, (300, 200))
    assert read_images(folder, shaped=True)[0].shape[1:] == (128, 85, 3)
    assert read_images(folder, (50, 60), shaped=True)[0].shape[1:] == (50, 60, 3)
    folder = write_folder(tmp_path / "usual", 4, (100, 100))
    assert read_images(folder, shaped=True)[0].shape[1:] == (100, 100, 3)


def test_a_class_of_one_image_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pets", 8)
    (folder / "emu").mkdir()
    Image.new("RGB", (4, 6)).save(folder / "emu" / "one.png")
    with pytest.raises(InputError, match="emu"):
        read_data(folder)


def test_many_images_are_on_the_disk_for_networks_of_convolutions_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "pets", 8, (40, 30))
    wanted = read_image_folder(folder, shaped=True).pixels
    monkeypatch.setattr("evonas.machine.free_bytes", lambda: 16 * wanted.nbytes - 1)
    found = read_image_folder(folder, shaped=True).pixels
    assert is_on_disk(found)
    np.testing.assert_array_equal(found, wanted)
    with pytest.raises(InputError, match="a sixteenth of the free memory"):
        read_image_folder(folder)


def test_hidden_files_of_programs_are_not_images(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pets")
    for name in ("cat/._00.png", "cat/.ipynb_checkpoints/00.png", "__MACOSX/cat/._00.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"no image")
    assert read_images(folder)[1].tolist() == ["cat"] * 6 + ["dog"] * 6
    assert len(read_new_images(folder, None, 3)[1]) == 12


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pets")
    name = os.fsdecode(b"\xff.png")
    Image.new("RGB", (4, 6)).save(folder / "dog" / name)
    assert read_new_images(folder, None, 3)[1][-1] == "dog/\ufffd.png"
    (folder / os.fsdecode(b"c\xff")).mkdir()
    with pytest.raises(InputError, match=r"names of classes must be UTF-8 text"):
        read_images(folder)


def test_an_image_that_claims_too_many_pixels_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "pets")
    monkeypatch.setattr("evonas.data.readers.image_files.MOST_FILE_PIXELS", 30)
    Image.new("P", (6, 5)).save(folder / "dog" / "clear.png", transparency=bytes([0, 100]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_images(folder, (6, 4))[0]) == 13
    Image.new("L", (31, 1)).save(folder / "dog" / "large.png")
    with pytest.raises(InputError, match=r"large.png must have at most 30 pixels, not 31 x 1"):
        read_images(folder)
    write_png(folder / "dog" / "large.png", (20_000, 10), 8, 0)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)  # Pillow refuses twice as many itself
    with pytest.raises(InputError, match=r"large.png must have at most 30 pixels, not 200,000"):
        read_images(folder)
