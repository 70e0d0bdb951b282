"""Requests to workers as values: `train` a network, `export` it, `sweep` learning rates. Imports no Keras."""
