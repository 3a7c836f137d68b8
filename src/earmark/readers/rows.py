"""Rows of a CSV or TSV file, each with its line number, so that every complaint can name the line."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from earmark.errors import TableError
from earmark.readers.listing import count
from earmark.remote import Place
from earmark.types import Clip, Problem

MAX_BYTES = 512 * 2**20
LONGEST_LINE = 2**20
DELIMITERS = (",", ";", "\t")
TABLE_SUFFIXES = frozenset({".csv", ".tsv"})

_WHOLE = re.compile(r"[0-9]{1,9}")
_BREAKS = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table whose columns are known.

    Parameters
    ----------
    file, name
        Where it is, and what it is called relative to the data set's root.
    delimiter
        What parts its cells.
    rows
        The line number and the cells by column, for every row that is not blank. An optional column that the
        table does not have is empty text.
    columns
        The known columns that the table has.
    problems
        The columns that nobody knows.
    called
        What a column is called in the table, where it is not called by its own name.
    """

    file: Place
    name: str
    delimiter: str
    rows: list[tuple[int, dict[str, str]]]
    columns: frozenset[str]
    problems: tuple[Problem, ...]
    called: Mapping[str, str] = field(default_factory=dict)

    def text(self, line: int, row: dict[str, str], column: str) -> str:
        """Return a cell that must not be empty."""
        if not row[column]:
            raise TableError(self.file, line, f"the {column} is empty.")
        return row[column]

    def whole(self, line: int, row: dict[str, str], column: str, lowest: int, highest: int) -> int:
        """Return a cell that must be a whole number."""
        text = row[column]
        value = int(text) if _WHOLE.fullmatch(text) else -1
        if not lowest <= value <= highest:
            allowed = f"a whole number from {lowest} to {highest}"
            raise TableError(self.file, line, f"the {column} is '{text}', but must be {allowed}.")
        return value


@dataclass(slots=True)
class Kept:
    """Clips in the order of their rows, each of them once.

    Parameters
    ----------
    sheet
        The table that names them.
    """

    sheet: Sheet
    clips: list[Clip] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _lines: dict[tuple[str, float | None, float | None], tuple[int, Clip]] = field(default_factory=dict)

    def add(self, line: int, clip: Clip) -> None:
        """Keep a clip, unless an earlier row says the same; refuse it when an earlier row contradicts it."""
        first, earlier = self._lines.setdefault((clip.path, clip.start, clip.end), (line, clip))
        if first == line:
            self.clips.append(clip)
        elif clip == earlier:
            self.problems.append(Problem("duplicate_row", clip.path, f"line {line} repeats line {first}"))
        elif clip.labels != earlier.labels:
            here, there = "|".join(clip.labels), "|".join(earlier.labels)
            detail = f"'{clip.path}' is '{here}', but line {first} says '{there}'. Keep one of the two lines."
            raise TableError(self.sheet.file, line, detail)
        else:
            detail = (
                f"'{clip.path}' has another group or fold than in line {first}. Keep one of the two lines."
            )
            raise TableError(self.sheet.file, line, detail)


Aliases = Mapping[str, Sequence[str]]


def read_sheet(
    root: Place,
    name: str,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    aliases: Aliases | None = None,
) -> Sheet:
    """Read the table ``name`` below ``root``. Column names may be written in capitals or not.

    Parameters
    ----------
    root, name
        Where it is.
    needed, optional
        The columns that are used.
    aliases
        Other names of a needed column, the first of which is taken where the column itself is not there.

    Raises
    ------
    TableError
        When it lacks a needed column, is not text in UTF-8, is too large, or has rows of uneven length.
    """
    file = root / name
    size = file.stat().st_size
    if size > MAX_BYTES:
        allowed = f"tables up to {MAX_BYTES / 2**20:,.0f} MB are read. Divide it into several."
        raise TableError(file, None, f"it is {size / 2**20:,.0f} MB large; {allowed}")
    aliases = aliases or {}
    delimiter = _delimiter(file, needed, aliases)
    lines = _cells(file, delimiter)
    header, called = _plain(_named(next(lines, (1, []))[1]), aliases)
    _check_header(file, header, needed)
    known = {c.casefold(): c for c in (*needed, *optional)}
    places = [(i, known[c.casefold()]) for i, c in enumerate(header) if c.casefold() in known]
    absent = dict.fromkeys((c for c in optional if c not in {column for _, column in places}), "")
    rows = []
    for line, cells in lines:
        if len(cells) != len(header) and (len(cells) < len(header) or any(cells[len(header) :])):
            uneven = f"{count(len(cells), 'cell')}, but the header names {count(len(header), 'column')}."
            raise TableError(file, line, uneven)
        row = {column: cells[i] for i, column in places}
        if any(map(_BREAKS.search, row.values())):
            raise TableError(file, line, "a cell goes over several lines; is a quotation mark left open?")
        rows.append((line, row | absent))
    if not rows:
        raise TableError(file, None, "it names columns, but has no rows.")
    strange = [
        Problem("unknown_column", name, f"the column '{c}' is not used" if c else f"column {i} has no name")
        for i, c in enumerate(header, 1)
        if c.casefold() not in known
    ]
    return Sheet(file, name, delimiter, rows, frozenset(c for _, c in places), tuple(strange), called)


