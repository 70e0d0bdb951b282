"""Which networks are searched over which rows, and what is said of them from the start to the card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.api import prepared_search as api
from evonas.api.resolve import chosen_space, fit_space, resolve_samples
from evonas.config import Budget, Settings
from evonas.data.load import read_data
from evonas.data.prepared import PreparedData, Problem
from evonas.data.sample_kind import KINDS
from evonas.deploy.card import Exhibit, card_values
from evonas.deploy.card_text import card_text
from evonas.display.start_summary import start_lines, start_values
from evonas.export_tasks import Exported
from evonas.reporting.report import write_report
from evonas.runs import RunReader
from evonas.runs.reader import DATA_NAME
from genomes import ConvolutionalSpace, DenseSpace, SequenceSpace
from genomes.encodings import ENCODINGS, space_from_json
from genomes.errors import InputError
from tests.stub import StubEvaluator

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 2
IMAGES = Problem("binary", 48, 1, sample_shape=(4, 4, 3))
SERIES = Problem("binary", 20, 1, sample_shape=(10, 2))
TEXTS = Problem("binary", 6, 1, sample_shape=(6,), vocabulary=30)
TABLE = Problem("binary", 6, 1)


def test_rows_choose_the_default_space() -> None:
    space = resolve_samples(None)[0]
    assert chosen_space(space, False, "", TABLE) == DenseSpace()
    assert chosen_space(space, False, "", IMAGES) == ConvolutionalSpace()
    assert chosen_space(space, False, "", SERIES) == SequenceSpace()
    assert chosen_space(space, False, "convolutional", SERIES) == ConvolutionalSpace()
    assert chosen_space(space, False, "", TEXTS) == SequenceSpace.for_text()
    small = ConvolutionalSpace(stages=1)
    assert chosen_space(small, True, "convolutional", IMAGES) is small


def test_every_encoding_of_networks_is_known_to_the_data() -> None:
    known = {name for names in KINDS.values() for name in names}
    assert known == set(ENCODINGS) - {"hyperparameters"}


def test_a_space_and_the_option_of_texts_name_an_architecture() -> None:
    assert resolve_samples(ConvolutionalSpace())[1].architecture == "convolutional"
    assert resolve_samples(None, encoding="dense")[1:] == (resolve_samples(None, None, "dense")[1], "")
    assert resolve_samples(None, encoding="cp1252")[2] == "cp1252"
    for given, message in [
        ((ConvolutionalSpace(), None, "dense"), "must be that of the space, convolutional, not 'dense'"),
        ((None, None, "dense", False, "", "", "sequence"), "given once"),
    ]:
        with pytest.raises(InputError, match=message):
            resolve_samples(*given)


def test_what_is_done_to_images_is_not_done_to_series() -> None:
    space: Any = fit_space(ConvolutionalSpace(), SERIES)
    assert not space.domain("rotation").greatest
    assert space.domain("mixup") == ConvolutionalSpace().domain("mixup")
    assert fit_space(ConvolutionalSpace(), IMAGES) == ConvolutionalSpace()
    assert fit_space(SequenceSpace(), SERIES) == SequenceSpace()
    with pytest.raises(InputError, match="space must be of dense networks for rows of a table, not of sequence ones"):
        fit_space(SequenceSpace(), TABLE)


ROWS: dict[str, tuple[Any, type, str]] = {
    "images": (
        RNG.integers(0, 256, (60, 5, 4, 3)).astype(np.uint8),
        ConvolutionalSpace,
        "images of 5 x 4 pixels, 3 channels: convolutional networks",
    ),
    "series": (RNG.normal(size=(60, 7, 2)), SequenceSpace, "series of 7 steps, 2 channels: sequence networks"),
    "texts": (
        ["a good <b>film</b>", "a bad film", "good", "a bad plot"] * 15,
        SequenceSpace,
        "texts of up to 3 words, 6 of them known: sequence networks",
    ),
}


@pytest.mark.parametrize("kind", list(ROWS))
def test_a_search_says_what_rows_are(kind: str, tmp_path: Path) -> None:
    x, space, said = ROWS[kind]
    data, _ = read_data(x, LABELS)
    found = chosen_space(resolve_samples(None)[0], False, "", data.problem)
    settings = Settings(seed=0, population=3, finalists=0)
    api.search_prepared(
        data,
        space=found,
        settings=settings,
        budget=Budget(generations=2),
        out=tmp_path / "run",
        evaluator=StubEvaluator,
    )
    with RunReader(tmp_path / "run") as run:
        assert type(space_from_json(run.space_json)) is space
        assert run.settings.trainer == "single"
        lines = "\n".join(start_lines(run, Budget(generations=2)))
        assert said in lines
        assert start_values(run, Budget(generations=2))["shape"] == list(data.problem.sample_shape)
        exported = Exported(tmp_path / "m.keras", {"log_loss": 0.5}, {}, False, "weights")
        prepared = PreparedData.load(run.directory / DATA_NAME)
        values = card_values(Exhibit(exported, ((run.ranked(1), 1.0),), 1), run, prepared)
        assert values["networks"][0]["sample_shape"] == list(data.problem.sample_shape)
        assert values["model"]["flops"] > 0
        text = card_text(values)
        assert said.split(":")[0] in text
        assert "<b>" not in text
    page = tmp_path / "report.html"
    write_report(tmp_path / "run", page)
    assert "<b>film</b>" not in page.read_text()
