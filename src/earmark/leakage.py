"""What a split lets through: test clips whose recording is trained on, and what that alone is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.ranking import mean_average_precision
from earmark.split import TEST, Split
from earmark.types import IntArray


@dataclass(frozen=True, slots=True)
class Leakage:
    """What a split lets through.

    Parameters
    ----------
    test_clips
        Clips tested.
    test_clips_sharing_a_group
        Those whose recording, or an identical sound, is also trained on.
    test_clips_sharing_a_sound
        Those, and the ones of which a stretch, or a copy in disguise, is trained on under another recording.
    oracle_accuracy
        What a model would score that only recognises recordings: the training label of a known one, the commonest
        training label for the rest; ``None`` where clips have several labels.
    oracle_map
        There, its mean average precision: the shares of the training labels of a known one, those of all for the rest.
    """

    test_clips: int
    test_clips_sharing_a_group: int
    test_clips_sharing_a_sound: int
    oracle_accuracy: float | None
    oracle_map: float | None = None

    @property
    def share(self) -> float:
        """Share of test clips that leak, 0 to 1."""
        return self.test_clips_sharing_a_sound / max(self.test_clips, 1)

    @property
    def oracle(self) -> float:
        """The oracle's score."""
        found = self.oracle_map if self.oracle_accuracy is None else self.oracle_accuracy
        return found or 0.0

    def to_dict(self) -> dict[str, int | float]:
        """Return the numbers ready for JSON."""
        name = "oracle_map" if self.oracle_accuracy is None else "oracle_accuracy"
        return {
            "test_clips": self.test_clips,
            "test_clips_sharing_a_group": self.test_clips_sharing_a_group,
            "test_clips_sharing_a_sound": self.test_clips_sharing_a_sound,
            name: self.oracle,
        }


def leakage(split: Split) -> Leakage:
    """Measure what ``split`` lets through."""
    rows, units = split.rows, split.rows.recordings
    learnt, tested = split.learnt, split.positions(TEST)
    known = np.isin(units[tested], units[learnt])
    # Of a sound it is the copies themselves that leak, and not all clips of their recordings.
    learnt_here = np.isin(np.arange(len(rows)), learnt)
    shared = known | rows.linked(learnt_here)[tested]
    told = len(tested), int(known.sum()), int(shared.sum())
    if rows.marks is not None:
        return Leakage(*told, None, _oracle_map(rows.marks, units, learnt, tested))
    targets = rows.targets
    classes = int(targets.max()) + 1
    counts = np.zeros((int(units.max()) + 1, classes), np.int64)
    np.add.at(counts, (units[learnt], targets[learnt]), 1)
    commonest = int(np.bincount(targets[learnt], minlength=classes).argmax())
    guess = np.where(known, counts[units[tested]].argmax(axis=1), commonest)
    return Leakage(*told, float((guess == targets[tested]).mean()))


def _oracle_map(marks: NDArray[np.bool_], units: IntArray, learnt: IntArray, tested: IntArray) -> float:
    """Return the mean average precision of the labels' shares among each recording's training clips."""
    clips = np.bincount(units[learnt], minlength=int(units.max()) + 1)
    scores = np.empty((len(tested), marks.shape[1]))
    for label, own in enumerate(marks.T):
        shares = np.bincount(units[learnt], own[learnt], len(clips)) / np.maximum(clips, 1)
        scores[:, label] = np.where(clips > 0, shares, own[learnt].mean())[units[tested]]
    found = mean_average_precision(scores, marks[tested])
    return found if np.isfinite(found) else 0.0
