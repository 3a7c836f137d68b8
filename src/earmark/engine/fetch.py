"""A worker's file on this machine, wherever it is: the watch over the worker rests while it is fetched."""

from __future__ import annotations

from pathlib import Path

from earmark.engine.watch import alive, rest
from earmark.remote import is_uri, local_file, place


def fetched(address: str) -> Path:
    """Return the file itself, or a copy of what is at a URI. A download takes its time, and has a patience of its own.

    Raises
    ------
    AudioError
        When it cannot be fetched.
    """
    if not is_uri(address):
        return local_file(place(address))
    rest()
    file = local_file(place(address))
    alive()
    return file
