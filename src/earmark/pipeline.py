"""The straight line: read → extract → split → train → evaluate → bundle. The file to read first.

Features come before the split, and not after it, because they say for nothing which clips cannot be read and which
are the same sound twice; the split must know both.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from earmark import runs
from earmark.bundle import SUFFIX, Bundle, group_hash, read_bundle, write_bundle
from earmark.dataset import Dataset
from earmark.errors import DataError, SplitError
from earmark.evaluate import Report, Scored, report
from earmark.extract import extract
from earmark.models import model_to_dict
from earmark.predict import Predictor, with_golden
from earmark.readers import read
from earmark.recipe import Recipe
from earmark.split import (
    ROLES,
    TEST,
    TRAIN,
    VALIDATION,
    Leakage,
    Rows,
    Split,
    cross_validation,
    holdout,
    leakage,
    random_split,
    resolve_rule,
)
from earmark.train import Fitted, Problem, Task, fit
from earmark.types import FeatureTable
from earmark.types import Problem as Finding


class Listener(Protocol):
    """Who is told how it goes. The terminal is one; `Silent` is another."""

    def found(self, dataset: Dataset) -> None:
        """A data set was read."""

    def extracting(self, done: int, total: int, seconds: float) -> None:
        """So many clips have features, of so many seconds of sound."""

    def divided(self, rule: str, splits: Sequence[Split], dataset: Dataset) -> None:
        """The clips have roles."""

    def run(self, run: runs.Run) -> None:
        """The run has a folder."""

    def epoch(self, task: int, tasks: int, rows: int, epochs: int, entry: dict[str, float]) -> None:
        """A network finished an epoch of ``rows`` rows."""


class Silent:
    """Listens to nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A data set with its features, ready to be divided."""

    dataset: Dataset
    table: FeatureTable
    rows: Rows
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class TrainResult:
    """What `train` leaves.

    Parameters
    ----------
    bundle, run
        The files.
    honest
        Beside a random split: the report of the same recipe on official or grouped folds, and the rule's name.
    """

    bundle: Path
    run: Path
    recipe: Recipe
    prepared: Prepared
    split: Split
    fitted: Fitted
    report: Report
    leakage: Leakage
    honest: Report | None
    honest_rule: str | None
    honest_folds: list[dict[str, Any]]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluateResult:
    """What `evaluate` finds: the honest report, each fold, and what a random split would have claimed."""

    run: Path | None
    prepared: Prepared
    protocol: str
    report: Report
    folds: list[dict[str, Any]]
    random: Report | None
    random_leakage: Leakage | None
    left_out: int
    seconds: dict[str, float]


def prepare(recipe: Recipe, listener: Listener) -> Prepared:
    """Read and extract.

    Raises
    ------
    DataError
        When the data cannot be trained on.
    """
    data = recipe.data
    dataset = read(data.path, data.layout, data.pattern or None)
    listener.found(dataset)
    if not dataset.exclusive:
        raise DataError(f"{dataset.name} has clips with several labels; this model needs exactly one label a clip.")
    if len(dataset.labels) < 2:
        raise DataError(f"{dataset.name} has one class, '{dataset.labels[0]}'; a classifier needs at least two.")
    began, total = time.perf_counter(), len(dataset.clips)
    table = extract(dataset, recipe.feature, lambda done, seconds: listener.extracting(done, total, seconds))
    return Prepared(dataset, table, Rows.of_table(dataset, table), time.perf_counter() - began)


def train(
    recipe: Recipe, output: Path | None = None, runs_folder: Path = Path("runs"), listener: Listener | None = None
) -> TrainResult:
    """Train one classifier, judge it on clips it has not seen, and write it as a bundle.

    Where the recipe's rule is ``random``, the same recipe is trained on official or grouped folds as well, so that
    its score can be told beside the honest one.

    Parameters
    ----------
    output
        Where the bundle goes; ``None`` leaves it in the run's folder only.
    runs_folder
        Each run makes a folder below it: recipe, split, metrics, test predictions, environment, bundle.

    Raises
    ------
    EarmarkError
        Of any kind, as its parts raise it.
    """
    listener = listener or Silent()
    ready = prepare(recipe, listener)
    split = holdout(ready.rows, recipe.split)
    honest = _honest_splits(ready, recipe) if split.rule == "random" else []
    listener.divided(split.rule, [split], ready.dataset)
    with _open_run(runs_folder, recipe, ready, "train", listener) as run:
        fitted, seconds = _fit(recipe, ready, [split, *honest], run, listener)
        bundle = _bundle(recipe, ready, split, fitted[0])
        scored = _score(bundle, ready, split)
        result = report([scored], ready.dataset.labels, recipe.split.seed)
        bundle.provenance["test"] = {"accuracy": result.accuracy, "macro_f1": result.macro_f1, "clips": result.clips}
        path = run.folder / f"model{SUFFIX}"
        write_bundle(path, bundle)
        _write_run(run, recipe, ready, split, [scored], fitted)
        folds = [_score(_bundle(recipe, ready, s, f), ready, s) for s, f in zip(honest, fitted[1:], strict=True)]
        trained = TrainResult(
            output or path,
            run.folder,
            recipe,
            ready,
            split,
            fitted[0],
            result,
            leakage(split),
            report(folds, ready.dataset.labels, recipe.split.seed) if folds else None,
            honest[0].rule if honest else None,
            _fold_entries(honest, folds),
            {"extract": ready.seconds, "train": seconds},
        )
        run.write_json("report.json", {**result.to_dict(), "rule": split.rule, "leakage": leakage_dict(trained.leakage)})
        if output is not None:
            write_bundle(output, bundle)
        run.finish()
    return trained


def evaluate(
    recipe: Recipe, runs_folder: Path = Path("runs"), listener: Listener | None = None
) -> EvaluateResult:
    """Judge a recipe on every fold in turn, and set beside it what a random split would have claimed.

    All folds, and the random split, are trained as one stack of networks.
    """
    listener = listener or Silent()
    ready = prepare(recipe, listener)
    splits = cross_validation(ready.rows, recipe.split)
    random = random_split(ready.rows, recipe.split)
    listener.divided(splits[0].rule, splits, ready.dataset)
    with _open_run(runs_folder, recipe, ready, "evaluate", listener) as run:
        fitted, seconds = _fit(recipe, ready, [*splits, random], run, listener)
        pairs = zip([*splits, random], fitted, strict=True)
        scored = [_score(_bundle(recipe, ready, s, f), ready, s) for s, f in pairs]
        labels, seed = ready.dataset.labels, recipe.split.seed
        result = EvaluateResult(
            run.folder,
            ready,
            protocol(splits, ready.dataset),
            report(scored[:-1], labels, seed),
            _fold_entries(splits, scored[:-1]),
            report(scored[-1:], labels, seed),
            leakage(random),
            0,
            {"extract": ready.seconds, "train": seconds},
        )
        _write_run(run, recipe, ready, None, scored[:-1], fitted)
        run.write_json("report.json", {**result.report.to_dict(), "folds": result.folds, "protocol": result.protocol})
        run.finish()
    return result


def evaluate_bundle(
    path: Path, recipe: Recipe, listener: Listener | None = None
) -> EvaluateResult:
    """Judge a trained bundle on a data set, leaving out every clip whose recording it was trained on.

    Raises
    ------
    DataError
        When the data set has labels that the bundle does not know, or nothing is left to test.
    """
    listener = listener or Silent()
    bundle = read_bundle(path)
    ready = prepare(replace(recipe, feature=bundle.feature), listener)
    unknown = sorted(set(ready.dataset.labels) - set(bundle.labels))
    if unknown:
        raise DataError(f"{path} does not know the labels: {', '.join(unknown)}. It knows: {', '.join(bundle.labels)}.")
    learnt = set(bundle.provenance.get("train_groups", ()))
    fresh = np.array([group_hash(str(name)) not in learnt for name in ready.rows.names])
    if not fresh.any():
        raise DataError(f"{path} was trained on every recording of {ready.dataset.name}: there is nothing to test it on.")
    order = np.array([bundle.labels.index(label) for label in ready.dataset.labels])
    positions = np.flatnonzero(fresh).astype(np.int64)
    scored = Scored(
        positions,
        order[ready.rows.targets[positions]],
        ready.rows.groups[positions],
        Predictor(bundle).score(ready.table.values[positions]),
    )
    result = report([scored], bundle.labels, recipe.split.seed)
    told = f"bundle on {ready.dataset.name}"
    return EvaluateResult(
        None, ready, told, result, [], None, None, int((~fresh).sum()),
        {"extract": ready.seconds, "train": 0.0},
    )  # fmt: skip


def protocol(splits: list[Split], dataset: Dataset) -> str:
    """Return the name of what a cross-validation did, for a person."""
    if splits[0].rule == "official":
        present = ", ".join(str(s.test_fold) for s in splits)
        return f"official folds {present}" + (f" of {dataset.official_folds}" if dataset.official_folds else "")
    units = "recordings held out" if dataset.grouping else "files held out"
    return f"{len(splits)} folds, {units}"


def leakage_dict(found: Leakage) -> dict[str, Any]:
    """Return the leak line's numbers as JSON shows them."""
    return {
        "test_clips": found.test_clips,
        "test_clips_sharing_a_group": found.test_clips_sharing_a_group,
        "oracle_accuracy": found.oracle_accuracy,
    }


