"""Evolution with a surrogate: the strategy, its Gaussian process, and the maximisation of its acquisition function."""
