"""Labels that may be wrong, from what is said of clips by a model that did not hear them.

Two questions are asked of every clip. What do all other clips say, its recording's too? That finds a single wrong
label, because the rest of the recording is right. And what do all other recordings say? That finds a recording that is
wrong as a whole, about which its own clips can only repeat the mistake.

Source of the idea: Northcutt, Jiang and Chuang, *Confident learning: estimating uncertainty in dataset labels*, 2021,
which finds wrong labels by out-of-fold probabilities. Its thresholds, the mean self-confidence of each class, are not
used: they find fewer of the mistakes than a threshold on the odds does (`bench/suspects.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import DataError
from earmark.split import Rows
from earmark.suspects.reasons import Reasons
from earmark.suspects.ridge import Scores
from earmark.suspects.unheard import held_out
from earmark.types import FloatArray, IntArray

__all__ = ["FLAGGED", "Suspect", "Suspects", "find_suspects"]

# Chosen on ESC-10 and on labels of UrbanSound8K flipped with other seeds than those that are reported.
FLAGGED = 0.85
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that may be wrong.

    Parameters
    ----------
    row
        Of the values.
    label, suggested
        What it is called, and what it sounds like.
    score
        0 to 1, for the order of a list; no probability that the label is wrong.
    reason
        One phrase for a person.
    evidence
        What speaks for it more: all other clips, or all other recordings.
    """

    row: int
    label: str
    suggested: str
    score: float
    reason: str
    evidence: Literal["clip", "recording"]

    def to_dict(self) -> dict[str, Any]:
        """Return what stands in JSON, without the row."""
        return {
            "label": self.label,
            "suggested": self.suggested,
            "score": round(self.score, 4),
            "reason": self.reason,
            "evidence": self.evidence,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """What `find_suspects` found.

    Parameters
    ----------
    found
        The labels with a score of at least `FLAGGED`, the highest first.
    scores
        float64[n], of every row; NaN where it cannot be judged.
    notes
        What could not be judged and why, one sentence each.
    """

    found: tuple[Suspect, ...]
    scores: NDArray[np.float64]
    notes: tuple[str, ...]

    @property
    def judged(self) -> int:
        """How many labels could be judged."""
        return int(np.isfinite(self.scores).sum())


def find_suspects(
    values: FloatArray, rows: Rows, labels: tuple[str, ...], seed: int = 0, tell: Tell | None = None
) -> Suspects:
    """Find labels that may be wrong.

    Parameters
    ----------
    values
        float32[n, d]: features of each row.
    rows
        The rows' labels and recordings.
    labels
        The names of the labels.
    seed
        Of the clips that the kernel is spanned by, where there are more than it takes.
    tell
        Told what is being done.

    Raises
    ------
    DataError
        With fewer than two classes or three clips.

    Examples
    --------
    >>> values = np.repeat(np.eye(2, dtype=np.float32), 6, axis=0) + np.arange(12, dtype=np.float32)[:, None] / 100
    >>> targets, names = np.repeat([0, 1], 6), np.repeat(["a", "b", "c", "d"], 3).astype(object)
    >>> targets[4] = 1  # a mistake
    >>> groups = np.repeat(np.arange(4), 3)
    >>> rows = Rows(targets, groups, names, np.arange(12), np.full(12, -1, np.int32), ("demo", ""))
    >>> [(s.row, s.suggested, s.reason) for s in find_suspects(values, rows, ("cat", "dog")).found]
    [(4, 'cat', 'the 2 other clips of recording b are cat; this one is labelled dog')]
    """
    present = np.unique(rows.targets)
    if len(present) < 2 or len(rows) < 3:
        raise DataError(
            f"{rows.dataset[0]} has {len(rows)} clip{'s' * (len(rows) != 1)} of {len(present)}"
            f" class{'es' * (len(present) != 1)}; labels are judged against each other, which takes two classes and"
            " three clips at least."
        )
    said = held_out(values, rows, seed, tell or (lambda text: None))
    place, first, second, by_clip, by_recording = (
        said.place, said.by_clips, said.by_recordings, said.clip_counts, said.recording_counts,
    )  # fmt: skip
    odds = np.stack([_against(first, place) * by_clip, _against(second, place) * by_recording])
    scores = 1 - (1 - odds[0]) * (1 - odds[1])  # either may be right
    scores[~(by_clip | by_recording)] = np.nan
    best = np.stack([_other(first, place), _other(second, place)])
    stronger = odds.argmax(axis=0)
    words = Reasons(rows, place, tuple(labels[c] for c in present), said.units)
    flagged = np.flatnonzero(scores >= FLAGGED)
    found = []
    for row in flagged[np.argsort(-scores[flagged], kind="stable")].tolist():
        which = int(stronger[row])
        suggested = int(best[which, row])
        heard = (first, second)[which][row]
        reason = words.of(row, suggested, float(heard[suggested]), float(heard[place[row]]), which == 1)
        found.append(
            Suspect(
                row, labels[rows.targets[row]], labels[present[suggested]], float(scores[row]), reason,
                "recording" if which else "clip",
            )
        )  # fmt: skip
    return Suspects(tuple(found), scores, words.notes(by_clip, by_recording))


def _other(probabilities: Scores, place: IntArray) -> IntArray:
    """Return int64[n]: the most probable class but a row's own."""
    others = probabilities.copy()
    others[np.arange(len(place)), place] = -1.0
    best: IntArray = others.argmax(axis=1)
    return best


def _against(probabilities: Scores, place: IntArray) -> NDArray[np.float64]:
    """Return float64[n]: the share of the best other class where only it and the row's own are asked for."""
    each = np.arange(len(place))
    other, own = probabilities[each, _other(probabilities, place)], probabilities[each, place]
    share: NDArray[np.float64] = other / np.maximum(other + own, 1e-300)
    return share
