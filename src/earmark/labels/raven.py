"""Raven's selection tables: a tab between cells, a header, the columns in any order."""

from __future__ import annotations

from dataclasses import replace

from earmark.errors import TableError
from earmark.labels.columns import LABEL, is_header, read_header, words
from earmark.labels.form import Columns, Form, Labels, Reading, Style
from earmark.labels.rewrite import rewrite
from earmark.labels.table import is_row, join, read_rows, row, sample, split, with_further_columns
from earmark.labels.text import cut, lines, newline_of, number
from earmark.types import Region

NAME = "raven"
SELECTION, VIEW, CHANNEL = "Selection", "View", "Channel"
TIMES = ("Begin Time (s)", "End Time (s)")
BAND = ("Low Freq (Hz)", "High Freq (Hz)")
PLACE = ("Begin File", "File Offset (s)")
END_FILE = ("End File", "End Path")

_STYLE = Style(delimiter="\t")


def matches(text: str, name: str) -> bool:
    """Say whether the first line names Raven's columns for the times."""
    cells = _header(lines(text))[1]
    folded = {cell.casefold() for cell in cells}
    return {time.casefold() for time in TIMES} <= folded


def _header(every: list[str]) -> tuple[int, list[str]]:
    for line, raw in enumerate(every, 1):
        if is_row(raw, comments=False):
            return line, [cell.strip() for cell in raw.split("\t")]
    return 0, []


def parse(text: str, file: object, reading: Reading) -> Labels:
    """Read a selection table. A selection without a label column is an error, a table without selections is none.

    Where the table says in which sound file a selection begins, its times are those in that file: Raven's
    ``Begin Time`` counts from the start of all files that were open together.

    Raises
    ------
    TableError
        With the line, when it cannot be understood.
    """
    every = lines(text)
    line, cells = _header(every)
    if not is_header(cells):
        detail = f"the first line must name Raven's columns, such as {', '.join(TIMES)}, with tabs between."
        raise TableError(file, line or 1, detail)
    style = replace(_STYLE, newline=newline_of(text))
    columns = read_header(
        cells, sample(every, style, False, file, line), reading.label_column, False, file, line
    )
    regions, head, decimal = read_rows(every, line, columns, style, False, file, Reading())
    if columns.offset is None:
        _one_file(regions, file)
    return Labels(NAME, regions, head, replace(style, decimal=decimal), columns, reading)


def _one_file(regions: tuple[Region, ...], file: object) -> None:
    named = [region for region in regions if region.recording]
    other = next((region for region in named if region.recording != named[0].recording), None)
    if other is not None:
        raise TableError(
            file,
            other.line,
            f"'{cut(other.recording)}' is another sound file than in line {named[0].line}, and nothing says where in"
            f" it the selection lies. Add the column '{PLACE[1]}' in Raven, or save a table for each file.",
        )


def end_file(region: Region) -> str:
    """Return the sound file in which a selection ends, where its table says so."""
    return next((text for name, text in region.extra if name in END_FILE), "")


def write(labels: Labels) -> str:
    """Return the text of a selection table; new selections have the columns that the table has."""
    whole = labels if labels.columns else _made(labels)
    columns = whole.columns
    assert columns is not None  # noqa: S101  (`_made` makes them)

    def shift(region: Region) -> float:
        """Return how long before the region's sound file the sequence of files began."""
        if columns.offset is None or not region.source:
            return 0.0
        cells = split(lines(region.source)[0].rstrip("\r\n"), whole.style, False, "", region.line)
        if len(cells) <= max(columns.offset, columns.start):
            return 0.0
        begin, offset = number(cells[columns.start]), number(cells[columns.offset])
        return 0.0 if begin is None or offset is None else begin - offset

    return rewrite(whole, parse, whole.head, lambda region: row(region, whole, False, shift(region)))


def _made(labels: Labels) -> Labels:
    """Return labels of another form in the columns that Raven needs, and those that they bring."""
    several = any(region.recording for region in labels.regions)
    names = [SELECTION, VIEW, CHANNEL, *TIMES, *BAND, *(PLACE if several else ())]
    regions = []
    for i, region in enumerate(labels.regions, 1):
        own = dict(region.extra)
        # A selection without frequencies can be drawn in a waveform only.
        view = "Waveform 1" if region.low is None and region.high is None else "Spectrogram 1"
        needed = {SELECTION: str(i), VIEW: view, CHANNEL: "1"}
        regions.append(replace(region, extra=tuple((needed | own).items())))
    taken = {name.casefold() for name, _ in (pair for r in regions for pair in r.extra)}
    tiers = [words(name) for name in taken]
    label = "Annotation" if not any(w in tier for w in tiers for tier in LABEL) else "Label"
    names.append(label)
    kept, further = with_further_columns(
        tuple(regions), [n for n in names if n not in (SELECTION, VIEW, CHANNEL)]
    )
    place = {name: i for i, name in enumerate(names)}
    columns = Columns(
        (*names, *(name for name in further if name not in names)),
        place[TIMES[0]], place[TIMES[1]], place[label], place[BAND[0]], place[BAND[1]], place.get(PLACE[0]),
        place.get(PLACE[1]),
    )  # fmt: skip
    head = join(columns.names, Region(0.0, 0.0, ""), NAME, _STYLE, quoted=False) + _STYLE.newline
    return replace(labels, regions=kept, head=head, style=_STYLE, columns=columns)


FORM = Form(
    NAME,
    "Raven selection table",
    ".Table.1.selections.txt",
    False,
    frozenset({"frequencies", "recordings", "columns"}),
    matches,
    parse,
    write,
)
