"""`in-training.json`: written for observers, validated when read, and never overwriting a foreign file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evonas.display.in_training import training_lines
from evonas.evaluation import InTraining
from evonas.evolution.training_progress import watching
from evonas.runs import RunReader
from evonas.runs.directory import claim
from evonas.runs.in_training import IN_TRAINING, NetworkInTraining, TrainingNotes, read_in_training
from genomes.errors import InputError
from tests.runs.cases import candidates
from tests.toy import ToySpace, toy_store

NETWORK = NetworkInTraining(
    generation=2, index=16, kind="search", name="48-48", parameters=3361, epoch=22, epochs=50, seconds=12.0
)


class Reporting:
    """An evaluator whose trainings are set by the test."""

    def watch_training(self, listener):
        self.tell = listener


def test_it_lists_what_is_in_training_until_nothing_is(tmp_path: Path):
    evaluator, (first, second) = Reporting(), candidates(2)
    with toy_store(tmp_path) as store:
        with watching(evaluator, store, ToySpace(), lambda number: {7: first, 8: second}.get(number)):
            evaluator.tell([InTraining(7, 3, 10, 1.5, 20), InTraining(9)])
            (noted,) = store.in_training
            assert (noted["generation"], noted["index"], noted["epoch"]) == (0, 0, 3)
            with RunReader(tmp_path) as run:
                assert run.in_training == store.in_training
            evaluator.tell([])
            assert store.in_training == (noted,), "written at most once a second"
        assert store.in_training == ()
        assert not (tmp_path / IN_TRAINING).exists()


def test_a_run_without_an_owner_trains_nothing(tmp_path: Path):
    toy_store(tmp_path).close()
    (tmp_path / IN_TRAINING).write_text(json.dumps({"encoding": "in training", "networks": [NETWORK]}))
    assert read_in_training(tmp_path) == (NETWORK,)
    with RunReader(tmp_path) as run:
        assert run.in_training == ()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"encoding": "in training", "networks": 3}',
        json.dumps({"encoding": "in training", "networks": [NETWORK] * 33}),
        json.dumps({"encoding": "in training", "networks": [{**NETWORK, "epoch": -1}]}),
        json.dumps({"encoding": "in training", "networks": [{**NETWORK, "seconds": 1e300}]}),
        json.dumps({"encoding": "in training", "networks": [NETWORK]}) + " " * (1 << 16),
    ],
)
def test_foreign_content_is_not_trusted(tmp_path: Path, content: str):
    (tmp_path / IN_TRAINING).write_text(content)
    assert read_in_training(tmp_path) == ()


def test_a_file_of_that_name_is_foreign_unless_marked(tmp_path: Path):
    path = tmp_path / IN_TRAINING
    toy_store(tmp_path).close()
    path.write_text("years of work")
    notes = TrainingNotes(tmp_path)
    notes.note([NETWORK])
    notes.clear()
    assert path.read_text() == "years of work"
    with pytest.raises(InputError, match=r"in-training\.json"):
        claim(tmp_path, True, lambda digest: {})
    path.write_text(json.dumps({"encoding": "in training", "networks": []}))  # left by a killed owner
    TrainingNotes(tmp_path)
    assert not path.exists()


def test_a_full_disk_ends_no_search(tmp_path: Path):
    notes = TrainingNotes(tmp_path / "gone")
    notes.note([NETWORK])
    assert notes.latest == (NETWORK,)
    notes.clear()


def test_in_words():
    (line,) = training_lines([NETWORK])
    assert line == "network 17 of generation 3: 48-48, 3,361 parameters, epoch 23 of 50, 12 s"
    hostile = NetworkInTraining(**{**NETWORK, "kind": "finalist", "name": "\x1b[2Ja", "epochs": 0, "parameters": 0})
    assert training_lines([hostile] * 6)[0] == "re-training 17: \\x1b[2Ja, 12 s"
    assert training_lines([hostile] * 6)[-1] == "2 more"
