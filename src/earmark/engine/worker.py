"""A worker process: takes a function and an item, gives back the result, until nobody asks any more.

It talks over its own standard input and output with the process that started it, and nobody else can reach it. What
is asked and answered is pickled here, the same way for every engine.
"""

from __future__ import annotations

import os
import pickle
import traceback
from functools import lru_cache
from typing import Any, BinaryIO

from earmark.engine import watch

UNWATCHED = "unwatched"
_LENGTH = 8


def pack(value: Any) -> bytes:
    """Return a function or an item as it is sent to a worker."""
    return pickle.dumps(value, protocol=5)


def answer(function: bytes, item: bytes) -> bytes:
    """Do the work, whatever it comes to, for `unpack` on the other side."""
    try:
        watch.alive()
        return pack((True, _function(function)(pickle.loads(item)), ""))  # noqa: S301  (from who started us)
    except Exception as error:
        return _told(error, f"In the process that did the work:\n{traceback.format_exc().rstrip()}")
    finally:
        watch.rest()


def unpack(told: bytes) -> Any:
    """Return what the function gave, or raise what it raised, with a note of where it did."""
    good, value, note = pickle.loads(told)  # noqa: S301  (from a worker of ours)
    if good:
        return value
    value.add_note(note)
    raise value


@lru_cache(1)
def _function(data: bytes) -> Any:
    return pickle.loads(data)  # noqa: S301  (from who started us)


def _told(error: Exception, note: str) -> bytes:
    try:
        told = pack((False, error, note))
        pickle.loads(told)  # noqa: S301  (our own)
    except Exception:  # an exception that does not survive the trip
        return pack((False, RuntimeError(f"{type(error).__name__}: {error}"), note))
    return told


def send(stream: BinaryIO, *messages: bytes) -> None:
    """Write messages, each after its length."""
    for data in messages:
        stream.write(len(data).to_bytes(_LENGTH, "little"))
        stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> bytes:
    """Read one message.

    Raises
    ------
    EOFError
        When the other side is gone.
    """
    head = stream.read(_LENGTH)
    if len(head) < _LENGTH:
        raise EOFError
    data = stream.read(int.from_bytes(head, "little"))
    if len(data) < int.from_bytes(head, "little"):
        raise EOFError
    return data


def main(how: str = "") -> None:
    """Work until the parent closes the pipe, also by its own death; `UNWATCHED` where it has a clock of its own."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what a library prints must not come between the answers
    if how != UNWATCHED:
        watch.start()
    try:
        while True:
            send(answers, answer(receive(requests), receive(requests)))
    except (EOFError, BrokenPipeError):
        pass
    # Not by way of the interpreter's own end: the pipe's buffer may hold an answer that nobody wants.
    os._exit(0)


if __name__ == "__main__":
    main()
