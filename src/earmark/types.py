"""The nouns of Earmark: plain frozen records. No input or output, no framework, no logic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled piece of sound.

    Parameters
    ----------
    path
        The file, relative to the data set's root where it lies below it; may be a URI.
    labels
        One label for exclusive tasks, any number for multi-label ones.
    group
        The source recording, speaker, device or day. Two clips of one group are not independent, so no
        split may part them. It has no default, so that no reader can forget it.
    start, end
        Seconds; they cut a clip out of a longer recording. ``None`` is the file's own start or end.
    fold
        The publisher's fold, where there is one.

    Examples
    --------
    >>> Clip("fold1/101415-3-0-2.wav", ("dog_bark",), group="101415", fold=1).labels
    ('dog_bark',)
    """

    path: str
    labels: tuple[str, ...]
    group: str
    start: float | None = None
    end: float | None = None
    fold: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the data that a person should know.

    Parameters
    ----------
    kind
        One of a small vocabulary: ``missing``, ``unlisted``, ``unknown_column``, ``unreadable``, ``empty``,
        ``not_finite``, ``too_short``, ``too_long``, ``silent``, ``duplicate``, ``shared_group``, …
    path
        The file it is about.
    detail
        One phrase for a person.
    """

    kind: str
    path: str
    detail: str


def problem_of(clip: Clip, kind: str, reason: str) -> Problem:
    """Return what is wrong with a clip, and where in a longer recording it lies.

    >>> problem_of(Clip("dawn.wav", (), "dawn", 12.5, 17.5), "silent", "no sound").detail
    'no sound (from 12.5 to 17.5 s)'
    """
    if clip.start is None and clip.end is None:
        return Problem(kind, clip.path, reason)
    to = "the end" if clip.end is None else f"{clip.end:g} s"
    return Problem(kind, clip.path, f"{reason} (from {clip.start or 0:g} to {to})")


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of a recording that somebody named, as a label file has it.

    Parameters
    ----------
    start, end
        Seconds from the start of the recording; equal for a point.
    label
        The name, without the blanks around it. It may be empty.
    low, high
        Hz, where frequencies were marked too.
    recording
        The sound file that the label file itself names for it; empty where it names none.
    extra
        What else was said about it, as pairs of column and text: a selection's number, a confidence, a tier.
    line
        Where it stands in its file, from 1; 0 when it stands in none.
    source
        The text that it was read from with what follows up to the next one, so that it can be written as it was.

    Examples
    --------
    >>> Region(0.5, 1.25, "dog", line=3) == Region(0.5, 1.25, "dog", line=7)
    True
    """

    start: float
    end: float
    label: str
    low: float | None = None
    high: float | None = None
    recording: str = ""
    extra: tuple[tuple[str, str], ...] = ()
    line: int = field(default=0, compare=False)
    source: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Track:
    """What one label file, or one tier of it, says about one recording.

    Parameters
    ----------
    path
        The recording, as clips name it.
    file
        The label file, relative to the data set's root.
    regions
        In the order of the file; none where somebody listened and heard nothing.
    form
        How the file is written: a key of `earmark.labels.FORMS`.
    """

    path: str
    file: str
    regions: tuple[Region, ...]
    form: str = ""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Mono sound.

    Parameters
    ----------
    samples
        float32[T], full scale is ±1.
    sample_rate
        Hz.
    """

    samples: FloatArray
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / self.sample_rate


@runtime_checkable
class Feature(Protocol):
    """Settings plus ``extract``: what turns a waveform into numbers.

    A feature is a frozen dataclass. Its fields are its settings and travel as JSON inside the bundle;
    ``name`` is its key in ``FEATURES``.
    """

    name: ClassVar[str]

    @property
    def sample_rate(self) -> int:
        """The rate, in Hz, that ``extract`` expects."""

    @property
    def resampler(self) -> str:
        """How other rates are brought to ``sample_rate``: a key of ``audio.RESAMPLERS``."""

    @property
    def channel(self) -> Literal["mean", "first"] | int:
        """Which channel of a file it hears: the mean of all, the first, or one by its number from 1."""

    @property
    def dims(self) -> int:
        """Length of the last axis of what ``extract`` returns."""

    @property
    def course(self) -> bool:
        """Whether ``extract`` keeps time: one row a frame instead of one vector a clip."""

    @property
    def storage(self) -> str:
        """The narrowest dtype, ``"float16"`` or ``"float32"``, that keeps the values without loss."""

    def extract(self, waveform: Waveform) -> FloatArray:
        """Return float32[dims], or float32[frames, dims] for features that keep time."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """One row of features for each clip that could be read.

    Parameters
    ----------
    values
        float32[n, dims]; of a feature that keeps time, a summary of each course.
    rows
        int64[n]: the clip each row belongs to, ascending.
    feature
        The settings that made it.
    dataset_fingerprint
        The data set that it was made from.
    seconds
        float64[n]: the duration of each clip.
    skipped
        The clips that could not be read, each with its reason.
    courses
        Of a feature that keeps time, one float32[frames, dims] a row.
    """

    values: FloatArray
    rows: IntArray
    feature: Feature
    dataset_fingerprint: str
    seconds: NDArray[np.float64]
    skipped: tuple[Problem, ...] = ()
    courses: Sequence[FloatArray] | None = None

    @property
    def inputs(self) -> FloatArray | Sequence[FloatArray]:
        """What a network is fed."""
        return self.values if self.courses is None else self.courses


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one stretch of sound.

    Parameters
    ----------
    path, start, end
        Where; seconds.
    label, score
        The most probable label and its probability. ``None`` is "unknown"; the score is then that of the most probable
        label all the same.
    scores
        The probability of every label.
    possible
        The labels that may be true, with the coverage that the model promises.
    why
        Why there is no answer; empty where there is one.
    familiarity
        0 to 1: the share of known recordings' clips that are no more familiar to the model; ``None`` where it cannot
        tell.
    notes
        What is odd about the sound.
    labels
        Every label that is said, the most probable first: of a model of one label a clip that one, of a model of
        several all that reach their thresholds.
    """

    path: str
    start: float
    end: float
    label: str | None
    score: float
    scores: dict[str, float] = field(default_factory=dict)
    possible: tuple[str, ...] = ()
    why: str = ""
    familiarity: float | None = None
    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the command line's JSON shows it."""
        return {
            "path": self.path,
            "start": self.start,
            "end": self.end,
            "label": self.label,
            "score": self.score,
            "scores": self.scores,
            "possible": list(self.possible),
            "why": self.why,
            "familiarity": self.familiarity,
            "notes": list(self.notes),
            "labels": list(self.labels),
        }
