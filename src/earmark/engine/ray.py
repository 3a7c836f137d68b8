"""`Ray`: the machines of a cluster, or processes on this one that Ray looks after."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from earmark.engine import cluster, watch
from earmark.engine.commands import ONE_THREAD
from earmark.engine.seam import Item, Lost, Result
from earmark.engine.worker import answer, pack, unpack
from earmark.errors import EngineError

_TRIES = 3  # a task whose process or machine dies is begun again elsewhere; what it does may be done twice
_AHEAD = 8  # tasks in flight a worker, as `Local` has
_LOOK = 5.0  # seconds after which a cluster that grows is seen to have grown
_LARGE = 64 * 2**10  # bytes of a function that is worth being sent to each machine once
_DIED = f"the process that worked on it died, or did not end within the time that one clip may take, {_TRIES} times"

# Version, search path, folder and settings of the process that asks. Built-in types, for it is read by processes
# that may not find Earmark.
Asker = tuple[str, list[str], str, dict[str, str]]


class Ray:
    """Runs items as tasks of a Ray cluster.

    Parameters
    ----------
    address
        ``"auto"``, ``"HOST:PORT"`` or ``"ray://HOST:PORT"``. ``None`` is the cluster that ``RAY_ADDRESS`` names or
        that was started on this machine, or else processes of our own, which end with this one.

    Raises
    ------
    MissingExtraError, EngineError, SettingError
        When Ray is not installed, no cluster answers, or the address is none.
    """

    def __init__(self, address: str | None = None) -> None:
        self._ray = cluster.connect(address)

    @property
    def workers(self) -> int:
        """How many items are worked on at once: the processors of the cluster as it is now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 0)))

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result | Lost]:
        """Yield ``function(item)`` for each item, in order, or `Lost`; see `earmark.engine.Engine`."""
        ray, packed, asker = self._ray, pack(function), _asker()
        task = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(_task())
        sent = ray.put(packed) if len(packed) > _LARGE else packed
        waiting: deque[Any] = deque()
        looked, ahead = time.monotonic(), self.workers * _AHEAD
        try:
            for item in items:
                waiting.append(task.remote(asker, sent, pack(item)))
                if time.monotonic() - looked > _LOOK:
                    looked, ahead = time.monotonic(), self.workers * _AHEAD
                while len(waiting) >= ahead:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            if ray.is_initialized():
                for reference in waiting:
                    ray.cancel(reference, force=True)

    def _result(self, reference: Any) -> Any:
        from ray import exceptions

        try:
            told = self._ray.get(reference)
        except exceptions.OutOfMemoryError:
            return Lost(f"the machine that worked on it ran out of memory, {_TRIES} times")
        except (exceptions.WorkerCrashedError, exceptions.NodeDiedError, exceptions.ObjectLostError):
            return Lost(_DIED)
        except exceptions.RayError as error:
            words = str(error).strip().splitlines() or [type(error).__name__]
            raise EngineError(f"The Ray cluster failed: {words[-1].rstrip('.')}.") from error
        if isinstance(told, str):
            raise EngineError(told)
        return unpack(told)


def _asker() -> Asker:
    settings = {name: value for name, value in os.environ.items() if name.startswith("EARMARK_")}
    return _version(), sys.path, os.getcwd(), settings  # noqa: PTH109  (as text, for another machine)


def _task() -> Callable[[Asker, bytes, bytes], bytes | str]:
    # A function within a function is sent whole, and so can say that Earmark is missing where it runs.
    def task(asker: Asker, function: bytes, item: bytes) -> bytes | str:
        import platform
        import sys

        sys.path += [place for place in asker[1] if place not in sys.path]
        try:
            from earmark.engine.ray import visit
        except ImportError as error:
            return f"The machine {platform.node()} of the Ray cluster has no Earmark {asker[0]}: {error}."
        return visit(asker, function, item)

    return task


def visit(asker: Asker, function: bytes, item: bytes) -> bytes | str:
    """Do the work of a task in a process of Ray: return what `answer` does, or what is wrong with this machine."""
    version, _, folder, settings = asker
    if version != _version():
        import platform

        return (
            f"The machine {platform.node()} of the Ray cluster has Earmark {_version()}, this one {version}."
            " Install the same version on both."
        )
    _settle(folder, tuple(sorted(settings.items())))
    return answer(function, item)


@cache
def _settle(folder: str, settings: tuple[tuple[str, str], ...]) -> None:
    """Make this process a worker, once: one BLAS thread, the asker's settings and, where there is one, its folder."""
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # for what is loaded from now on
    threadpool_limits(1)  # for what Ray has loaded
    os.environ.update(settings)
    if os.path.isdir(folder):  # noqa: PTH112
        os.chdir(folder)
    watch.start()


def _version() -> str:
    from importlib import metadata

    return metadata.version("earmark")
