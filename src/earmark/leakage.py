"""What a split lets through: test clips whose recording is trained on, and what that alone is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earmark.split import TEST, Split


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
        training label for the rest.
    """

    test_clips: int
    test_clips_sharing_a_group: int
    test_clips_sharing_a_sound: int
    oracle_accuracy: float

    @property
    def share(self) -> float:
        """Share of test clips that leak, 0 to 1."""
        return self.test_clips_sharing_a_sound / max(self.test_clips, 1)

    def to_dict(self) -> dict[str, int | float]:
        """Return the numbers ready for JSON."""
        return {
            "test_clips": self.test_clips,
            "test_clips_sharing_a_group": self.test_clips_sharing_a_group,
            "test_clips_sharing_a_sound": self.test_clips_sharing_a_sound,
            "oracle_accuracy": self.oracle_accuracy,
        }


def leakage(split: Split) -> Leakage:
    """Measure what ``split`` lets through."""
    units, targets = split.rows.recordings, split.rows.targets
    learnt, tested = split.learnt, split.positions(TEST)
    classes = int(targets.max()) + 1
    counts = np.zeros((int(units.max()) + 1, classes), np.int64)
    np.add.at(counts, (units[learnt], targets[learnt]), 1)
    known = counts[units[tested]].any(axis=1)
    commonest = int(np.bincount(targets[learnt], minlength=classes).argmax())
    guess = np.where(known, counts[units[tested]].argmax(axis=1), commonest)
    # Of a sound it is the copies themselves that leak, and not all clips of their recordings.
    learnt_here = np.isin(np.arange(len(targets)), learnt)
    shared = known | split.rows.linked(learnt_here)[tested]
    right = float((guess == targets[tested]).mean())
    return Leakage(len(tested), int(known.sum()), int(shared.sum()), right)
