"""The surrogate of `surrogate_evolution`, a Gaussian process, and the maximisation of its acquisition function."""
