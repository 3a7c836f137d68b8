"""`Spool`: local copies of remote files, each fetched once, as long as there is room."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.errors import TooLongAudioError
from earmark.remote.ask import ask, shown

try:
    import fcntl
except ImportError:  # Windows; there, what a killed process leaves stays until the system tidies up
    fcntl = None  # type: ignore[assignment]

LARGEST = 2 * 2**30
TOTAL = 4 * 2**30

_PREFIX, _LOCK = "earmark-spool-", "lock"
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")

Key = tuple[str, str]


@dataclass(slots=True)
class _Copy:
    lock: threading.Lock = field(default_factory=threading.Lock)
    path: Path | None = None
    size: int = 0


class Spool:
    """A folder of this process alone, gone when the process ends. Any number of threads may use it.

    Parameters
    ----------
    total
        Bytes that the copies take together. Beyond it the one unused for longest goes, but never the file that a
        living thread asked for last.
    largest
        Bytes of one file.
    """

    def __init__(self, total: int = TOTAL, largest: int = LARGEST) -> None:
        self.total, self.largest = total, largest
        self._tidy: weakref.finalize[..., Spool] | None = None
        self.forget()

    def forget(self) -> None:
        """Start anew without the copies so far: they belong to another process, from which this one was forked."""
        if self._tidy:
            self._tidy.detach()
        self._lock = threading.Lock()
        self._copies: dict[Key, _Copy] = {}  # in the order of their last use
        self._size = 0
        self._latest: dict[int, Key] = {}  # what each thread asked for last
        self._numbers = itertools.count()
        self._folder: Path | None = None

    def file(self, address: str, version: str = "") -> Path:
        """Return the local copy of a file; fetch it when there is none of this version.

        Raises
        ------
        TooLongAudioError
            When it is larger than `largest`.
        OSError
            As `ask` raises it.
        """
        key = (address, version)
        with self._lock:
            if self._folder is None:
                self._folder, self._tidy = _own_folder(self)
            copy = self._copies[key] = self._copies.pop(key, _Copy())
            self._latest[threading.get_ident()] = key
            target = self._folder / f"{next(self._numbers)}{_ending(address)}"
        with copy.lock:  # whoever wants the same file waits for it
            if copy.path is None:
                copy.size = self._fetch(address, target)
                copy.path = target
                with self._lock:
                    self._size += copy.size
                    self._make_room()
        return copy.path

    def _fetch(self, address: str, target: Path) -> int:
        """Bring a file here, whole or not at all, and return its size."""
        part = target.with_name(f"{target.name}.part")
        try:
            ask(address, lambda system, name: system.get_file(name, str(part), callback=self._limit(address)))
            size = part.stat().st_size
            self._refuse_large(address, size)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return size

    def _limit(self, address: str) -> Any:
        """Return what fsspec calls as the bytes come in."""
        from fsspec.callbacks import Callback

        def look(size: int | None, value: int, **_: Any) -> None:
            self._refuse_large(address, max(size or 0, value))

        return Callback(hooks={"limit": look})

    def _refuse_large(self, address: str, size: int) -> None:
        if size > self.largest:
            limit = f"{self.largest / 2**30:g} GiB"
            raise TooLongAudioError(shown(address), f"more than {limit} in one file; divide it into several")

    def _make_room(self) -> None:
        if self._size <= self.total:
            return
        living = {thread.ident for thread in threading.enumerate()}
        self._latest = {thread: key for thread, key in self._latest.items() if thread in living}
        for key in [key for key in self._copies if key not in self._latest.values()]:
            if self._size > self.total and (path := self._copies[key].path):
                path.unlink(missing_ok=True)
                self._size -= self._copies.pop(key).size


def _ending(address: str) -> str:
    """Return the extension, which some decoders go by."""
    ending = Path(shown(address)).suffix
    return ending if _SUFFIX.fullmatch(ending) else ""


def _own_folder(spool: Spool) -> tuple[Path, weakref.finalize[..., Spool]]:
    """Make the folder, and remove those of processes that were killed: nobody holds the lock in them any more."""
    place = Path(tempfile.gettempdir())
    if fcntl:
        for lock in place.glob(f"{_PREFIX}*/{_LOCK}"):
            _remove_abandoned(lock)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    held = None
    if fcntl:
        held = os.open(folder / f"{_LOCK}.new", os.O_RDWR | os.O_CREAT, 0o600)  # until the process ends
        fcntl.flock(held, fcntl.LOCK_EX)
        (folder / f"{_LOCK}.new").rename(folder / _LOCK)  # so that it never stands there unlocked
    return folder, weakref.finalize(spool, _tidy, folder, held)


def _tidy(folder: Path, held: int | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if held is not None:
        os.close(held)


def _remove_abandoned(lock: Path) -> None:
    try:
        with lock.open("r+b") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
    except OSError:  # in use, or another person's
        pass


SPOOL = Spool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SPOOL.forget)