def _honest_splits(ready: Prepared, recipe: Recipe) -> list[Split]:
    """Return the folds to tell a random score by; none where no recordings are known or there are too few."""
    if resolve_rule("auto", ready.rows) == "grouped" and ready.dataset.grouping is None:
        return []
    try:
        return cross_validation(ready.rows, replace(recipe.split, rule="auto"))
    except SplitError:
        return []


@contextmanager
def _open_run(
    base: Path, recipe: Recipe, ready: Prepared, action: str, listener: Listener
) -> Iterator[runs.Run]:
    name = f"{ready.dataset.name}-{action}-{recipe.model.name}"
    tables = recipe.to_dict()
    # Where the data lies does not matter, what it is does.
    tables["data"] = {"fingerprint": ready.table.dataset_fingerprint}
    with runs.open_run(base, name, [action, tables, runs.versions()]) as run:
        listener.run(run)
        run.write_text("recipe.toml", recipe.to_toml())
        yield run


def _fit(
    recipe: Recipe, ready: Prepared, splits: list[Split], run: runs.Run, listener: Listener
) -> tuple[list[Fitted], float]:
    problem = Problem(
        ready.table.values, ready.rows.targets, len(ready.dataset.labels), recipe.model, recipe.train
    )
    tasks = [Task(s.positions(TRAIN), s.positions(VALIDATION), recipe.train.seed) for s in splits]
    began = time.perf_counter()
    with (run.folder / "metrics.jsonl").open("a") as metrics:

        def on_epoch(task: int, entry: dict[str, float]) -> None:
            metrics.write(json.dumps({"network": task, **entry}) + "\n")
            metrics.flush()
            listener.epoch(task, len(tasks), len(tasks[task].train), recipe.train.epochs, entry)

        fitted = fit(problem, tasks, run.checkpoints, on_epoch)
    # An interrupted run may have told some epochs twice; the record that stays has each once.
    lines = [json.dumps({"network": i, **entry}) for i, f in enumerate(fitted) for entry in f.history]
    run.write_text("metrics.jsonl", "\n".join(lines) + "\n")
    return fitted, time.perf_counter() - began


