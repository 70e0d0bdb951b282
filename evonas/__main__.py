"""`python -m evonas`: the command line."""

from evonas.cli.app import script

if __name__ == "__main__":
    script()
