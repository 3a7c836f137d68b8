"""Reused memory for the audio front end: in the steady state no clip causes a page fault."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Above this a buffer is not kept: one long recording must not pin its size for the rest of the run.
_KEEP_BYTES = 32 * 2**20

_local = threading.local()


def borrow(name: str, size: int, dtype: str) -> NDArray[Any]:
    """Return an uninitialised array of ``size`` elements that this thread may use until it borrows ``name`` again.

    Fresh pages cost about as much as the arithmetic done on them, so buffers grow and are reused. Each
    thread has its own.
    """
    buffers: dict[str, NDArray[Any]] = _local.__dict__.setdefault("buffers", {})
    buffer = buffers.get(name)
    if buffer is None or buffer.size < size or buffer.dtype != dtype:
        buffer = np.empty(size + size // 4, dtype)
        if buffer.nbytes <= _KEEP_BYTES:
            buffers[name] = buffer
    return buffer[:size]
