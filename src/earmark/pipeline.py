"""The straight line: read → extract → split → train → bundle → evaluate. The file to read first.

Features come before the split, not after it: they tell for nothing which clips cannot be read and which are the
same sound twice, and the split must know both.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import novelty, record, runs
from earmark.bundle import SUFFIX, Bundle, group_hash, read_bundle, write_bundle
from earmark.data import DataSettings, open_data
from earmark.dataset import Dataset
from earmark.decide import Decision
from earmark.engine import Engine, Local
from earmark.errors import DataError, PathError, SettingError, SplitError
from earmark.evaluate import (
    LabelReport,
    Report,
    Scored,
    calibration,
    decided,
    joined,
    report,
    report_of_labels,
    spread,
)
from earmark.events import Events
from earmark.events.settings import LONGEST, SHORTEST
from earmark.extract import Progress, extract_tables, fill
from earmark.extract.copies import copies
from earmark.features import resolved
from earmark.features.landmarks import Marks
from earmark.fitting import Lesson, learn
from earmark.leakage import leakage
from earmark.listener import Listener, Silent
from earmark.outcome import EvaluateResult, Extracted, Judged, Prepared, TrainResult
from earmark.predict import Predictor
from earmark.recipe import Recipe
from earmark.remote import Place, is_uri, shown
from earmark.split import (
    TEST,
    Rows,
    Split,
    cross_validation,
    holdout,
    random_split,
    resolve_rule,
)
from earmark.store import Store
from earmark.suspects import find_suspects
from earmark.suspects.table import write_suspects
from earmark.train import Fitted
from earmark.types import Feature, IntArray

RUNS = Path("runs")
MOST_SEEDS = 100
_MOST_JUDGED = 20_000  # labels: of more it takes minutes, and gigabytes


def train(
    recipe: Recipe,
    output: Place | None = None,
    runs_folder: Path = RUNS,
    listener: Listener | None = None,
    engine: Engine | None = None,
) -> TrainResult:
    """Train one classifier, judge it on clips it has not heard, and write it as a bundle.

    Where the recipe's rule is ``random``, the same recipe is trained on official or grouped folds as well, so that
    its score can be told beside the honest one.

    Parameters
    ----------
    output
        Where the bundle goes; ``None`` leaves it in the run's folder only.
    runs_folder
        Each run makes a folder below it: recipe, split, metrics, test predictions, environment, bundle.
    engine
        Where features are computed and, on a cluster, networks trained; this machine by default.

    Raises
    ------
    EarmarkError
        Of any kind, as the parts raise it.
    """
    listener = listener or Silent()
    recipe = replace(recipe, feature=resolved(recipe.feature))
    ready = prepare(recipe, listener, engine)
    split = holdout(ready.rows, recipe.split)
    honest = _honest_splits(ready, recipe) if split.rule == "random" else []
    listener.divided([split], ready.dataset)
    with _open_run(runs_folder, recipe, ready, "train", listener) as run:
        seed = recipe.train.seed
        lessons = [Lesson.of(split, seed, recipe), *(Lesson(s, seed) for s in honest)]
        learnt, seconds = learn(recipe, ready, lessons, run, listener, engine)
        own, scored = learnt[0], [each.scored for each in learnt]
        result = TrainResult(
            output or run.folder / f"model{SUFFIX}",
            run.folder,
            recipe,
            ready,
            split,
            own.fitted[0],
            _judge([split], scored[:1], ready, recipe, [own.bundle.decision]).report,
            leakage(split),
            _judge(honest, scored[1:], ready, recipe, [each.bundle.decision for each in learnt[1:]])
            if honest
            else None,
            {"extract": ready.seconds, "train": seconds},
            own.bundle.decision,
        )
        provenance = _provenance(recipe, ready, split, own.fitted[0], result.report)
        bundle = replace(own.bundle, provenance=provenance, events=_events(recipe, ready, split))
        write_bundle(run.folder / f"model{SUFFIX}", bundle)
        if output is not None:
            _hand_over(output, bundle, run.folder)
        record.write_splits(run, ready, {"role": split})
        record.write_predictions(run, ready, scored[:1], [split.test_fold])
        run.write_json("report.json", {**result.to_dict(), **result.report.to_dict()})
        run.finish()
        listener.finished(run, result)
    return result


def _hand_over(output: Place, bundle: Bundle, folder: Path) -> None:
    """Write the model where it is wanted; where a storage refuses it, say where it is."""
    try:
        write_bundle(output, bundle)
    except OSError as error:
        if isinstance(output, Path):
            raise
        raise PathError(
            f"{output} cannot be written: {error.strerror}. The model is in {folder / f'model{SUFFIX}'}."
        ) from None


def evaluate(
    recipe: Recipe,
    runs_folder: Path = RUNS,
    listener: Listener | None = None,
    engine: Engine | None = None,
    seeds: int = 1,
    leave_one_class_out: bool = False,
) -> EvaluateResult:
    """Judge a recipe on every fold in turn, and set beside it what a random split would have claimed.

    All folds and the random split, of every seed, are trained as one stack of networks.

    Parameters
    ----------
    seeds
        How many times each fold is trained: with the recipe's seeds, with the next ones, and so on. The clips of a
        fold stay the same; a seed decides the validation part, the initial weights, the order of rows and dropout.
    leave_one_class_out
        Judge as well how well clips of a class that was not learnt are told: `earmark.novelty`.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise SettingError(f"The number of seeds is {seeds}, but must be from 1 to {MOST_SEEDS}.")
    listener = listener or Silent()
    recipe = replace(recipe, feature=resolved(recipe.feature))
    draws = [reseeded(recipe, i) for i in range(seeds)]
    ready = prepare(recipe, listener, engine)
    folds = [cross_validation(ready.rows, recipe.split, draw.split.seed) for draw in draws]
    random = random_split(ready.rows, recipe.split)
    listener.divided(folds[0], ready.dataset)
    more = ("leave_one_class_out",) if leave_one_class_out else ()
    with _open_run(runs_folder, recipe, ready, "evaluate", listener, seeds, more) as run:
        lessons = [
            lesson
            for own, draw in zip(folds, draws, strict=True)
            for lesson in (
                *(Lesson.of(split, draw.train.seed, recipe) for split in own),
                Lesson(random, draw.train.seed),
            )
        ]
        learnt, seconds = learn(recipe, ready, lessons, run, listener, engine)
        unknown = None
        if leave_one_class_out:
            places = run.checkpoints / "unknown"
            unknown = novelty.leave_one_class_out(recipe, ready, folds[0], places, listener.epoch, engine)
        of_a_seed = len(folds[0]) + 1
        by_fold = [learnt[i::of_a_seed] for i in range(of_a_seed)]
        scored = [joined([each.scored for each in fold]) for fold in by_fold]
        honest = [each for fold in by_fold[:-1] for each in fold]
        decision = decided([(each.scored, each.bundle.decision) for each in honest], ready.dataset.labels)
        result = EvaluateResult(
            recipe.model.name,
            run.folder,
            ready,
            _judge(folds[0], scored[:-1], ready, recipe, [each.bundle.decision for each in honest]),
            _judge([random], scored[-1:], ready, recipe, [each.bundle.decision for each in by_fold[-1]]),
            leakage(random),
            0,
            {"extract": ready.seconds, "train": seconds},
            calibration([each.raw for each in honest]) if decision else None,
            decision,
            _baseline(folds[0]),
            unknown,
            _suspects(run, ready, listener),
        )
        numbers = [fold["fold"] for fold in result.judged.folds]
        named = {
            f"fold_{number}" + f"_seed_{draw.train.seed}" * (i > 0): split
            for i, (own, draw) in enumerate(zip(folds, draws, strict=True))
            for number, split in zip(numbers, own, strict=True)
        }
        record.write_splits(run, ready, {**named, "random": random})
        record.write_predictions(run, ready, scored[:-1], numbers)
        run.write_json("report.json", result.to_dict())
        run.finish()
        listener.finished(run, result)
    return result


