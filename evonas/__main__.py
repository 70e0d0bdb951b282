"""`python -m evonas`: the command line."""

from evonas.cli import main

if __name__ == "__main__":
    main()