def _bundle(recipe: Recipe, ready: Prepared, split: Split, fitted: Fitted) -> Bundle:
    made = with_golden(
        ready.dataset.labels, recipe.feature, model_to_dict(recipe.model), fitted.network.to_onnx()
    )
    learnt = np.flatnonzero((split.roles == TRAIN) | (split.roles == VALIDATION))
    provenance = {
        "data": {"name": ready.dataset.name, "layout": ready.dataset.layout, "fingerprint": ready.table.dataset_fingerprint},
        "split": {"rule": split.rule, "seed": split.seed, "test_fold": split.test_fold, **split.counts},
        "train_groups": sorted({group_hash(str(name)) for name in ready.rows.names[learnt]}),
        "seed": recipe.train.seed,
        "best_epoch": fitted.best_epoch,
        "versions": runs.versions(),
    }
    return replace(made, provenance=provenance)


def _score(bundle: Bundle, ready: Prepared, split: Split) -> Scored:
    positions = split.positions(TEST)
    probabilities = Predictor(bundle).score(ready.table.values[positions])
    return Scored(positions, ready.rows.targets[positions], ready.rows.joined[positions], probabilities)


def _fold_entries(splits: list[Split], scored: list[Scored]) -> list[dict[str, Any]]:
    return [
        {"fold": split.test_fold or i + 1, "accuracy": s.accuracy, "n": len(s.positions)}
        for i, (split, s) in enumerate(zip(splits, scored, strict=True))
    ]


def findings(ready: Prepared) -> tuple[Finding, ...]:
    """Return what the reader noticed and which clips could not be used."""
    return (*ready.dataset.problems, *ready.table.skipped)


def _write_run(
    run: runs.Run, recipe: Recipe, ready: Prepared, split: Split | None, scored: list[Scored], fitted: list[Fitted]
) -> None:
    run.write_csv("problems.csv", ["kind", "path", "detail"], ([p.kind, p.path, p.detail] for p in findings(ready)))
    clips, labels, index = ready.dataset.clips, ready.dataset.labels, ready.table.rows
    if split is not None:
        header = ["path", "start", "end", "label", "group", "role"]
        run.write_csv(
            "split.csv",
            header,
            (
                [c.path, c.start, c.end, c.labels[0], c.group, ROLES[split.roles[i]]]
                for i, c in enumerate(clips[int(r)] for r in index)
            ),
        )
    rows = (
        [clips[int(index[p])].path, clips[int(index[p])].start, clips[int(index[p])].end, labels[t], labels[q.argmax()], *map(repr, map(float, q))]
        for s in scored
        for p, t, q in zip(s.positions, s.targets, s.probabilities, strict=True)
    )  # fmt: skip
    run.write_csv("predictions.csv", ["path", "start", "end", "label", "predicted", *labels], rows)
