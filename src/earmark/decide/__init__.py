"""How scores become answers: what a bundle knows beyond its network. Learnt from out-of-fold scores, never from a test.

The scores are those of models that heard neither the clip nor its recording: inside the part that is learnt from,
whole recordings are held out by turns. Scores of clips whose recording was heard make a model believe in itself too
much; a temperature from them makes calibration worse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.decide.multilabel import EVEN, F1, fit_temperature_of_labels, sigmoid, thresholds_of_labels
from earmark.decide.sets import prediction_sets, set_threshold
from earmark.decide.target import NEVER, Target, thresholds
from earmark.decide.temperature import fit_temperature, sharpness, softmax
from earmark.decide.unknown import Familiarity, Reference
from earmark.errors import SettingError
from earmark.types import FloatArray, IntArray

__all__ = [
    "EVEN",
    "F1",
    "NEVER",
    "DecideSettings",
    "Decision",
    "Familiarity",
    "Reference",
    "Target",
    "decide",
    "fit_temperature",
    "fit_temperature_of_labels",
    "prediction_sets",
    "set_threshold",
    "sharpness",
    "sigmoid",
    "softmax",
    "thresholds",
    "thresholds_of_labels",
]


_COLDEST, _HOTTEST = 1e-6, 1e6
_UNKNOWN = ("off", "tell", "reject")


@dataclass(frozen=True, slots=True)
class DecideSettings:
    """What is learnt about a network's scores.

    Parameters
    ----------
    folds
        Into how many parts the learnt recordings are divided; each part is scored by a network trained on the others.
        More make those networks more like the one that learns from all, and take longer; ``None`` is as many as the
        model can afford. 0 learns nothing: scores are as the network gives them.
    target
        What the answers shall reach: ``precision=0.95``, ``recall=0.9``, ``cost=5`` or ``f1``. Answers that are not
        sure enough become "unknown". Empty: every clip is answered; where clips have several labels, ``f1``.
    coverage
        Of the prediction sets: the share of new clips whose label is among those of the set.
    unknown
        What becomes of clips unlike anything heard in training: ``"tell"`` answers them with a note, ``"reject"``
        answers "unknown", ``"off"`` does not look for them.
    """

    folds: int | None = None
    target: str = ""
    coverage: float = 0.9
    unknown: str = "tell"

    def __post_init__(self) -> None:
        if self.folds is not None and not (self.folds == 0 or 2 <= self.folds <= 20):
            raise SettingError(f"[decide] folds is {self.folds}, but must be from 2 to 20, or 0 for none.")
        if self.target:
            Target.of(self.target)
            if self.folds == 0:
                raise SettingError("[decide] target needs folds to learn thresholds from, but folds is 0.")
        if not 0 < self.coverage < 1:
            raise SettingError(f"[decide] coverage is {self.coverage:g}, but must be above 0 and below 1.")
        if self.unknown not in _UNKNOWN:
            raise SettingError(
                f"[decide] unknown is '{self.unknown}', but must be 'off', 'tell' or 'reject'."
            )
        if self.unknown == "reject" and self.folds == 0:
            raise SettingError("[decide] unknown = 'reject' needs folds to learn from, but folds is 0.")


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a network's logits.

    Parameters
    ----------
    temperature
        What they are divided by.
    target, thresholds
        What the answers shall reach, and for each label how probable it must be; empty where everything is answered,
        or, of labels that are not exclusive, said if it is more likely than not.
    coverage, set_threshold
        Of the prediction sets, and how probable a label must be to be in one.
    clips, groups
        What it was learnt from.
    exclusive
        Whether a clip has exactly one label: softmax over the labels then, else a sigmoid for each and no sets.
    familiarity
        How familiar a clip is; ``None`` where that was not learnt.
    knows_silence
        Whether silence was among what it was trained on; where it was not, silence has no label.

    Examples
    --------
    >>> round(float(Decision(2.0).probabilities(np.array([[2.0, 0.0]]))[0, 0]), 2)
    0.73
    """

    temperature: float = 1.0
    target: str = ""
    thresholds: tuple[float, ...] = ()
    coverage: float = 0.9
    set_threshold: float = 0.0
    clips: int = 0
    groups: int = 0
    exclusive: bool = True
    familiarity: Familiarity | None = None
    knows_silence: bool = True

    def __post_init__(self) -> None:
        if not _COLDEST <= self.temperature <= _HOTTEST:
            raise SettingError(
                f"The temperature is {self.temperature:g}, but must be from {_COLDEST:g} to {_HOTTEST:g}."
            )
        if self.target:
            Target.of(self.target)
        if not all(0 <= value <= NEVER for value in (*self.thresholds, self.set_threshold)):
            raise SettingError(f"A threshold must be from 0 to {NEVER:g}.")
        if not 0 < self.coverage < 1:
            raise SettingError(f"The coverage is {self.coverage:g}, but must be above 0 and below 1.")

    def probabilities(self, logits: NDArray[np.floating]) -> FloatArray:
        """Return float32[n, labels]."""
        return (softmax if self.exclusive else sigmoid)(logits, self.temperature)

    def said(self, probabilities: FloatArray) -> NDArray[np.bool_]:
        """Return which labels are said of each row, bool[n, labels]: of exclusive ones at most one."""
        if self.exclusive:
            best = probabilities.argmax(axis=1)[:, None] == np.arange(probabilities.shape[1])
            best &= self.answered(probabilities)[:, None]
            return np.asarray(best)
        found: NDArray[np.bool_] = probabilities >= np.array(self.thresholds or EVEN, np.float32)
        return found

    def answered(self, probabilities: FloatArray) -> NDArray[np.bool_]:
        """Return which rows are answered, bool[n]; the others are "unknown", or have none of the labels."""
        if not self.exclusive:
            return np.asarray(self.said(probabilities).any(axis=1))
        if not self.thresholds:
            return np.ones(len(probabilities), bool)
        best = probabilities.argmax(axis=1)
        # As float32, as the probabilities are: a score equal to its threshold must reach it.
        sure: NDArray[np.bool_] = probabilities.max(axis=1) >= np.array(self.thresholds, np.float32)[best]
        return sure

    def sets(self, probabilities: FloatArray) -> NDArray[np.bool_]:
        """Return which labels may be true of each row, bool[n, labels]; none where they are not exclusive."""
        if not self.exclusive:
            return np.zeros(probabilities.shape, bool)
        return prediction_sets(probabilities, self.set_threshold)


