"""`python -m evonas`: the command line."""

from evonas.cli import script

if __name__ == "__main__":
    script()
