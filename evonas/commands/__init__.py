"""Commands of the command line that have a module of their own; `evonas.cli` puts them together and nobody else does.

What is heavy (pandas, rich) is imported by the command that needs it, inside it.
"""
