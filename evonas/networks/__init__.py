"""Networks in numpy: initial weights, forward pass, and inheritance of weights. Imports no Keras."""
