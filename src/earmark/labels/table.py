"""Tables of regions, row by row: what Raven, ``.segments`` and CSV files have in common."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace

from earmark.errors import TableError
from earmark.labels.form import Columns, Labels, Reading, Style
from earmark.labels.text import LATEST, cut, exact, frequencies, number, on_one_line, times
from earmark.types import Region

SAMPLE = 50  # rows by which columns are known


def split(body: str, style: Style, quoted: bool, file: object, line: int) -> list[str]:
    """Return the cells of a row, without the blanks around them.

    Raises
    ------
    TableError
        When quotation marks are left open.
    """
    if not quoted or '"' not in body:
        return [cell.strip() for cell in body.split(style.delimiter)]
    try:
        found = next(csv.reader([body], delimiter=style.delimiter, strict=True), [])
    except csv.Error as error:
        detail = f"the cells cannot be told apart ({error}); check the quotation marks."
        raise TableError(file, line, detail) from None
    return [cell.strip() for cell in found]


def is_row(body: str, comments: bool) -> bool:
    """Say whether a line is neither blank nor, where there are such, a comment."""
    return bool(body.strip()) and not (comments and body.startswith("#"))


def has_comments(columns: Columns) -> bool:
    """Say whether lines that begin with # are comments: only where they cannot be rows, which begin with a time."""
    return 0 in (columns.start, columns.end)


def sample(every: Sequence[str], style: Style, quoted: bool, file: object, skip: int) -> list[list[str]]:
    """Return the cells of the first rows after a header in line ``skip``; from the start when that is 0."""
    found: list[list[str]] = []
    for line, raw in enumerate(every, 1):
        if line > skip and is_row(raw, comments=True):
            found.append(split(raw.rstrip("\r\n"), style, quoted, file, line))
            if len(found) == SAMPLE:
                break
    return found


def read_rows(
    every: Sequence[str],
    skip: int,
    columns: Columns,
    style: Style,
    quoted: bool,
    file: object,
    reading: Reading,
) -> tuple[tuple[Region, ...], str, str]:
    """Return the regions, the text before the first, and the decimal separator.

    Parameters
    ----------
    every
        All lines of the file.
    skip
        The line of the header; 0 where there is none.

    Raises
    ------
    TableError
        With the line, when a row cannot be understood.
    """
    regions: list[Region] = []
    head = after = decimal = ""
    cells: list[str] = []
    last, others, comments = 0, columns.others, quoted and has_comments(columns)
    for line, raw in enumerate(every, 1):
        if line <= skip or not is_row(raw, comments):
            if last:
                after += raw
            else:
                head += raw
            continue
        if last:
            regions.append(_region(cells, columns, others, style, file, last, after, reading))
        cells, last, after = split(raw.rstrip("\r\n"), style, quoted, file, line), line, raw
        if not decimal and len(cells) > columns.start:
            decimal = next((mark for mark in ",." if mark in cells[columns.start]), "")
    if last:
        regions.append(_region(cells, columns, others, style, file, last, after, reading))
    return tuple(regions), head, decimal or "."


def _region(
    cells: list[str], columns: Columns, others: Sequence[tuple[int, str]], style: Style, file: object, line: int,
    source: str, reading: Reading,
) -> Region:  # fmt: skip
    width = len(columns.names)
    if len(cells) > width and any(cells[width:]):
        raise TableError(file, line, f"{len(cells)} cells, but there are {width} columns.")
    if len(cells) <= max(columns.start, columns.end):
        at = max(columns.start, columns.end) + 1
        raise TableError(
            file, line, f"{len(cells)} cells, but the times are in {at}. Is the delimiter right?"
        )
    if len(cells) < width:
        cells = cells + [""] * (width - len(cells))
    start, end = cells[columns.start], cells[columns.end]
    if style.delimiter == "," and ("," in start or "," in end):
        # No decimal comma: such a file cannot be told from one with more columns.
        start, end = start.replace(",", "?"), end.replace(",", "?")
    recording = "" if columns.recording is None else cells[columns.recording]
    first, last = (
        times(start, end, file, line)
        if reading.rate is None
        else _samples(start, end, recording, reading, file, line)
    )
    if columns.offset is not None and recording and cells[columns.offset]:
        within, _ = times(cells[columns.offset], cells[columns.offset], file, line)
        first, last = within, within + (last - first)
    low = "" if columns.low is None else cells[columns.low]
    high = "" if columns.high is None else cells[columns.high]
    return Region(
        first,
        last,
        "" if columns.label is None else cells[columns.label],
        *(frequencies(low, high, file, line) if low or high else (None, None)),
        recording,
        tuple([(name, cells[i]) for i, name in others if cells[i]]),
        line,
        source,
    )


