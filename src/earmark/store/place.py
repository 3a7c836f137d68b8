"""Where a store is: a folder, or a prefix in object storage. Files appear whole or not at all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.files import sweep, write_atomically
from earmark.remote import RemotePath, shown


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a store: its name, its bytes, and when it was last used, in seconds since 1970."""

    name: str
    size: int
    used: float


class Place(Protocol):
    """What a store needs of the storage that it stands on. Names have ``/`` between their parts."""

    def entries(self, folder: str) -> Iterator[Entry]:
        """Yield the files below a folder, at any depth; nothing where it is not there."""

    def has(self, name: str) -> bool:
        """Say whether a file is there."""

    def read(self, name: str, size: int | None = None) -> bytes:
        """Return a file, or its first ``size`` bytes."""

    def map(self, name: str) -> NDArray[np.uint8]:
        """Return a file as mapped memory."""

    def create(self, name: str, data: bytes) -> None:
        """Make a file appear whole; one of the name stays, or is replaced."""

    def delete(self, name: str) -> None:
        """Remove a file; nothing happens where there is none."""

    def touch(self, name: str) -> None:
        """Note that a file was used now, where that can be noted."""

    def tidy(self) -> int:
        """Remove what killed writers left, and return how many files that were."""


_FEATURE = re.compile(r"[^/]+-[0-9a-f]{16}")
_USED_AGAIN = 3600.0  # seconds; noting every use would be a write for every read


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on this machine, or on a disk that several share."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def entries(self, folder: str) -> Iterator[Entry]:
        """Yield the files below a folder."""
        try:
            with os.scandir(self.root / folder) as found:
                ordered = sorted(found, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in ordered:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith(".") or not (folder or _FEATURE.fullmatch(entry.name)):
                continue  # at the top only the folders of features: a store may share its folder with anything
            if entry.is_dir(follow_symlinks=False):
                yield from self.entries(name)
                continue
            with suppress(FileNotFoundError):  # pruned by another process just now
                status = entry.stat()
                yield Entry(name, status.st_size, status.st_mtime)

    def has(self, name: str) -> bool:
        """Say whether a file is there."""
        return (self.root / name).is_file()

    def read(self, name: str, size: int | None = None) -> bytes:
        """Return a file, or its first bytes."""
        with (self.root / name).open("rb", buffering=0) as file:
            return file.readall() if size is None else file.read(size)

    def map(self, name: str) -> NDArray[np.uint8]:
        """Return a file as mapped memory."""
        return np.asarray(np.memmap(self.root / name, np.uint8, "r"))

    def create(self, name: str, data: bytes) -> None:
        """Write to a temporary file and rename it into place."""
        write_atomically(self.root / name, data)

    def delete(self, name: str) -> None:
        """Remove a file."""
        (self.root / name).unlink(missing_ok=True)

    def touch(self, name: str) -> None:
        """Set the file's time of change, at most once an hour."""
        with suppress(OSError):  # a store that can only be read
            if time.time() - (self.root / name).stat().st_mtime > _USED_AGAIN:
                os.utime(self.root / name)

    def tidy(self) -> int:
        """Remove the temporary files of writers that are no more."""
        return sum(sweep(folder) for folder in self.root.glob(f"*-{'[0-9a-f]' * 16}"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """A prefix in object storage, through fsspec. Writing is a single put, so nothing half-made is ever seen."""

    root: RemotePath

    def __str__(self) -> str:
        return shown(self.root.address)

    def _ask(self, name: str, call: Callable[[Any, str], Any]) -> Any:
        """Return ``call(file_system, path)`` for an object, as patiently as `earmark.remote` asks."""
        from earmark.remote.ask import ask

        def asked(system: Any, top: str) -> Any:
            system.invalidate_cache()
            return call(system, f"{top.rstrip('/')}/{name}" if name else top)

        return ask(self.root.address, asked)

    def entries(self, folder: str) -> Iterator[Entry]:
        """Yield the objects below a prefix."""
        try:
            found: dict[str, dict[str, Any]] = self._ask(folder, lambda fs, path: fs.find(path, detail=True))
        except FileNotFoundError:
            return
        base = self.root.path.strip("/")
        for path, info in sorted(found.items()):
            name = path.lstrip("/").removeprefix(base).lstrip("/")
            yield Entry(name, int(info.get("size") or 0), _seconds(info))

    def has(self, name: str) -> bool:
        """Say whether an object is there."""
        return bool(self._ask(name, lambda fs, path: fs.exists(path)))

    def read(self, name: str, size: int | None = None) -> bytes:
        """Return an object, or its first bytes."""
        span = {} if size is None else {"start": 0, "end": size}
        data: bytes = self._ask(name, lambda fs, path: fs.cat_file(path, **span))
        return data

    def map(self, name: str) -> NDArray[np.uint8]:
        """Return a local copy of an object as mapped memory."""
        return np.asarray(np.memmap((self.root / name).local(), np.uint8, "r"))

    def create(self, name: str, data: bytes) -> None:
        """Put an object, unless there is one of the name: the storage sees to that, where it can."""

        def put(system: Any, path: str) -> None:
            try:
                system.pipe_file(path, data, mode="create")
            except FileExistsError:
                pass
            except Exception:  # each that has no such mode says so in its own way
                system.pipe_file(path, data)

        self._ask(name, put)

    def delete(self, name: str) -> None:
        """Remove an object."""
        with suppress(FileNotFoundError):
            self._ask(name, lambda fs, path: fs.rm_file(path))

    def touch(self, name: str) -> None:
        """Do nothing: an object's age is that of its writing."""

    def tidy(self) -> int:
        """Do nothing: a put that was cut off leaves nothing."""
        return 0


def _seconds(info: dict[str, Any]) -> float:
    """Return when an object was written, whatever the file system calls that."""
    for key in ("last_modified", "LastModified", "mtime", "updated", "created", "creation_time"):
        value = info.get(key)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return time.time()
