"""`Part`: a file that is on its way, and a note of what it is a part of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from earmark.files import write_json


@dataclass(frozen=True, slots=True)
class Origin:
    """What the bytes of a part are from.

    Parameters
    ----------
    url
        An address, without its key.
    validator
        Names the version of what is there; empty where the server names none.
    total
        The size of the whole; ``None`` where nobody knows.
    """

    url: str
    validator: str = ""
    total: int | None = None


class Part:
    """A file that is on its way.

    Parameters
    ----------
    path
        Where its bytes are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(path.name + ".json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def remove(self) -> None:
        """Forget it. The bytes go first: without them the note means nothing."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def origin(self) -> Origin | None:
        """Return what it is a part of; ``None`` where that is not known."""
        try:
            note = json.loads(self._note.read_bytes())
            url, validator, total = note["url"], note["validator"], note["total"]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if isinstance(url, str) and isinstance(validator, str) and isinstance(total, int | None):
            return Origin(url, validator, total)
        return None

    def stem_from(self, origin: Origin) -> None:
        """Note what it is a part of."""
        write_json(self._note, asdict(origin))

    def append(self) -> BinaryIO:
        """Open it for more bytes, which are in the system's hands as soon as they are written."""
        return self.path.open("ab", buffering=0)
