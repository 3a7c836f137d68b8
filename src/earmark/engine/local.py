"""`Local`: processes on this machine, one a core, that outlive the clips they die of.

Threads would be as fast for sound that is in order, since decoding, resampling, FFT and BLAS release the
interpreter's lock; but a decoder that crashes takes its process with it, and one that hangs cannot be stopped in any
other way. The processes are kept for the next call: starting one costs a third of a second.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from earmark.engine import threads
from earmark.engine.commands import ONE_THREAD
from earmark.engine.seam import Item, Lost, Result
from earmark.engine.worker import UNWATCHED, pack, receive, send, unpack

# The parent's own search path, so that whatever it can import its workers can.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from earmark.engine.worker import main; main(*sys.argv[2:])"
)
_LAST_WORDS = 4096  # bytes of a dead worker's standard error


class Local:
    """Runs items in processes on this machine.

    Parameters
    ----------
    workers
        How many; ``None`` is one a core.

    Examples
    --------
    >>> list(Local(2).map(abs, [-1, 2, -3]))
    [1, 2, 3]
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or threads.cores()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result | Lost]:
        """Yield ``function(item)`` for each item, in order, or `Lost`; see `earmark.engine.Engine`."""
        busy: list[Worker] = []
        packed = pack(function)
        lock = threading.Lock()
        stopped = False

        def one(item: Item) -> Result | Lost:
            with lock:
                if stopped:
                    return Lost("nobody waits for it")
                process = _idle.take()
                busy.append(process)
            try:
                result: Result | Lost = process.call(packed, item)
                return result
            finally:
                with lock:
                    busy.remove(process)
                _idle.give(process)

        def stop() -> None:
            nonlocal stopped
            with lock:
                stopped = True
                for process in busy:
                    process.kill()

        yield from threads.ordered(one, items, self.workers, stop)


class Worker:
    """One worker process and the pipes to it. Whoever starts one closes it.

    Parameters
    ----------
    watched
        Whether it ends itself when an item takes too long; else whoever asks has to see to that.
    """

    def __init__(self, watched: bool = True) -> None:
        self.surroundings = _surroundings()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  (for the life of the process)
        # A group of its own: Ctrl-C is for the parent, which then decides what becomes of its workers.
        own_group: dict[str, Any] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
            if os.name == "nt"
            else {"process_group": 0}
        )
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-c", _START, json.dumps(sys.path), *([] if watched else [UNWATCHED])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
            **own_group,
        )

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def call(self, function: bytes, item: Any) -> Any:
        """Return what the function gives there, raise what it raises there, or return `Lost`.

        Parameters
        ----------
        function
            As `pack` makes it.
        item
            Its argument.
        """
        try:
            self.ask(function, pack(item))
            told = receive(self._pipe(self._process.stdout))
        except (EOFError, OSError):
            return self.lost()
        return unpack(told)

    def ask(self, function: bytes, item: bytes) -> None:
        """Send what `call` does, both packed, without waiting for the answer; raises `OSError` when nobody reads it."""
        send(self._pipe(self._process.stdin), function, item)

    def fileno(self) -> int:
        """Return where the answers come, each after its length in eight bytes, for whoever waits for many workers."""
        number: int = self._pipe(self._process.stdout).fileno()
        return number

    @staticmethod
    def _pipe(pipe: Any) -> Any:
        if pipe is None:  # never: there are pipes
            raise RuntimeError("a worker without pipes")
        return pipe

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()

    def close(self) -> None:
        """Let the process end, and wait for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):  # what was not sent is not wanted
                    pipe.close()
        self._process.kill()
        self._process.wait()
        self._words.close()

    def lost(self) -> Lost:
        """End the process, and say how it ended."""
        return Lost(self._end())

    def _end(self) -> str:
        self._process.kill()  # where only a pipe broke
        status = self._process.wait()
        self._words.seek(max(0, self._words.seek(0, os.SEEK_END) - _LAST_WORDS))
        words = self._words.read().decode(errors="replace")
        if "Timeout (" in words:
            return "it did not end within the time that one clip may take"
        if status < 0:
            try:
                name = signal.Signals(-status).name
            except ValueError:
                name = str(-status)
            memory = ", perhaps for want of memory" if -status == getattr(signal, "SIGKILL", 9) else ""
            return f"the process that read it was ended by {name}{memory}"
        last = (words.strip().splitlines() or ["it said nothing"])[-1].rstrip(".")
        return f"the process that read it ended with status {status}: {last}"


def _surroundings() -> tuple[dict[str, str], list[str], str]:
    """Return what a worker takes over at its start; one whose own differ is not used again."""
    return dict(os.environ), list(sys.path), os.getcwd()  # noqa: PTH109  (a comparison, no path)


class _Idle:
    """The processes that wait for work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Worker] = []
        self._owner = os.getpid()

    def take(self) -> Worker:
        surroundings = _surroundings()
        with self._lock:
            if self._owner != os.getpid():  # a fork: the pipes are the other one's
                self._waiting, self._owner = [], os.getpid()
            while self._waiting:
                process = self._waiting.pop()
                if process.alive and process.surroundings == surroundings:
                    return process
                process.close()
        return Worker()

    def give(self, process: Worker) -> None:
        with self._lock:
            if process.alive and len(self._waiting) < threads.cores():
                self._waiting.append(process)
                return
        process.close()

    def close(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if self._owner == os.getpid():
            for process in waiting:
                process.close()


_idle = _Idle()
atexit.register(_idle.close)
