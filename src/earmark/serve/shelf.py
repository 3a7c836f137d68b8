"""`Shelf`: files in which bodies lie while they are worked on, used again and again.

To write into the pages of a file that is there takes a sixth of the time of making one and removing it.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

_KEPT = 8 * 2**20  # bytes of a file that is kept; a larger one gives its room back
_MOST = 32  # files that are kept


class Spool:
    """A file under a name of ours, which takes bytes until it is closed."""

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/{secrets.token_hex(8)}"
        self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes at the end."""
        done = os.pwrite(self._file, data, self.size)
        self.size += done
        if done < len(data):  # of very many at once the system takes a part
            self.write(memoryview(data)[done:])

    def close(self) -> None:
        """Let the file be just what was written."""
        os.ftruncate(self._file, self.size)

    def remove(self) -> None:
        """Be no more."""
        os.close(self._file)
        with suppress(OSError):
            Path(self.path).unlink()


class Shelf:
    """Spools that wait to be written to.

    Parameters
    ----------
    folder
        Where they are; whoever made it removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._free: list[Spool] = []

    def take(self) -> Spool:
        """Return an empty spool."""
        spool = self._free.pop() if self._free else Spool(self._folder)
        spool.size = 0
        return spool

    def give(self, spool: Spool) -> None:
        """Take a spool back that nobody reads any more."""
        if spool.size > _KEPT or len(self._free) == _MOST:
            spool.remove()
        else:
            self._free.append(spool)
