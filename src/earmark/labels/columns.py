"""What the columns of a table of regions mean, by the names that people give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from earmark.errors import TableError, nearest
from earmark.labels.form import Columns
from earmark.labels.text import cut, is_number

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_SECONDS = frozenset({"s", "sec", "secs", "second", "seconds"})
_SAMPLES = frozenset({"sample", "samples", "samp"})
_SHORTER = frozenset({"ms", "msec", "millisecond", "milliseconds", "us", "min", "minutes", "hours"})
_HERTZ = frozenset({"hz"})
_DROPPED = frozenset({"time", "times", "t", "position"}) | _SECONDS | _SAMPLES | _HERTZ


def _any(*names: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(name.split()) for name in names)


START = _any("start", "begin", "onset", "from", "tmin", "starttime", "begintime")
END = _any("end", "stop", "offset", "to", "tmax", "finish", "endtime", "stoptime")
LOW = _any(
    "low freq", "low frequency", "low", "min freq", "min frequency", "fmin", "f min", "bottom freq",
)  # fmt: skip
HIGH = _any(
    "high freq", "high frequency", "high", "max freq", "max frequency", "fmax", "f max", "top freq",
)  # fmt: skip
RECORDING = _any(
    "path", "begin path", "begin file", "filepath", "file path", "filename", "file name", "fname", "file",
    "recording", "audio", "audio file", "sound file", "sound files", "wav",
)  # fmt: skip
OFFSET = _any("file offset")
# Of the first of these that a table has, one column is the label; of two, nobody can tell.
LABEL = (
    _any("label"),
    _any("labels"),
    _any(
        "annotation", "annotations", "species", "class", "classes", "class name", "classname", "category", "tag",
        "tags", "event", "event label", "sound type", "label name",
    ),
)  # fmt: skip
# Names of one thing, as BirdNET gives it: the first that a table has.
NAMES = _any("common name", "scientific name", "species code")
PERHAPS = _any(
    "call type", "call", "code", "name", "type", "text", "word", "speaker", "description",
)  # fmt: skip
# Text that is never a label.
NEVER = _any(
    "view", "channel", "selection", "end file", "end path", "begin date", "begin clock", "end clock",
    "begin date time", "end date", "notes", "note", "comment", "comments",
)  # fmt: skip


def words(name: str) -> frozenset[str]:
    """Return the words of a column's name in small letters.

    >>> sorted(words("Begin Time (s)")), sorted(words("startSample")), sorted(words("event_label"))
    (['begin', 's', 'time'], ['sample', 'start'], ['event', 'label'])
    """
    return frozenset(word.casefold() for word in _WORD.findall(name))


def is_header(cells: Sequence[str]) -> bool:
    """Say whether a row names the columns of a table of regions."""
    bare = [words(cell) - _DROPPED - _SHORTER for cell in cells]
    return _first(bare, START) is not None and _first(bare, END) is not None


def read_header(
    cells: Sequence[str],
    rows: Sequence[Sequence[str]],
    wanted: str | None,
    samples: bool,
    file: object,
    line: int,
) -> Columns:
    """Return what the columns of a table hold.

    Parameters
    ----------
    cells
        Its header.
    rows
        Some of its first rows.
    wanted
        The column with the labels, where a person says so.
    samples
        Whether times are counted in samples.

    Raises
    ------
    TableError
        When a needed column is missing, or it cannot be told which one it is.
    """
    names = _names(cells, file, line)
    every = [words(name) for name in names]
    timed = [w - _DROPPED if _counts(w, samples) else None for w in every]
    start, end = _first(timed, START), _first(timed, END)
    if start is None or end is None:
        raise TableError(file, line, _without_times(names, every, samples))
    taken = {start, end}
    label = None if wanted is None else _wanted(names, wanted, taken, file, line)
    if label is not None:
        taken.add(label)
    bare = [None if "khz" in w else w - _DROPPED for w in every]
    low, high, recording, offset = (_first(bare, kind, taken) for kind in (LOW, HIGH, RECORDING, OFFSET))
    if recording is None:
        offset = None  # of no file
    taken |= {i for i in (low, high, recording, offset) if i is not None}
    if label is None:
        free = [None if i in taken else b for i, b in enumerate(bare)]
        label = _guessed(names, free, rows, False, file, line)
    return Columns(names, start, end, label, low, high, recording, offset)


def _counts(name: frozenset[str], samples: bool) -> bool:
    """Say whether a column may hold times in samples, or else in seconds."""
    other = _SECONDS if samples else _SAMPLES
    return not name & (_SHORTER | other)


def numbered(rows: Sequence[Sequence[str]], wanted: str | None, file: object, line: int) -> Columns:
    """Return what the columns of a table without a header hold: start, end, and one with labels.

    Raises
    ------
    TableError
        When it cannot be told which column that is.
    """
    width = max(map(len, rows))
    names = tuple(str(i + 1) for i in range(width))
    if wanted is not None:
        return Columns(names, 0, 1, _wanted(names, wanted, {0, 1}, file, line))
    free = [None, None, *[frozenset[str]()] * (width - 2)]
    return Columns(names, 0, 1, _guessed(names, free, rows, True, file, line))


def _names(cells: Sequence[str], file: object, line: int) -> tuple[str, ...]:
    names = tuple(cell.strip() or str(i) for i, cell in enumerate(cells, 1))
    folded = [name.casefold() for name in names]
    twice = next((name for i, name in enumerate(folded) if name in folded[:i]), None)
    if twice:
        raise TableError(file, line, f"two columns are called '{cut(twice)}'. Rename one of them.")
    return names


def _first(
    every: Sequence[frozenset[str] | None], kind: tuple[frozenset[str], ...], taken: set[int] | None = None
) -> int | None:
    """Return the column that bears the first of the names that any bears."""
    for name in kind:
        for i, bare in enumerate(every):
            if bare == name and i not in (taken or ()):
                return i
    return None


def _without_times(names: tuple[str, ...], every: list[frozenset[str]], samples: bool) -> str:
    listed = ", ".join(map(cut, names))
    for name, w in zip(names, every, strict=True):
        if (w - _DROPPED - _SHORTER) in (*START, *END):
            if w & _SHORTER:
                return f"the column '{cut(name)}' is not in seconds. Give seconds, or samples with --unit samples."
            if w & _SAMPLES and not samples:
                return f"the column '{cut(name)}' counts samples. Type: --unit samples"
            if w & _SECONDS and samples:
                return f"the column '{cut(name)}' is in seconds. Leave out --unit samples."
    return f"no column for the start or the end of a region, such as 'start' and 'end'. Its columns are: {listed}."


def _guessed(
    names: tuple[str, ...], free: Sequence[frozenset[str] | None], rows: Sequence[Sequence[str]],
    numbers: bool, file: object, line: int,
) -> int | None:  # fmt: skip
    """Return the column with the labels, among those that hold nothing else; ``None`` of a table without rows.

    The last way to tell is that a single column has text in it, or is all that is left if ``numbers`` may be labels.
    """
    named = _first(free, NAMES)
    perhaps = [i for i, bare in enumerate(free) if i == named or bare in PERHAPS]
    for found in (*([i for i, bare in enumerate(free) if bare in tier] for tier in LABEL), perhaps):
        if len(found) == 1 or (found and not rows):
            return found[0]
        if found:
            several = " and ".join(f"'{cut(names[i])}'" for i in found)
            hint = f"Type: --label-column '{cut(names[found[0]])}'"
            raise TableError(file, line, f"the label may be in any of the columns {several}. {hint}")
    left = [i for i, bare in enumerate(free) if bare is not None and bare not in NEVER]
    columns = list(zip_longest(*rows, fillvalue=""))
    texts = [i for i in left if i < len(columns) and any(cell and not is_number(cell) for cell in columns[i])]
    likely = texts or left
    if len(likely) == 1 and (texts or numbers):
        return likely[0]
    if not rows:
        return None
    listed = ", ".join(f"'{cut(name)}'" for name in names)
    if not likely:
        raise TableError(file, line, f"no column is left for the label. The columns are: {listed}.")
    if numbers:
        detail = f"there is no header, and the label may be in any of the columns {names[2]} to {names[-1]}."
        raise TableError(file, line, f"{detail} Type, for instance: --label-column {names[likely[0]]}")
    hint = f"Type, for instance: --label-column '{cut(names[likely[0]])}'"
    raise TableError(file, line, f"which column holds the label? There are: {listed}. {hint}")


def _wanted(names: tuple[str, ...], wanted: str, taken: set[int], file: object, line: int) -> int:
    folded = [name.casefold() for name in names]
    place = folded.index(wanted.casefold()) if wanted.casefold() in folded else -1
    if place < 0 and wanted.isascii() and wanted.isdigit() and 0 < int(wanted[:9]) <= len(names):
        place = int(wanted) - 1
    if place < 0:
        listed = ", ".join(f"'{cut(name)}'" for name in names)
        raise TableError(
            file,
            line,
            f"no column is called '{cut(wanted)}'. The columns are: {listed}.{nearest(wanted, names)}",
        )
    if place in taken:
        detail = f"the column '{cut(names[place])}' holds times, not labels. Give another --label-column."
        raise TableError(file, line, detail)
    return place
