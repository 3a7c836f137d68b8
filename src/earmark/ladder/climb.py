"""`Climb`: trains rung after rung on the same folds, within a budget, and keeps what each said."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.bundle import Bundle
from earmark.decide import DecideSettings, Decision
from earmark.decide.blend import Share
from earmark.engine import Engine, Local, cores
from earmark.errors import DataError
from earmark.evaluate import Scored, joined
from earmark.extract import Progress, extract_tables, fill
from earmark.features import feature_to_dict, resolved
from earmark.fitting import Lesson, Voices, bundle_of, decision_of, fit_all, task_of
from earmark.ladder.budget import Budget, OutOfTime
from earmark.ladder.cost import Cost, cost_of, some_sounds
from earmark.ladder.kept import Kept
from earmark.ladder.names import BLEND, blend_of
from earmark.listener import Listener
from earmark.models import model_to_dict
from earmark.outcome import Prepared
from earmark.predict import Predictor
from earmark.recipe import Recipe
from earmark.rungs import rung
from earmark.settings import to_dict
from earmark.split import TEST, Split
from earmark.store import Store
from earmark.train import Task
from earmark.types import Feature, FeatureTable, Waveform

_PLAIN = DecideSettings(folds=0, unknown="off")
_BLENDED = DecideSettings(
    unknown="off"
)  # its weights are learnt from inner networks; nothing asks what is unknown
_TELLS = 16  # clips after which it is known how long all of them take
_SIDE_BY_SIDE = 3.0  # seconds of work above which networks are trained in several processes


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """A rung that was tried on every fold.

    Parameters
    ----------
    parts
        For each fold what was said of its test rows, by every seed.
    fit_seconds
        What training took: one network, or all of one blend.
    cost
        What using it takes.
    members
        Of a blend.
    """

    name: str
    parts: tuple[Scored, ...]
    fit_seconds: float
    cost: Cost
    members: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Climb:
    """One data set, divided once for each seed; rungs are trained on it one after the other.

    Parameters
    ----------
    recipe
        Its data, split and training settings are every rung's.
    ready
        Which clips there are; each rung hears them in its own way.
    cells
        For each seed, each fold, and the seed: what is learnt from and what is tested.
    folder
        Where what was trained and measured is kept.
    measured
        Whether what a rung costs to use is wanted.
    given
        A recipe to be trained whatever the name; ``None`` where names say which rung it is.
    """

    recipe: Recipe
    ready: Prepared
    cells: tuple[tuple[Split, int], ...]
    folder: Path
    budget: Budget
    listener: Listener
    engine: Engine | None = None
    measured: bool = True
    given: Recipe | None = None
    _tables: dict[Feature, FeatureTable] = field(default_factory=dict)

    @cached_property
    def kept(self) -> Kept:
        """What was trained and measured."""
        return Kept(self.folder)

    def reach(self, name: str, members: Sequence[str] = ()) -> Reached:
        """Train a rung on every fold and let it speak; ``members`` are those of a blend, tried before.

        Raises
        ------
        OutOfTime
            When the budget does not suffice. What was trained is kept.
        EarmarkError
            Of any kind, as the parts raise it.
        """
        recipe = self.recipe_of(name, members)
        identity = self._identity(name, members)
        found = self.kept.read(name, identity)
        if found is not None:
            return self._reached(name, *found, members)
        tables = [self._heard(own.feature) for own in recipe.rungs()]
        ready = replace(self.ready, tables=tuple(tables))
        lessons = [Lesson.of(split, seed, recipe) for split, seed in self.cells]
        splits = [*self.cells, *((inner, lesson.seed) for lesson in lessons for inner in lesson.inner)]
        tasks = [task_of(split, seed) for split, seed in splits]
        if members:
            self._room_for(members, len(tasks))
        each = [
            self._fit(own, self.recipe_of(own), table, tasks)
            for own, table in zip(members or (name,), tables, strict=True)
        ]
        voices: list[Voices] = [tuple(one[0] for one in own) for own in zip(*each, strict=True)]
        bundles = self._bundles(recipe, ready, lessons, voices)
        said = [self._said(bundle, ready, lesson) for bundle, lesson in zip(bundles, lessons, strict=True)]
        cost = self._cost(name, bundles[0], members) if self.measured else Cost(0.0, 0.0, 0.0)
        networks = 1 + len(lessons[0].inner)
        seconds = networks * sum(self.kept.seconds(own) for own in members or (name,))
        self.kept.write(name, identity, said, seconds, cost)
        return self._reached(name, said, seconds, cost, members)

    def _cost(self, name: str, bundle: Bundle, members: Sequence[str]) -> Cost:
        cost = cost_of(bundle, self._sounds, self.kept.place(name) / "model.earmark")
        for own in members:  # no blend is quicker than a part of it, whatever the clock says
            cost = replace(cost, predict_ms=max(cost.predict_ms, self.kept.measured(own)["predict_ms"]))
        self.kept.note(name, predict_ms=cost.predict_ms)
        return cost

    def recipe_of(self, name: str, members: Sequence[str] = ()) -> Recipe:
        """Return the recipe of a rung, without what its score does not need."""
        if self.given is not None:
            return self.given
        if name == BLEND:
            return replace(blend_of(self.recipe, members), decide=_BLENDED)
        own = rung(name, self.recipe.train)
        return replace(self.recipe, feature=own.feature, model=own.model, train=own.train, decide=_PLAIN)

    def _heard(self, feature: Feature) -> FeatureTable:
        """Return what is heard of the climb's clips, computing what the store lacks."""
        feature = resolved(feature)
        if feature == self.ready.table.feature:
            return self.ready.table
        if feature not in self._tables:
            where, told = self.engine or Local(), self._watched_features()
            fill(self.ready.dataset, [feature], Store(), where, told, self.listener.noted)
            wanted = [self.ready.table.feature, feature]
            _, table = extract_tables(self.ready.dataset, wanted, self.engine, self.listener.noted)
            lost = np.setdiff1d(self.ready.table.rows, table.rows)
            if len(lost):
                first = self.ready.dataset.clips[int(lost[0])].path
                raise DataError(
                    f"{len(lost):,} of the clips that other rungs hear cannot be heard by it, such as {first};"
                    " all must be judged by the same clips. `earmark check --fix-manifest` leaves out short ones."
                )
            self._tables[feature] = table
        return self._tables[feature]

    def _watched_features(self) -> Callable[[Progress], None]:
        began, known = time.perf_counter(), -1

        def told(progress: Progress) -> None:
            nonlocal began, known
            self.listener.extracting(progress)
            if known < 0:
                began, known = time.perf_counter(), progress.done
            new, rest = progress.done - known, progress.total - progress.done
            needs = (time.perf_counter() - began) / max(new, 1) * rest
            if rest and ((new >= _TELLS and not self.budget.holds(needs)) or not self.budget.left):
                raise OutOfTime("the features of its clips", needs if new else None)

        return told

    def _fit(self, name: str, recipe: Recipe, table: FeatureTable, tasks: list[Task]) -> list[Voices]:
        """Train all networks of one plain rung: the first alone, which tells what the others will take."""
        place, rows = self.kept.place(name), self.ready.rows
        classes = len(self.ready.dataset.labels)

        def fit(some: list[Task], told: Callable[..., None]) -> list[Voices]:
            return fit_all(recipe, [table.inputs], rows.truth, classes, some, place, told, self.engine)

        if not self.budget.left:
            raise OutOfTime("its first network")
        began = time.perf_counter()
        known = self.kept.seconds(name)
        try:
            fit(tasks[:1], self._watched(lambda share: self._rest(began, share)))
        finally:
            if not self.kept.measured(name).get("first"):
                self.kept.note(name, seconds=known + time.perf_counter() - began)
        self.kept.note(name, first=True)
        others, needs = self._others(name, len(tasks))
        if not self.budget.holds(needs):
            raise OutOfTime(f"its other {others} networks" if others > 1 else "its other network", needs)
        # Of the one that is at work a share is missing; those after it have not begun.
        return fit(
            tasks,
            self._watched(
                lambda share: self._others(name, len(tasks))[1] + (1 - share) * self.kept.seconds(name)
            ),
        )

    def _others(self, name: str, networks: int) -> tuple[int, float]:
        """Return how many networks of a plain rung are not there yet, and about how many seconds they will take."""
        others = max(0, networks - self.kept.networks(name))
        needs = self.kept.seconds(name) * others
        return others, needs / min(cores(), others) if needs > _SIDE_BY_SIDE else needs

    def _room_for(self, members: Sequence[str], networks: int) -> None:
        """Refuse a blend whose networks the budget does not hold, before the first of them."""
        each = [self._others(own, networks) for own in members]
        others, needs = sum(own[0] for own in each), sum(own[1] for own in each)
        if others and not self.budget.holds(needs):
            raise OutOfTime(f"its {others} inner networks", needs)

    def _watched(self, needs: Callable[[float], float]) -> Callable[..., None]:
        """Return what is told of epochs; it ends the work when there is no time left."""

        def told(task: int, total: int, rows: int, epochs: int, entry: dict[str, float]) -> None:
            self.listener.epoch(task, total, rows, epochs, entry)
            if not self.budget.left and entry["epoch"] < epochs:
                raise OutOfTime("its networks", needs(entry["epoch"] / epochs))

        return told

    def _rest(self, began: float, share: float) -> float:
        """Return what all networks of a rung will still take, of whose first a share was trained."""
        one = (time.perf_counter() - began) / share
        return one * (len(self.cells) - share)

    def _bundles(
        self, recipe: Recipe, ready: Prepared, lessons: list[Lesson], voices: list[Voices]
    ) -> list[Bundle]:
        own, others = voices[: len(lessons)], iter(voices[len(lessons) :])
        plain = Decision(exclusive=ready.rows.marks is None), [Share()]
        found = []
        for lesson, speaks in zip(lessons, own, strict=True):
            alone = len(speaks) == 1
            decision, shares = plain if alone else decision_of(recipe, ready, lesson, speaks, others)
            found.append(bundle_of(recipe, ready, ready.dataset.labels, speaks, shares, decision, None))
        return found

    def _said(self, bundle: Bundle, ready: Prepared, lesson: Lesson) -> NDArray[np.float32]:
        heard = ready.heard(lesson.split.positions(TEST))
        return Predictor(bundle, self_test=False).score(*heard)

    @cached_property
    def _sounds(self) -> list[Waveform]:
        return some_sounds(self.ready.dataset, self.ready.table.rows)

    def _identity(self, name: str, members: Sequence[str]) -> str:
        """Return what tells one rung's answers from another's, in the run of one data set and split."""
        rungs = self.recipe_of(name, members).rungs()
        heard = [feature_to_dict(resolved(own.feature)) for own in rungs]
        about = [heard, [[model_to_dict(own.model), to_dict(own.train)] for own in rungs]]
        return json.dumps([name, about, len(self.cells)])

    def _reached(
        self,
        name: str,
        said: Sequence[NDArray[np.float32]],
        seconds: float,
        cost: Cost,
        members: Sequence[str],
    ) -> Reached:
        rows, decision = self.ready.rows, Decision(exclusive=self.ready.rows.marks is None)
        scored = []
        for (split, seed), likely in zip(self.cells, said, strict=True):
            at = split.positions(TEST)
            scored.append(Scored.of(decision, at, rows.truth[at], rows.joined[at], likely, seed))
        folds = len(self.cells) // len({seed for _, seed in self.cells})
        parts = tuple(joined(scored[i::folds]) for i in range(folds))
        return Reached(name, parts, seconds, cost, tuple(members))
