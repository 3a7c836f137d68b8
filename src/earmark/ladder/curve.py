"""The learning curve of one rung: how good it is with fewer recordings, and what more of them may bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from earmark.ladder.board import by_seed
from earmark.ladder.budget import OutOfTime
from earmark.ladder.climb import Climb, Reached
from earmark.ladder.parts import fewer_clips, fewer_recordings, recordings_a_class
from earmark.ladder.power import Floats, PowerLaw, twice
from earmark.split import Split

SHARES = (1 / 8, 1 / 4, 1 / 2)
DRAWS = 5
_LEAST_POINTS = 3  # a law has as many numbers


@dataclass(frozen=True, slots=True)
class Point:
    """How good a rung is with a part of what there is to learn from.

    Parameters
    ----------
    share
        Of the recordings of each class.
    recordings, clips
        A class had so many recordings to learn from, and a network so many clips: means.
    score, interval
        The mean over draws, and a 95 % interval of it; none from a single draw.
    draws
        Each one's score.
    """

    share: float
    recordings: float
    clips: float
    score: float
    interval: tuple[float, float] | None
    draws: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A learning curve.

    Parameters
    ----------
    points
        From few recordings to all.
    law, at_twice, interval
        The power law of the errors, the score that it promises of twice the recordings, and a 90 % interval of that;
        ``None`` from fewer than three points.
    half_recordings, half_clips
        The score from all clips of half of the recordings, and from half of the clips of all recordings; ``None``
        where recordings are of too few clips to halve them.
    left
        What the budget did not hold.
    """

    rung: str
    points: tuple[Point, ...]
    law: PowerLaw | None
    at_twice: float | None
    interval: tuple[float, float] | None
    half_recordings: Point | None
    half_clips: Point | None
    left: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the curve ready for JSON."""
        return asdict(self)


def learning_curve(climb: Climb, tried: Reached, tell: Callable[[Point], None]) -> Curve:
    """Train a rung that was tried on parts of the recordings, several draws of each, and test it on the same folds.

    Each draw's smaller parts are parts of its larger ones. All draws count alike.

    Parameters
    ----------
    tell
        Told of each point.
    """
    folds = [split for split, seed in climb.cells if seed == climb.cells[0][1]]
    first, points, left = climb.cells[0][1], list[Point](), list[str]()
    halves: dict[str, Point] = {}

    def try_part(name: str, share: float, make: Callable[[Split, float, int], Split]) -> Point | None:
        cells = tuple(
            (make(split, share, draw), (first + draw) % 2**32) for draw in range(DRAWS) for split in folds
        )
        place = climb.folder / "curve" / name
        part = replace(climb, cells=cells, folder=place, measured=False)
        try:
            reached = part.reach(tried.name, tried.members)
        except OutOfTime as short:
            needs = "" if short.needs is None else f", which would take about {short.needs:.0f} s more"
            left.append(f"{_NAMES.get(name, name)}: no time for {short.doing}{needs}")
            return None
        return _point(share, [split for split, _ in cells], by_seed(reached.parts))

    for share in SHARES:
        counts = [recordings_a_class(fewer_recordings(split, share, 0)) for split in folds]
        if points and np.mean(counts) <= points[-1].recordings:
            continue  # so few recordings that a smaller share has as many
        point = try_part(f"recordings-{share:g}", share, fewer_recordings)
        if point is not None:
            points.append(point)
            tell(point)
    points.append(_point(1.0, folds, by_seed(tried.parts)))
    tell(points[-1])
    if _can_halve(folds):
        half = next((point for point in points if point.share == 1 / 2), None)
        clips = try_part("clips", 1.0, lambda split, _, draw: fewer_clips(split, 1 / 2, draw))
        if half is not None and clips is not None:
            halves = {"half_recordings": half, "half_clips": clips}
    law, promise, interval = _promise(points)
    return Curve(
        tried.name, tuple(points), law, promise, interval,
        halves.get("half_recordings"), halves.get("half_clips"), tuple(left),
    )  # fmt: skip


_NAMES = {"clips": "half of the clips", **{f"recordings-{s:g}": f"{s:.1%} of the recordings" for s in SHARES}}


def _can_halve(folds: Sequence[Split]) -> bool:
    """Return whether half of the clips of each recording are many fewer than all."""
    kept = [len(fewer_clips(split, 1 / 2, 0).learnt) / len(split.learnt) for split in folds]
    return float(np.mean(kept)) < 0.75


def _point(share: float, splits: Sequence[Split], scores: Floats) -> Point:
    interval = None
    if len(scores) > 1:
        from scipy.special import stdtrit

        half = float(stdtrit(len(scores) - 1, 0.975) * scores.std(ddof=1) / np.sqrt(len(scores)))
        interval = max(0.0, float(scores.mean()) - half), min(1.0, float(scores.mean()) + half)
    return Point(
        share,
        float(np.mean([recordings_a_class(split) for split in splits])),
        float(np.mean([len(split.learnt) for split in splits])),
        float(scores.mean()),
        interval,
        tuple(scores.tolist()),
    )


def _promise(points: Sequence[Point]) -> tuple[PowerLaw | None, float | None, tuple[float, float] | None]:
    if len(points) < _LEAST_POINTS:
        return None, None, None
    n = np.array([point.recordings for point in points])
    law, error, (low, high) = twice(n, [1 - np.array(point.draws) for point in points])
    return law, 1 - error, (1 - high, 1 - low)
