"""Exports of networks whose high frequencies amplify the rounding of columns with a large mean."""

import numpy as np
import pandas as pd
import pytest

import evonas
from evonas.deploy.export import export
from genomes import DenseSpace

pytestmark = [pytest.mark.keras, pytest.mark.soak]


@pytest.mark.parametrize(("members", "output"), [(1, "dense"), (8, "dense"), (1, "neighbours")])
def test_a_network_of_high_frequencies_is_exported(tmp_path, members, output):
    rng = np.random.default_rng(0)
    pressure = np.round(rng.normal(2500.0, 6.0, 1500), 2)
    table = pd.DataFrame({"pressure": pressure, "y": np.sin(pressure) + rng.normal(0.0, 0.1, 1500)})
    space = DenseSpace(embedding="periodic", embedding_sigma=50.0, members=members, output=output, neighbours=False)
    run = tmp_path / "run"
    evonas.search(table, "y", space=space, evaluations=3, epochs=20, seed=0, out=run, baseline=False, average=0)
    exported = export(run, tmp_path / "best.keras", rank=1, card=False)
    assert exported.validation_scores["rmse"] > 0
