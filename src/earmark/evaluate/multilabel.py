"""The report where clips have any number of labels: how well labels are ranked, and what is said at thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from earmark.decide import EVEN, NEVER, Decision
from earmark.evaluate.calibration import Calibration
from earmark.evaluate.interval import LEAST_GROUPS, RESAMPLES, interval_of_ratio, widened
from earmark.evaluate.metrics import PerClass
from earmark.evaluate.scored import Scored, joined
from earmark.ranking import auroc, average_precision, label_ranking_precision
from earmark.types import IntArray

_WORK = 200_000_000  # rows times labels times draws: a few seconds
_LEAST_DRAWS = 200
_AT_ONCE = 4_000_000  # rows of draws held at a time: some 64 MB


@dataclass(frozen=True, slots=True, eq=False)
class LabelReport:
    """What is known about the quality of a classifier of several labels.

    Parameters
    ----------
    mean_average_precision, sd
        Over the labels that occur, of all folds' clips ranked together, the mean over seeds; and the standard deviation
        over folds, each ranked for itself. (The folds' mean is too high: average precision over few clips is.)
    sd_seeds, seeds
        Its standard deviation over seeds, and each seed's.
    interval, interval_micro_f1
        95 %, of the mean average precision and of the micro-F1, by bootstrap over groups; 0 to 1 where there are fewer
        than `LEAST_GROUPS`.
    micro, macro
        Precision, recall and F1 of what is said: over all answers together, and the mean over the labels that occur.
    lwlrap
        Label-weighted label-ranking average precision.
    per_class
        For each label: precision, recall, f1, average_precision, auroc, clips, and the threshold, the middle one of
        several models'; ``None`` where no clip tested it, and for a threshold that nothing reaches.
    calibration
        How far the probability of a label can be believed.
    clips, groups
        How many were tested.
    """

    mean_average_precision: float
    sd: float
    sd_seeds: float
    seeds: dict[int, float]
    interval: tuple[float, float]
    micro: dict[str, float]
    interval_micro_f1: tuple[float, float]
    macro: dict[str, float]
    lwlrap: float
    per_class: PerClass
    calibration: Calibration
    clips: int
    groups: int

    main: ClassVar[str] = "map"

    @property
    def score(self) -> float:
        """The one number that stands for all."""
        return self.mean_average_precision

    @property
    def headline(self) -> dict[str, Any]:
        """The scores that stand for all, ready for JSON."""
        return {
            "map": self.mean_average_precision,
            "micro_f1": self.micro["f1"],
            "macro_f1": self.macro["f1"],
            "interval": list(self.interval),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON."""
        parts = {
            f"{name}_{score}": value
            for name, scores in (("micro", self.micro), ("macro", self.macro))
            for score, value in scores.items()
        }
        return {
            **self.headline,
            "sd": self.sd,
            "sd_seeds": self.sd_seeds,
            "seeds": [{"seed": seed, "map": value} for seed, value in self.seeds.items()],
            **parts,
            "interval_micro_f1": list(self.interval_micro_f1),
            "lwlrap": self.lwlrap,
            "per_class": self.per_class,
            "calibration": self.calibration.to_dict(),
            "clips": self.clips,
            "groups": self.groups,
        }


def report_of_labels(
    folds: list[Scored], labels: tuple[str, ...], decisions: Sequence[Decision] = (), seed: int = 0
) -> LabelReport:
    """Judge the scored rows of one or more folds, each by one seed or by the same several.

    Parameters
    ----------
    decisions
        What the models decided by, for their thresholds.

    Examples
    --------
    >>> rows, marks = np.arange(3), np.array([[True, True], [True, False], [False, True]])
    >>> likely = np.array([[0.9, 0.2], [0.8, 0.1], [0.7, 0.6]], np.float32)
    >>> scored = Scored(rows, marks, rows, likely, said=likely >= 0.5)
    >>> found = report_of_labels([scored], ("dog", "rain"))
    >>> found.mean_average_precision, round(found.micro["f1"], 3)
    (1.0, 0.75)
    """
    each = [fold.maps() for fold in folds]
    seeds = joined(folds).maps()
    of_folds = [float(np.mean(list(fold.values()))) for fold in each]
    marks = np.concatenate([fold.targets for fold in folds]).astype(bool)
    likely = np.concatenate([fold.probabilities for fold in folds]).astype(np.float64)
    said = np.concatenate([_said(fold) for fold in folds])
    per_class = _per_class(folds, list(seeds), labels, decisions, (marks, said))
    tested = [row for row in per_class.values() if row["clips"]]
    found = label_ranking_precision(likely, marks)
    return LabelReport(
        float(np.mean(list(seeds.values()))),
        _spread(of_folds),
        _spread(list(seeds.values())),
        seeds,
        _interval_of_map(folds, seed),
        _scores(int((marks & said).sum()), int(said.sum()), int(marks.sum())),
        _interval_of_f1(folds, seed),
        {name: _mean(tested, name) for name in ("precision", "recall", "f1")},
        found if np.isfinite(found) else 0.0,
        per_class,
        Calibration.of_decisions(likely, marks),
        sum(fold.clips for fold in folds),
        sum(len(np.unique(fold.groups)) for fold in folds),
    )


def _said(fold: Scored) -> NDArray[np.bool_]:
    return fold.probabilities >= EVEN if fold.said is None else fold.said


def _scores(hits: int, said: int, true: int) -> dict[str, float]:
    return {
        "precision": hits / said if said else 0.0,
        "recall": hits / true if true else 0.0,
        "f1": 2 * hits / (said + true) if said + true else 0.0,
    }


def _per_class(
    folds: list[Scored],
    seeds: list[int],
    labels: tuple[str, ...],
    decisions: Sequence[Decision],
    answers: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> PerClass:
    marks, said = answers
    hits, of_said, of_true = ((m).sum(axis=0).tolist() for m in (marks & said, said, marks))
    ranked = _ranked(folds, seeds)
    told = [d.thresholds or (EVEN,) * len(labels) for d in decisions]
    middle = np.median(np.array(told), axis=0) if told else np.full(len(labels), EVEN)
    result: PerClass = {}
    for i, label in enumerate(labels):
        scores: dict[str, float | None] = dict.fromkeys(("precision", "recall", "f1"))
        if of_true[i]:
            scores |= _scores(hits[i], of_said[i], of_true[i])
        precision, area = (float(value) if np.isfinite(value) else None for value in ranked[:, i])
        result[label] = {
            **scores,
            "average_precision": precision,
            "auroc": area,
            "threshold": float(middle[i]) if middle[i] < NEVER else None,
            "clips": of_true[i] // len(seeds),
        }
    return result


def _ranked(folds: list[Scored], seeds: list[int]) -> NDArray[np.float64]:
    """Return average precision and AUROC of each label, [2, labels]: ranked within each seed, then the mean."""
    found = []
    for seed in seeds:
        rows = [fold.by_seed()[seed] for fold in folds]
        marks = np.concatenate([f.targets[r] for f, r in zip(folds, rows, strict=True)]).astype(bool)
        scores = np.concatenate([f.probabilities[r] for f, r in zip(folds, rows, strict=True)])
        columns = list(zip(scores.T, marks.T, strict=True))
        found.append([[score(s, m) for s, m in columns] for score in (average_precision, auroc)])
    mean: NDArray[np.float64] = np.mean(found, axis=0)
    return mean


def _interval_of_f1(folds: list[Scored], seed: int) -> tuple[float, float]:
    hits, sizes = list[NDArray[np.float64]](), list[NDArray[np.float64]]()
    for fold in folds:
        own, marks, said = (
            np.unique(fold.groups, return_inverse=True)[1],
            fold.targets.astype(bool),
            _said(fold),
        )
        hits.append(np.bincount(own, 2.0 * (marks & said).sum(axis=1)).astype(np.float64))
        sizes.append(np.bincount(own, marks.sum(axis=1) + said.sum(axis=1)).astype(np.float64))
    hit, size = np.concatenate(hits), np.concatenate(sizes)
    if np.count_nonzero(size) < LEAST_GROUPS:
        return 0.0, 1.0
    spoke = size > 0  # a recording without labels, of which nothing was said, has no part in it
    low, high = interval_of_ratio(hit[spoke], size[spoke], seed)
    return max(0.0, low), min(1.0, high)


def _interval_of_map(folds: list[Scored], seed: int) -> tuple[float, float]:
    """Return the interval of the mean average precision, resampling whole groups with the answers of every seed.

    The labels that occur are those of the draw. Average precision over few clips is too high, and that of a draw, in
    which clips stand several times, higher again: what draws are too high on average is taken away.
    """
    one, own = together(folds)
    n = int(own.max(initial=-1)) + 1
    if n < LEAST_GROUPS:
        return 0.0, 1.0
    draws = max(_LEAST_DRAWS, min(RESAMPLES, _WORK // max(one.probabilities.size, 1)))
    rng, at_once = np.random.default_rng([seed, 3]), max(1, _AT_ONCE // len(own))
    centre = float(maps_of_draws(one, own, np.ones((1, n), np.float32))[0])
    if not np.isfinite(centre):
        return 0.0, 1.0
    found = np.concatenate(
        [
            maps_of_draws(one, own, rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float32))
            for size in (min(at_once, draws - begin) for begin in range(0, draws, at_once))
        ]
    )
    found = found[np.isfinite(found)]
    low, high = widened(found - found.mean() + centre, centre, n)
    return max(0.0, low), min(1.0, high)


def maps_of_draws(fold: Scored, own: IntArray, drawn: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean average precision of each draw, the mean over seeds; NaN where no label occurs.

    Parameters
    ----------
    own
        int64[rows]: the recording of each row, from 0, as `together` gives it.
    drawn
        float32[draws, recordings]: how often each counts.
    """
    at_once = max(1, _AT_ONCE // max(len(own), 1))
    seeds = fold.by_seed().values()
    found = [
        np.mean([_drawn_map(fold, rows, own, drawn[begin : begin + at_once]) for rows in seeds], axis=0)
        for begin in range(0, len(drawn), at_once)
    ]
    whole: NDArray[np.float64] = np.concatenate(found)
    return whole


def together(folds: list[Scored]) -> tuple[Scored, IntArray]:
    """Return the answers of all folds as those of one, and a number for each recording of each fold, from 0."""
    names, begin = [], 0
    for fold in folds:
        own = np.unique(fold.groups, return_inverse=True)[1] + begin
        names.append(own)
        begin = int(own.max(initial=begin - 1)) + 1
    return joined(folds), np.concatenate(names).astype(np.int64)


def _drawn_map(
    fold: Scored, rows: NDArray[np.bool_], own: IntArray, drawn: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the mean average precision of each draw, NaN where no label occurs; rows count as often as their group."""
    marks, scores, groups = fold.targets[rows].astype(bool), fold.probabilities[rows], own[rows]
    of_groups = np.ascontiguousarray(drawn.T)  # draws side by side in memory
    total, occur = np.zeros(len(drawn)), np.zeros(len(drawn))
    for column, true in zip(scores.T, marks.T, strict=True):
        if not true.any():
            continue
        order = np.argsort(-column, kind="stable")
        ranked, right = column[order], true[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        # The runs of equal scores that hold what is true: only there the precision is needed.
        run, first = np.unique(np.searchsorted(ends, np.flatnonzero(right)), return_index=True)
        times = of_groups[groups[order]]
        cuts = np.concatenate([[0], ends[run][:-1] + 1])
        above = np.cumsum(np.add.reduceat(times[: ends[run][-1] + 1], cuts, axis=0), axis=0)
        hits = np.add.reduceat(times[right], first, axis=0)
        found = np.cumsum(hits, axis=0)
        wanted = found[-1]
        hits *= found
        hits /= np.maximum(above, 1)
        total += hits.sum(axis=0) / np.maximum(wanted, 1)
        occur += wanted > 0
    return np.where(occur > 0, total / np.maximum(occur, 1), np.nan)


def _spread(values: list[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _mean(classes: list[dict[str, float | None]], score: str) -> float:
    return float(np.mean([c[score] or 0.0 for c in classes])) if classes else 0.0
