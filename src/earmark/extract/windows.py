"""`windows`: long recordings as clips of one length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from earmark.audio.length import seconds_of
from earmark.dataset import Clips, Dataset
from earmark.errors import AudioError, SettingError
from earmark.types import Clip, Problem

_SHORTEST = 0.05  # seconds; a feature says nothing about less


def windows(dataset: Dataset, length: float, hop: float) -> Dataset:
    """Return the data set with each clip cut into windows, labels and groups kept.

    The last window of a clip ends where the clip ends, so that nothing is left out; a clip shorter than a window stays
    whole. A file whose length cannot be found out becomes one of the problems.

    Parameters
    ----------
    length, hop
        Seconds; the windows overlap where the hop is the smaller one.

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
    lengths: dict[str, float] = {}
    problems: list[Problem] = []

    def pieces() -> Iterator[Clip]:
        for clip in dataset.clips:
            try:
                if clip.path not in lengths:
                    lengths[clip.path] = seconds_of(dataset.local(clip))
            except AudioError as error:
                lengths[clip.path] = -1.0
                problems.append(Problem(error.kind, clip.path, error.reason))
            if lengths[clip.path] >= 0:
                begin, end = clip.start or 0.0, lengths[clip.path] if clip.end is None else clip.end
                yield from (replace(clip, start=a, end=b) for a, b in _cuts(begin, end, length, hop))

    clips = Clips.of(pieces(), dataset.labels)
    return replace(dataset, clips=clips, problems=(*dataset.problems, *problems))


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
