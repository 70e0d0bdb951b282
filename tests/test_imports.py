"""Who may import whom: the rules of the design, on `sys.modules` of a fresh process."""

from __future__ import annotations

import ast
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.syntax import imports_for_types_in, imports_in

ROOT = Path(__file__).parents[1]
HEAVY = ("keras", "tensorflow", "jax", "pandas", "sklearn", "plotly", "matplotlib", "ray")


def modules_after(statement: str, **environment: str) -> set[str]:
    """Names of the modules loaded in a fresh process after the statement."""
    script = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=True
    )
    return set(json.loads(output.stdout.splitlines()[-1]))


def modules_of(package: str) -> list[str]:
    """Every module of a package, by name."""
    paths = sorted((ROOT / package.replace(".", "/")).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names]


def loaded(modules: set[str], *packages: str) -> set[str]:
    """Those of the packages that are among the modules."""
    return {package for package in packages if any(f"{name}.".startswith(f"{package}.") for name in modules)}


def test_importing_evonas_loads_nothing_heavy() -> None:
    modules = modules_after("import evonas")
    assert not loaded(modules, *HEAVY, "deap", "rich", "typer", "networkx")
    assert len([name for name in modules if name.startswith(("evonas", "genomes"))]) < 40


@pytest.mark.soak
def test_importing_evonas_is_quick() -> None:
    seconds = []
    for _ in range(5):
        # Of this process: another one may have the machine.
        script = "import time; t = time.process_time(); import evonas; print(time.process_time() - t)"
        output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
        seconds.append(float(output.stdout))
        if seconds[-1] < 0.5:
            break
    assert min(seconds) < 0.5


def test_what_is_wanted_at_once_is_not_kept_waiting_by_what_is_heavy() -> None:
    """A command's help; the start of a worker, before all else; a search up to its first generation."""
    heavy = (*HEAVY, "scipy", "deap", "rich")
    assert not loaded(modules_after("import evonas.cli.app"), *heavy, "numpy", "networkx", "evonas.runs")
    standby = modules_after("import evonas.execution.launch, evonas.execution.evaluator, evonas.execution.messages")
    assert not loaded(standby, *heavy, "numpy", "networkx", "pydantic", "evonas.runs", "evonas.user_model")
    assert not loaded(
        modules_after("import evonas.api.search, evonas.strategies.surrogate.evolution"), *(set(heavy) - {"deap"})
    )


def test_public_names_are_there_whatever_was_imported_first() -> None:
    imports = "import evonas.evolution.finalists, evonas.deploy.export, evonas.api.search, evonas, genomes"
    names = "[getattr(m, n) for m in (evonas, genomes) for n in m.__all__ if not n.startswith('Evolution')]"
    functions = (
        "f(evonas.finalists) and f(evonas.build_model) and evonas.build is evonas.build_model and f(evonas.export)"
    )
    modules_after(f"{imports}; from inspect import isfunction as f; {names}; assert {functions}")


def test_genomes_know_nothing_of_evonas() -> None:
    statement = "; ".join(f"import {name}" for name in modules_of("genomes"))
    assert not loaded(modules_after(statement), "evonas", *HEAVY, "deap", "pydantic")


def test_strategies_and_training_do_not_know_each_other() -> None:
    statement = "; ".join(f"import {name}" for name in modules_of("evonas.strategies"))
    assert not loaded(modules_after(statement), "evonas.training", "evonas.execution", *HEAVY)
    assert not any(path.startswith("evonas/training/") for path in importers("evonas.strategies"))
    assert not any(path.startswith("evonas/strategies/") for path in importers("evonas.training", "evonas.runs"))


def test_importing_packages_of_the_driver_loads_nothing_heavy() -> None:
    packages = ("evonas.runs", "evonas.data", "evonas.execution", "evonas.deploy", "evonas.io")
    names = [name for package in packages for name in modules_of(package)]
    light = [name for name in names if not name.endswith(("__main__", "readers.text_column"))]
    assert not loaded(modules_after("; ".join(f"import {name}" for name in light)), *HEAVY)


def test_the_contract_checks_need_no_test_framework() -> None:
    assert not loaded(modules_after("import evonas.testing"), "pytest", "hypothesis", *HEAVY)


def test_the_loop_joins_its_parts_through_protocols() -> None:
    modules = modules_after("import evonas.evolution.loop")
    assert not loaded(modules, "evonas.training", "evonas.execution", "evonas.cli", "deap", *HEAVY)


