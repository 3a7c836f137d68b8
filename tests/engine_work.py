"""What engines are given to do in tests: functions that another process can find by this module's name."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from earmark.errors import UnreadableAudioError


def slow_first(i: int) -> int:
    time.sleep(0.002 * (3 - i % 4))
    return i


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def fail_at_5(i: int) -> int:
    if i == 5:
        raise ValueError(f"item {i}")
    return i


def unreadable(path: str) -> None:
    raise UnreadableAudioError(path, "it is broken")


def die_at_5(i: int) -> int:
    if i == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return i


def crash_at_5(i: int) -> int:
    if i == 5:
        os.kill(os.getpid(), signal.SIGSEGV)
    return i


def die_if_told(text: str) -> str:
    if text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return text


def hang_at_5(i: int) -> int:
    if i == 5:
        time.sleep(600)
    return i


def leave_at_5(i: int) -> int:
    if i == 5:
        print("the last words", file=sys.stderr)
        os._exit(3)
    return i


def process(_: object) -> int:
    return os.getpid()


def note_process(path: str) -> None:
    """Leave a file that says which process works here, and stay; without a path, go at once."""
    if path:
        Path(path).write_text(str(os.getpid()))
        time.sleep(600)


def note_process_briefly(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(2)


def a_lock(_: object) -> object:
    return threading.Lock()


class _OddError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def odd_error(_: object) -> None:
    raise _OddError(1, 2)


def surroundings(name: str) -> tuple[str, str | None, list[int]]:
    """Return the folder, a variable, and how many threads BLAS takes."""
    import numpy as np  # noqa: F401  (it brings BLAS)
    from threadpoolctl import threadpool_info

    pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return str(Path.cwd()), os.environ.get(name), pools


class Bulky:
    """A function that is large to send."""

    def __init__(self) -> None:
        self.ballast = bytes(200_000)

    def __call__(self, i: int) -> int:
        return i + len(self.ballast)
