"""The data doctor: reads, counts and measures, in one pass over the sound; changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earmark.check.audit import Audit
from earmark.check.clips import problems_of_clips
from earmark.check.measures import Measures, measure
from earmark.check.shortcuts import shortcuts
from earmark.check.whole import (
    clips_of_classes,
    duplicates,
    groups_of_classes,
    labels_outside,
    problems_of_groups,
)
from earmark.dataset import Dataset
from earmark.engine import Engine, Local
from earmark.readers.listing import count
from earmark.types import Problem

__all__ = ["Checkup", "check"]

# A clip with one of these cannot be learnt from, or must not be.
UNFIT = frozenset({
    "missing", "unreadable", "no_decoder", "empty", "not_finite", "too_short", "too_long", "no_channel", "crashed",
    "silent", "duplicate", "label_conflict",
})  # fmt: skip
_QUANTILES = {"least": 0.0, "low": 0.05, "median": 0.5, "high": 0.95, "most": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Checkup:
    """What the doctor found.

    Parameters
    ----------
    clips, hours, groups
        Readable clips, their length, their recordings.
    classes
        Clips of each class, unreadable ones included.
    per_class
        For each class: usable clips, recordings, seconds.
    folds
        Clips of each official fold.
    problems
        Everything that needs a person's eye, the reader's findings included.
    rows
        By row of the data set: what is wrong or odd about that clip.
    leakage
        What a random 80/20 split of these clips would let through, and what the official folds do, with the leaks that
        are known of them; ``None`` for multi-label data.
    sound
        Rates, channels and encodings with their counts; quantiles of duration, level and bandwidth.
    unfit
        Why nothing can be learnt from this; empty where it can.
    corrected
        Labels that differ from the data's own, by a log of corrections.
    """

    clips: int
    hours: float
    classes: dict[str, int]
    per_class: dict[str, dict[str, float]]
    groups: int
    groups_known: bool
    folds: dict[int, int]
    problems: tuple[Problem, ...]
    rows: dict[int, tuple[Problem, ...]]
    leakage: dict[str, Any] | None
    sound: dict[str, Any]
    unfit: str
    corrected: int

    @property
    def kinds(self) -> dict[str, list[Problem]]:
        """The problems by kind, those that cost clips first, then the frequent ones."""
        kinds: dict[str, list[Problem]] = {}
        for problem in self.problems:
            kinds.setdefault(problem.kind, []).append(problem)
        return dict(sorted(kinds.items(), key=lambda item: (item[0] not in UNFIT, -len(item[1]))))

    @property
    def verdict(self) -> str:
        """One sentence: what there is, whether it is fit to train, and how much there is to look at."""
        unit = count(self.groups, "recording" if self.groups_known else "file")
        unknown = "" if self.groups_known else " of unknown recordings"
        what = f"{count(self.clips, 'clip')}, {count(len(self.classes), 'class', 'classes')}, {unit}{unknown}"
        fit = f"not fit to train: {self.unfit}" if self.unfit else "fit to train"
        rest = f"; {count(len(self.kinds), 'thing')} to look at" if self.kinds else "; nothing odd"
        return f"{what}: {fit}{rest}"

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the command line's JSON shows it."""
        return {
            "verdict": self.verdict,
            "fit": not self.unfit,
            "clips": self.clips,
            "hours": self.hours,
            "classes": self.classes,
            "per_class": self.per_class,
            "groups": self.groups,
            "folds": {str(fold): n for fold, n in self.folds.items()},
            "sound": self.sound,
            "corrected": self.corrected,
            "problems": [asdict(problem) for problem in self.problems],
            "leakage": self.leakage,
        }


def check(
    dataset: Dataset,
    on_progress: Callable[[int, float], None] | None = None,
    engine: Engine | None = None,
    copies: bool = True,
) -> Checkup:
    """Decode every clip once, on every core or a cluster, and say what is wrong with the data set.

    Parameters
    ----------
    on_progress
        Told of how many clips are done, and how many seconds of sound that is.
    engine
        Where the work runs; this machine by default.
    copies
        Whether to look for copies in disguise: re-encoded, trimmed, looped ones. That takes longer than all the rest.
    """
    where = engine or Local()
    found = measure(dataset, where, on_progress or (lambda done, seconds: None), copies)
    rows: dict[int, list[Problem]] = {row: [problem] for row, problem in found.failed.items()}
    for row, problem in problems_of_clips(dataset, found):
        rows.setdefault(row, []).append(problem)
    for row, _, problem in duplicates(dataset, found):
        rows.setdefault(row, []).append(problem)
    audit = Audit(dataset, found)
    for row, problem in audit.problems():
        rows.setdefault(row, []).append(problem)
    whole = [*dataset.problems, *problems_of_groups(dataset, found), *audit.leaks()]
    whole += shortcuts(dataset, found, audit.rows)
    if dataset.tracks:
        whole += labels_outside(dataset, found, where)
    whole.sort(key=lambda p: p.kind == "unlisted")  # often very many: they must not hide the others
    problems = [problem for row in sorted(rows) for problem in rows[row]]
    clips = dataset.clips
    counts = np.bincount(clips.label_values, minlength=len(clips.labels))
    return Checkup(
        int(found.good.sum()),
        float(found.values["seconds"].sum()) / 3600,
        {label: int(n) for label, n in zip(clips.labels, counts, strict=True)},
        _per_class(dataset, found),
        len(np.unique(clips.groups)) if len(clips) else 0,
        dataset.grouping is not None,
        {fold: int((clips.folds == fold).sum()) for fold in dataset.folds},
        (*problems, *whole),
        {row: tuple(told) for row, told in sorted(rows.items())},
        audit.to_dict(),
        _sound(found),
        _unfit(dataset, found),
        dataset.corrected,
    )


def _per_class(dataset: Dataset, found: Measures) -> dict[str, dict[str, float]]:
    clips = dataset.clips
    owned = np.repeat(found.values["seconds"], np.diff(clips.label_offsets))
    seconds = np.bincount(clips.label_values, owned, len(clips.labels)).tolist()
    usable, groups = clips_of_classes(dataset, found), groups_of_classes(dataset)
    return {
        label: {"clips": usable[label], "recordings": groups[label], "seconds": seconds[i]}
        for i, label in enumerate(clips.labels)
    }


def _sound(found: Measures) -> dict[str, Any]:
    """Return what the usable clips are like."""
    if not found.good.any():
        return {}
    used = found.values[found.good]
    named = {found.encodings[i]: n for i, n in found.counts("encoding").most_common()}
    counted = {
        field: {str(k): n for k, n in found.counts(field).most_common()} for field in ("rate", "channels")
    }
    spread = {
        name: {word: round(float(np.quantile(used[name], q)), 6) for word, q in _QUANTILES.items()}
        for name in ("seconds", "level", "bandwidth")
    }
    return {"encodings": named, "rates": counted["rate"], "channels": counted["channels"], **spread}


def _unfit(dataset: Dataset, found: Measures) -> str:
    """Return why nothing can be learnt from a data set."""
    if not found.good.any():
        return "not one clip can be read"
    usable = [label for label, n in clips_of_classes(dataset, found).items() if n]
    if len(usable) < 2:
        return f"only one class has clips that can be read, {usable[0]}" if usable else "no clip has a label"
    if len(np.unique(dataset.clips.groups[found.rows])) < 2:
        return "all clips are of one recording, so that nothing can be tested"
    return ""
