"""Where a data set goes in object storage: what may stand there, and what the storage's refusals mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from earmark.errors import FetchError, PathError
from earmark.fetch.place import MARKER, known
from earmark.fetch.registry import Source
from earmark.remote import UNFINISHED, RemotePath, listable, place
from earmark.remote.ask import ask

OURS = (MARKER, UNFINISHED)
_NOTE = 2**16  # bytes of a note or a marker, at the most


def check_storage(text: str) -> RemotePath:
    """Return where a data set shall go in object storage.

    Raises
    ------
    UsageError
        When nothing can be put there.
    """
    dest = place(text)
    if not isinstance(dest, RemotePath) or not listable(dest.address):
        raise PathError(
            f"{dest} is on the web, where nothing can be put. Give a folder, or such as az://container/folder."
        )
    return dest


def standing(dest: RemotePath, source: Source) -> dict[str, Any] | None:
    """Return the marker of a whole data set that is there already; ``None`` where there is room for one, or a part.

    Raises
    ------
    PathError
        When something else stands there.
    """
    found = dest.listed()
    files = found.files()
    if found.is_file():
        raise PathError(f"{dest} is a file. Give the name of a new folder.")
    held = len(files.keys() - set(OURS))
    for name, said in ((MARKER, ""), (UNFINISHED, " in part")):
        note = known(_read(found / name)) if name in files else None
        if note is None:
            continue
        if note["name"] != source.name:
            raise PathError(f"{dest} holds {note['name']}{said}. Give the name of a new folder.")
        if name == UNFINISHED:
            return None
        return note if held >= note["files"] else None  # some were deleted: they are put again
    if held and UNFINISHED not in files:
        things = "1 other thing" if held == 1 else f"{held:,} other things"
        raise PathError(f"{dest} is a folder with {things} in it. Give the name of a new one.")
    return None


@contextmanager
def told_of(dest: RemotePath) -> Iterator[None]:
    """Turn what a storage refuses into a sentence."""
    try:
        yield
    except BrokenPipeError:  # nobody listens any more
        raise
    except FileNotFoundError:
        raise FetchError(
            f"{dest} cannot be written: there is no such container or bucket. Make it first, or give another DEST."
        ) from None
    except PermissionError as error:
        raise FetchError(f"{dest} cannot be written: {error.strerror}.") from None
    except OSError as error:
        raise FetchError(
            f"{error.filename or dest}: {error.strerror or error}. What is there stays: run the same command again to"
            " go on."
        ) from None


def _read(path: RemotePath) -> bytes:
    """Return a note, or none of it where it is no such thing by its size."""
    if not 0 <= path.stat().size <= _NOTE:
        return b""
    data: bytes = ask(path.address, lambda system, name: system.cat_file(name))
    return data
