"""The TensorBoard tracker, read back with TensorBoard's own loader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evonas
from evonas.api import prepared_search as api
from evonas.runs import RunReader
from evonas.trackers import read_evaluated, trackers_of
from genomes import InputError
from tests.stub import StubEvaluator, no_standby

pytest.importorskip("tensorboard")
X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5]


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(api, "_worker", StubEvaluator)
    monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    monkeypatch.chdir(tmp_path)


#: Runs in a separate process so that TensorBoard does not load TensorFlow, as it would if that is installed.
READ = """
import json, sys, types
import tensorboard.compat
sys.modules["tensorboard.compat.notf"] = tensorboard.compat.notf = types.ModuleType("tensorboard.compat.notf")
from google.protobuf.json_format import MessageToDict
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import metadata

loader = EventMultiplexer().AddRunsFromDirectory("logs").Reload()
parse = {
    metadata.EXPERIMENT_TAG: metadata.parse_experiment_plugin_data,
    metadata.SESSION_START_INFO_TAG: metadata.parse_session_start_info_plugin_data,
    metadata.SESSION_END_INFO_TAG: metadata.parse_session_end_info_plugin_data,
}
hparams = loader.PluginRunToTagToContent(metadata.PLUGIN_NAME)
scalars = loader.PluginRunToTagToContent("scalars")
found = {
    run: {tag.partition("/")[2]: MessageToDict(parse[tag](content)) for tag, content in tags.items()}
    | {
        tag: [(event.step, float(event.tensor_proto.float_val[0])) for event in loader.Tensors(run, tag)]
        for tag in scalars.get(run, {})
    }
    for run, tags in hparams.items()
}
print(json.dumps(found))
"""


def test_its_loader_sees_curves_scores_and_genes() -> None:
    evonas.search(
        X, Y, generations=2, population=3, out="run", strategy="random", callbacks=trackers_of(tensorboard="logs")
    )
    done = subprocess.run([sys.executable, "-c", READ], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    with RunReader("run") as run:
        candidates = {each.name: each for each in read_evaluated(run)}
    (top,) = [name for name in found if "/" not in name]
    assert top.startswith("run-")
    experiment = found.pop(top)["experiment"]
    assert [each["name"]["tag"] for each in experiment["metricInfos"]] == ["rmse", "val_loss"]
    types = {each["name"]: each["type"] for each in experiment["hparamInfos"]}
    assert types["learning_rate"] == "DATA_TYPE_FLOAT64"
    assert types["optimizer"] == "DATA_TYPE_STRING"
    assert len(found) == len(candidates) == 6
    for name, tags in found.items():
        candidate = candidates[name.partition("/")[2].rpartition("-")[0]]
        assert tags["session_start_info"]["hparams"] == candidate.genes
        assert tags["session_end_info"]["status"] == "STATUS_SUCCESS"
        assert tags["val_loss"] == [[1, 2.0], [2, 1.0]]
        assert tags["rmse"] == [[1, pytest.approx(candidate.evaluation.scores["rmse"])]]


def test_nothing_is_logged_twice_and_nothing_is_missed() -> None:
    tensorboard = trackers_of(tensorboard="logs")
    evonas.search(X, Y, evaluations=2, population=4, out="run", callbacks=tensorboard)
    before = {path: path.stat().st_mtime_ns for path in Path("logs").rglob("*tfevents*")}
    lost = next(path for path in before if path.parent.parent.parent.name == "logs")
    lost.unlink()  # as if the search had been killed between the commit and the log
    Path("run").rename("renamed")
    evonas.resume("renamed", evaluations=5, callbacks=trackers_of(tensorboard="logs"))
    after = {path: path.stat().st_mtime_ns for path in Path("logs").rglob("*tfevents*")}
    assert len(after) == 1 + 5
    assert {path: time for path, time in after.items() if path in before and path != lost} == {
        path: time for path, time in before.items() if path != lost
    }
    assert len(list(Path("logs").iterdir())) == 1


def test_runs_of_other_settings_do_not_mix() -> None:
    for seed in (0, 1):
        evonas.search(
            X,
            Y,
            evaluations=2,
            population=2,
            seed=seed,
            out="run",
            overwrite=True,
            strategy="random",
            callbacks=trackers_of("logs"),
        )
    assert len(list(Path("logs").iterdir())) == 2


def test_a_file_in_place_of_the_folder_is_refused() -> None:
    Path("logs").write_text("mine")
    with pytest.raises(InputError, match="tensorboard must be a folder, but logs is a file"):
        trackers_of(tensorboard="logs")


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_library_names_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    for module in [each for each in sys.modules if each.startswith(f"{name}.")]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"pip install 'evonas\[{name}\]'"):
        trackers_of(**{name: "place"})
    assert not Path("place").exists()


def test_the_driver_loads_no_tensorflow() -> None:
    script = (
        "import sys; from evonas.trackers import trackers_of; trackers_of('logs'); assert 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", f"{script}; assert 'tensorflow' not in sys.modules"], check=True)
