"""The surrogate of `surrogate_evolution`: a Gaussian process on what was trained, and what is chosen by it."""
