"""Whether a file ends where it says itself that it ends, for formats of which the decoders do not tell."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from earmark.audio import riff
from earmark.audio.faults import TRUNCATED, UNFINISHED, Fault, shortage
from earmark.audio.magic import BOXES
from earmark.audio.steady import Steady

_UNKNOWN = 1 << 62  # bytes: nobody has as many
_MOST = 1 << 16  # chunks: zeros read as empty ones, and a damaged file may hold a gigabyte of them


def fault_at_the_end(path: Path) -> Fault | None:
    """Return what is wrong with the end of a file: ``("truncated", why)``, ``("unfinished", why)`` or ``None``.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.avi")
    >>> _ = path.write_bytes(b"RIFF" + (1000).to_bytes(4, "little") + b"AVI and no more")
    >>> fault_at_the_end(path)
    ('truncated', 'by its header it has 1,008 bytes, but 23 are there')
    """
    with path.open("rb") as file:
        head = file.read(16)
        look = next((look for start, look in _LOOKS.items() if head.startswith(start)), None)
        if head[4:8] in BOXES:
            look = _mov
        if look is None:
            return None
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            return look(file, size)
        except (OSError, OverflowError):  # a damaged header that leads to no place at all
            return None


def _compare(told: int, there: int) -> Fault | None:
    return shortage(told, there) if told > there else None


def _ogg(file: BinaryIO, size: int) -> Fault | None:
    """Look whether the last page is whole, and closes its stream. RFC 3533, section 6."""
    file.seek(max(0, size - 2 * 65_307))  # twice the longest page
    tail = file.read()
    at = tail.rfind(b"OggS")
    segments = tail[at + 26] if at >= 0 and len(tail) - at >= 27 else 256  # none has as many
    table = tail[at + 27 : at + 27 + segments]
    if len(table) == segments and len(tail) - at >= 27 + segments + sum(table) and tail[at + 5] & 4:
        return None
    return TRUNCATED, "its last page is missing, as when a copy or a recording is cut off"


def _riff(file: BinaryIO, size: int) -> Fault | None:
    """Compare the size of the samples of a wav, or of all of a film."""
    head = file.read(12)
    if head[8:] != b"WAVE":
        return _compare(int.from_bytes(head[4:8], "little") + 8, size)
    found = riff.samples(file, size)
    if found is None:
        return None
    position, told = found
    return UNFINISHED if told is None else _compare(position + told, size)


def _matroska(file: BinaryIO, size: int) -> Fault | None:
    """Compare the size of the segment, which holds everything. RFC 8794, section 4 to 6; RFC 9559, section 5.1."""
    file.seek(4)
    if (length := _number(file)) is None or length > size:
        return None
    file.seek(length, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67" or (length := _number(file)) is None:
        return None  # it does not say, as recorders in browsers do
    return _compare(file.tell() + length, size)


def _number(file: BinaryIO) -> int | None:
    """Read a number of Matroska's: the zeros at its beginning say how long it is. All ones are no number."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    bits = (first[0] << 8 * (length - 1) | int.from_bytes(file.read(length - 1), "big")) & (
        1 << 7 * length
    ) - 1
    return None if bits == (1 << 7 * length) - 1 else bits


def _asf(file: BinaryIO, size: int) -> Fault | None:
    """Compare the size of the file, which one of its first objects tells."""
    head = file.read(1 << 16)
    at = head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    return _compare(int.from_bytes(head[at + 40 : at + 48], "little"), size) if at >= 0 else None


def _caf(file: BinaryIO, size: int) -> Fault | None:
    """Walk from chunk to chunk up to the samples."""
    position = 8
    for _ in range(_MOST):
        if position + 12 > size:
            return _compare(position, size)
        file.seek(position)
        head = file.read(12)
        length = int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == b"data":
            return UNFINISHED if length < 4 else _compare(position + 12 + length, size)
        if length < 0:
            return None
        position += 12 + length
    return None


def _w64(file: BinaryIO, size: int) -> Fault | None:
    """Walk from chunk to chunk, whose names have 16 bytes and whose sizes include the name."""
    position = 40
    for _ in range(_MOST):
        if position + 24 > size:
            return _compare(position, size)
        file.seek(position)
        head = file.read(24)
        length = int.from_bytes(head[16:], "little")
        if head[:4] == b"data":
            return UNFINISHED if not 24 < length < _UNKNOWN else _compare(position + length, size)
        position += max(24, length + -length % 8)
    return None


def _au(file: BinaryIO, size: int) -> Fault | None:
    return UNFINISHED if file.read(12)[8:] == b"\xff\xff\xff\xff" else None


def _flac(file: BinaryIO, size: int) -> Fault | None:
    """Look whether its first block tells how many samples there are. RFC 9639, section 8.2."""
    return None if int.from_bytes(file.read(26)[21:], "big") % (1 << 36) else UNFINISHED


def _nist(file: BinaryIO, size: int) -> Fault | None:
    """Multiply what its header of text tells."""
    head = file.read(1024).decode("latin-1")
    values = dict(re.findall(r"^(\w+) -i (\d+)\s*$", head, re.MULTILINE))
    names = "channel_count", "sample_count", "sample_n_bytes"
    channels, count, width = (int(values.get(name, 0)) for name in names)
    return _compare(1024 + channels * count * width, size)


_LOOKS: dict[bytes, Callable[[BinaryIO, int], Fault | None]] = {
    b"OggS": _ogg,
    b"RIFF": _riff,
    b"\x1aE\xdf\xa3": _matroska,
    b"0&\xb2u\x8ef\xcf\x11": _asf,
    b"caff": _caf,
    b"NIST_1A": _nist,
    b"riff": _w64,
    b".snd": _au,
    b"fLaC": _flac,
}


def _mov(file: BinaryIO, size: int) -> Fault | None:
    last = 0
    for _, end in _boxes(file):
        last = end
    return _compare(last, size)


def has_index(file: BinaryIO | Steady) -> bool:
    """Say whether an m4a, mp4, mov or 3gp has the index without which nobody finds the sound in it."""
    size = file.seek(0, os.SEEK_END)
    return any(name in (b"moov", b"moof") and end <= size for name, end in _boxes(file))


def _boxes(file: BinaryIO | Steady) -> Iterator[tuple[bytes, int]]:
    """Yield the name of each box of an mp4, and where it ends by its own word."""
    position, size = 0, file.seek(0, os.SEEK_END)
    for _ in range(_MOST):
        if position + 8 > size:
            return
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if length < 8:  # up to the end, or nonsense
            return
        position += length
        yield head[4:8], position
