"""Audacity's label tracks: ``start``, ``end`` and label parted by tabs, and perhaps a line of frequencies after it."""

from __future__ import annotations

import functools
import re

from earmark.errors import TableError
from earmark.labels.form import Form, Labels, Reading, Style
from earmark.labels.rewrite import rewrite
from earmark.labels.text import (
    cut,
    frequencies,
    is_number,
    lines,
    newline_of,
    number,
    on_one_line,
    rounded,
    times,
)
from earmark.types import Region

NAME = "audacity"
DECIMALS = 6  # as Audacity writes them
MOST_DECIMALS = 15

_SAMPLE = 50  # lines by which the form is known
_BARE, _LABELLED = 2, 3  # cells of a line without and with a label
_FRACTION = re.compile(r"[.,]([0-9]+)")


def matches(text: str, name: str) -> bool:
    """Say whether most of the first lines, and the first one, are labels, and there is room for names in them.

    A table of nothing but numbers in four columns or more is none: nobody can tell which of them is the label.
    """
    if name.casefold().endswith((".csv", ".tsv")):
        return False
    rows = [line.strip("\r\n") for line in lines(text) if line.strip() and not line.startswith("\\")]
    cells = [row.split("\t") for row in rows[:_SAMPLE]]
    good = [_is_label(row) for row in cells]
    named = any(len(row) > _BARE or number(row[-1].strip()) is None for row in cells)
    tables = sum(len(row) > _LABELLED and all(is_number(cell.strip()) for cell in row) for row in cells)
    return named and good[0] and 2 * sum(good) >= len(good) and tables < len(cells)


def _is_label(row: list[str]) -> bool:
    if len(row) < _BARE:
        return False
    start, end = number(row[0].strip()), number(row[1].strip())
    return start is not None and (end is None or start <= end)


def parse(text: str, file: object, reading: Reading) -> Labels:
    """Read a label track; several in one file, as Audacity exports them, are read as one.

    The label is the rest of the line. A line with one time is a point, as Audacity takes it. Lines after a region that
    begin with a backslash belong to it; the first has its frequencies.

    Raises
    ------
    TableError
        With the line, when it cannot be understood.
    """
    head = source = ""
    regions: list[Region] = []
    at = further = commas = 0
    start = end = 0.0
    label = ""
    band: tuple[float | None, float | None] = (None, None)
    for line, raw in enumerate(lines(text), 1):
        body = raw.rstrip("\r\n")
        if body.startswith("\\"):
            if not at or at + further + 1 != line:
                raise TableError(file, line, "a line of frequencies without a label before it.")
            if not further:
                band = _frequencies(body, file, line)
            further += 1
            source += raw
        elif not body.strip():
            if at:
                source += raw
            else:
                head += raw
        else:
            if at:
                regions.append(Region(start, end, label, *band, line=at, source=source))
            first, last, label = _split(body, file, line)
            start, end = times(first, last, file, line)
            commas += "," in first
            at, further, source, band = line, 0, raw, (None, None)
    if at:
        regions.append(Region(start, end, label, *band, line=at, source=source))
    style = Style(newline=newline_of(text), decimal="," if commas else ".")
    return Labels(NAME, tuple(regions), head, style)


def _split(body: str, file: object, line: int) -> tuple[str, str, str]:
    cells = body.split("\t", 2)
    start = cells[0].strip()
    if len(cells) == 1:
        if not is_number(start):
            detail = f"'{cut(body)}' is not a label, which is a start, an end and a name with tabs between."
            raise TableError(file, line, detail)
        return start, start, ""
    end = cells[1].strip()
    if number(end) is None and not is_number(end):
        return start, start, "\t".join(cells[1:]).strip()
    return start, end, cells[2].strip() if len(cells) > _BARE else ""


def _frequencies(body: str, file: object, line: int) -> tuple[float | None, float | None]:
    mark, *cells = body.split("\t")
    if mark != "\\" or len(cells) < 2:
        raise TableError(
            file, line, f"'{cut(body)}' should be a backslash and two frequencies with tabs between."
        )
    return frequencies(cells[0].strip() or "?", cells[1].strip() or "?", file, line)


def write(labels: Labels) -> str:
    """Return the text of a label track. Times have six decimals, or as many as the file had before."""
    style = labels.style

    @functools.cache
    def decimals() -> int:
        return max((DECIMALS, *(len(x) for r in labels.regions for x in _FRACTION.findall(_times(r)))))

    def fresh(region: Region) -> str:
        def put(value: float | None) -> str:
            return rounded(-1.0 if value is None else value, min(decimals(), MOST_DECIMALS), style.decimal)

        label = on_one_line(region, region.label, NAME)
        text = f"{put(region.start)}\t{put(region.end)}\t{label}"
        if region.low is not None or region.high is not None:
            text += f"{style.newline}\\\t{put(region.low)}\t{put(region.high)}"
        return text

    return rewrite(labels, parse, labels.head, fresh)


def _times(region: Region) -> str:
    """Return what a region of a label track was read from, without its label."""
    return "\t".join(
        "\t".join(line.split("\t", 3)[: 3 if line.startswith("\\") else 2]) for line in lines(region.source)
    )


FORM = Form(NAME, "Audacity label track", ".txt", True, frozenset({"frequencies"}), matches, parse, write)
