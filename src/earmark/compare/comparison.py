"""What is known of two runs beside each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs, on the clips that both tested.

    Parameters
    ----------
    run, model
        Its folder, and the name of what was trained.
    score
        Share of right answers, the mean over its seeds; where clips have any number of labels, the micro-F1.
    seeds
        Those that answered.
    clips
        How many it tested in all.
    """

    run: Path
    model: str
    score: float
    seeds: tuple[int, ...]
    clips: int


@dataclass(frozen=True, slots=True)
class McNemar:
    """Of the clips that one run does better than the other, on which side they are.

    Parameters
    ----------
    only_a, only_b
        Clips that the run gets right more often, over its seeds, than the other does.
    p
        Of the exact two-sided binomial test.
    """

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of two runs beside each other.

    Parameters
    ----------
    clips, groups
        Which both tested.
    differs
        The settings of the recipes that are not the same, each with the values of a and b; ``None`` for none.
    difference, interval
        Score of b less that of a, and its 95 % interval by paired bootstrap over groups.
    better
        ``"a"`` or ``"b"`` where the difference is more than noise, else ``None``.
    mcnemar
        A second opinion, over clips; ``None`` where they have any number of labels.
    per_class
        For each label that was tested: clips, the recall of a and of b, and the difference; where clips have any number
        of labels, of the F1.
    notes
        What to know before believing it, each a sentence.
    """

    a: Side
    b: Side
    clips: int
    groups: int
    differs: dict[str, tuple[Any, Any]]
    difference: float
    interval: tuple[float, float]
    better: str | None
    mcnemar: McNemar | None
    per_class: dict[str, dict[str, float]]
    notes: tuple[str, ...]

    @property
    def measure(self) -> str:
        """What is compared: ``"accuracy"``, or ``"micro_f1"`` where clips have any number of labels."""
        return "accuracy" if self.mcnemar else "micro_f1"

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        low, high = self.interval
        if self.difference == 0:
            alike = "are right equally often" if self.mcnemar else "score alike"
            way = f"they {alike}" + (", and on every recording" if low == high else "")
            return f"The two cannot be told apart: {way}."
        ahead, behind = ("B", "A") if self.difference >= 0 else ("A", "B")
        if self.difference < 0:
            low, high = -high, -low
        points = f"{abs(self.difference) * 100:.1f} points"
        within = f"95 % interval {_points(low)} to {_points(high)}"
        if self.better:
            return f"{ahead} is better by {points} ({within}): more than noise."
        if low <= 0:
            return (
                f"The two cannot be told apart: {ahead} is {points} above {behind} ({within}, with 0 inside)."
            )
        return f"The two cannot be told apart: {ahead} is {points} above {behind}, but on too few recordings."

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as `earmark compare --json` prints it."""
        sides = {
            name: {
                "run": str(side.run),
                "model": side.model,
                self.measure: side.score,
                "seeds": list(side.seeds),
                "clips": side.clips,
            }
            for name, side in (("a", self.a), ("b", self.b))
        }
        return {
            **sides,
            "clips": self.clips,
            "groups": self.groups,
            "differs": {name: list(values) for name, values in self.differs.items()},
            "difference": self.difference,
            "interval": list(self.interval),
            "better": self.better,
            "verdict": self.verdict,
            "mcnemar": asdict(self.mcnemar) if self.mcnemar else None,
            "per_class": self.per_class,
            "notes": list(self.notes),
        }


def _points(value: float) -> str:
    """Return hundredths with a proper minus sign, and never a negative zero."""
    return f"{value * 100:.1f}".replace("-0.0", "0.0").replace("-", "−")
