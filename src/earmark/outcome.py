"""What training and evaluation leave: plain records, and the same as the command line's JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from earmark.dataset import Dataset
from earmark.decide import Decision
from earmark.evaluate import Calibration, LabelReport, Report
from earmark.extract import Done
from earmark.inputs import Inputs, take
from earmark.leakage import Leakage
from earmark.recipe import Recipe
from earmark.remote import Place
from earmark.settings import to_dict
from earmark.split import Rows, Split
from earmark.train import Fitted
from earmark.types import FeatureTable, IntArray, Problem

_LATER = ("seeds", "per_class", "confusion", "calibration", "clips", "groups")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A data set with its features, ready to be divided.

    Parameters
    ----------
    tables
        For each rung what it hears; the same clips in all.
    done
        How many of the features were computed, and how many found in the store.
    seconds
        What extraction took.
    """

    dataset: Dataset
    tables: tuple[FeatureTable, ...]
    rows: Rows
    done: Done
    seconds: float

    @property
    def table(self) -> FeatureTable:
        """What the first rung hears: what clips are compared by."""
        return self.tables[0]

    def heard(self, rows: IntArray) -> tuple[Inputs, ...]:
        """Return for each rung what it hears of some rows."""
        return tuple(take(table.inputs, rows) for table in self.tables)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the reader noticed, and the clips that could not be used."""
        return (*self.dataset.problems, *self.table.skipped)

    def to_dict(self) -> dict[str, Any]:
        """Return what must not be silent, ready for JSON."""
        data = self.dataset
        return {
            "data": {
                "name": data.name,
                "title": data.title,
                "layout": data.layout,
                "clips": len(data.clips),
                "groups": len(set(data.clips.groups.tolist())),
                "grouping": data.grouping,
                "fingerprint": self.table.dataset_fingerprint,
            },
            "features": features_to_dict(self.done),
            "corrected": self.dataset.corrected,
            "skipped": [{"path": p.path, "reason": p.detail} for p in self.table.skipped],
            "problems": [asdict(problem) for problem in data.problems],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Extracted:
    """What `pipeline.extract` leaves.

    Parameters
    ----------
    dataset
        The data set, cut into windows if it was asked for.
    store
        Where the features are.
    features
        For each: its settings and the name of its folder in the store.
    done
        What became of the clips.
    skipped
        Clips without features.
    seconds
        What it took.
    """

    dataset: Dataset
    store: str
    features: tuple[dict[str, Any], ...]
    done: Done
    skipped: tuple[Problem, ...]
    seconds: float

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the reader noticed, and the clips that could not be used."""
        return (*self.dataset.problems, *self.skipped)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as `earmark extract --json` prints it."""
        return {
            "store": self.store,
            "features": list(self.features),
            "clips": len(self.dataset.clips),
            **features_to_dict(self.done),
            "sound_seconds": self.done.seconds,
            "skipped": [{"path": p.path, "reason": p.detail} for p in self.skipped],
            "problems": [asdict(problem) for problem in self.dataset.problems],
            "seconds": self.seconds,
        }


def features_to_dict(done: Done) -> dict[str, int]:
    """Return where the features of clips came from, ready for JSON."""
    return {"from_store": done.stored, "computed": done.computed, "reread": done.reread}


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A report over one or more folds.

    Parameters
    ----------
    protocol
        What was done, for a person: "official folds 1, 2, 3 of 10".
    report
        A `LabelReport` where clips have any number of labels.
    folds
        For each fold: its number, accuracy or mean average precision, that score's standard deviation over seeds, and
        clips.
    """

    protocol: str
    report: Report | LabelReport
    folds: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class TrainResult:
    """What `pipeline.train` leaves.

    Parameters
    ----------
    bundle, run
        The model file and the run's folder.
    report, leakage
        Of the test part of ``split``.
    honest
        Beside a random split: the same recipe on official or grouped folds; ``None`` where there are none.
    seconds
        Of extraction and training.
    decision
        How the bundle's scores become answers.
    """

    bundle: Place
    run: Path
    recipe: Recipe
    prepared: Prepared
    split: Split
    fitted: Fitted
    report: Report | LabelReport
    leakage: Leakage
    honest: Judged | None
    seconds: dict[str, float]
    decision: Decision

    def to_dict(self) -> dict[str, Any]:
        """Return the result as `earmark train --json` prints it."""
        report = self.report
        record = {
            "bundle": str(self.bundle),
            "run": str(self.run),
            "model": self.recipe.model.name,
            "feature": self.recipe.feature.name,
            "split": {"rule": self.split.rule, "test_fold": self.split.test_fold, **self.split.counts},
            "exclusive": self.prepared.dataset.exclusive,
            "test": report.headline,
            "leakage": {**self.leakage.to_dict(), "groups_known": self.prepared.dataset.grouping is not None},
            **self.prepared.to_dict(),
            "best_epoch": self.fitted.best_epoch,
            "decision": _told(self.decision) if self.decision.clips else None,
            "seconds": self.seconds,
        }
        if self.honest is not None:
            honest = self.honest.report
            record["honest"] = {
                "protocol": self.honest.protocol,
                **honest.headline,
                "sd": honest.sd,
                "folds": self.honest.folds,
            }
        return record


