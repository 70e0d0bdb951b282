"""Numeric encodings: the values of each, which of them fit the limits, and what a network that uses one receives."""

import numpy as np
import pandas as pd
import pytest

from evonas.api.resolve import fit_space, space_and_numbers
from evonas.data.columns import infer_columns
from evonas.data.encoding.fit import fit_encoding
from evonas.data.encoding.logarithm import fit_logarithm
from evonas.data.encoding.numeric_encodings import MOST_FEATURES, affordable_encodings
from evonas.data.encoding.periodic import Periodic
from evonas.data.encoding.piecewise import PiecewiseLinear
from evonas.data.encoding.preprocessor import Preparation
from evonas.data.encoding.robust import BOUND, fit_robust
from evonas.data.prepare import prepare_table
from genomes import DenseSpace
from genomes.architecture.layers import NUMERIC_ENCODINGS
from genomes.errors import InputError


def table(count: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"even": rng.uniform(size=count), "skewed": np.exp(rng.normal(0, 1, count))})
    return frame.assign(word=rng.choice(["u", "v"], count), y=frame.even + frame.skewed)


@pytest.mark.parametrize("sign", [1, -1])
def test_logarithms_remove_skew(sign: int) -> None:
    values = sign * np.exp(np.random.default_rng(0).normal(0, 2, 2000))
    step = fit_logarithm("x", values, 0.0)
    assert step is not None
    coded = step.encode(pd.Series(values))[:, 0]
    np.testing.assert_allclose([coded.mean(), coded.std()], [0, 1], atol=1e-3)
    assert 3 * abs((coded**3).mean()) < abs((((values - values.mean()) / values.std()) ** 3).mean())
    assert np.all(np.diff(coded[np.argsort(sign * values)]) >= 0)
    assert np.isfinite(step.encode(pd.Series([None, -1e30, 1e30]))).all()


@pytest.mark.parametrize("values", [[1.0, 2.0], [3.0] * 50, list(range(100))])
def test_an_unskewed_column_has_no_logarithm(values: list[float]) -> None:
    assert fit_logarithm("x", np.array(values, float), 1.0) is None


def test_periodic_encodings_are_sines_and_cosines_of_the_rank() -> None:
    rank = PiecewiseLinear("x", 1.0, (0.0, 1.0, 3.0), (-2.0, 0.0, 2.0))
    waves = Periodic(rank, (0.25, 0.5))
    np.testing.assert_allclose(waves.encode(pd.Series([1.0, 2.0])), [[0, 0, 1, 1], [1, 0, 0, -1]], atol=1e-6)
    assert waves.names() == ["x:sine 1", "x:sine 2", "x:cosine 1", "x:cosine 2"]


def test_robust_numbers_are_scaled_by_quartiles_and_never_reach_the_bound() -> None:
    values = np.random.default_rng(0).normal(50, 10, 1001)
    values[::100] = np.nan
    step = fit_robust("x", values, 50.0, True)
    coded = step.encode(pd.Series(np.append(values, [1e30, -1e30])))
    assert step.names() == ["x:robust", "x:robust:missing"]
    np.testing.assert_array_equal(coded[:-2, 1], np.isnan(values))
    np.testing.assert_allclose(coded[-2:, 0], [BOUND, -BOUND], rtol=1e-6)
    present = values[~np.isnan(values)]
    middle, spread = np.median(present), np.subtract(*np.quantile(present, [0.75, 0.25]))
    z = (present - middle) / spread
    np.testing.assert_allclose(coded[:-2, 0][~np.isnan(values)], z / np.sqrt(1 + (z / 3) ** 2), atol=1e-5)


@pytest.mark.parametrize(("values", "scale"), [([0.0] * 9 + [4.0], 2.0), ([5.0] * 10, 1.0), ([np.nan] * 3, 1.0)])
def test_the_scale_of_robust_numbers_without_quartiles(values: list[float], scale: float) -> None:
    assert fit_robust("x", np.array(values), 0.0, False).scale == scale


