"""The one error type that means: what was given cannot be used, and here is how to fix it."""

__all__ = ["InputError"]


class InputError(ValueError):
    """A user's mistake. The text names the constraint, the offending value and the fix.

    Every value that evonas reads (files, arguments, genomes, spaces, settings) is refused with this type and no
    other; the command line prints its text without a traceback and exits with code 2.

    >>> from genomes import DenseSpace
    >>> DenseSpace(layers=-1)
    Traceback (most recent call last):
        ...
    genomes.errors.InputError: network.layers must be a whole number from 0 to 64, not -1
    """
