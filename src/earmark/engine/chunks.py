"""Many small items as few tasks, and the one item found that a task was lost by."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Generic

from earmark.engine.seam import Engine, Item, Lost, Result
from earmark.engine.watch import alive


@dataclass(frozen=True, slots=True)
class _Each(Generic[Item, Result]):
    function: Callable[[Item], Result]
    around: Callable[[], AbstractContextManager[object]]

    def __call__(self, items: tuple[Item, ...]) -> list[Result]:
        results = []
        with self.around():
            for item in items:
                alive()
                results.append(self.function(item))
        return results


def each(
    engine: Engine,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    size: int = 32,
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Result | Lost]:
    """Yield ``function(item)`` or `Lost` for each item, in order; ``size`` items are one task, done within ``around``.

    When a task is lost its items are done again, each in a task of its own, so that one item that crashes or hangs
    costs itself only.

    Examples
    --------
    >>> from earmark.engine import Local
    >>> list(each(Local(1), abs, [-1, 2, -3], size=2))
    [1, 2, 3]
    """
    many = _Each(function, around)
    sent: deque[tuple[Item, ...]] = deque()

    def tasks() -> Iterator[tuple[Item, ...]]:
        source = iter(items)
        while task := tuple(islice(source, size)):
            sent.append(task)
            yield task

    for results in engine.map(many, tasks()):
        task = sent.popleft()
        if not isinstance(results, Lost):
            yield from results
        elif len(task) == 1:
            yield results
        else:
            for alone in engine.map(many, ((item,) for item in task)):
                yield alone if isinstance(alone, Lost) else alone[0]