def evaluate_bundle(
    path: Place,
    recipe: Recipe,
    listener: Listener | None = None,
    engine: Engine | None = None,
    instead: Bundle | None = None,
) -> EvaluateResult:
    """Judge a trained bundle on a data set, leaving out every clip whose recording it was trained on.

    Parameters
    ----------
    instead
        What was made of the bundle at ``path``, to be judged in its place.

    Raises
    ------
    DataError
        When the data set has labels that the bundle does not know, clips with several where the bundle knows one a
        clip, or nothing is left to test.
    """
    bundle = instead or read_bundle(path)
    ready = prepare(recipe, listener or Silent(), engine, bundle.features)
    if unknown := sorted(set(ready.dataset.labels) - set(bundle.labels)):
        raise DataError(
            f"{path} does not know the labels: {', '.join(unknown)}. It knows: {', '.join(bundle.labels)}."
        )
    if bundle.decision.exclusive and not ready.dataset.exclusive:
        raise DataError(
            f"{path} gives each clip exactly one label, but {ready.dataset.name} has clips with several, or with none."
            f"{_one_label(ready)}"
        )
    if "train_groups" not in bundle.provenance:
        raise DataError(
            f"{path} does not say what it was trained on, so that nothing can be called unheard by it."
        )
    groups = set(bundle.provenance["train_groups"])
    sounds = set(bundle.provenance.get("train_sounds", ()))
    learnt = np.array([group_hash(str(name)) in groups for name in ready.rows.names])
    learnt |= np.array([h in sounds for h in _sound_hashes(ready, np.arange(len(ready.rows)))])
    fresh = ~np.isin(ready.rows.joined, ready.rows.joined[learnt])
    if not fresh.any():
        raise DataError(
            f"{path} was trained on every recording of {ready.dataset.name}: nothing is left to test it on."
        )
    positions = np.flatnonzero(fresh).astype(np.int64)
    order = np.array([bundle.labels.index(label) for label in ready.dataset.labels])
    exclusive = bundle.decision.exclusive
    targets = order[ready.rows.targets[positions]] if exclusive else _marks(ready, positions, bundle)
    units = ready.rows.joined[positions]
    logits = Predictor(bundle, self_test=instead is None).logits(*ready.heard(positions))
    scored, before = (
        Scored.of(by, positions, targets, units, by.probabilities(logits))
        for by in (bundle.decision, Decision(exclusive=exclusive))
    )
    decision = decided([(scored, bundle.decision)], bundle.labels)
    known = ready.dataset.grouping and bundle.provenance.get("grouping")
    doubt = "" if known else "; recordings are not known, so that others of the model's may be among these"
    told = Judged(
        f"on the data set {ready.dataset.name}{doubt}",
        _report([scored], bundle.labels, recipe.split.seed, [bundle.decision]),
        [],
    )
    left_out = int((~fresh).sum())
    seconds = {"extract": ready.seconds, "train": 0.0}
    raw_calibration = calibration([before]) if decision else None
    return EvaluateResult(
        str(path), None, ready, told, None, None, left_out, seconds, raw_calibration, decision
    )