def decide(
    logits: NDArray[np.floating],
    targets: IntArray | NDArray[np.bool_],
    groups: IntArray,
    settings: DecideSettings,
    times: float = 1.0,
    known: NDArray[np.bool_] | None = None,
    distances: FloatArray | None = None,
) -> Decision:
    """Learn a decision from out-of-fold scores.

    Parameters
    ----------
    logits, targets, groups
        [n, labels], int64[n] or bool[n, labels], and int64[n]: scores by networks that did not hear the rows'
        recordings.
    times
        How many times sharper the network is that decides.
    known
        bool[n, labels]: where labels are not exclusive, those that each network had clips to learn from.
    distances
        float32[n], from what those networks learnt from; ``None`` learns nothing about the unknown.
    """
    if targets.ndim == 2:
        return _decide_labels(logits, targets.astype(bool), groups, settings, times, known)
    classes = targets.astype(np.int64, copy=False)
    temperature = fit_temperature(logits, classes, groups)
    probabilities = softmax(logits, temperature)
    found = thresholds(probabilities, classes, Target.of(settings.target)) if settings.target else ()
    familiarity = None
    if distances is not None:
        reject = settings.unknown == "reject"
        familiarity = Familiarity.learn(probabilities.max(axis=1), distances, groups, reject)
    return Decision(
        temperature * times,
        settings.target,
        found,
        settings.coverage,
        set_threshold(probabilities, classes, groups, settings.coverage),
        len(targets),
        len(np.unique(groups)),
        familiarity=familiarity,
    )


def _decide_labels(
    logits: NDArray[np.floating],
    marks: NDArray[np.bool_],
    groups: IntArray,
    settings: DecideSettings,
    times: float,
    known: NDArray[np.bool_] | None,
) -> Decision:
    known = np.ones(marks.shape, bool) if known is None else known
    temperature = fit_temperature_of_labels(logits, marks, groups, known)
    target = settings.target or F1
    return Decision(
        temperature * times,
        target,
        thresholds_of_labels(sigmoid(logits, temperature), marks, known, Target.of(target)),
        clips=len(marks),
        groups=len(np.unique(groups)),
        exclusive=False,
    )
