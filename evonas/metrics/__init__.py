"""What a network is judged by: `scores` of its predictions, metrics by name (`named`), Keras's own in numpy."""
