"""Escapes text from data for display: no character may move the cursor, start a line or hide other text."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: object) -> str:
    r"""The text on one line, with unprintable characters escaped as Python writes them.

    >>> printable("a\x1b[2J\nb\u202e")
    'a\\x1b[2J\\nb\\u202e'
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(text))
