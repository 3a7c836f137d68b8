"""`Pool`: the worker processes, and the line in which requests wait for them.

A worker more than there are cores, so that none idles while an answer is sent; one file at a time: networks here take a
tenth of what decoding and features do, so that waiting to run several at once would cost more than it gives, and a file
that its decoder dies of would take others along.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from earmark.engine import Lost, Worker, cores, pack, unpack
from earmark.errors import EarmarkError, EngineError
from earmark.serve.problems import ProblemError

log = logging.getLogger("earmark.serve")

_PAUSE = 1.0  # seconds before a worker that could not be made ready is tried again
_LENGTH = 8  # bytes before an answer, of which they tell the size
_PIECE = 1 << 16
_AT_ONCE = 1 << 15  # bytes that a pipe takes without waiting for the other side
_STARTING = 120.0  # seconds that a model may take to be read and tested


class Pool:
    """Worker processes that are replaced when they die.

    Parameters
    ----------
    ready
        What a worker does first; the workers of one model are alike.
    workers
        How many processes; ``None`` is one a core, and one more.
    queue
        Requests that may wait.
    seconds
        That one call may take; the worker is then ended.

    Attributes
    ----------
    busy
        Calls under way.
    restarts
        Workers that were replaced.
    """

    def __init__(
        self, ready: Callable[[None], None], workers: int | None, queue: int, seconds: float
    ) -> None:
        self.size = workers or cores() + 1
        self.busy = self.restarts = self._inside = 0
        self._ready, self._queue, self._seconds = pack(ready), queue, seconds
        self._free: asyncio.Queue[Worker] = asyncio.Queue()
        self._all: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def alive(self) -> int:
        """How many workers are ready or at work."""
        return sum(worker.alive for worker in self._all)

    @property
    def waiting(self) -> int:
        """How many requests are sent or wait."""
        return max(0, self._inside - self.busy)

    async def start(self) -> None:
        """Start every worker.

        Raises
        ------
        EarmarkError
            When the model cannot be used.
        """
        for found in await asyncio.gather(*(self._start() for _ in range(self.size)), return_exceptions=True):
            if isinstance(found, BaseException):
                raise found
        self._do(self._watch())

    def close(self) -> None:
        """End every worker."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for worker in self._all:
            worker.kill()
        for worker in self._all:
            worker.close()
        self._all.clear()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the line within a ``with`` block, or refuse with the problem ``busy``."""
        if self._inside >= self._queue + self.size:
            one = "1 request waits" if self.waiting == 1 else f"{self.waiting} requests wait"
            raise ProblemError("busy", f"{one} already, and no more may. Send it again in a second.")
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def call(self, function: bytes, item: Any, wanted: Callable[[], bool] = lambda: True) -> Any:
        """Return what the function gives in a worker, or `Lost`; in the order in which it was asked.

        Parameters
        ----------
        function
            As `earmark.engine.pack` makes it.
        item
            Its argument.
        wanted
            Asked when a worker is free: whether anybody still waits for the answer.
        """
        worker = await self._free.get()
        while not worker.alive:  # it died while it had nothing to do
            self._replace(worker)
            worker = await self._free.get()
        if not wanted():
            self._free.put_nowait(worker)
            return Lost("nobody waits for it")
        return await self._on(worker, function, item)

    async def _on(self, worker: Worker, function: bytes, item: Any) -> Any:
        loop, late = asyncio.get_running_loop(), False

        def end() -> None:
            nonlocal late
            late = True
            worker.kill()

        timer = loop.call_later(self._seconds, end)
        self.busy += 1
        try:
            told = await _asked(worker, function, pack(item))
        except BaseException:  # the server ends, and does not wait any longer
            worker.kill()
            self._replace(worker)
            raise
        finally:
            timer.cancel()
            self.busy -= 1
        if told is not None:
            self._free.put_nowait(worker)
            return unpack(told)
        try:
            lost: Lost = await loop.run_in_executor(None, worker.lost)
        finally:
            self._replace(worker)
        return Lost(f"it did not end within the {self._seconds:g} s that one file may take") if late else lost

    def _replace(self, worker: Worker) -> None:
        """Start another worker in place of one that died."""
        if self._closed:
            return
        self._all.discard(worker)
        self.restarts += 1
        self._do(self._again(worker))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        """See to it that workers are replaced that died while they had nothing to do."""
        while not self._closed:
            await asyncio.sleep(_PAUSE)
            for _ in range(self._free.qsize()):
                worker = self._free.get_nowait()
                if worker.alive:
                    self._free.put_nowait(worker)
                else:
                    self._replace(worker)

    async def _again(self, dead: Worker) -> None:
        await asyncio.get_running_loop().run_in_executor(None, dead.close)
        while not self._closed:
            with suppress(EarmarkError, OSError):
                await self._start()
                return
            log.error("a worker could not be started; trying again")
            await asyncio.sleep(_PAUSE)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        # Not watched: the clock is here, and to wind one up there for each call takes a tenth of a millisecond.
        worker = await loop.run_in_executor(None, partial(Worker, watched=False))
        self._all.add(worker)
        late = loop.call_later(_STARTING, worker.kill)
        try:
            told = await loop.run_in_executor(None, worker.call, self._ready, None)
        except BaseException:
            self._all.discard(worker)
            worker.kill()
            await loop.run_in_executor(None, worker.close)
            raise
        finally:
            late.cancel()
        if isinstance(told, Lost):
            self._all.discard(worker)
            raise EngineError(f"A worker could not be started: {told.reason}.")
        self._free.put_nowait(worker)


async def _asked(worker: Worker, function: bytes, item: bytes) -> bytes | None:
    """Return a worker's answer, packed; ``None`` when it died. No thread waits for it: to change to one takes time."""
    loop, pipe, got = asyncio.get_running_loop(), worker.fileno(), bytearray()
    answered: asyncio.Future[bytes | None] = loop.create_future()

    def readable() -> None:
        data = os.read(pipe, _PIECE)
        got.extend(data)
        if answered.done():
            loop.remove_reader(pipe)
        elif not data:
            answered.set_result(None)
        elif len(got) >= _LENGTH and len(got) == _LENGTH + int.from_bytes(got[:_LENGTH], "little"):
            answered.set_result(bytes(got[_LENGTH:]))

    loop.add_reader(pipe, readable)
    try:
        if len(function) + len(item) < _AT_ONCE:
            worker.ask(function, item)
        else:
            await loop.run_in_executor(None, worker.ask, function, item)
        return await answered
    except OSError:
        return None
    finally:
        loop.remove_reader(pipe)