def extract(
    data: DataSettings,
    features: Sequence[Feature],
    store: Store | None = None,
    engine: Engine | None = None,
    listener: Listener | None = None,
) -> Extracted:
    """Fill a store with features of a data set's clips, which need no labels here.

    Parameters
    ----------
    store
        Where they go; `Store` by default.
    """
    listener, store = listener or Silent(), store or Store()
    features = [resolved(feature) for feature in features]
    began = time.perf_counter()
    dataset, uncut = open_data(data, engine, listener.measuring, labelled=False)
    listener.found(dataset)
    filled = fill(dataset, features, store, engine or Local(), listener.extracting, listener.noted)
    skipped = {i: p for f in range(len(features)) for i, p in filled.problems(dataset, f).items()}
    return Extracted(
        dataset,
        str(store),
        tuple({"folder": shelf.key, **shelf.about} for shelf in filled.shelves),
        filled.progress.so_far,
        (*uncut, *skipped.values()),
        time.perf_counter() - began,
    )


def prepare(
    recipe: Recipe,
    listener: Listener,
    engine: Engine | None = None,
    features: Sequence[Feature] | None = None,
) -> Prepared:
    """Read and extract.

    Parameters
    ----------
    features
        What is extracted; clips are compared by the first. What the recipe's rungs hear by default.

    Raises
    ------
    DataError
        When the data cannot be trained on.
    """
    features = [resolved(f) for f in features or (rung.feature for rung in recipe.rungs())]
    dataset, uncut = open_data(recipe.data, engine, listener.measuring)
    dataset = replace(dataset, problems=(*dataset.problems, *uncut))
    listener.found(dataset)
    if len(dataset.labels) < 2:
        only = f"one class, '{dataset.labels[0]}'" if dataset.labels else "no labels"
        raise DataError(f"{dataset.name} has {only}; a classifier needs at least two.")
    began, last = time.perf_counter(), Progress(len(dataset.clips))

    def told(progress: Progress) -> None:
        nonlocal last
        last = progress
        listener.extracting(progress)

    # One decoding for all; what is read below is in the store then.
    wanted = list(dict.fromkeys([*features, *([Marks()] if recipe.split.copies else [])]))
    fill(dataset, wanted, Store(), engine or Local(), told, listener.noted)
    tables = extract_tables(dataset, features, engine, listener.noted)
    alike = copies(dataset, engine, on_note=listener.noted) if recipe.split.copies else None
    rows = Rows.of_table(dataset, tables[0], alike)
    return Prepared(dataset, tables, rows, last.so_far, time.perf_counter() - began)


