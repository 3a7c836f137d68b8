"""Divides rows into parts of whole groups, classes in like shares."""

from __future__ import annotations

import numpy as np

from earmark.errors import MissingExtraError, SplitError
from earmark.types import IntArray


def share_of(targets: IntArray, groups: IntArray, share: float, seed: int) -> IntArray:
    """Divide so that part 0 is about ``share`` of the rows: more where there are few groups or clips."""
    return grouped_parts(targets, groups, max(2, most_parts(targets, groups, share)), seed)


def most_parts(targets: IntArray, groups: IntArray, share: float) -> int:
    """Return into how many parts rows can be divided so that one is ``share`` of them, or a little more."""
    return min(round(1 / share), len(np.unique(groups)), int(np.bincount(targets, minlength=1).max()))


def grouped_parts(targets: IntArray, groups: IntArray, parts: int, seed: int) -> IntArray:
    """Return the part, 0 to parts - 1, of each row: whole groups, classes in like shares."""
    try:
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    except ImportError:
        raise MissingExtraError("Dividing a data set", "train", "scikit-learn") from None
    import warnings

    distinct = len(np.unique(groups))
    if distinct < parts:
        raise SplitError(
            f"{distinct} recording{'s' * (distinct != 1)} cannot be divided into {parts} parts without parting one."
            f" Record more{_fewer(parts)}."
        )
    result = np.zeros(len(targets), np.int64)
    with warnings.catch_warnings():
        # It warns of classes rarer than the number of parts; `check` says so in words of its own.
        warnings.filterwarnings("ignore", message="The least populated class")
        # Where every row is its own group the plain division is the same, and a hundred times as quick.
        if distinct == len(groups):
            folds = StratifiedKFold(parts, shuffle=True, random_state=seed).split(targets, targets)
        else:
            folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(
                targets, targets, groups
            )
        try:
            for i, (_, members) in enumerate(folds):
                result[members] = i
        except ValueError:
            raise SplitError(
                f"No class has {parts} clips, one for each of {parts} parts. Record more{_fewer(parts)}."
            ) from None
    return result


def _fewer(parts: int) -> str:
    return ", or ask for fewer folds" if parts > 2 else ""
