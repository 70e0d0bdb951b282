"""A user's file for the command line: a build function and a custom layer."""

import keras


@keras.saving.register_keras_serializable("tests")
class Doubling(keras.layers.Layer):
    def call(self, x):
        return 2 * x


def build_model(genes, problem):
    """A small network with a custom layer."""
    if genes.units > 6:
        raise ValueError(f"{genes.units} units are too many")
    shape = problem.input_shapes[0] if problem.input_shapes else (problem.num_features,)
    hidden = [keras.layers.Flatten(), keras.layers.Dense(genes.units, activation=genes.activation), Doubling()]
    return keras.Sequential([keras.Input(shape), *hidden, keras.layers.Dense(problem.num_outputs)])
