"""The command line's entry: `evonas`, and `python -m evonas`."""

import gc

__all__ = ["script"]


def script() -> None:
    """The console script.

    Garbage collection is disabled during imports, where it would take a tenth of the time and find nothing. Commands
    enable it again: those that train when their search begins, the others when they begin.
    """
    gc.disable()
    from evonas.cli.app import script as command_line

    command_line()


if __name__ == "__main__":
    script()
