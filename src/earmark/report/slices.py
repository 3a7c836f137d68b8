"""Accuracy by what clips are like: fold, length, loudness, sample rate, foreground or background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.evaluate import LEAST_GROUPS, interval_of_ratio
from earmark.report.answered import Answered
from earmark.report.words import plural

LEAST_CLIPS = 10
_WIDEST = 0.6  # of an interval: a wider one says nothing
_MOST_RATES = 8
_DURATIONS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 30.0)  # seconds
_LEVELS = (-60.0, -50.0, -40.0, -30.0, -20.0, -10.0)  # dB below full scale


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the tested clips.

    Parameters
    ----------
    accuracy
        Share of their answers that are right.
    interval
        95 %, by bootstrap over recordings; ``None`` where there are too few to say anything.
    fold
        Its place among the folds of ``report.json``, if it is one of them.
    """

    name: str
    clips: int
    groups: int
    right: int
    answers: int
    interval: tuple[float, float] | None
    fold: int | None = None

    @property
    def accuracy(self) -> float:
        """Share of the answers that are right."""
        return self.right / self.answers


@dataclass(frozen=True, slots=True)
class Slicing:
    """The tested clips divided by one thing.

    Parameters
    ----------
    title
        By what.
    slices
        Those that have clips, in order.
    note
        What else should be known, such as why there is nothing.
    """

    title: str
    slices: tuple[Slice, ...]
    note: str = ""

    @property
    def telling(self) -> bool:
        """Whether there is anything to compare."""
        return len(self.slices) > 1


def by_fold(tested: Answered, folds: Sequence[int]) -> Slicing:
    """Divide by fold, in the report's order."""
    column = np.array(tested.folds, object)
    names = [str(fold) for fold in folds]
    parts = [
        part
        for i, name in enumerate(names)
        if (part := _slice(f"Fold {name}", tested, column == name, fold=i)) is not None
    ]
    return Slicing("Fold", tuple(parts))


def by_duration(tested: Answered, seconds: NDArray[np.float64], why: str) -> Slicing:
    """Divide by length, float64[n], NaN where it is not known; ``why`` says why."""
    return _by_edges("Length", tested, seconds, _DURATIONS, "s", why)


def by_level(tested: Answered, level: NDArray[np.float64], why: str) -> Slicing:
    """Divide by root mean square, dB below full scale, float64[n]."""
    return _by_edges("Loudness (root mean square)", tested, level, _LEVELS, "dBFS", why)


def by_rate(tested: Answered, rates: NDArray[np.float64], why: str) -> Slicing:
    """Divide by sample rate, Hz, float64[n]: the commonest rates, then all others."""
    known = rates[np.isfinite(rates)]
    values, counts = np.unique(known, return_counts=True)
    common = sorted(values[np.argsort(-counts, kind="stable")][:_MOST_RATES].tolist())
    parts = [_slice(f"{rate:,.0f} Hz", tested, rates == rate) for rate in common]
    parts.append(_slice("other rates", tested, np.isfinite(rates) & ~np.isin(rates, common)))
    return _slicing("Sample rate", parts, tested, rates, why)


def by_salience(tested: Answered, salience: dict[str, int]) -> Slicing:
    """Divide by whether the publisher heard the sound in front of others or behind them; by the clips' paths."""
    value = np.array([salience.get(key[0], 0) for key in tested.keys], np.float64)
    parts = [
        _slice("foreground", tested, value == 1),
        _slice("background", tested, value == 2),
    ]
    return _slicing(
        "Salience, by the publisher", parts, tested, np.where(value > 0, value, np.nan), "not in the table"
    )


def _by_edges(
    title: str, tested: Answered, values: NDArray[np.float64], edges: tuple[float, ...], unit: str, why: str
) -> Slicing:
    unit = f"\u00a0{unit}"
    lows, highs = (-np.inf, *edges), (*edges, np.inf)
    parts = []
    for low, high in zip(lows, highs, strict=True):
        if low == -np.inf:
            name = f"below {_signed(high)}{unit}"
        else:
            name = (
                f"{_signed(low)} and more{unit}"
                if high == np.inf
                else f"{_signed(low)} to {_signed(high)}{unit}"
            )
        parts.append(_slice(name, tested, (values >= low) & (values < high)))
    return _slicing(title, parts, tested, values, why)


def _signed(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")


def _slicing(
    title: str, parts: Sequence[Slice | None], tested: Answered, values: NDArray[np.float64], why: str
) -> Slicing:
    unknown = len(set(tested.clips[~np.isfinite(values)].tolist()))
    found = tuple(part for part in parts if part is not None)
    notes = [f"not known of {plural(unknown, 'clip')}{': ' + why if why else ''}"] if unknown else []
    if len(found) == 1:
        notes.insert(
            0, f"{found[0].name.replace(chr(160), ' ')}, {'all that are known' if unknown else 'all of them'}"
        )
    return Slicing(title, found, "; ".join(notes))


def _slice(name: str, tested: Answered, chosen: NDArray[np.bool_], fold: int | None = None) -> Slice | None:
    if not chosen.any():
        return None
    right = (tested.answers == tested.targets)[chosen]
    clips = len(np.unique(tested.clips[chosen]))
    groups = np.unique(tested.groups[chosen], return_inverse=True)[1].reshape(-1)
    size = np.bincount(groups).astype(np.float64)
    hits = np.bincount(groups, right).astype(np.float64)
    answers, correct = int(chosen.sum()), int(right.sum())
    enough = clips >= LEAST_CLIPS and len(size) >= LEAST_GROUPS
    interval = _interval(hits, size) if enough else None
    if interval is not None and interval[1] - interval[0] > _WIDEST:
        interval = None
    return Slice(name, clips, len(size), correct, answers, interval, fold)


def _interval(hits: NDArray[np.float64], size: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy, a recording an entry.

    Where every recording is right, or every one wrong, all resamples are alike and a bootstrap would call that certain.
    The exact (Clopper-Pearson) interval of so many recordings takes its place.
    """
    n = len(size)
    if not hits.any():
        return 0.0, 1 - 0.025 ** (1 / n)
    if (hits == size).all():
        return 0.025 ** (1 / n), 1.0
    low, high = interval_of_ratio(hits, size)
    return max(0.0, low), min(1.0, high)
