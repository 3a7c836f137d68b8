"""What a form of label file is, and what is kept of a file so that it can be written as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from earmark.types import Region

# What the recordings are called in a form, and so what `Reading.rate` is asked for. Empty: the file names none.
Rate = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a person says about a label file that does not say it itself.

    Parameters
    ----------
    label_column
        The column that holds the labels, by its name or its number from 1; of a TextGrid, the tier.
    rate
        Where times are counted in samples: gives the sample rate in Hz of the recording that a row names.
    """

    label_column: str | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is written, apart from what it says.

    Parameters
    ----------
    encoding
        A key of `earmark.labels.text.MARKS`; with a byte order mark where the file has one.
    newline, decimal, delimiter
        What ends a line, what stands before the decimals, and what parts the cells.
    """

    encoding: str = "utf-8"
    newline: str = "\n"
    decimal: str = "."
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of a table of regions holds, by its place.

    Parameters
    ----------
    names
        All of them; the number of a column that has no name.
    start, end, label, low, high, recording
        Where those are; ``None`` where the table lacks them.
    offset
        Raven's ``File Offset (s)``: where in its sound file a selection starts.
    """

    names: tuple[str, ...]
    start: int
    end: int
    label: int | None
    low: int | None = None
    high: int | None = None
    recording: int | None = None
    offset: int | None = None

    @property
    def others(self) -> tuple[tuple[int, str], ...]:
        """The columns that are kept as they are: their places and names."""
        known = {
            self.start, self.end, self.label, self.low, self.high, self.recording, self.offset
        }  # fmt: skip
        return tuple((i, name) for i, name in enumerate(self.names) if i not in known)


@dataclass(frozen=True, slots=True)
class Labels:
    """A label file, whole.

    Parameters
    ----------
    form
        A key of `earmark.labels.FORMS`.
    regions
        What it says, in its order. May be replaced: those that were read and are unchanged are written as they were.
    head
        The text before the first region. Of a TextGrid the whole text, whose regions cannot be told apart.
    style
        How new regions are written.
    columns
        Of a table.
    reading
        What it was read with.
    notes
        What was guessed, each with its line.
    """

    form: str
    regions: tuple[Region, ...]
    head: str = ""
    style: Style = field(default_factory=Style)
    columns: Columns | None = None
    reading: Reading = field(default_factory=Reading)
    notes: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A way in which people write labels down.

    Parameters
    ----------
    name
        Its key in `earmark.labels.FORMS`.
    title
        What it is called by those who use it.
    suffix
        What the name of such a file ends with.
    points
        Whether it knows points: a region without length is then no mistake.
    keeps
        What it has a place for, besides times and labels: ``"frequencies"``, ``"recordings"``, ``"columns"``.
    matches
        Says by the first lines of a text, and the file's name, whether this is it.
    parse
        Reads a whole text; the second argument stands for the file in errors.
    write
        Makes the text of a file: unchanged regions as they were read, the others in the file's style.
    """

    name: str
    title: str
    suffix: str
    points: bool
    keeps: frozenset[str]
    matches: Callable[[str, str], bool]
    parse: Callable[[str, object, Reading], Labels]
    write: Callable[[Labels], str]
