"""Bytes to lines and numbers, and back without a change."""

from __future__ import annotations

import codecs
import re
from decimal import Decimal

from earmark.errors import DataError, TableError
from earmark.types import Region

# The encodings that are read, and the mark that a file of each begins with.
MARKS = {
    "utf-8-sig": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-8": b"",
}
LATEST = 1e9  # seconds, thirty years: beyond it a time is no time

_LINES = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_ENDS = re.compile(r"\r\n|\n|\r")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_PLAIN = 300  # digits that cannot be infinite
_LONGEST = 60  # characters of a file's text that are shown in an error


def decode(data: bytes, file: object) -> tuple[str, str]:
    """Return the text of a file without its byte order mark, and the encoding.

    Raises
    ------
    TableError
        With the line, when it is not text in UTF-8, nor in UTF-16 with a mark.
    """
    encoding = next(name for name, mark in MARKS.items() if data.startswith(mark))
    body = data[len(MARKS[encoding]) :]
    codec = "utf-8" if encoding == "utf-8-sig" else encoding
    try:
        text = body.decode(codec)
    except UnicodeDecodeError as error:
        before = body[: error.start].decode(codec, "replace")
        meant = "UTF-16, though it begins like it" if codec.startswith("utf-16") else "UTF-8"
        raise TableError(
            file, line_at(before, len(before)), f"this is not {meant}. Save it as UTF-8."
        ) from None
    if "\0" in text:
        raise TableError(file, line_at(text, text.index("\0")), "a zero byte: this is not a text file.")
    return text, encoding


def encode(text: str, encoding: str) -> bytes:
    """Invert `decode`."""
    return MARKS[encoding] + text.encode("utf-8" if encoding == "utf-8-sig" else encoding)


def line_at(text: str, position: int) -> int:
    r"""Return the line, from 1, in which a character stands.

    >>> line_at("a\r\nb\nc", 5)
    3
    """
    return 1 + len(_ENDS.findall(text, 0, position))


def lines(text: str) -> list[str]:
    r"""Return the lines with what ends them. Only line feeds and carriage returns do.

    >>> lines("a\r\nb\u2028c\n\nd")
    ['a\r\n', 'b\u2028c\n', '\n', 'd']
    """
    return _LINES.findall(text)


def newline_of(text: str) -> str:
    """Return what ends the first line; a line feed where nothing does."""
    found = _ENDS.search(text)
    return found[0] if found else "\n"


def is_number(text: str) -> bool:
    """Say whether a text is a number, with a decimal point or comma."""
    return _NUMBER.fullmatch(text) is not None


def number(text: str) -> float | None:
    """Return a number with a decimal point or comma; ``None`` for any other text, infinity included.

    >>> number("1,5"), number(".5"), number("1e999"), number("nan"), number("1_000")
    (1.5, 0.5, None, None, None)
    """
    if text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < _PLAIN:
        return float(text)  # nearly always
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text.replace(",", "."))
    return value if abs(value) < float("inf") else None


def times(start: str, end: str, file: object, line: int) -> tuple[float, float]:
    """Return where a region starts and ends.

    Raises
    ------
    TableError
        When one is no time, or the end lies before the start.
    """
    first, last = number(start), number(end)
    if first is not None and last is not None and 0 < first <= last <= LATEST:
        return first, last
    for text, value, what in ((start, first, "start"), (end, last, "end")):
        if value is None or not 0 <= value <= LATEST:
            raise TableError(file, line, f"the {what} is '{cut(text)}', but must be seconds, such as 1.5.")
    assert first is not None  # noqa: S101  (for the type checker)
    assert last is not None  # noqa: S101
    if last < first:
        raise TableError(file, line, f"the end ({last:g} s) lies before the start ({first:g} s).")
    return first + 0.0, last + 0.0  # no negative zero


def frequencies(low: str, high: str, file: object, line: int) -> tuple[float | None, float | None]:
    """Return the frequencies of a region; an empty text, or Audacity's -1, is one that nobody marked.

    Raises
    ------
    TableError
        When one is no frequency, or the lower lies above the higher.
    """
    bottom, top = number(low), number(high)
    if bottom is not None and top is not None and 0 < bottom <= top:
        return bottom, top
    both: list[float | None] = []
    for text, what in ((low, "low"), (high, "high")):
        value = number(text) if text else -1.0
        if value is None or (value < 0 and value != -1):
            raise TableError(
                file, line, f"the {what} frequency is '{cut(text)}', but must be Hz, such as 2500."
            )
        both.append(None if value < 0 else value + 0.0)
    bottom, top = both
    if bottom is not None and top is not None and top < bottom:
        raise TableError(
            file, line, f"the high frequency ({top:g} Hz) lies below the low one ({bottom:g} Hz)."
        )
    return bottom, top


def exact(value: float, decimal: str = ".") -> str:
    """Return the shortest decimal number that reads back as the same.

    >>> exact(0.5), exact(2e-07), exact(12.0, ",")
    ('0.5', '0.0000002', '12,0')
    """
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.replace(".", decimal) if "." in text else f"{text}{decimal}0"


def rounded(value: float, decimals: int, decimal: str = ".") -> str:
    """Return a number with so many decimals.

    >>> rounded(1.25, 6, ",")
    '1,250000'
    """
    return f"{value:.{decimals}f}".replace(".", decimal)


def cut(text: str) -> str:
    """Return a text that is short enough for an error."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def on_one_line(region: Region, text: str, form: str, never: str = "") -> str:
    """Return a text of a region that a line can hold, or refuse it.

    Raises
    ------
    DataError
        When it has a line break, or what ends a cell in this form.
    """
    for mark, what in (("\n", "a line break"), ("\r", "a line break"), ("\t", "a tab"), (",", "a comma")):
        if mark in text and (what == "a line break" or mark in never):
            where = f" in line {region.line}" if region.line else ""
            raise DataError(
                f"'{cut(text)}'{where} has {what}, for which the form '{form}' has no place. Change it first."
            )
    return text
