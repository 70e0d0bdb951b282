"""Networks in numpy: initial weights, the forward pass, and weight inheritance. Imports no Keras."""
