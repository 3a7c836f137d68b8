"""Long recordings as clips: windows named by what was labelled in them, and what lies between the labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from earmark.audio.length import seconds_of
from earmark.dataset import Clips, Dataset
from earmark.engine import Engine, Local, Lost, alive, each
from earmark.engine.fetch import fetched
from earmark.errors import AudioError, SettingError
from earmark.types import Clip, Problem

_SHORTEST = 0.05  # seconds; a feature says nothing about less
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Cut:
    """How recordings become clips.

    Parameters
    ----------
    window, hop
        Seconds: length of a window, and from one to the next; ``hop=None`` is the length. ``window=None`` leaves
        clips as they are.
    min_overlap
        Share, above 0 and at most 1: a window has the label of a region that covers so much of it, or of which it holds
        so much.
    several
        What becomes of a window with several labels: ``"all"`` are kept, or the ``"longest"``.
    background
        The label for stretches in which nothing was labelled; empty leaves them out.

    Raises
    ------
    SettingError
        For a value that cannot be.
    """

    window: float | None = None
    hop: float | None = None
    min_overlap: float = 0.5
    several: str = "all"
    background: str = ""

    def __post_init__(self) -> None:
        if self.window is None:
            if self.hop is not None:
                raise SettingError("--hop goes with --window.")
        elif not _SHORTEST <= self.window < math.inf:
            raise SettingError(f"--window is {self.window:g} s, but must be at least {_SHORTEST:g} s.")
        elif not _SHORTEST <= self.step <= self.window:
            allowed = f"from {_SHORTEST:g} s to the window's {self.window:g} s"
            raise SettingError(f"--hop is {self.step:g} s, but must be {allowed}.")
        if not 0 < self.min_overlap <= 1:
            raise SettingError(f"--min-overlap is {self.min_overlap:g}, but must be above 0 and at most 1.")

    @property
    def step(self) -> float:
        """Seconds from one window to the next."""
        return (self.window or 0.0) if self.hop is None else self.hop

    @property
    def nothing(self) -> bool:
        """Whether clips stay as they are."""
        return self.window is None and not self.background


def cut(
    dataset: Dataset, how: Cut, engine: Engine | None = None, on_progress: OnProgress | None = None
) -> tuple[Dataset, tuple[Problem, ...]]:
    """Return the data set cut into clips, and the files that cannot be cut.

    Where label files say what is heard when, windows are laid over each recording and named by what they hold, and
    those in which nothing is labelled are background. Elsewhere each clip is cut, its labels and group kept; the
    last window ends where the clip ends, so that nothing is left out, and a clip shorter than a window stays whole.

    Parameters
    ----------
    engine
        Where the files are opened, to know their lengths; this machine by default.
    on_progress
        Told of how many files the length is known, and of how many there are.

    Raises
    ------
    SettingError
        When background is asked for, and no label file says what is none.
    """
    if how.nothing:
        return dataset, ()
    if how.background and not dataset.tracks:
        raise SettingError(
            f"--background needs recordings with label files; {dataset.name} has the layout '{dataset.layout}'."
        )
    if how.background in dataset.labels:
        raise SettingError(
            f"--background is '{how.background}', which is a label already. Take another name."
        )
    clips = dataset.clips
    addresses = {clip.path: dataset.address(clip) for clip in clips}
    for track in dataset.tracks:  # also those in which nothing was heard
        addresses.setdefault(track.path, dataset.address(Clip(track.path, (), track.path)))
    lengths, problems = lengths_of(addresses, engine or Local(), on_progress or (lambda done, total: None))
    if not dataset.tracks:
        pieces = list(_windows_of(clips, lengths, how.window or 0.0, how.step))
        return replace(dataset, clips=Clips.of(pieces, dataset.labels)), problems
    groups = dict(zip(clips.paths.tolist(), clips.groups.tolist(), strict=True))
    marks: dict[str, list[Clip]] = {path: [] for path in addresses}
    for clip in clips:
        marks[clip.path].append(clip)
    usual = float(
        np.median([c.end - c.start for c in clips if c.start is not None and c.end is not None] or [0])
    )
    found: list[Clip] = []
    between = 0
    for path, seconds in lengths.items():
        recording = _Recording(path, groups.get(path, path), seconds, marks[path])
        if how.window is None:
            found += [*marks[path], *recording.gaps(usual, how.background)]
        else:
            made, unclear = recording.windows(how)
            found += made
            between += unclear
    labels = Clips.of(found)
    told = f"{dataset.title}, windows of {how.window:g} s" if how.window is not None else dataset.title
    told += f", {between:,} with too little of a label left out" if between else ""
    one = all(len(clip.labels) == 1 for clip in found)
    return replace(dataset, clips=labels, exclusive=one, title=told), problems


def lengths_of(
    addresses: dict[str, str], engine: Engine, tell: OnProgress
) -> tuple[dict[str, float], tuple[Problem, ...]]:
    """Return the seconds of each file, by what it is called in ``addresses``, and what is wrong with the others."""
    lengths: dict[str, float] = {}
    problems: list[Problem] = []
    tell(0, len(addresses))
    found = each(engine, _length, addresses.values())
    for done, (path, seconds) in enumerate(zip(addresses, found, strict=True), 1):
        if isinstance(seconds, float):
            lengths[path] = seconds
        else:
            kind = "crashed" if isinstance(seconds, Lost) else seconds.kind
            problems.append(Problem(kind, path, seconds.reason))
        tell(done, len(addresses))
    return lengths, tuple(problems)


def _length(address: str) -> float | AudioError:
    try:
        return seconds_of(fetched(address), alive)
    except AudioError as error:
        return error


def _windows_of(clips: Clips, lengths: dict[str, float], length: float, hop: float) -> Iterator[Clip]:
    for clip in clips:
        if clip.path in lengths:
            last = lengths[clip.path] if clip.end is None else clip.end
            for start, end in _spans(clip.start or 0.0, last, length, hop):
                yield replace(clip, start=start, end=end)


def _spans(begin: float, end: float, length: float, hop: float) -> Iterator[tuple[float, float]]:
    """Yield the windows of one stretch.

    >>> list(_spans(0.0, 5.0, 2.0, 2.0)), list(_spans(1.0, 2.5, 2.0, 1.0))
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


