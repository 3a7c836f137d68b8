"""Leaves out one class at a time, and asks whether its clips are told from those of the classes that were learnt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.engine import Engine
from earmark.errors import DataError, SettingError
from earmark.evaluate.separation import Floats, Sides, interval_of_draws, separation
from earmark.fitting import Lesson, OnEpoch, Voices, bundle_of, decision_of, fit_all, reference_of
from earmark.outcome import Prepared
from earmark.predict import Predictor
from earmark.recipe import Recipe
from earmark.split import TEST, TRAIN, UNUSED, VALIDATION, Split
from earmark.train import Task
from earmark.types import IntArray

SCORES = ("softmax", "knn", "joined")
LEAST_CLASSES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What one model said about its test fold.

    Parameters
    ----------
    scores
        For each of `SCORES`: float64[n], high is known.
    taken
        bool[n]: whether it is familiar enough, as a prediction judges that.
    unknown
        bool[n]: whether the clip is of the class that was left out.
    groups
        int64[n].
    """

    scores: dict[str, Floats]
    taken: NDArray[np.bool_]
    unknown: NDArray[np.bool_]
    groups: IntArray

    def sides(self, score: str) -> Sides:
        """Return one score of the known and of the unknown."""
        values, known = self.scores[score], ~self.unknown
        return Sides(values[known], values[self.unknown], self.groups[known], self.groups[self.unknown])


