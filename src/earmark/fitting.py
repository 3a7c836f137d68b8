"""Splits to trained, calibrated classifiers and their scored test rows: what `train` and `evaluate` have in common."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from earmark import record, runs
from earmark.bundle import Bundle
from earmark.decide import Decision, Reference, decide, sharpness
from earmark.decide.silence import knows_silence
from earmark.engine import Engine, Local
from earmark.evaluate import Scored
from earmark.listener import Listener
from earmark.models import model_to_dict
from earmark.outcome import Prepared
from earmark.predict import Predictor, with_golden
from earmark.recipe import Recipe
from earmark.split import TEST, TRAIN, VALIDATION, Split, inner_folds
from earmark.train import Fitted, Task, fit, most_epochs
from earmark.train import Problem as Training
from earmark.types import FloatArray


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


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """A trained classifier.

    Parameters
    ----------
    scored, raw
        Its test rows, with calibrated probabilities and with the network's own.
    """

    lesson: Lesson
    fitted: Fitted
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
    inner = [(split, lesson.seed) for lesson in lessons for split in lesson.inner]
    fitted, seconds = _fit(
        recipe, ready, [*((lesson.split, lesson.seed) for lesson in lessons), *inner], run, listener, engine
    )
    own, others = fitted[: len(lessons)], iter(fitted[len(lessons) :])
    record.write_metrics(run, own)
    learnt = []
    for lesson, network in zip(lessons, own, strict=True):
        decision = decision_of(recipe, ready, lesson, network, others)
        model = model_to_dict(recipe.model)
        quiet = knows_silence(ready.table.values[lesson.split.learnt], recipe.feature, ready.dataset.labels)
        decision = replace(decision, knows_silence=quiet)
        known = reference_of(ready, lesson.split) if decision.familiarity else None
        onnx = network.network.to_onnx()
        bundle = with_golden(
            Bundle(ready.dataset.labels, recipe.feature, model, onnx, (), {}, decision, known)
        )
        logits = Predictor(bundle, self_test=False).logits(ready.table.values[lesson.split.positions(TEST)])
        raw = replace(decision, temperature=1.0)
        scored = (_scored(by, ready, lesson, by.probabilities(logits)) for by in (decision, raw))
        learnt.append(Learnt(lesson, network, bundle, *scored))
    return learnt, seconds


def reference_of(ready: Prepared, split: Split) -> Reference:
    """Return what distances are measured from by a network that learnt from a split."""
    learnt, rows = split.learnt, ready.rows
    return Reference.of(ready.table.values[learnt], rows.targets[learnt], rows.joined[learnt])


def _fit(
    recipe: Recipe,
    ready: Prepared,
    tasks: Sequence[tuple[Split, int]],
    run: runs.Run,
    listener: Listener,
    engine: Engine | None,
) -> tuple[list[Fitted], float]:
    classes = len(ready.dataset.labels)
    problem = Training(ready.table.values, ready.rows.truth, classes, recipe.model, recipe.train)
    made = [Task(split.positions(TRAIN), split.positions(VALIDATION), seed) for split, seed in tasks]
    epochs, began = most_epochs(problem), time.perf_counter()
    with (run.folder / "metrics.jsonl").open("a") as metrics:

        def on_epoch(task: int, entry: dict[str, float]) -> None:
            metrics.write(json.dumps({"network": task, **entry}) + "\n")
            metrics.flush()
            listener.epoch(task, len(made), len(made[task].train), epochs, entry)

        # On this machine all networks are best trained as one; on a cluster each is a task.
        cluster = None if isinstance(engine, Local) else engine
        fitted = fit(problem, made, run.checkpoints, on_epoch, engine=cluster)
    return fitted, time.perf_counter() - began


def decision_of(
    recipe: Recipe, ready: Prepared, lesson: Lesson, network: Fitted, others: Iterator[Fitted]
) -> Decision:
    """Learn from what the networks of the inner divisions say about the parts that they did not hear."""
    values, rows = ready.table.values, ready.rows
    exclusive, labels = rows.marks is None, np.arange(len(ready.dataset.labels))
    sharp, positions, logits, known = [_sharpness(network, lesson.split, values)], [], [], []
    distances: list[FloatArray] = []
    for split in lesson.inner:
        other = next(others)
        tested = split.positions(TEST)
        # Of a class whose only recording is held out nothing was learnt.
        if exclusive:
            tested = tested[np.isin(rows.targets[tested], split.learnt_classes)]
        known.append(np.broadcast_to(np.isin(labels, split.learnt_classes), (len(tested), len(labels))))
        positions.append(tested)
        logits.append(other.network.logits(values[tested]))
        if exclusive and recipe.decide.unknown != "off":
            distances.append(reference_of(ready, split).distances(values[tested]))
        sharp.append(_sharpness(other, split, values))
    if not positions or not sum(map(len, positions)):
        return Decision(exclusive=exclusive)
    told = [by for by in sharp if by is not None]
    times, *rest = told if len(told) == len(sharp) else [1.0] * len(sharp)
    alike = np.concatenate([own / by for own, by in zip(logits, rest, strict=True)])
    at = np.concatenate(positions)
    far = np.concatenate(distances) if distances else None
    seen = np.concatenate(known)
    return decide(alike, rows.truth[at], rows.joined[at], recipe.decide, times, seen, far)


def _sharpness(fitted: Fitted, split: Split, values: FloatArray) -> float | None:
    """Return it on the clips that were kept aside to stop by; ``None`` where there are none."""
    kept = split.positions(VALIDATION)
    if not len(kept) or "validation_loss" not in fitted.history[-1]:
        return None
    return sharpness(fitted.network.logits(values[kept]), split.rows.marks is None)


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
