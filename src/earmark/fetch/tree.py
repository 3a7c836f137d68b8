"""`take_over`: files that another program fetched, looked over before they are ours."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from earmark.errors import ArchiveError
from earmark.fetch.unpack import Unpacked


def take_over(found: Path, into: Path, most_bytes: int, most_files: int, move: bool) -> Unpacked:
    """Make a folder of files out of one that another program filled: moved, or copied where it is not ours.

    Raises
    ------
    ArchiveError
        When it holds links or devices, or more than it may.
    OSError
        As the system says it.
    """
    done = Unpacked()
    files: list[tuple[Path, Path]] = []
    for folder, folders, names in os.walk(found):
        for name in (*folders, *names):
            path = Path(folder, name)
            status = path.lstat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                raise ArchiveError(f"{path} is not taken over: it is neither a file nor a folder.")
            if stat.S_ISREG(status.st_mode):
                done.files += 1
                done.bytes += status.st_size
                files.append((path, into / path.relative_to(found)))
            if done.files > most_files or done.bytes > most_bytes:
                raise ArchiveError(
                    f"{found} is not taken over: it holds more than {most_files:,} files or {most_bytes:,} bytes."
                )
    if not files:
        raise ArchiveError(f"{found} holds no files.")
    if move:
        found.rename(into)
        return done
    for path, copy in files:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return done
