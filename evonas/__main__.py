"""The command line's entry: `evonas`, and `python -m evonas`."""

import gc

__all__ = ["script"]


def script() -> None:
    """The console script.

    Garbage is not collected while libraries are imported, which takes a tenth of that time and finds nothing. Commands
    turn it on again: those that train as their search begins, the others as they begin.
    """
    gc.disable()
    from evonas.cli.app import script as command_line

    command_line()


if __name__ == "__main__":
    script()
