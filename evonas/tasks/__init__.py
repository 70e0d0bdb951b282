"""What a worker is asked to do, as values: `train` a network, `export` it, `sweep` learning rates. Imports no Keras."""
