"""evonas: evolutionary architecture search for Keras.

    >>> import evonas
    >>> result = evonas.search(x, y, generations=10)          # doctest: +SKIP
    >>> result.best_score, result.best_genome                 # doctest: +SKIP
    >>> result.predict(x[:5]), result.best_model.summary()    # doctest: +SKIP
    >>> result.export("best.keras")                           # doctest: +SKIP

====================================  ================================================================================
`search(x, y, ...)`                   evolves networks for arrays, a DataFrame or a CSV file; returns a `SearchResult`;
                                      with `build=`, user-defined models (see `evonas.training.single.user_model`)
`resume(run_dir, ...)`                resumes a run after Ctrl-C, a crash or power loss; extends a finished one
`finalists(run_dir, top=5, seeds=5)`  retrains the best networks, to see how good they are apart from luck
`join(run_dir)`                       trains networks for a search on another machine, over a shared folder
`load_run(run_dir)`                   the `SearchResult` of any run, even while it is running
`export(run_dir, path, rank=1)`       writes a network for plain `keras.models.load_model`
`build_model(genome, path)`           an untrained network built from a genome: layers, initial weights and optimizer
`strategy(name, space, seed=0)`       a search strategy with `ask` and `tell`, for your own loop
`find_learning_rate(x, y, ...)`       the learning-rate range test of a network
`Callback`                            hooks at the start and end and after each network and generation
`Execution("ray", workers=8)`         where networks are trained: this process, processes of this machine, or a cluster
`Metric(name, direction, score)`      a user-defined score, for `objective=`
`Settings`, `Budget`                  the configuration of a run, with defaults and ranges
`EvolutionClassifier`,                estimators for scikit-learn that search in `fit`, and predict with the
`EvolutionRegressor`                  best network (`evonas.estimators`)
`EvolutionSearchCV(build, space)`     like `RandomizedSearchCV`, for a Keras model
`evonas.tuner.Evolution(build)`       runs a build function written for KerasTuner (`evonas.tuner`)
====================================  ================================================================================

Spaces, genomes and `InputError` are in the package `genomes`. Internals are documented in `evonas.strategies`,
`evonas.training`, `evonas.execution`, `evonas.runs` and `evonas.data`. `evonas.testing` checks user-defined strategies,
spaces, mutations, metrics and layer kinds.

Importing this package loads no Keras, TensorFlow, JAX, pandas or scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evonas.api.range_test import find_learning_rate
    from evonas.api.result import SearchResult
    from evonas.api.resume import finalists, load_run, resume
    from evonas.api.search import search
    from evonas.config import Budget, Settings
    from evonas.deploy.export import export
    from evonas.deploy.rebuild import build_model
    from evonas.deploy.rebuild import build_model as build
    from evonas.errors import Interrupted, StorageError
    from evonas.estimators import EvolutionClassifier, EvolutionRegressor, EvolutionSearchCV
    from evonas.evaluation import Candidate, Evaluation, Status
    from evonas.execution.joining import join
    from evonas.execution_options import Execution
    from evonas.metrics.metric import Metric
    from evonas.runs.progress import Generation, Progress
    from evonas.strategies import make_strategy as strategy
    from evonas.trackers.callback import Callback, EvaluatedCandidate

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "Callback",
    "Candidate",
    "EvaluatedCandidate",
    "Evaluation",
    "EvolutionClassifier",
    "EvolutionRegressor",
    "EvolutionSearchCV",
    "Execution",
    "Generation",
    "Interrupted",
    "Metric",
    "Progress",
    "SearchResult",
    "Settings",
    "Status",
    "StorageError",
    "build",
    "build_model",
    "export",
    "finalists",
    "find_learning_rate",
    "join",
    "load_run",
    "resume",
    "search",
    "strategy",
]

#: Name -> module that defines it, loaded on first use, so that small commands start fast.
_HOMES = {
    **dict.fromkeys(("finalists", "load_run", "resume"), "api.resume"),
    "search": "api.search",
    **dict.fromkeys(("Budget", "Settings"), "config"),
    **dict.fromkeys(("Interrupted", "StorageError"), "errors"),
    **dict.fromkeys(("EvolutionClassifier", "EvolutionRegressor", "EvolutionSearchCV"), "estimators"),
    **dict.fromkeys(("Candidate", "Evaluation", "Status"), "evaluation"),
    **dict.fromkeys(("Generation", "Progress"), "runs.progress"),
    "Execution": "execution_options",
    "Metric": "metrics.metric",
    "SearchResult": "api.result",
    **dict.fromkeys(("build", "build_model"), "deploy.rebuild"),
    "export": "deploy.export",
    "find_learning_rate": "api.range_test",
    "join": "execution.joining",
    **dict.fromkeys(("Callback", "EvaluatedCandidate"), "trackers.callback"),
    "strategy": "strategies",
}
_NAMES_THERE = {"build": "build_model", "strategy": "make_strategy"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), _NAMES_THERE.get(name, name))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
