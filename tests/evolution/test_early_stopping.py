"""The epochs that a network of a table is expected to train."""

from __future__ import annotations

from evonas.evolution.early_stopping import epochs_that_take, expected_epochs


def test_more_epochs_are_expected_to_cost_less_than_in_proportion() -> None:
    assert 50 == expected_epochs(50) < expected_epochs(100) < 100
    assert [epochs_that_take(expected_epochs(epochs)) for epochs in (1, 30, 50, 72, 200)] == [1, 30, 50, 72, 200]
