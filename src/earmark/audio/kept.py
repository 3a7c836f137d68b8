"""An MP3 stays open from cut to cut: it has no table of places, and finding one means reading all that is before it.

Without that, windows of a recording of three hours would take a quarter of an hour. It is done only far into a file,
and only within `kept_open`, for the last bit of a sample depends on where the decoder was before. The other formats
find their way quickly; and Ogg, on seeking in an open file, does not always arrive at the same sample.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FAR = 300.0  # seconds into a file, from where on it is worth it

_local = threading.local()  # what is open, and what it is known by; each thread its own


@contextmanager
def kept_open() -> Iterator[None]:
    """Keep a file open from one decoding to the next, within a ``with`` block."""
    _local.kept = None
    try:
        yield
    finally:
        kept = _local.__dict__.pop("kept")
        if kept is not None:
            kept[1].close()


@contextmanager
def opened(source: str | bytes | io.BytesIO, start: float | None) -> Iterator[Any]:
    """Open a sound file, at any place in it, for a cut that begins at ``start`` seconds."""
    import soundfile

    near = start is None or start < FAR
    if near or isinstance(source, io.BytesIO) or "kept" not in _local.__dict__:
        with soundfile.SoundFile(source) as file:
            yield file
        return
    status = os.stat(source)  # noqa: PTH116  (it may be bytes)
    known = source, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    kept, _local.kept = _local.kept, None
    if kept is not None and kept[0] != known:
        kept[1].close()
        kept = None
    file = soundfile.SoundFile(source) if kept is None else kept[1]
    try:
        yield file
    except BaseException:
        file.close()
        raise
    if file.format == "MP3":
        _local.kept = known, file
    else:
        file.close()
