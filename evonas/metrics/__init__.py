"""Evaluation of networks: `scores` of predictions, metrics by name (`named`), and Keras metrics in numpy."""
