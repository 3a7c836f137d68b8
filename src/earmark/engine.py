"""The cores of this machine: `map` by threads, `processes` for what threads cannot share. No audio here.

For `map` threads are enough: decoding, resampling, FFT and BLAS all release the interpreter's lock. BLAS itself is held
to one thread a worker; two layers of threads on the same cores are several times slower than one.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from earmark.errors import RunError

Item = TypeVar("Item")
Result = TypeVar("Result")


# What holds the usual BLAS libraries to one thread when set before they load.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_PATIENCE = 5.0  # seconds that a process has to end when it is told to
_AHEAD = 8  # items in flight a worker: enough to hide a slow one, few enough to bound memory


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        return os.cpu_count() or 1


def one_blas_thread() -> AbstractContextManager[object]:
    """Hold BLAS to one thread inside a ``with`` block."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def map(  # noqa: A001  (the module is used as engine.map, like the built-in)
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in order, however long each takes.

    Memory is bounded: items are taken from ``items`` only a little ahead of what was yielded. An exception in
    ``function`` is raised at its place in the order. Closing the iterator, or an interrupt, drops what has
    not started.

    Parameters
    ----------
    workers
        Threads; ``None`` is one a core. 1 runs in the calling thread.

    Examples
    --------
    >>> from earmark import engine
    >>> list(engine.map(lambda x: x * x, range(5)))
    [0, 1, 4, 9, 16]
    """
    count = workers or cores()
    with one_blas_thread():
        if count == 1:
            for item in items:
                yield function(item)
            return
        pool = ThreadPoolExecutor(count)
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= count * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def processes(commands: Sequence[Sequence[str]], log: Path) -> Iterator[str]:
    """Run ``commands`` at once, one process each, and yield the lines they print as they come.

    However this ends (an error, an interrupt, the iterator closed), no process is left running.

    Parameters
    ----------
    log
        Gets what the processes write to standard error.

    Raises
    ------
    RunError
        When a process fails; names its exit status and its last words.
    """
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}

    def forward(process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    running: list[subprocess.Popen[str]] = []
    finished = False
    with log.open("w") as errors:
        try:
            for command in commands:
                running.append(  # noqa: PERF401  (one by one, so that a failed start leaves none running)
                    subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        encoding="utf-8",
                        errors="replace",  # whatever is printed, the line must come through
                        env=environment,
                    )
                )
            readers = [threading.Thread(target=forward, args=(p,), daemon=True) for p in running]
            for reader in readers:
                reader.start()
            open_pipes = len(running)
            while open_pipes:
                line = lines.get()
                if line is None:
                    open_pipes -= 1
                else:
                    yield line
            finished = True
        finally:
            for process in running:
                if not finished:
                    process.terminate()
            for process in running:
                try:
                    process.wait(None if finished else _PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                if process.stdout:
                    process.stdout.close()
    failed = next((p.returncode for p in running if p.returncode), None)
    if failed is not None:
        words = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        how = f"was killed by signal {-failed}" if failed < 0 else f"ended with status {failed}"
        raise RunError(f"A worker process {how}: {words[-1].rstrip('.')}. Its full log: {log}")
