"""Range tests: the native steps equal Keras's, and a test ends where the loss explodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evonas.rate_sweep import SweepTask, sweep_rates
from evonas.training.sweep import batches, sweep
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import graph_to_json
from genomes.errors import InputError
from tests.training.networks import data, graph

RATES = sweep_rates(1e-4, 1e-1, 30)


@pytest.mark.soak
@pytest.mark.keras
@pytest.mark.parametrize(
    ("kind", "genes"),
    [
        pytest.param("multi", {"optimizer": "adam", "schedule": "cosine", "warmup": 0.2}, marks=pytest.mark.soak),
        pytest.param(
            *("binary", {"optimizer": "nesterov", "normalization": "batch", "batch_size": 32}), marks=pytest.mark.soak
        ),
        ("multiclass", {"optimizer": "adamw", "normalization": "layer", "activation": "gelu", "l2": 0.01}),
    ],
)
def test_native_steps_match_keras(kind: str, genes: dict[str, Any]) -> None:
    prepared = data(kind, weighted=True)
    task = SweepTask(graph_to_json(graph((8, 5), **genes)), RATES, (3, 4))
    native, keras = (
        sweep(task, prepared, TrainingSettings(trainer=name, loss="huber")) for name in ("native", "single")
    )
    assert len(native.losses) == len(keras.losses) == 30
    assert native.losses == pytest.approx(keras.losses, rel=1e-4)


@pytest.mark.keras
def test_native_steps_match_keras_with_learned_neighbours() -> None:
    task = SweepTask(graph_to_json(graph((8, 5), output="neighbours")), RATES, (3, 4))
    prepared = data("multiclass")
    native, keras = (sweep(task, prepared, TrainingSettings(trainer=name)) for name in ("native", "single"))
    assert len(native.losses) == len(keras.losses) == 30
    assert native.losses == pytest.approx(keras.losses, rel=1e-4)
    with pytest.raises(InputError, match="output must be dense for weighted rows"):
        sweep(task, data("multiclass", weighted=True), TrainingSettings())


def test_batches_pass_over_all_rows_in_a_separate_order() -> None:
    rows = batches(5, 10, 4, 7)
    assert rows.shape == (7, 4)
    assert all(len(set(rows[k : k + 2].reshape(-1))) == 8 for k in (0, 2, 4))
    assert not np.array_equal(rows[:2], rows[2:4])
    assert batches(5, 3, 4, 2).shape == (2, 3)


def test_a_test_ends_where_the_first_of_its_losses_explodes(monkeypatch: pytest.MonkeyPatch) -> None:
    curves = {1: [1.0] * 5 + [50.0] * 25, 2: [1.0] * 9 + [np.nan] * 21}
    monkeypatch.setattr("evonas.training.sweep._steps_of", lambda _: lambda *given: np.array(curves[given[3]]))
    assert (
        sweep(SweepTask(graph_to_json(graph((4,))), RATES, (2,)), data("multi"), TrainingSettings()).losses
        == (1.0,) * 9
    )
    both = sweep(SweepTask(graph_to_json(graph((4,))), RATES, (1, 2)), data("multi"), TrainingSettings())
    assert both.losses == (1.0,) * 5 + (25.5,)
