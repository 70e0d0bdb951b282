"""Table of the counterparts of all public names of KerasTuner, for docs/kerastuner.md and error messages.

Tests compare this table with the installed KerasTuner, and the page with the table.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ARGUMENTS", "NAMES", "PRIVATE", "TUNERS", "is_called", "missing_attribute_message", "page"]

#: Prefix of entries for unsupported names.
_NOT = "not supported: "
_WHERE = "a project is one run directory, committed trial by trial"
_STRATEGY = "strategies of evonas decide (`strategy=`)"
_PROTO = "trials do not travel by gRPC"

#: KerasTuner class -> name -> its counterpart.
NAMES: Mapping[str, Mapping[str, str]] = {
    "Tuner": {
        "search": "the same; trials run in a worker process unless `in_process=True` or a hook is overridden",
        "run_trial": "the same, for overriding; trials then run in this process",
        "on_search_begin": "the same, for overriding",
        "on_search_end": "the same, for overriding",
        "on_trial_begin": "the same, for overriding; trials then run in this process",
        "on_trial_end": "the same, for overriding; trials then run in this process",
        "on_epoch_begin": "the same, for overriding; trials then run in this process",
        "on_epoch_end": "the same, for overriding; trials then run in this process",
        "on_batch_begin": "the same, for overriding; trials then run in this process",
        "on_batch_end": "the same, for overriding; trials then run in this process",
        "pre_create_trial": "the same, for overriding; trials then run in this process",
        "save_model": "keeps a model's weights for the running trial, in a `run_trial` with a custom training loop",
        "load_model": "the same: the model of a trial, with the weights of its best epoch; may be overridden",
        "get_best_models": "the same; the weights of the best 20 trials are kept (`keep=`)",
        "get_best_hyperparameters": "the same; `values` holds all hyperparameters of the trial",
        "results_summary": "the same",
        "search_space_summary": "the same",
        "remaining_trials": "the same",
        "hypermodel": "the same",
        "oracle": "gives access to trials and the space; " + _STRATEGY,
        "directory": "the same",
        "project_name": "the same",
        "project_dir": "the run directory",
        "seed": "the same",
        "max_model_size": "the same",
        "optimizer": "the same",
        "loss": "the same",
        "metrics": "the same",
        "executions_per_trial": "the same",
        "distribution_strategy": "accepted with a warning, and ignored",
        "logger": "accepted with a warning, and ignored",
        "tuner_id": "accepted with a warning, and ignored",
        "get_trial_dir": _NOT + _WHERE,
        "save": _NOT + _WHERE,
        "reload": _NOT + "a tuner with the same directory and project resumes it",
        "get_state": _NOT + _WHERE,
        "set_state": _NOT + _WHERE,
    },
    "Oracle": {
        "objective": "the same",
        "max_trials": "the same",
        "seed": "the same",
        "hyperparameters": "the same",
        "get_space": "the same",
        "trials": "the same",
        "start_order": "the same",
        "end_order": _NOT + "trials end in the order in which they begin: `start_order`",
        "get_trial": "the same",
        "get_best_trials": "the same",
        "remaining_trials": "the same",
        "update_trial": "the same, for the running trial",
        "create_trial": _NOT + _STRATEGY,
        "end_trial": _NOT + "a trial ends when `run_trial` returns",
        "populate_space": _NOT + _STRATEGY,
        "score_trial": _NOT + "the objective scores; several are summed",
        "update_space": _NOT + "hyperparameters that `build`, `fit` or `run_trial` requests are added when they appear",
        "allow_new_entries": "the same",
        "tune_new_entries": "the same",
        "max_retries_per_trial": "the same",
        "max_consecutive_failed_trials": "the same",
        "verbose": _NOT + "`search(verbose=0)` prints nothing",
        "directory": "the same",
        "project_name": "the same",
        "ongoing_trials": _NOT + "one trial runs at a time",
        "tuner_ids": _NOT + "a run has one tuner",
        "multi_worker": _NOT + "one process of a run trains",
        "should_report": _NOT + "one process of a run trains",
        "get_state": _NOT + _WHERE,
        "set_state": _NOT + _WHERE,
        "save": _NOT + _WHERE,
        "reload": _NOT + _WHERE,
    },
    "HyperParameters": {
        "Int": "the same",
        "Float": "the same",
        "Choice": "the same",
        "Boolean": "the same",
        "Fixed": "the same",
        "conditional_scope": "the same",
        "name_scope": "the same",
        "get": "the same",
        "values": "the same",
        "space": "the same",
        "is_active": "the same",
        "copy": "the same",
        "get_config": "the space and the values",
        "from_config": _NOT + "runs store them; `Evolution(hyperparameters=...)` accepts KerasTuner's",
        "active_scopes": _NOT + "`scopes` lists all entered scopes",
        "inactive_scopes": _NOT + "`scopes` lists all entered scopes",
        "ensure_active_values": _NOT + "a value exists as soon as its conditions hold",
        "merge": _NOT + "requested hyperparameters are added when they appear",
        "from_proto": _NOT + _PROTO,
        "to_proto": _NOT + _PROTO,
    },
}

#: Argument of the constructors of KerasTuner's tuners and oracles -> its counterpart.
ARGUMENTS: Mapping[str, str] = {
    "oracle": _NOT + "give `objective`, `max_trials` and `strategy` to the tuner",
    "hypermodel": "the same; may be omitted if `run_trial` is overridden",
    "objective": "the same",
    "max_trials": "the same",
    "seed": "the same; None is 0",
    "hyperparameters": "the same, evonas's or KerasTuner's",
    "tune_new_entries": "the same",
    "allow_new_entries": "the same",
    "max_retries_per_trial": "the same",
    "max_consecutive_failed_trials": "the same; None, the default, means no bound",
    "max_model_size": "the same",
    "optimizer": "the same",
    "loss": "the same",
    "metrics": "the same",
    "distribution_strategy": "accepted with a warning, and ignored: trials train on what Keras sees",
    "directory": "the same",
    "project_name": "the same",
    "logger": "accepted with a warning, and ignored: runs are committed, and `evonas status` reads them",
    "tuner_id": "accepted with a warning, and ignored: a run has one tuner",
    "overwrite": "the same, for evonas runs; folders of KerasTuner are not touched",
    "executions_per_trial": "the same",
    "max_epochs": _NOT + 'pass `epochs` to `search`; `strategy="evolution"` has no rungs for a function\'s models',
    "factor": _NOT + "`eta=` of strategies with rungs",
    "hyperband_iterations": _NOT + "`max_trials` or `time` bounds the search",
    "num_initial_points": _NOT + "`population=` trials come first",
    "alpha": _NOT + _STRATEGY,
    "beta": _NOT + _STRATEGY,
    "kwargs": "evonas settings, such as `population=8`",
}

#: KerasTuner tuner -> its replacement.
TUNERS: Mapping[str, str] = {
    "RandomSearch": '`Evolution(..., strategy="random")`',
    "BayesianOptimization": '`Evolution(...)`: evolution screened by a Gaussian process; or `strategy="tpe"`',
    "Hyperband": "`Evolution(...)`",
    "GridSearch": '`Evolution(..., strategy="random")`: no grid, each set of values once',
    "SklearnTuner": "`evonas.EvolutionSearchCV`",
}

#: Private methods of KerasTuner's Tuner that evonas does not call: overriding one is an error.
PRIVATE = frozenset(
    (
        "_activate_all_conditions",
        "_build_and_fit_model",
        "_build_hypermodel",
        "_configure_tensorboard_dir",
        "_deepcopy_callbacks",
        "_filter_metrics",
        "_get_build_config_fname",
        "_get_checkpoint_fname",
        "_get_tensorboard_dir",
        "_get_tuner_fname",
        "_is_worker",
        "_override_compile_args",
        "_populate_initial_space",
        "_run_and_update_trial",
        "_try_build",
        "_try_run_and_update_trial",
    )
)


def is_called(name: str) -> bool:
    """Whether a method of that name in a subclass of the tuner is called, as in KerasTuner."""
    return name not in PRIVATE and not NAMES["Tuner"].get(name, "").startswith(_NOT)


def missing_attribute_message(kind: str, name: str) -> str:
    """The error message for a missing attribute of "Tuner", "Oracle" or "HyperParameters"."""
    text = NAMES[kind].get(name, "")
    why = text.removeprefix(_NOT) if text.startswith(_NOT) else "see docs/kerastuner.md for those that exist"
    return f"evonas's {kind} has no attribute {name!r}: {why}"


def page() -> str:
    """The text of docs/kerastuner.md."""
    parts = [
        "# Coming from KerasTuner",
        "`from evonas import tuner` and `tuner.Evolution(build, ...)` replace a tuner of KerasTuner. "
        "This page is generated by `tests/tuner/test_names.py` from `evonas/tuner/names.py`, which is compared with "
        "the installed KerasTuner: it lists every public name of Tuner, Oracle and HyperParameters.",
        "## Tuners\n\n" + _table("KerasTuner", "evonas", TUNERS),
        "## Arguments of the constructor\n\n" + _table("argument", "in evonas", ARGUMENTS),
        *(f"## {kind}\n\n" + _table("name", "in evonas", names) for kind, names in NAMES.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {left} | {right} |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in sorted(rows.items()))]
    return "\n".join(lines)
