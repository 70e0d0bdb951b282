"""The command line, one file per command; only `evonas.cli.app` puts them together.

What is heavy (pandas, rich) is imported by the command that needs it, inside it.
"""
