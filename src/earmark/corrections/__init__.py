"""Corrections of labels: kept in a log beside the data, laid over it whenever it is read. The data stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from earmark.corrections.log import Correction, Entry, Log, Undo, find_log, hold_log, read_log
from earmark.dataset import Clips, Dataset
from earmark.types import Clip, Problem, problem_of

__all__ = [
    "Correction", "Entry", "Log", "Undo", "correct", "find_log", "hold_log", "key_of", "leftover", "read_log",
    "rows_of", "standing",
]  # fmt: skip

_DIGITS = 6  # of a second: what tells two cuts of a recording apart
Key = tuple[str, float | None, float | None]


def standing(entries: Iterable[Entry]) -> tuple[Correction, ...]:
    """Return the corrections that were not undone, in the order in which they were made.

    >>> one = Correction("1", "2026-01-01T00:00:00+00:00", "ann", "a.wav", None, None, ("cat",), ("dog",))
    >>> standing([one, Undo("2", "2026-01-02T00:00:00+00:00", "ann", "1")])
    ()
    """
    made: dict[str, Correction] = {}
    for entry in entries:
        if isinstance(entry, Undo):
            made.pop(entry.undo, None)
        else:
            made[entry.id] = entry
    return tuple(made.values())


def key_of(clip: Clip | Correction) -> Key:
    """Return what a clip is known by: its file, and from where to where."""
    start, end = (None if at is None else round(at, _DIGITS) for at in (clip.start, clip.end))
    return clip.path, start, end


def rows_of(clips: Clips, paths: Iterable[str]) -> dict[Key, list[int]]:
    """Return the rows of the clips of some files, by what each is known by."""
    wanted = set(paths)
    found: dict[Key, list[int]] = {}
    for row, path in enumerate(clips.paths.tolist()):
        if path in wanted:
            found.setdefault(key_of(clips[row]), []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class Left:
    """A correction that was not applied, and why."""

    correction: Correction
    reason: str
    gone: bool


def correct(dataset: Dataset, corrections: Sequence[Correction]) -> tuple[Dataset, tuple[Left, ...]]:
    """Return the data set with corrections applied one after the other, and those that do not fit it.

    A correction fits a clip that is there and has the label that it had when it was made.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> clips = Clips.of([Clip("a.wav", ("cat",), "a"), Clip("b.wav", ("cat",), "b")])
    >>> data = Dataset("demo", Path(), "table", clips, True, None, None, "2 clips")
    >>> one = Correction("1", "2026-01-01T00:00:00+00:00", "ann", "a.wav", None, None, ("cat",), ("dog",))
    >>> [clip.labels for clip in correct(data, [one])[0].clips]
    [('dog',), ('cat',)]
    """
    clips = dataset.clips
    rows = rows_of(clips, {c.path for c in corrections})
    now: dict[int, tuple[str, ...]] = {}
    left = []
    for correction in corrections:
        at = rows.get(key_of(correction), [])
        has = {row: now.get(row, clips[row].labels) for row in at}
        fitting = [row for row, labels in has.items() if set(labels) == set(correction.old)]
        if not at:
            left.append(Left(correction, "no such clip", gone=True))
        elif dataset.exclusive and len(correction.new) != 1:
            left.append(Left(correction, "a clip of this data set has one label", gone=False))
        elif fitting:
            now[fitting[0]] = correction.new
        elif any(set(labels) == set(correction.new) for labels in has.values()):
            continue  # the data itself was put right since
        else:
            told = " and ".join(_told(labels) for labels in has.values())
            left.append(Left(correction, f"the clip is {told} now, not {_told(correction.old)}", gone=False))
    changed = {row: labels for row, labels in now.items() if set(labels) != set(clips[row].labels)}
    if not changed:
        return dataset, tuple(left)
    corrected = dataset.corrected + len(changed)
    return replace(dataset, clips=_relabelled(clips, changed), corrected=corrected), tuple(left)


def leftover(left: Iterable[Left], log: str) -> tuple[Problem, ...]:
    """Return a problem for each correction that was not applied."""
    return tuple(
        problem_of(
            Clip(one.correction.path, (), "", one.correction.start, one.correction.end),
            "correction",
            f"{log} says {_told(one.correction.old)} is {_told(one.correction.new)}; not applied: {one.reason}",
        )
        for one in left
    )


def _told(labels: Sequence[str]) -> str:
    return ", ".join(f"'{label}'" for label in labels) or "without a label"


def _relabelled(clips: Clips, changed: dict[int, tuple[str, ...]]) -> Clips:
    """Return the clips with other labels for some rows. Labels that no clip has any more go."""
    known = clips.labels
    new = sorted({label for labels in changed.values() for label in labels} - set(known))
    names = [*known, *new]
    number = {name: i for i, name in enumerate(names)}
    values, offsets = clips.label_values, clips.label_offsets
    counts = np.diff(offsets)
    parts: list[NDArray[np.int32]] = []
    at = 0
    for row in sorted(changed):
        own = np.array([number[label] for label in changed[row]], np.int32)
        parts += [values[offsets[at] : offsets[row]], own]
        counts[row] = len(own)
        at = row + 1
    together = np.concatenate([*parts, values[offsets[at] :]])
    before = np.bincount(values, minlength=len(names))
    after = np.bincount(together, minlength=len(names))
    kept = [name for i, name in enumerate(names) if after[i] or (i < len(known) and not before[i])]
    order = sorted(kept) if list(known) == sorted(known) else kept
    to = np.array([order.index(name) if name in kept else -1 for name in names], np.int32)
    bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Clips(
        tuple(order), clips.paths, clips.groups, to[together], bounds, clips.starts, clips.ends, clips.folds
    )
