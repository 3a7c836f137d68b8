"""``.segments`` files, as pyAudioAnalysis has them: start, end and label, parted by tabs or commas."""

from __future__ import annotations

from dataclasses import replace

from earmark.errors import TableError
from earmark.labels.form import Columns, Form, Labels, Reading, Style
from earmark.labels.rewrite import rewrite
from earmark.labels.table import is_row, read_rows, row, split
from earmark.labels.text import cut, lines, newline_of

NAME = "segments"
SUFFIX = ".segments"
_HEADLESS = ("start", "end", "label")


def matches(text: str, name: str) -> bool:
    """Say whether the file is called so."""
    return name.casefold().endswith(SUFFIX)


def parse(text: str, file: object, reading: Reading) -> Labels:
    """Read the segments. What follows the label in a line is kept, and not used.

    Raises
    ------
    TableError
        With the line, when it cannot be understood.
    """
    every = lines(text)
    rows = [(line, raw) for line, raw in enumerate(every, 1) if is_row(raw, comments=False)]
    delimiter = "," if rows and "\t" not in rows[0][1] and "," in rows[0][1] else "\t"
    style = Style(newline=newline_of(text), delimiter=delimiter)
    width = max((raw.count(delimiter) + 1 for _, raw in rows), default=3)
    columns = Columns((*_HEADLESS, *map(str, range(4, width + 1))), 0, 1, 2)
    for line, raw in rows[:1]:
        if len(split(raw, style, False, file, line)) < len(_HEADLESS):
            detail = f"'{cut(raw.strip())}' is not a segment, which is a start, an end and a label with tabs between."
            raise TableError(file, line, detail)
    regions, head, decimal = read_rows(every, 0, columns, style, False, file, Reading())
    return Labels(NAME, regions, head, Style(style.encoding, style.newline, decimal, delimiter), columns)


def write(labels: Labels) -> str:
    """Return the text of a file of segments."""
    whole = labels
    if not labels.columns:
        style = replace(labels.style, delimiter="\t")
        whole = replace(labels, style=style, columns=Columns(_HEADLESS, 0, 1, 2))
    return rewrite(whole, parse, whole.head, lambda region: row(region, whole, quoted=False))


FORM = Form(NAME, "segments", SUFFIX, False, frozenset(), matches, parse, write)
