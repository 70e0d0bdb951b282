"""Adaptive operator selection: future rates of the operators from their past success.

References:
    Fialho et al., "Analyzing bandit-based adaptive operator selection mechanisms", AMAI 60, 2010.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["CROSSOVER", "OperatorRates"]

CROSSOVER = "crossover"

#: Initial rate of crossover; mutations share the rest equally.
_CROSSOVER_SHARE = 0.3
#: Smallest rate of an operator relative to its initial rate, since it may become useful later.
_FLOOR = 0.3
#: Weight of the prior success rate, as a number of trials.
_PRIOR_TRIALS = 10.0
#: Discount factor of earlier trials.
_DECAY = 0.99


class OperatorRates:
    """Discounted successes and trials of each operator."""

    def __init__(self) -> None:
        self._counts: dict[str, list[float]] = {}

    def note(self, operator: str, success: bool) -> None:
        """Records whether a genome created by the operator became one of the best."""
        for counts in self._counts.values():
            counts[:] = [_DECAY * value for value in counts]
        counts = self._counts.setdefault(operator, [0.0, 0.0])
        counts[0] += success
        counts[1] += 1.0

    def rates(self, mutations: Sequence[str]) -> dict[str, float]:
        """Operator -> rate, for the given mutations and crossover; rates add up to 1."""
        first = {name: (1.0 - _CROSSOVER_SHARE) / len(mutations) for name in mutations}
        first[CROSSOVER] = _CROSSOVER_SHARE if mutations else 1.0
        totals = [self._counts.get(name, (0.0, 0.0)) for name in first]
        mean = (sum(total[0] for total in totals) + 1.0) / (sum(total[1] for total in totals) + 2.0)
        quality = {
            name: (total[0] + _PRIOR_TRIALS * mean) / (total[1] + _PRIOR_TRIALS)
            for name, total in zip(first, totals, strict=True)
        }
        weighted = {name: share * quality[name] for name, share in first.items()}
        total_weight = sum(weighted.values())
        return {name: _FLOOR * share + (1.0 - _FLOOR) * weighted[name] / total_weight for name, share in first.items()}

    def to_json(self) -> dict[str, list[float]]:
        """Converts the counts to JSON values."""
        return {name: list(counts) for name, counts in sorted(self._counts.items())}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> OperatorRates:
        """Restores the counts from JSON values."""
        found = cls()
        found._counts = {name: [float(count) for count in counts] for name, counts in value.items()}
        return found
