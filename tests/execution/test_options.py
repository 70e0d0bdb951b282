"""Where networks may be trained, and what cannot be is refused in words."""

from __future__ import annotations

import pytest

from evonas.execution import cluster, launch
from evonas.execution_options import Execution, share_of
from genomes import InputError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"place": "cloud"}, "execution must be one of local, processes, shared, ray, not 'cloud'"),
        ({"place": 3}, "execution must be one of local, processes, shared, ray, or an evonas.Execution, not 3"),
        ({"workers": 0}, "workers must be a whole number from 1 to 4096, not 0"),
        ({"workers": True}, "workers must be a whole number from 1 to 4096, not True"),
        ({"place": "local", "workers": 2}, "workers must be left out with execution local"),
        ({"place": "ray", "devices": "0,1"}, "devices must be left out with execution ray, not 0,1"),
        ({"devices": "0;1"}, "devices must be numbers such as 0,1, or all, not '0;1'"),
        ({"place": "processes", "address": "auto"}, "address must be given with execution ray only"),
        ({"address": "ray://head:10001"}, "address must be auto or HOST:PORT of a Ray cluster, not 'ray://head"),
    ],
)
def test_what_cannot_be_is_refused(given, said) -> None:
    with pytest.raises(InputError) as error:
        Execution.from_arguments(**given)
    assert said in str(error.value)


def test_an_address_is_a_cluster_and_devices_are_workers() -> None:
    assert Execution.from_arguments(address="auto") == Execution("ray", address="auto")
    two = Execution.from_arguments(devices="0, 3")
    assert (two.worker_count, two.is_default) == (2, False)
    assert [two.environment(number)["CUDA_VISIBLE_DEVICES"] for number in range(3)] == ["0", "3", "0"]
    assert Execution().is_default
    assert Execution(workers=1).is_default
    assert Execution().environment(0) == {}


def test_threads_are_shared_out() -> None:
    assert [share_of(8, 3, number) for number in range(3)] == [2, 3, 3]
    assert [share_of(2, 4, number) for number in range(4)] == [1, 1, 1, 1]


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from evonas.config import Settings

    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'evonas\[ray\]'"):
        launch.standby_for(Settings(seed=0), None, Execution("ray"))
