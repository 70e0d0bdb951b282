"""The command line, one file a command; `evonas.cli.app` puts them together and nobody else does.

What is heavy (pandas, rich) is imported by the command that needs it, inside it.
"""
