"""Spans in a CSV or TSV file: a start, an end and a label a row, with or without a header, in seconds or samples."""

from __future__ import annotations

from dataclasses import replace

from earmark.errors import TableError
from earmark.labels.columns import is_header, numbered, read_header
from earmark.labels.form import Columns, Form, Labels, Reading, Style
from earmark.labels.rewrite import rewrite
from earmark.labels.table import is_row, join, read_rows, row, sample, split, with_further_columns
from earmark.labels.text import cut, lines, newline_of, number
from earmark.types import Region

NAME = "spans"
DELIMITERS = ("\t", ";", ",")
SEVERAL = "|"  # between several labels of one row; in a column that is called `labels`, a comma as well

_NEEDED = 3  # columns
_COLUMNS = Columns(("start", "end", "label"), 0, 1, 2)


def matches(text: str, name: str) -> bool:
    """Say whether the header names a start and an end, or rows without a header begin with them.

    A file that is not called a table is one only if it has a header, or nothing but numbers in four columns or more:
    fewer are Audacity's.
    """
    called = name.casefold().endswith((".csv", ".tsv"))
    every = lines(text)
    try:
        style, header = _dialect(every, "")
        if header:
            return True
        rows = sample(every, style, True, "", 0)
    except TableError:
        return False
    good = sum(len(cells) > 1 and _is_span(*cells[:2]) for cells in rows)
    return 2 * good >= len(rows) > 0 and min(map(len, rows)) >= _NEEDED + (not called)


def _is_span(start: str, end: str) -> bool:
    first, last = number(start), number(end)
    return first is not None and last is not None and first <= last


def parse(text: str, file: object, reading: Reading) -> Labels:
    """Read a table of spans. Column names may be any of the usual ones: see `earmark.labels.columns`.

    Raises
    ------
    TableError
        With the line, when it cannot be understood, or it cannot be told which column holds the labels.
    """
    every = lines(text)
    style, header = _dialect(every, file)
    notes = []
    rows = sample(every, style, True, file, header)
    if header:
        cells = split(every[header - 1].rstrip("\r\n"), style, True, file, header)
        columns = read_header(cells, rows, reading.label_column, reading.rate is not None, file, header)
    elif rows:
        first = next(line for line, raw in enumerate(every, 1) if is_row(raw, comments=True))
        columns = numbered(rows, reading.label_column, file, first)
        if len(columns.names) > _NEEDED and reading.label_column is None:
            notes.append(
                (
                    first,
                    f"there is no header; the labels were taken from column {columns.names[columns.label or 0]}",
                )
            )
    else:
        columns = _COLUMNS
    regions, head, decimal = read_rows(every, header, columns, style, True, file, reading)
    decimal = decimal if style.delimiter != "," else "."
    return Labels(NAME, regions, head, replace(style, decimal=decimal), columns, reading, tuple(notes))


def _dialect(every: list[str], file: object) -> tuple[Style, int]:
    """Return the delimiter and the line of the header, 0 where there is none.

    Raises
    ------
    TableError
        When the first row is neither a header nor a span.
    """
    newline = newline_of(every[0]) if every else "\n"
    first = next((line for line, raw in enumerate(every, 1) if is_row(raw, comments=True)), 0)
    if not first:
        return Style(newline=newline, delimiter=","), 0
    body = every[first - 1].rstrip("\r\n")
    failure: TableError | None = None
    for delimiter in DELIMITERS:
        style = Style(newline=newline, delimiter=delimiter)
        try:
            cells = split(body, style, True, file, first)
        except TableError as error:  # a wrong delimiter trips over the quotation marks of the right one
            failure = failure or error
            continue
        if is_header(cells):
            return style, first
        if len(cells) >= _NEEDED and number(cells[0]) is not None and number(cells[1]) is not None:
            return style, 0
    if failure:
        raise failure
    detail = f"'{cut(body.strip())}' is neither a header with a start and an end, such as start,end,label, nor a span."
    raise TableError(file, first, detail)


def write(labels: Labels) -> str:
    """Return the text of a table of spans."""
    whole = labels if labels.columns else _made(labels)
    return rewrite(whole, parse, whole.head, lambda region: row(region, whole, quoted=True))


def _made(labels: Labels) -> Labels:
    """Return labels of another form with every column that they need."""
    names: list[str] = []
    if any(region.recording for region in labels.regions):
        names.append("path")
    names += _COLUMNS.names
    if any(region.low is not None or region.high is not None for region in labels.regions):
        names += ["low_freq", "high_freq"]
    regions, further = with_further_columns(labels.regions, names)
    place = {name: i for i, name in enumerate(names)}
    columns = Columns(
        (*names, *further), place["start"], place["end"], place["label"], place.get("low_freq"),
        place.get("high_freq"), place.get("path"),
    )  # fmt: skip
    head = join(columns.names, Region(0.0, 0.0, ""), NAME, labels.style, quoted=True) + labels.style.newline
    return replace(labels, regions=regions, head=head, columns=columns)


FORM = Form(
    NAME,
    "table of spans",
    ".csv",
    False,
    frozenset({"frequencies", "recordings", "columns"}),
    matches,
    parse,
    write,
)
