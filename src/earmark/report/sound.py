"""The sound behind a run: the data set opened again, measured, and some of its clips to look at and to hear."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.audio.encode import mp3
from earmark.check.measures import Measures, measure
from earmark.data import open_data
from earmark.dataset import Clips, Dataset
from earmark.engine import Local
from earmark.errors import AudioError, EarmarkError
from earmark.features import LogMel
from earmark.report.answered import Key
from earmark.report.picture import spectrogram, wave
from earmark.types import Clip, FloatArray, Waveform

if TYPE_CHECKING:
    from earmark.report.folder import Folder

LONGEST_SHOWN, LONGEST_PLAYED = 30.0, 6.0  # seconds of a clip
_RATE = 22_050  # Hz, of what is shown and played
_MELS, _COLUMNS, _RANGE = 56, 240, 70.0  # of a spectrogram: bands, columns, dB

OnProgress = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True, eq=False)
class Sounds:
    """The tested clips of a run, as far as they can be heard again.

    Parameters
    ----------
    dataset
        The tested clips that are still there; ``None`` where the data set cannot be opened.
    why
        Why not, for a person.
    rows
        Where each clip is in the data set.
    measures
        What was measured of them.
    fingerprint
        Of the whole data set as it is now.
    lost
        How many tested clips the data set does not have any more.
    """

    dataset: Dataset | None
    why: str
    rows: dict[Key, int]
    measures: Measures | None
    fingerprint: str
    lost: int

    @classmethod
    def none(cls, why: str) -> Sounds:
        """Return what there is where the data set cannot be opened."""
        return cls(None, why, {}, None, "", 0)

    def column(self, name: str, keys: tuple[Key, ...]) -> NDArray[np.float64]:
        """Return what was measured of each clip, float64[n]; NaN where it was not."""
        if self.measures is None:
            return np.full(len(keys), np.nan)
        rows = np.array([self.rows.get(key, -1) for key in keys], np.int64)
        values = np.where(self.measures.good, self.measures.values[name].astype(np.float64), np.nan)
        return np.append(values, np.nan)[rows]


@dataclass(frozen=True, slots=True)
class Look:
    """What a clip looks and sounds like.

    Parameters
    ----------
    why
        Why it cannot be shown; empty where it can.
    seconds, shown
        How long it is, and how much of it is shown.
    wave
        The path of an SVG picture, 240 wide and 64 high.
    picture
        The spectrogram as a data URI.
    top
        Hz at its upper edge.
    sound, played
        The sound as a data URI, empty where none was asked for; how many seconds of it.
    """

    why: str
    seconds: float = 0.0
    shown: float = 0.0
    wave: str = ""
    picture: str = ""
    top: float = 0.0
    sound: str = ""
    played: float = 0.0


def listen(folder: Folder, data: Path | str | None, on_progress: OnProgress) -> Sounds:
    """Open the run's data set again and measure every tested clip, on every core.

    Parameters
    ----------
    data
        Where it lies now, if it was moved.
    """
    if folder.recipe is None:
        return Sounds.none(folder.recipe_fault)
    settings = folder.recipe.data
    if data is not None:
        settings = replace(settings, path=str(data))
    elif not settings.path:
        return Sounds.none("The recipe names no data set.")
    try:
        dataset, _ = open_data(settings)
        fingerprint = dataset.fingerprint
    except (EarmarkError, OSError) as error:
        return Sounds.none(str(error))
    wanted = dict.fromkeys(folder.tested.keys)
    clips = [clip for clip in dataset.clips if (clip.path, clip.start, clip.end) in wanted]
    if not clips:
        return Sounds.none(f"None of the tested clips is in the data set at {dataset.root}.")
    own = replace(dataset, clips=Clips.of(clips, dataset.labels))
    total = len(clips)
    measures = measure(own, Local(), lambda done, seconds: on_progress(done, total, seconds))
    rows = {(clip.path, clip.start, clip.end): i for i, clip in enumerate(clips)}
    return Sounds(own, "", rows, measures, fingerprint, len(wanted) - len(rows))


def look(sounds: Sounds, key: Key, with_audio: bool) -> Look:
    """Return what a clip looks like and, if it is asked for, its sound."""
    if sounds.dataset is None:
        return Look(sounds.why)
    if key not in sounds.rows:
        return Look("The data set does not have this clip any more.")
    clip = sounds.dataset.clips[sounds.rows[key]]
    try:
        heard, whole = _heard(sounds.dataset, clip)
    except (AudioError, OSError) as error:
        return Look(str(getattr(error, "reason", error)))
    hop = max(64, len(heard.samples) // _COLUMNS)
    mel = LogMel(sample_rate=_RATE, n_mels=_MELS, hop_length=hop, top_db=_RANGE)
    played = Waveform(heard.samples[: round(LONGEST_PLAYED * _RATE)], _RATE)
    return Look(
        "",
        whole,
        heard.seconds,
        wave(heard.samples),
        _uri("image/png", spectrogram(mel.extract(heard), _RANGE)),
        _RATE / 2,
        _uri("audio/mpeg", mp3(played)) if with_audio else "",
        played.seconds if with_audio else 0.0,
    )


def _heard(dataset: Dataset, clip: Clip) -> tuple[Waveform, float]:
    """Return the beginning of a clip, and the seconds of the whole."""
    start = clip.start or 0.0
    end = clip.end
    if end is not None and end - start > LONGEST_SHOWN:
        part = audio.load(dataset.local(clip), _RATE, start=clip.start, end=start + LONGEST_SHOWN)
        return part, end - start
    whole = audio.load(dataset.local(clip), _RATE, start=clip.start, end=end)
    samples: FloatArray = whole.samples[: round(LONGEST_SHOWN * _RATE)]
    return Waveform(samples, _RATE), whole.seconds


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