def _told(decision: Decision) -> dict[str, Any]:
    """Return a decision without the long tables in it."""
    known = decision.familiarity
    short = (
        None
        if known is None
        else {"groups": known.groups, "threshold": known.threshold, "reject": known.reject}
    )
    return {**to_dict(replace(decision, familiarity=None)), "familiarity": short}


@dataclass(frozen=True, slots=True, eq=False)
class EvaluateResult:
    """What `pipeline.evaluate` finds.

    Parameters
    ----------
    model
        Its name, or the bundle's path.
    judged
        The honest report.
    random, random_leakage
        What a random split would have claimed, and what it lets through; ``None`` for a trained bundle.
    left_out
        Clips that a trained bundle was not judged by, since it was trained on their recordings.
    before
        The calibration of the networks' own scores; ``None`` where nothing was calibrated.
    decision
        What decisions are worth, see `earmark.evaluate.decided`; ``None`` where none were learnt.
    baseline
        What always answering the commonest learnt label would score; where clips have any number of labels, the mean
        average precision of always answering with the labels' shares. ``None`` for a trained bundle.
    unknown
        How well unknown classes are told, see `earmark.novelty`; ``None`` where none was left out.
    suspects
        How many labels may be wrong, ``flagged`` of those ``judged``; ``None`` where they were not looked for.
    """

    model: str
    run: Path | None
    prepared: Prepared
    judged: Judged
    random: Judged | None
    random_leakage: Leakage | None
    left_out: int
    seconds: dict[str, float]
    before: Calibration | None = None
    decision: dict[str, Any] | None = None
    baseline: float | None = None
    unknown: dict[str, Any] | None = None
    suspects: dict[str, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as `earmark evaluate --json` prints it."""
        report = self.judged.report.to_dict()
        if self.before is not None:
            report["calibration"]["before"] = self.before.to_dict()
        random = None
        if self.random is not None and self.random_leakage is not None:
            found = self.random.report
            random = {
                found.main: found.score,
                **self.random_leakage.to_dict(),
                "groups_known": self.prepared.dataset.grouping is not None,
            }
        return {
            "model": self.model,
            "protocol": self.judged.protocol,
            "exclusive": not isinstance(self.judged.report, LabelReport),
            **{key: value for key, value in report.items() if key not in _LATER},
            "folds": self.judged.folds,
            "seeds": report["seeds"] if self.run else [],
            "baseline": self.baseline,
            "random_split": random,
            **{key: report[key] for key in _LATER if key in report and key != "seeds"},
            "decision": self.decision,
            "unknown": self.unknown,
            "suspects": self.suspects,
            "labels": list(self.judged.report.per_class),
            "run": str(self.run) if self.run else None,
            "left_out": self.left_out,
            **self.prepared.to_dict(),
            "seconds": self.seconds,
        }
