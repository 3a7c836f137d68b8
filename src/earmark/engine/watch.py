"""A watch over a worker that hangs: whoever works promises to speak again, and is ended when the promise is broken.

The watch is a thread of C code, so that it also ends a decoder that loops without ever giving the interpreter back.
It runs only in processes whose death an engine survives.
"""

from __future__ import annotations

import faulthandler
import math
import os
import time

from earmark.errors import SettingError

SECONDS = "EARMARK_CLIP_SECONDS"
_DEFAULT = 60.0
_RENEWAL = 0.5  # seconds; renewing the watch costs a thread, so it is not done for every clip

_STDERR = 2

_watched = False
_renewed = -math.inf


def start() -> None:
    """Say that this process may be ended: it is a worker."""
    global _watched
    _watched = True


def limit() -> float:
    """Return how many seconds one item may take, by the environment.

    Raises
    ------
    SettingError
        When the variable is not a number above 1.
    """
    told = os.environ.get(SECONDS, str(_DEFAULT))
    try:
        seconds = float(told)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds < math.inf:
        raise SettingError(f"{SECONDS} is '{told}', but must be a number of seconds, 1 or more.")
    return seconds


def alive() -> None:
    """Speak: another item begins. Outside of a worker nothing happens."""
    global _renewed
    now = time.monotonic()
    if _watched and now - _renewed > _RENEWAL:
        _renewed = now
        faulthandler.dump_traceback_later(limit() + _RENEWAL, exit=True, file=_STDERR)


def rest() -> None:
    """Stop the watch until `alive` is called again."""
    global _renewed
    if _watched:
        _renewed = -math.inf
        faulthandler.cancel_dump_traceback_later()
