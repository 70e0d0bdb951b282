"""The error type for invalid input."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Invalid input. The message names the constraint, the offending value and the fix.

    All invalid files, arguments, genomes, spaces and settings raise this type; the command line prints the message
    without a traceback and exits with code 2.

    >>> from genomes import DenseSpace
    >>> DenseSpace(layers=-1)
    Traceback (most recent call last):
        ...
    genomes.errors.InputError: network.layers must be a whole number from 0 to 64, not -1
    """
