"""The command line, one file per command; only `evonas.cli.app` puts them together.

Heavy packages (pandas, rich) are imported lazily by the commands that need them.
"""
