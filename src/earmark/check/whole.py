"""What is odd about the clips together: copies, contradictions, recordings, names, and what a split would leak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from earmark.audio.condition import SILENT
from earmark.check.measures import Measures
from earmark.cut import lengths_of
from earmark.dataset import Dataset
from earmark.engine import Engine
from earmark.labels.lint import outside, rare, similar, similar_names
from earmark.readers.listing import count
from earmark.types import Clip, Problem

FEW_GROUPS = 3
_UNEQUAL = 10.0  # the largest class has so many times the clips of the smallest
_NAMED = 5


def duplicates(dataset: Dataset, measures: Measures) -> Iterator[tuple[int, bool, Problem]]:
    """Yield each clip that is to the last sample like an earlier one: its row, whether they contradict, the problem.

    A copy with another label contradicts: nobody can say which is right, so the earlier one is told of as well.
    """
    first: dict[bytes, int] = {}
    accused: set[int] = set()
    for row in measures.rows.tolist():
        if measures.values["peak"][row] < SILENT:
            continue
        twin = first.setdefault(measures.values["sound"][row].tobytes(), row)
        if twin == row:
            continue
        here, there = dataset.clips[row], dataset.clips[twin]
        conflict = here.labels != there.labels
        yield row, conflict, _copy(here, there, conflict)
        if conflict and twin not in accused:
            accused.add(twin)
            yield twin, True, _copy(there, here, True)


def _copy(clip: Clip, twin: Clip, conflict: bool) -> Problem:
    pairs = (
        ("class", clip.labels, twin.labels),
        ("recording", clip.group, twin.group),
        ("fold", clip.fold, twin.fold),
    )
    differs = [what for what, here, there in pairs if here != there]
    but = f", but another {' and '.join(differs)}" if differs else ""
    at = "" if twin.start is None else f" at {twin.start:g} s"
    detail = f"the same sound as {twin.path}{at}{but}"
    if conflict:
        detail += f": {'|'.join(clip.labels) or 'none'} here, {'|'.join(twin.labels) or 'none'} there"
    return Problem("label_conflict" if conflict else "duplicate", clip.path, detail)


def problems_of_groups(dataset: Dataset, measures: Measures) -> Iterator[Problem]:
    """Yield what is odd about recordings, classes and their names."""
    clips = dataset.clips
    if dataset.grouping is None:
        detail = "no recording, speaker or day is known for the clips: leakage cannot be ruled out"
        yield Problem("no_group", str(dataset.root), detail)
    if dataset.tracks:  # which have lines to name
        yield from rare(dataset.tracks, FEW_GROUPS)
        yield from similar(dataset.tracks)
    else:
        yield from _few_groups(dataset)
        for names in similar_names(clips.labels):
            yield Problem("similar_names", names[0], f"may be the same class as {', '.join(names[1:])}")
    yield from _unequal(dataset, measures)
    yield from _mixed_rates(measures, dataset)
    folds: dict[str, set[int]] = {}
    for group, fold in zip(clips.groups.tolist(), clips.folds.tolist(), strict=True):
        folds.setdefault(group, set()).add(fold)
    for group, found in folds.items():
        if len(found) > 1:
            where = ", ".join(map(str, sorted(found)))
            yield Problem("shared_group", group, f"the recording stands in the folds {where}")


def labels_outside(dataset: Dataset, measures: Measures, engine: Engine) -> Iterator[Problem]:
    """Yield the labels that end after their recording, but for those whose clips are named for it already."""
    places = {t.path: dataset.address(Clip(t.path, (), t.path)) for t in dataset.tracks}
    seconds, _ = lengths_of(places, engine, lambda done, total: None)
    told = {(dataset.clips[row].path, dataset.clips[row].start) for row in measures.failed}
    for track in dataset.tracks:
        if track.path in seconds:
            fresh = tuple(r for r in track.regions if (track.path, r.start) not in told)
            yield from outside(replace(track, regions=fresh), seconds[track.path])


def groups_of_classes(dataset: Dataset) -> dict[str, int]:
    """Return how many recordings each class has."""
    clips = dataset.clips
    owners = np.repeat(dataset.group_ids, np.diff(clips.label_offsets))
    pairs = np.unique(np.stack([clips.label_values.astype(np.int64), owners]), axis=1)[0]
    counts = np.bincount(pairs, minlength=len(clips.labels)).tolist()
    return dict(zip(clips.labels, counts, strict=True))


def _few_groups(dataset: Dataset) -> Iterator[Problem]:
    unit = "recording" if dataset.grouping else "file"
    for label, n in groups_of_classes(dataset).items():
        if n < FEW_GROUPS:
            detail = f"the class has {n} {unit}{'s' * (n != 1)}: too few to tell the class from them"
            yield Problem("few_groups", label, detail)


def _unequal(dataset: Dataset, measures: Measures) -> Iterator[Problem]:
    counts = clips_of_classes(dataset, measures)
    some = {label: n for label, n in counts.items() if n}
    for label in sorted(set(counts) - set(some)):
        yield Problem("empty_class", label, "not one of its clips can be used")
    if len(some) > 1:
        most, least = max(some, key=some.__getitem__), min(some, key=some.__getitem__)
        if some[most] >= _UNEQUAL * some[least]:
            detail = f"{count(some[least], 'clip')}, where {most} has {some[most]:,}: accuracy will say little about it"
            yield Problem("unequal_classes", least, detail)


def clips_of_classes(dataset: Dataset, measures: Measures) -> dict[str, int]:
    """Return how many usable clips each class has."""
    clips = dataset.clips
    usable = np.repeat(measures.good, np.diff(clips.label_offsets))
    counts = np.bincount(clips.label_values[usable], minlength=len(clips.labels)).tolist()
    return dict(zip(clips.labels, counts, strict=True))


def _mixed_rates(measures: Measures, dataset: Dataset) -> Iterator[Problem]:
    """Yield a word where a class can be told by its sample rate alone: then a model may learn the recorder."""
    rates = measures.counts("rate")
    if len(rates) < 2 or not dataset.exclusive:
        return
    usual = rates.most_common(1)[0][0]
    rows = measures.rows
    odd = measures.values["rate"][rows] != usual
    labels = dataset.targets[rows]
    for i, label in enumerate(dataset.labels):
        own = labels == i
        if own.sum() >= _NAMED and odd[own].mean() > 0.9 and odd[~own].mean() < 0.1:
            detail = f"{odd[own].mean():.0%} of its clips have another rate than {usual:,} Hz, of the others"
            yield Problem(
                "rate_tells_class", label, f"{detail} {odd[~own].mean():.0%}: a model may learn the recorder"
            )
