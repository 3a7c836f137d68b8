"""What comparing models leaves: plain records, and the same as the command line's JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from earmark.ladder.cost import Cost
from earmark.ladder.curve import Curve
from earmark.ladder.names import blend_of
from earmark.ladder.tune import Tuned
from earmark.outcome import Prepared
from earmark.recipe import Recipe
from earmark.rungs import rung


@dataclass(frozen=True, slots=True)
class Step:
    """A rung that was tried on every fold.

    Parameters
    ----------
    main, score, interval, sd
        Which score it is, ``accuracy`` or ``map``; its value, its 95 % interval, and its standard deviation over folds.
    fit_seconds
        What training one classifier took; of a blend all its networks.
    cost
        What using it takes.
    words
        The words of `earmark train` that choose it.
    members
        Of a blend.
    """

    name: str
    model: str
    feature: str
    main: str
    score: float
    interval: tuple[float, float]
    sd: float
    fit_seconds: float
    cost: Cost
    words: tuple[str, ...]
    members: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the rung ready for JSON."""
        return {
            "rung": self.name,
            "model": self.model,
            "feature": self.feature,
            self.main: self.score,
            "interval": list(self.interval),
            "sd": self.sd,
            "fit_seconds": self.fit_seconds,
            **asdict(self.cost),
            "members": list(self.members),
        }


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A rung that was not tried to its end.

    Parameters
    ----------
    reason
        Why, and what would help.
    needs
        Seconds more that it would take, where that is known.
    """

    name: str
    reason: str
    needs: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record ready for JSON."""
        return {"rung": self.name, "reason": self.reason, "seconds_more": self.needs}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rung to take.

    Parameters
    ----------
    rung, best
        The cheapest within one standard error of the best, and the best.
    error
        That standard error, of the best's score, by drawing recordings anew; ``None`` from too few recordings.
    expected, interval
        What to expect of a rung that was chosen so, the choice paid for; ``None`` from too few recordings.
    recordings
        How many were tested.
    """

    rung: str
    best: str
    error: float | None
    expected: float | None
    interval: tuple[float, float] | None
    recordings: int

    def to_dict(self) -> dict[str, Any]:
        """Return the choice ready for JSON."""
        return {**asdict(self), "interval": None if self.interval is None else list(self.interval)}


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What `earmark.ladder.compare_models` leaves.

    Parameters
    ----------
    run
        Its folder.
    protocol
        How was tested, for a person.
    names
        All rungs that were asked for.
    steps, left
        Those that were tried to their end, and the others.
    choice
        Which one to take; ``None`` where none was tried.
    budget
        Seconds.
    curve, tuned, untuned
        Of the recommended rung, where it was asked for; and why it was not tuned although it should have been.
    """

    run: Path
    recipe: Recipe
    prepared: Prepared
    protocol: str
    names: tuple[str, ...]
    steps: tuple[Step, ...]
    left: tuple[LeftOut, ...]
    choice: Choice | None
    seeds: int
    budget: float | None
    curve: Curve | None = None
    tuned: Tuned | None = None
    untuned: str = ""

    @property
    def chosen(self) -> Step | None:
        """The rung to take."""
        return next((s for s in self.steps if self.choice is not None and s.name == self.choice.rung), None)

    @property
    def to_train(self) -> Recipe:
        """The recipe of the rung to take, with the settings that were found for it."""
        chosen = self.chosen
        if chosen is None:
            return self.recipe
        if chosen.members:
            return blend_of(self.recipe, chosen.members)
        own = rung(chosen.name, self.recipe.train)
        made = replace(self.recipe, feature=own.feature, model=own.model, train=own.train)
        return made if self.tuned is None else made.with_values(self.tuned.settings)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as `earmark compare-models --json` prints it."""
        tried = {*(step.name for step in self.steps), *(own.name for own in self.left)}
        return {
            "run": str(self.run),
            "protocol": self.protocol,
            "seeds": self.seeds,
            "budget_seconds": self.budget,
            "rungs": [step.to_dict() for step in self.steps],
            "left_out": [own.to_dict() for own in self.left],
            "not_yet": [name for name in self.names if name not in tried],
            "recommended": None if self.choice is None else self.choice.to_dict(),
            **({} if self.curve is None else {"learning_curve": self.curve.to_dict()}),
            **({} if self.tuned is None else {"tuned": self.tuned.to_dict()}),
            **({"untuned": self.untuned} if self.untuned else {}),
            **self.prepared.to_dict(),
        }
