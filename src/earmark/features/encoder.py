"""What a pretrained encoder hears: its embeddings, window by window, or a summary of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from earmark.audio.mix import Channel
from earmark.encoders import ENCODERS, Session, get, note_of, session_of
from earmark.encoders.patches import BANDS, FRAMES, log_mel_patches
from earmark.errors import SettingError, UnknownNameError, WeightsError
from earmark.features.spectral import Resampler, is_channel
from earmark.types import Feature, FloatArray, Waveform

OWN = "own"  # an encoder that is not in the registry: the user's file
Pooled = Literal["none", "mean", "mean+max+sd"]
_LONGEST_WINDOW = 120.0


@dataclass(frozen=True, slots=True)
class Encoder:
    """Embeddings by a frozen network, of windows that overlap, the last one filled up with zeros.

    Parameters
    ----------
    encoder
        A key of `earmark.encoders.ENCODERS`, or ``"own"`` for weights of one's own.
    sha256
        Which weights; empty for those that this machine has of the encoder, see `resolved`.
    pooled
        What is kept of the course of windows: all of it (``"none"``), their ``"mean"``, or ``"mean+max+sd"``: the
        mean, the largest value and the standard deviation of each dimension.
    sample_rate, window, hop, size, front_end
        Hz, seconds, seconds, length of an embedding, and what the network takes. 0 and empty stand for what the
        registry says of the encoder, which cannot be changed; one's own needs the first two (``hop`` is the window
        then, ``front_end`` the waveform).
    resampler
        ``"soxr_hq"`` or ``"kaiser_fast"``.
    channel
        Of a file with several: their ``"mean"``, the ``"first"``, or one by its number from 1.

    Examples
    --------
    >>> Encoder().dims, Encoder().course, Encoder(pooled="mean+max+sd").dims, Encoder(pooled="mean").course
    (1024, True, 3072, False)
    """

    name: ClassVar[str] = "encoder"
    storage: ClassVar[str] = "float32"

    encoder: str = "yamnet"
    sha256: str = ""
    pooled: Pooled = "none"
    sample_rate: int = 0
    window: float = 0.0
    hop: float = 0.0
    size: int = 0
    front_end: Literal["", "waveform", "yamnet"] = ""
    resampler: Resampler = "soxr_hq"
    channel: Channel = "mean"

    def __post_init__(self) -> None:
        entry = ENCODERS.get(self.encoder)
        if entry is None and self.encoder != OWN:
            raise UnknownNameError("encoder", self.encoder, [*ENCODERS, OWN])
        for name in ("sample_rate", "window", "hop", "size", "front_end"):
            given, known = getattr(self, name), getattr(entry, name, None)
            if known is None:
                continue
            if given and given != known:
                raise SettingError(f"[feature] {name} is {given!r}, but {self.encoder} has {known!r}.")
            object.__setattr__(self, name, known)
        if entry is None:
            self._own()
        for good, name, allowed in (
            (self.resampler in ("soxr_hq", "kaiser_fast"), "resampler", "'soxr_hq' or 'kaiser_fast'"),
            (is_channel(self.channel), "channel", "'mean', 'first', or a number from 1"),
        ):
            if not good:
                raise SettingError(f"[feature] {name} is {getattr(self, name)!r}, but must be {allowed}.")

    def _own(self) -> None:
        if not self.sample_rate or not self.window:
            raise SettingError(
                "[feature] an encoder of your own needs the sample rate and the window that it was trained with:"
                " --set feature.sample_rate=16000 --set feature.window=1.0"
            )
        if self.front_end not in ("", "waveform"):
            raise SettingError(
                f"[feature] front_end is {self.front_end!r}, but one's own encoder takes 'waveform'."
            )
        object.__setattr__(self, "front_end", "waveform")
        object.__setattr__(self, "hop", self.hop or self.window)
        for good, name, allowed in (
            (1000 <= self.sample_rate <= 768_000, "sample_rate", "from 1000 to 768000"),
            (0.01 <= self.window <= _LONGEST_WINDOW, "window", f"from 0.01 to {_LONGEST_WINDOW:g}"),
            (0.01 <= self.hop <= self.window, "hop", f"from 0.01 to the window ({self.window:g})"),
            (self.size >= 0, "size", "0 or more"),
        ):
            if not good:
                raise SettingError(f"[feature] {name} is {getattr(self, name)!r}, but must be {allowed}.")

    @property
    def dims(self) -> int:
        """Length of the vector, or of one window's."""
        return self.size * (3 if self.pooled == "mean+max+sd" else 1)

    @property
    def windows(self) -> bool:
        """Whether each row stands for itself, so that a dense network can hear it."""
        return self.course

    @property
    def course(self) -> bool:
        """Whether the windows are kept."""
        return self.pooled == "none"

    def resolved(self) -> Encoder:
        """Return the feature with the weights that this machine has of the encoder written into its settings.

        Raises
        ------
        WeightsError
            When there are none.
        """
        sha256 = self.sha256
        if not sha256:
            note = note_of(self.encoder)
            if note is None:
                more = " --weights FILE.onnx" if self.encoder == OWN else ""
                raise WeightsError(
                    f"The weights of the encoder '{self.encoder}' are not on this machine."
                    f" Type: earmark fetch encoder:{self.encoder}{more}"
                )
            sha256 = note["sha256"]
        size = self.size or Session(get(sha256), self._shape).size
        return replace(self, sha256=sha256, size=size)

    def extract(self, waveform: Waveform) -> FloatArray:
        """Return float32[windows, size], or float32[dims] where they are pooled.

        Raises
        ------
        ValueError
            When the waveform has another sample rate or no samples: the caller resamples.
        WeightsError
            When the weights are not there, or do not fit.
        """
        if waveform.sample_rate != self.sample_rate:
            raise ValueError(
                f"the waveform has {waveform.sample_rate} Hz, the feature needs {self.sample_rate} Hz"
            )
        if not len(waveform.samples):
            raise ValueError("the waveform has no samples")
        session = session_of(self.sha256, self._shape, self.size)
        course = session.run(self._windows(waveform.samples))
        if self.pooled == "none":
            return course
        mean: FloatArray = course.mean(axis=0)
        if self.pooled == "mean":
            return mean
        return np.concatenate([mean, course.max(axis=0), course.std(axis=0)])

    @property
    def _shape(self) -> tuple[int, ...]:
        return (FRAMES, BANDS) if self.front_end == "yamnet" else (round(self.window * self.sample_rate),)

    def _windows(self, samples: FloatArray) -> FloatArray:
        """Return what the network takes: float32[n, …], n ≥ 1."""
        length, hop = round(self.window * self.sample_rate), round(self.hop * self.sample_rate)
        more = max(0, -(-(len(samples) - length) // hop))
        whole = np.zeros(length + more * hop, np.float32)
        whole[: len(samples)] = samples
        if self.front_end == "yamnet":
            return log_mel_patches(whole)
        return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(whole, length)[::hop])


def weights_of(features: Sequence[Feature]) -> tuple[bytes, ...]:
    """Return the weights that some features need.

    Raises
    ------
    WeightsError
        When this machine lacks some.
    """
    return tuple(get(feature.sha256) for feature in features if isinstance(feature, Encoder))


def resolved(feature: Feature) -> Feature:
    """Return the feature as it is computed on this machine: an encoder's with the weights that it has.

    Raises
    ------
    WeightsError
        When there are none.
    """
    return feature.resolved() if isinstance(feature, Encoder) else feature