def test_networks_with_the_robust_encoding_get_it_instead_of_the_standard_one() -> None:
    frame = table().assign(gaps=[None, *range(399)])
    data = prepare_table(frame, "y", seed=0, numbers=("standard", "robust", "log"))

    def seen(*numbers: str) -> set[str]:
        return {name for name in data.for_views(*numbers).problem.feature_names if "=" not in name}

    plain = {"even", "skewed", "gaps", "gaps:missing"}
    robust = {"even:robust", "skewed:robust", "gaps:robust", "gaps:robust:missing"}
    assert seen() == seen("standard") == plain
    assert seen("robust") == robust
    assert seen("log", "robust") == plain | robust | {"skewed:log"}
    standard = data.for_views("standard")
    assert standard.for_views("robust") is standard
    alone = prepare_table(frame, "y", seed=0, numbers=["robust"])
    assert set(alone.problem.feature_names) == robust | {"word=u", "word=v"}
    assert alone.problem.views == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda steps: steps["log"].update(scale=0.0),
        lambda steps: steps["robust"].update(scale=0.0),
        lambda steps: steps["log"].update(std=float("inf")),
        lambda steps: steps["periodic"].update(frequencies=[0.2, 0.1]),
        lambda steps: steps["periodic"].update(frequencies=[]),
        lambda steps: steps["periodic"]["rank"].update(values=[]),
    ],
)
def test_encodings_survive_json_and_damage_is_detected(damage) -> None:
    frame = table()[["skewed"]]
    found = fit_encoding(frame, infer_columns(frame), np.arange(300), numbers=NUMERIC_ENCODINGS)
    assert Preparation.from_json(found.to_json()) == found
    value = found.to_json()
    damage({step.view: place for step, place in zip(found.steps, value["steps"], strict=True) if hasattr(step, "view")})
    with pytest.raises(InputError, match="of 'skewed'"):
        Preparation.from_json(value)


def test_a_view_equals_data_with_that_encoding_only() -> None:
    frame = table()
    data = prepare_table(frame, "y", seed=0, numbers=NUMERIC_ENCODINGS)
    for numbers in NUMERIC_ENCODINGS:
        seen, alone = data.for_views(numbers), prepare_table(frame, "y", seed=0, numbers=[numbers])
        assert seen.problem.feature_names == alone.problem.feature_names
        assert seen.preparation == alone.preparation
        for one, other in zip(seen.splits, alone.splits, strict=True):
            np.testing.assert_array_equal(one.x_train, other.x_train)
            np.testing.assert_array_equal(one.x_validation, other.x_validation)
        np.testing.assert_array_equal(seen.x_test, alone.x_test)
    more = set(data.problem.columns("log")) - set(data.problem.columns())
    assert [data.problem.feature_names[place] for place in more] == ["skewed:log"]


def test_encodings_that_the_data_lack_are_not_searched() -> None:
    words = table()[["word", "y"]]
    data = prepare_table(words, "y", seed=0, numbers=NUMERIC_ENCODINGS)
    assert fit_space(DenseSpace(), data.problem).domain("numbers").options == ("standard",)
    even = prepare_table(table()[["even", "y"]], "y", seed=0, numbers=NUMERIC_ENCODINGS)
    assert "log" not in fit_space(DenseSpace(), even.problem).domain("numbers").options
    assert data.for_views("piecewise") is data  # a network that asks for it gets the standard encoding


def test_one_encoding_for_all_networks() -> None:
    space, forms = space_and_numbers(None, "log")
    assert forms == ("log",)
    assert space.domain("numbers").is_fixed
    given = {"encoding": "dense", "version": 1, "network": {"numbers": ["log", "standard"], "embedding": "none"}}
    assert space_and_numbers(given, None)[1] == ("log", "standard")
    with pytest.raises(InputError, match="one of standard"):
        space_and_numbers(None, "cubic")


def test_limits_of_encodings() -> None:
    single = {"log": 1, "robust": 1, "quantile": 1}
    assert affordable_encodings(NUMERIC_ENCODINGS, 8, 20_000) == {**single, "piecewise": 48, "tree": 48, "periodic": 16}
    share = MOST_FEATURES // 64
    assert affordable_encodings(NUMERIC_ENCODINGS, 64, 2_000) == {**single, "piecewise": share, "tree": share}
    assert affordable_encodings(NUMERIC_ENCODINGS, 784, 60_000) == {}
    assert affordable_encodings(NUMERIC_ENCODINGS, 8, 3_000_000) == {"log": 1, "robust": 1}
    assert affordable_encodings(["piecewise"], 784, 60_000) == {"piecewise": 48}
    assert affordable_encodings(["standard"], 8, 100) == {}