class _Recording:
    """A recording whose labels are known in time."""

    def __init__(self, path: str, group: str, seconds: float, marks: Sequence[Clip]) -> None:
        self._path, self._group, self._seconds = path, group, seconds
        self._marks = sorted(marks, key=lambda c: (c.start or 0.0, math.inf if c.end is None else c.end))
        self._starts = np.array([c.start or 0.0 for c in self._marks])
        self._ends = np.array([seconds if c.end is None else min(c.end, seconds) for c in self._marks])

    def windows(self, how: Cut) -> tuple[list[Clip], int]:
        """Return a clip for each window that holds a label, or none at all; and how many hold too little of one."""
        made, unclear = [], 0
        reach = np.maximum.accumulate(self._ends) if len(self._ends) else self._ends
        for start, end in _spans(0.0, self._seconds, how.window or 0.0, how.step):
            # Regions are in the order of their starts; those before `first` have all ended.
            first = int(np.searchsorted(reach, start, side="right"))
            last = int(np.searchsorted(self._starts, end, side="left"))
            held = self._held(first, last, start, end)
            if held:
                labels = self._labels(held, how)
                if labels:
                    made.append(Clip(self._path, labels, self._group, start, end))
                else:
                    unclear += 1
            elif how.background:
                made.append(Clip(self._path, (how.background,), self._group, start, end))
        return made, unclear

    def _held(self, first: int, last: int, start: float, end: float) -> list[tuple[Clip, float, float]]:
        """Return what of the regions lies in a window: each with the seconds, and the share by which it counts."""
        starts, ends = self._starts[first:last], self._ends[first:last]
        shared = np.minimum(ends, end) - np.maximum(starts, start)
        least: NDArray[np.float64] = np.minimum(ends - starts, end - start)
        return [
            (self._marks[first + i], float(shared[i]), float(shared[i] / least[i]))
            for i in np.flatnonzero((shared > 0) & (least > 0)).tolist()
        ]

    @staticmethod
    def _labels(held: list[tuple[Clip, float, float]], how: Cut) -> tuple[str, ...]:
        seconds: dict[str, float] = {}
        for clip, shared, share in held:
            if share >= how.min_overlap - 1e-9:
                for label in clip.labels:
                    seconds[label] = seconds.get(label, 0.0) + shared
        if how.several == "longest" and seconds:
            return (max(sorted(seconds), key=seconds.__getitem__),)
        return tuple(sorted(seconds))

    def gaps(self, length: float, label: str) -> list[Clip]:
        """Return as many pieces of what lies between the regions as there are regions, one at least, spread evenly.

        Where nothing was labelled at all, ``length`` may be 0; then the whole recording is one.
        """
        if length <= 0:
            return [] if self._marks else [Clip(self._path, (label,), self._group, 0.0, self._seconds)]
        pieces: list[tuple[float, float]] = []
        begin = 0.0
        for start, end in [
            *zip(self._starts.tolist(), self._ends.tolist(), strict=True),
            (self._seconds,) * 2,
        ]:
            count = math.floor((start - begin) / length + 1e-9)
            pieces += [(begin + i * length, begin + (i + 1) * length) for i in range(count)]
            begin = max(begin, end)
        wanted = max(1, len(self._marks))
        if len(pieces) > wanted:
            at = np.linspace(0, len(pieces) - 1, wanted).round().astype(int)
            pieces = [pieces[i] for i in at.tolist()]
        return [Clip(self._path, (label,), self._group, start, end) for start, end in pieces]
