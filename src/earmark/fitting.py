"""Splits to trained, calibrated classifiers and their scored test rows: what `train` and `evaluate` have in common."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark import record, runs
from earmark.bundle import Bundle, Member
from earmark.decide import Decision, Reference, decide, sharpness
from earmark.decide.blend import Share, blended, fit_shares
from earmark.decide.silence import knows_silence
from earmark.engine import Engine, Local
from earmark.evaluate import Scored
from earmark.inputs import Inputs, take
from earmark.listener import Listener
from earmark.models import model_to_dict
from earmark.outcome import Prepared
from earmark.predict import Predictor, with_golden
from earmark.recipe import Recipe
from earmark.split import TEST, TRAIN, VALIDATION, Split, inner_folds
from earmark.train import Fitted, Task, fit, most_epochs
from earmark.train import Problem as Training
from earmark.types import FloatArray, IntArray

OnEpoch = Callable[[int, int, int, int, dict[str, float]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One classifier to train.

    Parameters
    ----------
    split
        What it learns from, and what it is tested on.
    seed
        Of the network.
    inner
        Divisions of what it learns from; networks trained on them tell how its scores are to be read.
    """

    split: Split
    seed: int
    inner: tuple[Split, ...] = ()

    @classmethod
    def of(cls, split: Split, seed: int, recipe: Recipe) -> Lesson:
        """Return a lesson whose scores will be calibrated, if the recipe wants that."""
        folds = recipe.model.inner_folds if recipe.decide.folds is None else recipe.decide.folds
        return cls(split, seed, tuple(inner_folds(split, recipe.split, folds)) if folds else ())


Voices = tuple[Fitted, ...]  # of one task, a network for each rung


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """A trained classifier.

    Parameters
    ----------
    scored, raw
        Its test rows, with calibrated probabilities and with the networks' own.
    """

    lesson: Lesson
    fitted: Voices
    bundle: Bundle
    scored: Scored
    raw: Scored


def learn(
    recipe: Recipe,
    ready: Prepared,
    lessons: Sequence[Lesson],
    run: runs.Run,
    listener: Listener,
    engine: Engine | None,
) -> tuple[list[Learnt], float]:
    """Train all lessons, and the networks of their inner divisions, together; return also the seconds it took."""
    splits = [(lesson.split, lesson.seed) for lesson in lessons]
    splits += [(split, lesson.seed) for lesson in lessons for split in lesson.inner]
    tasks = [task_of(split, seed) for split, seed in splits]
    began = time.perf_counter()
    with (run.folder / "metrics.jsonl").open("a") as metrics:

        def told(task: int, total: int, rows: int, epochs: int, entry: dict[str, float]) -> None:
            metrics.write(json.dumps({"network": task, **entry}) + "\n")
            metrics.flush()
            listener.epoch(task, total, rows, epochs, entry)

        inputs = [table.inputs for table in ready.tables]
        classes = len(ready.dataset.labels)
        fitted = fit_all(recipe, inputs, ready.rows.truth, classes, tasks, run.checkpoints, told, engine)
    seconds = time.perf_counter() - began
    own, others = fitted[: len(lessons)], iter(fitted[len(lessons) :])
    record.write_metrics(run, own)
    learnt = []
    for lesson, voices in zip(lessons, own, strict=True):
        decision, shares = decision_of(recipe, ready, lesson, voices, others)
        quiet = knows_silence(
            ready.table.values[lesson.split.learnt], ready.table.feature, ready.dataset.labels
        )
        decision = replace(decision, knows_silence=quiet)
        known = reference_of(ready, lesson.split) if decision.familiarity else None
        bundle = with_golden(bundle_of(recipe, ready, ready.dataset.labels, voices, shares, decision, known))
        logits = Predictor(bundle, self_test=False).logits(*ready.heard(lesson.split.positions(TEST)))
        raw = replace(decision, temperature=1.0)
        scored = (_scored(by, ready, lesson, by.probabilities(logits)) for by in (decision, raw))
        learnt.append(Learnt(lesson, voices, bundle, *scored))
    return learnt, seconds


def task_of(split: Split, seed: int) -> Task:
    """Return what one network learns from: a division without its test rows."""
    return Task(split.positions(TRAIN), split.positions(VALIDATION), seed)


def bundle_of(
    recipe: Recipe,
    ready: Prepared,
    labels: tuple[str, ...],
    voices: Voices,
    shares: Sequence[Share],
    decision: Decision,
    reference: Reference | None,
) -> Bundle:
    """Return networks and what is made of their scores as a bundle, still without a self-test."""
    members = (
        Member(table.feature, model_to_dict(rung.model), voice.network.to_onnx(), share)
        for table, rung, voice, share in zip(ready.tables, recipe.rungs(), voices, shares, strict=True)
    )
    return Bundle(labels, tuple(members), decision=decision, reference=reference)


def reference_of(ready: Prepared, split: Split) -> Reference:
    """Return what distances are measured from by a network that learnt from a split."""
    learnt, rows = split.learnt, ready.rows
    return Reference.of(ready.table.values[learnt], rows.targets[learnt], rows.joined[learnt])