def _samples(
    start: str, end: str, recording: str, reading: Reading, file: object, line: int
) -> tuple[float, float]:
    """Return a span in seconds that is written in samples."""
    assert reading.rate is not None  # noqa: S101  (for the type checker)
    rate = reading.rate(recording)
    found = []
    for text, what in ((start, "start"), (end, "end")):
        value = number(text)
        if value is None or not (0 <= value <= LATEST * rate and value.is_integer()):
            detail = f"the {what} is '{cut(text)}', but must be a whole number of samples. Leave out --unit samples?"
            raise TableError(file, line, detail)
        found.append(value)
    first, last = found
    if last < first:
        raise TableError(file, line, f"the end (sample {last:.0f}) lies before the start ({first:.0f}).")
    return first / rate, last / rate


def row(region: Region, labels: Labels, quoted: bool, shift: float = 0.0) -> str:
    """Return a new row for a region, in the columns that the table has.

    Parameters
    ----------
    shift
        Seconds from the start of the region's recording to where times are counted from.
    """
    columns, style, reading = labels.columns, labels.style, labels.reading
    assert columns is not None  # noqa: S101  (of a table there always are)
    cells = [""] * len(columns.names)
    places = {name: i for i, name in columns.others}
    for name, text in region.extra:
        if name in places:
            cells[places[name]] = text

    def put(place: int | None, text: str) -> None:
        if place is not None:
            cells[place] = text

    if reading.rate is not None:
        rate = reading.rate(region.recording)
        first, last = (str(round(t * rate)) for t in (region.start, region.end))
    else:
        first, last = (exact(t + shift, style.decimal) for t in (region.start, region.end))
    put(columns.start, first)
    put(columns.end, last)
    put(columns.label, region.label)
    put(columns.low, "" if region.low is None else exact(region.low, style.decimal))
    put(columns.high, "" if region.high is None else exact(region.high, style.decimal))
    put(columns.recording, region.recording)
    put(columns.offset, exact(region.start, style.decimal) if region.recording else "")
    return join(cells, region, labels.form, style, quoted)


def join(cells: Sequence[str], region: Region, form: str, style: Style, quoted: bool) -> str:
    """Return cells as a line, or refuse what a line cannot hold."""
    if quoted:
        return style.delimiter.join(_quote(on_one_line(region, cell, form), style) for cell in cells)
    return style.delimiter.join(on_one_line(region, cell, form, style.delimiter) for cell in cells)


def _quote(cell: str, style: Style) -> str:
    if style.delimiter in cell or '"' in cell or cell.startswith("#"):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def with_further_columns(
    regions: tuple[Region, ...], taken: Sequence[str]
) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """Return the names of the columns that regions bring beyond ``taken``, and the regions with those names.

    A name that is taken already gets a number.
    """
    folded = {name.casefold() for name in taken}
    named: dict[str, str] = {}
    for region in regions:
        for name, _ in region.extra:
            if name not in named:
                new, i = name, 2
                while new.casefold() in folded:
                    new, i = f"{name} {i}", i + 1
                folded.add(new.casefold())
                named[name] = new
    if any(name != new for name, new in named.items()):
        regions = tuple(replace(r, extra=tuple((named[n], text) for n, text in r.extra)) for r in regions)
    return regions, tuple(named.values())