def _one_label(ready: Prepared) -> str:
    return (
        " Type --several longest to keep the one that a window has most of." if ready.dataset.tracks else ""
    )


def _marks(ready: Prepared, positions: IntArray, bundle: Bundle) -> NDArray[np.bool_]:
    """Return which of a bundle's labels some rows have, bool[n, labels]."""
    marks = np.zeros((len(positions), len(bundle.labels)), bool)
    order = [bundle.labels.index(label) for label in ready.dataset.labels]
    marks[:, order] = ready.dataset.marks[ready.table.rows[positions]]
    return marks


def reseeded(recipe: Recipe, by: int) -> Recipe:
    """Return the recipe with each seed greater by ``by``."""
    split = replace(recipe.split, seed=recipe.split.seed + by)
    return replace(recipe, split=split, train=replace(recipe.train, seed=recipe.train.seed + by))


def _honest_splits(ready: Prepared, recipe: Recipe) -> list[Split]:
    """Return the folds to tell a random score by; none where no recordings are known, or too few."""
    if resolve_rule("auto", ready.rows) == "grouped" and ready.dataset.grouping is None:
        return []
    try:
        return cross_validation(ready.rows, replace(recipe.split, rule="auto"))
    except SplitError:
        return []


@contextmanager
def _open_run(
    base: Path,
    recipe: Recipe,
    ready: Prepared,
    action: str,
    listener: Listener,
    seeds: int = 1,
    more: Sequence[str] = (),
) -> Iterator[runs.Run]:
    tables = recipe.to_dict()
    # What the data is matters, not where it lies: a moved data set carries its unfinished run on.
    tables["data"] = {"fingerprint": ready.table.dataset_fingerprint}
    name = f"{ready.dataset.name}-{action}-{recipe.model.name}"
    with runs.open_run(base, name, [action, tables, seeds, *more, runs.versions()]) as run:
        listener.run(run)
        write_recipe(run, recipe)
        record.write_problems(run, ready)
        yield run


def write_recipe(run: runs.Run, recipe: Recipe, name: str = "recipe.toml") -> None:
    """Write a recipe so that it runs from any folder, and without a key that a URI may hold."""
    where = recipe.data.path
    whole = shown(where) if is_uri(where) else str(Path(where).resolve())
    log = recipe.data.corrections
    log = log if log in ("", "none") else str(Path(log).resolve())
    data = replace(recipe.data, path=whole, corrections=log)
    run.write_text(name, replace(recipe, data=data).to_toml())


def _events(recipe: Recipe, ready: Prepared, split: Split) -> Events:
    """Return how long recordings are heard: in windows as long as the clips that were learnt from usually are.

    Background is no event, however sure it is.
    """
    how = recipe.events
    if recipe.data.background and not how.ignore:
        how = replace(how, ignore=(recipe.data.background,))
    if how.window is not None:
        return how
    usual = float(np.median(ready.table.seconds[split.learnt]))
    return replace(how, window=min(max(round(usual, 3), SHORTEST, how.hop or 0.0), LONGEST))


