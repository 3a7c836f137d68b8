"""`map` by threads: in order, with bounded memory. BLAS is held to one thread a worker.

Two layers of threads on the same cores are several times slower than one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
            yield from (function(item) for item in items)
        else:
            yield from ordered(function, items, count)


def ordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    count: int,
    stop: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Yield ``function(item)`` in order from ``count`` threads; ``stop`` is called when nobody wants the rest."""
    pool = ThreadPoolExecutor(count)
    waiting: deque[Future[Result]] = deque()
    done = False
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= count * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        done = True
    finally:
        if stop and not done:
            stop()
        pool.shutdown(wait=True, cancel_futures=True)