def fit_all(
    recipe: Recipe,
    inputs: Sequence[Inputs],
    truth: IntArray | NDArray[np.bool_],
    classes: int,
    tasks: list[Task],
    folder: Path,
    on_epoch: OnEpoch,
    engine: Engine | None,
) -> list[Voices]:
    """Train each rung of a recipe on each task; return for each task its networks.

    Parameters
    ----------
    inputs
        For each rung what it hears of all rows.
    on_epoch
        Called with a network's number, how many there are, its rows, the most epochs, and the epoch's entry.
    """
    rungs, by_rung = recipe.rungs(), []
    for i, (rung, heard) in enumerate(zip(rungs, inputs, strict=True)):
        problem = Training(heard, truth, classes, rung.model, rung.train)
        epochs = most_epochs(problem)

        def told(task: int, entry: dict[str, float], first: int = i * len(tasks), most: int = epochs) -> None:
            on_epoch(first + task, len(rungs) * len(tasks), len(tasks[task].train), most, entry)

        place = folder if len(rungs) == 1 else folder / f"rung-{i}"
        # On this machine all networks are best trained as one; on a cluster each is a task.
        cluster = None if isinstance(engine, Local) else engine
        by_rung.append(fit(problem, tasks, place, told, engine=cluster))
    return list(zip(*by_rung, strict=True))


def decision_of(
    recipe: Recipe, ready: Prepared, lesson: Lesson, voices: Voices, others: Iterator[Voices]
) -> tuple[Decision, list[Share]]:
    """Learn from what the networks of the inner divisions say about the parts that they did not hear.

    Returns
    -------
    The decision, and the share of each network.
    """
    values, rows = ready.table.values, ready.rows
    inputs = [table.inputs for table in ready.tables]
    exclusive, labels = rows.marks is None, np.arange(len(ready.dataset.labels))
    sharp = [[_sharpness(voice, lesson.split, heard)] for voice, heard in zip(voices, inputs, strict=True)]
    said: list[list[NDArray[np.floating]]] = [[] for _ in voices]
    positions, known, distances = [], [], []
    for split in lesson.inner:
        tested = split.positions(TEST)
        # Of a class whose only recording is held out nothing was learnt.
        if exclusive:
            tested = tested[np.isin(rows.targets[tested], split.learnt_classes)]
        known.append(np.broadcast_to(np.isin(labels, split.learnt_classes), (len(tested), len(labels))))
        positions.append(tested)
        for i, (other, heard) in enumerate(zip(next(others), inputs, strict=True)):
            said[i].append(other.network.logits(take(heard, tested)))
            sharp[i].append(_sharpness(other, split, heard))
        if exclusive and recipe.decide.unknown != "off":
            distances.append(reference_of(ready, split).distances(values[tested]))
    alone = len(voices) == 1
    if not positions or not sum(map(len, positions)):
        # Nothing tells who is right: all count alike, as far as their logits can be compared.
        spreads = (_spread_of(v, lesson.split, heard) for v, heard in zip(voices, inputs, strict=True))
        return Decision(exclusive=exclusive), [Share()] if alone else [Share(1.0, by) for by in spreads]
    at, seen = np.concatenate(positions), np.concatenate(known)
    truth, groups = rows.truth[at], rows.joined[at]
    times, alike = zip(*(_alike(*own) for own in zip(sharp, said, strict=True)), strict=True)
    far = np.concatenate(distances) if distances else None
    if alone:
        return decide(alike[0], truth, groups, recipe.decide, times[0], seen, far), [Share()]
    shares = fit_shares(alike, truth, groups, seen)
    decision = decide(blended(alike, shares, exclusive), truth, groups, recipe.decide, 1.0, seen, far)
    return decision, [
        replace(share, temperature=share.temperature * by) for share, by in zip(shares, times, strict=True)
    ]


def _alike(sharp: list[float | None], said: list[NDArray[np.floating]]) -> tuple[float, NDArray[np.floating]]:
    """Return the sharpness of the network that decides, and the others' logits, each divided by its own."""
    told = [by for by in sharp if by is not None]
    times, *rest = told if len(told) == len(sharp) else [1.0] * len(sharp)
    return times, np.concatenate([own / by for own, by in zip(said, rest, strict=True)])


def _spread_of(fitted: Fitted, split: Split, inputs: Inputs) -> float:
    """Return how far apart a network holds its logits on what it learnt from."""
    return sharpness(fitted.network.logits(take(inputs, split.learnt)), split.rows.marks is None)


def _sharpness(fitted: Fitted, split: Split, inputs: Inputs) -> float | None:
    """Return it on the clips that were kept aside to stop by; ``None`` where there are none."""
    kept = split.positions(VALIDATION)
    if not len(kept) or "validation_loss" not in fitted.history[-1]:
        return None
    return sharpness(fitted.network.logits(take(inputs, kept)), split.rows.marks is None)


def _scored(decision: Decision, ready: Prepared, lesson: Lesson, probabilities: FloatArray) -> Scored:
    positions = lesson.split.positions(TEST)
    return Scored.of(
        decision,
        positions,
        ready.rows.truth[positions],
        ready.rows.joined[positions],
        probabilities,
        lesson.seed,
    )