def has_columns(file: Place, needed: Sequence[str], aliases: Aliases | None = None) -> bool:
    """Say whether the first line of a table names these columns; reads no further."""
    aliases = aliases or {}
    try:
        header = next(_cells(file, _delimiter(file, needed, aliases)), (1, []))[1]
    except (TableError, OSError):
        return False
    return _covers(_plain(header, aliases)[0], needed)


def _plain(header: list[str], aliases: Aliases) -> tuple[list[str], dict[str, str]]:
    """Return the header with the columns' own names, and what it calls them."""
    folded = [c.casefold() for c in header]
    header, called = list(header), dict[str, str]()
    for column, others in aliases.items():
        other = next((name for name in others if name in folded), None)
        if column not in folded and other is not None:
            called[column] = other
            header[folded.index(other)] = column
    return header, called


def _covers(header: list[str], needed: Sequence[str]) -> bool:
    return {c.casefold() for c in needed} <= {c.casefold() for c in header}


def _named(header: list[str]) -> list[str]:
    """Drop the nameless columns that spreadsheets leave on the right."""
    while header and not header[-1]:
        header = header[:-1]
    return header


def _check_header(file: Place, header: list[str], needed: Sequence[str]) -> None:
    if not header:
        raise TableError(
            file, None, f"it is empty. Its first line must name the columns {', '.join(needed)}."
        )
    folded = [c.casefold() for c in header]
    twice = next((c for i, c in enumerate(folded) if c and c in folded[:i]), None)
    if twice:
        raise TableError(file, None, f"two columns are called '{twice}'. Rename one of them.")
    missing = [c for c in needed if c.casefold() not in folded]
    if missing:
        what = f"the column {missing[0]} is" if len(missing) == 1 else f"the columns {', '.join(missing)} are"
        detail = f"{what} missing. Needed: {', '.join(needed)}. Got: {', '.join(filter(None, header))}."
        raise TableError(file, None, detail)


def _delimiter(file: Place, needed: Sequence[str], aliases: Aliases) -> str:
    """Return the delimiter that makes the header name the needed columns, else the one that finds most."""
    headers: dict[str, list[str]] = {}
    failure: TableError | None = None
    for delimiter in DELIMITERS:
        try:
            headers[delimiter] = next(_cells(file, delimiter), (1, []))[1]
        except TableError as error:  # a wrong delimiter trips over the quotation marks of the right one
            failure = failure or error
    if not headers and failure:
        raise failure
    return max(headers, key=lambda d: (_covers(_plain(headers[d], aliases)[0], needed), len(headers[d])))


def _cells(file: Place, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    line = 1
    try:
        with file.open(encoding="utf-8-sig", newline="") as handle:
            # strict, because a forgotten quotation mark would otherwise swallow the rows after it
            reader = csv.reader(_lines(file, handle), delimiter=delimiter, strict=True)
            for cells in reader:
                if any(stripped := [cell.strip() for cell in cells]):
                    yield line, stripped
                line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(
            file, line, f"the cells cannot be told apart ({error}); check the quotation marks."
        ) from None
    except UnicodeDecodeError:
        raise TableError(
            file, _undecodable(file), "this is not UTF-8. Save the table as 'CSV UTF-8'."
        ) from None


def _lines(file: Place, handle: IO[Any]) -> Iterator[str]:
    for line in itertools.count(1):
        text = handle.readline(
            LONGEST_LINE
        )  # bounded, because a file that is no table may be one endless line
        if not text:
            return
        if len(text) == LONGEST_LINE:
            raise TableError(
                file, line, f"the line is longer than {LONGEST_LINE:,} characters; is this a table?"
            )
        yield text


def _undecodable(file: Place) -> int:
    with file.open("rb") as handle:
        for line, raw in enumerate(handle, 1):
            try:
                raw.decode()
            except UnicodeDecodeError:
                return line
    return 1
