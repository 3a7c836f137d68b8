"""What decisions are worth on the test rows: answers that are sure enough, and sets that hold the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.decide import Decision
from earmark.evaluate.scored import Scored
from earmark.types import IntArray


def decided(parts: Sequence[tuple[Scored, Decision]], labels: tuple[str, ...]) -> dict[str, Any] | None:
    """Judge decisions by test rows, which they were not learnt from; ``None`` where nothing was decided.

    Parameters
    ----------
    parts
        The rows that one model answered, with its calibrated probabilities, and what it decides by.

    Returns
    -------
    ``temperatures`` of the models, ``learnt_from`` so many clips and recordings on average; of the prediction ``sets``
    what was ``promised``, the ``coverage`` found, each recording counted once, that of ``clips``, and the
    ``mean_size``; ``answers``, where a ``target`` was set: their share, how many of them are right, and the same of
    each label. Where labels are not exclusive there are neither sets nor a share of answers.
    """
    if not all(decision.clips for _, decision in parts):
        return None
    if not parts[0][1].exclusive:  # what the answers are worth is the report itself; there are no sets
        return {**_learnt(parts), "sets": None, "target": parts[0][1].target, "answers": None}
    covered, of_groups, sizes, answered, said, true = [], [], [], [], [], []
    for scored, decision in parts:
        sets = decision.sets(scored.probabilities)
        covered.append(sets[np.arange(len(sets)), scored.targets])
        own = np.unique(scored.groups, return_inverse=True)[1].reshape(-1)
        of_groups.append(np.bincount(own, covered[-1]) / np.bincount(own))
        sizes.append(sets.sum(axis=1))
        answered.append(decision.answered(scored.probabilities))
        said.append(scored.probabilities.argmax(axis=1))
        true.append(scored.targets)
    met = np.concatenate(covered)
    target = parts[0][1].target
    return {
        **_learnt(parts),
        "sets": {
            "promised": parts[0][1].coverage,
            "coverage": float(np.concatenate(of_groups).mean()),
            "clips": float(met.mean()),
            "mean_size": float(np.concatenate(sizes).mean()),
        },
        "target": target or None,
        "answers": _answers(np.concatenate(answered), np.concatenate(said), np.concatenate(true), labels)
        if target
        else None,
    }


def _learnt(parts: Sequence[tuple[Scored, Decision]]) -> dict[str, Any]:
    return {
        "temperatures": [decision.temperature for _, decision in parts],
        "learnt_from": {
            "clips": float(np.mean([decision.clips for _, decision in parts])),
            "groups": float(np.mean([decision.groups for _, decision in parts])),
        },
    }


def _answers(
    answered: NDArray[np.bool_], said: IntArray, true: IntArray, labels: tuple[str, ...]
) -> dict[str, Any]:
    right = answered & (said == true)

    def share(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    per_class = {
        label: {
            "answers": int((answered & (said == i)).sum()),
            "precision": share(int((right & (said == i)).sum()), int((answered & (said == i)).sum())),
            "recall": share(int((right & (true == i)).sum()), int((true == i).sum())),
        }
        for i, label in enumerate(labels)
    }
    return {
        "share": float(answered.mean()),
        "precision": share(int(right.sum()), int(answered.sum())),
        "recall": float(right.mean()),
        "per_class": per_class,
    }
