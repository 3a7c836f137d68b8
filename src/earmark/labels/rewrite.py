"""Writing a file of lines again: what is unchanged as it was, to the byte, and the rest in the file's own style."""

from __future__ import annotations

from collections.abc import Callable

from earmark.errors import TableError
from earmark.labels.form import Labels, Reading
from earmark.labels.text import lines
from earmark.types import Region

Parse = Callable[[str, object, Reading], Labels]


def rewrite(labels: Labels, parse: Parse, head: str, fresh: Callable[[Region], str]) -> str:
    """Return the text of a label file.

    Parameters
    ----------
    labels
        What to write.
    parse
        Reads such a text: a region is written as it was read only if that still says the same.
    head
        What the text begins with.
    fresh
        Makes the lines of a region that is new or was changed, without what ends the last one.
    """
    newline = labels.style.newline
    pieces = [head] if head else []
    for region, same in zip(labels.regions, _unchanged(labels, parse, head), strict=True):
        pieces.append(region.source if same else fresh(region) + newline + _after(region.source))
    whole = [piece if piece.endswith(("\n", "\r")) else piece + newline for piece in pieces[:-1]]
    return "".join(whole + pieces[-1:])


def _unchanged(labels: Labels, parse: Parse, head: str) -> list[bool]:
    """Say of each region whether the text that it was read from still says the same."""
    newline = labels.style.newline
    kept = [region for region in labels.regions if region.source]
    sources = [r.source if r.source.endswith(("\n", "\r")) else r.source + newline for r in kept]
    start = head if not head or head.endswith(("\n", "\r")) else head + newline
    try:
        again = parse(start + "".join(sources), "", labels.reading).regions
    except TableError:  # lines of another file
        return [False] * len(labels.regions)
    if len(again) != len(kept):
        return [False] * len(labels.regions)
    same = iter([before == after for before, after in zip(kept, again, strict=True)])
    return [bool(region.source) and next(same) for region in labels.regions]


def _after(source: str) -> str:
    """Return the blank lines and comments that follow a region in its file, which stay when it changes."""
    every = lines(source)
    last = len(every)
    while last > 1 and (not every[last - 1].strip() or every[last - 1].startswith("#")):  # no row of its own
        last -= 1
    return "".join(every[last:])
