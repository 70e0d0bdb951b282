"""The same training has the same bits, wherever and beside whatever it is done."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evonas.evaluation import snapshots_to_arrays

MEMBERS = {"members": 3, "adapters": "full", "member_start": "hidden"}
ROOT = Path(__file__).parents[3]
#: Prints the digests; also run in a process of its own.
SCRIPT = "from tests.training.native.test_bits import digests; print(digests())"


def tasks():
    """Networks that have every operation, of odd sizes."""
    from dataclasses import replace

    from tests.training.gene_table import LINEAR, PERIODIC
    from tests.training.networks import graph, task

    networks = (
        graph((37, 19), normalization="batch", dropout=0.2, optimizer="nadam", batch_size=17),
        graph((23, 11), [(0, 1), (1, 2), (0, 2), (1, 3), (2, 3)], "gelu", 0.1, "layer", batch_size=31, l2=0.01),
        graph((129,), activation="silu", optimizer="adamw", weight_decay=0.1, schedule="cosine"),
        graph((), optimizer="sgd", learning_rate=0.05),
        graph((9, 13, 5), normalization="batch", dropout=0.2, inputs=MEMBERS | LINEAR, batch_size=19),
        graph((7, 9), [(0, 1), (1, 2), (0, 2), (2, 3)], "relu", 0.1, "layer", inputs=MEMBERS | PERIODIC),
    )
    return [replace(task(each, 4, k), keep_snapshots=True) for k, each in enumerate(networks)]


def digest(evaluation):
    """Of all that a training leaves: weights, moments, outputs, curves."""
    found = hashlib.sha256()
    for name, value in sorted(snapshots_to_arrays(evaluation.snapshots).items()):
        found.update(name.encode() + value.tobytes())
    return found.hexdigest()


def digests(threads=1, chosen=None, beside=(), prepared=None):
    """Of the chosen tasks, trained together."""
    from evonas.training.native import NativeTrainer
    from evonas.training_tasks import TrainingSettings
    from tests.training.networks import data, trained

    mine = [task for k, task in enumerate(tasks()) if chosen is None or k in chosen]
    trainer = NativeTrainer(prepared or data(weighted=True), TrainingSettings(patience=None), threads=threads)
    found = trained(trainer, [*mine, *beside])
    return [digest(found[k]) for k in range(len(mine))]


@pytest.fixture(scope="module")
def expected():
    found = digests()
    assert len(set(found)) == len(tasks())
    return found


def test_again(expected):
    assert digests() == expected


@pytest.mark.parametrize("threads", [2, 3])
def test_with_more_threads(expected, threads):
    assert digests(threads) == expected


def test_in_another_thread(expected):
    found = []
    thread = threading.Thread(target=lambda: found.extend(digests()))
    thread.start()
    thread.join()
    assert found == expected


@pytest.mark.parametrize("k", range(6))
def test_alone_and_beside_others(expected, k):
    from tests.training.networks import graph, task

    others = [task(graph((9 + n,), dropout=0.3, batch_size=5), 6, n) for n in range(3)]
    assert digests(1, [k]) == digests(2, [k], others) == [expected[k]]


def test_wherever_its_arrays_lie(expected):
    """Memory that others have left full of what is not a number, at other addresses."""
    import numpy as np

    for odd in (1, 3, 5):
        held = [np.full(1000 * odd + n, np.nan, np.float32) for n in range(50)]
        del held[::2]
        assert digests() == expected


def test_in_another_process(expected):
    found = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(expected)
