"""Scores of long recordings, written down as they come: who was interrupted goes on, and other thresholds cost nothing.

A journal is a file among this machine's caches, or in the folder that ``EARMARK_SCORES`` names. Its name follows from
the recording, the model and the windows. It holds blocks of scores, each with a checksum; what a killed process left
half-written at the end is cut off.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import BinaryIO

import numpy as np
import xxhash

from earmark.bundle import Bundle
from earmark.events import Events
from earmark.features import FRONT_END
from earmark.files import hold
from earmark.types import FloatArray

PLACE = "EARMARK_SCORES"
SUFFIX = ".scores"
WORTH = 300.0  # seconds: of shorter recordings nothing is kept
_FORMAT = 1
_HEAD = struct.Struct("<IQ")  # rows of a block, and its checksum
_MOST_ROWS = 1 << 16
_LOOKED_AT = 1 << 16  # bytes, at so many places of a recording
_PLACES = 16
_DAYS, _MOST_BYTES = 30.0, 2**30


class Journal:
    """The scores of one recording that are known.

    Attributes
    ----------
    rows
        How many windows' scores it holds.
    """

    def __init__(self, file: BinaryIO | None, labels: int) -> None:
        self._file, self._labels = file, labels
        self.rows = 0
        end = 0
        if file is not None:
            for scores in self._blocks():
                self.rows += len(scores)
                end = file.tell()
            file.truncate(end)
            file.seek(end)
        self._end = end

    def recalled(self) -> Iterator[FloatArray]:
        """Yield what is known, float32[n, labels] at a time."""
        if self._file is not None and self.rows:
            self._file.seek(0)
            left = self.rows
            for scores in self._blocks():
                yield scores
                left -= len(scores)
                if not left:
                    break
            self._file.seek(self._end)

    def add(self, scores: FloatArray) -> None:
        """Write down the scores float32[n, labels] of the next windows. A full disk ends the writing, not the work."""
        if self._file is None:
            return
        data = np.ascontiguousarray(scores, "<f4").tobytes()
        try:
            self._file.write(_HEAD.pack(len(scores), xxhash.xxh3_64_intdigest(data)) + data)
            self._file.flush()
            self._end = self._file.tell()
        except OSError:
            self._file = None

    def _blocks(self) -> Iterator[FloatArray]:
        assert self._file is not None  # noqa: S101  (for the type checker)
        while len(head := self._file.read(_HEAD.size)) == _HEAD.size:
            rows, checksum = _HEAD.unpack(head)
            if not 0 < rows <= _MOST_ROWS:
                return
            data = self._file.read(4 * rows * self._labels)
            if len(data) < 4 * rows * self._labels or xxhash.xxh3_64_intdigest(data) != checksum:
                return
            yield np.frombuffer(data, "<f4").astype(np.float32).reshape(rows, self._labels)


@contextmanager
def open_journal(recording: Path, bundle: Bundle, how: Events, seconds: float | None) -> Iterator[Journal]:
    """Hold the journal of a recording; an empty one that keeps nothing where it is short, or none can be written.

    Parameters
    ----------
    seconds
        How long the recording is, where that is known.
    """
    labels = len(bundle.labels)
    file = None
    if seconds is None or seconds >= WORTH:
        with suppress(OSError):  # without a place to write, or while another process hears the same
            place = folder()
            place.mkdir(parents=True, exist_ok=True)
            _sweep(place)
            path = place / f"{_key(recording, bundle, how)}{SUFFIX}"
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
            try:
                hold(file)
            except OSError:
                file.close()
                file = None
    try:
        journal = Journal(file, labels)
        yield journal
    finally:
        if file is not None:
            with suppress(OSError):
                file.close()


def folder() -> Path:
    """Return where journals are: the folder that ``EARMARK_SCORES`` names, or one among this machine's caches."""
    if told := os.environ.get(PLACE):
        return Path(told).expanduser().absolute()
    caches = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "earmark" / "scores"


def _key(recording: Path, bundle: Bundle, how: Events) -> str:
    """Return what the scores depend on, as one name: the file, all of the model that scores, and the windows."""
    key = hashlib.blake2b(digest_size=16)
    for part in (_FORMAT, FRONT_END, how.window, how.step, bundle.labels, bundle.decision):
        key.update(repr(part).encode() + b"\0")
    for member in bundle.members:
        for f in fields(member):
            value = getattr(member, f.name)
            key.update(hashlib.blake2b(value).digest() if isinstance(value, bytes) else repr(value).encode())
    for weights in bundle.encoders:
        key.update(hashlib.blake2b(weights).digest())
    status = recording.stat()
    key.update(
        f"{recording.absolute()}\0{status.st_size}\0{status.st_mtime_ns}".encode("utf-8", "surrogateescape")
    )
    with recording.open("rb") as file:
        for i in range(_PLACES):
            file.seek(i * max(0, status.st_size - _LOOKED_AT) // (_PLACES - 1))
            key.update(file.read(_LOOKED_AT))
    return key.hexdigest()


def _sweep(place: Path) -> None:
    """Remove journals that nobody has asked for in a month, and the oldest ones beyond a gigabyte."""
    found = []
    for path in place.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    size = 0
    for changed, own, path in sorted(found, reverse=True):
        size += own
        if time.time() - changed > 86_400 * _DAYS or size > _MOST_BYTES:
            with suppress(OSError):
                path.unlink()
