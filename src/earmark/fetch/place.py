"""Where a data set stands: the folder it becomes, the hidden one beside it in which it grows, and its marker."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from earmark.errors import FetchError, PathError
from earmark.fetch.registry import Source
from earmark.files import hold, write_json
from earmark.remote import place

MARKER = ".earmark-fetch.json"
_TREE = "unpacked"
_LOCK = "lock"


def check_dest(text: str) -> Path:
    """Return the folder that a text names.

    Raises
    ------
    PathError
        For an empty text, or the folder that we are in.
    """
    if not text:
        raise PathError("DEST is empty. Give the folder that the data set shall become.")
    path = Path(os.path.realpath(str(place(text))))
    if path.name in ("", "..") or path == Path.cwd():
        raise PathError(f"{text} is the folder that you are in, or the top of all. Give a new one.")
    if path.is_mount():
        raise PathError(f"{text} is a disk of its own. Give a new folder on it, such as {path / 'data'}.")
    return path


def found_in(dest: Path, source: Source) -> dict[str, Any] | None:
    """Return the marker of a whole data set that is there already; ``None`` where there is room for one.

    Raises
    ------
    PathError
        When something else stands there.
    """
    if not dest.exists():
        return None
    if not dest.is_dir():
        raise PathError(f"{dest} is a file. Give the name of a new folder.")
    marker = _marker(dest)
    if marker is None:
        held = sum(1 for _ in dest.iterdir())
        if not held:
            return None
        things = "1 other thing" if held == 1 else f"{held:,} other things"
        raise PathError(f"{dest} is a folder with {things} in it. Give the name of a new one.")
    if marker["name"] != source.name:
        raise PathError(f"{dest} holds {marker['name']}. Give the name of a new folder.")
    files, _ = counted(dest)
    if files < marker["files"]:
        raise PathError(
            f"{dest} holds {source.name}, but only {files:,} of its {marker['files']:,} files."
            " Delete the folder to fetch it anew."
        )
    return marker


def _marker(dest: Path) -> dict[str, Any] | None:
    try:
        return known((dest / MARKER).read_bytes())
    except OSError:
        return None


def known(text: bytes) -> dict[str, Any] | None:
    """Return a marker that is one; ``None`` for any other text."""
    try:
        marker = json.loads(text)
    except ValueError:
        return None
    kinds = {"name": str, "files": int, "bytes": int}
    whole = isinstance(marker, dict) and all(isinstance(marker.get(k), kind) for k, kind in kinds.items())
    return marker if whole else None


def counted(folder: Path) -> tuple[int, int]:
    """Return how many files are below a folder, its marker not counted, and how large they are together."""
    files = total = 0
    folders = [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name != MARKER:
                    files += 1
                    total += entry.stat(follow_symlinks=False).st_size
    return files, total


class Workplace:
    """The hidden folder beside the one that a data set becomes. One process works in it at a time.

    Attributes
    ----------
    folder
        Where it is.
    tree
        Where the archive is unpacked to.
    """

    def __init__(self, dest: Path) -> None:
        self.dest = dest
        self.folder = dest.with_name(f".{dest.name}.fetch")
        self.tree = self.folder / _TREE
        self._done = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder and keep it for this process; take away what killed ones left unpacked.

        Raises
        ------
        FetchError
            When another process has it.
        """
        made = [part for part in self.folder.parents if not part.exists()]
        while (lock := self._locked()) is None:
            pass  # another one finished, and took its folder away, while we waited for our turn
        with lock:
            try:
                self.clear()
                yield
            finally:
                self._leave(made)

    def _locked(self) -> BinaryIO | None:
        """Return the open file that keeps others out; ``None`` where it is no longer the one they would find."""
        self.folder.mkdir(0o700, parents=True, exist_ok=True)
        try:
            file = (self.folder / _LOCK).open("ab")
        except FileNotFoundError:
            return None
        try:
            hold(file)
        except BlockingIOError:
            file.close()
            raise FetchError(
                f"Another earmark fetch is filling {self.dest}. Let it finish, or end it."
            ) from None
        except OSError:  # a file system without locks
            pass
        if self._ours(file.fileno()):
            return file
        file.close()
        return None

    def _ours(self, file: int) -> bool:
        """Say whether the lock that we hold is still the one that others would find."""
        try:
            return os.path.samestat(os.fstat(file), (self.folder / _LOCK).stat())
        except FileNotFoundError:
            return False

    def clear(self) -> None:
        """Remove what was unpacked, and files that a killed run was about to write."""
        shutil.rmtree(self.tree, ignore_errors=True)
        for file in self.folder.glob(".*.part"):
            file.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what a run left that was killed after the data set was whole."""
        if self.folder.exists():
            with suppress(OSError, FetchError), self.held():
                self._done = True

    def _leave(self, made: list[Path]) -> None:
        """Take away what was unpacked, and the folder too unless a download is in it to be gone on with."""
        with suppress(OSError):
            self.clear()
            for entry in list(self.folder.iterdir()):
                if entry.name == _LOCK:
                    continue
                if not self._done:
                    return
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            (self.folder / _LOCK).unlink()  # last, so that nobody else comes in before
            self.folder.rmdir()
            for folder in made:  # in which there is nothing else, or this fails
                folder.rmdir()

    def put_in_place(self, top: Path, marker: dict[str, Any]) -> None:
        """Write the marker, see everything to the disk, and make a folder the data set in one step."""
        write_json(top / MARKER, marker)
        if hasattr(os, "sync"):
            os.sync()
        if self.dest.is_dir():
            self.dest.rmdir()  # empty, or this fails: not every system renames a folder onto another
        top.rename(self.dest)
        self._done = True
