"""A file that a decoder in C may call back: it never raises there, where an exception would be printed, not caught."""

from __future__ import annotations

import errno
import os
from typing import BinaryIO

_FARTHEST = 1 << 44  # bytes: some file systems refuse such a place, and memory does not


class Steady:
    """Wraps a binary file for FFmpeg.

    >>> import io
    >>> file = Steady(io.BytesIO(b"abc"))
    >>> file.seek(-1) < 0, file.seek(2), file.read(9)
    (True, 2, b'c')
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None

    def read(self, size: int) -> bytes:
        """Read; nothing, once the system has failed."""
        try:
            return b"" if self._error else self._file.read(size)
        except OSError as error:
            self._error = error
            return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere; below zero where there is no such place, as damaged headers tell of some."""
        if offset > _FARTHEST:
            return -errno.EINVAL
        try:
            return self._file.seek(offset, whence)
        except (ValueError, OverflowError):
            return -errno.EINVAL
        except OSError as error:
            if error.errno != errno.EINVAL:
                self._error = error
            return -errno.EINVAL

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file itself."""
        self._file.close()

    def check(self) -> None:
        """Raise what the system said, where reading failed."""
        if self._error:
            raise self._error
