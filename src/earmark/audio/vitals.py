"""What can be said of a sound by looking at its samples once, in constant memory however long it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio import LOUDEST, limits, not_finite, pieces
from earmark.audio.condition import FULL
from earmark.audio.endings import fault_at_the_end
from earmark.audio.faults import TRUNCATED, Fault, cut_short
from earmark.audio.fingerprint import SoundHash
from earmark.audio.fourier import rfft
from earmark.audio.landmarks import Ear, Landmarks
from earmark.audio.mix import mix
from earmark.audio.scratch import borrow
from earmark.audio.sound import Sound, open_sound
from earmark.types import FloatArray

_FRAME, _FRAMES = 2048, 3  # samples of a frame; of the loudest in a piece of a file the bandwidth is found
_BLOCK = 32 * _FRAME  # samples measured at a time
_CHANCE = 5.0  # standard errors of a mean
_FLOOR = 1e-8  # of the strongest band, in power: 80 dB below it, nothing is heard and coders leave nothing


@dataclass(frozen=True, slots=True)
class Vitals:
    """A sound's measures.

    Parameters
    ----------
    seconds
        Duration.
    rate, channels, encoding
        Hz; how many; for a person, such as ``"WAV, 16-bit"``.
    sound
        What the mean of the channels is known by: `earmark.audio.fingerprint.sound_of`.
    peak
        The largest sample of any channel, full scale 1.
    clipped
        Share of the samples at full scale, 0 to 1.
    offset
        Mean of the samples, full scale 1; 0 where it is no more than chance makes it.
    level
        Root mean square in dB below full scale; minus infinity for digital silence.
    bandwidth
        Hz, above which nothing is heard: 80 dB below the strongest band.
    copies, dead
        Whether all channels are the same; how many are silent beside others that are not.
    faults
        What is wrong with the file: a word and a phrase each.
    landmarks
        What copies of it can be found by, where that was asked for.
    """

    seconds: float
    rate: int
    channels: int
    encoding: str
    sound: tuple[int, int]
    peak: float
    clipped: float
    offset: float
    level: float
    bandwidth: float
    copies: bool
    dead: int
    faults: tuple[Fault, ...]
    landmarks: Landmarks | None = None


def examine(
    path: Path, start: float | None = None, end: float | None = None, landmarks: bool = False
) -> Vitals:
    """Look at a file, or at the stretch between ``start`` and ``end`` seconds.

    Parameters
    ----------
    landmarks
        Whether copies of it are to be found. That takes longer than all the rest.

    Raises
    ------
    AudioError
        For what `earmark.audio.decode` refuses, in the same words.

    Examples
    --------
    >>> import tempfile, soundfile
    >>> path = Path(tempfile.mkdtemp()) / "tone.wav"
    >>> tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(22_050) / 22_050)
    >>> soundfile.write(path, np.stack([tone, tone], axis=1), 22_050)
    >>> vitals = examine(path)
    >>> vitals.copies, round(vitals.level, 1), round(vitals.bandwidth, -3)
    (True, -9.0, 1000.0)
    """
    with open_sound(path, path, start) as sound:
        if sound.certain and sound.frames is not None:
            first, last = limits.span(path, sound.frames, sound.rate, start, end)
            if last - first > limits.MAX_SECONDS * sound.rate:
                raise limits.too_long(path)
        look = _Look(path, sound, landmarks)
        for frames in pieces(path, sound, start, end):
            look.at(frames)
        faults = sound.faults
        if start is None and end is None:
            faults = _with_the_end(path, sound, faults)
    return look.vitals(tuple(faults))


def _with_the_end(path: Path, sound: Sound, faults: list[Fault]) -> list[Fault]:
    """Add what the header promised of a file that was read to its end, and is not there."""
    missing = None if sound.certain else fault_at_the_end(path)
    promised = sound.promised or 0
    if promised - sound.reached > sound.slack * sound.rate and (missing is None or missing[0] == TRUNCATED):
        missing = cut_short(promised / sound.rate, sound.reached / sound.rate)
    if missing is None:
        return faults
    return [*(fault for fault in faults if fault[0] != TRUNCATED), missing]


class _Look:
    """Sums up pieces of a sound."""

    def __init__(self, path: Path, sound: Sound, landmarks: bool) -> None:
        self._path, self._sound = path, sound
        self._hash = SoundHash(sound.rate)
        self._ear = Ear(sound.rate) if landmarks else None
        self._count = self._clipped = self._bad = self._frames = 0
        self._peak = self._sum = self._squares = self._means = self._wildest = 0.0
        self._copies = sound.channels > 1
        self._quiet = list(range(sound.channels))  # the channels in which nothing was heard yet
        self._loudest, self._powers = np.empty((0, _FRAME), np.float32), np.empty(0, np.float32)

    def at(self, frames: NDArray[Any]) -> None:
        """Take in the next piece, [n, channels]."""
        sound, n = self._sound, len(frames)
        self._count += n
        if self._count > limits.MAX_SECONDS * sound.rate:
            raise limits.too_long(self._path)
        if n == 0:
            return
        mono, count = borrow("vitals", n, "float32"), n // _FRAME
        means = borrow("vitals.means", count, "float32")
        powers = borrow("vitals.powers", count, "float32")
        for begin in range(0, n, _BLOCK):  # small enough to stay in the cache from one measure to the next
            end, at = begin + _BLOCK, slice(begin // _FRAME, (begin + _BLOCK) // _FRAME)
            part = mono[begin:end]
            mix(frames[begin:end], None, sound.full, sound.silence, part)
            self._hash.update(part)
            self._measure_peak(frames[begin:end].reshape(-1), part)
            whole = part[: len(part) // _FRAME * _FRAME].reshape(-1, _FRAME)
            np.matmul(whole, _mean(), out=means[at])
            np.vecdot(whole, whole, out=powers[at])
        rest = mono[count * _FRAME :]
        self._frames += count
        self._means += float(np.dot(means, means))
        self._sum += _FRAME * float(means.sum(dtype=np.float64)) + float(rest.sum(dtype=np.float64))
        self._squares += float(powers.sum(dtype=np.float64)) + float(np.dot(rest, rest))
        self._keep_loudest(mono[: count * _FRAME].reshape(-1, _FRAME), powers, rest)
        if self._copies or (sound.channels > 1 and self._quiet):
            self._compare(frames)
        if self._ear:
            self._ear.hear(mono)

    def _tame(self, mono: FloatArray) -> None:
        """Count what is no number, note how large the others are, and keep both out of the sums."""
        numbers = np.isfinite(mono)
        self._bad += len(mono) - int(np.count_nonzero(numbers))
        self._wildest = max(self._wildest, float(np.abs(mono[numbers]).max(initial=0)))
        np.nan_to_num(mono, copy=False, posinf=0, neginf=0)
        np.clip(mono, -LOUDEST, LOUDEST, out=mono)

    def _measure_peak(self, flat: NDArray[Any], mono: FloatArray) -> None:
        sound = self._sound
        peak = max(float(flat.max()) - sound.silence, sound.silence - float(flat.min())) / sound.full
        if not peak <= LOUDEST:
            self._tame(mono)
        self._peak = max(self._peak, peak)
        # The largest of few steps is not so near to full scale.
        most = min(FULL * sound.full, sound.full - 1) if sound.whole_numbers else FULL
        if peak * sound.full >= most:
            top, bottom = sound.silence + most, sound.silence - most
            self._clipped += int(np.count_nonzero((flat >= top) | (flat <= bottom)))

    def _offset(self) -> float:
        """Return the mean, where it is clearly more than the spread of the means of frames would give."""
        mean = self._sum / self._count
        spread = math.sqrt(max(0.0, self._squares / self._count - mean**2) / self._count)
        if self._frames > 1:  # of a low hum, or of one bang, frames differ more than chance would make them
            between = max(0.0, self._means / self._frames - mean**2)
            spread = max(spread, math.sqrt(between / self._frames))
        return mean if abs(mean) > _CHANCE * spread else 0.0

    def _compare(self, frames: NDArray[Any]) -> None:
        middle = len(frames) // 2
        for rows in (
            frames[middle : middle + 1],
            frames[::64],
            frames,
        ):  # nearly always one frame says it all
            if self._copies and not (rows[:, 1:] == rows[:, :1]).all():
                self._copies = False
            for column in self._quiet:
                if (rows[:, column] != self._sound.silence).any():
                    self._quiet = [quiet for quiet in self._quiet if quiet != column]
            if not self._copies and not self._quiet:
                return

    def _keep_loudest(self, parts: FloatArray, powers: FloatArray, rest: FloatArray) -> None:
        """Keep the loudest frames so far; of a sound shorter than one, the whole."""
        if len(parts) > _FRAMES:
            loudest = np.argpartition(powers, -_FRAMES)[-_FRAMES:]
            parts, powers = parts[loudest], powers[loudest]
        elif len(parts) == 0 and self._frames == 0:
            self._loudest = rest[None].copy()
        if len(parts):
            if len(self._powers):  # of the pieces before
                parts, powers = np.concatenate([self._loudest, parts]), np.concatenate([self._powers, powers])
                loudest = np.argsort(powers)[-_FRAMES:]
                parts, powers = parts[loudest], powers[loudest]
            self._loudest, self._powers = parts.copy(), powers.copy()

    def _bandwidth(self) -> float:
        frames = self._loudest
        windowed = np.zeros((len(frames), _FRAME), np.float32)
        np.multiply(frames, _window(frames.shape[1]), out=windowed[:, : frames.shape[1]])
        spectra = rfft(windowed).view(np.float32)
        np.multiply(spectra, spectra, out=spectra)
        both = spectra.sum(axis=0)  # of real and imaginary parts by turns
        power = both[::2] + both[1::2]
        strong = np.flatnonzero(power > _FLOOR * power.max())
        return float(strong[-1]) * self._sound.rate / _FRAME if len(strong) else 0.0

    def vitals(self, faults: tuple[Fault, ...]) -> Vitals:
        """Say what was found, or refuse what cannot be used."""
        sound, count = self._sound, self._count
        if count < limits.MIN_SECONDS * sound.rate:
            raise limits.too_short(self._path, count / sound.rate)
        if self._bad or self._wildest > LOUDEST:
            raise not_finite(self._path, self._bad, count, self._wildest)
        return Vitals(
            count / sound.rate,
            sound.rate,
            sound.channels,
            sound.encoding,
            self._hash.digest(),
            self._peak,
            self._clipped / (count * sound.channels),
            self._offset(),
            10 * math.log10(self._squares / count) if self._squares else -math.inf,
            self._bandwidth(),
            self._copies,
            len(self._quiet) if len(self._quiet) < sound.channels else 0,
            faults,
            self._ear.landmarks() if self._ear else None,
        )


@lru_cache(maxsize=1)
def _mean() -> FloatArray:
    # As a matrix product a sum is three times as fast.
    return np.full(_FRAME, 1 / _FRAME, np.float32)


@lru_cache(maxsize=8)
def _window(length: int) -> FloatArray:
    # Its side lobes fall so fast that one strong tone does not look like a wide band.
    turn = 2 * np.pi * np.arange(length) / length
    blackman: FloatArray = (
        0.35875 - 0.48829 * np.cos(turn) + 0.14128 * np.cos(2 * turn) - 0.01168 * np.cos(3 * turn)
    ).astype(np.float32)
    return blackman
