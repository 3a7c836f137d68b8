"""Why a label is suspected, and what could not be judged, in words for a person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.split import Rows
from earmark.types import IntArray

_NAMED = 3


class Reasons:
    """Puts what speaks against a label into words.

    Parameters
    ----------
    rows
        The rows with their recordings.
    place
        int64[n]: the class of each row, an index into ``names``.
    units
        int64[n]: rows with the same number are of one recording and have the same label.
    """

    def __init__(self, rows: Rows, place: IntArray, names: tuple[str, ...], units: IntArray) -> None:
        self._place, self._labels = place, names
        self._groups = [str(name) for name in rows.names]
        self._known = len(np.unique(rows.groups)) < len(rows)
        self._sizes = np.bincount(units)[units]
        self._recordings = rows.groups
        self._counts = np.zeros((int(rows.groups.max()) + 1, len(names)), np.int64)
        np.add.at(self._counts, (rows.groups, place), 1)

    def of(self, row: int, suggested: int, other: float, own: float, by_recording: bool) -> str:
        """Return why a row is suspected; ``other`` and ``own`` are the probabilities of both labels."""
        label, better = self._labels[self._place[row]], self._labels[suggested]
        odds = f"({other:.2f} against {own:.2f})"
        if not by_recording:
            others = self._counts[self._recordings[row]].copy()
            others[self._place[row]] -= 1
            if others[suggested] and others[suggested] * 2 > others.sum():
                n, total = int(others[suggested]), int(others.sum())
                what = f"the {_clips(n)}" if n == total else f"{n} of the {total} other clips"
                verb = "is" if n == total == 1 else "are"
                group = self._groups[row]
                return f"{what} of recording {group} {verb} {better}; this one is labelled {label}"
            return f"sounds like {better} to a model of all other clips {odds}"
        n = int(self._sizes[row])
        if n == 1:
            return f"sounds like {better} to a model of all other recordings {odds}"
        which = f"the {n} clips of recording {self._groups[row]} labelled {label}"
        return f"{which} sound like {better} to a model of all other recordings {odds}"

    def notes(self, by_clip: NDArray[np.bool_], by_recording: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return what could not be judged."""
        notes = []
        if lone := self._named(~by_clip & ~by_recording):
            notes.append(
                f"A class of one clip cannot be judged, for nothing else sounds as it should: {lone}."
            )
        if not self._known:
            notes.append(
                "No recordings are known: each file counts as one, so that a recording that is wrong as a whole hides"
                " behind its own clips."
            )
        elif single := self._named(by_clip & ~by_recording):
            notes.append(
                "A class with one recording cannot be judged against other recordings; only clips that differ from"
                f" the rest of theirs are found in: {single}."
            )
        return tuple(notes)

    def _named(self, rows: NDArray[np.bool_]) -> str:
        names = [self._labels[i] for i in np.unique(self._place[rows]).tolist()]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more


def _clips(n: int) -> str:
    return f"{n} other clip{'s' * (n != 1)}"
