"""Flat typed genes, for user-defined models.

`HyperparameterSpace` defines the genes: numbers (whole or real, on a linear or logarithmic scale), choices, booleans
and fixed values, each active always or only for some values of other genes. A `HyperparameterGenome` has a value for
each active gene: a read-only mapping with attribute access, which is passed to the build function::

    from genomes import Gene, HyperparameterSpace, Range

    space = HyperparameterSpace(
        {
            "units": Range(8, 256, log=True),
            "activation": ["relu", "tanh"],
            "regularise": [False, True],
            "dropout": Gene(Range(0.05, 0.5), when={"regularise": True}),
        }
    )

The same in a TOML file::

    encoding = "hyperparameters"

    [genes]
    units = { low = 8, high = 256, log = true }
    activation = ["relu", "tanh"]
    regularise = [false, true]
    dropout = { low = 0.05, high = 0.5, when = { regularise = true } }

`MUTATIONS` lists the mutations. `space.genes` and `space.from_values` let other programs (Optuna's samplers) describe
the space and create genomes.
"""

from genomes.hyperparameters.genome import HyperparameterGenome
from genomes.hyperparameters.mutation import MUTATIONS
from genomes.hyperparameters.space import HyperparameterSpace

__all__ = ["MUTATIONS", "HyperparameterGenome", "HyperparameterSpace"]
