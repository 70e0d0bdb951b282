"""The hyperparameter spaces that the contract tests run on."""

from __future__ import annotations

from genomes import Gene, HyperparameterSpace, Range

FLAT_SPACES: dict[str, HyperparameterSpace] = {
    "flat": HyperparameterSpace(
        {
            "units": Range(8, 256, log=True),
            "rate": Range(1e-4, 1e-1, log=True),
            "momentum": Range(0.0, 0.99),
            "penalty": Range(1e-6, 1e-2, log=True, zero=True),
            "activation": ["relu", "tanh", "gelu"],
            "pool": ["avg", "max"],
            "batch_size": [32, 64, 128],
            "augment": [False, True],
            "epochs": 3,
        }
    ),
    "conditional": HyperparameterSpace(
        {
            "layers": Range(1, 3),
            "units_2": Gene(Range(4, 64), when={"layers": {"low": 2}}),
            "units_3": {"options": [4, 8, 16], "when": {"layers": 3}},
            "regularise": [False, True],
            "kind": {"options": ["dropout", "l2"], "when": {"regularise": True}},
            "a_share": {"low": 0.05, "high": 0.5, "when": {"kind": "dropout", "layers": [2, 3]}},
            "z_penalty": {"low": 1e-6, "high": 1e-2, "log": True, "when": {"kind": ["l2"]}},
            "constant": {"options": [7], "when": {"regularise": False}},
        }
    ),
    "one number": HyperparameterSpace({"x": Range(-1.0, 1.0)}),
    "one switch": HyperparameterSpace({"x": [True, False]}),
    "one fixed value": HyperparameterSpace({"x": 0.5, "name": '🙂 "quoted" \\'}),
}
