"""Which model to take for a data set: rungs tried on the same folds, cheapest first, within a budget.

``ladder/climb.py`` trains a rung on every fold, ``ladder/board.py`` chooses among those that were, and this file is
the line from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from earmark import record, runs
from earmark.engine import Engine
from earmark.errors import DataError, EarmarkError, MissingExtraError, RunError, SettingError, WeightsError
from earmark.evaluate import report, report_of_labels
from earmark.ladder.board import Board
from earmark.ladder.budget import Budget, OutOfTime, said, seconds_of, typed
from earmark.ladder.climb import Climb, Reached
from earmark.ladder.curve import Curve, Point, learning_curve
from earmark.ladder.names import BLEND, at_hand, blended, can_be_tried, named, train_words
from earmark.ladder.result import Choice, Compared, LeftOut, Step
from earmark.ladder.tune import Trial, Tuned, tune
from earmark.listener import Listener, Silent
from earmark.outcome import Prepared
from earmark.pipeline import MOST_SEEDS, RUNS, prepare, protocol, reseeded, write_recipe
from earmark.recipe import Recipe
from earmark.rungs import rung
from earmark.split import cross_validation

__all__ = [
    "Budget", "Choice", "Compared", "Curve", "LeftOut", "Point", "Step", "Trial", "Tuned", "at_hand", "compare_models",
    "named", "seconds_of",
]  # fmt: skip

OnStep = Callable[[Step | LeftOut | Point | Trial], None]


def compare_models(
    recipe: Recipe,
    names: Sequence[str] | None = None,
    runs_folder: Path = RUNS,
    budget: Budget | None = None,
    seeds: int = 1,
    listener: Listener | None = None,
    engine: Engine | None = None,
    on_step: OnStep | None = None,
    curve: bool = False,
    tuned: bool = False,
) -> Compared:
    """Try rungs on every fold in turn, as `earmark.pipeline.evaluate` divides, and say which to take.

    A rung that the budget does not hold is left out with a word, and what was trained of it is kept: the same call
    goes on there.

    Parameters
    ----------
    recipe
        Its data, split and training settings are every rung's; feature and model are the rungs' own.
    names
        Of rungs, the cheapest first; those `at_hand` by default. ``"blend"`` is of those that were run before it.
    seeds
        How many times each fold is trained, as in `earmark.pipeline.evaluate`.
    on_step
        Told of each rung when it was tried, or left out; and of each point of a learning curve.
    curve
        Also train the recommended rung on parts of the recordings: `earmark.ladder.curve`.
    tuned
        Also search settings of the recommended rung: `earmark.ladder.tune`.

    Raises
    ------
    EarmarkError
        Of any kind, as the parts raise it; what goes wrong with one rung leaves that one out.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise SettingError(f"The number of seeds is {seeds}, but must be from 1 to {MOST_SEEDS}.")
    names, budget = tuple(names or at_hand()), budget or Budget()
    listener, tell = listener or Silent(), on_step or (lambda step: None)
    ready, first = _ready(recipe, names, listener, engine)
    draws = [reseeded(recipe, i) for i in range(seeds)]
    folds = [cross_validation(ready.rows, recipe.split, draw.split.seed) for draw in draws]
    listener.divided(folds[0], ready.dataset, False)
    cells = tuple((split, draw.train.seed) for own, draw in zip(folds, draws, strict=True) for split in own)
    with _open_run(runs_folder, recipe, ready, names, seeds, listener) as run:
        climb = Climb(recipe, ready, cells, run.checkpoints, budget, listener, engine)
        steps: list[Step] = []
        reached: list[Reached] = []
        left: list[LeftOut] = []
        for name in names:
            tried = _tried(climb, name, [own.name for own in reached], first)
            if isinstance(tried, LeftOut):
                left.append(tried)
            else:
                reached.append(tried)
                steps.append(_step(climb, tried, recipe.split.seed))
            result = Compared(
                run.folder, recipe, ready, protocol(folds[0], ready.dataset), tuple(names), tuple(steps),
                tuple(left), None, seeds, budget.seconds,
            )  # fmt: skip
            run.write_json("report.json", result.to_dict())
            tell(tried if isinstance(tried, LeftOut) else steps[-1])
        if not reached:
            raise RunError(f"Not one rung was tried to its end. {left[0].name}: {left[0].reason}")
        result = replace(result, choice=_choice(reached, recipe.split.seed))
        result = _more(climb, result, reached, run, tell, curve, tuned)
        run.write_json("report.json", result.to_dict())
        write_recipe(run, result.to_train)
        if not left and not (result.curve and result.curve.left) and not result.untuned:
            run.finish()
    return result


