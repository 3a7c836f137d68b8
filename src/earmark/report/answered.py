"""What a run said about each test clip, with all probabilities, as columns."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.runs import ANSWER, damaged, read_text
from earmark.types import FloatArray, IntArray

Key = tuple[str, float | None, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """The predictions of a run, a row a clip and seed.

    Parameters
    ----------
    labels
        In the order of the columns of ``probabilities``.
    keys
        Path, start and end of each row's clip; seconds, ``None`` for the file's own.
    folds
        Of each row, as it is written; empty where there is none.
    targets, answers, seeds, groups, clips
        int64[n]: label, answer, seed, recording and clip, the last two by numbers of their own.
    probabilities
        float32[n, labels].
    """

    labels: tuple[str, ...]
    keys: tuple[Key, ...]
    folds: tuple[str, ...]
    targets: IntArray
    answers: IntArray
    seeds: IntArray
    groups: IntArray
    clips: IntArray
    probabilities: FloatArray

    @property
    def confidence(self) -> FloatArray:
        """float32[n]: the probability of each answer."""
        chosen: FloatArray = self.probabilities[np.arange(len(self.answers)), self.answers]
        return chosen

    @property
    def truth(self) -> FloatArray:
        """float32[n]: the probability of each label."""
        chosen: FloatArray = self.probabilities[np.arange(len(self.targets)), self.targets]
        return chosen

    @property
    def several_seeds(self) -> bool:
        """Whether each clip was answered more than once."""
        return bool((self.seeds != self.seeds[0]).any())


def read_answered(path: Path) -> Answered:
    """Read ``predictions.csv``.

    Raises
    ------
    RunError
        When it is missing or damaged.
    """
    fixed = len(ANSWER)
    keys, folds, numbers, groups, likely = [], [], [], [], []
    try:
        lines = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
        header = next(lines, [])
        labels = tuple(header[fixed:])
        if tuple(header[:fixed]) != ANSWER or len(set(labels)) != len(labels) or len(labels) < 2:
            raise damaged(path, f"its header is not {', '.join(ANSWER)} and the labels")
        index = {label: i for i, label in enumerate(labels)}
        for row in lines:
            try:
                if len(row) != len(header):
                    raise ValueError
                keys.append((row[0], _seconds(row[1]), _seconds(row[2])))
                numbers.append((index[row[3]], index[row[4]], int(row[6])))
                chances = np.array(row[fixed:], np.float32)
                if not (chances >= 0).all() or not (chances <= 1).all():
                    raise ValueError
            except (ValueError, KeyError, OverflowError):
                raise damaged(path, f"line {lines.line_num} is not a clip with its labels") from None
            folds.append(row[5])
            groups.append(row[7])
            likely.append(chances)
    except csv.Error as error:
        raise damaged(path, str(error)) from None
    if not keys:
        raise damaged(path, "it holds no clips")
    columns = np.array(numbers, np.int64)
    return Answered(
        labels,
        tuple(keys),
        tuple(folds),
        columns[:, 0],
        columns[:, 1],
        columns[:, 2],
        _numbered(groups),
        _numbered(keys),
        np.stack(likely),
    )


def _seconds(text: str) -> float | None:
    value = float(text) if text else None
    if value is not None and not math.isfinite(value):
        raise ValueError
    return value


def _numbered(names: list[Key] | list[str]) -> IntArray:
    places: dict[object, int] = {}
    return np.array([places.setdefault(name, len(places)) for name in names], np.int64)
