"""Strategies from outside evonas: given as objects, or installed by another distribution."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import evonas
from evonas.api.provenance import same_strategy, strategy_provenance, trains_networks
from evonas.config import Settings
from evonas.runs.consistency import same_space, space_class
from evonas.strategies import StrategyRow, check_given, find_row, make_strategy, strategy_name, strategy_row
from evonas.strategies.outside import installed_names
from evonas.strategies.random_search import RandomSearch
from genomes import InputError
from tests.toy import RMSE, ToySpace, toy_settings, toy_store

MODULE = """
from evonas.strategies import StrategyRow
from evonas.strategies.random_search import RandomSearch

class Wander(RandomSearch):
    "Strolls about."

ROW = StrategyRow(Wander, "strolls", "", ("population",), one_by_one=True)
"""


class Stroll(RandomSearch):
    """Strolls about.

    Nobody knows where to.
    """


def install(folder: Path, points: str, name: str = "wandering", version: str = "1.2", module: str = MODULE) -> None:
    """A distribution with a module and entry points, as an installer leaves it."""
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "entry_points.txt").write_text(f"[evonas.strategies]\n{points}\n")
    (about / "top_level.txt").write_text(f"{name}_module\n")
    (folder / f"{name}_module.py").write_text(module)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python imports from."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield tmp_path / "site"  # type: ignore[misc]
    for name in set(sys.modules) - before:
        if name.endswith("_module"):
            del sys.modules[name]


def ask_genomes(strategy) -> list:
    return [candidate.genome for candidate in strategy.ask()]


def test_a_custom_class_proposes_like_a_built_in_one() -> None:
    expected = ask_genomes(make_strategy("random", ToySpace(), population=4, seed=3))
    assert ask_genomes(make_strategy(Stroll, ToySpace(), population=4, seed=3)) == expected
    row = StrategyRow(Stroll, "strolls", "", ("population", "tournament"))
    assert ask_genomes(evonas.strategy(row, ToySpace(), population=4, seed=3, tournament=2)) == expected
    assert strategy_row(strategy_name(Stroll)).description == "Strolls about."
    assert strategy_row(strategy_name(Stroll)).one_by_one


def test_settings_that_a_class_does_not_use_are_refused() -> None:
    with pytest.raises(InputError, match=r"brackets must be left at its default with strategy .*:Stroll"):
        make_strategy(Stroll, ToySpace(), brackets=2)
    with pytest.raises(InputError, match="objectives must be one"):
        make_strategy(Stroll, ToySpace(), objectives=("rmse", "parameters"))


class Lacking:
    """Not a strategy."""

    def ask(self) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (Lacking, "no tell, state, restore, retained"),
        (Stroll(ToySpace(), RMSE, toy_settings(), ()), "pass the class itself"),
        (3, "not 3"),
        (StrategyRow(3, "", "", ()), "pass the class itself"),  # type: ignore[arg-type]
        (lambda *given: Lacking(), "no tell, state, restore, retained"),
    ],
    ids=["class", "instance", "number", "row", "function"],
)
def test_anything_but_a_strategy_is_refused_with_a_message(wrong: object, text: str) -> None:
    with pytest.raises(InputError, match=text):
        make_strategy(wrong, ToySpace())  # type: ignore[arg-type]


def test_an_installed_strategy_is_known_by_its_name(site: Path) -> None:
    assert find_row("wander") is None
    install(site, "wander = wandering_module:ROW\nstroll = wandering_module:Wander")
    row = strategy_row("wander")
    assert (row.where, row.settings) == ("wandering_module:Wander", ("population",))
    assert strategy_row("stroll").settings == ("population", "offspring")
    assert installed_names(()) == ["stroll", "wander"]
    expected = ask_genomes(make_strategy("random", ToySpace(), population=4))
    assert ask_genomes(make_strategy("wander", ToySpace(), population=4)) == expected
    with pytest.raises(InputError, match="eta must be left at its default with strategy wander"):
        check_given("wander", {"eta": 2})
    with pytest.raises(InputError, match="cmaes, stroll, wander, not 'wandr': did you mean 'wander'"):
        strategy_row("wandr")


def test_entry_points_that_cannot_be_used_name_their_distribution(site: Path) -> None:
    install(site, "broken = gone_module:ROW\nnone = wandering_module:__name__", version="3")
    with pytest.raises(InputError, match=r"'broken' must .* wandering 3 fails with ModuleNotFoundError: .*gone_module"):
        find_row("broken")
    with pytest.raises(InputError, match=r"'none' of wandering 3 must be a name, a class"):
        find_row("none")
    install(site, "broken = other_module:ROW", "other", "4")
    with pytest.raises(InputError, match=r"by one distribution, but .*other 4.* have it"):
        find_row("broken")


def test_a_name_of_evonas_is_refused_and_never_replaces_it(site: Path) -> None:
    install(site, "random = wandering_module:ROW\nwander = wandering_module:ROW")
    assert strategy_row("random").where == "evonas.strategies.random_search:RandomSearch"
    with pytest.raises(InputError, match=r"wandering 1.2 has 'random', which is a built-in strategy: rename"):
        find_row("wander")


def test_a_path_in_a_name_is_not_imported(site: Path) -> None:
    install(site, "wander = wandering_module:ROW", module="raise SystemExit('imported')")
    with pytest.raises(InputError, match="must be given again as an object"):
        strategy_row("wandering_module:ROW")


def test_entry_points_are_not_read_for_strategies_of_evonas() -> None:
    script = (
        "import importlib.metadata as m; m.entry_points = lambda **given: 1 / 0\n"
        "from evonas.strategies import strategy_row, check_given\n"
        "strategy_row('ga'); check_given('evolution', {'rungs': 2})"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True)


def make_run(directory: Path, name: str):
    """A run with that strategy."""
    settings = Settings(population=4, strategy=name, seed=0).resolve("rmse")
    source = json.loads(json.dumps(strategy_provenance(name)))
    return toy_store(directory, settings=settings, source=source)


def test_a_run_with_a_class_requires_it_again(tmp_path: Path) -> None:
    assert not strategy_provenance("ga")
    name = strategy_name(Stroll)
    with make_run(tmp_path / "run", name) as run:
        assert run.source["strategy"] == {"class": name, "entry_point": False, "trains": True}
        assert trains_networks(run)
        same_strategy(run, Stroll)
        for given in (None, name):
            with pytest.raises(InputError, match=r"must be given again: the run .*:Stroll, which is not kept"):
                same_strategy(run, given)
        with pytest.raises(InputError, match="must be that of the run"):
            same_strategy(run, RandomSearch)
    with make_run(tmp_path / "plain", "ga") as run:
        same_strategy(run)
        same_strategy(run, "ga")
        with pytest.raises(InputError, match="must be that of the run"):
            same_strategy(run, Stroll)


def test_a_run_with_an_installed_strategy_requires_the_same_distribution(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "wander = wandering_module:ROW")
    with make_run(tmp_path / "run", "wander") as run:
        about = {"class": "wandering_module:Wander", "entry_point": True, "trains": True}
        assert run.source["strategy"] == {**about, "distribution": "wandering", "version": "1.2"}
        same_strategy(run)
        same_strategy(run, "wander")
        monkeypatch.syspath_prepend(str(tmp_path / "newer"))
        install(tmp_path / "newer", "wander = wandering_module:ROW", version="1.3")
        monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(site)])
        with pytest.raises(InputError, match=r"differs \(version: 1.2 -> 1.3\): install the recorded one"):
            same_strategy(run)
        monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(tmp_path / "newer")])
        with pytest.raises(InputError, match=r"searches by wander of wandering 1.2, which is not"):
            same_strategy(run)
        assert trains_networks(run)


def test_a_run_over_an_installed_space_requires_the_same_distribution(site: Path, tmp_path: Path) -> None:
    module = "from evonas.testing import ToySpace\nclass Roomy(ToySpace): pass"
    install(site, "", "roomy", module=module)
    space = importlib.import_module("roomy_module").Roomy()
    source = space_class(space)
    assert source == {
        "space_class": "roomy_module.Roomy",
        "space_package": {"distribution": "roomy", "version": "1.2"},
    }
    with toy_store(tmp_path / "run", space=space, source=source) as run:
        assert same_space(run, space) is space
        about = site / "roomy-1.2.dist-info" / "METADATA"
        about.write_text(about.read_text().replace("1.2", "1.3"))
        with pytest.raises(InputError, match=r"installed by roomy 1.2, not by roomy 1.3: install the recorded one"):
            same_space(run, space)