@functools.cache
def imports_of(path: Path) -> set[str]:
    """First words of what a file imports, wherever in it."""
    found: set[str] = set()
    for node in imports_in(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def importers(*packages: str) -> set[str]:
    """Files of genomes and evonas that import one of the packages, even inside a function."""
    paths = [path for folder in ("genomes", "evonas") for path in (ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)) for path in paths if loaded(imports_of(path), *packages)}


def test_only_training_imports_keras() -> None:
    assert not {path for path in importers("keras", "tensorflow", "jax") if not path.startswith("evonas/training/")}


def test_only_strategies_import_deap() -> None:
    assert all(path.startswith("evonas/strategies/") for path in importers("deap", "optuna"))


def test_nobody_imports_what_sits_on_top() -> None:
    assert importers("evonas.cli.app") <= {"evonas/__main__.py"}
    assert all(path.startswith(("evonas/cli/", "evonas/__main__.py")) for path in importers("evonas.cli"))
    assert not importers("scripts")
    assert all(path.startswith("evonas/testing/") for path in importers("evonas.testing"))
    for package in ("evonas.estimators", "evonas.tuner"):
        folder = package.replace(".", "/")
        others = {path for path in importers(package) if not path.startswith(f"{folder}/")}
        assert others <= {"evonas/__init__.py"}  # where it waits to be asked for


def test_nothing_that_is_read_can_run_code() -> None:
    # A user's function goes to the worker over a socket that only the two hold, and never to the disk.
    assert importers("pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve") <= {"evonas/user_model.py"}


#: Packages from the bottom up: each may import itself and those before it. The modules at the root of evonas are one.
ORDER = (
    *("genomes", "io", "evonas", "data", "metrics", "networks", "strategies", "runs", "training"),
    *("execution", "baselines", "evolution", "display", "deploy", "reporting", "trackers"),
    *("api", "estimators", "tuner", "cli", "testing"),
)
#: The public page, which is loaded by name (`evonas.__getattr__`), and the command line's door.
DOORS = ("evonas", "evonas.__main__")


@functools.cache
def arrows() -> frozenset[tuple[str, str]]:
    """Pairs of modules, the first of which imports the second, even inside a function; not for types alone."""
    modules = {name for package in ("genomes", "evonas") for name in modules_of(package)}
    found = set()
    for name in modules:
        path = ROOT.joinpath(*name.split("."))
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in imports_in(source):
            if node in imports_for_types_in(source):
                continue
            if isinstance(node, ast.Import):
                found |= {(name, alias.name) for alias in node.names}
            elif node.module and not node.level:
                parts = [f"{node.module}.{alias.name}" for alias in node.names]
                found |= {(name, part if part in modules else node.module) for part in parts}
    return frozenset((a, b) for a, b in found if b in modules and a != b)


def test_no_circle_of_modules() -> None:
    left = {name for pair in arrows() for name in pair}
    following: dict[str, set[str]] = {name: set() for name in left}
    for a, b in arrows():
        following[a].add(b)
    while ends := {name for name in left if not following[name] & left}:
        left -= ends
    assert not left


def home_of(module: str) -> int:
    """Index of a module's package in `ORDER`."""
    names = module.split(".")
    if names[0] == "genomes":
        return ORDER.index("genomes")
    return ORDER.index(names[1] if len(names) > 1 and (ROOT / "evonas" / names[1]).is_dir() else "evonas")


def test_no_arrow_runs_back_up() -> None:
    upward = {(a, b) for a, b in arrows() if home_of(a) < home_of(b)}
    assert not {(a, b) for a, b in upward if a not in DOORS}


def package_of(module: str) -> str:
    """The package of a module, or the module itself if it is one."""
    return module if ROOT.joinpath(*module.split(".")).is_dir() else module.rpartition(".")[0]


def package_arrows() -> set[tuple[str, str]]:
    """Pairs of packages, the first of which imports the second; not for types alone."""
    pairs = {(package_of(a), package_of(b)) for a, b in arrows()}
    return {(a, b) for a, b in pairs if a != b}


def test_only_a_package_and_its_parts_import_each_other() -> None:
    mutual = {(a, b) for a, b in package_arrows() if (b, a) in package_arrows()}
    assert not {(a, b) for a, b in mutual if not (a.startswith(f"{b}.") or b.startswith(f"{a}."))}


def test_few_packages_import_few_others() -> None:
    """`python benchmarks/import_graph.py` lists them. Raise the limits only for a new concept."""
    assert len({name for pair in package_arrows() for name in pair}) <= 33
    assert len(package_arrows()) <= 195


def test_no_module_has_the_name_of_a_public_function() -> None:
    import evonas

    modules = {name.split(".")[1] for name in modules_of("evonas") if "." in name}
    assert not modules & set(evonas.__all__)
