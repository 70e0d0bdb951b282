"""Evaluation of networks: `scores` of predictions, metrics by name (`named`), and Keras metrics in numpy.

`problem_scores` are all of these of one problem: what a run scores a network by.
"""
