"""Words of free text: spelling variants are equal, words are chosen by document count, weights fit training rows."""

import math

import numpy as np
import pandas as pd
import pytest

from evonas.data.columns import infer_columns
from evonas.data.encoding.bag_of_words import MOST_WORDS, BagOfWords, fit_bag_of_words, words_of
from evonas.data.encoding.preprocessor import Preparation
from evonas.data.prepare import prepare_table
from genomes.errors import InputError

TEXTS = ["The red house", "a RED, red barn!", "the house", None, "", "a boat"]


def test_words_are_cut_byte_by_byte() -> None:
    assert words_of("It's a RED-hot\tday\x0b[sic]\r\n") == ["its", "a", "redhot", "day", "sic"]
    assert words_of("ÉTÉ été\u00a0x İ 漢字") == ["ÉtÉ", "été\u00a0x", "İ", "漢字"]
    assert words_of("... !?") == []


def test_weights_and_lengths() -> None:
    step = fit_bag_of_words("c", TEXTS, TEXTS)
    assert step.words == ("a", "house", "red", "the")
    assert step.weights == (math.log(7 / 3) + 1,) * 4
    assert step.scale == math.sqrt(8 / 5)  # known words per text that is not missing
    rows = step.encode(pd.Series(TEXTS))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), step.scale * np.array([1, 1, 1, 0, 0, 1]))
    np.testing.assert_allclose(rows[1], step.scale * np.array([0.5**0.5, 0, 0.5**0.5, 0]))
    assert step.names() == ["c:a", "c:house", "c:red", "c:the"]
    fewer = fit_bag_of_words("c", TEXTS[:2], TEXTS)
    assert fewer.words == step.words
    assert fewer.weights[1] == math.log(3 / 2) + 1


def test_the_most_frequent_words_are_chosen_in_any_order_of_rows() -> None:
    texts = [f"w{index} w{index // 2}" for index in range(2000)]
    first, last = fit_bag_of_words("c", texts, texts), fit_bag_of_words("c", texts[::-1], texts[::-1])
    assert first.words == last.words
    assert len(first.words) == MOST_WORDS
    with pytest.raises(InputError, match=r"'c' must hold text whose words .* none of its 2 words"):
        fit_bag_of_words("c", ["one", "two"], ["one", "two"])


def test_a_table_with_text() -> None:
    rng = np.random.default_rng(0)
    words = np.array(["small", "old", "bright", "new", "quiet", "noisy"])
    frame = pd.DataFrame({"x": rng.normal(size=200), "ad": [" ".join(rng.choice(words, 4)) for _ in range(200)]})
    frame["y"] = frame["ad"].str.contains("bright").astype(float) + frame["x"]
    frame["ad"] += [f" number {row}" for row in range(200)]
    said = infer_columns(frame.drop(columns="y")).notes()
    assert "'ad' is not used" in said[0]
    assert "--text ad takes its words" in said[0]
    assert "--text" not in infer_columns(pd.DataFrame({"x": frame["x"], "id": map(str, range(200))})).notes()[0]
    data = prepare_table(frame, "y", seed=0, roles={"ad": "text"})
    assert data.problem.feature_names == (
        "x",
        "ad:bright",
        *(f"ad:{w}" for w in ("new", "noisy", "number")),
        *(f"ad:{w}" for w in ("old", "quiet", "small")),
    )
    assert data.notes == ()
    assert data.preparation is not None
    assert Preparation.from_json(data.preparation.to_json()) == data.preparation


@pytest.mark.parametrize(
    "change", [{"weights": (1.0,)}, {"weights": (1.0, -1.0)}, {"words": ("a", "B")}, {"scale": 0.0}]
)
def test_damaged_vocabularies_are_refused(change: dict[str, object]) -> None:
    whole = {"column": "c", "words": ("a", "b"), "weights": (1.0, 2.0), "scale": 1.0}
    assert BagOfWords(**whole).words == ("a", "b")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="words of 'c' must be different words"):
        BagOfWords(**(whole | change))  # type: ignore[arg-type]
