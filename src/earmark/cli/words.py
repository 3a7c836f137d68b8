"""Words that a terminal prints and never obeys."""

from __future__ import annotations


def on_one_line(text: str) -> str:
    r"""Show what a terminal would obey rather than print: a file's name may hold anything.

    >>> print(on_one_line("two\nlines"))
    two\nlines
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
