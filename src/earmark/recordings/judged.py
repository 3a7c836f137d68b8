"""How well events are found in recordings whose label tracks say what is heard when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from earmark.bundle import Bundle, group_hash
from earmark.dataset import Dataset
from earmark.engine.fetch import fetched
from earmark.errors import AudioError, DataError
from earmark.evaluate.events import (
    COLLAR,
    ByLabel,
    Counts,
    Drawn,
    Span,
    added,
    by_events,
    by_segments,
    commonest,
    overall,
    shuffled,
)
from earmark.evaluate.psds import psds
from earmark.events import Event, Events, Merger
from earmark.predict import Predictor
from earmark.recordings.files import Heard, events_in
from earmark.types import Clip, FloatArray, Problem

_DRAWS = 20  # of events that nobody heard
_POINTS = tuple(i / 20 for i in range(1, 20))  # thresholds that the PSDS is of

OnHeard = Callable[[str, Heard], None]


@dataclass(frozen=True, slots=True)
class Chance:
    """What would be found without skill, as F1.

    Parameters
    ----------
    shuffled
        By the real events, moved to random times and under each other's labels: by events, and by segments.
    always
        By saying the commonest label all the time: the same.
    label
        That label.
    """

    shuffled: tuple[float, float]
    always: tuple[float, float]
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class EventReport:
    """How well events were found.

    Parameters
    ----------
    events, segments
        What was found of each label, counted by events and by segments.
    psds
        The polyphonic sound detection score, with the tolerance of `earmark.evaluate.psds.Tolerance`.
    chance
        What no skill gives.
    recordings, seconds
        How many were heard, and how long they are.
    left_out
        Recordings that the model was trained on.
    problems
        Recordings that could not be heard.
    settings, collar
        How events were told; and how far off they may start.
    """

    events: ByLabel
    segments: ByLabel
    psds: float
    chance: Chance
    recordings: int
    seconds: float
    left_out: tuple[str, ...]
    problems: tuple[Problem, ...]
    settings: Events
    collar: float

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON shows."""
        from earmark.settings import to_dict

        def of(by_label: ByLabel) -> dict[str, Any]:
            each = {label: counts.to_dict() for label, counts in by_label.items()}
            real = [counts.f1 for counts in by_label.values() if counts.real]
            return {
                **overall(by_label).to_dict(),
                "macro_f1": float(np.mean(real)) if real else 0.0,
                "per_label": each,
            }

        no_skill = {
            name: {"events": f1[0], "segments": f1[1]}
            for name, f1 in (("shuffled", self.chance.shuffled), ("always", self.chance.always))
        }
        return {
            "events": of(self.events),
            "segments": of(self.segments),
            "psds": self.psds,
            "no_skill": {**no_skill, "label": self.chance.label},
            "recordings": self.recordings,
            "seconds": self.seconds,
            "left_out": list(self.left_out),
            "skipped": [{"path": p.path, "reason": p.detail} for p in self.problems],
            "settings": {**to_dict(self.settings), "hop": self.settings.step},
            "collar": self.collar,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A recording of which it is known what is heard when.

    Parameters
    ----------
    real
        What is heard.
    activity
        Until when the scores of each window hold, and the scores.
    seconds
        How long it is.
    """

    path: str
    real: list[Span]
    activity: list[tuple[float, FloatArray]]
    seconds: float

    def events(self, bundle: Bundle, how: Events) -> list[Event]:
        """Return what a model's scores say is heard."""
        merger = Merger(bundle.labels, how, bundle.decision.exclusive, bundle.decision.thresholds)
        found = [event for end, scores in self.activity for event in merger.add(end, scores)]
        return found + merger.finish(self.seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Audition:
    """Recordings that were heard, those that the model was trained on, and what could not be heard."""

    recorded: tuple[Recorded, ...]
    left_out: tuple[str, ...]
    problems: tuple[Problem, ...]


def hear(
    predictor: Predictor,
    dataset: Dataset,
    settings: Events | None = None,
    on_heard: OnHeard | None = None,
    workers: int = 1,
) -> Audition:
    """Score recordings with label tracks, window by window, but those that the model was trained on.

    Parameters
    ----------
    settings
        Their windows; the bundle's own by default.
    on_heard
        Told of which recording how much was heard.
    workers
        Threads.

    Raises
    ------
    DataError
        When there are no label tracks, or labels that the model does not know, or nothing is left to hear.
    """
    bundle, how = predictor.bundle, settings or predictor.bundle.events
    if not dataset.tracks:
        raise DataError(
            f"{dataset.name} has the layout '{dataset.layout}', which does not say what is heard when. Give recordings"
            " with label tracks."
        )
    if unknown := sorted(set(dataset.labels) - set(bundle.labels)):
        raise DataError(
            f"The model does not know the labels: {', '.join(unknown)}. It knows: {', '.join(bundle.labels)}."
        )
    learnt = set(bundle.provenance.get("train_groups", ()))
    marked: dict[str, list[Span]] = {track.path: [] for track in dataset.tracks}
    groups: dict[str, str] = {}
    for clip in dataset.clips:
        groups[clip.path] = clip.group
        if clip.start is not None and clip.end is not None:
            marked[clip.path] += [Drawn(clip.start, clip.end, label) for label in clip.labels]
    known = [path for path in marked if group_hash(groups.get(path, path)) in learnt]
    recorded, problems = [], []
    for path in (path for path in marked if path not in known):
        far = Heard(0.0, None, 0.0)
        activity: list[tuple[float, FloatArray]] = []

        def told(heard: Heard, path: str = path) -> None:
            nonlocal far
            far = heard
            if on_heard is not None:
                on_heard(path, heard)

        def keep(end: float, scores: FloatArray, to: list[tuple[float, FloatArray]] = activity) -> None:
            to.append((end, scores))

        try:
            place = fetched(dataset.address(Clip(path, (), path)))
            for _ in events_in(predictor, place, how, told, workers, keep):
                pass
        except AudioError as error:
            problems.append(Problem(error.kind, path, error.reason))
            continue
        own = [event for event in marked[path] if event.label not in how.ignore]
        recorded.append(Recorded(path, own, activity, far.done))
    if not recorded:
        why = f"the model was trained on all {len(known)} of them" if known else "none can be heard"
        raise DataError(f"No recording of {dataset.name} is left to judge by: {why}.")
    return Audition(tuple(recorded), tuple(known), tuple(problems))


def count(
    bundle: Bundle, audition: Audition, settings: Events | None = None, collar: float = COLLAR, seed: int = 0
) -> EventReport:
    """Say how well events are found in what was heard.

    Parameters
    ----------
    settings
        How scores become events; the bundle's own by default. Its windows are those that were heard.
    collar
        Seconds that an event may start too early or too late.
    seed
        Of the events that are drawn without skill.
    """
    how = settings or bundle.events
    real = [one.real for one in audition.recorded]
    lengths = [one.seconds for one in audition.recorded]
    found = [one.events(bundle, how) for one in audition.recorded]
    points = [
        [one.events(bundle, replace(how, high=high, low=0.75 * high)) for one in audition.recorded]
        for high in _POINTS
    ]
    return EventReport(
        added([by_events(a, b, collar) for a, b in zip(real, found, strict=True)]),
        added([by_segments(a, b, n) for a, b, n in zip(real, found, lengths, strict=True)]),
        psds(points, real, lengths),
        _chance(real, lengths, collar, seed),
        len(real),
        sum(lengths),
        audition.left_out,
        audition.problems,
        how,
        collar,
    )


def judge(
    predictor: Predictor,
    dataset: Dataset,
    settings: Events | None = None,
    collar: float = COLLAR,
    on_heard: OnHeard | None = None,
    workers: int = 1,
    seed: int = 0,
) -> EventReport:
    """Hear recordings with label tracks, and count what was found of what they say: `hear`, then `count`."""
    audition = hear(predictor, dataset, settings, on_heard, workers)
    return count(predictor.bundle, audition, settings, collar, seed)


def _chance(real: Sequence[Sequence[Span]], lengths: Sequence[float], collar: float, seed: int) -> Chance:
    rng = np.random.default_rng(seed)
    label = commonest(real)
    found = [
        [shuffled(events, seconds, rng) for events, seconds in zip(real, lengths, strict=True)]
        for _ in range(_DRAWS)
    ]
    always = [[Drawn(0.0, seconds, label)] if label else [] for seconds in lengths]
    drawn = [_f1(real, one, lengths, collar) for one in found]
    by_chance = tuple(float(np.mean([one[i] for one in drawn])) for i in range(2))
    return Chance((by_chance[0], by_chance[1]), _f1(real, always, lengths, collar), label)


def _f1(
    real: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]], lengths: Sequence[float], collar: float
) -> tuple[float, float]:
    both = list(zip(real, found, lengths, strict=True))
    by_event = sum((overall(by_events(a, b, collar)) for a, b, _ in both), Counts())
    by_segment = sum((overall(by_segments(a, b, seconds)) for a, b, seconds in both), Counts())
    return by_event.f1, by_segment.f1
