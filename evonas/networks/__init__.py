"""What a network is, in numpy: initial weights, forward pass, what a child inherits. Imports no Keras."""
