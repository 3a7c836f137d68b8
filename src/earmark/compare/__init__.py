"""Two runs on the same clips: which is better, and whether the difference is more than noise.

The difference is judged by a paired bootstrap over groups: recordings are drawn, each with what both runs said about
its clips. McNemar's exact test stands beside it as a second opinion; it takes clips for independent, which clips of one
recording are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.compare.answers import Answers, read_answers
from earmark.compare.comparison import Comparison, McNemar, Side
from earmark.compare.multilabel import Pair
from earmark.errors import DataError
from earmark.evaluate import LEAST_GROUPS, interval_of_ratio
from earmark.links import join
from earmark.types import IntArray

__all__ = ["Comparison", "McNemar", "Side", "compare", "mcnemar"]

LEAST_CLIPS = 10
# With fewer recordings that speak for either run, even all of them on one side is no rare accident: the two-sided sign
# test gives 2 / 2⁵ = 0.0625 for five, 0.031 for six.
LEAST_DIFFERING = 6
_NAMED = 3


def compare(a: Path, b: Path, seed: int = 0) -> Comparison:
    """Compare two runs, of ``evaluate`` or ``train``, on the clips that both tested.

    A clip counts by the share of a run's seeds that got it right, so that runs of different seeds, and of different
    numbers of seeds, can be compared. Where clips have any number of labels, what is compared is the micro-F1.

    Raises
    ------
    PathError, RunError
        When a folder is no finished run.
    DataError
        When the runs do not belong together: other labels, one label a clip or several, too few clips in common, or
        only one has a random split.
    """
    one, other = read_answers(a), read_answers(b)
    _belong_together(one, other)
    mine, theirs = _shared(one, other)
    shared = len(mine)
    if wrong := np.flatnonzero((one.marks[mine] != other.marks[theirs]).any(axis=1)).tolist():
        clip, twin = int(mine[wrong[0]]), int(theirs[wrong[0]])
        raise DataError(
            f"{a} and {b} are not of the same data: {one.keys[clip][0]} is '{one.named(clip)}' in one and"
            f" '{other.named(twin)}' in the other."
        )
    units = _units(one.groups[mine], other.groups[theirs])
    groups = int(units.max(initial=-1)) + 1
    if shared < LEAST_CLIPS or groups < LEAST_GROUPS:
        raise DataError(
            f"{a} and {b} tested {shared} clip{'s' * (shared != 1)} of {groups} recording{'s' * (groups != 1)} in"
            f" common; at least {LEAST_CLIPS} of {LEAST_GROUPS} are needed. Evaluate both on the same data set, and"
            " with the same --split, --folds and --seed."
        )
    notes = _notes(one, other, shared, groups)
    if not one.exclusive:
        pair = Pair(one.marks[mine], one.said[mine], other.said[theirs], units)
        low, high = pair.interval(seed)
        enough = pair.differing >= LEAST_DIFFERING
        score_a, score_b = pair.scores
        return Comparison(
            Side(a, one.model, score_a, one.seeds, len(one.keys)),
            Side(b, other.model, score_b, other.seeds, len(other.keys)),
            shared,
            groups,
            _differing(one, other),
            score_b - score_a if abs(score_b - score_a) > 1e-9 else 0.0,
            (low, high),
            None if not enough or low <= 0 <= high else "b" if low > 0 else "a",
            None,
            pair.by_label(one.labels),
            notes,
        )
    truth, right_a, right_b = one.targets[mine], one.right[mine], other.right[theirs]
    gain = right_b - right_a
    by_group = np.bincount(units, gain).astype(np.float64)
    by_group[np.abs(by_group) < 1e-9] = 0.0  # sums of thirds
    # Drawn from the side of the better run, so that comparing B with A says the same as comparing A with B.
    sign = -1.0 if by_group.sum() < 0 else 1.0
    ends = interval_of_ratio(sign * by_group, np.bincount(units).astype(np.float64), seed)
    low, high = sorted(sign * end for end in ends)
    interval, difference = (max(-1.0, low), min(1.0, high)), float(by_group.sum() / shared)
    enough = int((by_group != 0).sum()) >= LEAST_DIFFERING
    better = None if not enough or low <= 0 <= high else "b" if low > 0 else "a"
    return Comparison(
        Side(a, one.model, float(right_a.mean()), one.seeds, len(one.keys)),
        Side(b, other.model, float(right_b.mean()), other.seeds, len(other.keys)),
        shared,
        groups,
        _differing(one, other),
        difference if abs(difference) > 1e-9 else 0.0,
        interval,
        better,
        mcnemar(right_a, right_b),
        _by_class(one.labels, truth, right_a, right_b),
        notes,
    )


def mcnemar(right_a: NDArray[np.float64], right_b: NDArray[np.float64]) -> McNemar:
    """Return McNemar's exact test over clips, float64[n] each.

    With one seed each an entry is 0 or 1. With several, a clip speaks for the run that gets it right more often, which
    makes it a sign test.

    Source: McNemar, *Note on the sampling error of the difference between correlated proportions*, 1947.

    Examples
    --------
    >>> mcnemar(np.array([1.0, 1, 0, 0, 0, 0]), np.array([1.0, 0, 1, 1, 1, 1]))
    McNemar(only_a=1, only_b=4, p=0.375)
    """
    from scipy.special import bdtr

    only_a = int((right_a > right_b + 1e-9).sum())
    only_b = int((right_b > right_a + 1e-9).sum())
    n = only_a + only_b
    p = min(1.0, 2 * float(bdtr(min(only_a, only_b), n, 0.5))) if n else 1.0
    return McNemar(only_a, only_b, p)


def _belong_together(a: Answers, b: Answers) -> None:
    if a.labels != b.labels:
        alone = sorted(set(a.labels) ^ set(b.labels))
        some = ", ".join(alone[:_NAMED]) + f" and {len(alone) - _NAMED} more" * (len(alone) > _NAMED)
        raise DataError(
            f"{a.run} and {b.run} know different labels, so that their answers cannot be compared. Only one has:"
            f" {some}."
        )
    if a.exclusive != b.exclusive:
        several = b.run if a.exclusive else a.run
        raise DataError(
            f"{several} gives clips any number of labels, and the other run exactly one, so that their answers cannot"
            " be compared. Evaluate both on the same data set."
        )
    if a.random != b.random:
        leaky = a.run if a.random else b.run
        raise DataError(
            f"{leaky} was tested on a random split, whose recordings were also trained on; the other run was not."
            " Judge both with: earmark evaluate DATASET"
        )


def _differing(a: Answers, b: Answers) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys([*a.settings, *b.settings])
    both = {name: (a.settings.get(name), b.settings.get(name)) for name in names}
    return {name: values for name, values in both.items() if values[0] != values[1]}


def _shared(a: Answers, b: Answers) -> tuple[IntArray, IntArray]:
    """Return the positions of the clips that both tested, in the order of ``a``."""
    places = {key: i for i, key in enumerate(b.keys)}
    pairs = [(i, places[key]) for i, key in enumerate(a.keys) if key in places]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _units(a: IntArray, b: IntArray) -> IntArray:
    """Return the unit of each clip, from 0: groups of the two runs that have a clip in common are one unit.

    They differ where other features make other sounds identical.
    """
    return join([a, b])


def _by_class(
    labels: tuple[str, ...], truth: IntArray, right_a: NDArray[np.float64], right_b: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    counts = np.bincount(truth, minlength=len(labels))
    hits_a, hits_b = (np.bincount(truth, right, len(labels)) for right in (right_a, right_b))
    return {
        label: {
            "clips": int(counts[i]),
            "a": float(hits_a[i] / counts[i]),
            "b": float(hits_b[i] / counts[i]),
            "difference": float((hits_b[i] - hits_a[i]) / counts[i]),
        }
        for i, label in enumerate(labels)
        if counts[i]
    }


def _notes(a: Answers, b: Answers, shared: int, groups: int) -> tuple[str, ...]:
    notes = []
    if shared < max(len(a.keys), len(b.keys)):
        notes.append(
            f"{shared:,} clips are compared, which both tested; A tested {len(a.keys):,}, B {len(b.keys):,}."
        )
    if a.random:
        notes.append(
            "Both were tested on a random split, whose recordings were also trained on: this compares what they"
            " remember. Judge both with: earmark evaluate DATASET"
        )
    if not (a.groups_known and b.groups_known):
        notes.append(
            "No recordings are known, so that each file counts as one: the interval may be too narrow."
        )
    elif shared > groups and a.exclusive:
        notes.append(
            f"McNemar's test takes {shared:,} clips for independent, but they come from {groups:,} recordings: the"
            " interval is over recordings."
        )
    if min(len(a.seeds), len(b.seeds)) == 1:
        notes.append(
            "A run of one seed shows one draw of its training: the interval does not cover how much another seed"
            " would change. Type: earmark evaluate DATASET --seeds 3"
        )
    return tuple(notes)
