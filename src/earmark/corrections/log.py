"""The log of corrections: one JSON object a line, only ever added to. Undoing is an entry too."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from earmark.errors import DataError, MissingExtraError, PathError, TableError
from earmark.remote import Place
from earmark.types import Problem

NAME = "earmark-labels.jsonl"
_MOST_BYTES = 2**28
_PATIENCE = 60.0  # seconds for which another writer is waited for
_FIELDS = ("id", "time", "author")


@dataclass(frozen=True, slots=True)
class Correction:
    """One clip's label, changed.

    Parameters
    ----------
    id
        What an undo names it by.
    time, author
        When, UTC in ISO 8601, and by whom.
    path, start, end
        The clip, as the data set names it; seconds.
    old, new
        Its labels before and after.
    """

    id: str
    time: str
    author: str
    path: str
    start: float | None
    end: float | None
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undo:
    """A correction taken back; ``undo`` is its id."""

    id: str
    time: str
    author: str
    undo: str


Entry = Correction | Undo


@dataclass(frozen=True, slots=True)
class Log:
    """What a log says.

    Parameters
    ----------
    path
        Where it is.
    entries
        In the order in which they were written.
    problems
        Lines that were cut off when a writer was stopped.
    """

    path: Path
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


def signature(author: str) -> dict[str, str]:
    """Return what every entry begins with: an id, the time, and who it is."""
    return {
        "id": secrets.token_hex(6),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "author": author,
    }


def find_log(root: Place, told: str) -> Path | None:
    """Return where the log of a data set is, or would be: as told, or beside the data; ``None`` where it has none.

    Parameters
    ----------
    root
        The folder of the data set.
    told
        A file; ``""`` for the one beside the data; ``"none"`` for none.
    """
    if told == "none":
        return None
    if told:
        return Path(told)
    return root / NAME if isinstance(root, Path) else None


def read_log(path: Path) -> Log:
    """Read a log; one that is not there is empty.

    Raises
    ------
    PathError
        When it cannot be read.
    TableError
        When a whole line of it is no entry of such a log.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PathError(
                f"{path} is too large for a log of corrections ({_MOST_BYTES >> 20} MiB at most)."
            )
        data = path.read_bytes()
    except FileNotFoundError:
        return Log(path, (), ())
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}.") from None
    entries: list[Entry] = []
    problems = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            detail = f"line {number} is not whole, as when a writer is stopped in it; the other lines count"
            problems.append(Problem("torn", str(path), detail))
            continue
        entries.append(_entry(record, path, number))
    return Log(path, tuple(entries), tuple(problems))


def _entry(record: Any, path: Path, number: int) -> Entry:
    def wrong(what: str) -> TableError:
        return TableError(path, number, f"{what}, so that this is no log that `earmark relabel` wrote.")

    if not isinstance(record, dict):
        raise wrong("there is no JSON object in it")
    for name in (*_FIELDS, "undo" if "undo" in record else "path"):
        if not isinstance(record.get(name), str):
            raise wrong(f"it has no text '{name}'")
    identity, time, author = (record[name] for name in _FIELDS)
    if "undo" in record:
        return Undo(identity, time, author, record["undo"])
    for name in ("start", "end"):
        value = record.get(name)
        number_like = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number_like and math.isfinite(value)):
            raise wrong(f"its '{name}' is no number of seconds")
    for name in ("old", "new"):
        labels = record.get(name)
        if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
            raise wrong(f"its '{name}' is no list of labels")
    start, end = (None if record.get(n) is None else float(record[n]) for n in ("start", "end"))
    return Correction(
        identity, time, author, record["path"], start, end, tuple(record["old"]), tuple(record["new"])
    )


class Writer:
    """A log that no other process writes to.

    Attributes
    ----------
    log
        What it said when it was taken hold of.
    """

    def __init__(self, log: Log) -> None:
        self.log = log

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries in one write, and flush them to the disk.

        Raises
        ------
        OSError
            As the system says it.
        """
        if not entries:
            return
        path = self.log.path
        lines = b"".join(_line(e) for e in entries)
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            # A line that was cut off is ended first, so that it spoils no other.
            rest = memoryview((b"" if _ends_a_line(path) else b"\n") + lines)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except OSError as error:
            error.filename = str(path)
            raise
        finally:
            os.close(descriptor)
        if new and os.name != "nt":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@contextmanager
def hold_log(path: Path) -> Iterator[Writer]:
    """Take hold of a log, so that two who correct at once do not meet.

    Raises
    ------
    PathError
        When it cannot be written where it shall be.
    DataError
        When another process does not let go of it.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise MissingExtraError("Correcting labels", "train", "filelock") from None
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        if not path.parent.is_dir():  # which the lock would make
            raise FileNotFoundError(2, "No such file or directory")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        raise DataError(
            f"{path} is in use by another process, for {_PATIENCE:g} s now. Try again when that is done."
        ) from None
    except OSError as error:
        raise PathError(
            f"{path} cannot be written: {error.strerror or error}. Give the corrections another place with --log FILE."
        ) from None
    try:
        yield Writer(read_log(path))
    finally:
        lock.release()


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _line(entry: Entry) -> bytes:
    # A file's name may hold bytes that are no text.
    return json.dumps(_record(entry), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _record(entry: Entry) -> dict[str, Any]:
    said = {name: getattr(entry, name) for name in _FIELDS}
    if isinstance(entry, Undo):
        return {**said, "undo": entry.undo}
    where = {"path": entry.path, "start": entry.start, "end": entry.end}
    return {**said, **where, "old": list(entry.old), "new": list(entry.new)}
