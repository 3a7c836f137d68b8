"""Label files: what people wrote down about a recording. Each form is one file, and one line in `FORMS`.

A file is read whole, with its lines, and written again to the byte where nothing was changed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from earmark.errors import DataError, TableError, UnknownNameError
from earmark.files import write_atomically
from earmark.labels import audacity, raven, segments, spans, textgrid
from earmark.labels.form import Columns, Form, Labels, Reading, Style
from earmark.labels.text import MARKS, decode, encode
from earmark.remote import Place
from earmark.types import Region

__all__ = [
    "FORMS",
    "SUFFIXES",
    "Columns",
    "Form",
    "Labels",
    "Reading",
    "Region",
    "Style",
    "converted",
    "first_lines",
    "form_of",
    "losses",
    "parse",
    "read_labels",
    "to_bytes",
    "write_labels",
]

MAX_BYTES = 64 * 2**20
# What the names of label files end with.
SUFFIXES = frozenset({".txt", ".csv", ".tsv", ".segments", ".textgrid"})

# In the order in which they are tried.
FORMS: dict[str, Form] = {
    form.name: form for form in (textgrid.FORM, raven.FORM, segments.FORM, audacity.FORM, spans.FORM)
}

_LOOKED_AT = 2**16  # bytes by which a form is known


def form_of(path: Place) -> Form | None:
    """Return the form that a file has, by its name and first lines; ``None`` when it is of no known one.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    text = first_lines(path)
    return next((form for form in FORMS.values() if form.matches(text, path.name)), None)


def first_lines(path: Place) -> str:
    """Return what a file begins with, in whole lines; nothing of one that is no text."""
    with path.open("rb") as file:
        data = file.read(_LOOKED_AT)
    if len(data) == _LOOKED_AT:
        data = data[: data.rfind(b"\n") + 1] or data
        if data.startswith(MARKS["utf-16-le"]) and len(data) % 2:
            data += b"\0"  # the other half of the line feed
    try:
        return decode(data, path)[0]
    except TableError:
        return ""


def read_labels(path: Place, form: str | None = None, reading: Reading | None = None) -> Labels:
    r"""Read a label file.

    Parameters
    ----------
    path
        The file.
    form
        A key of `FORMS`; found out by default.
    reading
        What the file does not say itself.

    Raises
    ------
    TableError
        With file and line, when it cannot be understood, is of no known form, or is larger than allowed.
    UnknownNameError
        For a form that there is not.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     track = Path(folder, "dawn.txt")
    ...     _ = track.write_bytes(b"0.5\t1.25\tdog\r\n\\\t200\t4000\r\n")
    ...     labels = read_labels(track)
    >>> labels.form, labels.regions[0].high, to_bytes(labels)
    ('audacity', 4000.0, b'0.5\t1.25\tdog\r\n\\\t200\t4000\r\n')
    """
    if form is not None and form not in FORMS:
        raise UnknownNameError("form", form, FORMS)
    size = path.stat().st_size
    with path.open("rb") as file:
        data = file.read(min(size, MAX_BYTES) + 1)
        if len(data) > size:  # it grew meanwhile
            data += file.read(MAX_BYTES)
    if max(size, len(data)) > MAX_BYTES:
        allowed = f"label files up to {MAX_BYTES / 2**20:,.0f} MB are read. Divide it into several."
        raise TableError(path, None, f"it is {size / 2**20:,.0f} MB large; {allowed}")
    if form is None:
        found = form_of(path)
        if found is None and data.strip():
            names = ", ".join(f"{known.title} ({name})" for name, known in FORMS.items())
            raise TableError(path, 1, f"this is no label file that is known. There are: {names}.")
        form = found.name if found else audacity.NAME  # nothing was heard
    return parse(data, form, path, reading)


def parse(data: bytes, form: str, file: object = "", reading: Reading | None = None) -> Labels:
    """Read the bytes of a label file. Raises as `read_labels` does; ``file`` stands for it in errors."""
    text, encoding = decode(data, file)
    labels = FORMS[form].parse(text, file, reading or Reading())
    return replace(labels, style=replace(labels.style, encoding=encoding))


def to_bytes(labels: Labels) -> bytes:
    """Return a label file as it is written: to the byte as it was read, if no region has changed.

    Raises
    ------
    DataError
        When a label holds what its form has no place for, such as a line break.
    """
    return encode(FORMS[labels.form].write(labels), labels.style.encoding)


def write_labels(path: Path, labels: Labels) -> None:
    """Write a label file, atomically. Raises as `to_bytes` does, and `OSError` as the system says it."""
    write_atomically(path, to_bytes(labels))


def converted(labels: Labels, form: str) -> Labels:
    r"""Return the regions as a file of another form.

    Raises
    ------
    DataError
        When they are of several recordings, and the form has no place for their names.
    UnknownNameError
        For a form that there is not.

    Examples
    --------
    >>> to_bytes(converted(Labels("audacity", (Region(0.5, 1.25, "dog"),)), "spans"))
    b'start,end,label\n0.5,1.25,dog\n'
    """
    if form not in FORMS:
        raise UnknownNameError("form", form, FORMS)
    if form == labels.form:
        return labels
    recordings = dict.fromkeys(region.recording for region in labels.regions if region.recording)
    if len(recordings) > 1 and "recordings" not in FORMS[form].keeps:
        raise DataError(
            f"The labels are of {len(recordings)} recordings, such as {next(iter(recordings))}, and the form"
            f" '{form}' has no place for their names. Take the form 'spans' or 'raven'."
        )
    return Labels(form, tuple(replace(region, source="") for region in labels.regions))


def losses(labels: Labels, form: str) -> list[str]:
    """Return what `converted` loses, each as a phrase for a person.

    >>> losses(Labels("audacity", (Region(0.5, 1.25, "dog", low=200.0),)), "segments")
    ['the frequencies of 1 region']
    """
    if form == labels.form:
        return []
    keeps, lost = FORMS[form].keeps, []
    banded = sum(region.low is not None or region.high is not None for region in labels.regions)
    if banded and "frequencies" not in keeps:
        lost.append(f"the frequencies of {banded:,} region{'s' * (banded != 1)}")
    if "columns" not in keeps:
        columns = Counter(name for region in labels.regions for name, _ in region.extra)
        if form == textgrid.NAME:
            columns.pop(textgrid.TIER, None)
        if columns:
            lost.append(f"the column{'s' * (len(columns) != 1)} {', '.join(columns)}")
    named = {region.recording for region in labels.regions} - {""}
    if named and "recordings" not in keeps:
        lost.append(f"the name of the recording, {next(iter(named))}")
    return lost