def _provenance(
    recipe: Recipe, ready: Prepared, split: Split, fitted: Fitted, test: Report | LabelReport
) -> dict[str, Any]:
    """Return where a bundle that leaves the run comes from."""
    return {
        "data": {
            "name": ready.dataset.name,
            "layout": ready.dataset.layout,
            "fingerprint": ready.table.dataset_fingerprint,
            "corrected": ready.dataset.corrected,
        },
        "split": {"rule": split.rule, "seed": split.seed, "test_fold": split.test_fold, **split.counts},
        "grouping": ready.dataset.grouping,
        "train_groups": sorted({group_hash(str(name)) for name in ready.rows.names[split.learnt]}),
        "train_sounds": sorted(set(_sound_hashes(ready, split.learnt))),
        "seed": recipe.train.seed,
        "best_epoch": fitted.best_epoch,
        "versions": runs.versions(),
        "test": {**{k: v for k, v in test.headline.items() if k != "interval"}, "clips": test.clips},
    }


def _sound_hashes(ready: Prepared, positions: IntArray) -> list[str]:
    """Return what stands for the sound of each row: a hash of its features."""
    return [
        hashlib.blake2b(row.tobytes(), digest_size=8).hexdigest() for row in ready.table.values[positions]
    ]


def _suspects(run: runs.Run, ready: Prepared, listener: Listener) -> dict[str, int] | None:
    """Write the labels that may be wrong, by the features at hand; return how many there are."""
    if ready.rows.marks is not None:
        return None
    if len(ready.rows) > _MOST_JUDGED:
        listener.noted(
            f"Labels that may be wrong are not looked for here among more than {_MOST_JUDGED:,} clips; `earmark"
            " suspects` does."
        )
        return None
    found = find_suspects(ready.table.values, ready.rows, ready.dataset.labels)
    write_suspects(run.folder / runs.SUSPECTS, ready.dataset, ready.table.rows, found.found)
    return {"flagged": len(found.found), "judged": found.judged}


def _baseline(splits: list[Split]) -> float:
    """Return the mean accuracy over folds of always answering with the commonest learnt label.

    Where clips have any number of labels: the mean average precision of always answering with the labels' shares,
    which is the share of the clips that have a label, the mean over the labels that occur.
    """
    if splits[0].rows.marks is not None:
        tested = (
            splits[0].rows.marks[np.concatenate([split.positions(TEST) for split in splits])].mean(axis=0)
        )
        return float(tested[tested > 0].mean()) if tested.any() else 0.0
    shares = []
    for split in splits:
        targets = split.rows.targets
        commonest = np.bincount(targets[split.learnt]).argmax()
        shares.append(float((targets[split.positions(TEST)] == commonest).mean()))
    return float(np.mean(shares))


def _report(
    scored: list[Scored], labels: tuple[str, ...], seed: int, decisions: Sequence[Decision]
) -> Report | LabelReport:
    if scored[0].exclusive:
        return report(scored, labels, seed)
    return report_of_labels(scored, labels, decisions, seed)


def _judge(
    splits: list[Split], scored: list[Scored], ready: Prepared, recipe: Recipe, decisions: Sequence[Decision]
) -> Judged:
    dataset = ready.dataset
    score = "accuracy" if dataset.exclusive else "map"
    seeds = [list((s.accuracies() if s.exclusive else s.maps()).values()) for s in scored]
    folds = [
        {
            "fold": i + 1 if split.test_fold is None else split.test_fold,
            score: s.accuracy if s.exclusive else float(np.mean(of_seeds)),
            "sd": spread(of_seeds),
            "n": s.clips,
        }
        for i, (split, s, of_seeds) in enumerate(zip(splits, scored, seeds, strict=True))
    ]
    told = protocol(splits, dataset)
    return Judged(told, _report(scored, dataset.labels, recipe.split.seed, decisions), folds)


def protocol(splits: Sequence[Split], dataset: Dataset) -> str:
    """Return how was tested, for a person: ``"official folds 1, 2, 3 of 10"``."""
    if splits[0].rule == "official":
        told = f"official folds {', '.join(str(s.test_fold) for s in splits)}"
        return told + (f" of {dataset.official_folds}" if dataset.official_folds else "")
    held_out = {"random": "clips", "grouped": "recordings" if dataset.grouping else "files"}
    return f"{len(splits)} folds, {held_out[splits[0].rule]} held out"
