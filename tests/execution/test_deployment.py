"""The files in deployment/ against Ray's own schema and parser. Skipped if Ray is not installed."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")
yaml = pytest.importorskip("yaml")
jsonschema = pytest.importorskip("jsonschema")

FOLDER = Path(__file__).parents[2] / "deployment"


def schema() -> dict:
    return json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())


def test_the_cluster_file_is_one_of_ray_s() -> None:
    config = yaml.safe_load((FOLDER / "ray-cluster.yaml").read_text())
    jsonschema.validate(config, schema())
    assert config["head_node_type"] in config["available_node_types"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**config, "max_workers": "many"}, schema())


def test_ray_s_autoscaler_reads_the_kuberay_manifest() -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    job, *others = yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert [other["kind"] for other in others] == ["PersistentVolumeClaim", "NetworkPolicy"]
    cluster = {"metadata": {"name": "houses", "namespace": "default"}, "spec": job["spec"]["rayClusterSpec"]}
    config = _derive_autoscaling_config_from_ray_cr(cluster)
    jsonschema.validate(config, schema())
    types = config["available_node_types"]
    assert types["cpu"]["resources"]["CPU"] == 8
    assert types["cpu"]["max_workers"] == 8
    assert types[config["head_node_type"]]["resources"]["CPU"] == 0


def test_the_commands_of_the_files_are_evonas_s() -> None:
    from typer.main import get_command

    from evonas.cli.app import app

    job = next(yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text()))
    words = job["spec"]["entrypoint"].split()
    assert words[:2] == ["evonas", "run"]
    command = get_command(app).commands["run"]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def numbers(version: str) -> list[int]:
    """Parses a version, or the lowest version of a requirement."""
    return [int(number) for number in re.findall(r"\d+", version)]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_the_images_are_of_this_package_and_of_the_ray_that_the_manifest_names(name: str) -> None:
    from typer.main import get_command

    from evonas.cli.app import app

    text = (FOLDER / name).read_text()
    setup = configparser.ConfigParser()
    setup.read(FOLDER.parent / "setup.cfg")
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", text)
    assert set(extras.split(",")) <= set(setup["options.extras_require"])
    (python,) = re.findall(r"^FROM python:([\d.]+)-slim$", text, re.MULTILINE)
    assert numbers(python) >= numbers(setup["options"]["python_requires"])
    (version,) = re.findall(r"^ARG RAY_VERSION=([\d.]+)$", text, re.MULTILINE)
    job = next(yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text()))
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == version
    assert numbers(version) >= numbers(setup["options.extras_require"]["ray"])
    known = {each for parameter in get_command(app).commands["run"].params for each in parameter.opts}
    assert set(re.findall(r"evonas run .*?(--[\w-]+)", text)) <= known
