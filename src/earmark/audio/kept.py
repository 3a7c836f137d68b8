"""A file stays open from cut to cut where finding a place in it means reading all that is before it.

Without that, windows of an MP3 of three hours would take a quarter of an hour. It is done only within `kept_open`, and
for MP3 only far into the file, for the last bit of a sample depends on where the decoder was before. The other
formats of libsndfile find their way quickly; and Ogg, on seeking in an open file, does not always arrive at the same
sample.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

FAR = 300.0  # seconds into a file that libsndfile reads, from where on it is worth it

_local = threading.local()  # what is open, and what it is known by; each thread its own


class _Closable(Protocol):
    def close(self) -> Any: ...


T = TypeVar("T", bound=_Closable)


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
def reused(kind: str, source: Path, make: Callable[[], T], keeps: Callable[[T], bool]) -> Iterator[T]:
    """Give what ``make`` opens, or what it opened last time where that was kept and the file is still the same.

    Parameters
    ----------
    kind
        Which opener asks; one does not get what another left.
    keeps
        Whether what was opened is worth keeping, asked when it is no longer needed.
    """
    if "kept" not in _local.__dict__:
        opened = make()
        try:
            yield opened
        finally:
            opened.close()
        return
    status = source.stat()
    known = kind, str(source), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    kept, _local.kept = _local.kept, None
    if kept is not None and kept[0] != known:
        kept[1].close()
        kept = None
    opened = make() if kept is None else kept[1]
    try:
        yield opened
    except BaseException:
        opened.close()
        raise
    if keeps(opened):
        _local.kept = known, opened
    else:
        opened.close()
