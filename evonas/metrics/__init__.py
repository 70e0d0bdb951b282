"""Evaluation of networks: `scores` of predictions, metrics by name (`named`), and Keras metrics in numpy.

`problem_scores` combines them: it computes all scores of a network for a run's problem.
"""
