"""The confusion matrix with the clips behind each of its cells, and the most confident mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earmark.report.answered import Answered, Key
from earmark.report.folder import Folder

_MISTAKES_LISTED, _RIGHT_LISTED = 600, 200  # clips, so that the page stays small
_SHADES = 8


@dataclass(frozen=True, slots=True)
class Listed:
    """A clip in a cell."""

    key: Key
    confidence: float
    seed: int | None


@dataclass(frozen=True, slots=True)
class Cell:
    """Clips of one label with one answer.

    Parameters
    ----------
    shade
        0 to 7, by the share of the row.
    clips
        Some or all of them: the most confident mistakes, the least confident of what is right.
    """

    row: int
    column: int
    count: int
    shade: int
    clips: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The table, row by row: truth down, answers across."""

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def filled(self) -> list[Cell]:
        """The cells that have clips, row by row."""
        return [cell for row in self.rows for cell in row if cell.count]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A clip that was answered wrongly.

    Parameters
    ----------
    truth, answer
        Labels.
    confidence, likely
        Probability of the answer, and of the truth.
    wrong, seeds
        By how many of how many seeds it was answered wrongly.
    """

    key: Key
    truth: str
    answer: str
    confidence: float
    likely: float
    fold: str
    wrong: int
    seeds: int


def matrix_of(folder: Folder) -> Matrix:
    """Return the report's confusion matrix with its clips."""
    tested, labels = folder.tested, folder.tested.labels
    counts = _counts(folder)
    confidence = tested.confidence
    order = np.argsort(np.where(tested.answers == tested.targets, confidence, -confidence), kind="stable")
    places: dict[tuple[int, int], list[int]] = {}
    for i in order.tolist():
        places.setdefault((int(tested.targets[i]), int(tested.answers[i])), []).append(i)
    sizes = {place: len(rows) for place, rows in places.items()}
    limits = {
        True: _most_each([n for (t, a), n in sizes.items() if t == a], _RIGHT_LISTED),
        False: _most_each([n for (t, a), n in sizes.items() if t != a], _MISTAKES_LISTED),
    }
    rows = []
    for t in range(len(labels)):
        total = max(int(counts[t].sum()), 1)
        cells = []
        for a in range(len(labels)):
            some = places.get((t, a), [])[: limits[t == a]]
            share = counts[t, a] / total
            shade = min(int(share**0.6 * _SHADES), _SHADES - 1)
            cells.append(Cell(t, a, int(counts[t, a]), shade, tuple(_listed(tested, i) for i in some)))
        rows.append(tuple(cells))
    return Matrix(labels, tuple(rows))


def mistakes_of(tested: Answered) -> list[Mistake]:
    """Return every clip that was answered wrongly once or more, the most confident answer first."""
    confidence, truth = tested.confidence, tested.truth
    wrong = np.flatnonzero(tested.answers != tested.targets)
    times = np.bincount(tested.clips[wrong], minlength=int(tested.clips.max()) + 1)
    seeds = len(np.unique(tested.seeds))
    seen: set[int] = set()
    found = []
    for i in wrong[np.argsort(-confidence[wrong], kind="stable")].tolist():
        clip = int(tested.clips[i])
        if clip in seen:
            continue
        seen.add(clip)
        found.append(
            Mistake(
                tested.keys[i], tested.labels[tested.targets[i]], tested.labels[tested.answers[i]],
                float(confidence[i]), float(truth[i]), tested.folds[i], int(times[clip]), seeds,
            )
        )  # fmt: skip
    return found


def _counts(folder: Folder) -> np.ndarray:
    n = len(folder.tested.labels)
    rows = folder.figures.items("confusion")
    try:
        counts = np.array(rows, np.int64)
    except (ValueError, TypeError, OverflowError):
        raise folder.figures.wrong(("confusion",)) from None
    if counts.shape != (n, n) or (counts < 0).any():
        raise folder.figures.wrong(("confusion",))
    return counts


def _most_each(sizes: list[int], budget: int) -> int:
    """Return the most that each of several lists may show, so that all of them together stay within a budget.

    Small lists leave their room to others; each shows one at least.

    >>> _most_each([2, 100, 100], 42)
    20
    """
    low, high = 1, max(sizes, default=1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(n, middle) for n in sizes) <= budget else (low, middle - 1)
    return low


def _listed(tested: Answered, i: int) -> Listed:
    seed = int(tested.seeds[i]) if tested.several_seeds else None
    return Listed(tested.keys[i], float(tested.confidence[i]), seed)
