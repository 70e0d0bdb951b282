"""The surrogate of `surrogate_evolution`: a Gaussian process on evaluations, and the search of its acquisition
function.
"""