def leave_one_class_out(
    recipe: Recipe,
    ready: Prepared,
    folds: list[Split],
    checkpoints: Path,
    on_epoch: OnEpoch,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Train a network for each class and fold, without that class and that fold, and judge what it says of both.

    What known clips look like is learnt from what the networks of the other folds, without the same class, say of
    theirs: no more networks than that are trained.

    Parameters
    ----------
    folds
        The divisions; each tests another part.
    checkpoints
        A folder for them.
    on_epoch
        Called with a network's number, how many there are, its rows, the most epochs, and the epoch's entry.

    Returns
    -------
    ``per_class`` and ``mean``: for each of `SCORES` the ``auroc``, ``fpr95`` and their intervals; ``gain``, of the
    joined score's AUROC over the highest probability's; and at the ``threshold`` of a model file, how many of the
    known are ``kept`` and of the unknown ``told``, each recording counted once.

    Raises
    ------
    DataError
        When there are fewer than `LEAST_CLASSES` classes.
    SettingError
        When the recipe does not look for the unknown.
    """
    labels = ready.dataset.labels
    if len(labels) < LEAST_CLASSES:
        raise DataError(
            f"{ready.dataset.name} has {len(labels)} classes; to leave one out, {LEAST_CLASSES} are needed."
        )
    if recipe.decide.unknown == "off":
        raise SettingError("--leave-one-class-out judges what [decide] unknown = 'off' turns off.")
    parts = [_without(ready, folds, left) for left in range(len(labels))]
    fitted = _fit(recipe, ready, parts, checkpoints, on_epoch, engine)
    heard = []
    for left, splits in enumerate(parts):
        own = fitted[left * len(folds) : (left + 1) * len(folds)]
        heard.append([_heard(recipe, ready, splits, own, left, i, fold) for i, fold in enumerate(folds)])
    return _report(heard, labels, recipe.split.seed)


def _without(ready: Prepared, folds: list[Split], left: int) -> list[Split]:
    """Return the divisions without a class, the others numbered anew: the last one takes its number."""
    targets, last = ready.rows.targets, len(ready.dataset.labels) - 1
    rows = replace(ready.rows, targets=np.where(targets == last, left, targets))
    gone = targets == left
    return [
        replace(fold, roles=np.where(gone, UNUSED, fold.roles).astype(np.int8), rows=rows) for fold in folds
    ]


def _fit(
    recipe: Recipe,
    ready: Prepared,
    parts: list[list[Split]],
    checkpoints: Path,
    on_epoch: OnEpoch,
    engine: Engine | None,
) -> list[Voices]:
    """Train all networks as one stack, over one table: clips of the last class stand there once for each number."""
    targets = ready.rows.targets
    last = len(parts) - 1
    moved, count = np.flatnonzero(targets == last), int((targets == last).sum())
    place = np.arange(len(targets))
    tasks = []
    for left, splits in enumerate(parts):
        if left < last:
            place[moved] = len(targets) + left * count + np.arange(count)
        tasks += [
            Task(place[s.positions(TRAIN)], place[s.positions(VALIDATION)], recipe.train.seed) for s in splits
        ]
        place[moved] = moved
    whole = np.concatenate([np.arange(len(targets)), *[moved] * last])
    inputs = ready.heard(whole)
    numbers = np.concatenate([targets, np.repeat(np.arange(last), count)])
    return fit_all(recipe, inputs, numbers, last, tasks, checkpoints, on_epoch, engine)


def _heard(
    recipe: Recipe,
    ready: Prepared,
    splits: list[Split],
    fitted: list[Voices],
    left: int,
    at: int,
    fold: Split,
) -> Heard:
    """Return what the network of a fold, as it would be a model file, says about that fold's clips."""
    others = [i for i in range(len(splits)) if i != at]
    lesson = Lesson(splits[at], recipe.train.seed, tuple(splits[i] for i in others))
    renumbered = replace(ready, rows=splits[at].rows)
    voices = iter([fitted[i] for i in others])
    decision, shares = decision_of(recipe, renumbered, lesson, fitted[at], voices)
    known, reference = decision.familiarity, reference_of(renumbered, splits[at])
    if known is None:
        raise DataError(f"{ready.dataset.name} has too few recordings to learn what known clips are like.")
    names = list(ready.dataset.labels[:-1])
    if left < len(names):
        names[left] = ready.dataset.labels[-1]
    bundle = bundle_of(recipe, ready, tuple(names), fitted[at], shares, decision, reference)
    tested = fold.positions(TEST)
    confidences = Predictor(bundle, self_test=False).score(*ready.heard(tested)).max(axis=1)
    distances = reference.distances(ready.table.values[tested])
    scores = {
        "softmax": confidences.astype(np.float64),
        "knn": -distances.astype(np.float64),
        "joined": known.join(confidences, distances),
    }
    taken = ~known.unknown(known.of(confidences, distances))
    return Heard(scores, taken, ready.rows.targets[tested] == left, ready.rows.joined[tested])


def _report(heard: list[list[Heard]], labels: tuple[str, ...], seed: int) -> dict[str, Any]:
    classes: dict[str, dict[str, Any]] = {label: {} for label in labels}
    mean: dict[str, Any] = {}
    everyone = len(np.unique(np.concatenate([h.groups for fold in heard for h in fold])))
    own = [
        [
            len(np.unique(np.concatenate([h.groups[h.unknown] for h in fold]))),
            sum(int(h.unknown.sum()) for h in fold),
        ]
        for fold in heard
    ]
    areas: dict[str, tuple[float, Floats]] = {}
    for score in SCORES:
        found = separation([[h.sides(score) for h in fold] for fold in heard], seed)
        both = zip(("auroc", "fpr95"), found[:2], found[2:], strict=True)
        for name, values, draws in both:
            for i, label in enumerate(labels):
                classes[label].setdefault(score, {}).update(_told(name, values[i], draws[:, i], own[i][0]))
            over = _mean(draws)
            mean.setdefault(score, {}).update(_told(name, _mean(values[None])[0], over, everyone))
            if name == "auroc":
                areas[score] = float(_mean(values[None])[0]), over
    for (groups, clips), label, fold in zip(own, labels, heard, strict=True):
        classes[label] = {"clips": clips, "groups": groups, **classes[label], **_at_threshold(fold)}
    gain = areas["joined"][0] - areas["softmax"][0]
    low, high = interval_of_draws(gain, areas["joined"][1] - areas["softmax"][1], everyone)
    kept, told = (
        float(np.mean([c[key] for c in classes.values() if c[key] is not None])) for key in ("kept", "told")
    )
    return {
        "per_class": classes,
        "mean": mean,
        "gain": {"auroc": gain, "interval": [low, high]},
        "threshold": {"kept": kept, "told": told},
    }


def _told(name: str, value: float, draws: Floats, groups: int) -> dict[str, Any]:
    if not np.isfinite(value):
        return {name: None, f"{name}_interval": None}
    low, high = interval_of_draws(float(value), draws, groups)
    return {name: float(value), f"{name}_interval": [max(0.0, low), min(1.0, high)]}


def _mean(values: Floats) -> Floats:
    """Return the mean of each row over the classes that were tested."""
    there = np.isfinite(values)
    mean: Floats = np.where(there, values, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return mean


def _at_threshold(fold: list[Heard]) -> dict[str, float | None]:
    """Return how many of the known are kept and of the unknown told, each recording counted once."""
    taken, unknown, groups = (
        np.concatenate([getattr(h, name) for h in fold]) for name in ("taken", "unknown", "groups")
    )

    def share(of: NDArray[np.bool_], which: NDArray[np.bool_]) -> float | None:
        if not which.any():
            return None
        _, own = np.unique(groups[which], return_inverse=True)
        return float((np.bincount(own, of[which]) / np.bincount(own)).mean())

    return {"kept": share(taken, ~unknown), "told": share(~taken, unknown)}
