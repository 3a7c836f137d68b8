"""Writing so that a reader, or the next run after a crash, finds the old file or the new one and nothing between."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

_TEMPORARY = ".{}.part"
_YOUNG = 60.0  # seconds in which a temporary file is its writer's, without asking


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to a temporary file beside ``path``, flush it to the disk, and rename it into place.

    Raises
    ------
    OSError
        As the system says it (disk full, no permission); no part-written file is left behind.
    """
    with written_atomically(path) as file:
        file.write(data)


@contextmanager
def written_atomically(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write in, which becomes ``path`` when the block ends, and is gone if an exception ends it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(_TEMPORARY.format(secrets.token_hex(8)))
    try:
        with temporary.open("xb") as file:
            with suppress(OSError):  # a file system without locks
                hold(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name != "nt":  # there an open file cannot be renamed
                temporary.replace(path)
        if os.name == "nt":
            temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):  # a disk that became read-only
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # the file that was wanted, not the temporary one, nor none
        raise


def sweep(folder: Path) -> int:
    """Remove the temporary files that killed writers left in ``folder``; return how many.

    A living writer holds a lock on its file, which ends with it however it ends.
    """
    swept = 0
    for temporary in folder.glob(_TEMPORARY.format("[0-9a-f]" * 16)):
        with suppress(OSError):  # held, or gone already
            if time.time() - temporary.stat().st_mtime > _YOUNG:
                with temporary.open("r+b") as file:
                    hold(file)
                temporary.unlink()
                swept += 1
    return swept


def hold(file: BinaryIO) -> None:
    """Lock a file until it is closed, or refuse. Where there are no such locks, an open file cannot be removed."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def size_text(size: int) -> str:
    """Return a size for a person.

    >>> size_text(0), size_text(98_784), size_text(4_430_000_000)
    ('0 B', '98.8 kB', '4.43 GB')
    """
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} B"
