"""``python bench/ladder.py DATA MODELS``: every rung of the ladder under one protocol; writes ladder.md.

DATA holds ``us8k``, ``esc10`` and ``fsdd``; MODELS holds ``yamnet``. Official folds (of the digits: whole speakers held
out), three seeds, the mean over folds and seeds. Blends are of the same networks, their weights learnt from inner
networks that did not hear the test fold. The recipes are the usual ones of each model. Robustness is of the first seed:
the same test clips, spoilt, and never seen so in training unless a model spoils its training clips by itself.

``--tenth`` takes one seed, one fold and a few epochs, to see that it works. It goes on where it was stopped, network by
network.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from degrade import DEGRADATIONS, degraded
from earmark import pipeline
from earmark.audio import decode
from earmark.encoders import note_of
from earmark.engine import Local
from earmark.features import extract_each
from earmark.fetch import fetch_encoder
from earmark.fitting import Lesson, Voices, bundle_of, decision_of, fit_all
from earmark.inputs import take
from earmark.listener import Silent
from earmark.outcome import Prepared
from earmark.predict import Predictor
from earmark.recipe import Recipe
from earmark.rungs import rung
from earmark.split import TEST, TRAIN, VALIDATION, cross_validation
from earmark.train import Task
from machine import header

RUNGS = ("mlp", "linear", "dictionary", "rocket", "cnn", "encoder:yamnet")
BLENDS = {
    "blend without pretraining": ("linear", "dictionary", "rocket", "cnn"),
    "blend with yamnet": ("linear", "dictionary", "rocket", "cnn", "encoder:yamnet"),
}
DATA = {
    "us8k": ("us8k", "auto", ""),
    "esc10": ("esc10", "auto", ""),
    "fsdd": ("fsdd/recordings", "pattern", "{label}_{group}_{take}.wav"),
}
WEIGHTS = "yamnet/yamnet.tflite"
TIMED = "esc10"


@dataclass(frozen=True, slots=True)
class Trained:
    """The networks of one fold and seed, and those of its inner divisions."""

    lesson: Lesson
    voices: Voices
    inner: list[Voices]


def recipe_of(data: Path, name: str, rungs: Sequence[str], quick: bool, seed: int = 0) -> Recipe:
    path, layout, pattern = DATA[name]
    values: dict[str, Any] = {"model.name": "blend", "model.rungs": list(rungs), "split.copies": False}
    values |= {"split.seed": seed, "train.seed": seed}
    if quick:
        values |= {"train.epochs": 3, "decide.folds": 2}
    return Recipe().with_values(values).with_data(str(data / path), layout, pattern)


def trained(recipe: Recipe, ready: Prepared, folder: Path, folds: int | None) -> list[Trained]:
    seed = recipe.train.seed
    splits = cross_validation(ready.rows, recipe.split, recipe.split.seed)[:folds]
    lessons = [Lesson.of(split, seed, recipe) for split in splits]
    own = [*splits, *(split for lesson in lessons for split in lesson.inner)]
    tasks = [Task(split.positions(TRAIN), split.positions(VALIDATION), seed) for split in own]
    inputs = [table.inputs for table in ready.tables]
    classes = len(ready.dataset.labels)
    found = fit_all(recipe, inputs, ready.rows.truth, classes, tasks, folder, lambda *told: None, Local())
    inner = iter(found[len(lessons) :])
    return [
        Trained(lesson, voices, [next(inner) for _ in lesson.inner])
        for lesson, voices in zip(lessons, found, strict=False)
    ]


def chosen(recipe: Recipe, ready: Prepared, one: Trained, names: Sequence[str]) -> Predictor:
    """Return what is made of some of the rungs, weighed and calibrated without the test fold."""
    at = [RUNGS.index(name) for name in names]
    if len(names) == 1:
        own = rung(names[0], recipe.train)
        made = replace(recipe, model=own.model, feature=ready.tables[at[0]].feature, train=own.train)
    else:
        made = recipe.with_values({"model.rungs": list(names)})
    part = replace(ready, tables=tuple(ready.tables[i] for i in at))
    voices, *inner = (tuple(own[i] for i in at) for own in (one.voices, *one.inner))
    decision, shares = decision_of(made, part, one.lesson, voices, iter(inner))
    decision = replace(decision, familiarity=None)
    return Predictor(
        bundle_of(made, part, ready.dataset.labels, voices, shares, decision, None), self_test=False
    )


def measured(data: Path, name: str, folder: Path, quick: bool, seed: int) -> dict[str, Any]:
    """Return, for each rung and blend, accuracies by fold, and under each degradation of the first seed."""
    names = {each: (each,) for each in RUNGS} | BLENDS
    scores: dict[str, list[float]] = {each: [] for each in names}
    spoilt: dict[str, dict[str, list[float]]] = {each: {} for each in names}
    recipe = recipe_of(data, name, RUNGS, quick, seed)
    ready = pipeline.prepare(recipe, Silent())
    for one in trained(recipe, ready, folder / name / f"{seed}", 1 if quick else None):
        tested = one.lesson.split.positions(TEST)
        models = {each: chosen(recipe, ready, one, own) for each, own in names.items()}
        for each, own in names.items():
            inputs = (take(ready.tables[RUNGS.index(r)].inputs, tested) for r in own)
            answers = models[each].logits(*inputs).argmax(axis=1)
            scores[each].append(float((answers == ready.rows.targets[tested]).mean()))
        if seed == 0 and name != "fsdd":
            for how in DEGRADATIONS:
                right = under(how, ready, tested[:40] if quick else tested, models, names)
                for each, share in right.items():
                    spoilt[each].setdefault(how, []).append(share)
    for each, folds in scores.items():
        print(f"{name}, seed {seed}, {each}: {np.mean(folds):.3f}", flush=True)
    return {"scores": scores, "spoilt": spoilt}


def under(
    how: str, ready: Prepared, tested: np.ndarray, models: dict[str, Predictor], names: dict[str, Any]
) -> dict[str, float]:
    """Return the share of right answers to spoilt clips; each is spoilt once, for all models."""
    features, right = [table.feature for table in ready.tables], dict.fromkeys(names, 0)
    for position in tested.tolist():
        clip = ready.dataset.clips[int(ready.table.rows[position])]
        sound = degraded(decode(ready.dataset.root / clip.path, clip.start, clip.end), how, clip.path)
        heard = extract_each(features, sound)
        for each, own in names.items():
            logits = models[each].logits(*(heard[RUNGS.index(r)][None] for r in own))
            right[each] += int(logits[0].argmax() == ready.rows.targets[position])
    return {each: count / len(tested) for each, count in right.items()}


def timed(data: Path, quick: bool) -> dict[str, tuple[float, float]]:
    """Return, for each rung, the seconds of one core for the features of all clips, and to learn from four folds."""
    found = {}
    before = os.environ.get("EARMARK_STORE")
    for each in RUNGS:
        with tempfile.TemporaryDirectory() as store, tempfile.TemporaryDirectory() as folder:
            os.environ["EARMARK_STORE"] = store
            base = recipe_of(data, TIMED, RUNGS, quick)
            made = rung(each, base.train)
            recipe = replace(base, model=made.model, feature=made.feature, train=made.train)
            began = time.process_time(), time.perf_counter()
            ready = pipeline.prepare(recipe, Silent(), Local(1))
            extracted = time.perf_counter() - began[1]
            split = cross_validation(ready.rows, recipe.split, 0)[0]
            task = Task(split.positions(TRAIN), split.positions(VALIDATION), 0)
            begun = time.perf_counter()
            args = ([ready.table.inputs], ready.rows.truth, len(ready.dataset.labels), [task])
            fit_all(recipe, *args, Path(folder), lambda *told: None, Local(1))
            found[each] = extracted, time.perf_counter() - begun
    if before is None:
        os.environ.pop("EARMARK_STORE", None)
    else:
        os.environ["EARMARK_STORE"] = before
    return found


def report(found: dict[str, list[dict[str, Any]]], seconds: dict[str, tuple[float, float]]) -> list[str]:
    lines = [
        "# The ladder",
        "",
        *header(),
        "",
        f"Mean over official folds and {len(next(iter(found.values())))} seeds (± their spread).",
        "",
    ]
    lines += ["| rung | " + " | ".join(DATA) + f" | {TIMED}: features s | fit s |"]
    lines += ["| --- |" + " --: |" * (len(DATA) + 2)]
    for each in (*RUNGS, *BLENDS):
        cells = []
        for name in DATA:
            by_seed = [float(np.mean(seed["scores"][each])) for seed in found[name]]
            cells.append(f"{np.mean(by_seed):.3f} ± {np.std(by_seed):.3f}")
        took = [f"{s:.1f}" for s in seconds[each]] if each in seconds else ["", ""]
        lines.append(f"| {each} | {' | '.join([*cells, *took])} |")
    for name in ("us8k", "esc10"):
        lines += ["", f"## {name}, spoilt", "", "Accuracy on the same test clips, first seed.", ""]
        lines += ["| rung | clean | " + " | ".join(DEGRADATIONS) + " |"]
        lines += ["| --- |" + " --: |" * (1 + len(DEGRADATIONS))]
        for each in (*RUNGS, *BLENDS):
            first = found[name][0]
            clean = float(np.mean(first["scores"][each]))
            cells = [f"{clean:.3f}"]
            for how in DEGRADATIONS:
                share = float(np.mean(first["spoilt"][each][how]))
                cells.append(f"{share:.3f} ({100 * (share - clean):+.0f})")
            lines.append(f"| {each} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--tenth", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("runs/ladder"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--only", choices=DATA, action="append", help="Measure this and keep it; report later."
    )
    told = parser.parse_args()
    if note_of("yamnet") is None:
        fetch_encoder("yamnet", weights=str(told.models / WEIGHTS))
    folder = told.folder / ("tenth" if told.tenth else "whole")
    folder.mkdir(parents=True, exist_ok=True)
    seeds = range(1 if told.tenth else told.seeds)
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in seeds:
        for name in told.only or DATA:
            kept = folder / f"{name}-{seed}.json"
            if not kept.exists():
                kept.write_text(json.dumps(measured(told.data, name, folder, told.tenth, seed)))
            found.setdefault(name, []).append(json.loads(kept.read_text()))
    if told.only:
        return
    lines = report(found, timed(told.data, told.tenth))
    print("\n".join(lines))
    if not told.tenth:
        Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
