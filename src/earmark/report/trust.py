"""How far confidence can be believed: reliability before and after calibration, and what decisions are worth."""

from __future__ import annotations

from dataclasses import dataclass

from earmark.report.folder import Folder
from earmark.report.words import Number

_SMALLEST, _LARGEST = 2.0, 6.5  # radius of a point, in hundredths of the picture


@dataclass(frozen=True, slots=True)
class Point:
    """A bin of like confidence: shares from 0 to 1, and the radius that shows its count."""

    confidence: float
    accuracy: float
    count: int
    radius: float


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One curve with its figures, in the order of `MEASURES`."""

    name: str
    kind: str
    points: tuple[Point, ...]
    figures: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """All curves, the one that counts last; and how prediction sets and sure answers did, where there are any."""

    curves: tuple[Calibrated, ...]
    sets: dict[str, Number] | None
    answers: dict[str, Number] | None
    target: str


# What is told of each curve: its key in the report, its name, and what it means.
MEASURES = (
    ("ece", "ECE", "expected calibration error over 15 bins of equal width"),
    ("ece_adaptive", "Adaptive ECE", "the same over bins of equal numbers of clips"),
    ("nll", "NLL", "mean negative log-likelihood of the truth"),
    ("brier", "Brier score", "mean squared difference to the truth, summed over classes"),
)


def trust_of(folder: Folder) -> Trust:
    """Return what the report says of calibration and decisions."""
    figures = folder.figures
    curves = []
    if figures.has("calibration", "before"):
        curves.append(_curve(folder, "Before calibration", "before", ("calibration", "before")))
        curves.append(_curve(folder, "After calibration", "after", ("calibration",)))
    else:
        curves.append(_curve(folder, "As answered", "after", ("calibration",)))
    sets = answers = None
    if figures.has("decision", "sets"):
        names = ("promised", "coverage", "clips", "mean_size")
        sets = {name: figures.number("decision", "sets", name) for name in names}
    if figures.has("decision", "answers"):
        answers = {
            name: figures.perhaps("decision", "answers", name) for name in ("share", "precision", "recall")
        }
    return Trust(tuple(curves), sets, answers, figures.text("decision", "target"))


def _curve(folder: Folder, name: str, kind: str, keys: tuple[str, ...]) -> Calibrated:
    figures = folder.figures
    count = len(figures.items(*keys, "reliability"))
    bins = [
        (
            figures.value(*keys, "reliability", i, "confidence"),
            figures.value(*keys, "reliability", i, "accuracy"),
            figures.whole(*keys, "reliability", i, "count"),
        )
        for i in range(count)
    ]
    most = max((n for _, _, n in bins), default=1)
    points = tuple(Point(c, a, n, _SMALLEST + (_LARGEST - _SMALLEST) * (n / most) ** 0.5) for c, a, n in bins)
    return Calibrated(name, kind, points, tuple(figures.number(*keys, key) for key, _, _ in MEASURES))