def _more(
    climb: Climb,
    result: Compared,
    reached: Sequence[Reached],
    run: runs.Run,
    tell: OnStep,
    curve: bool,
    tuned: bool,
) -> Compared:
    """Return the result with what else is wanted of the recommended rung."""
    chosen = next(own for own in reached if result.choice is not None and own.name == result.choice.rung)
    if curve:
        result = replace(result, curve=learning_curve(climb, chosen, tell))
        run.write_json("report.json", result.to_dict())
    if tuned:
        try:
            result = replace(result, tuned=tune(climb, chosen, run, tell))
        except OutOfTime as short:
            result = replace(result, untuned=_too_long(short, climb.budget))
        except (SettingError, DataError) as error:
            result = replace(result, untuned=str(error))
    return result


def _ready(
    recipe: Recipe, names: Sequence[str], listener: Listener, engine: Engine | None
) -> tuple[Prepared, dict[str, EarmarkError]]:
    """Read and extract for the first rung that can be heard; return also why those before it cannot be."""
    failed: dict[str, EarmarkError] = {}
    for name in names:
        if name == BLEND:
            continue
        try:
            can_be_tried(name)
            feature = rung(name, recipe.train).feature
            return prepare(recipe, listener, engine, [feature]), failed
        except (MissingExtraError, WeightsError) as error:
            failed[name] = error
    raise next(iter(failed.values()))


def _tried(
    climb: Climb, name: str, before: Sequence[str], failed: dict[str, EarmarkError]
) -> Reached | LeftOut:
    """Try one rung, or say why it was not."""
    members = blended(before) if name == BLEND else ()
    if name == BLEND and len(members) < 2:
        return LeftOut(
            name, f"a blend is of two rungs or more, and {len(members) or 'none'} was run before it."
        )
    if name in failed:
        return LeftOut(name, str(failed[name]))
    try:
        can_be_tried(name)
        return climb.reach(name, members)
    except OutOfTime as short:
        return LeftOut(name, _too_long(short, climb.budget), short.needs)
    except EarmarkError as error:
        return LeftOut(name, str(error))


def _too_long(short: OutOfTime, budget: Budget) -> str:
    whole = f"the budget of {said(budget.seconds or 0)}"
    if short.needs is None:
        return (
            f"{whole} was used up before {short.doing}, and what that takes is not known yet."
            " Give the same command a larger --budget."
        )
    left = f"{said(budget.left)} of the budget are left" if budget.left else f"{whole} is used up"
    again = f"Give the same command --budget {typed(short.needs)}: it goes on where it is."
    return f"{short.doing} would take about {said(short.needs)} more, and {left}. {again}"


def _step(climb: Climb, tried: Reached, seed: int) -> Step:
    labels = climb.ready.dataset.labels
    judge = report if tried.parts[0].exclusive else report_of_labels
    found = judge(list(tried.parts), labels, seed=seed)
    own = climb.recipe_of(tried.name, tried.members)
    words = tuple(train_words(tried.name, tried.members))
    feature = ", ".join(dict.fromkeys(one.feature.name for one in own.rungs()))
    return Step(
        tried.name, own.model.name, feature, found.main, found.score, found.interval, found.sd,
        tried.fit_seconds, tried.cost, words, tried.members,
    )  # fmt: skip


def by_cost(reached: Sequence[Reached]) -> list[int]:
    """Return the rungs, the cheapest first: by what a prediction takes, to a tenth of a millisecond, then training."""
    return sorted(
        range(len(reached)), key=lambda i: (round(reached[i].cost.predict_ms, 1), reached[i].fit_seconds)
    )


def _choice(reached: Sequence[Reached], seed: int) -> Choice:
    board, order = Board([own.parts for own in reached], seed), by_cost(reached)
    chosen, best = board.choose(order), int(board.whole.argmax())
    honest = board.honest(order)
    error = float(board.errors[best])
    return Choice(
        reached[chosen].name,
        reached[best].name,
        None if error == float("inf") else error,
        None if honest is None else honest[0],
        None if honest is None else honest[1],
        board.recordings,
    )


@contextmanager
def _open_run(
    base: Path, recipe: Recipe, ready: Prepared, names: Sequence[str], seeds: int, listener: Listener
) -> Iterator[runs.Run]:
    tables = recipe.to_dict()
    about = [ready.table.dataset_fingerprint, tables["split"], tables["train"], list(names), seeds]
    with runs.open_run(
        base, f"{ready.dataset.name}-compare-models", ["compare-models", about, runs.versions()]
    ) as run:
        listener.run(run)
        write_recipe(run, recipe)
        record.write_problems(run, ready)
        yield run
