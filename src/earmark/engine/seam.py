"""What an engine is, and how one is named on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from earmark.errors import SettingError, UnknownNameError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Lost:
    """In place of a result: the process that worked on the item died or fell silent."""

    reason: str


class Engine(Protocol):
    """Runs a function over many items.

    Attributes
    ----------
    workers
        How many items are worked on at once.
    """

    @property
    def workers(self) -> int:
        """How many items are worked on at once."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result | Lost]:
        """Yield ``function(item)`` for each item, in order, or `Lost`.

        Items are taken only a little ahead of what was yielded. An exception in ``function`` is raised at its place
        in the order. Closing the iterator ends what is running.
        """


def _local(workers: int | None, address: str | None) -> Engine:
    from earmark.engine.local import Local

    if address is not None:
        raise SettingError("--address says where a cluster is, and goes with --engine ray.")
    return Local(workers)


def _ray(workers: int | None, address: str | None) -> Engine:
    from earmark.engine.ray import Ray

    if workers is not None:
        raise SettingError("--workers is for this machine; a cluster decides by its own size.")
    return Ray(address)


ENGINES: dict[str, Callable[[int | None, str | None], Engine]] = {"local": _local, "ray": _ray}


def open_engine(name: str = "local", workers: int | None = None, address: str | None = None) -> Engine:
    """Return the engine called ``name``.

    Parameters
    ----------
    name
        A key of `ENGINES`: ``"local"`` or ``"ray"``.
    workers
        Processes on this machine; ``None`` is one a core.
    address
        Of a Ray cluster: ``"auto"``, ``"HOST:PORT"`` or ``"ray://HOST:PORT"``.

    Raises
    ------
    UnknownNameError, SettingError, MissingExtraError
        When there is no such engine, an option does not go with it, or its package is not installed.

    Examples
    --------
    >>> open_engine("local", workers=2).workers
    2
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    if workers is not None and workers < 1:
        raise SettingError(f"--workers is {workers}, but must be 1 or more.")
    return ENGINES[name](workers, address)
