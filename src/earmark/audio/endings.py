"""Whether a file ends where its format says that it ends."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = b"OggS"
_HEADER = 27  # bytes of a page before the table of its segments
_LAST = 4  # the bit of a page that closes its stream
_TAIL = 2 * 65_307  # bytes: twice the longest page


def cut_off(path: Path) -> bool:
    """Say whether an Ogg file ends before the page that closes its stream. Of other formats nothing is said.

    Source: RFC 3533, *The Ogg Encapsulation Format*, section 6.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.txt")
    >>> _ = path.write_bytes(b"no Ogg")
    >>> cut_off(path)
    False
    """
    with path.open("rb") as file:
        if file.read(4) != _PAGE:
            return False
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
    at = tail.rfind(_PAGE)
    if at < 0 or len(tail) - at < _HEADER:
        return True
    segments = tail[at + 26]
    table = tail[at + _HEADER : at + _HEADER + segments]
    whole = _HEADER + segments + sum(table)
    return len(table) < segments or len(tail) - at < whole or not tail[at + 5] & _LAST
