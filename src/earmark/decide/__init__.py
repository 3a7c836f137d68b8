"""How scores become answers: what a bundle knows beyond its network. Learnt from out-of-fold scores, never from a test.

The scores are those of models that heard neither the clip nor its recording: inside the part that is learnt from,
whole recordings are held out by turns. Scores of clips whose recording was heard make a model believe in itself too
much; a temperature from them makes calibration worse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.decide.sets import prediction_sets, set_threshold
from earmark.decide.target import NEVER, Target, thresholds
from earmark.decide.temperature import fit_temperature, sharpness, softmax
from earmark.decide.unknown import Familiarity, Reference
from earmark.errors import SettingError
from earmark.types import FloatArray, IntArray

__all__ = [
    "NEVER",
    "DecideSettings",
    "Decision",
    "Familiarity",
    "Reference",
    "Target",
    "decide",
    "fit_temperature",
    "prediction_sets",
    "set_threshold",
    "sharpness",
    "softmax",
    "thresholds",
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
        What the answers shall reach: ``precision=0.95``, ``recall=0.9`` or ``cost=5``. Answers that are not sure
        enough become "unknown". Empty: every clip is answered.
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
        What the answers shall reach, and for each label how probable it must be; empty where everything is answered.
    coverage, set_threshold
        Of the prediction sets, and how probable a label must be to be in one.
    clips, groups
        What it was learnt from.
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
        return softmax(logits, self.temperature)

    def answered(self, probabilities: FloatArray) -> NDArray[np.bool_]:
        """Return which rows are answered with their most probable label, bool[n]; the others are "unknown"."""
        if not self.thresholds:
            return np.ones(len(probabilities), bool)
        best = probabilities.argmax(axis=1)
        # As float32, as the probabilities are: a score equal to its threshold must reach it.
        sure: NDArray[np.bool_] = probabilities.max(axis=1) >= np.array(self.thresholds, np.float32)[best]
        return sure

    def sets(self, probabilities: FloatArray) -> NDArray[np.bool_]:
        """Return which labels may be true of each row, bool[n, labels]."""
        return prediction_sets(probabilities, self.set_threshold)


def decide(
    logits: NDArray[np.floating],
    targets: IntArray,
    groups: IntArray,
    settings: DecideSettings,
    times: float = 1.0,
    distances: FloatArray | None = None,
) -> Decision:
    """Learn a decision from out-of-fold scores.

    Parameters
    ----------
    logits, targets, groups
        [n, labels], int64[n] and int64[n]: scores by networks that did not hear the rows' recordings.
    times
        How many times sharper the network is that decides.
    distances
        float32[n], from what those networks learnt from; ``None`` learns nothing about the unknown.
    """
    temperature = fit_temperature(logits, targets, groups)
    probabilities = softmax(logits, temperature)
    found = thresholds(probabilities, targets, Target.of(settings.target)) if settings.target else ()
    familiarity = None
    if distances is not None:
        reject = settings.unknown == "reject"
        familiarity = Familiarity.learn(probabilities.max(axis=1), distances, groups, reject)
    return Decision(
        temperature * times,
        settings.target,
        found,
        settings.coverage,
        set_threshold(probabilities, targets, groups, settings.coverage),
        len(targets),
        len(np.unique(groups)),
        familiarity,
    )
