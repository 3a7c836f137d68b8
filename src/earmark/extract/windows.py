"""`windows`: long recordings as clips of one length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from earmark.audio.length import seconds_of
from earmark.dataset import Clips, Dataset
from earmark.engine import Engine, Local, Lost, alive, each
from earmark.engine.fetch import fetched
from earmark.errors import AudioError, SettingError
from earmark.types import Problem

_SHORTEST = 0.05  # seconds; a feature says nothing about less


def windows(
    dataset: Dataset,
    length: float,
    hop: float,
    engine: Engine | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Dataset, tuple[Problem, ...]]:
    """Return the data set with each clip cut into windows, labels and groups kept, and the files that cannot be cut.

    The last window of a clip ends where the clip ends, so that nothing is left out; a clip shorter than a window stays
    whole.

    Parameters
    ----------
    length, hop
        Seconds; the windows overlap where the hop is the smaller one.
    engine
        Where the files are opened, to know their lengths; this machine by default.
    on_progress
        Told of how many files the length is known, and of how many there are.

    Raises
    ------
    SettingError
        When they cannot be.
    """
    if not _SHORTEST <= length < math.inf:
        raise SettingError(f"--window is {length:g} s, but must be at least {_SHORTEST:g} s.")
    if not _SHORTEST <= hop <= length:
        raise SettingError(
            f"--hop is {hop:g} s, but must be from {_SHORTEST:g} s to the window's {length:g} s."
        )
    tell = on_progress or (lambda done, total: None)
    addresses = {clip.path: dataset.address(clip) for clip in dataset.clips}
    lengths: dict[str, float] = {}
    problems: list[Problem] = []
    tell(0, len(addresses))
    found = each(engine or Local(), _length, addresses.values())
    for done, (path, seconds) in enumerate(zip(addresses, found, strict=True), 1):
        if isinstance(seconds, float):
            lengths[path] = seconds
        else:
            kind = "crashed" if isinstance(seconds, Lost) else seconds.kind
            problems.append(Problem(kind, path, seconds.reason))
        tell(done, len(addresses))
    pieces = (
        replace(clip, start=a, end=b)
        for clip in dataset.clips
        if clip.path in lengths
        for a, b in _cuts(
            clip.start or 0.0, lengths[clip.path] if clip.end is None else clip.end, length, hop
        )
    )
    return replace(dataset, clips=Clips.of(pieces, dataset.labels)), tuple(problems)


def _length(address: str) -> float | AudioError:
    try:
        return seconds_of(fetched(address), alive)
    except AudioError as error:
        return error


def _cuts(begin: float, end: float, length: float, hop: float) -> Iterator[tuple[float, float]]:
    """Yield the windows of one clip.

    >>> list(_cuts(0.0, 5.0, 2.0, 2.0)), list(_cuts(1.0, 2.5, 2.0, 1.0))
    ([(0.0, 2.0), (2.0, 4.0), (3.0, 5.0)], [(1.0, 2.5)])
    """
    if end - begin <= length:
        yield begin, end
        return
    count = math.floor((end - begin - length) / hop + 1e-9) + 1
    for i in range(count):
        yield begin + i * hop, begin + i * hop + length
    if begin + (count - 1) * hop + length < end - 1e-6:
        yield end - length, end
